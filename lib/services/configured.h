/*
 * What main.cf and master.cf name: other people's servers and sockets that may be connected to, whoever
 * asks. For programs that connect to them.
 */
#ifndef SERVICES_CONFIGURED_H
#define SERVICES_CONFIGURED_H

#include "base/error.h"
#include "base/view.h"

/* Reads both once more, before the program is confined. 0 or a negative errno with a reason. */
int configured_load(struct error *err);
void configured_forget(void);
/* It stands there as a value or an element of one: "inet:127.0.0.1:8891". */
bool configured_names(struct view server);
/* The parameter has a value in either. */
bool configured_sets(const char *parameter);
/* An absolute path, named there as it is or below the queue directory, or in foreign_sockets. */
bool configured_names_socket(struct view path);

#endif
