/* What the files of the driver for LDAP share: settings, a connection, and the walk over entries. */
#ifndef PROXYMAP_DRIVERS_LDAP_H
#define PROXYMAP_DRIVERS_LDAP_H

#include <ldap.h>
#include <sys/time.h>

#include "../driver.h"

#define LDAP_ATTRIBUTES_MAX 100

enum { LDAP_FILTER, LDAP_BASE }; /* numbers of the templates */
enum ldap_role { LDAP_RESULT, LDAP_TERMINAL, LDAP_LEAF, LDAP_SPECIAL };

struct ldap_settings {
	int version, dereference, scope, size_limit, recursion_limit;
	bool referrals, binds, start_tls, require_cert;
	msec_t timeout;
	const char *bind_dn, *bind_password;
	const char *ca_file, *ca_dir, *cert, *key, *ciphers;
	char *attributes[LDAP_ATTRIBUTES_MAX + 1]; /* NULL at the end */
	enum ldap_role roles[LDAP_ATTRIBUTES_MAX];
	size_t attribute_count;
};

struct ldap_connection {
	const struct ldap_settings *own;
	LDAP *ld;
};

/* The entries that a filter finds, and those that they name in special_result_attribute. */
struct ldap_walk {
	struct ldap_connection *connection;
	msec_t deadline;
	driver_value *value;
	void *argument;
	struct error *err;
	struct ldap_step *first, *last; /* still to be searched */
	int searches;
	size_t entries;
};

struct timeval ldap_time_left(msec_t deadline);
/* The name of the one entry that is found. 1; 0: none, or several; or as `ask`. */
int ldap_walk_name(struct ldap_walk *walk, const char *base, const char *filter, char **name);
/* As struct driver's `ask`. */
int ldap_walk_run(struct ldap_walk *walk, const char *base, const char *filter);

#endif
