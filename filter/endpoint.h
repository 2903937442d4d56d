/* Which servers the configuration names; service_endpoint_connect() says how they are written. */
#ifndef FILTER_ENDPOINT_H
#define FILTER_ENDPOINT_H

#include "base/view.h"

/* Stands in main.cf, or in an -o of master.cf; anything, where smtpd_milter_maps names milters. */
bool endpoint_is_configured(struct view endpoint);
#endif
