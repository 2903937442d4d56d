/*
 * XFORWARD: telling a content filter whom the message came from (Postfix's extension). Only what the
 * filter has said that it takes is told, and only what is known.
 */
#include "xforward.h"

#include "base/encode.h"
#include "base/mem.h"
#include "settings.h"

#define XFORWARD_VALUE_MAX 60 /* octets of an attribute, so that a line is within 512 */

static bool takes_attribute(const struct session *s, const char *name)
{
	struct view rest = str_view(&s->xforward), word;

	while (view_next_word(&rest, " \t", &word))
		if (view_is_nocase(word, name))
			return true;
	return false;
}

static void xforward_add(const struct session *s, struct str *line, const char *name,
			 struct view value)
{
	if (value.len == 0 || !takes_attribute(s, name))
		return;
	str_printf(line, " %s=", name);
	xtext_encode(line, view_first(value, XFORWARD_VALUE_MAX));
}

static void xforward_client(const struct session *s, const struct delivery *d, struct str *line)
{
	_cleanup_(str_free) struct str address = STR_EMPTY;

	if (d->client_address.len == 0)
		return;
	if (view_find_byte(str_view(&d->client_address), ':') != VIEW_NOT_FOUND)
		str_append(&address, VIEW("IPV6:"));
	str_append(&address, str_view(&d->client_address));
	xforward_add(s, line, "NAME", str_view(&d->client_name));
	xforward_add(s, line, "ADDR", str_view(&address));
	if (takes_attribute(s, "PORT"))
		str_append(line, VIEW(" PORT=[UNAVAILABLE]"));
}

static void xforward_message(const struct session *s, const struct delivery *d, struct str *line)
{
	xforward_add(s, line, "PROTO", str_view(&d->client_protocol));
	xforward_add(s, line, "HELO", str_view(&d->client_helo));
	/* By this cleanup knows what it has looked at before. What was made here it did not look at. */
	if (d->client_address.len > 0)
		xforward_add(s, line, "IDENT", str_view(&d->queue_id));
	/* Whoever has logged in is a user of ours: what comes back is signed. */
	xforward_add(s, line, "SOURCE",
		     (d->flags & MAIL_FLAG_REMOTE) && d->login.len == 0 ? VIEW("REMOTE")
									: VIEW("LOCAL"));
}

bool xforward_attributes(const struct session *s, const struct delivery *d, bool of_message,
			 struct str *attributes)
{
	if (!settings.send_xforward_command || !(s->can & CAN_XFORWARD))
		return false;
	str_clear(attributes);
	if (of_message)
		xforward_message(s, d, attributes);
	else
		xforward_client(s, d, attributes);
	return attributes->len > 0;
}
