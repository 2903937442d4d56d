/*
 * The digest of a quarantine: a message to each user, with what is held of theirs. It goes to addresses of
 * this site only; senders and reasons are strangers' words, so they stand in it as text.
 */
#include "tools/quarantine.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/date.h"
#include "table/table.h"
#include "tools/send_outlet.h"
#include "tools/tool.h"

#define DIGEST_LINES_MAX 200 /* of one user's; of the rest it is said how many there are */

struct digest {
	struct str user, lines;
	size_t count;
	int64_t since;
};
struct digests {
	struct digest **items;
	size_t count;
	struct map *by_user;
};

static struct digest *digest_new(struct digests *digests, struct view user, int64_t since)
{
	struct digest *digest = mem_new(struct digest);

	str_append(&digest->user, user);
	digest->since = since;
	map_put(digests->by_user, user, digest);
	array_grow(digests->items, digests->count);
	return digests->items[digests->count++] = digest;
}

static void digest_add(struct digest *digest, const struct quarantined *q)
{
	if (digest->count++ >= DIGEST_LINES_MAX)
		return;
	date_append_rfc5322(&digest->lines, q->arrival);
	str_printf(&digest->lines, "\r\n  from %s\r\n  %s\r\n  %s\r\n\r\n",
		   q->sender.len > 0 ? str_cstr(&q->sender) : "<>", str_cstr(&q->why), q->id);
}

/* What they were not told of the last time is in this one. */
static void digests_of_untold(struct digests *digests, struct view untold)
{
	struct view line, seconds;
	uint64_t since;

	while (view_next(&untold, '\n', &line))
		if (view_next(&line, ' ', &seconds) &&
		    view_parse_u64(seconds, INT64_MAX, &since) == 0 && line.len > 0 &&
		    map_get(digests->by_user, line) == NULL)
			(void)digest_new(digests, line, (int64_t)since);
}

/* Users of this site: those of others hear nothing from us. 1, 0, or a negative errno. */
static int digest_is_for(struct matchlist *domains, struct view address)
{
	struct view local, domain;

	address_split(address, &local, &domain);
	return local.len > 0 && domain.len > 0 ? matchlist_match(domains, domain, NULL) : 0;
}

static int digest_send(const struct digest *digest)
{
	struct view user = str_view(&digest->user);
	_cleanup_(str_free) struct str text = STR_EMPTY;
	_cleanup_(submission_verdict_free) struct submission_verdict verdict = { .code = 0 };
	struct outlet *outlet = outlet_open();
	int r;

	if (outlet == NULL)
		return -errno;
	str_printf(&text,
		   "From: Mail Delivery System <postmaster@%s>\r\nTo: %.*s\r\n"
		   "Subject: %zu messages for you are in quarantine\r\nDate: ",
		   param.mydomain, VIEW_ARG(user), digest->count);
	date_append_rfc5322(&text, clock_wall());
	str_append_cstr(&text, "\r\nAuto-Submitted: auto-generated\r\n\r\n"
			       "These messages were not delivered to you, because a filter or a "
			       "policy holds them. Your\r\npostmaster can release them by the "
			       "last line of each. Who they are from is what they say\r\n"
			       "themselves.\r\n\r\n");
	str_append(&text, str_view(&digest->lines));
	if (digest->count > DIGEST_LINES_MAX)
		str_printf(&text, "And %zu more.\r\n", digest->count - DIGEST_LINES_MAX);
	r = outlet_mail(outlet, &(const struct msg_mail){ .sender = VIEW_NONE });
	if (r == 0)
		r = outlet_rcpt(outlet, user, NOTIFY_NEVER);
	if (r == 0)
		r = outlet_data(outlet, str_view(&text));
	if (r < 0) {
		outlet_abort(outlet);
		return r;
	}
	r = outlet_commit(outlet, &verdict);
	return r < 0 ? r : verdict.code == 250 ? 0 : -EIO;
}

static int digests_gather(struct digests *digests, struct matchlist *domains,
			  const struct quarantined *q, const struct quarantine_times *times)
{
	struct view rest = str_view(&q->recipients), user;

	while (q->arrival <= times->until && view_next(&rest, '\n', &user)) {
		struct digest *digest = map_get(digests->by_user, user);
		int r;

		if (q->arrival <= (digest != NULL ? digest->since : times->since))
			continue;
		r = digest_is_for(domains, user);
		if (r < 0)
			return r;
		if (r > 0)
			digest_add(digest != NULL ? digest
						  : digest_new(digests, user, times->since),
				   q);
	}
	return 0;
}

/* Each for itself: one who cannot be told is no reason not to tell the others. How many were told. */
static int digests_send(const struct digests *digests, struct str *untold)
{
	int told = 0;

	str_clear(untold);
	for (size_t i = 0; i < digests->count; i++) {
		const struct digest *digest = digests->items[i];
		int r = digest->count > 0 ? digest_send(digest) : 0;

		told += digest->count > 0 && r == 0;
		if (r == 0)
			continue;
		(void)tool_fail("quarantine", "%s cannot be told: %s", str_cstr(&digest->user),
				strerror(-r));
		str_printf(untold, "%lld %s\n", (long long)digest->since, str_cstr(&digest->user));
	}
	return told;
}

static void digests_free(struct digests *digests)
{
	for (size_t i = 0; i < digests->count; i++) {
		str_free(&digests->items[i]->user);
		str_free(&digests->items[i]->lines);
		free(digests->items[i]);
	}
	free(digests->items);
	map_free(digests->by_user);
}

int quarantine_digest(const struct quarantined *items, size_t count, struct quarantine_times *times)
{
	_cleanup_(str_free) struct str list = STR_EMPTY;
	struct digests digests = { .by_user = map_new() };
	struct matchlist *domains;
	struct error err = ERROR_NONE;
	int r;

	str_printf(&list, "%s, %s", param.mydestination, param.virtual_mailbox_domains);
	domains = matchlist_open(str_cstr(&list), MATCH_DOMAINS, false, &err);
	r = domains != NULL ? 0 : -EINVAL;
	digests_of_untold(&digests, str_view(&times->untold));
	for (size_t i = 0; i < count && r == 0; i++)
		r = digests_gather(&digests, domains, &items[i], times);
	if (r == 0)
		r = digests_send(&digests, &times->untold);
	digests_free(&digests);
	matchlist_close(domains);
	return r;
}
