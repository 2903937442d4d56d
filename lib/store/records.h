/*
 * What the index holds. All of it can be built again from the Maildir; nothing in it is believed
 * without a look at its length.
 *
 * Databases and their keys (integers big-endian, so that they sort), values as below:
 *	meta	text			numbers of the whole store, see meta_get
 *	names	name			u32 folder id
 *	folders	u32 id			struct folder_record
 *	wanted	name			empty: subscribed to
 *	words	u32 folder, u8 bit	keyword
 *	states	u32 folder, u32 uid	struct state_record: what changes often, small to scan
 *	mails	u32 folder, u32 uid	struct mail_record: what does not
 *	changes	u32 folder, u64 modseq, u32 uid		u8 CHANGE_...: the last change of each UID
 *	tidy	u32 folder, u32 uid	empty: the file's name and place are not yet what they should be
 *	gone	u64 serial		struct gone_record: a file or folder that is still to be removed
 *	copies	u64 content		u32: how many messages share this content, if more than one
 *	cache	u64 content		struct cache_record
 */
#ifndef STORE_RECORDS_H
#define STORE_RECORDS_H

#include "store/store.h"

enum { CHANGE_STATE = 0, CHANGE_EXPUNGED = 1 };

/* Where in a folder a file is. */
enum part { PART_NEW, PART_CUR, PART_TMP, PART_DIRECTORY /* gone: the whole folder */ };

struct folder_record {
	uint64_t modseq;       /* highest given out */
	uint64_t modseq_floor; /* tombstones up to here were dropped */
	uint64_t size;	       /* sum of sizes, wire size where it is known */
	int64_t new_time,
		cur_time; /* of the directories when they were last read, ns; 0: read again */
	uint32_t id, uidvalidity, uidnext;
	uint32_t uid_bound; /* what posta-uidvalidity promises: no UID at or above was given out */
	uint32_t first_recent;
	uint32_t messages, unseen, deleted, unsized, tombstones;
	uint32_t special_use;
	uint32_t adopt; /* not yet read since the index was made: UIDs come from the names */
	struct view name;
};

struct state_record {
	uint64_t modseq, keywords;
	uint8_t flags;
};

struct mail_record {
	uint64_t size, wire_size; /* SIZE_UNKNOWN: not counted yet */
	uint64_t content;	  /* serial number: key of the cache */
	int64_t date;
	int64_t saved; /* when it came into this folder (RFC 8514); 0: by an index that did not note it */
	uint32_t where; /* id of the folder that has the file: another one while a move is owed */
	uint8_t part;
	bool counted;	  /* wire_size was counted, not read off a name, which may lie */
	struct view file; /* its name there */
};

struct gone_record {
	uint32_t where;
	uint8_t part;
	struct view file; /* PART_DIRECTORY: name of the directory in the Maildir */
};

struct cache_record {
	struct view envelope, body, bodystructure;
	struct view headers; /* the fields that clients mostly ask for */
};

/* 0, or -EBADMSG. Views point into `value`. */
int folder_record_decode(struct view value, struct folder_record *record);
int state_record_decode(struct view value, struct state_record *record);
int mail_record_decode(struct view value, struct mail_record *record);
int gone_record_decode(struct view value, struct gone_record *record);
int cache_record_decode(struct view value, struct cache_record *record);

/* Appended. */
void folder_record_encode(struct str *out, const struct folder_record *record);
void mail_record_encode(struct str *out, const struct mail_record *record);
void gone_record_encode(struct str *out, const struct gone_record *record);
void cache_record_encode(struct str *out, const struct cache_record *record);

#define STATE_RECORD_SIZE 17
void state_record_encode(uint8_t out[STATE_RECORD_SIZE], const struct state_record *record);

/* ---- keys ---- */

#define KEY_FOLDER_SIZE 4
#define KEY_UID_SIZE	8
#define KEY_CHANGE_SIZE 16
#define KEY_SERIAL_SIZE 8
#define KEY_WORD_SIZE	5

struct key {
	uint8_t bytes[KEY_CHANGE_SIZE];
	size_t len;
};
struct key key_folder(uint32_t folder);
struct key key_uid(uint32_t folder, uint32_t uid);
struct key key_change(uint32_t folder, uint64_t modseq, uint32_t uid);
struct key key_serial(uint64_t serial);
struct key key_word(uint32_t folder, uint8_t bit);
static inline struct view key_view(const struct key *key)
{
	return view_make(key->bytes, key->len);
}
/* 0, or -EBADMSG. */
int key_uid_decode(struct view key, uint32_t *folder, uint32_t *uid);
int key_change_decode(struct view key, uint32_t *folder, uint64_t *modseq, uint32_t *uid);
int key_serial_decode(struct view key, uint64_t *serial);

#endif
