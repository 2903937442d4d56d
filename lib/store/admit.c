/*
 * A delivery asks here whether there is room, and users are warned before there is none. The index is opened for that, as
 * the user whose mail it is; where nothing is limited nobody comes here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "mail/address.h"
#include "mail/date.h"
#include "store/deliver_keywords.h"
#include "store/follow.h"
#include "store/maildirsize.h"
#include "store/usage.h"

/* ---- warnings ---- */

/* In the index: the threshold that what is used was found at or above last. */
#define TOLD "quota_told"

static bool is_at(uint64_t used, uint64_t limit, unsigned percent)
{
	return limit > 0 && used >= limit / 100 * percent + limit % 100 * percent / 100;
}

/* The highest threshold that is reached; 0: none. */
static unsigned warning_level(const struct quota *quota, const struct quota_size *used)
{
	struct quota_size whole, own;
	unsigned level = 0, percent;

	quota_limits(quota, VIEW_NONE, 0, &whole, &own);
	for (size_t i = 0; (percent = quota_warning(quota, i)) != 0; i++)
		if (is_at(used->bytes, whole.bytes, percent) ||
		    is_at(used->messages, whole.messages, percent))
			level = percent;
	return level;
}

struct told {
	unsigned level;
	bool crossed; /* upwards, by this */
};

/* Of several at once one tells. */
static int tell_work(struct tx *tx, void *argument)
{
	struct told *told = argument;
	uint64_t before;
	int r = meta_get(tx, TOLD, &before);

	told->crossed = r == 0 && told->level > before;
	if (r < 0 || before == told->level)
		return r;
	return meta_put(tx, TOLD, told->level);
}

static void warning_compose(const struct quota *quota, unsigned level,
			    const struct quota_size *used, struct str *out)
{
	struct view user = quota_user(quota), local, domain;
	struct quota_size whole, own;

	address_split(user, &local, &domain);
	quota_limits(quota, VIEW_NONE, 0, &whole, &own);
	str_append(out, VIEW("Return-Path: <>\r\nDate: "));
	date_append_rfc5322(out, clock_wall());
	str_printf(out, "\r\nFrom: Mail Delivery System <postmaster@%.*s>\r\nTo: <",
		   VIEW_ARG(domain));
	address_quote(out, user);
	str_printf(out,
		   ">\r\nSubject: Your mailbox is %u%% full\r\nMessage-ID: <%016llx.quota@%.*s>\r\n"
		   "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
		   "Content-Type: text/plain; charset=us-ascii\r\n\r\n",
		   level, (unsigned long long)random_u64(), VIEW_ARG(domain));
	if (whole.bytes > 0)
		str_printf(out, "Your mail takes %llu MB of %llu MB.\r\n",
			   (unsigned long long)(used->bytes >> 20),
			   (unsigned long long)(whole.bytes >> 20));
	if (whole.messages > 0)
		str_printf(out, "You have %llu messages of %llu.\r\n",
			   (unsigned long long)used->messages, (unsigned long long)whole.messages);
	str_append(out, VIEW("\r\nWhen there is no room left, new mail for you is refused. To make "
			     "room, delete\r\nmessages that you do not need, and empty the "
			     "folder of deleted messages.\r\n"));
}

static void warning_deliver(struct store *store, unsigned level, const struct quota_size *used)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct mail_source source = { .content = { .file = -1 } };
	struct error err = ERROR_NONE;

	warning_compose(store->quota, level, used, &text);
	source.content.bytes = text.data;
	source.content.size = text.len;
	if (maildir_deliver(store_path(store), VIEW_NONE, true, &source, NULL, &err) < 0)
		log_warning("quota warning: %s", err.text);
	else
		log_info("%.*s: %u%% of the quota are used, the user was told",
			 VIEW_ARG(quota_user(store->quota)), level);
}

/* `before`: what the index was last told, so that nothing is written where nothing changes. */
static void warn_if_crossed(struct store *store, uint64_t before, const struct quota_size *used)
{
	struct told told = { .level = warning_level(store->quota, used) };
	int r = told.level != before ? store_write(store, WRITE_DURABLE, tell_work, &told) : 0;

	if (r == 0 && told.crossed)
		warning_deliver(store, told.level, used);
}

/* What is used, and what was told, as the index has it. */
static int read_usage(struct store *store, struct quota_size *used, uint64_t *told)
{
	struct tx tx;
	int r = store_read(store, &tx);

	if (r < 0)
		return r;
	r = usage_sum(&tx, used);
	if (r == 0)
		r = meta_get(&tx, TOLD, told);
	tx_end(&tx);
	return r;
}

static void keep_maildirsize(struct store *store, const struct quota_size *used)
{
	struct quota_size whole, own;

	quota_limits(store->quota, VIEW_NONE, 0, &whole, &own);
	maildirsize_write(store_path(store), &whole, used);
}

static bool is_reached(const struct quota_size *used, const struct quota_size *limit)
{
	return (limit->bytes > 0 && used->bytes >= limit->bytes) ||
	       (limit->messages > 0 && used->messages >= limit->messages);
}

bool store_quota_warn(struct store *store)
{
	struct quota_size used, whole, own;
	uint64_t told;

	if (store->quota == NULL || read_usage(store, &used, &told) < 0)
		return false;
	warn_if_crossed(store, told, &used);
	if (quota_keeps_maildirsize(store->quota))
		keep_maildirsize(store, &used);
	quota_limits(store->quota, VIEW_NONE, 0, &whole, &own);
	return is_reached(&used, &whole);
}

/* ---- deliveries ---- */

static bool is_unlimited(const struct quota_size *limit)
{
	return limit->bytes == 0 && limit->messages == 0;
}

static int admit_refuse(const struct quota_size *limit, const struct quota_size *used,
			struct error *err)
{
	if (is_reached(used, limit))
		return error_set(err, -EFBIG, "the mailbox is full");
	return error_set(err, -EMSGSIZE, "the mailbox has no room for a message of this size");
}

static int admit_to(struct store *store, const struct mail_source *source, struct view folder,
		    struct error *err)
{
	struct quota_size whole, own, unused, in_folder, used;
	struct quota_size more = { source->prefix.len + source->content.size, 1 };
	uint64_t told;
	int r;

	if (folder.len == 0)
		folder = VIEW("INBOX");
	r = store_quota_folder(store, folder, &unused, &whole, &own);
	if ((r == 0 || r == -ENOENT) && is_unlimited(&whole) && is_unlimited(&own))
		return 0;
	if (r == 0 || r == -ENOENT)
		r = read_usage(store, &unused, &told);
	if (r == 0)
		r = usage_look(store, folder, &used, &in_folder);
	if (r < 0)
		return error_code(err, r, "look at the quota");
	if (!quota_has_room(store->quota, &own, &in_folder, &more))
		return admit_refuse(&own, &in_folder, err);
	if (!quota_has_room(store->quota, &whole, &used, &more))
		return admit_refuse(&whole, &used, err);
	used.bytes += more.bytes;
	used.messages += more.messages;
	warn_if_crossed(store, told, &used);
	if (quota_keeps_maildirsize(store->quota) &&
	    !maildirsize_add(store_path(store), more.bytes))
		keep_maildirsize(store, &used);
	return 0;
}

int quota_admit(const struct mail_source *source, const char *maildir, struct view folder,
		struct error *err)
{
	_cleanup_(store_closep) struct store *store = NULL;
	int r = delivery_open_index(source, maildir, &store, err);

	if (r < 0)
		return r;
	store_set_quota(store, source->quota);
	return admit_to(store, source, folder, err);
}
