/*
 * A name server that is asked without the suite: for people who want to know what another one says,
 * or whose suite does not run. It is believed, and nothing is cached; the suite's programs never ask
 * so.
 */
#ifndef TOOLS_NAME_SERVER_H
#define TOOLS_NAME_SERVER_H

#include "base/error.h"
#include "mailauth/records.h"

struct name_server;
/*
 * "192.0.2.53", "192.0.2.53:5300", "[2001:db8::53]:5300", "localhost:5300"; NULL: those of
 * /etc/resolv.conf. NULL with a reason if it is none of that.
 */
struct name_server *name_server_new(const char *address, struct error *err);
void name_server_free(struct name_server *server);
struct dns_source name_server_source(struct name_server *server);

#endif
