/*
 * smtp_header_checks and kin: what tables say about header fields and body lines of mail that leaves.
 * Actions that decide about a message come too late here, and are named in the log.
 */
#include "checks.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "settings.h"
#include "table/table.h"

/* The program's state. */
static struct {
	struct tables *header, *mime, *nested, *body;
} checks;

int checks_prepare(struct error *err)
{
	struct {
		struct tables **tables;
		const char *name, *list;
	} all[] = {
		{ &checks.header, "header_checks", settings.header_checks },
		{ &checks.mime, "mime_header_checks", settings.mime_header_checks },
		{ &checks.nested, "nested_header_checks", settings.nested_header_checks },
		{ &checks.body, "body_checks", settings.body_checks },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		*all[i].tables = tables_open(all[i].list, TABLE_LONG_KEYS, err);
		if (*all[i].tables == NULL) {
			error_prefix(err, "%s_%s", settings.lmtp ? "lmtp" : "smtp", all[i].name);
			return -EINVAL;
		}
	}
	return 0;
}

bool checks_have_fields(void)
{
	return checks.header != NULL &&
	       !(tables_are_empty(checks.header) && tables_are_empty(checks.mime) &&
		 tables_are_empty(checks.nested));
}

bool checks_have_lines(void)
{
	return checks.body != NULL && !tables_are_empty(checks.body);
}

/* ---- what a row asks for ---- */

struct check {
	const char *id, *what; /* queue id; "header", "body" */
	struct view line;      /* without its end */
	struct view text;      /* of the row, after its first word */
	struct str *out;
};

static int check_keep(struct check *c)
{
	(void)c;
	return 0;
}

static int outgoing_check_drop(struct check *c)
{
	str_clear(c->out);
	return 1;
}

static int check_note(struct check *c)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_append_printable(&line, view_first(c->line, 200));
	log_info("%s: %s %s: %.*s", c->id, c->what, str_cstr(&line), VIEW_ARG(c->text));
	return 0;
}

/* A text that is to be a line of the message. */
static bool is_line(struct check *c)
{
	if (c->text.len > 0 && !view_has_control(c->text))
		return true;
	log_warning("%s: %s_checks: a row lacks its text", c->id, c->what);
	return false;
}

static int outgoing_check_replace(struct check *c)
{
	if (!is_line(c))
		return 0;
	str_set(c->out, c->text);
	str_append(c->out, VIEW("\r\n"));
	return 1;
}

static int outgoing_check_prepend(struct check *c)
{
	if (!is_line(c))
		return 0;
	str_set(c->out, c->text);
	str_append(c->out, VIEW("\r\n"));
	str_append(c->out, c->line);
	str_append(c->out, VIEW("\r\n"));
	return 1;
}

static int check_too_late(struct check *c)
{
	log_warning("%s: %s_checks: such a row is for mail that arrives, and does nothing here",
		    c->id, c->what);
	return 0;
}

static const struct {
	const char *word;
	int (*act)(struct check *c);
} actions[] = {
	{ "IGNORE", outgoing_check_drop },
	{ "STRIP", outgoing_check_drop },
	{ "REPLACE", outgoing_check_replace },
	{ "PREPEND", outgoing_check_prepend },
	{ "WARN", check_note },
	{ "INFO", check_note },
	{ "DUNNO", check_keep },
	{ "OK", check_keep },
	{ "PASS", check_keep },
};

static int check_apply(struct check *c, struct tables *tables, struct view key)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = tables_lookup(tables, key, &value, &err);
	struct view rest, word = VIEW_NONE;

	if (r < 0)
		log_warning("%s: %s_checks: %s", c->id, c->what, err.text);
	if (r <= 0)
		return r;
	rest = str_view(&value);
	view_next_word(&rest, " \t", &word);
	c->text = view_trim(rest);
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (view_is_nocase(word, actions[i].word))
			return actions[i].act(c);
	return check_too_late(c);
}

/* ---- fields and lines ---- */

static bool checks_is_mime_field(struct view whole)
{
	struct view name = view_trim(view_first(whole, view_find_byte(whole, ':')));

	return view_is_nocase(name, "MIME-Version") || view_starts_nocase(name, VIEW("Content-"));
}

int checks_field(const char *id, enum converter_place place, struct view whole, struct str *out)
{
	struct tables *tables = place == FIELD_MIME || checks_is_mime_field(whole) ? checks.mime
				: place == FIELD_PRIMARY			   ? checks.header
										   : checks.nested;
	_cleanup_(str_free) struct str key = STR_EMPTY;
	struct view line = whole;
	struct check c = { .id = id, .what = "header", .out = out };

	if (tables_are_empty(tables) || view_find_byte(whole, ':') == VIEW_NOT_FOUND)
		return 0;
	while (line.len > 0 && (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == '\r'))
		line.len--;
	c.line = line;
	/* As tables see it: folded lines with LF between them, no NUL. */
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] != '\r')
			str_append_byte(&key, line.data[i] == '\0' ? '?' : line.data[i]);
	return check_apply(&c, tables, str_view(&key));
}

int checks_line(const char *id, struct view line, struct str *out)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	struct check c = { .id = id, .what = "body", .line = line, .out = out };

	for (size_t i = 0; i < line.len; i++)
		str_append_byte(&key, line.data[i] == '\0' ? '?' : line.data[i]);
	return key.len == 0 ? 0 : check_apply(&c, checks.body, str_view(&key));
}
