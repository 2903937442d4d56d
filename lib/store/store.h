/*
 * Mailboxes of one user: Maildir is the lasting truth, an LMDB index beside it the commit point.
 *
 *	_cleanup_(store_closep) struct store *store = NULL;
 *	_cleanup_(mailbox_closep) struct mailbox *box = NULL;
 *	store_open("/", &STORE_DEFAULTS, &store, &err);
 *	mailbox_open(store, VIEW("INBOX"), MAILBOX_READ_WRITE, &box);
 *	for (uint32_t seq = 1; seq <= mailbox_count(box); seq++) ... mailbox_uid(box, seq) ...
 *	mailbox_refresh(box, true, &changes);		what others did meanwhile, as IMAP tells it
 *	store_settle(store, STORE_SETTLE_BATCH);	files follow what the index decided
 *
 * Layout on disk, in the Maildir directory (Maildir++: the root is INBOX, folder "A.B" is ".A.B"):
 *	cur/ new/ tmp/		one file a message; <unique>,S=<bytes>,W=<CRLF bytes>,U=<uid>:2,<flags>
 *	.A.B/{cur,new,tmp}	a folder; `maildirfolder` (empty) marks it for other tools
 *	posta-uidvalidity	per folder: UIDVALIDITY and an upper bound of UIDNEXT, fsynced
 *	posta-keywords		per folder: the keywords after the letters a..z in file names
 *	posta-special-use	per folder, where it has another than its name says: "Sent"
 *	posta-mailbox-id	per folder, once it was asked for
 *	posta-import, posta-uidls	per folder that was filled from another server (import.h)
 *	posta-metadata		per folder, and posta-metadata-server: annotations
 *	posta-last-login	its time is that of the last IMAP or POP3 login
 *	maildirsize		of Maildir++, where the quota says so (quota.h)
 *	subscriptions		names, one a line
 *	dovecot-*, courier*	of a server before this one: UIDs, keywords and subscriptions are read when
 *				the index is made, POP3 UIDLs at each POP3 session
 *	posta.index/		the LMDB environment; may be deleted at any time, also while it is in use:
 *				it is built again from the names, UIDs and UIDVALIDITY stay, so that no
 *				client notices
 *	posta.index.damaged/	one that made a session crash, or could not be read: kept for a look at it;
 *				once an hour at most
 *
 * The index decides: a change of flags, a copy, a move, an expunge, an append is one transaction, and
 * durable when the function returns, but for changes of flags that may wait (store_commit). What files must still follow (rename, unlink) is "owed": written
 * in the same transaction and done by store_settle() in batches, so that a crash only delays it.
 * What the files do not hold and a lost index therefore loses: the last unsettled changes, keywords
 * beyond the first 26 of a folder, mod-sequences (they restart above all that were ever given out),
 * when messages were saved (struct message_info) and the caches.
 *
 * Several processes of the user may use a store at the same time, and deliveries and other Maildir
 * programs need not know of it: they are noticed by the times of new/ and cur/. No transaction and no
 * lock is held between calls. All functions block (the user's own process waits, nobody else); none
 * may be called by two threads at once. None switches tasks.
 *
 * Names of folders are as on the wire: modified UTF-7 (RFC 3501 5.1.3), separator '.', "INBOX" in any
 * case. Errors, everywhere:
 *	-ENOENT		no such folder (or: no such message any more)
 *	-EEXIST		the name is taken
 *	-EINVAL		a name that cannot be (store_name_check says why)
 *	-ESTALE		this mailbox was deleted, or renumbered: close it
 *	-ERANGE		the folder has KEYWORDS_MAX keywords already (NO [LIMIT])
 *	-EPERM		the mailbox was opened MAILBOX_READ_ONLY, or INBOX cannot do that
 *	-EAGAIN		the index was deleted at just this moment: nothing was done, try again
 *	-ENOSPC, -EDQUOT	disk or index (mailbox_index_limit) is full
 *	others		from the system or LMDB, logged here with what was being done
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct store;
struct mailbox;
struct append;

#define STORE_NAME_MAX	   240 /* bytes of a folder's name: it is a file name with a dot in front */
#define STORE_DEPTH_MAX	   40  /* parts of a folder's name */
#define STORE_FOLDERS_MAX  20000   /* folders of a user */
#define KEYWORDS_MAX	   64	   /* different keywords in a folder */
#define KEYWORD_LENGTH_MAX 64	   /* bytes of one keyword */
#define STORE_HEADER_MAX   1048576 /* bytes of a message's header that are looked at */

