/*
 * The addresses of this host, as inet_interfaces and proxy_interfaces name them: mail for
 * user@[one of them] is ours, and a mail exchanger at one of them is ourselves.
 */
#ifndef ROUTE_INTERFACES_H
#define ROUTE_INTERFACES_H

#include <stdbool.h>

#include "base/error.h"
#include "base/view.h"

struct own_addresses;

/* Asks the kernel (and for names in the lists /etc/hosts or the DNS): call it before the chroot. */
struct own_addresses *own_addresses_load(struct error *err);
void own_addresses_free(struct own_addresses *own);
/* A numeric address: is it one of ours? */
bool own_addresses_match(const struct own_addresses *own, struct view ip);

#endif
