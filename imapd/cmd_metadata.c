/* GETMETADATA and SETMETADATA (RFC 5464). Where annotations are: store/metadata.c. */
#include <errno.h>

#include "base/mem.h"
#include "session.h"
#include "store/render.h"

#define ENTRIES_MAX 50	  /* in one command */
#define ENTRY_MAX   256	  /* bytes of a name */
#define VALUE_MAX   65536 /* bytes of a value */

struct metadata_request {
	struct imap_session *s;
	struct str name; /* of the mailbox; empty: the account */
	struct view entries[ENTRIES_MAX], values[ENTRIES_MAX];
	size_t count;
	uint64_t maxsize; /* larger ones are not told */
	uint64_t longest; /* of those */
	int depth;	  /* 0, 1, or -1: all below */
	struct str line;
	size_t found;
};

/* RFC 5464 3.2: "/private/x" or "/shared/x", without wildcards, empty parts and 8-bit characters. */
static bool entry_is_valid(struct view entry)
{
	if (entry.len > ENTRY_MAX || !view_is_ascii(entry) || view_has_control(entry) ||
	    view_ends(entry, VIEW("/")) || view_find(entry, VIEW("//")) != VIEW_NOT_FOUND ||
	    view_find_byte(entry, '*') != VIEW_NOT_FOUND ||
	    view_find_byte(entry, '%') != VIEW_NOT_FOUND ||
	    view_find_byte(entry, ' ') != VIEW_NOT_FOUND)
		return false;
	return view_starts_nocase(entry, VIEW("/private")) ||
	       view_starts_nocase(entry, VIEW("/shared"));
}

/* The mailbox; "" is the account. -EINVAL: answered with NO. */
static int metadata_parse_mailbox(struct metadata_request *q)
{
	struct imap_parser *p = q->s->parser;

	if (imap_take_text(p, " \"\""))
		return 0;
	return imap_parse_mailbox(q->s, &q->name);
}

static int metadata_parse_entry(struct metadata_request *q)
{
	struct view entry;
	int r;

	if (q->count == ENTRIES_MAX)
		return imap_syntax_error(q->s->parser, "Too many entries");
	r = imap_astring(q->s->parser, &entry);
	if (r == 0 && !entry_is_valid(entry))
		r = imap_syntax_error(q->s->parser, "Invalid entry name");
	if (r == 0)
		q->entries[q->count++] = entry;
	return r;
}

/* ---- GETMETADATA ---- */

static int metadata_parse_option(struct metadata_request *q)
{
	struct imap_parser *p = q->s->parser;
	struct view word;
	int r = imap_atom(p, &word);

	if (r == 0)
		r = imap_space(p);
	if (r < 0)
		return r;
	if (view_is_nocase(word, "MAXSIZE"))
		return imap_number(p, UINT32_MAX, &q->maxsize);
	if (!view_is_nocase(word, "DEPTH"))
		return imap_syntax_error(p, "Unknown option");
	r = imap_atom(p, &word);
	if (r == 0 && view_is_nocase(word, "infinity"))
		q->depth = -1;
	else if (r == 0 && (view_is(word, "0") || view_is(word, "1")))
		q->depth = word.data[0] - '0';
	else if (r == 0)
		r = imap_syntax_error(p, "DEPTH is 0, 1 or infinity");
	return r;
}

/* "(MAXSIZE 1024 DEPTH infinity)", in front of the mailbox or, as clients also send it, after it. */
static int metadata_parse_options(struct metadata_request *q)
{
	int r;

	if (!imap_take_text(q->s->parser, " ("))
		return 0;
	do
		r = metadata_parse_option(q);
	while (r == 0 && imap_take(q->s->parser, ' '));
	if (r == 0 && !imap_take(q->s->parser, ')'))
		r = imap_syntax_error(q->s->parser, "Expected )");
	return r;
}

static int metadata_parse_entries(struct metadata_request *q)
{
	struct imap_parser *p = q->s->parser;
	int r = imap_space(p);

	if (r == 0 && !imap_take(p, '('))
		return metadata_parse_entry(q);
	while (r == 0) {
		r = metadata_parse_entry(q);
		if (r == 0 && !imap_take(p, ' '))
			break;
	}
	if (r == 0 && !imap_take(p, ')'))
		r = imap_syntax_error(p, "Expected )");
	return r;
}

static bool entry_is_wanted(const struct metadata_request *q, struct view entry)
{
	for (size_t i = 0; i < q->count; i++) {
		struct view wanted = q->entries[i], rest = view_from(entry, wanted.len);

		if (view_eq_nocase(entry, wanted))
			return true;
		if (q->depth == 0 || !view_starts_nocase(entry, wanted) ||
		    !view_starts(rest, VIEW("/")))
			continue;
		if (q->depth < 0 || view_find_byte(view_from(rest, 1), '/') == VIEW_NOT_FOUND)
			return true;
	}
	return false;
}

