/*
 * The sender of probes: a name that everybody may answer to and nobody reads. Who probes, and what
 * becomes of it, is not decided here.
 */
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "route/route.h"

#define PROBE_DIGITS "0123456789bcdfghjklmnpqrstvwxyz" /* no words come of them */

/* "local@domain", with $myorigin where there is no domain. */
static void probe_name(const char *parameter, struct str *out)
{
	str_append_cstr(out, parameter);
	if (view_find_byte(str_view(out), '@') == VIEW_NOT_FOUND)
		str_printf(out, "@%s", param.myorigin);
}

static void probe_number(int64_t number, struct str *out)
{
	char digits[16];
	size_t n = sizeof(digits);

	do {
		digits[--n] = PROBE_DIGITS[(uint64_t)number % (sizeof(PROBE_DIGITS) - 1)];
		number = (int64_t)((uint64_t)number / (sizeof(PROBE_DIGITS) - 1));
	} while (number > 0 && n > 0);
	str_append(out, view_make(digits + n, sizeof(digits) - n));
}

/* The time's number; -1: the sender has none. */
static int64_t probe_epoch(int64_t now)
{
	return param.address_verify_sender_ttl >= 1000
		       ? now / (param.address_verify_sender_ttl / 1000)
		       : -1;
}

static void probe_sender_of(int64_t epoch, struct str *out)
{
	_cleanup_(str_free) struct str base = STR_EMPTY;
	struct view local, domain;

	str_clear(out);
	if (*param.address_verify_sender == '\0' ||
	    view_is(view_of(param.address_verify_sender), "<>"))
		return;
	probe_name(param.address_verify_sender, &base);
	address_split(str_view(&base), &local, &domain);
	str_append(out, local);
	if (epoch >= 0)
		probe_number(epoch, out);
	str_append_byte(out, '@');
	str_append(out, domain);
}

void route_probe_sender(int64_t now, struct str *out)
{
	probe_sender_of(probe_epoch(now), out);
}

bool route_is_probe_sender(struct view address, int64_t now)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	int64_t epoch = probe_epoch(now);

	probe_name(param.double_bounce_sender, &name);
	if (view_eq_nocase(address, str_view(&name)))
		return true;
	/* Who asks at the change of the number has the one before, or a clock that is ahead. */
	for (int64_t e = epoch < 0 ? -1 : epoch - 1; e <= (epoch < 0 ? -1 : epoch + 1); e++) {
		probe_sender_of(e, &name);
		if (name.len > 0 && view_eq_nocase(address, str_view(&name)))
			return true;
	}
	return false;
}
