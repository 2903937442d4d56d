/*
 * The network side of IMAP, POP3 and ManageSieve: after the login the connection goes to the session program.
 *
 * A plain connection's descriptor is handed over and closed here. A TLS connection stays: the session
 * gets one end of a socket pair, and this task relays bytes both ways in bounded memory until both
 * directions have ended.
 */
#ifndef SESSION_HANDOVER_H
#define SESSION_HANDOVER_H

#include "base/clock.h"
#include "base/str.h"
#include "task/stream.h"

struct handover {
	const char *service;	    /* "private/imapd-session" */
	struct view cookie;	    /* of auth */
	struct view tag;	    /* IMAP: of the command that logged in; else empty */
	struct view client_address; /* as text */
	struct view server_name;
	msec_t timeout; /* longest silence of a relayed client: longer than the session's own */
};

/*
 * Hands `io` over. What it has buffered of the client's input goes along (at most IPC_FRAME_MAX;
 * more is -EMSGSIZE), what it has buffered of output is sent before.
 *
 * 0: the session has it, or (TLS) had it and the conversation has ended: nothing may be written any
 * more, the caller frees `io`. -EACCES: refused, -EAGAIN: the session program does not answer; *text
 * has the reason for the client, and the connection is as it was. Others: the connection is dead.
 */
int session_handover(struct stream *io, const struct handover *what, struct str *text);

#endif
