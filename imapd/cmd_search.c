/* SEARCH and UID SEARCH (RFC 3501 6.4.4). What matches: search_match.c; what is told: search_result.c. */
#include <errno.h>

#include "base/mem.h"
#include "context.h"

static int search_send_plain(struct imap_session *s, const struct search *search, uint32_t *seqs,
			     size_t count)
{
	uint64_t modseq = search->has_modseq ? search_highest_modseq(s, seqs, count) : 0;
	struct str line = STR_EMPTY;
	int r;

	search_numbers_to_uids(s, seqs, count);
	str_append_cstr(&line, "* SEARCH");
	for (size_t i = 0; i < count; i++)
		str_printf(&line, " %u", seqs[i]);
	if (modseq > 0)
		str_printf(&line, " (MODSEQ %llu)", (unsigned long long)modseq);
	str_append_cstr(&line, "\r\n");
	r = stream_write(s->io, str_view(&line));
	str_free(&line);
	return r;
}

/* *kept: a context has the search. */
static int search_answer(struct imap_session *s, struct search *search, bool *kept)
{
	uint32_t *found;
	size_t count;
	int r;

	if (s->uidonly && search->has_numbers)
		return imap_bad(s, "[UIDREQUIRED] Only UIDs are allowed.");
	if (search->returns & RETURN_UPDATE && context_has_tag(s))
		return imap_bad(s, "Tag reuse.");
	r = search->has_modseq ? imap_enable_condstore(s) : 0;
	if (r < 0)
		return r;
	found = search_run(s, search, &count);
	r = search->extended ? context_answer(s, search, NULL, found, count, kept)
			     : search_send_plain(s, search, found, count);
	free(found);
	return r < 0 ? r : imap_ok(s, "Search completed.");
}

int imap_command_search(struct imap_session *s)
{
	struct search *search = mem_new(struct search);
	bool kept = false;
	int r = search_parse(s->parser, search);

	if (r == -EINVAL) {
		/* A search that fails leaves nothing saved (RFC 5182 2.1). */
		if (search->returns & RETURN_SAVE)
			s->saved.count = 0;
		r = imap_no(s, "[BADCHARSET (US-ASCII UTF-8)] Unknown character set.");
	} else if (r == 0) {
		/* RFC 9051 6.4.4: there is no other answer. */
		if (s->rev2 && !search->extended)
			search->returns = RETURN_ALL;
		search->extended |= s->rev2;
		r = search_answer(s, search, &kept);
	}
	if (!kept)
		search_free(search);
	if (!kept)
		free(search);
	return r;
}