/* System flags (RFC 3501 2.3.2). */
enum {
	FLAG_SEEN = 1,
	FLAG_ANSWERED = 2,
	FLAG_FLAGGED = 4,
	FLAG_DELETED = 8,
	FLAG_DRAFT = 16,
	FLAG_PASSED = 32,  /* Maildir's P: kept in names, not shown by IMAP */
	FLAG_RECENT = 128, /* of this session only, never stored */
	FLAGS_STORED = 63,
	FLAGS_SYSTEM = 31,
};

/* Special use (RFC 6154); given by a folder's name when it is made: Drafts, Sent, Trash, ... */
enum { USE_ARCHIVE = 1, USE_DRAFTS = 2, USE_JUNK = 4, USE_SENT = 8, USE_TRASH = 16 };

/* ---- the store of a user ---- */

struct store_options {
	uint64_t index_limit; /* bytes the index may grow to; 0: STORE_INDEX_LIMIT */
	int64_t tombstone_time; /* seconds that expunges are known one by one; 0: STORE_TOMBSTONE_TIME */
	bool create;		/* make the Maildir if there is none */
	bool packs; /* messages that are appended are compressed, if they are long enough (store/pack.h) */
	/* For a moment, by a delivery: what is owed is left to who comes for longer. */
	bool leave_owed;
};
#define STORE_INDEX_LIMIT    ((uint64_t)4 << 30)
#define STORE_TOMBSTONE_TIME ((int64_t)30 * 86400)
#define STORE_DEFAULTS	     ((struct store_options){ .index_limit = 0, .create = true })

/*
 * `maildir` is the absolute path of the Maildir ("/" in a chroot). Opens or builds the index, finds
 * folders that others made. -ENOENT without `create`.
 */
int store_open(const char *maildir, const struct store_options *options, struct store **store,
	       struct error *err);
/* Settles what is owed (bounded), then closes. Mailboxes of it must have been closed before. */
void store_close(struct store *store);
void store_closep(struct store **store);
/*
 * For protocols that want one session at a time (POP3): *lock is a descriptor that holds the lock until it
 * is closed. -EAGAIN: another session has it.
 */
int store_lock_session(struct store *store, int *lock);

/*
 * Does up to `max` pieces of owed file work, for a tenth of a second at most. Returns 0 when nothing is owed any more, 1 when there is
 * more, or a negative errno. Cheap when nothing is owed: call it after commands and when idle.
 */
#define STORE_SETTLE_BATCH 1000
int store_settle(struct store *store, size_t max);
/* Whether there is something for store_settle to do: two look-ups. */
bool store_owes(struct store *store);

/*
 * Makes durable the changes of flags that may wait for that (struct flag_change). Until then a crash of this process
 * or the machine undoes them; this process sees them, others do not, and others that want to write to the store
 * wait: to be called in a moment (STORE_COMMIT_DELAY), and before anybody hears a mod-sequence of such a change.
 * Every other change, mailbox_open, store_status and store_close do it by themselves. Negative: they are lost, and
 * open mailboxes will tell what is there instead.
 */
#define STORE_COMMIT_DELAY 200 /* ms */
int store_commit(struct store *store);
bool store_is_committed(const struct store *store);

/* For who is not going to use the store for long: what it is lets go of memory that comes back by itself. */
void store_rest(struct store *store);

/* ---- folders ---- */

/*
 * 0, or -EINVAL with a reason. Refused: empty parts, "..", '/', NUL, control and 8-bit bytes, modified
 * UTF-7 that is broken or not the shortest form, names too long or too deep.
 */
int store_name_check(struct view name, struct error *err);
/*
 * Of one that is checked: may a new folder have it? Not with '*' and '%', which LIST cannot tell from
 * wildcards; folders that others made may have them.
 */
int store_name_may_be_made(struct view name, struct error *err);
/*
 * UTF-8 to modified UTF-7 and back, appended. -EINVAL: it is none. Neither looks at anything else that
 * a name may not have.
 */
