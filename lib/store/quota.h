/*
 * How much a user's mail may be: rules, what is used, and whether there is room for more.
 *
 *	_cleanup_(quota_freep) struct quota *quota = NULL;
 *	quota_parse(view_of(user->quota), &quota, &err);	user/user.h makes the text
 *	store_set_quota(store, quota);		from here on appends and copies keep to it (-EDQUOT)
 *	store_quota_usage(store, &usage);	what IMAP and the administrator are shown
 *	source.admit = quota_admit;		deliveries keep to it (store/deliver.h)
 *
 * Rules are words with blanks between; those about the same folder add up, and the later one counts:
 *
 *	*:storage=1G:messages=10000	all of the user's mail
 *	Trash:storage=+10%		what is stored into Trash may bring it to 10 % more
 *	\Junk:own_storage=100M		the folder of that special use may itself hold that much
 *	Lists.*:ignore			these are not counted, and nothing limits them
 *	grace=10% warn=80%:95% user=alice@example.test maildirsize
 *
 * These are Dovecot's quota_rule, with own_storage and own_messages beside it. A pattern has '*' and '?',
 * which stand for any characters and for one; it is compared with the folder's name in UTF-8, parts
 * separated by '.' or '/', ASCII's case ignored. A size without a suffix is in KiB after storage=, in bytes
 * after bytes=; B, k, M, G, T follow powers of 1024. "+N", "-N", "N%", "+N%" and "-N%" are of the
 * limit for all, which is the one of "*". 0: no limit.
 *
 * What is used is nowhere kept as a sum of its own: it is the sum of the folders' counters in the index,
 * which change with their messages in one transaction, so that nothing can drift. `grace`: one message may go
 * beyond the limit by so much where the limit is not reached yet.
 */
#ifndef STORE_QUOTA_H
#define STORE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "store/deliver.h"

struct store;
struct quota;

#define QUOTA_TEXT_MAX	   4096 /* bytes of rules */
#define QUOTA_RULES_MAX	   100
#define QUOTA_WARNINGS_MAX 8

struct quota_size {
	uint64_t bytes, messages; /* as a limit, 0: none */
};

/* ---- quota_rules.c ---- */

/* *quota is NULL where the text limits nothing. -EINVAL with the reason. */
int quota_parse(struct view text, struct quota **quota, struct error *err);
void quota_free(struct quota *quota);
void quota_freep(struct quota **quota);
/* Is what this folder holds a part of what all may hold? */
bool quota_counts(const struct quota *quota, struct view folder, unsigned special_use);
/*
 * What all may hold (`whole`) after something was stored into this folder, and what it may hold
 * itself (`own`). An empty name: of "*" alone.
 */
void quota_limits(const struct quota *quota, struct view folder, unsigned special_use,
		  struct quota_size *whole, struct quota_size *own);
/* How far beyond a limit of so many bytes one message may go. */
uint64_t quota_grace(const struct quota *quota, uint64_t limit);
/* The i-th percentage at which the user is warned, ascending; 0: there are no more. */
unsigned quota_warning(const struct quota *quota, size_t i);
struct view quota_user(const struct quota *quota);
bool quota_keeps_maildirsize(const struct quota *quota);
/* Limits for all, where the rules have none of the kind. */
void quota_take_limits(struct quota *quota, const struct quota_size *limits);
/* May `now` become `now` + `more`? */
bool quota_has_room(const struct quota *quota, const struct quota_size *limit,
		    const struct quota_size *now, const struct quota_size *more);

/* ---- maildirsize.c ---- */

/* With the word "maildirsize": what such a file in the Maildir says, where no rule does. */
void quota_take_maildirsize(struct quota *quota, const char *maildir);

/* ---- usage.c ---- */

/* It outlives the store. NULL: no limits. */
void store_set_quota(struct store *store, const struct quota *quota);
/* NULL: none. */
const struct quota *store_quota(const struct store *store);
/* All that counts, after new files were numbered. */
int store_quota_usage(struct store *store, struct quota_size *used);
/* Of one folder, with its limits; -ENOENT if there is none: the limits are given all the same. */
int store_quota_folder(struct store *store, struct view name, struct quota_size *used,
		       struct quota_size *whole, struct quota_size *own);

/* ---- recount.c ---- */

/* Counts the messages of all folders anew: how many folders had a wrong counter, which is mended; or a negative errno. */
int store_recount(struct store *store);

/* ---- admit.c ---- */

/*
 * Of struct mail_source: 0; with the reason -EFBIG: the mailbox is full, -EMSGSIZE: it has no room for a message of this size.
 * Where a warning is due it is delivered to INBOX, once when a threshold is crossed, and again only when what is used has
 * been below it. A crash in between loses a warning and never doubles one.
 */
int quota_admit(const struct mail_source *source, const char *maildir, struct view folder,
		struct error *err);
/*
 * For a session that has stored or removed something: only the warning. True: the limit for all is reached.
 */
bool store_quota_warn(struct store *store);
/* Was anything removed by this process since this was asked last? */
bool store_quota_made_room(struct store *store);

#endif
