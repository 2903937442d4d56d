/*
 * Delivery: plain Maildir and mbox, as the recipient's own user. Needs no index and opens none.
 *
 * The content is in CRLF form, in memory or in an open file (a queue file); `prefix` are
 * header lines in CRLF form that go in front (Return-Path, X-Original-To, Delivered-To).
 *
 * When a function returns 0 the message is durable: file and directory were fsynced. All block.
 * Failures for the caller's reply: -ENOSPC and -EDQUOT (full, 4.2.2 / 4.3.1), -EACCES and -EPERM,
 * -ENOENT (no such folder), -EAGAIN (mbox: locked by others for too long), -EIO and others: defer.
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

struct mail_source {
	struct io_source content;
	struct view prefix;
};

/*
 * Into `folder` ("" or "INBOX": the Maildir itself; else a name as store.h has them, -EINVAL or
 * -ENOENT) of the Maildir at this absolute path, which is made (0700) when it is missing; so are
 * cur/, new/ and tmp/ of INBOX. `create_folder`: a missing folder is made too. *name (may be NULL)
 * gets the name of the file in new/.
 *
 * File name: <sec>.M<usec>P<pid>R<random>.<host>,S=<bytes>,W=<bytes>. CRLF is kept on disk, so S = W.
 */
int maildir_deliver(const char *maildir, struct view folder, bool create_folder,
		    const struct mail_source *source, struct str *name, struct error *err);
/* Only makes the Maildir (and the folder): 0, or a negative errno. */
int maildir_create(const char *maildir, struct view folder, struct error *err);

/*
 * Appends to an mbox file (mboxrd quoting of From_ lines, LF line ends), made with `mode` if it is
 * missing. `sender` is for the From_ line ("": MAILER-DAEMON). `locks` as mailbox_delivery_lock:
 * "fcntl", "flock", "dotlock", several with commas; tried until `deadline`. Refuses what is not a
 * regular file with one link, and symbolic links: -EPERM. /dev/null and other character devices are
 * written without locks. On failure the file is cut back to its former length.
 */
int mbox_deliver(const char *path, mode_t mode, struct view sender, const char *locks,
		 msec_t deadline, const struct mail_source *source, struct error *err);

#endif
