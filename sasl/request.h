/*
 * One line of a client of Dovecot's authentication protocol (1.x), as its server reads it. Fields are
 * separated by tabs, and what stands in them is escaped with \001. It is a stranger's: what is kept of it
 * is bounded and clean.
 */
#ifndef SASL_REQUEST_H
#define SASL_REQUEST_H

#include <stdbool.h>

#include "base/str.h"
#include "ipc/ipc.h"

#define SASL_LINE_MAX	   16384 /* the protocol's own limit */
#define SASL_MECHANISM_MAX 20	 /* octets, RFC 4422 3.1 */
#define SASL_SERVICE_MAX   20

enum sasl_word {
	SASL_OTHER, /* to be passed over */
	SASL_VERSION,
	SASL_CPID,
	SASL_AUTH,
	SASL_CONT,
	SASL_CANCEL,
};

struct sasl_request {
	enum sasl_word word;
	uint32_t major, minor; /* VERSION */
	uint32_t id;	       /* AUTH, CONT, CANCEL */
	struct str mechanism;  /* AUTH; letters, digits, hyphen and underscore */
	struct str service;    /* AUTH; the same in lower case */
	struct str rip,
		lip; /* AUTH: addresses of the client and of the server it came to; empty: not said */
	bool secured;	       /* AUTH: nobody listens to what the client says */
	bool has_data;	       /* AUTH: there is an initial response */
	bool data_is_readable; /* false: it is no base64, or too long */
	struct str data;       /* AUTH, CONT: what the client says, decoded */
};

/*
 * 0; -EBADMSG: this is no line of the protocol, and nobody can say which request it would be of. What is
 * wrong in an AUTH with a number of its own shows in an empty mechanism or service, or in unreadable data.
 */
int sasl_request_parse(struct view line, struct sasl_request *request);
void sasl_request_free(struct sasl_request *request);

#endif
