/*
 * The capabilities of ManageSieve. There is no UNAUTHENTICATE (RFC 5804, 2.14.1): after a login the
 * process that answers is the user, and cannot be anybody else again.
 */
#include "capability.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "parser.h"
#include "sieve/sieve.h"

static void capability_line(struct str *out, const char *name, struct view value)
{
	str_printf(out, "\"%s\" ", name);
	managesieve_append_string(out, value);
	str_append(out, VIEW("\r\n"));
}

void managesieve_capabilities(struct str *out, struct view mechanisms, bool starttls,
			      struct view owner)
{
	_cleanup_(str_free) struct str redirects = STR_EMPTY;

	capability_line(out, "IMPLEMENTATION", view_of(param.mail_name));
	capability_line(out, "SASL", mechanisms);
	capability_line(out, "SIEVE", view_of(sieve_extensions()));
	if (starttls)
		str_append(out, VIEW("\"STARTTLS\"\r\n"));
	/* What notify can use (RFC 5435, 9). */
	capability_line(out, "NOTIFY", VIEW("mailto"));
	str_printf(&redirects, "%lld", (long long)param.sieve_max_redirects);
	capability_line(out, "MAXREDIRECTS", str_view(&redirects));
	if (owner.len > 0)
		capability_line(out, "OWNER", owner);
	capability_line(out, "VERSION", VIEW("1.0"));
}
