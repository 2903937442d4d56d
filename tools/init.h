/*
 * posta init: what its files share.
 *
 *	verb_init.c	the options, and the order of things
 *	init_accounts.c	system users for the programs, folders and their owners
 *	init_files.c	main.cf, master.cf, users, aliases
 *	init_keys.c	certificates and the DKIM key
 */
#ifndef TOOLS_INIT_H
#define TOOLS_INIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

#define INIT_USERS_MAX	   1000
#define INIT_DKIM_SELECTOR "posta"

struct init_user {
	char *address; /* "alice@example.test" */
	const char *password;
	bool made; /* by us: it is told */
};

struct init {
	char *directory; /* absolute */
	const char *domain, *host;
	uint32_t base_port;
	bool as_root;
	struct init_user users[INIT_USERS_MAX];
	size_t user_count;
	uid_t mail_uid, vmail_uid; /* of the queue, of mailboxes */
	gid_t mail_gid, vmail_gid, auth_gid;
	struct str dkim_record;
};

/* Each returns 0 or a negative errno with a reason. */

/* Makes the system users that are missing (as root), and looks all of them up. */
int init_accounts(struct init *init, struct error *err);
/* Whether the mailboxes' user can come to the folder at all. */
int init_check_way(const struct init *init, struct error *err);
int init_folders(const struct init *init, struct error *err);
int init_files(const struct init *init, struct error *err);
/* conf/tls and conf/dkim; fills in dkim_record. */
int init_keys(struct init *init, struct error *err);

/* Creates DIR/<name>; a file that is there already is an error: nothing is overwritten. */
int init_write(const struct init *init, const char *name, struct view content, mode_t mode,
	       struct error *err);

#endif
