/*
 * The PROXY protocol, versions 1 and 2 (haproxy.org, doc/proxy-protocol.txt): a proxy in front of a
 * server says in a header, before anything else, whom it speaks for. One listener has it or has it
 * not, for who could choose could also choose whom to be.
 *
 *	prepare:	upstream_open(&(struct upstream_options){ ... }, err)
 *	a connection:	lib/daemon itself, before serve_client: the peer is then the client that the
 *			proxy names. Who may not speak it, says nothing in time or says something
 *			else is closed, with a line in the log.
 */
#ifndef DAEMON_UPSTREAM_H
#define DAEMON_UPSTREAM_H

#include "base/error.h"
#include "base/view.h"
#include "daemon/daemon.h"

/* With the extensions of version 2, which are passed over; longer headers are refused. */
#define UPSTREAM_HEADER_MAX 4096

struct upstream_options {
	const char *protocol; /* "" (none) or "haproxy" */
	const char *networks; /* proxies that may speak for others, a list of addresses */
	const char *setting;  /* the parameter that has it, for the log */
	msec_t timeout;	      /* for the whole header */
};
/* For prepare(): reads them, once for a program. 0 or a negative errno with a reason. */
int upstream_open(const struct upstream_options *options, struct error *err);
void upstream_close(void);
bool upstream_is_expected(void);

/*
 * Takes the header from a connection and puts whom it names into *peer. Bytes after it stay. 0 or a
 * negative errno: it is to be closed, which has been logged.
 */
int upstream_receive(struct stream *io, struct peer *peer);

/*
 * The length of the header that `bytes` begin with, and into *peer whom it names (if anybody: health
 * checks of the proxy itself, and clients that it does not know, are nobody's). 0: it goes on after
 * them. -EPROTO with a reason.
 */
int upstream_parse(struct view bytes, struct peer *peer, const char **problem);

#endif
