/* Paths of MAIL FROM and RCPT TO, RFC 5321 4.1.2. */
#include <errno.h>

#include "mail/address.h"
#include "mail/lex.h"

struct path_parser {
	struct view in;
	size_t at;
	bool strict, utf8;
	struct str *out;
	const char *problem;
};

static int bad(struct path_parser *p, const char *problem)
{
	p->problem = problem;
	return -EINVAL;
}

static char peek(const struct path_parser *p)
{
	return p->at < p->in.len ? p->in.data[p->at] : '\0';
}

static bool ends_here(const struct path_parser *p, char closing)
{
	return p->at >= p->in.len || p->in.data[p->at] == ' ' || p->in.data[p->at] == closing;
}

/* "..." with quoted pairs; control bytes cannot be quoted into an address. */
static int parse_quoted(struct path_parser *p)
{
	size_t before = p->out->len;

	if (!lex_quoted_string(p->in, &p->at, p->out))
		return bad(p, "quoted local part without end");
	if (p->out->len == before)
		return bad(p, "empty local part");
	return 0;
}

/*
 * A dot-atom or a quoted string; not strict: dots anywhere, and RFC 5322's obsolete mixture of
 * both, because such addresses are in use.
 */
static int parse_local_part(struct path_parser *p, char closing)
{
	size_t before = p->out->len;
	bool after_dot = true;

	while (!ends_here(p, closing) && peek(p) != '@') {
		char c = peek(p);

		if (c == '"') {
			if (p->strict && p->out->len != before)
				return bad(p, "quotes inside a local part");
			if (parse_quoted(p) < 0)
				return -EINVAL;
			after_dot = false;
			continue;
		}
		if (c == '.') {
			if (p->strict && after_dot)
				return bad(p, "misplaced dot in local part");
			after_dot = true;
		} else if (lex_is_atext(c)) {
			after_dot = false;
		} else {
			return bad(p, c == '\\' ? "backslash outside quotes"
						: "character not allowed in local part");
		}
		str_append_byte(p->out, c);
		p->at++;
	}
	if (p->out->len == before)
		return bad(p, "empty local part");
	if (p->strict && after_dot)
		return bad(p, "misplaced dot in local part");
	return 0;
}

/* A name, or an address literal; with a trailing dot unless strict. */
static int parse_domain(struct path_parser *p, char closing)
{
	size_t start = p->at;

	while (!ends_here(p, closing) && peek(p) != ',' &&
	       !(peek(p) == ':' && p->in.data[start] != '['))
		p->at++;

	struct view domain = view_make(p->in.data + start, p->at - start);
	struct view name = domain;

	if (!p->strict && name.len > 1 && name.data[name.len - 1] == '.')
		name.len--;
	/* A bare IP address is a domain that nobody can resolve, but syntax it is. */
	if (!domain_is_valid(name, p->utf8) && !domain_is_literal(name, NULL) &&
	    ip_family(name) != 4)
		return bad(p, domain.len == 0 ? "empty domain" : "bad domain");
	str_append(p->out, domain);
	return 0;
}

/* "@a,@b:" in front of a mailbox: read and forgotten. */
static int skip_source_route(struct path_parser *p, char closing)
{
	size_t before = p->out->len;

	while (peek(p) == '@') {
		p->at++;
		if (parse_domain(p, closing) < 0)
			return -EINVAL;
		str_truncate(p->out, before);
		if (peek(p) == ':') {
			p->at++;
			return 0;
		}
		if (peek(p) != ',')
			break;
		p->at++;
	}
	return bad(p, "bad source route");
}

static int parse_mailbox(struct path_parser *p, char closing)
{
	size_t before = p->out->len;

	if (peek(p) == '@' && skip_source_route(p, closing) < 0)
		return -EINVAL;
	if (parse_local_part(p, closing) < 0)
		return -EINVAL;

	struct view local = view_from(str_view(p->out), before);

	if (peek(p) != '@') {
		/* Written without quotes it would become somebody else's address. */
		if (view_find_byte(local, '@') != VIEW_NOT_FOUND)
			return bad(p, "quoted @ without a domain");
		return 0;
	}
	p->at++;
	str_append_byte(p->out, '@');
	return parse_domain(p, closing);
}

static int parse_path(struct path_parser *p)
{
	char closing = '\0';

	if (!p->strict)
		while (peek(p) == ' ')
			p->at++;
	if (p->at >= p->in.len)
		return bad(p, "address missing");
	if (peek(p) == '<') {
		closing = '>';
		p->at++;
	} else if (p->strict) {
		return bad(p, "address not in <>");
	}
	if (closing == '\0' || peek(p) != '>') {
		if (parse_mailbox(p, closing) < 0)
			return -EINVAL;
	}
	if (closing != '\0') {
		if (peek(p) != '>')
			return bad(p, "unbalanced <>");
		p->at++;
	}
	if (p->at < p->in.len && p->in.data[p->at] != ' ')
		return bad(p, "text after the address");
	return 0;
}

int address_parse_path(struct view *rest, bool strict, bool utf8, struct str *address,
		       const char **problem)
{
	struct path_parser p = {
		.in = *rest, .strict = strict, .utf8 = utf8, .out = address, .problem = NULL
	};
	size_t before = address->len;
	int r = parse_path(&p);

	if (r == 0) {
		struct view path = view_first(p.in, p.at);

		if (address->len - before > ADDRESS_MAX)
			r = bad(&p, "address too long");
		else if (view_has_control(path))
			r = bad(&p, "control character in address");
		else if (!utf8 && !view_is_ascii(path))
			r = bad(&p, "non-ASCII address without SMTPUTF8");
		else if (!view_is_utf8(path))
			r = bad(&p, "address is not UTF-8");
	}
	if (r < 0) {
		str_truncate(address, before);
		*problem = p.problem;
		return r;
	}
	*rest = view_from(p.in, p.at);
	return 0;
}
