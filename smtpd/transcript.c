/*
 * What was said in a session, for the postmaster, where notify_classes asks for it: kept while it lasts,
 * and sent at its end if something of those classes happened.
 */
#include "base/mem.h"
#include "conf/conf.h"
#include "services/clients.h"
#include "session.h"

#define TRANSCRIPT_MAX	    ((size_t)16384) /* bytes; of a longer one the end */
#define TRANSCRIPT_LINE_MAX 200
#define AT_ONCE_MAX	    5 /* on their way to cleanup */

enum {
	NOTICE_RESOURCE = 1,
	NOTICE_SOFTWARE = 2,
	NOTICE_POLICY = 4,
	NOTICE_PROTOCOL = 8,
	NOTICE_DATA = 16
};

static const struct {
	const char *name;
	unsigned class;
} classes[] = { { "resource", NOTICE_RESOURCE },
		{ "software", NOTICE_SOFTWARE },
		{ "policy", NOTICE_POLICY },
		{ "protocol", NOTICE_PROTOCOL },
		{ "data", NOTICE_DATA } };

static unsigned wanted, sending;

void transcript_open(void)
{
	wanted = 0;
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (notice_is_wanted(classes[i].name))
			wanted |= classes[i].class;
}

static bool has_status(struct view text, const char *detail)
{
	/* "451 4.3.0 ...": what follows the class. */
	return text.len > 6 + strlen(detail) && view_starts(view_from(text, 5), view_of(detail));
}

/* Which class a refusal is of, by what it says. */
static unsigned class_of_reply(struct view text)
{
	struct view code = view_first(text, 3);

	if (text.len < 4 || (text.data[0] != '4' && text.data[0] != '5'))
		return 0;
	/* A user's mailbox that is full is the user's, and not ours. */
	if ((view_is(code, "452") && !has_status(text, ".2.2")) || has_status(text, ".3.1"))
		return NOTICE_RESOURCE;
	if (view_find(text, VIEW("lookup failure")) != VIEW_NOT_FOUND)
		return NOTICE_DATA;
	/* "Shutting down", "ports are busy": not what failed. */
	if (has_status(text, ".3.") && !has_status(text, ".3.2") && !has_status(text, ".3.4"))
		return NOTICE_SOFTWARE;
	if (view_starts(code, VIEW("50")) || has_status(text, ".5."))
		return NOTICE_PROTOCOL;
	return NOTICE_POLICY;
}

static void transcript_line(struct session *s, const char *who, struct view line)
{
	struct str *text = &s->transcript;

	str_printf(text, " %s: ", who);
	line = view_first(line, TRANSCRIPT_LINE_MAX);
	for (size_t i = 0; i < line.len; i++) {
		char c = line.data[i];

		str_append_byte(text, c >= ' ' && c < 127 ? c : '?');
	}
	str_append(text, VIEW("\r\n"));
	if (text->len > TRANSCRIPT_MAX) {
		size_t end = view_find_byte(view_from(str_view(text), TRANSCRIPT_MAX / 4), '\n');

		str_consume(text, TRANSCRIPT_MAX / 4 + end + 1);
		s->transcript_cut = true;
	}
}

void transcript_in(struct session *s, struct view line, bool is_known)
{
	struct view rest = line, word;

	if (wanted == 0)
		return;
	/* No passwords: of AUTH the mechanism's name is enough. */
	if (view_next_word(&rest, " \t", &word) && view_is_nocase(word, "AUTH")) {
		view_next_word(&rest, " \t", &word);
		line = view_first(line, line.len - rest.len);
	}
	/* What is no command may be what was to follow an AUTH that was refused, or a mistyped one. */
	if (!is_known)
		line = VIEW("(no command: not shown)");
	transcript_line(s, "In ", line);
}

void transcript_out(struct session *s, struct view text)
{
	struct view rest = text, line;

	if (wanted == 0)
		return;
	if (view_starts(text, VIEW("334")))
		rest = VIEW("334");
	while (view_next(&rest, '\n', &line))
		transcript_line(s, "Out", view_trim(line));
	s->notices |= class_of_reply(text) & wanted;
}

/* ---- sending it ---- */

void transcript_close(struct session *s)
{
	_cleanup_(str_free) struct str subject = STR_EMPTY, text = STR_EMPTY;
	unsigned passed_over;

	if (s->notices == 0 || sending >= AT_ONCE_MAX || !notice_may(&passed_over))
		return;
	str_printf(&subject, "%s SMTP server: errors from ", param.mail_name);
	str_append_printable(&subject, str_view(&s->who));
	if (passed_over > 0)
		str_printf(&text, "%u others were not sent since the last one.\r\n\r\n",
			   passed_over);
	str_printf(&text, "Transcript of session follows%s.\r\n\r\n",
		   s->transcript_cut ? ", its end" : "");
	str_append(&text, str_view(&s->transcript));
	str_append(&text, VIEW("\r\nFor other details, see the log.\r\n"));
	sending++;
	(void)notice_send(param.error_notice_recipient, VIEW_NONE, str_cstr(&subject),
			  str_view(&text));
	sending--;
}
