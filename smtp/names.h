/* Hosts that /etc/hosts names. */
#ifndef SMTP_NAMES_H
#define SMTP_NAMES_H

#include "base/error.h"
#include "base/str.h"

#define NAMES_FILE "/etc/hosts"

/* smtp_dns_support_level, or where that is not set disable_dns_lookups: mail exchangers count. */
bool names_by_dns(void);
/* When the file is looked at for a host's address: smtp_host_lookup. */
enum names_use { NAMES_UNUSED, NAMES_FIRST, NAMES_LAST };
enum names_use names_use(void);
/* prepare(): reads the file where it is used. One that is not there names nobody. */
int names_prepare(const char *path, struct error *err);
/* The addresses of the host, a line feed after each; empty if the file does not name it. */
struct view names_find(struct view host);
void names_forget(void);

#endif
