/* SORT and UID SORT (RFC 5256; with RETURN: RFC 5267). What the order is: sort.c. */
#include <errno.h>

#include "base/mem.h"
#include "context.h"

static int sort_parse(struct imap_session *s, struct sorting *sorting, struct search *search)
{
	struct view word;
	int r = imap_space(s->parser);

	if (r == 0 && imap_peek(s->parser) != '(') {
		r = imap_atom(s->parser, &word);
		if (r == 0 && !view_is_nocase(word, "RETURN"))
			r = imap_syntax_error(s->parser, "Expected RETURN or (");
		if (r == 0)
			r = imap_space(s->parser);
		if (r == 0)
			r = search_parse_returns(s->parser, search);
		if (r == 0)
			r = imap_space(s->parser);
	}
	return r == 0 ? sort_parse_criteria(s, sorting) : r;
}

int sort_search(struct imap_session *s, struct search *search, uint32_t **seqs, size_t *count)
{
	struct view charset;
	int r = imap_space(s->parser);

	if (r == 0)
		r = imap_astring(s->parser, &charset);
	if (r == 0)
		r = text_charset_is_known(charset) ? search_parse_keys(s->parser, charset, search)
						   : -EINVAL;
	if (r == -EINVAL) {
		imap_no(s, "[BADCHARSET (US-ASCII UTF-8)] Unknown character set.");
		return -EINVAL;
	}
	if (r == 0 && s->uidonly && search->has_numbers)
		r = imap_syntax_error(s->parser, "[UIDREQUIRED] Only UIDs are allowed");
	if (r == 0 && search->returns & RETURN_UPDATE && context_has_tag(s))
		r = imap_syntax_error(s->parser, "Tag reuse");
	if (r == 0 && search->has_modseq)
		r = imap_enable_condstore(s);
	if (r == 0)
		*seqs = search_run(s, search, count);
	return r;
}

static int sort_send_plain(struct imap_session *s, const struct search *search,
			   const uint32_t *seqs, size_t count)
{
	struct str line = STR_EMPTY;
	uint64_t modseq = 0;
	int r;

	str_append_cstr(&line, "* SORT");
	for (size_t i = 0; i < count; i++) {
		modseq = MAX(modseq, mailbox_modseq(s->mailbox, seqs[i]));
		str_printf(&line, " %u", s->uid ? mailbox_uid(s->mailbox, seqs[i]) : seqs[i]);
	}
	if (search->has_modseq && modseq > 0)
		str_printf(&line, " (MODSEQ %llu)", (unsigned long long)modseq);
	str_append_cstr(&line, "\r\n");
	r = stream_write(s->io, str_view(&line));
	str_free(&line);
	return r;
}

int imap_command_sort(struct imap_session *s)
{
	struct search *search = mem_new(struct search);
	struct sorting *sorting = sorting_new();
	uint32_t *seqs = NULL;
	bool kept = false;
	size_t count = 0;
	int r = sort_parse(s, sorting, search);

	if (r == 0)
		r = sort_search(s, search, &seqs, &count);
	if (r == 0) {
		sort_seqs(s, sorting, seqs, count);
		r = search->extended ? context_answer(s, search, sorting, seqs, count, &kept)
				     : sort_send_plain(s, search, seqs, count);
		if (r == 0)
			r = imap_ok(s, "Sort completed.");
	} else if (r == -EINVAL) {
		r = IMAP_DONE;
	}
	free(seqs);
	if (kept)
		return r;
	sorting_free(sorting);
	search_free(search);
	free(search);
	return r;
}
