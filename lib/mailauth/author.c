/*
 * The From field. A reader that is lenient where another one is lenient in another way shows another
 * author: so here nothing is passed over.
 */
#include "mailauth/author.h"

#include "base/mem.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/lex.h"

/* ---- which fields ---- */

/* "From:", "From :", " From:", "From" alone before a folded colon: what some program takes for it. */
static bool could_be_from(struct view line)
{
	struct view name;
	size_t colon;

	line = view_trim(line);
	colon = view_find_byte(line, ':');
	name = view_trim(view_first(line, colon != VIEW_NOT_FOUND ? colon : line.len));
	return view_is_nocase(name, "From");
}

/* The body of the first From; how many there could be. */
static size_t find_author_fields(struct view header, struct view *body)
{
	struct header_field field;
	size_t count = 0;
	int kind;

	while ((kind = header_step(&header, &field)) != HEADER_END) {
		if (kind == HEADER_FIELD && view_is_nocase(field.name, "From")) {
			if (count++ == 0)
				*body = field.body;
		} else if (kind == HEADER_JUNK && could_be_from(field.whole)) {
			count++;
		}
	}
	return count;
}

/* ---- domains ---- */

static void author_spoil(struct author *author, const char *problem)
{
	author->state = AUTHOR_MALFORMED;
	author->problem = problem;
}

static void author_add(struct author *author, struct view domain)
{
	_cleanup_(str_free) struct str ascii = STR_EMPTY, lower = STR_EMPTY;

	if (domain_to_ascii(domain, &ascii) < 0)
		return;
	if (view_ends(str_view(&ascii), VIEW(".")))
		str_truncate(&ascii, ascii.len - 1);
	if (!domain_is_valid(str_view(&ascii), false))
		return;
	str_append_lower(&lower, str_view(&ascii));
	for (size_t i = 0; i < author->count; i++)
		if (view_eq(str_view(&author->domains[i]), str_view(&lower)))
			return;
	if (author->count == AUTHOR_DOMAINS_MAX) {
		author_spoil(author, "too many domains in From");
		author->overflows = true;
		return;
	}
	author->domains[author->count++] = lower;
	lower = STR_EMPTY;
}

static bool is_domain_byte(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '.' || c == '_' || (unsigned char)c >= 0x80;
}

/* Everything after an '@' that looks like a domain. */
static void author_gather(struct author *author, struct view body)
{
	for (size_t at = 0; at < body.len; at++) {
		size_t end = at + 1;

		if (body.data[at] != '@')
			continue;
		while (end < body.len && is_domain_byte(body.data[end]))
			end++;
		author_add(author, view_make(body.data + at + 1, end - at - 1));
	}
}

/* ---- a strict parser: false means that it cannot be said what this is ---- */

struct author_parser {
	struct view body;
	size_t at;
	struct author *author;
	bool in_group;
};

static char author_peek(struct author_parser *p)
{
	lex_skip_space(p->body, &p->at, NULL);
	return p->at < p->body.len ? p->body.data[p->at] : '\0';
}

static bool author_take(struct author_parser *p, char c)
{
	if (author_peek(p) != c || p->at == p->body.len)
		return false;
	p->at++;
	return true;
}

/* An atom or a quoted string. */
static bool author_word(struct author_parser *p)
{
	char c = author_peek(p);
	size_t from = p->at;

	if (c == '"' && p->at < p->body.len)
		return lex_quoted_string(p->body, &p->at, NULL);
	while (p->at < p->body.len && lex_is_atext(p->body.data[p->at]))
		p->at++;
	return p->at > from;
}

/* After '@'. */
static bool author_domain(struct author_parser *p)
{
	size_t from;

	if (author_peek(p) == '[') {
		size_t end = view_find_byte(view_from(p->body, p->at), ']');

		/* An address literal has no policy, and can only be read in one way. */
		if (end == VIEW_NOT_FOUND)
			return false;
		p->at += end + 1;
		return true;
	}
	from = p->at;
	while (p->at < p->body.len && is_domain_byte(p->body.data[p->at]))
		p->at++;
	struct view domain = view_make(p->body.data + from, p->at - from);

	if (!domain_is_valid(domain, true))
		return false;
	author_add(p->author, domain);
	return true;
}

/* "local@domain" between angle brackets; no route. */
static bool author_angle(struct author_parser *p)
{
	if (!author_word(p))
		return false;
	while (author_take(p, '.'))
		if (!author_word(p))
			return false;
	return author_take(p, '@') && author_domain(p) && author_take(p, '>');
}

static bool author_list(struct author_parser *p);

static bool author_group(struct author_parser *p)
{
	if (p->in_group)
		return false;
	p->in_group = true;
	if (author_peek(p) != ';' && !author_list(p))
		return false;
	p->in_group = false;
	return author_take(p, ';');
}

/* One mailbox, or a group. */
static bool author_item(struct author_parser *p)
{
	size_t words = 0;
	bool after_dot = false, is_phrase = false;

	for (;;) {
		char c = author_peek(p);

		if (c == '<') {
			p->at++;
			return author_angle(p);
		}
		if (c == ':' && words > 0) {
			p->at++;
			return author_group(p);
		}
		if (c == '@' && words > 0 && !is_phrase && !after_dot) {
			p->at++;
			return author_domain(p);
		}
		if (c == '.' && words > 0 && !after_dot) {
			p->at++;
			after_dot = true;
			continue;
		}
		if (!author_word(p))
			return false;
		/* Two words side by side are a name, and no address. */
		is_phrase = is_phrase || (words > 0 && !after_dot);
		after_dot = false;
		words++;
	}
}

static bool author_list(struct author_parser *p)
{
	do {
		if (!author_item(p))
			return false;
	} while (author_take(p, ','));
	return true;
}

static bool author_parse(struct view body, struct author *author)
{
	struct author_parser parser = { .body = body, .author = author };

	if (view_find_byte(body, '\0') != VIEW_NOT_FOUND)
		return false;
	return author_list(&parser) && author_peek(&parser) == '\0' && parser.at == parser.body.len;
}

/* ---- all of it ---- */

void author_read(struct view header, struct author *author)
{
	struct view body = VIEW_NONE;
	size_t count = find_author_fields(header, &body);

	*author = (struct author){
		.state = AUTHOR_NONE,
		.problem = "there is no From",
		.is_nobody = true,
	};
	if (count == 0)
		return;
	author->state = AUTHOR_CLEAR;
	author->problem = NULL;
	if (count > 1) {
		struct header_field field;
		struct view rest = header;

		author_spoil(author, "more than one From");
		while (header_step(&rest, &field) != HEADER_END)
			if (could_be_from(field.whole))
				author_gather(author, field.whole);
	} else if (view_trim(body).len == 0) {
		author->state = AUTHOR_NONE;
		author->problem = "From is empty";
	} else if (!author_parse(body, author)) {
		author_spoil(author, "From can be read in several ways");
		author_gather(author, body);
	} else if (author->count == 0) {
		author->state = AUTHOR_NONE;
		author->problem = "there is no domain in From";
	}
	author->is_nobody =
		count > 1 || author->count == 0 || view_find_byte(body, '\0') != VIEW_NOT_FOUND;
}

void author_free(struct author *author)
{
	for (size_t i = 0; i < author->count; i++)
		str_free(&author->domains[i]);
	author->count = 0;
}