int store_name_from_utf8(struct view text, struct str *name);
int store_name_to_utf8(struct view name, struct str *text);
/* "INBOX" in any case (also in front of '.') in capitals, the rest as it is; checked. Appends. */
int store_name_normalize(struct view name, struct str *out, struct error *err);
/* The special use that a name has by itself ("Sent", "Sent Messages", "Junk", "Spam", ...), or 0. */
unsigned store_name_special_use(struct view name);
/* "Sent" and USE_SENT; 0 and "" for what is none. The i-th of them, from 0 on; 0: there are no more. */
unsigned store_use_find(struct view name);
const char *store_use_name(unsigned use);
unsigned store_use_at(size_t i);

/* Can this be a keyword? An atom of at most KEYWORD_LENGTH_MAX bytes. */
bool store_keyword_is_valid(struct view name);

struct folder_info {
	struct view name;  /* valid in the callback only */
	bool exists;	   /* false: only a parent of others, or only subscribed to */
	bool has_children; /* of folders that exist */
	bool subscribed;
	unsigned special_use;
	uint32_t id, uidvalidity;
};
/*
 * Calls `each` for every folder, every missing parent of one, and every subscribed name, in byte order
 * of the names, INBOX first; ends early when it returns non-zero (returned). The store may be used in
 * the callback (the list was copied).
 */
int store_list(struct store *store, int (*each)(void *argument, const struct folder_info *folder),
	       void *argument);
/* The same for one name; -ENOENT if store_list would not show it. `name` of the result is `name`. */
int store_folder_info(struct store *store, struct view name, struct folder_info *folder);

/* `special_use` 0: as the name says. Parents are not made (LIST shows them as not selectable). */
int store_create(struct store *store, struct view name, unsigned special_use, struct error *err);
/* A name for the folder that stays, also when it is renamed (RFC 8474 MAILBOXID); appended. */
int store_mailbox_id(struct store *store, struct view name, struct str *out);
/*
 * Annotations of a folder, or with an empty name of the account (RFC 5464): entries in any case, values are
 * bytes. `value` without data removes the entry. -ERANGE: there are too many.
 */
#define METADATA_ENTRIES_MAX 200
int store_metadata_each(struct store *store, struct view name,
			int (*each)(void *argument, struct view entry, struct view value),
			void *argument);
int store_metadata_set(struct store *store, struct view name, struct view entry, struct view value);
/* With its messages; folders below stay. INBOX: -EPERM. */
int store_delete(struct store *store, struct view name, struct error *err);
/*
 * With the folders below it. RFC 3501 6.3.5: renaming INBOX moves its messages to the new folder and
 * leaves INBOX empty. UIDs and UIDVALIDITY stay with the folder (INBOX's messages get new ones).
 */
int store_rename(struct store *store, struct view from, struct view to, struct error *err);
/* The name need not exist (RFC 3501 6.3.6). */
int store_subscribe(struct store *store, struct view name, bool subscribed, struct error *err);

struct folder_status {
	uint32_t id;
	uint32_t messages, unseen, deleted, recent;
	uint32_t uidnext, uidvalidity;
	uint64_t highest_modseq;
	uint64_t size; /* sum of RFC822.SIZE (RFC 8438) */
};
/* From the counters, after new files were numbered. One read when nothing changed. */
int store_status(struct store *store, struct view name, struct folder_status *status);

/* Of the messages that have \Deleted: the sum of their sizes (RFC 9208). Looks at each message's flags. */
int store_deleted_size(struct store *store, struct view name, uint64_t *bytes);

/* ---- an open mailbox: a snapshot that changes only when it is told to ---- */

enum mailbox_mode { MAILBOX_READ_ONLY /* EXAMINE */, MAILBOX_READ_WRITE };

/* Numbers new files, then takes a snapshot. READ_WRITE claims \Recent. */
int mailbox_open(struct store *store, struct view name, enum mailbox_mode mode,
		 struct mailbox **mailbox);
void mailbox_close(struct mailbox *mailbox);
void mailbox_closep(struct mailbox **mailbox);

/* The name now (another session may have renamed it at the last refresh). */
const char *mailbox_name(const struct mailbox *mailbox);
uint32_t mailbox_folder_id(const struct mailbox *mailbox);
uint32_t mailbox_uidvalidity(const struct mailbox *mailbox);
uint32_t mailbox_uidnext(const struct mailbox *mailbox);
uint64_t mailbox_highest_modseq(const struct mailbox *mailbox);
/* Expunges up to this mod-sequence are not known one by one any more (QRESYNC). */
uint64_t mailbox_modseq_floor(const struct mailbox *mailbox);
bool mailbox_is_writable(const struct mailbox *mailbox);

