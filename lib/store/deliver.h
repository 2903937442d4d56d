/*
 * Delivery: plain Maildir and mbox, as the recipient's own user. Needs no index; opens one only for a quota, and for
 * a keyword that is new to a folder.
 *
 * The content is in CRLF form, in memory or in an open file (a queue file); `prefix` are
 * header lines in CRLF form that go in front (Return-Path, X-Original-To, Delivered-To).
 *
 * When a function returns 0 the message is durable: file and directory were fsynced. All block.
 * Failures for the caller's reply: -ENOSPC and -EDQUOT (full, 4.2.2 / 4.3.1), -EACCES and -EPERM,
 * what `admit` says, -ENOENT (no such folder), -EAGAIN (mbox: locked by others for too long), -EIO and others: defer.
 */
#ifndef STORE_DELIVER_H
#define STORE_DELIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/str.h"

struct quota;
struct store_options;

struct mail_source {
	struct io_source content;
	struct view prefix;
	/*
	 * Names the delivery, so that one that is done again finds itself: of the same message for
	 * the same recipient it is the same, of any other it is not (letters and digits). Empty: a
	 * delivery that is done once.
	 */
	struct view identity;
	int64_t arrival; /* of the message, microseconds of the wall clock; with an identity */
	bool again;	 /* it may have been done before: it is looked for in all of the folder */
	/* It is stored with these: then in cur/, for names in new/ have none. */
	unsigned flags; /* of FLAGS_SYSTEM, store.h */
	/*
	 * Words with blanks between. One that the folder has no letter for is made known to the index, which
	 * is opened for that; one that no letter is left for, or that is none, is passed over.
	 */
	struct view keywords;
	/*
	 * Asked before it is stored, where it is not there already (quota_admit of store/quota.h): 0, or why it
	 * is not to be. NULL: whatever it is.
	 */
	int (*admit)(const struct mail_source *source, const char *maildir, struct view folder,
		     struct error *err);
	const struct quota *quota; /* for it */
	bool packs;		   /* into a Maildir: the file is compressed if it is long enough */
	/* How the index is opened where that is needed. NULL: STORE_DEFAULTS */
	const struct store_options *index;
};

/*
 * Into `folder` ("" or "INBOX": the Maildir itself; else a name as store.h has them, -EINVAL or
 * -ENOENT) of the Maildir at this absolute path, which is made (0700) when it is missing; so are
 * cur/, new/ and tmp/ of INBOX. `create_folder`: a missing folder is made too. *name (may be NULL)
 * gets the name of the file in new/.
 *
 * File name: <sec>.M<usec>P<pid>R<random>.<host>,S=<bytes>,W=<bytes>, or with an identity
 * <sec>.M<usec>Q<identity>.<host>,S=... and the time of arrival. CRLF is kept on disk, so S = W. With an
 * identity a message that is in new/ already is not stored a second time; `again`: nor one that a
 * session has moved to cur/, or that was put there with flags.
 */
int maildir_deliver(const char *maildir, struct view folder, bool create_folder,
		    const struct mail_source *source, struct str *name, struct error *err);
/* Is there such a folder in the Maildir? By its directory; a name that cannot be is none. */
bool maildir_has_folder(const char *maildir, struct view folder);
/* The special use and the MAILBOXID (RFC 8474) of a folder that is there: 0, or "" if it has none. */
unsigned maildir_special_use(const char *maildir, struct view folder);
void maildir_mailbox_id(const char *maildir, struct view folder, struct str *id);
/*
 * Calls `each` with the names of the folders, INBOX among them, until it returns true, which is
 * returned; in no order.
 */
bool maildir_each_folder(const char *maildir, bool (*each)(void *argument, struct view folder),
			 void *argument);
/* Only makes the Maildir (and the folder): 0, or a negative errno. */
int maildir_create(const char *maildir, struct view folder, struct error *err);

/*
 * Appends to an mbox file (mboxrd quoting of From_ lines, LF line ends), made with `mode` if it is
 * not there. Its folder may be one that others can write to: all is asked of what was opened. -EPERM,
 * with the name, for links, several names, and an owner other than `owner`; -EFBIG beyond `limit`;
 * -EAGAIN when others hold the lock for too long. Not a regular file (/dev/null): no locks, no limit.
 */
#define MBOX_ANY_OWNER ((uid_t)-1)
struct mbox_options {
	mode_t mode;
	uid_t owner;
	uint64_t limit;	   /* bytes that it may have afterwards, 0: any */
	const char *locks; /* "fcntl, dotlock" */
	msec_t deadline;   /* for the locks */
};
int mbox_deliver(const char *path, const struct mbox_options *options, struct view sender,
		 const struct mail_source *source, struct error *err);

#endif
