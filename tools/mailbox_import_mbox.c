/*
 * posta mailbox import --mbox: an mbox file into one folder. mboxo and mboxrd, and where Content-Length leads
 * to the next message or the end, mboxcl and mboxcl2.
 */
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/io.h"
#include "base/mem.h"
#include "mail/header.h"
#include "tools/mailbox.h"
#include "tools/place.h"
#include "tools/tool.h"

#define MBOX_MESSAGE_MAX ((size_t)1 << 30)
#define MBOX_BLOCK	 65536
#define UNIQUE_BYTES	 12 /* of the hash of a message, in its name */

/* ---- reading: a buffer that what comes is looked at in before it is taken ---- */

struct mbox_reader {
	FILE *in;
	struct str buffer;
	size_t at;
	bool ended;
};

/* Has `want` bytes from here on in memory, if there are as many. Returns how many there are. */
static size_t mbox_look(struct mbox_reader *r, size_t want)
{
	if (r->at > MBOX_BLOCK && r->at > r->buffer.len / 2) {
		str_consume(&r->buffer, r->at);
		r->at = 0;
	}
	while (!r->ended && r->buffer.len - r->at < want) {
		size_t n = fread(str_reserve(&r->buffer, MBOX_BLOCK), 1, MBOX_BLOCK, r->in);

		str_grow(&r->buffer, n);
		r->ended = n == 0;
	}
	return r->buffer.len - r->at;
}

static struct view mbox_rest(const struct mbox_reader *r)
{
	return view_from(str_view(&r->buffer), r->at);
}

/* The line that begins here, with its end; nothing at the end of the file. */
static struct view mbox_line(struct mbox_reader *r)
{
	size_t want = 256, have, lf;

	do {
		have = mbox_look(r, want);
		lf = view_find_byte(mbox_rest(r), '\n');
		want *= 2;
	} while (lf == VIEW_NOT_FOUND && have >= want / 2 && want < MBOX_MESSAGE_MAX);
	return view_first(mbox_rest(r), lf == VIEW_NOT_FOUND ? have : lf + 1);
}

static bool line_is_empty(struct view line)
{
	return view_is(line, "\n") || view_is(line, "\r\n");
}

static bool starts_message(struct view line)
{
	return view_starts(line, VIEW("From ")) || view_is(line, "From\n");
}

/* ---- what stands in front of a message and in its header ---- */

struct mbox_message {
	struct import_message import;
	struct view keywords[IMPORT_KEYWORDS_MAX];
	struct str content;	 /* with CR LF */
	struct str keyword_text; /* where the keywords are */
	bool crlf;		 /* lines of the file end so */
	bool has_length;
	uint64_t length;
};

/* "From sender Sat Nov 21 23:58:21 2026": APPEND_NOW if there is no such date. */
static int64_t from_line_date(struct view line)
{
	char text[256];
	struct tm tm = { 0 };
	const char *date;

	snprintf(text, sizeof(text), "%.*s", VIEW_ARG(line));
	date = strlen(text) > 5 ? strchr(text + 5, ' ') : NULL;
	while (date != NULL && *date == ' ')
		date++;
	if (date == NULL || strptime(date, "%a %b %e %H:%M:%S %Y", &tm) == NULL)
		return APPEND_NOW;
	return timegm(&tm);
}

static void mbox_take_letters(struct mbox_message *m, struct view body)
{
	static const struct {
		char letter;
		unsigned flag;
	} table[] = { { 'R', FLAG_SEEN },
		      { 'A', FLAG_ANSWERED },
		      { 'F', FLAG_FLAGGED },
		      { 'D', FLAG_DELETED },
		      { 'T', FLAG_DRAFT } };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (view_find_byte(body, table[i].letter) != VIEW_NOT_FOUND)
			m->import.flags |= table[i].flag;
}

static void mbox_take_keyword(struct mbox_message *m, struct view word)
{
	if (m->import.keyword_count == IMPORT_KEYWORDS_MAX || !store_keyword_is_valid(word))
		return;
	m->keywords[m->import.keyword_count++] = word;
}

