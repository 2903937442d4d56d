/*
 * ENVELOPE, BODY and BODYSTRUCTURE of a message as RFC 3501 7.4.2 writes them: NIL rules, quoted
 * strings where the bytes allow it and literals where not, groups, defaults for what is missing or
 * broken (text/plain us-ascii, 7bit), never an empty multipart. Linear in the message, bounded by the
 * limits of mail/mime.h. Pure: nothing but the bytes is looked at.
 *
 * A literal is written as {n}CRLF and the bytes, and may only be sent as it stands.
 */
#ifndef STORE_RENDER_H
#define STORE_RENDER_H

#include "mail/address.h"
#include "mail/mime.h"

/* An IMAP string: quoted if it has no NUL, CR, LF or 8-bit bytes and is short; else a literal. */
void render_string(struct str *out, struct view text);
/* NIL for what is absent (data NULL), else a string. */
void render_nstring(struct str *out, struct view text);

/* Of a header block (first fields of each name count). */
void render_envelope(struct str *out, struct view header);
/* The name of an address of `field_body` as it is shown: quotes and comments off, encoded words left. */
void render_display_name(struct str *out, struct view field_body,
			 const struct header_address *address);
/* The list of addresses of one field's body, or NIL: ((name route mailbox host)...). */
void render_addresses(struct str *out, struct view field_body);
/* Of the whole message; extended: BODYSTRUCTURE. `tree` was parsed from `content`. */
void render_body(struct str *out, struct view content, const struct mime_tree *tree, bool extended);

#endif