/* What a string cannot hold is a literal8 (RFC 5464 5). */
static void append_value(struct str *out, struct view value)
{
	if (view_find_byte(value, '\0') == VIEW_NOT_FOUND &&
	    view_find_byte(value, '\r') == VIEW_NOT_FOUND &&
	    view_find_byte(value, '\n') == VIEW_NOT_FOUND &&
	    view_find_byte(value, '\t') == VIEW_NOT_FOUND) {
		render_string(out, value);
		return;
	}
	if (view_find_byte(value, '\0') != VIEW_NOT_FOUND)
		str_append_byte(out, '~');
	str_printf(out, "{%zu}\r\n", value.len);
	str_append(out, value);
}

static int metadata_tell(void *argument, struct view entry, struct view value)
{
	struct metadata_request *q = argument;

	if (!entry_is_wanted(q, entry))
		return 0;
	if (value.len > q->maxsize) {
		q->longest = MAX(q->longest, (uint64_t)value.len);
		return 0;
	}
	if (q->found++ > 0)
		str_append_byte(&q->line, ' ');
	str_append(&q->line, entry);
	str_append_byte(&q->line, ' ');
	append_value(&q->line, value);
	return 0;
}

static int metadata_answer(struct metadata_request *q)
{
	struct imap_session *s = q->s;
	int r;

	str_append_cstr(&q->line, "* METADATA ");
	imap_append_mailbox(s, &q->line, view_make(str_cstr(&q->name), q->name.len));
	str_append_cstr(&q->line, " (");
	r = store_metadata_each(s->store, str_view(&q->name), metadata_tell, q);
	if (r < 0)
		return imap_no_errno(s, r, "Reading annotations");
	str_append_cstr(&q->line, ")\r\n");
	if (q->found > 0)
		r = stream_write(s->io, str_view(&q->line));
	if (r < 0)
		return r;
	if (q->longest > 0)
		return imap_ok(s, "[METADATA LONGENTRIES %llu] Completed.",
			       (unsigned long long)q->longest);
	return imap_ok(s, "Getmetadata completed.");
}

static int metadata_end(struct metadata_request *q, int r)
{
	str_free(&q->name);
	str_free(&q->line);
	free(q);
	return r == -EINVAL ? IMAP_DONE : r;
}

int imap_command_getmetadata(struct imap_session *s)
{
	struct metadata_request *q = mem_new(struct metadata_request);
	int r;

	q->s = s;
	q->maxsize = UINT64_MAX;
	r = metadata_parse_options(q);
	if (r == 0)
		r = metadata_parse_mailbox(q);
	if (r == 0)
		r = metadata_parse_entries(q);
	if (r == 0)
		r = imap_end(s->parser);
	return metadata_end(q, r == 0 ? metadata_answer(q) : r);
}

/* ---- SETMETADATA ---- */

static int metadata_parse_value(struct metadata_request *q)
{
	struct imap_parser *p = q->s->parser;
	struct view *value = &q->values[q->count - 1];
	int r = imap_space(p);

	if (r < 0)
		return r;
	if (imap_take_text(p, "NIL")) {
		*value = VIEW_NONE;
		return 0;
	}
	return imap_string(p, value);
}

static int metadata_parse_pairs(struct metadata_request *q)
{
	struct imap_parser *p = q->s->parser;
	int r = imap_space(p);

	if (r == 0 && !imap_take(p, '('))
		r = imap_syntax_error(p, "Expected ( and entries");
	while (r == 0) {
		r = metadata_parse_entry(q);
		if (r == 0)
			r = metadata_parse_value(q);
		if (r == 0 && !imap_take(p, ' '))
			break;
	}
	if (r == 0 && !imap_take(p, ')'))
		r = imap_syntax_error(p, "Expected )");
	return r == 0 ? imap_end(p) : r;
}

static int metadata_store(struct metadata_request *q)
{
	struct imap_session *s = q->s;

	for (size_t i = 0; i < q->count; i++)
		if (q->values[i].len > VALUE_MAX)
			return imap_no(s, "[METADATA MAXSIZE %d] The value is too long.",
				       VALUE_MAX);
	for (size_t i = 0; i < q->count; i++) {
		int r = store_metadata_set(s->store, str_view(&q->name), q->entries[i],
					   q->values[i]);

		if (r == -ERANGE)
			return imap_no(s, "[METADATA TOOMANY] There are too many annotations.");
		if (r < 0)
			return imap_no_errno(s, r, "Storing annotations");
		str_printf(&s->own.notes, "\n%s %.*s\n", str_cstr(&q->name),
			   VIEW_ARG(q->entries[i]));
	}
	return imap_ok(s, "Setmetadata completed.");
}

int imap_command_setmetadata(struct imap_session *s)
{
	struct metadata_request *q = mem_new(struct metadata_request);
	int r;

	q->s = s;
	r = metadata_parse_mailbox(q);
	if (r == 0)
		r = metadata_parse_pairs(q);
	return metadata_end(q, r == 0 ? metadata_store(q) : r);
}
