/*
 * What a client sends after DATA (RFC 5321 4.5.2): takes the bytes as they come, in any pieces,
 * and gives the content with CR LF line ends and dots unstuffed.
 *
 * Only CR LF . CR LF ends the content, whatever else looks like it (SMTP smuggling,
 * CVE-2023-51764). A line that ends in a bare LF becomes one that ends in CR LF; a line that is a
 * single dot but not such an end stays a line with a dot. A CR without LF becomes a space, as
 * cleanup_replace_stray_cr_lf has it, so that no later program sees another end than we did.
 * Whether bare line ends are forbidden at all is the caller's decision when the end has come:
 * has_bare_lf and has_bare_cr say what there was.
 *
 *	struct dotstream ds = DOTSTREAM_START;
 *	while (!ds.ended) {
 *		r = stream_peek(io, &bytes);
 *		used = dotstream_feed(&ds, bytes, emit, argument);
 *		stream_consume(io, used);
 *	}
 *
 * Nothing is copied: what is emitted are views of the input, long ones, and literals.
 */
#ifndef MAIL_DOTSTREAM_H
#define MAIL_DOTSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/view.h"

enum dotstream_state {
	DOTSTREAM_LINE_START,
	DOTSTREAM_IN_LINE,
	DOTSTREAM_CR,
	DOTSTREAM_DOT,
	DOTSTREAM_DOT_CR
};

struct dotstream {
	enum dotstream_state state;
	bool after_bare_lf; /* the line before this one ended in a bare LF */
	bool ended;	    /* the end has been seen and consumed */
	bool has_bare_lf, has_bare_cr;
	bool keep_bare_cr; /* cleanup_replace_stray_cr_lf = no */
	uint64_t size;	   /* bytes emitted */
};

#define DOTSTREAM_START ((struct dotstream){ .state = DOTSTREAM_LINE_START })

typedef void dotstream_emit(void *argument, struct view bytes);

/* Returns how many bytes were used: all, or up to the end of the content, inclusive. */
size_t dotstream_feed(struct dotstream *ds, struct view in, dotstream_emit *emit, void *argument);

#endif
