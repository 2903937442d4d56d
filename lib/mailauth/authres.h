/*
 * Authentication-Results (RFC 8601): written for the programs that come after us, and those removed
 * that claim to be ours.
 *
 *	struct authres results;
 *	authres_begin(&results, VIEW("mx.example.org"));
 *	authres_method(&results, "spf", "pass", VIEW_NONE);
 *	authres_property(&results, "smtp.mailfrom", sender);
 *	authres_end(&results);		"mx.example.org; spf=pass smtp.mailfrom=..."
 *
 * What strangers have chosen is a value, in quotes where it must be; it cannot end a value, begin a
 * comment or a line.
 */
#ifndef MAILAUTH_AUTHRES_H
#define MAILAUTH_AUTHRES_H

#include "base/str.h"

#define AUTHRES_VALUE_MAX 512 /* bytes of a value that are written */

struct authres {
	struct str text; /* folded: "\r\n\t" between what may stand on lines of their own */
	bool any;
};
void authres_begin(struct authres *results, struct view authserv_id);
/* One more result; the comment (empty: none) without parentheses. */
void authres_method(struct authres *results, const char *method, const char *result,
		    struct view comment);
/* Of the result that was written last. */
void authres_reason(struct authres *results, struct view reason);
void authres_property(struct authres *results, const char *name, struct view value);
/* "none" if nothing was written. */
void authres_end(struct authres *results);
void authres_free(struct authres *results);
/* Appends " (comment)", in which nothing can end it. */
void authres_append_comment(struct str *out, struct view comment);
/* Appends the text on one line. */
void authres_append_line(const struct authres *results, struct str *out);

/*
 * The authserv-id at the front of a field's body, in lower case and A-labels. False: it cannot be
 * read.
 */
bool authres_read_id(struct view body, struct str *id);
/* Whether readers could take the field for one of ours: by its id, or because it cannot be read. */
bool authres_is_ours(struct view body, struct view authserv_id);
/*
 * What stands after the id and its version: "; spf=pass ..." without the first semicolon and with
 * folding as it was. VIEW_NONE: it cannot be read.
 */
struct view authres_payload(struct view body);
/* The result of a method in a payload ("arc"), or VIEW_NONE. */
struct view authres_find(struct view payload, const char *method);

#endif
