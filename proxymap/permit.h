/* Which tables may be asked: those that the configuration names for it, whoever asks. */
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
/*
 * "socketmap:inet:host:port:name" stands there, with "proxy:" in front or without; or it stands
 * without "proxy:" anywhere in main.cf or in an -o of master.cf: then the program that reads it
 * would open it by itself, if it could.
 */
bool permit_has(struct view table);
/* All words that may be names of tables, some of them more than once. */
void permit_each(void (*take)(struct view name));

#endif
