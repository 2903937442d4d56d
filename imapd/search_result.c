/*
 * Going through a mailbox, and what of the results is told and saved (RFC 4731, 5182, 7162, 9394). What matches:
 * search_match.c; which command it is: cmd_search.c and its kin.
 */
#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "search.h"

/* Messages, or readings of messages, between two looks at whether others want to go on. */
#define SEARCH_BREATH	    4096
#define SEARCH_BREATH_FILES 16

/* RFC 9585. A stream that is dead is found so by what is written next. */
static void search_tell_progress(struct imap_session *s, uint32_t done, uint32_t total)
{
	struct view tag = imap_command_tag(s->parser);

	(void)stream_printf(s->io, "* OK [INPROGRESS (\"%.*s\" %u %u)] Searching.\r\n",
			    VIEW_ARG(tag), done, total);
	(void)stream_flush(s->io);
}

uint32_t *search_run(struct imap_session *s, struct search *search, size_t *count)
{
	uint32_t total = mailbox_count(s->mailbox);
	uint32_t *found = mem_new_array(uint32_t, MAX(total, 1));
	msec_t still_here = clock_after(param.imap_progress_interval);
	bool reads;

	search_prepare(search, s);
	reads = search->costs[COST_HEADER] || search->costs[COST_CONTENT];
	*count = 0;
	for (uint32_t seq = 1; seq <= total; seq++) {
		if (!mailbox_is_gone(s->mailbox, seq) && search_matches(s, search, seq))
			found[(*count)++] = seq;
		if (seq % (reads ? SEARCH_BREATH_FILES : SEARCH_BREATH) != 0)
			continue;
		task_yield();
		if (clock_now() >= still_here) {
			search_tell_progress(s, seq, total);
			still_here = clock_after(param.imap_progress_interval);
		}
	}
	return found;
}

/* ---- what is found ---- */

uint64_t search_highest_modseq(struct imap_session *s, const uint32_t *seqs, size_t count)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < count; i++)
		highest = MAX(highest, mailbox_modseq(s->mailbox, seqs[i]));
	return highest;
}

/* Of which messages the mod-sequence is told (RFC 4731 3.2): of those that are. */
static uint64_t told_modseq(struct imap_session *s, const struct search *search,
			    const uint32_t *seqs, size_t count)
{
	uint64_t modseq = 0;

	if (count == 0 || search->returns & (RETURN_ALL | RETURN_COUNT | RETURN_PARTIAL))
		return search_highest_modseq(s, seqs, count);
	if (search->returns & RETURN_MIN)
		modseq = mailbox_modseq(s->mailbox, seqs[0]);
	if (search->returns & RETURN_MAX)
		modseq = MAX(modseq, mailbox_modseq(s->mailbox, seqs[count - 1]));
	return modseq;
}

/* PARTIAL: which of `count` are asked for; false: none. Below 0 it counts from the end, -1 is the last. */
static bool partial_range(const struct search *search, size_t count, size_t *from, size_t *to)
{
	int64_t total = (int64_t)count;
	int64_t first = search->first > 0 ? search->first : total + 1 + search->first;
	int64_t last = search->last > 0 ? search->last : total + 1 + search->last;
	int64_t low = MAX(MIN(first, last), (int64_t)1), high = MIN(MAX(first, last), total);

	*from = (size_t)low - 1;
	*to = (size_t)MAX(high, (int64_t)0);
	return low <= high;
}

static int compare_saved(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void search_save(struct imap_session *s, const struct search *search, const uint32_t *seqs,
			size_t count)
{
	bool ends = search->returns & (RETURN_MIN | RETURN_MAX) &&
		    !(search->returns & (RETURN_ALL | RETURN_COUNT));
	size_t from = 0, to = count;

	free(s->saved.uids);
	s->saved.uids = mem_new_array(uint32_t, count + 1);
	s->saved.count = 0;
	if (search->returns & RETURN_PARTIAL && !partial_range(search, count, &from, &to))
		return;
	for (size_t i = from; i < to; i++) {
		bool is_end = (i == 0 && search->returns & RETURN_MIN) ||
			      (i == count - 1 && search->returns & RETURN_MAX);

		if (!ends || is_end)
			s->saved.uids[s->saved.count++] = mailbox_uid(s->mailbox, seqs[i]);
	}
	/* SORT has them in another order. */
	qsort(s->saved.uids, s->saved.count, sizeof(uint32_t), compare_saved);
}

/* ---- answers ---- */

void search_append_correlator(const struct imap_session *s, const struct search *search,
			      struct view tag, struct str *line)
{
	str_printf(line, "TAG \"%.*s\"", VIEW_ARG(tag));
	if (!search->tells_mailbox)
		return;
	str_append_cstr(line, " MAILBOX ");
	imap_append_mailbox(s, line, view_of(mailbox_name(s->mailbox)));
	str_printf(line, " UIDVALIDITY %u", mailbox_uidvalidity(s->mailbox));
}

/* RFC 4731 3.1: of what was asked for, only COUNT is told when nothing matches. */
static void append_extended(struct imap_session *s, struct str *line, const struct search *search,
			    const uint32_t *found, size_t count)
{
	size_t from, to;

	str_append_cstr(line, "* ESEARCH (");
	search_append_correlator(s, search, imap_command_tag(s->parser), line);
	str_append_cstr(line, s->uid ? ") UID" : ")");
	if ((search->returns & RETURN_MIN) && count > 0)
		str_printf(line, " MIN %u", found[0]);
	if ((search->returns & RETURN_MAX) && count > 0)
		str_printf(line, " MAX %u", found[count - 1]);
	if (search->returns & RETURN_COUNT)
		str_printf(line, " COUNT %zu", count);
	if ((search->returns & RETURN_ALL) && count > 0) {
		str_append_cstr(line, " ALL ");
		imap_append_set(line, found, count);
	}
	if (!(search->returns & RETURN_PARTIAL))
		return;
	str_printf(line, " PARTIAL (%lld:%lld ", (long long)search->first, (long long)search->last);
	if (partial_range(search, count, &from, &to))
		imap_append_set(line, found + from, to - from);
	else
		str_append_cstr(line, "NIL");
	str_append_byte(line, ')');
}

void search_numbers_to_uids(struct imap_session *s, uint32_t *seqs, size_t count)
{
	for (size_t i = 0; s->uid && i < count; i++)
		seqs[i] = mailbox_uid(s->mailbox, seqs[i]);
}

int search_send_extended(struct imap_session *s, const struct search *search, uint32_t *seqs,
			 size_t count)
{
	uint64_t modseq = search->has_modseq ? told_modseq(s, search, seqs, count) : 0;
	struct str line = STR_EMPTY;
	int r;

	if (search->returns & RETURN_SAVE)
		search_save(s, search, seqs, count);
	/* Saved and nothing else: nothing to be told. */
	if (search->returns == RETURN_SAVE || (search->tells_mailbox && count == 0))
		return 0;
	search_numbers_to_uids(s, seqs, count);
	append_extended(s, &line, search, seqs, count);
	if (modseq > 0)
		str_printf(&line, " MODSEQ %llu", (unsigned long long)modseq);
	str_append_cstr(&line, "\r\n");
	r = stream_write(s->io, str_view(&line));
	str_free(&line);
	return r;
}
