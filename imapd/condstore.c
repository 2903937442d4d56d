/*
 * Mod-sequences (RFC 7162): who hears of them, and what has vanished since one. Commands take and tell them in
 * their own files.
 */
#include <errno.h>

#include "base/mem.h"
#include "session.h"

int imap_enable_condstore(struct imap_session *s)
{
	if (s->condstore)
		return 0;
	s->condstore = true;
	if (s->mailbox == NULL)
		return 0;
	return stream_printf(s->io, "* OK [HIGHESTMODSEQ %llu] Highest.\r\n",
			     (unsigned long long)mailbox_highest_modseq(s->mailbox));
}

int imap_parse_modseq(struct imap_session *s, uint64_t *modseq)
{
	int r = imap_space(s->parser);

	return r == 0 ? imap_number(s->parser, INT64_MAX, modseq) : r;
}

/* ---- VANISHED (EARLIER) ---- */

/* One range of UIDs: what of it is not in the mailbox, as ranges. */
static void append_gaps(const struct mailbox *box, uint32_t first, uint32_t last, struct str *out)
{
	uint32_t seq = mailbox_find_from(box, first);
	uint64_t at = first;

	while (at <= last) {
		uint32_t uid = mailbox_uid(box, seq); /* 0 beyond the end */
		uint64_t end = uid != 0 && uid <= last ? uid : (uint64_t)last + 1;

		if (end > at) {
			str_printf(out, "%s%llu", out->len > 0 ? "," : "", (unsigned long long)at);
			if (end - 1 > at)
				str_printf(out, ":%llu", (unsigned long long)end - 1);
		}
		at = end + 1;
		seq++;
	}
}

/* What the index knows of: without what the snapshot still shows, which is told when that goes. */
static int append_vanished(struct mailbox *box, const struct imap_set *set, uint64_t modseq,
			   struct str *out)
{
	uint32_t *uids = NULL;
	size_t count = 0, kept = 0;
	int r = mailbox_vanished_since(box, modseq, &uids, &count);

	for (size_t i = 0; r == 0 && i < count; i++)
		if (imap_set_contains(set, uids[i]) && mailbox_find(box, uids[i]) == 0)
			uids[kept++] = uids[i];
	if (r == 0)
		imap_append_set(out, uids, kept);
	free(uids);
	return r;
}

int imap_send_vanished(struct imap_session *s, const struct imap_set *set, uint64_t modseq)
{
	struct imap_range all = { 1, IMAP_STAR };
	struct imap_set known = { .count = set != NULL ? set->count : 1 };
	uint32_t largest = mailbox_uidnext(s->mailbox) - 1;
	struct str uids = STR_EMPTY;
	int r = 0;

	known.ranges = mem_new_array(struct imap_range, known.count);
	memcpy(known.ranges, set != NULL ? set->ranges : &all, known.count * sizeof(all));
	imap_set_resolve(&known, largest);
	if (largest > 0 && modseq >= mailbox_modseq_floor(s->mailbox))
		r = append_vanished(s->mailbox, &known, modseq, &uids);
	else
		for (size_t i = 0; largest > 0 && i < known.count; i++)
			append_gaps(s->mailbox, MAX(known.ranges[i].first, 1),
				    MIN(known.ranges[i].last, largest), &uids);
	if (r == 0 && uids.len > 0)
		r = stream_printf(s->io, "* VANISHED (EARLIER) %s\r\n", str_cstr(&uids));
	str_free(&uids);
	imap_set_free(&known);
	return r;
}
