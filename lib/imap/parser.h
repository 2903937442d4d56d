/*
 * Reading IMAP commands (RFC 3501 section 9), argument by argument, with bounded memory.
 *
 *	r = imap_command_begin(p);			tag and name are there
 *	r = imap_space(p) || imap_astring(p, &name) || imap_end(p)
 *	...
 *	imap_command_skip(p);				throws away what a handler did not read
 *
 * A handler pulls its arguments; where a literal stands, the parser reads it (sending the
 * continuation for a synchronizing one), so no command is ever held as a whole. Views that a
 * function returns are valid until imap_command_begin is called again: they live in the
 * command's own storage, bounded by imap_limits.command: lines and literals together. The literal of
 * an APPEND is not stored but streamed (imap_literal_begin, imap_literal_read).
 *
 * Functions return 0, or
 *	-EBADMSG	a syntax error; imap_parser_problem() says which, for BAD
 *	-EMSGSIZE	a limit was met; imap_parser_problem() says which
 *	others		the stream's errors: the connection is over
 */
#ifndef IMAP_PARSER_H
#define IMAP_PARSER_H

#include "base/str.h"
#include "task/stream.h"

#define IMAP_TAG_MAX	  128
#define IMAP_LITERALS_MAX 1000	/* in one command */
#define IMAP_RANGES_MAX	  20000 /* elements of a sequence set */

struct imap_limits {
	size_t line;	   /* bytes of one line, without literals */
	size_t command;	   /* bytes of one command with its literals (streamed ones not counted) */
	bool literal_plus; /* false before login: RFC 7888 LITERAL- semantics, at most 4096; a larger
			      one is not read past: the connection is to be ended */
};

struct imap_parser;
struct imap_parser *imap_parser_new(struct stream *io, const struct imap_limits *limits);
void imap_parser_free(struct imap_parser *p);
void imap_parser_freep(struct imap_parser **p);
const char *imap_parser_problem(const struct imap_parser *p);
/* For callers that find a syntax error themselves: -EBADMSG with this problem (a literal). */
int imap_syntax_error(struct imap_parser *p, const char *problem);

/* Waits for the next command; reads tag and name (upper case; "UID FETCH" is name "UID"). */
int imap_command_begin(struct imap_parser *p);
/* Goes on with a command that was read in another process, up to its end. */
void imap_command_resume(struct imap_parser *p, struct view tag);
struct view imap_command_tag(const struct imap_parser *p);
struct view imap_command_name(const struct imap_parser *p);
/*
 * Skips to the end of the command, literals included. After a syntax error a synchronizing literal
 * at the end of the line is not asked for: the client will not send it.
 */
int imap_command_skip(struct imap_parser *p);
/* A bare line outside a command: IDLE's DONE, a SASL response. */
int imap_parser_line(struct imap_parser *p, struct view *line);

int imap_space(struct imap_parser *p);
int imap_end(struct imap_parser *p);
bool imap_at_end(struct imap_parser *p);
/* The next byte, 0 at the end of the line (where a literal follows: '{'). */
char imap_peek(struct imap_parser *p);
/*
 * Takes that byte if it is next. Blanks that have no meaning are forgiven: after another or after "(",
 * before ")" and at the end of the line, where there is no blank to be taken.
 */
bool imap_take(struct imap_parser *p, char byte);
/* The same for text, in any case. */
bool imap_take_text(struct imap_parser *p, const char *text);

int imap_atom(struct imap_parser *p, struct view *atom);
int imap_astring(struct imap_parser *p, struct view *text);
int imap_string(struct imap_parser *p, struct view *text);
/* With the wildcards of LIST. */
int imap_list_mailbox(struct imap_parser *p, struct view *pattern);
int imap_number(struct imap_parser *p, uint64_t max, uint64_t *number);
/* What follows ID, whatever it is (clients send all sorts of things), up to the end of the command. */
#define IMAP_ID_MAX 65536 /* bytes of literals in it; RFC 2971 allows 30 values of 1024 */
int imap_skip_id(struct imap_parser *p);

/* ---- literals that are streamed ---- */

/* "{n}" or "{n+}" at this place, also with "~" in front; > max: -EMSGSIZE before the client sends it (or after skipping it). */
int imap_literal_begin(struct imap_parser *p, uint64_t max, uint64_t *size);
/* 1 with a piece, 0 at its end. */
int imap_literal_read(struct imap_parser *p, struct view *piece);

/* ---- sequence sets ---- */

struct imap_range {
	uint32_t first, last; /* as written; resolved: first <= last */
};
#define IMAP_STAR 0 /* "*", the largest number in use; no message has this one */
struct imap_set {
	struct imap_range *ranges;
	size_t count;
	bool saved; /* "$": the result of the last search (RFC 5182); no ranges */
};
int imap_sequence_set(struct imap_parser *p, struct imap_set *set);
int imap_set_parse(struct view text, struct imap_set *set);
void imap_set_free(struct imap_set *set);
void imap_set_copy(const struct imap_set *from, struct imap_set *to);
/* With '*' replaced by `largest`, sorted, merged. */
void imap_set_resolve(struct imap_set *set, uint32_t largest);
bool imap_set_contains(const struct imap_set *resolved, uint32_t number);

/* ---- patterns of LIST (RFC 3501 6.3.8), with '.' between the levels of a name ---- */

#define IMAP_PATTERN_NAME_MAX 1024 /* bytes of a name; a longer one matches nothing */
bool imap_pattern_matches(struct view pattern, struct view name);

#endif
