/* Which tables may be asked: those that proxy_read_maps leads to, whoever asks. */
#ifndef PROXYMAP_PERMIT_H
#define PROXYMAP_PERMIT_H

#include <stdbool.h>

#include "base/error.h"
#include "base/view.h"

/*
 * Reads what proxy_read_maps says, and what master.cf's -o set of the parameters that it names.
 * Before the program is confined.
 */
int permit_load(struct error *err);
void permit_forget(void);
/* "socketmap:inet:host:port:name" stands there, with "proxy:" in front or without. */
bool permit_has(struct view table);

#endif
