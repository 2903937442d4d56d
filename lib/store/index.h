/*
 * Folders and messages in the index: one step each, inside the caller's transaction. Of lib/store only.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "store/handle.h"

/* Copies, so that they outlive the next write of the transaction. */
struct folder {
	struct folder_record r;
	char name[STORE_NAME_MAX + 1];
};
struct mail {
	struct mail_record r;
	char file[FILE_NAME_MAX + 1];
};

int folder_load(struct tx *tx, uint32_t id, struct folder *folder);
int folder_find(struct tx *tx, struct view name, struct folder *folder);
int folder_save(struct tx *tx, const struct folder *folder);
/* A new folder in the index; its directory is there already. */
int folder_insert(struct tx *tx, struct view name, struct folder *folder);
/* Forgets folder and messages; files are the caller's matter. */
int folder_erase(struct tx *tx, const struct folder *folder);
/* An empty folder gets that UIDVALIDITY and begins anew with UID 1. */
int folder_restart(struct tx *tx, struct folder *folder, uint32_t uidvalidity);
/* The mod-sequence of this transaction's changes to the folder: call once before them. */
void folder_advance(struct folder *folder);
/* Makes sure that `count` UIDs from uidnext on may be given out; on disk before it returns. */
int folder_reserve_uids(struct tx *tx, struct folder *folder, uint32_t count);
/* Path of a folder's directory, or of `part` in it. */
void folder_directory(const struct store *store, const struct folder *folder, struct str *out);
void folder_part_path(const struct store *store, const struct folder *folder, enum part part,
		      struct str *out);
const char *part_name(enum part part);

int state_load(struct tx *tx, uint32_t folder, uint32_t uid, struct state_record *state);
int mail_load(struct tx *tx, uint32_t folder, uint32_t uid, struct mail *mail);
int mail_save(struct tx *tx, uint32_t folder, uint32_t uid, const struct mail_record *mail);

/* With UID uidnext, which goes up. Its tidying is owed unless the file is as it should be. */
int message_insert(struct tx *tx, struct folder *folder, const struct state_record *state,
		   const struct mail_record *mail);
/* flags and keywords of `now`; its modseq becomes the folder's. */
int message_change(struct tx *tx, struct folder *folder, uint32_t uid,
		   const struct state_record *before, struct state_record *now);
/* Leaves a tombstone. The file stays; the content is not released. */
int message_remove(struct tx *tx, struct folder *folder, uint32_t uid,
		   const struct state_record *state, const struct mail_record *mail);
/* Removes it, and owes the removal of its file. */
int message_expunge(struct tx *tx, struct folder *folder, uint32_t uid);
/* Another message has this content now (+1), or one less (-1). The last one takes the cache along. */
int content_share(struct tx *tx, uint64_t content);
int content_release(struct tx *tx, uint64_t content);

int owe_tidy(struct tx *tx, uint32_t folder, uint32_t uid);
int owe_removal(struct tx *tx, uint32_t where, enum part part, struct view file);

/* The name that the message's file should have in cur/. */
void mail_target_name(struct str *out, uint32_t uid, const struct mail_record *mail,
		      const struct state_record *state);
static inline uint64_t mail_wire_size(const struct mail_record *mail)
{
	return mail->wire_size == SIZE_UNKNOWN ? mail->size : mail->wire_size;
}

/* Keywords of a folder: bit number, or -ENOENT, -ERANGE. */
int keyword_find(struct tx *tx, uint32_t folder, struct view name);
int keyword_add(struct tx *tx, uint32_t folder, struct view name);

#endif
