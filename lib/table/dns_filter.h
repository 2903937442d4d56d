/* Records of the DNS that tables say "IGNORE" of, by their text, do not count for this program. */
#ifndef TABLE_DNS_FILTER_H
#define TABLE_DNS_FILTER_H

#include "base/error.h"

/* The value of that parameter; before the chroot, once. An empty one: all records count. */
int dns_filter_open(const char *parameter, const char *list, struct error *err);

#endif
