/*
 * Where other people's servers listen, as Postfix's configuration names them: "inet:host:port",
 * "inet:port" (of this host), "unix:path" (below the queue directory where it is relative).
 */
#ifndef FILTER_ENDPOINT_H
#define FILTER_ENDPOINT_H

#include "base/clock.h"
#include "base/error.h"
#include "base/view.h"

/*
 * Reads main.cf and master.cf once more: what they name may be connected to, and nothing else,
 * whoever asks. Before the program is confined.
 */
int endpoints_load(struct error *err);
void endpoints_forget(void);
/* Stands in main.cf, or in an -o of master.cf. */
bool endpoint_is_configured(struct view endpoint);
/*
 * Connects; waits as a task. A descriptor, or a negative errno: -EINVAL where it cannot be read,
 * -EHOSTUNREACH where the host has no address.
 */
int endpoint_connect(struct view endpoint, msec_t deadline);

#endif
