/*
 * Messages of another IMAP server into a local user's folders. Who calls this is the user already, and holds
 * no other's password.
 *
 *	imap_import.c	one folder: flags, what is gone, how far it came
 *	imap_batch.c	its new messages
 *	imap_folder.c	its notes, and what is here already
 *	imap_run.c	one user: all folders, again after the connection broke
 *	imap_users.c	several users, each in a process of its own
 */
#ifndef TOOLS_IMAP_IMPORT_H
#define TOOLS_IMAP_IMPORT_H

#include "store/import.h"
#include "tools/remote.h"
#include "user/user.h"

struct imap_import_options {
	struct remote_options remote;
	const char
		*uidl; /* format of the POP3 UIDLs there; NULL: as that software has it; "": none */
	bool expunge;  /* what is gone there goes here too, if it came from there */
	bool renumbered; /* a folder with another UIDVALIDITY than before is a new one */
	bool list_only;
	char **folders; /* names there; NULL-terminated; NULL: all */
	unsigned jobs;
	unsigned tries; /* connections in a row that may break without having brought anything */
};

struct imap_totals {
	uint64_t messages, bytes, flags, removed, left_out, renumbered;
};

struct imap_import {
	const struct imap_import_options *options;
	const char *name; /* of the local user, for what is said */
	struct remote remote;
	struct store *store;
	struct imap_totals totals; /* of all folders */
	struct error *err;
};

/*
 * One folder: what is new there comes, flags that changed there change here. It may be ended at any moment
 * and goes on the next time. 0, 1: left alone (said), or a negative errno with a reason.
 */
int imap_import_folder(struct imap_import *w, const struct remote_folder *folder);

/* All of one user; the store is open at `maildir`. A tool_status; what happened was said. For a task. */
int imap_import_user(const struct imap_import_options *options, const char *login,
		     const char *password, const char *name, const char *maildir);

/* A user there and here. */
struct imap_account {
	char *login, *password, *local;
};
/*
 * Each account in a process that becomes the local user before it connects, options->jobs of them at a time. A
 * tool_status. Wipes the passwords.
 */
int imap_import_accounts(struct imap_import_options *options, struct imap_account *accounts,
			 size_t count, const char *verb);
/* "LOGIN PASSWORD [LOCAL]", or without passwords "LOGIN [LOCAL]": with tabs, if the line has any, else blanks. */
int imap_accounts_read(const char *path, bool with_passwords, struct imap_account **accounts,
		       size_t *count, struct error *err);
void imap_accounts_free(struct imap_account *accounts, size_t count);
/* The first line of a file. Appended. 0 or a negative errno with a reason. */
int imap_password_read(const char *path, struct str *password, struct error *err);
/* "HOST", "HOST:PORT", "[::1]:993". False: none. Both are to be freed. */
bool imap_host_parse(const char *text, enum remote_tls tls, char **host, char **port);

#endif
