/* Giving a Maildir to another server. */
#ifndef STORE_RELEASE_H
#define STORE_RELEASE_H

#include "store/store.h"

/*
 * Makes of the store what Dovecot expects of a Maildir, so that no client notices: names of files without
 * UIDs, and those in dovecot-uidlist, with UIDVALIDITY and the POP3 UIDLs that were saved there before;
 * dovecot-keywords; subscriptions and names of folders are the same. Index and our own files are removed.
 * The store cannot be used any more, only closed. -EBUSY: another process has it open. Done half, it can be
 * done again, and a store that is opened then finds all UIDs.
 */
int store_release(struct store *store,
		  void (*told)(void *argument, const char *folder, size_t count), void *argument,
		  struct error *err);

#endif
