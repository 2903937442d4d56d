/*
 * The rules of a user's quota, put together: those for all, those of a table, and those of the user's own
 * fields. What they mean is store/quota.h's matter; here they are words.
 */
#include "user/quota.h"

#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "table/table.h"

static struct tables *maps;

int user_quota_open(struct error *err)
{
	struct tables *fresh = tables_open(param.mailbox_quota_maps, 0, err);

	if (fresh == NULL)
		return -EINVAL;
	tables_close(maps);
	maps = fresh;
	return 0;
}

void user_quota_close(void)
{
	tables_close(TAKE(maps));
}

/* Words, whatever separates them. */
static void add_words(struct str *out, struct view list)
{
	struct view word;

	while (view_next_word(&list, ", \t\r\n", &word)) {
		str_append_byte(out, ' ');
		str_append(out, word);
	}
}

/* "80%, 95%": one word. */
static void add_warnings(struct str *out)
{
	struct view list = view_of(param.mailbox_quota_warnings), word;
	const char *separator = " warn=";

	while (view_next_word(&list, ", \t\r\n", &word)) {
		str_printf(out, "%s%.*s", separator, VIEW_ARG(word));
		separator = ":";
	}
}

/* The address, then "@domain". */
static int add_of_maps(struct str *out, struct view name, struct error *err)
{
	_cleanup_(str_free) struct str value = STR_EMPTY, whole = STR_EMPTY;
	struct view local, domain;
	int r;

	if (maps == NULL || tables_are_empty(maps))
		return 0;
	address_split(name, &local, &domain);
	r = tables_lookup(maps, name, &value, err);
	if (r == 0 && domain.len > 0) {
		str_append_byte(&whole, '@');
		str_append(&whole, domain);
		r = tables_lookup(maps, str_view(&whole), &value, err);
	}
	if (r < 0) {
		error_prefix(err, "mailbox_quota_maps");
		return r;
	}
	if (r > 0)
		add_words(out, str_view(&value));
	return 0;
}

/*
 * quota=1G, quota_messages=1000, and Dovecot's quota_rule, quota_rule2, ..., which a passwd-file has with "userdb_" in
 * front.
 */
static void add_of_fields(struct str *out, struct view fields)
{
	struct view word;

	while (view_next_word(&fields, " \t", &word)) {
		size_t equals = view_find_byte(word, '=');
		struct view name = view_first(word, equals), value;

		if (equals == VIEW_NOT_FOUND)
			continue;
		value = view_from(word, equals + 1);
		if (view_starts(name, VIEW("userdb_")))
			name = view_from(name, strlen("userdb_"));
		if (view_is(name, "quota"))
			str_printf(out, " *:bytes=%.*s", VIEW_ARG(value));
		else if (view_is(name, "quota_messages"))
			str_printf(out, " *:messages=%.*s", VIEW_ARG(value));
		else if (view_is(name, "quota_grace"))
			str_printf(out, " grace=%.*s", VIEW_ARG(value));
		else if (view_starts(name, VIEW("quota_rule")))
			str_printf(out, " %.*s", VIEW_ARG(value));
	}
}

int user_quota_rules(struct view name, struct view fields, struct str *out, struct error *err)
{
	int r;

	str_printf(out, "user=%.*s", VIEW_ARG(name));
	if (view_find_byte(name, '@') == VIEW_NOT_FOUND)
		str_printf(out, "@%s", param.myorigin);
	if (param.mailbox_quota_grace[0] != '\0')
		str_printf(out, " grace=%s", param.mailbox_quota_grace);
	add_warnings(out);
	if (param.mailbox_quota_maildirsize)
		str_append(out, VIEW(" maildirsize"));
	add_words(out, view_of(param.mailbox_quota_rules));
	r = add_of_maps(out, name, err);
	if (r == 0)
		add_of_fields(out, fields);
	return r;
}
