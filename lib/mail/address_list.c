/* Address lists in header fields, RFC 5322 3.4, and what people send instead. */
#include "mail/address.h"
#include "mail/lex.h"

#include <string.h>

struct list_parser {
	struct view body;
	size_t at;
	int (*each)(void *argument, const struct header_address *);
	void *argument;

	/* The address under way. */
	struct str local, domain;
	size_t phrase_start, phrase_end; /* words before '<', or before a group's ':' */
	size_t start, end;		 /* of the addr-spec */
	struct view route, comment;
	bool in_angle, closed, seen_at, is_phrase, after_dot, has_words;
	bool in_group;
	bool separates;		/* address_list_parse_all */
	bool shows_names;	/* address_list_parse_shown */
	size_t looked, bracket; /* up to where '<' was looked for, and where it was, or SIZE_MAX */
};

static void begin_address(struct list_parser *p)
{
	str_clear(&p->local);
	str_clear(&p->domain);
	p->phrase_start = p->phrase_end = p->start = p->end = p->at;
	p->route = p->comment = VIEW_NONE;
	p->in_angle = p->closed = p->seen_at = p->is_phrase = p->has_words = false;
	p->after_dot = true;
}

/* A name that no address belongs to. */
static int finish_name(struct list_parser *p)
{
	struct header_address address = {
		.name = view_make(p->body.data + p->phrase_start, p->phrase_end - p->phrase_start),
		.start = p->end,
		.end = p->end,
	};

	return p->shows_names && address.name.len > 0 ? p->each(p->argument, &address) : 0;
}

static int finish_address(struct list_parser *p)
{
	bool is_name = p->is_phrase && !p->in_angle && !p->closed;
	int r = 0;

	/* "John Doe" without <> is no address, "root" alone is one. */
	if (p->local.len == 0 || is_name) {
		r = finish_name(p);
	} else {
		struct view name = VIEW_NONE;

		if (p->in_angle || p->closed)
			name = view_make(p->body.data + p->phrase_start,
					 p->phrase_end - p->phrase_start);
		if (name.len == 0)
			name = p->comment;

		struct header_address address = {
			.name = name,
			.local = str_view(&p->local),
			.domain = str_view(&p->domain),
			.route = p->route,
			.start = p->start,
			.end = p->end,
		};

		r = p->each(p->argument, &address);
	}
	begin_address(p);
	return r;
}

static int mark_group(struct list_parser *p, bool start)
{
	struct header_address mark = { .group_start = start, .group_end = !start };

	if (start)
		mark.name =
			view_make(p->body.data + p->phrase_start, p->phrase_end - p->phrase_start);
	mark.start = mark.end = p->at;
	p->in_group = start;
	return p->each(p->argument, &mark);
}

/* A word, dot or literal that spans from `from` to p->at was appended to the address. */
static void note_piece(struct list_parser *p, size_t from)
{
	if (!p->has_words) {
		p->start = from;
		if (!p->in_angle)
			p->phrase_start = from;
	}
	p->has_words = true;
	p->end = p->at;
	if (!p->in_angle)
		p->phrase_end = p->at;
}

/* A '<' comes before what ends this address: the words until there are a name. */
static bool bracket_follows(struct list_parser *p)
{
	size_t at = p->at;

	if (p->looked > at)
		return p->bracket != SIZE_MAX;
	p->bracket = SIZE_MAX;
	while (at < p->body.len && strchr(",;<", p->body.data[at]) == NULL) {
		if (p->body.data[at] == '"')
			lex_quoted_string(p->body, &at, NULL);
		else if (p->body.data[at] == '(')
			lex_skip_space(p->body, &at, NULL);
		else
			at++;
	}
	p->looked = at;
	if (at < p->body.len && p->body.data[at] == '<')
		p->bracket = at;
	return p->bracket != SIZE_MAX;
}

/* Where white space alone may stand between addresses: this word begins another one. */
static bool begins_another(struct list_parser *p)
{
	if (!p->separates || p->in_angle)
		return false;
	return p->closed || (!p->after_dot && p->has_words && !bracket_follows(p));
}

