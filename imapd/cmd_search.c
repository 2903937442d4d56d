/* SEARCH and UID SEARCH: going through the mailbox, and the answers. */
#include <errno.h>

#include "search.h"

/* Messages, or readings of messages, between two looks at whether others want to go on. */
#define SEARCH_BREATH	    4096
#define SEARCH_BREATH_FILES 16

/* Sequence numbers or UIDs of what matches. */
static size_t find_all(struct imap_session *s, struct search *search, uint32_t *found)
{
	uint32_t total = mailbox_count(s->mailbox);
	bool reads = search->costs[COST_HEADER] || search->costs[COST_CONTENT];
	size_t count = 0;

	for (uint32_t seq = 1; seq <= total; seq++) {
		if (!mailbox_is_gone(s->mailbox, seq) && search_matches(s, search, seq))
			found[count++] = s->uid ? mailbox_uid(s->mailbox, seq) : seq;
		if (seq % (reads ? SEARCH_BREATH_FILES : SEARCH_BREATH) == 0)
			task_yield();
	}
	return count;
}

static void append_plain(struct str *line, const uint32_t *found, size_t count)
{
	str_append_cstr(line, "* SEARCH");
	for (size_t i = 0; i < count; i++)
		str_printf(line, " %u", found[i]);
}

/* RFC 4731 3.1: of what was asked for, only COUNT is told when nothing matches. */
static void append_extended(struct imap_session *s, struct str *line, const struct search *search,
			    const uint32_t *found, size_t count)
{
	struct view tag = imap_command_tag(s->parser);

	str_printf(line, "* ESEARCH (TAG \"%.*s\")%s", VIEW_ARG(tag), s->uid ? " UID" : "");
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
}

static int search_answer(struct imap_session *s, struct search *search)
{
	struct str line = STR_EMPTY;
	uint32_t *found = mem_new_array(uint32_t, MAX(mailbox_count(s->mailbox), 1));
	size_t count;
	int r;

	search_prepare(search, s->mailbox);
	count = find_all(s, search, found);
	if (search->extended)
		append_extended(s, &line, search, found, count);
	else
		append_plain(&line, found, count);
	str_append_cstr(&line, "\r\n");
	r = stream_write(s->io, str_view(&line));
	str_free(&line);
	free(found);
	return r < 0 ? r : imap_ok(s, "Search completed.");
}

int imap_command_search(struct imap_session *s)
{
	struct search *search = mem_new(struct search);
	int r = search_parse(s->parser, search);

	if (r == -EINVAL)
		r = imap_no(s, "[BADCHARSET (US-ASCII UTF-8)] Unknown character set.");
	else if (r == 0)
		r = search_answer(s, search);
	search_free(search);
	free(search);
	return r;
}
