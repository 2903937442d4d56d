/* The parameters of MAIL and RCPT: SIZE, BODY, AUTH, SMTPUTF8 and those of DSN (RFC 3461). */
#include <errno.h>

#include "base/encode.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "server.h"
#include "session.h"

#define ENVID_MAX 100 /* octets, RFC 3461 4.4 */
#define ORCPT_MAX 500 /* octets, RFC 3461 4.2 */

#define OPTIONS_MAX 8 /* rows of a table below */

struct parse {
	struct session *s;
	struct view name, value;
	struct view seen[OPTIONS_MAX]; /* the value that row n of the table had, data NULL: none */
	struct mail_options *mail;
	struct str *orcpt;
	uint8_t *notify;
};

static int option_refuse(struct parse *p, const char *text)
{
	reply(p->s, "%s", text);
	return -EINVAL;
}

/* RFC 1870. */
static int take_size(struct parse *p)
{
	if (p->value.len == 0 || p->value.len > 20 ||
	    view_parse_u64(p->value, UINT64_MAX, &p->mail->size) == -EINVAL)
		return option_refuse(p, "501 5.5.4 Bad message size syntax");
	/* Digits that are more than we can count are too much as well. */
	if (view_parse_u64(p->value, UINT64_MAX, &p->mail->size) == -ERANGE ||
	    (param.message_size_limit > 0 && p->mail->size > (uint64_t)param.message_size_limit))
		return option_refuse(p, "552 5.3.4 Message size exceeds fixed limit");
	return 0;
}

/* RFC 6152. */
static int take_body(struct parse *p)
{
	if (view_is_nocase(p->value, "8BITMIME"))
		p->mail->body = BODY_8BITMIME;
	else if (view_is_nocase(p->value, "7BIT"))
		p->mail->body = BODY_7BIT;
	else
		return option_refuse(p, "501 5.5.4 Bad BODY parameter: expected 7BIT or 8BITMIME");
	return 0;
}

/* RFC 4954 5: what a stranger claims about the submitter is worth nothing, and is dropped. */
static int take_auth(struct parse *p)
{
	_cleanup_(str_free) struct str decoded = STR_EMPTY;

	if (!p->s->offers_auth)
		return option_refuse(p, "503 5.5.4 Error: authentication disabled");
	if (p->value.len == 0 || xtext_decode(&decoded, p->value) < 0)
		return option_refuse(p, "501 5.5.4 Bad AUTH parameter");
	return 0;
}

static int take_smtputf8(struct parse *p)
{
	if (p->s->discarded & EHLO_SMTPUTF8)
		return option_refuse(p, "555 5.5.4 Unsupported option: SMTPUTF8");
	p->mail->utf8 = true; /* mail.c has looked for it before it read the address */
	return 0;
}

static int take_ret(struct parse *p)
{
	if (view_is_nocase(p->value, "FULL"))
		p->mail->ret = RET_FULL;
	else if (view_is_nocase(p->value, "HDRS"))
		p->mail->ret = RET_HDRS;
	else
		return option_refuse(p, "501 5.5.4 Bad RET parameter: expected FULL or HDRS");
	return 0;
}

static int take_envid(struct parse *p)
{
	if (p->value.len == 0 || p->value.len > ENVID_MAX ||
	    xtext_decode(&p->mail->envid, p->value) < 0)
		return option_refuse(p, "501 5.5.4 Bad ENVID parameter syntax");
	return 0;
}

static int take_notify(struct parse *p)
{
	static const struct {
		const char *word;
		uint8_t bit;
	} words[] = { { "NEVER", NOTIFY_NEVER },
		      { "SUCCESS", NOTIFY_SUCCESS },
		      { "FAILURE", NOTIFY_FAILURE },
		      { "DELAY", NOTIFY_DELAY } };
	struct view word;

	*p->notify = 0;
	while (view_next(&p->value, ',', &word)) {
		size_t i = 0;

		while (i < ARRAY_SIZE(words) && !view_is_nocase(word, words[i].word))
			i++;
		if (i == ARRAY_SIZE(words))
			return option_refuse(p, "501 5.5.4 Bad NOTIFY parameter");
		*p->notify |= words[i].bit;
	}
	/* NEVER stands alone. */
	if (*p->notify == 0 || ((*p->notify & NOTIFY_NEVER) && *p->notify != NOTIFY_NEVER))
		return option_refuse(p, "501 5.5.4 Bad NOTIFY parameter");
	return 0;
}

