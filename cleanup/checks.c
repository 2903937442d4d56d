/* The actions of header_checks(5). Which line is asked for in which table is inspect.c's part. */
#include "checks.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"

#define CHECK_SHOWN_MAX 200 /* bytes of a line in the log */

struct check {
	struct intake *in;
	const char *what, *table;
	struct view line, text; /* text: after the action's word */
	struct check_result *result;
};

/* "reject: header Subject: x from client[192.0.2.1]; from=<a@b> proto=ESMTP helo=<c>: text" */
static void check_log(const struct check *c, const char *action)
{
	const struct intake *in = c->in;
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_printf(&line, "%s: %s: %s ", queue_writer_id(in->writer), action, c->what);
	str_append_printable(&line, view_first(c->line, CHECK_SHOWN_MAX));
	str_append_cstr(&line, " from ");
	if (in->client_address.len > 0)
		str_printf(&line, "%s[%s]", str_cstr(&in->client_name),
			   str_cstr(&in->client_address));
	else
		str_append_cstr(&line, "local");
	str_append_cstr(&line, "; from=<");
	address_show(&line, str_view(&in->sender));
	str_append_cstr(&line, ">");
	if (in->protocol.len > 0)
		str_printf(&line, " proto=%s", str_cstr(&in->protocol));
	if (in->helo.len > 0) {
		str_append_cstr(&line, " helo=<");
		str_append_printable(&line, str_view(&in->helo));
		str_append_cstr(&line, ">");
	}
	if (c->text.len > 0) {
		str_append_cstr(&line, ": ");
		str_append_printable(&line, c->text);
	}
	log_info("%s", str_cstr(&line));
}

static int check_wrong(const struct check *c, const char *problem)
{
	log_warning("%s: %s: %.*s", c->table, problem, VIEW_ARG(view_first(c->text, 100)));
	return intake_fail(c->in, 451, "4.3.5", "Error: server configuration error");
}

/* "5.7.1 text" or "4.7.1 text" in front: the status and its class; else 5.7.1. */
static int check_reject(struct check *c)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest = c->text, word = VIEW_NONE;
	bool has_status = view_next_word(&rest, " \t", &word) && word.len >= 5 && word.len <= 9 &&
			  (word.data[0] == '5' || word.data[0] == '4') && word.data[1] == '.' &&
			  view_find_byte(view_from(word, 2), '.') != VIEW_NOT_FOUND;

	check_log(c, "reject");
	for (size_t i = 0; has_status && i < word.len; i++)
		has_status = ascii_is_digit(word.data[i]) || word.data[i] == '.';
	if (has_status) {
		str_set(&c->in->fail_status_text, word);
		rest = view_trim(rest);
	} else {
		str_set(&c->in->fail_status_text, VIEW("5.7.1"));
		rest = c->text;
	}
	str_append_printable(&text, rest.len > 0 ? rest : VIEW("message content rejected"));
	return intake_fail(c->in, has_status && word.data[0] == '4' ? 450 : 550,
			   str_cstr(&c->in->fail_status_text), str_cstr(&text));
}

static int check_discard(struct check *c)
{
	check_log(c, "discard");
	return intake_discard(c->in);
}

static int check_hold(struct check *c)
{
	check_log(c, "hold");
	intake_hold(c->in, c->what, c->text.len > 0 ? c->text : c->line);
	return 0;
}

static int check_drop(struct check *c)
{
	c->result->fate = CHECK_DROP;
	return 0;
}

static int check_strip(struct check *c)
{
	check_log(c, "strip");
	return check_drop(c);
}

static int check_info(struct check *c)
{
	check_log(c, "info");
	return 0;
}

static int check_warn(struct check *c)
{
	check_log(c, "warning");
	return 0;
}

static int check_nothing(struct check *c)
{
	(void)c;
	return 0;
}

static int check_ok(struct check *c)
{
	c->result->ok = true;
	return 0;
}