static void take_word(struct list_parser *p)
{
	struct str *into = p->seen_at ? &p->domain : &p->local;
	size_t from = p->at;

	/* Two words side by side are a phrase; what they spell is no address. */
	if (!p->after_dot && p->has_words)
		p->is_phrase = true;
	if (p->body.data[from] == '"') {
		lex_quoted_string(p->body, &p->at, p->closed ? NULL : into);
	} else {
		while (p->at < p->body.len && lex_is_atext(p->body.data[p->at]))
			p->at++;
		if (!p->closed)
			str_append(into, view_make(p->body.data + from, p->at - from));
	}
	p->after_dot = false;
	if (!p->closed)
		note_piece(p, from);
}

static void take_literal(struct list_parser *p)
{
	size_t from = p->at;

	while (p->at < p->body.len && p->body.data[p->at] != ']')
		p->at++;
	if (p->at < p->body.len)
		p->at++;
	if (!p->seen_at || p->closed)
		return;
	for (size_t i = from; i < p->at; i++) {
		if (!ascii_is_space(p->body.data[i]))
			str_append_byte(&p->domain, p->body.data[i]);
	}
	p->after_dot = false;
	note_piece(p, from);
}

static void open_angle(struct list_parser *p)
{
	p->in_angle = true;
	p->seen_at = p->is_phrase = p->has_words = false;
	p->after_dot = true;
	str_clear(&p->local);
	str_clear(&p->domain);
}

/* "@a,@b:" after '<'; p->at stands on the first '@'. */
static void take_route(struct list_parser *p)
{
	size_t from = p->at;

	while (p->at < p->body.len && p->body.data[p->at] != ':' && p->body.data[p->at] != '>')
		p->at++;
	p->route = view_make(p->body.data + from, p->at - from);
	if (p->at < p->body.len && p->body.data[p->at] == ':')
		p->at++;
}

static int take_special(struct list_parser *p, char c)
{
	size_t from = p->at++;
	int r = 0;

	if (c == ',' || (c == ';' && !p->in_group))
		return finish_address(p);
	if (c == ';') {
		r = finish_address(p);
		return r != 0 ? r : mark_group(p, false);
	}
	if (p->closed)
		return 0;
	if (c == ':' && !p->in_angle && !p->in_group && !p->seen_at) {
		r = mark_group(p, true);
		begin_address(p);
	} else if (c == '<' && !p->in_angle) {
		open_angle(p);
	} else if (c == '>' && p->in_angle) {
		p->in_angle = false;
		p->closed = true;
	} else if (c == '@' && !p->seen_at && p->has_words) {
		p->seen_at = p->after_dot = true;
		p->end = p->at;
		if (!p->in_angle)
			p->phrase_end = p->at;
	} else if (c == '@' && p->in_angle && !p->has_words) {
		p->at = from;
		take_route(p);
	} else if (c == '.') {
		str_append_byte(p->seen_at ? &p->domain : &p->local, '.');
		p->after_dot = true;
		note_piece(p, from);
	}
	return r;
}

static int list_parse(struct list_parser parser)
{
	struct list_parser p = parser;
	struct view body = p.body;
	int r = 0;

	if (body.data == NULL)
		body = p.body = VIEW(""); /* places in it are counted from somewhere */
	begin_address(&p);
	while (r == 0) {
		lex_skip_space(body, &p.at, &p.comment);
		if (p.at >= body.len)
			break;

		char c = body.data[p.at];
		bool word = c == '"' || lex_is_atext(c);

		if ((word && begins_another(&p)) || (c == '<' && p.closed && p.separates))
			r = finish_address(&p);
		if (r != 0)
			break;
		if (word)
			take_word(&p);
		else if (c == '[')
			take_literal(&p);
		else
			r = take_special(&p, c);
	}
	if (r == 0)
		r = finish_address(&p);
	if (r == 0 && p.in_group)
		r = mark_group(&p, false);
	str_free(&p.local);
	str_free(&p.domain);
	return r;
}

int address_list_parse(struct view body, int (*each)(void *argument, const struct header_address *),
		       void *argument)
{
	return list_parse((struct list_parser){ .body = body, .each = each, .argument = argument });
}

int address_list_parse_all(struct view body,
			   int (*each)(void *argument, const struct header_address *),
			   void *argument)
{
	return list_parse((struct list_parser){
		.body = body, .each = each, .argument = argument, .separates = true });
}

int address_list_parse_shown(struct view body,
			     int (*each)(void *argument, const struct header_address *),
			     void *argument)
{
	return list_parse((struct list_parser){
		.body = body, .each = each, .argument = argument, .shows_names = true });
}
