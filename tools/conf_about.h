/* What postconf tells of the software rather than of the configuration: -a, -A, -b, -l, -m, -T, -t. */
#ifndef TOOLS_CONF_ABOUT_H
#define TOOLS_CONF_ABOUT_H

#include <stddef.h>

/* `option` is its letter; `mode` the value of -T. Returns an exit status. */
int conf_about(int option, const char *mode);

/*
 * The names that parameters have for each transport of master.cf ("smtp_destination_rate_delay"). NULL after
 * the last; conf_transport_names_free frees them.
 */
char **conf_transport_names(size_t *count);
void conf_transport_names_free(char **names);

#endif
