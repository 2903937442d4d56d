/* APPEND (RFC 3501 6.3.11, RFC 4315): the message is streamed into the store. */
#include <errno.h>

#include "conf/conf.h"
#include "mail/date.h"
#include "session.h"

struct appending {
	struct imap_flags flags;
	int64_t date;
	uint64_t size;
	int failed; /* the store's error; the rest of the literal is read all the same */
};

/* SP [flag-list SP] [date-time SP] in front of the literal. */
static int append_parse_options(struct imap_session *s, struct appending *a)
{
	struct view text;
	int r = imap_space(s->parser);

	if (r == 0 && imap_peek(s->parser) == '(') {
		r = imap_parse_flags(s, false, &a->flags);
		if (r == 0)
			r = imap_space(s->parser);
	}
	if (r == 0 && imap_peek(s->parser) == '"') {
		r = imap_string(s->parser, &text);
		if (r == 0 && date_parse_imap(text, &a->date) < 0)
			r = imap_syntax_error(s->parser, "Invalid date");
		if (r == 0)
			r = imap_space(s->parser);
	}
	return r;
}

/* Bare LFs of sloppy clients become CRLF: what is stored is what goes on the wire. A bare CR is kept. */
static int write_crlf(struct append *append, struct view piece, char *last)
{
	size_t start = 0;
	int r = 0;

	for (size_t i = 0; i < piece.len && r == 0; i++) {
		char c = piece.data[i];

		if (c == '\n' && *last != '\r') {
			r = append_write(append, view_make(piece.data + start, i - start));
			if (r == 0)
				r = append_write(append, VIEW("\r"));
			start = i;
		}
		*last = c;
	}
	if (r == 0)
		r = append_write(append, view_from(piece, start));
	return r;
}

static int append_receive(struct imap_session *s, struct append *append, struct appending *a)
{
	struct view piece;
	char last = '\0';
	int r;

	while ((r = imap_literal_read(s->parser, &piece)) > 0)
		if (a->failed == 0 && append != NULL)
			a->failed = write_crlf(append, piece, &last);
	return r;
}

static int append_conclude(struct imap_session *s, struct append **append,
			   const struct appending *a)
{
	struct append_meta meta = { .flags = a->flags.system,
				    .keywords = a->flags.keywords,
				    .keyword_count = a->flags.keyword_count };
	uint32_t uidvalidity, uid;
	int r = a->failed;

	if (r == 0)
		r = task_blocking(append_complete, *append);
	if (r == 0)
		r = append_finish(append, &meta, 1, &uidvalidity, &uid);
	if (r == 0) {
		*append = NULL;
		return imap_ok(s, "[APPENDUID %u %u] Append completed.", uidvalidity, uid);
	}
	if (r == -ENOENT)
		return imap_no(s, "[TRYCREATE] There is no such mailbox.");
	return imap_no_errno(s, r, "Append");
}

/* message_size_limit = 0: none. */
static uint64_t append_size_limit(void)
{
	return param.message_size_limit > 0 ? (uint64_t)param.message_size_limit : INT64_MAX;
}

int imap_command_append(struct imap_session *s)
{
	struct append *append = NULL;
	struct appending a = { .date = APPEND_NOW };
	struct str name = STR_EMPTY;
	int opened = 0, r = imap_parse_mailbox(s, &name);

	if (r == 0)
		r = append_parse_options(s, &a);
	if (r == 0)
		opened = append_begin(s->store, str_view(&name), a.date, &append);
	str_free(&name);
	if (r < 0)
		return r == -EINVAL ? IMAP_DONE : r;
	/* A client that waits for the continuation is told at once, and keeps its message. */
	if (opened == -ENOENT)
		return imap_no(s, "[TRYCREATE] There is no such mailbox.");
	if (opened < 0)
		return imap_no_errno(s, opened, "Append");
	r = imap_literal_begin(s->parser, append_size_limit(), &a.size);
	if (r == 0)
		r = append_receive(s, append, &a);
	if (r == 0)
		r = imap_end(s->parser);
	if (r == 0)
		r = append_conclude(s, &append, &a);
	else if (r == -EMSGSIZE)
		r = imap_no(s, "[LIMIT] The message is too large.");
	append_free(append);
	return r;
}
