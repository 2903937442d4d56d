/*
 * What EHLO announces, RFC 5321 4.1.1.1, in this order: a row for each extension. A new one is a
 * row here, its bit in server.h, and the verb or parameter that it brings.
 */
#include <errno.h>

#include "base/log.h"
#include "conf/conf.h"
#include "server.h"
#include "session.h"
#include "table/table.h"

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

		if (s->discarded & extension->bit)
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

static struct {
	const char *parameter, *parameter_of_maps;
	unsigned usual; /* where the tables do not know the client */
	struct tables *maps;
} discards[] = {
	[DISCARD_FOR_SESSION] = { "smtpd_discard_ehlo_keywords",
				  "smtpd_discard_ehlo_keyword_address_maps", 0, NULL },
	[DISCARD_FOR_DECOY] = { "postscreen_discard_ehlo_keywords",
				"postscreen_discard_ehlo_keyword_address_maps", 0, NULL },
};

static unsigned extension_bits(struct view word)
{
	unsigned bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++)
		if (view_is_nocase(word, extensions[i].keyword))
			bits |= extensions[i].bit;
	return bits;
}

static bool extension_is_known(struct view word)
{
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (view_is_nocase(word, others[i]))
			return true;
	return extension_bits(word) != 0;
}

static unsigned extensions_read(const char *where, struct view words)
{
	unsigned bits = 0;
	struct view word;

	while (conf_next_element(&words, &word)) {
		bits |= extension_bits(word);
		if (!extension_is_known(word))
			log_warning("%s: unknown keyword %.*s", where, VIEW_ARG(word));
	}
	if (!param.smtputf8_enable)
		bits |= EHLO_SMTPUTF8;
	if (param.disable_vrfy_command)
		bits |= EHLO_VRFY;
	return bits;
}

int extensions_open(struct error *err)
{
	const char *const words[] = { param.smtpd_discard_ehlo_keywords,
				      param.postscreen_discard_ehlo_keywords };
	const char *const maps[] = { param.smtpd_discard_ehlo_keyword_address_maps,
				     param.postscreen_discard_ehlo_keyword_address_maps };

	for (size_t i = 0; i < ARRAY_SIZE(discards); i++) {
		discards[i].usual = extensions_read(discards[i].parameter, view_of(words[i]));
		discards[i].maps = tables_open(maps[i], 0, err);
		if (discards[i].maps == NULL) {
			error_prefix(err, "%s", discards[i].parameter_of_maps);
			return -EINVAL;
		}
	}
	return 0;
}

void extensions_close(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(discards); i++)
		tables_close(TAKE(discards[i].maps));
}

unsigned extensions_discarded(enum discard_for whom, const char *address)
{
	const char *where = discards[whom].parameter_of_maps;
	_cleanup_(str_free) struct str words = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = !tables_are_empty(discards[whom].maps)
			? tables_lookup(discards[whom].maps, view_of(address), &words, &err)
			: 0;

	if (r < 0)
		log_warning("%s: %s", where, err.text);
	return r > 0 ? extensions_read(where, str_view(&words)) : discards[whom].usual;
}