/* Sequence numbers are 1 .. count. All of these are array look-ups, but mailbox_find (log n). */
uint32_t mailbox_count(const struct mailbox *mailbox);
uint32_t mailbox_recent(const struct mailbox *mailbox);
uint32_t mailbox_first_unseen(const struct mailbox *mailbox); /* 0: none */
uint32_t mailbox_uid(const struct mailbox *mailbox, uint32_t seq);
/* Sequence number of a UID, 0 if it is not there. */
uint32_t mailbox_find(const struct mailbox *mailbox, uint32_t uid);
/* The first sequence number whose UID is >= uid; count + 1 if there is none. */
uint32_t mailbox_find_from(const struct mailbox *mailbox, uint32_t uid);
unsigned mailbox_flags(const struct mailbox *mailbox, uint32_t seq); /* with FLAG_RECENT */
uint64_t mailbox_keywords(const struct mailbox *mailbox, uint32_t seq);
/* Of the flags as they are in the snapshot (RFC 7162). */
uint64_t mailbox_modseq(const struct mailbox *mailbox, uint32_t seq);
/* Expunged by somebody, but not yet taken out of the snapshot. Its content may still be readable. */
bool mailbox_is_gone(const struct mailbox *mailbox, uint32_t seq);

/* Keyword of bit number `bit`, or NULL: no such bit. */
const char *mailbox_keyword_name(const struct mailbox *mailbox, unsigned bit);
/*
 * Bit mask of a keyword (case ignored). 0: unknown. A keyword is given a bit when it is first stored,
 * by mailbox_keyword_add (-ERANGE, -EINVAL for what is no atom or too long): returns the bit's number.
 */
uint64_t mailbox_keyword_mask(const struct mailbox *mailbox, struct view name);
int mailbox_keyword_add(struct mailbox *mailbox, struct view name);
/* Are there keywords that were not there when this was asked last (or mailbox_refresh told of them)? */
bool mailbox_take_new_keywords(struct mailbox *mailbox);

/*
 * What changed since the snapshot, by anybody (this mailbox's own expunges too, but not its own
 * changes of flags). The snapshot is brought up to date; with may_expunge false (during FETCH, STORE
 * and SEARCH, RFC 3501 7.4.1) messages that are gone stay in it until a later call.
 */
struct mailbox_changes {
	uint32_t *expunged;	 /* sequence numbers to send in this order, highest first */
	uint32_t *expunged_uids; /* the same messages */
	size_t expunged_count;
	uint32_t *flags; /* sequence numbers (after the expunges) whose flags changed */
	size_t flags_count;
	bool exists;   /* mailbox_count is to be told */
	bool recent;   /* mailbox_recent is to be told */
	bool keywords; /* new keywords: FLAGS and PERMANENTFLAGS are to be told */
};
int mailbox_refresh(struct mailbox *mailbox, bool may_expunge, struct mailbox_changes *changes);
void mailbox_changes_free(struct mailbox_changes *changes);
/* 1: mailbox_refresh would find something, or there are expunges not yet told; 0: nothing. */
int mailbox_has_news(struct mailbox *mailbox);

/*
 * What another process of the user needs to have the snapshot as the client knows it, appended: a line of at
 * most 1500 bytes. -EBUSY: something is still to be told or settled; -E2BIG: too many messages are \Recent.
 */
int mailbox_save(const struct mailbox *mailbox, struct str *out);
/*
 * The mailbox as it was then. mailbox_refresh is to come before anything is told of it: that finds all that has
 * changed since (messages may be told whose flags are the same again). -ESTALE: the folder is gone, or the index
 * does not know any more what there was.
 */
int mailbox_restore(struct store *store, struct view saved, struct mailbox **mailbox);

/*
 * A descriptor (inotify) that becomes readable when any process, also this one, changes the store, or
 * another program the directories of a watched mailbox; the caller closes it. -EMFILE: this user has
 * as many as the kernel allows (fs.inotify.max_user_instances), so one has to look now and then.
 */
int store_watch_open(void);
/*
 * Adds what is to be watched; `mailbox` may be NULL. To be called again whenever something came, before
 * mailbox_refresh: an index that was made anew is another directory.
 */