/* X-Mozilla-Status: four digits, base 16. */
static void mbox_take_mozilla(struct mbox_message *m, struct view body)
{
	static const struct {
		unsigned long bit;
		unsigned flag;
	} table[] = { { 0x1, FLAG_SEEN },
		      { 0x2, FLAG_ANSWERED },
		      { 0x4, FLAG_FLAGGED },
		      { 0x8, FLAG_DELETED } };
	char text[16];
	unsigned long bits;

	snprintf(text, sizeof(text), "%.*s", VIEW_ARG(body));
	bits = strtoul(text, NULL, 16);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (bits & table[i].bit)
			m->import.flags |= table[i].flag;
	if (bits & 0x1000)
		mbox_take_keyword(m, VIEW("$Forwarded"));
}

/* A field that is none of the message. `body` stays where it is as long as m->keyword_text. */
static void mbox_take_own(struct mbox_message *m, struct view name, struct view body)
{
	struct view word;

	body = view_trim(body);
	if (view_is_nocase(name, "Status") || view_is_nocase(name, "X-Status"))
		mbox_take_letters(m, body);
	else if (view_is_nocase(name, "X-Mozilla-Status"))
		mbox_take_mozilla(m, body);
	else if (view_is_nocase(name, "Content-Length"))
		m->has_length = view_parse_u64(body, MBOX_MESSAGE_MAX, &m->length) == 0;
	else if (view_is_nocase(name, "X-Keywords") || view_is_nocase(name, "X-Mozilla-Keys"))
		while (view_next_word(&body, " ,\t\r\n", &word))
			mbox_take_keyword(m, word);
}

/* ---- a message ---- */

static void mbox_put_line(struct mbox_message *m, struct view line)
{
	bool ended = view_ends(line, VIEW("\n"));

	if (ended)
		line.len--;
	if (ended && m->crlf && view_ends(line, VIEW("\r")))
		line.len--;
	str_append(&m->content, line);
	if (ended)
		str_append_cstr(&m->content, "\r\n");
}

/* One quoting '>' off ">From " lines. */
static struct view mbox_unquote(struct view line)
{
	struct view rest = line;

	while (rest.len > 0 && rest.data[0] == '>')
		rest = view_from(rest, 1);
	return rest.len < line.len && view_starts(rest, VIEW("From ")) ? view_from(line, 1) : line;
}

/* Up to the empty line, which is taken too, or to the next message where there is none. */
static void mbox_read_header(struct mbox_reader *r, struct mbox_message *m)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;
	struct view line, rest;
	struct header_field field;
	bool ended = false;
	int kind;

	while (!ended && (line = mbox_line(r)).len > 0 && header.len < MBOX_MESSAGE_MAX) {
		ended = line_is_empty(line);
		str_append(&header, mbox_unquote(line));
		r->at += line.len;
	}
	str_append(&m->keyword_text, str_view(&header));
	rest = str_view(&m->keyword_text);
	while ((kind = header_step(&rest, &field)) != HEADER_END) {
		if (kind == HEADER_FIELD && mbox_is_own_field(field.name)) {
			mbox_take_own(m, field.name, field.body);
			continue;
		}
		for (struct view whole = field.whole; whole.len > 0;
		     whole = view_from(whole, line.len)) {
			size_t lf = view_find_byte(whole, '\n');

			line = view_first(whole, lf == VIEW_NOT_FOUND ? whole.len : lf + 1);
			mbox_put_line(m, line);
		}
	}
	if (ended)
		str_append_cstr(&m->content, "\r\n");
}

/* Content-Length is right if the next message, or nothing, is where it leads to. */
static bool mbox_length_leads(struct mbox_reader *r, const struct mbox_message *m)
{
	size_t length = (size_t)m->length;
	struct view after;

	if (!m->has_length || mbox_look(r, length + 16) < length)
		return false;
	after = view_from(mbox_rest(r), length);
	for (int ends = 0; ends < 2; ends++) {
		if (view_starts(after, VIEW("\r\n")))
			after = view_from(after, 2);
		else if (view_starts(after, VIEW("\n")))
			after = view_from(after, 1);
	}
	return after.len == 0 || view_starts(after, VIEW("From "));
}

/* A body that has such lines unquoted was never quoted. */
static bool mbox_is_quoted(struct view body)
{
	return !view_starts(body, VIEW("From ")) &&
	       view_find(body, VIEW("\nFrom ")) == VIEW_NOT_FOUND;
}

