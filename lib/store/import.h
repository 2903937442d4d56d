/*
 * A folder that is filled from another server, run by run: its UIDs are kept where that can be, and notes
 * say how far the last run came.
 *
 *	import_unique(&unique, source, date, uid);	the name of a message, by which it is known again
 *	import_take_uids(store, name, uidvalidity, uidnext)	UIDs below uidnext are the other server's
 *	... append_meta.uid ...
 *	import_notes_read, import_notes_write		a text of the caller's, in the folder's directory
 *
 * The notes are an aid: what they do not say yet, because a run was killed, the names of the files do.
 */
#ifndef STORE_IMPORT_H
#define STORE_IMPORT_H

#include "store/store.h"

#define IMPORT_SOURCE_SIZE 16 /* letters of a source's name */
#define IMPORT_NOTES_MAX   ((size_t)65536)
/* UIDs above are not kept: the rest of them has to last for what is delivered here. */
#define IMPORT_UID_MAX 0x7fffffffU

/* The name of a folder of a login at a host, with that UIDVALIDITY: hexadecimal, always the same. */
void import_source(char name[IMPORT_SOURCE_SIZE + 1], struct view host, struct view login,
		   struct view folder, uint32_t uidvalidity);
/* For append_set_unique. Appended. */
void import_unique(struct str *out, const char *source, int64_t date, uint32_t uid);
/* Is this a name (mailbox_file_name) that import_unique has made for that source? Then its UID there, else 0. */
uint32_t import_uid_of(struct view name, const char *source);

/*
 * Gives an empty folder this UIDVALIDITY; UIDs below `uidnext` are given to nobody but who asks for them by
 * append_meta.uid. -ENOTEMPTY: it has messages.
 */
int import_take_uids(struct store *store, struct view name, uint32_t uidvalidity, uint32_t uidnext);
/* More of them, as far as `to`, if none from `from` on was given out. -EEXIST: one was. */
int import_take_more_uids(struct store *store, struct view name, uint32_t from, uint32_t to);

/* -ENOENT: there are none. Appended. */
int import_notes_read(struct store *store, struct view name, struct str *notes);
int import_notes_write(struct store *store, struct view name, struct view notes);

/* POP3 UIDLs that the other server gave: lines "<unique> <uidl>\n", added to those that are there. Durable. */
int import_uidls_add(struct store *store, struct view name, struct view lines);
/* Those of a folder's directory, by the unique part of names; each is to be freed. Of lib/store only. */
struct map;
int import_uidls_read(const char *directory, struct map *uidls);

/* One at a time works on a store: *lock is a descriptor that holds it until it is closed. -EAGAIN: another does. */
int import_lock(struct store *store, int *lock);

#endif