int store_watch(struct store *store, const struct mailbox *mailbox, int fd);
/* Takes what has come; it only says that something has. */
void store_watch_drain(int fd);

/* ---- messages ---- */

struct message_info {
	uint32_t uid;
	uint64_t modseq;
	uint64_t size;	       /* RFC822.SIZE: with CRLF */
	uint64_t disk_size;    /* bytes of the file */
	int64_t internal_date; /* seconds since 1970 */
	/*
	 * When it came into this folder (RFC 8514); 0: not known, for it came before that was noted. In an
	 * index that was made anew it is the time at which its file was last changed or renamed, as when it
	 * got a flag: never too early, so that nothing is thrown away before its time.
	 */
	int64_t saved_date;
	uint8_t id[16]; /* same for all copies, kept by moves and rebuilds (RFC 8474 EMAILID) */
};
/* Also for messages that are gone from the index but not from the snapshot: -ENOENT then. */
int mailbox_info(struct mailbox *mailbox, uint32_t seq, struct message_info *info);

/* The POP3 UIDL that another server gave the message before this one took its Maildir over; or -ENOENT. */
int mailbox_saved_uidl(struct mailbox *mailbox, uint32_t seq, struct str *out);

/* The lasting part of its file's name, without UID and flags, appended. */
int mailbox_file_name(struct mailbox *mailbox, uint32_t seq, struct str *out);

/*
 * The content with CRLF line ends: a descriptor for reading (the caller closes it) of exactly *size
 * bytes. A file with bare LFs is converted into an unnamed file. -ENOENT: gone.
 */
int mailbox_content(struct mailbox *mailbox, uint32_t seq, int *fd, uint64_t *size);

/*
 * Pre-rendered parts of answers (store/render.h), made when first asked for and then kept in the
 * index. Appended to *out, complete with parentheses; may hold literals.
 */
enum cached_item { CACHED_ENVELOPE, CACHED_BODY, CACHED_BODYSTRUCTURE };
int mailbox_cached(struct mailbox *mailbox, uint32_t seq, enum cached_item item, struct str *out);
/*
 * A header block (fields as they stand in the message, in their order, each with its CRLF, without the
 * empty line) that has at least all fields of these names; from the index if they are among those that
 * clients mostly ask for, else from the file. No names: the whole header. Appended.
 */
int mailbox_header(struct mailbox *mailbox, uint32_t seq, const struct view *names, size_t count,
		   struct str *out);
/*
 * What whoever searches text keeps of a content, so as not to read it again for nothing; the store does not look
 * inside. What `ask` said of it (1 or 0), -ENOENT: nothing is kept. `ask` must not wait, nor call the store.
 */
int mailbox_ask_text_filter(struct mailbox *mailbox, uint32_t seq,
			    bool (*ask)(void *argument, struct view filter), void *argument);
int mailbox_keep_text_filter(struct mailbox *mailbox, uint32_t seq, struct view filter);
/* Writes what was computed for the cache into the index. Done by itself now and then and at close. */
int mailbox_flush_cache(struct mailbox *mailbox);

/* ---- changes: `seqs` are sequence numbers, ascending, without doubles ---- */

enum flag_operation { FLAGS_REPLACE, FLAGS_ADD, FLAGS_REMOVE };
struct flag_change {
	enum flag_operation operation;
	unsigned flags;		  /* of FLAGS_SYSTEM */
	uint64_t keywords;	  /* bits of mailbox_keyword_add */
	bool conditional;	  /* RFC 7162 UNCHANGEDSINCE: */
	uint64_t unchanged_since; /* not where the mod-sequence is larger */
	bool may_wait;		  /* for store_commit, if they are few */
};
struct flag_result {
	uint32_t *changed; /* sequence numbers whose flags are now different in the snapshot */
	size_t changed_count;
	uint32_t *others; /* of those and the rest: what another session had changed too: to be told
			     even if the client asked for silence */
	size_t others_count;
	uint32_t *modified; /* not touched: changed since unchanged_since (RFC 7162 MODIFIED) */
	size_t modified_count;
	uint64_t modseq; /* of the change, 0: nothing changed */
};
/* One transaction. The snapshot has the new flags. Messages that are gone are passed over. */
int mailbox_change_flags(struct mailbox *mailbox, const uint32_t *seqs, size_t count,
			 const struct flag_change *change, struct flag_result *result);