/* Of what was found about the message, that is; what a milter or Sieve looks for is the field itself. */
static int check_junk(struct check *c)
{
	if (strcmp(c->what, CHECK_MAILAUTH) != 0)
		return check_wrong(c, "JUNK is for check_mailauth_access");
	check_log(c, "junk");
	c->result->junk = true;
	return 0;
}

static int check_pass(struct check *c)
{
	check_log(c, "pass");
	c->result->pass = true;
	return 0;
}

/* A text that is to become a line of the message. */
static int check_take_text(struct check *c, enum check_fate fate)
{
	bool is_header = strcmp(c->what, "body") != 0;
	struct view line = c->text;
	struct header_field field;

	if (line.len == 0 || view_has_control(line) ||
	    (is_header && header_next(&line, &field) <= 0))
		return check_wrong(c, is_header ? "needs a header field" : "needs a text");
	str_set(&c->result->text, c->text);
	c->result->fate = fate;
	return 0;
}

static int check_replace(struct check *c)
{
	check_log(c, "replace");
	return check_take_text(c, CHECK_REPLACE);
}

static int check_prepend(struct check *c)
{
	check_log(c, "prepend");
	return check_take_text(c, CHECK_PREPEND);
}

bool check_is_address(struct view text)
{
	return view_find_byte(text, '@') != VIEW_NOT_FOUND && text.len <= ADDRESS_MAX &&
	       !view_has_control(text) && view_find_byte(text, ' ') == VIEW_NOT_FOUND;
}

static int check_bcc(struct check *c)
{
	if (!check_is_address(c->text))
		return check_wrong(c, "BCC needs user@domain");
	check_log(c, "bcc");
	return envelope_late_copy(c->in, c->text);
}

static int check_redirect(struct check *c)
{
	if (!check_is_address(c->text))
		return check_wrong(c, "REDIRECT needs user@domain");
	check_log(c, "redirect");
	str_set(&c->in->redirect, c->text);
	return 0;
}

static int check_filter(struct check *c)
{
	if (!route_filter_is_valid(c->text))
		return check_wrong(c, "FILTER needs transport:destination");
	check_log(c, "filter");
	str_set(&c->in->filter, c->text);
	c->in->again = true;
	return 0;
}

static const struct {
	const char *word;
	int (*act)(struct check *c);
} actions[] = {
	{ "BCC", check_bcc },	    { "DISCARD", check_discard }, { "DUNNO", check_nothing },
	{ "OK", check_ok },	    { "JUNK", check_junk },	  { "FILTER", check_filter },
	{ "HOLD", check_hold },	    { "IGNORE", check_drop },	  { "INFO", check_info },
	{ "PASS", check_pass },	    { "PREPEND", check_prepend }, { "REDIRECT", check_redirect },
	{ "REJECT", check_reject }, { "REPLACE", check_replace }, { "STRIP", check_strip },
	{ "WARN", check_warn },
};

int check_line(struct intake *in, struct tables *tables, const char *what, struct view line,
	       struct check_result *result)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct view word = VIEW_NONE;
	int r = tables_lookup(tables, line, &value, &err);

	result->fate = CHECK_KEEP;
	result->found = r > 0;
	if (r < 0) {
		log_warning("%s: %s", queue_writer_id(in->writer), err.text);
		return intake_fail(in, 451, "4.3.0", "Error: temporary lookup failure");
	}
	if (r == 0)
		return 0;

	struct check c = { .in = in,
			   .what = what,
			   .table = tables_answered(tables),
			   .line = line,
			   .text = view_trim(str_view(&value)),
			   .result = result };

	view_next_word(&c.text, " \t", &word);
	c.text = view_trim(c.text);
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (view_is_nocase(word, actions[i].word))
			return actions[i].act(&c);
	c.text = str_view(&value);
	return check_wrong(&c, "no such action");
}

void check_result_free(struct check_result *result)
{
	str_free(&result->text);
}
