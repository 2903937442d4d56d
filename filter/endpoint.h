/* Which servers the configuration names; service_endpoint_connect() says how they are written. */
#ifndef FILTER_ENDPOINT_H
#define FILTER_ENDPOINT_H

#include "base/error.h"
#include "base/view.h"

/*
 * Reads main.cf and master.cf once more: what they name may be connected to, and nothing else,
 * whoever asks. Before the program is confined.
 */
int endpoints_load(struct error *err);
void endpoints_forget(void);
/* Stands in main.cf, or in an -o of master.cf; anything, where smtpd_milter_maps names milters. */
bool endpoint_is_configured(struct view endpoint);
#endif
