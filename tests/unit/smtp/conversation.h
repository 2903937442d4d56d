/* A conversation over a socket pair with a server that follows a script, in one process. */
#ifndef TEST_SMTP_CONVERSATION_H
#define TEST_SMTP_CONVERSATION_H

#include <stdbool.h>

#include "base/str.h"
#include "tls_policy.h"

struct conversation {
	/*
	 * What the server says and waits for, lines separated by '|': "<text" waits for a line that
	 * begins so, "<<." for the content up to the dot, anything else is sent with CR LF.
	 */
	const char *script;
	struct view raw; /* instead of a script: these bytes, then the end */
	bool lmtp;
	const char *const *recipients; /* NULL-terminated */
	const char *content;
	uint8_t flags, body, notify;
	enum tls_level level;
	unsigned uses; /* transactions that the session claims to have had */

	struct str heard;   /* lines that the server got */
	struct str results; /* "address outcome status text|" */
	int stale;
};

void converse(struct conversation *c);
void conversation_free(struct conversation *c);
/* The parameters that the client reads. */
void conversation_defaults(void);
/* Reads those of TLS; only once, and last in a test program. */
void conversation_prepare_tls(void);

#endif
