/*
 * One line of a Dovecot authentication server (auth protocol 1.1 to 1.3), as a client reads it.
 * Fields are separated by tabs, and what stands in them is escaped with \001.
 */
#ifndef AUTH_DOVECOT_REPLY_H
#define AUTH_DOVECOT_REPLY_H

#include "base/str.h"
#include "ipc/ipc.h"
#include "mechanism.h"

#define DOVECOT_LINE_MAX 16384 /* the protocol's own limit */

enum dovecot_word {
	DOVECOT_OTHER, /* to be passed over */
	DOVECOT_VERSION,
	DOVECOT_MECH,
	DOVECOT_SPID,
	DOVECOT_DONE,
	DOVECOT_CONT,
	DOVECOT_OK,
	DOVECOT_FAIL,
};

struct dovecot_reply {
	enum dovecot_word word;
	uint32_t id;	       /* CONT, OK, FAIL: of the request */
	uint32_t major, minor; /* VERSION */
	unsigned kinds;	       /* MECH */
	struct str name;       /* MECH; OK, FAIL: the user, without control characters */
	struct str data;       /* CONT, OK: for the client, decoded */
	struct str reason;     /* FAIL: for the log, printable */
	bool temporary, disabled;
};

/* 0, or -EBADMSG: this is no line of the protocol. */
int dovecot_reply_parse(struct view line, struct dovecot_reply *reply);
void dovecot_reply_free(struct dovecot_reply *reply);

#endif
