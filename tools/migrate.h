/*
 * posta migrate: what its files share.
 *
 *	verb_migrate.c		the options
 *	migrate_postfix.c	what of a Postfix site is the same here, and what is not
 *	migrate_trial.c		an instance beside it, to try on other ports
 *	migrate_dovecot.c	Dovecot's settings in Posta's words
 *	dovecot_report.c	what is printed
 *	dovecot_mapping.c	its settings that have a name of their own here
 *	dovecot_conf.c		dovecot.conf, read
 *	migrate_imap.c		mail from another IMAP server: the options
 */
#ifndef TOOLS_MIGRATE_H
#define TOOLS_MIGRATE_H

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/* Each returns a tool status. */
int migrate_postfix(const char *directory);
int migrate_dovecot(const char *directory);
int migrate_imap(int argc, char **argv); /* with options of its own */

/*
 * Makes `to`/conf and the rest out of the configuration in `from`, which stays as it is. 0, or a
 * negative errno with a reason. *notes gets a line for each thing that was changed.
 */
int migrate_trial(const char *from, const char *to, uint32_t base_port, struct str *notes,
		  struct error *err);

/* ---- dovecot_conf.c ---- */

/* One setting: "passdb/args" = "..." of the block passdb; sections of protocols and services too. */
struct dovecot_setting {
	char *section; /* "passdb", "protocol imap", "service imap-login/inet_listener imaps"; "" */
	char *name, *value;
	char *file;
	int line;
	int block; /* number of the outermost block that it stands in: blocks of one name differ */
};
struct dovecot_conf {
	struct dovecot_setting *settings;
	size_t count;
	int files, blocks;
	struct str problems; /* a line each */
};
/* Reads dovecot.conf in that folder and what it includes: the syntax of 2.3 and of 2.4. */
int dovecot_conf_read(const char *directory, struct dovecot_conf *conf, struct error *err);
/* The same of a text, for tests: nothing is included. */
void dovecot_conf_take_text(struct dovecot_conf *conf, const char *name, struct view text);
void dovecot_conf_free(struct dovecot_conf *conf);

#endif