void flag_result_free(struct flag_result *result);

/*
 * Expunges those of the messages that have \Deleted (by the index, not the snapshot); seqs NULL: all.
 * One transaction; mailbox_refresh tells them. *count_out (may be NULL): how many.
 */
int mailbox_expunge(struct mailbox *mailbox, const uint32_t *seqs, size_t count, size_t *count_out);
/* The same whatever their flags are (POP3's QUIT). */
int mailbox_remove(struct mailbox *mailbox, const uint32_t *seqs, size_t count);

struct copy_result {
	uint32_t uidvalidity; /* of the target */
	uint32_t *from, *to;  /* UIDs, pairwise, ascending */
	size_t count;
};
/*
 * Copies (hard links, flags and dates kept), or moves: one transaction for all, or nothing. Messages
 * that are gone are passed over. -ENOENT: the target does not exist (NO [TRYCREATE]).
 */
int mailbox_copy(struct mailbox *mailbox, const uint32_t *seqs, size_t count, struct view target,
		 bool move, struct copy_result *result);
void copy_result_free(struct copy_result *result);

/* ---- append ---- */

#define APPEND_NOW INT64_MIN

/*
 * date: the INTERNALDATE, in seconds, or APPEND_NOW. -ENOENT: no such folder (NO [TRYCREATE]). The content is
 * given in CRLF form.
 */
int append_begin(struct store *store, struct view name, int64_t date, struct append **append);
/*
 * The unique part of the name that its file will have, for what is imported: the same message is then
 * known again, and has the same id. -EINVAL: it cannot be one.
 */
int append_set_unique(struct append *append, struct view unique);
/* Of one that was begun before its date was known. */
void append_set_date(struct append *append, int64_t date);
int append_write(struct append *append, struct view bytes);
/*
 * That was all of it. May be left out (append_complete does it); but where many are written before they are completed,
 * each would keep what packing needs, some megabytes.
 */
int append_end(struct append *append);
/*
 * All of these were written, into the same folder: makes the files durable. May be left out (append_finish does it), or be
 * run in a worker thread: it touches nothing but the files. Not twice. `append_list` is a struct append_list.
 */
struct append_list {
	struct append **appends;
	size_t count;
};
int append_complete(void *append_list);
/*
 * Puts `count` messages into their folder (all the same) in one transaction: all or nothing. Frees
 * them, also on failure. keywords: names. *uids has room for `count`, ascending (but for those asked for).
 */
struct append_meta {
	unsigned flags;
	const struct view *keywords;
	size_t keyword_count;
	uint32_t
		uid; /* one of import_take_uids (import.h), which it is to have: -EEXIST if another has it; 0: the next */
};
int append_finish(struct append **appends, const struct append_meta *metas, size_t count,
		  uint32_t *uidvalidity, uint32_t *uids);
/*
 * The same for one message, which takes the place of another: that is expunged in the same transaction.
 * -ENOENT: it is gone already, or there is no such folder; nothing was done.
 */
int append_replace(struct append **append, const struct append_meta *meta, struct mailbox *mailbox,
		   uint32_t seq, uint32_t *uidvalidity, uint32_t *uid);
/* Gives it up. NULL is allowed. */
void append_free(struct append *append);
void append_freep(struct append **append);

/* ---- changes since a mod-sequence (CONDSTORE, QRESYNC), ascending UIDs; counts may be 0 ---- */

int mailbox_changed_since(struct mailbox *mailbox, uint64_t modseq, uint32_t **uids, size_t *count);
/* Tombstones. Complete only if modseq >= mailbox_modseq_floor. */
int mailbox_vanished_since(struct mailbox *mailbox, uint64_t modseq, uint32_t **uids,
			   size_t *count);

/* ---- when the user was last there ---- */

void store_note_login(const char *maildir);
/* Seconds; 0: never. */
int64_t store_last_login(const char *maildir);

/* ---- for the administrator's tool ---- */

/* Drops the index; the next store_open, or a process that has the store open, builds it again. */
int store_drop_index(const char *maildir, struct error *err);
/*
 * Compares index and files of all folders; each difference is a line. Returns their number or a
 * negative errno. Changes nothing.
 */
int store_verify(struct store *store, void (*line)(void *argument, const char *text),
		 void *argument);

#endif