static void mbox_read_counted(struct mbox_reader *r, struct mbox_message *m)
{
	struct view body = view_first(mbox_rest(r), (size_t)m->length);
	bool quoted = mbox_is_quoted(body);

	r->at += body.len;
	while (body.len > 0) {
		size_t lf = view_find_byte(body, '\n');
		struct view line = view_first(body, lf == VIEW_NOT_FOUND ? body.len : lf + 1);

		mbox_put_line(m, quoted ? mbox_unquote(line) : line);
		body = view_from(body, line.len);
	}
	while (line_is_empty(mbox_line(r)))
		r->at += mbox_line(r).len;
}

/* Up to a line that begins the next message. The empty line in front of that belongs to neither. */
static void mbox_read_lines(struct mbox_reader *r, struct mbox_message *m)
{
	bool after_empty = true;
	struct view line;

	while ((line = mbox_line(r)).len > 0 && m->content.len < MBOX_MESSAGE_MAX) {
		if (after_empty && starts_message(line))
			break;
		after_empty = line_is_empty(line);
		mbox_put_line(m, mbox_unquote(line));
		r->at += line.len;
	}
	if (view_ends(str_view(&m->content), VIEW("\r\n\r\n")))
		str_truncate(&m->content, m->content.len - 2);
}

/* What a message is known by: its content and date. */
static void mbox_unique(const struct mbox_message *m, struct str *unique)
{
	uint8_t hash[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha256;

	sha256_init(&sha256);
	sha256_update(&sha256, m->content.len, (const uint8_t *)str_cstr(&m->content));
	sha256_digest(&sha256, sizeof(hash), hash);
	str_printf(unique, "%lld.M0R",
		   m->import.date == APPEND_NOW ? 0LL : (long long)m->import.date);
	for (size_t i = 0; i < UNIQUE_BYTES; i++)
		str_printf(unique, "%02x", hash[i]);
	str_append_cstr(unique, ".mbox");
}

static int mbox_import_message(struct mailbox_request *q, struct mbox_reader *r, struct view start,
			       bool *known)
{
	struct mbox_message *m = mem_new(struct mbox_message);
	_cleanup_(str_free) struct str unique = STR_EMPTY;
	int status;

	m->import.date = from_line_date(start);
	m->import.keywords = m->keywords;
	m->import.crlf = true;
	m->crlf = view_ends(start, VIEW("\r\n"));
	r->at += start.len;
	mbox_read_header(r, m);
	if (mbox_length_leads(r, m))
		mbox_read_counted(r, m);
	else
		mbox_read_lines(r, m);
	mbox_unique(m, &unique);
	m->import.unique = str_view(&unique);
	m->import.content = str_view(&m->content);
	status = m->content.len < MBOX_MESSAGE_MAX
			 ? import_put(q, q->folders[0], &m->import, known)
			 : tool_fail("mailbox", "a message of %s is too large", q->mbox);
	str_free(&m->content);
	str_free(&m->keyword_text);
	free(m);
	return status;
}

static int import_stream(struct mailbox_request *q, FILE *in)
{
	struct mbox_reader r = { .in = in };
	unsigned imported = 0, there = 0;
	int status = TOOL_DONE;
	struct view line;

	while (status == TOOL_DONE && (line = mbox_line(&r)).len > 0) {
		bool known = false;

		if (!starts_message(line)) {
			status = tool_fail("mailbox", "%s is no mbox file", q->mbox);
			break;
		}
		status = mbox_import_message(q, &r, line, &known);
		there += known;
		imported += !known;
	}
	str_free(&r.buffer);
	if (status == TOOL_DONE)
		printf(there > 0 ? "%s: %u messages, %u were there already\n" : "%s: %u messages\n",
		       q->folders[0], imported, there);
	return status;
}

int import_mbox(struct mailbox_request *q)
{
	FILE *in = stdin;
	int status;

	if (strcmp(q->mbox, "-") != 0) {
		int fd = place_open(q->mbox, O_RDONLY, 0);

		in = io_stream(fd, "r");
		if (in == NULL)
			return tool_fail("mailbox", "open %s: %s", q->mbox,
					 strerror(fd < 0 ? -fd : errno));
	}
	status = mailbox_act_as_user(q);
	if (status == TOOL_DONE)
		status = import_begin(q, q->folders[0]);
	if (status == TOOL_DONE)
		status = import_stream(q, in);
	import_end(q);
	if (in != stdin)
		fclose(in);
	return status;
}