/* "rfc822;xtext": kept with the address decoded. */
static int take_orcpt(struct parse *p)
{
	size_t semicolon = view_find_byte(p->value, ';');
	struct view type = view_first(p->value, semicolon);

	if (semicolon == VIEW_NOT_FOUND || semicolon == 0 || p->value.len > ORCPT_MAX)
		return option_refuse(p, "501 5.5.4 Bad ORCPT parameter syntax");
	for (size_t i = 0; i < type.len; i++) {
		if (!ascii_is_alnum(type.data[i]) && type.data[i] != '-')
			return option_refuse(p, "501 5.5.4 Bad ORCPT parameter syntax");
	}
	str_append(p->orcpt, type);
	str_append_byte(p->orcpt, ';');
	if (semicolon + 1 == p->value.len ||
	    xtext_decode(p->orcpt, view_from(p->value, semicolon + 1)) < 0 ||
	    !view_is_utf8(str_view(p->orcpt)))
		return option_refuse(p, "501 5.5.4 Bad ORCPT parameter syntax");
	return 0;
}

struct option {
	const char *name;
	bool has_value;
	unsigned keyword; /* EHLO_..., not taken when that is not announced */
	int (*take)(struct parse *p);
};

static const struct option mail_table[] = {
	{ "SIZE", true, 0, take_size },
	{ "BODY", true, 0, take_body },
	{ "AUTH", true, 0, take_auth },
	{ "SMTPUTF8", false, 0, take_smtputf8 },
	{ "RET", true, EHLO_DSN, take_ret },
	{ "ENVID", true, EHLO_DSN, take_envid },
	{ NULL, false, 0, NULL },
};
static const struct option rcpt_table[] = {
	{ "NOTIFY", true, EHLO_DSN, take_notify },
	{ "ORCPT", true, EHLO_DSN, take_orcpt },
	{ NULL, false, 0, NULL },
};

static int option_take(struct parse *p, const struct option *table, const char *command)
{
	for (size_t i = 0; table[i].name != NULL; i++) {
		const struct option *option = &table[i];

		if (!view_is_nocase(p->name, option->name))
			continue;
		if (option->has_value != (p->value.data != NULL))
			return option_refuse(p, "501 5.5.4 Error: bad parameter syntax");
		/* Some libraries add their own SIZE= to the one that they were told to send. */
		if (p->seen[i].data != NULL)
			return view_eq_nocase(p->seen[i], p->value)
				       ? 0
				       : option_refuse(p,
						       "501 5.5.4 Error: the same parameter twice");
		p->seen[i] = p->value.data != NULL ? p->value : VIEW("");
		if (p->s->discarded & option->keyword)
			return option_refuse(p, "501 5.7.1 DSN support is disabled");
		return option->take(p);
	}

	_cleanup_(str_free) struct str printable = STR_EMPTY;

	str_append_printable(&printable, view_first(p->name, 40));
	reply(p->s, "555 5.5.4 Unsupported option of %s: %s", command, str_cstr(&printable));
	return -EINVAL;
}

static int parse_all(struct parse *p, struct view text, const struct option *table,
		     const char *command)
{
	struct view word;

	if (text.len > 0 && !p->s->esmtp)
		return option_refuse(p, "555 5.5.4 Error: parameters need EHLO");
	while (view_next_word(&text, " \t", &word)) {
		size_t equals = view_find_byte(word, '=');

		p->name = view_first(word, equals);
		p->value = equals == VIEW_NOT_FOUND ? VIEW_NONE : view_from(word, equals + 1);
		if (equals != VIEW_NOT_FOUND && p->value.data == NULL)
			p->value = VIEW("");

		int r = option_take(p, table, command);

		if (r < 0)
			return r;
	}
	return 0;
}

int options_parse_mail(struct session *s, struct view text, struct mail_options *options)
{
	struct parse p = { .s = s, .mail = options };

	return parse_all(&p, text, mail_table, "MAIL");
}

int options_parse_rcpt(struct session *s, struct view text, struct str *orcpt, uint8_t *notify)
{
	struct parse p = { .s = s, .orcpt = orcpt, .notify = notify };

	return parse_all(&p, text, rcpt_table, "RCPT");
}
