/*
 * What EHLO announces, RFC 5321 4.1.1.1, in this order: a row for each extension. A new one is a
 * row here, its bit in server.h, and the verb or parameter that it brings.
 */
#include "base/log.h"
#include "conf/conf.h"
#include "server.h"
#include "session.h"

/* Appends the line without its code; nothing where the extension is not to be had now. */
typedef void extension_announce(const struct session *s, struct str *line);

static void announce_size(const struct session *s, struct str *line)
{
	(void)s;
	if (param.message_size_limit > 0)
		str_printf(line, "SIZE %lld", (long long)param.message_size_limit);
	else
		str_append_cstr(line, "SIZE");
}

static void announce_starttls(const struct session *s, struct str *line)
{
	if (server.tls != NULL && !s->secured)
		str_append_cstr(line, "STARTTLS");
}

static void announce_mechanisms(const struct session *s, const char *keyword, struct str *line)
{
	if (!s->offers_auth || (server_wants_tls_for_auth() && !s->secured))
		return;

	_cleanup_(str_free) struct str names = STR_EMPTY;

	auth_tls_announced(s->io, server_mechanisms(s->secured), &names);
	if (names.len > 0)
		str_printf(line, "%s%s", keyword, str_cstr(&names));
}

static void announce_auth(const struct session *s, struct str *line)
{
	announce_mechanisms(s, "AUTH ", line);
}

/* For clients older than RFC 2554. */
static void announce_broken_auth(const struct session *s, struct str *line)
{
	if (param.broken_sasl_auth_clients)
		announce_mechanisms(s, "AUTH=", line);
}

static const struct extension {
	const char *keyword;	      /* in smtpd_discard_ehlo_keywords, case ignored */
	unsigned bit;		      /* EHLO_... */
	extension_announce *announce; /* NULL: the keyword is the line */
} extensions[] = {
	{ "PIPELINING", EHLO_PIPELINING, NULL },
	{ "SIZE", EHLO_SIZE, announce_size },
	{ "VRFY", EHLO_VRFY, NULL },
	{ "ETRN", EHLO_ETRN, NULL },
	{ "STARTTLS", EHLO_STARTTLS, announce_starttls },
	{ "AUTH", EHLO_AUTH, announce_auth },
	{ "AUTH", EHLO_AUTH, announce_broken_auth },
	{ "ENHANCEDSTATUSCODES", EHLO_STATUS_CODES, NULL },
	{ "8BITMIME", EHLO_8BITMIME, NULL },
	{ "DSN", EHLO_DSN, NULL },
	{ "SMTPUTF8", EHLO_SMTPUTF8, NULL },
	{ "CHUNKING", EHLO_CHUNKING, NULL },
	{ "XFORWARD", EHLO_XFORWARD, xforward_announce },
	{ "XCLIENT", EHLO_XCLIENT, xclient_announce },
};

/* Words of smtpd_discard_ehlo_keywords for what is never announced here. */
static const char *const others[] = { "silent-discard", "VERP", "XVERP", "REQUIRETLS" };

void extensions_announce(const struct session *s, struct str *out)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	/* The code before the last line has no hyphen: each is written when the next one is known. */
	str_append_cstr(&line, param.myhostname);
	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++) {
		const struct extension *extension = &extensions[i];
		_cleanup_(str_free) struct str next = STR_EMPTY;

		if (server.discarded & extension->bit)
			continue;
		if (extension->announce != NULL)
			extension->announce(s, &next);
		else
			str_append_cstr(&next, extension->keyword);
		if (next.len == 0)
			continue;
		str_printf(out, "250-%s\r\n", str_cstr(&line));
		str_set(&line, str_view(&next));
	}
	str_printf(out, "250 %s", str_cstr(&line));
}

static bool extension_discard(struct view word)
{
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++) {
		if (view_is_nocase(word, extensions[i].keyword)) {
			server.discarded |= extensions[i].bit;
			known = true;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		known |= view_is_nocase(word, others[i]);
	return known;
}

void extensions_read_discarded(void)
{
	struct view rest = view_of(param.smtpd_discard_ehlo_keywords), word;

	while (conf_next_element(&rest, &word)) {
		if (!extension_discard(word))
			log_warning("smtpd_discard_ehlo_keywords: unknown keyword %.*s",
				    VIEW_ARG(word));
	}
	if (!param.smtputf8_enable)
		server.discarded |= EHLO_SMTPUTF8;
	if (param.disable_vrfy_command)
		server.discarded |= EHLO_VRFY;
}
