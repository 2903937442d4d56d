/*
 * Addresses: RFC 5321 paths in commands, RFC 5322 addresses in headers, one parser for each,
 * used by every program.
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include <stdbool.h>

#include "base/str.h"

#define LOCAL_PART_MAX 64  /* octets, RFC 5321 4.5.3.1.1 */
#define DOMAIN_MAX     255 /* octets, 4.5.3.1.2 */
#define ADDRESS_MAX    512 /* what we take: longer local parts exist (VERP, SRS) */

/*
 * A mailbox in internal form: local part without quotes and backslashes, then '@' and the domain
 * (address literals with their brackets). Where it is written out, address_quote puts quotes back.
 */

/*
 * The path of MAIL FROM or RCPT TO at the front of *rest: "<a@b>", "<>", "<@x,@y:a@b>" (the source
 * route is dropped, RFC 5321 appendix C), "<postmaster>"; without brackets unless `strict`. What
 * follows (parameters) stays in *rest. Appends the internal form. 0, or -EINVAL with *problem a
 * literal text for the reply ("unbalanced <>", "bad quoted local part", ...).
 * `utf8`: bytes >= 0x80 are allowed (SMTPUTF8); must then be well-formed.
 */
int address_parse_path(struct view *rest, bool strict, bool utf8, struct str *address,
		       const char **problem);

/* Splits internal form at its last '@'. domain.len == 0: there is none. */
void address_split(struct view address, struct view *local, struct view *domain);
/* Appends the form for the wire: the local part in quotes where it is no dot-atom. */
void address_quote(struct str *out, struct view address);
/*
 * The same for logs, replies and reports: printable, and in quotes where it must be, so that
 * "x>, status=sent (y"@z cannot be read as anything but an address.
 */
void address_show(struct str *out, struct view address);
/* Splits "user+detail" at the first of the delimiters (not at the very front). */
bool address_split_extension(struct view local, const char *delimiters, struct view *user,
			     struct view *extension);

/* Syntax of a host name or domain (labels of letters, digits, '-' and, leniently, '_'). */
bool domain_is_valid(struct view domain, bool utf8);
/* "[192.0.2.1]", "[IPv6:2001:db8::1]": appends the bare address text. */
bool domain_is_literal(struct view domain, struct str *address);
/* A numeric IP address as text, 4 or 6; 0 if it is none. */
int ip_family(struct view text);
/* To A-labels (IDNA2008, libidn2) for DNS and the wire. 0 or -EINVAL. */
int domain_to_ascii(struct view domain, struct str *out);

/*
 * Addresses in a header field's body (RFC 5322 3.4): groups, comments, quoted strings, folding,
 * encoded words left alone. Calls `each` for every mailbox with its internal form and where it
 * stands in the body; stops when it returns non-zero (returned). Never fails: what cannot be
 * understood is skipped. Linear in the body; comments nested at most ADDRESS_COMMENT_MAX deep.
 */
#define ADDRESS_COMMENT_MAX 64
struct header_address {
	struct view name;	     /* display name as written, may be empty */
	struct view local, domain;   /* as written, unquoted local part */
	struct view route;	     /* source route "@a,@b", or empty */
	size_t start, end;	     /* of the addr-spec in the body */
	bool group_start, group_end; /* a group begins (name) or ends here; no mailbox then */
};
int address_list_parse(struct view body, int (*each)(void *argument, const struct header_address *),
		       void *argument);
/*
 * The same for a list of recipients, of which none may be passed over: white space alone separates
 * too ("a@x b@y", "alice bob"), as in Postfix. Words in front of '<' are a name.
 */
int address_list_parse_all(struct view body,
			   int (*each)(void *argument, const struct header_address *),
			   void *argument);
/*
 * The same for showing: a name without an address ("John Doe", "John Doe <>") comes too, with an empty
 * local part.
 */
int address_list_parse_shown(struct view body,
			     int (*each)(void *argument, const struct header_address *),
			     void *argument);

#endif
