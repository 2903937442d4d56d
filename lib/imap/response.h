/*
 * Reading what an IMAP server answers (RFC 9051 section 7), value by value, with bounded memory: for
 * clients. Servers read commands with imap/parser.h.
 *
 *	r = imap_response_begin(p, &answer);		* 12 FETCH
 *	r = imap_response_item(p, &name)		UID
 *	r = imap_response_number(p, max, &n) ...
 *	r = imap_response_end(p);			throws away what was not read
 *
 * A response is never held as a whole: of its line at most IMAP_RESPONSE_LINE_MAX bytes, strings go where
 * the caller says, up to a limit that it says; a literal can be read piece by piece. Views of the line are
 * valid until a string is read or the next response begins.
 *
 * Functions return 0, or
 *	-EBADMSG	what has come is no IMAP
 *	-EMSGSIZE	a limit was met
 *	others		the stream's errors
 * After any of them the connection is of no use any more.
 */
#ifndef IMAP_RESPONSE_H
#define IMAP_RESPONSE_H

#include "base/str.h"
#include "task/stream.h"

#define IMAP_RESPONSE_LINE_MAX	  ((size_t)256 * 1024)
#define IMAP_RESPONSE_DEPTH_MAX	  64	     /* parentheses in each other */
#define IMAP_RESPONSE_SKIPPED_MAX (1u << 26) /* bytes of a literal that nobody wants */
#define IMAP_RESPONSE_NAME_MAX	  32

enum imap_answer_kind { IMAP_UNTAGGED, IMAP_TAGGED, IMAP_CONTINUATION };

struct imap_answer {
	enum imap_answer_kind kind;
	char tag[IMAP_RESPONSE_NAME_MAX + 1];
	/* "OK", "FETCH", "EXISTS", in capitals; "" for a continuation. */
	char name[IMAP_RESPONSE_NAME_MAX + 1];
	bool has_number;
	uint32_t number; /* in front of the name */
};

struct imap_response;
struct imap_response *imap_response_new(struct stream *io);
void imap_response_free(struct imap_response *p);
void imap_response_freep(struct imap_response **p);

/* Waits for the next response, and reads tag, number and name. */
int imap_response_begin(struct imap_response *p, struct imap_answer *answer);
/* The rest of it is thrown away, literals too. */
int imap_response_end(struct imap_response *p);
/* What is left of the line: the text of OK, NO, BAD, BYE and continuations. */
struct view imap_response_text(const struct imap_response *p);

/* Blanks in front are passed over by all that follow. */
bool imap_response_take(struct imap_response *p, char byte);
/* Is there more in the line than blanks? */
bool imap_response_has_more(struct imap_response *p);
/* An atom, or a flag with its backslash, or the name of a FETCH item with what is in brackets: "BODY[]<0>". */
int imap_response_item(struct imap_response *p, struct view *item);
int imap_response_number(struct imap_response *p, uint64_t max, uint64_t *number);
/* A string of any form, or an atom, which replaces *text. `is_nil` may be NULL: NIL is then an atom as others. */
int imap_response_string(struct imap_response *p, size_t max, struct str *text, bool *is_nil);
/*
 * A string that is read in pieces: *is_nil says that there is none. imap_response_piece then gives 1 with a
 * piece, or 0 at its end.
 */
int imap_response_pieces(struct imap_response *p, uint64_t max, bool *is_nil);
int imap_response_piece(struct imap_response *p, struct view *piece);
/* A value that nobody wants, whatever it is. */
int imap_response_skip(struct imap_response *p);

#endif
