/* ESEARCH (RFC 7377): a search in many mailboxes, none of which it selects. How one is searched: cmd_search.c. */
#include <errno.h>

#include "base/mem.h"
#include "context.h"
#include "mailbox_filter.h"

#define ESEARCH_FILTERS_MAX   50
#define ESEARCH_MAILBOXES_MAX 5000

struct esearch {
	struct imap_session *s;
	struct mailbox_filter filters[ESEARCH_FILTERS_MAX];
	size_t filter_count;
	struct search *search;
	char **names; /* of the mailboxes */
	size_t name_count;
	bool selected; /* the selected mailbox is one of them */
	bool kept;     /* a context has the search */
	int failed;    /* a mailbox could not be searched */
};

static void esearch_free(struct esearch *e)
{
	for (size_t i = 0; i < e->filter_count; i++)
		mailbox_filter_free(&e->filters[i]);
	for (size_t i = 0; i < e->name_count; i++)
		free(e->names[i]);
	free(e->names);
	if (!e->kept)
		search_free(e->search);
	if (!e->kept)
		free(e->search);
	free(e);
}

/* ---- arguments ---- */

/* After "IN (". */
static int esearch_parse_filters(struct esearch *e)
{
	struct imap_parser *p = e->s->parser;
	int r;

	do {
		struct mailbox_filter *filter = &e->filters[e->filter_count];

		if (e->filter_count == ESEARCH_FILTERS_MAX)
			return imap_syntax_error(p, "Too many mailbox specifiers");
		e->filter_count++;
		r = mailbox_filter_parse(e->s, filter);
		if (r == 0 && filter->kind == FILTER_SELECTED_DELAYED)
			r = imap_syntax_error(p, "SELECTED-DELAYED is of NOTIFY alone");
	} while (r == 0 && imap_take(p, ' '));
	if (r == 0 && !imap_take(p, ')'))
		r = imap_syntax_error(p, "Expected )");
	return r;
}

static bool esearch_has_selected(const struct esearch *e)
{
	for (size_t i = 0; i < e->filter_count; i++)
		if (e->filters[i].kind == FILTER_SELECTED)
			return true;
	return e->filter_count == 0;
}

/* RFC 7377 2.2: what is of the selected mailbox alone. */
static int esearch_check(const struct esearch *e)
{
	const struct search *search = e->search;
	bool selected = esearch_has_selected(e);
	bool alone = selected && e->filter_count <= 1;
	struct imap_parser *p = e->s->parser;

	if ((selected || search->returns & RETURN_UPDATE) && e->s->mailbox == NULL)
		return imap_syntax_error(p, "Select a mailbox first");
	if (search->returns & RETURN_SAVE && !alone)
		return imap_syntax_error(p, "SAVE is for the selected mailbox alone");
	if (search->has_saved && !alone)
		return imap_syntax_error(p, "$ is of the selected mailbox alone");
	if (search->has_numbers && e->s->uidonly)
		return imap_syntax_error(p, "[UIDREQUIRED] Only UIDs are allowed");
	if (search->returns & RETURN_UPDATE && context_has_tag(e->s))
		return imap_syntax_error(p, "Tag reuse");
	return 0;
}

static int esearch_parse(struct esearch *e)
{
	int r = 0;

	if (imap_take_text(e->s->parser, " IN ("))
		r = esearch_parse_filters(e);
	if (r == 0)
		r = search_parse(e->s->parser, e->search);
	if (r == 0)
		r = esearch_check(e);
	if (r == 0 && !e->search->extended)
		e->search->returns = RETURN_ALL;
	e->search->extended = e->search->tells_mailbox = true;
	return r;
}

/* ---- the mailboxes ---- */

static bool esearch_is_selected(const struct esearch *e, struct view name)
{
	return e->s->mailbox != NULL && view_is(name, mailbox_name(e->s->mailbox));
}

static int esearch_note(void *argument, const struct folder_info *folder)
{
	struct esearch *e = argument;
	bool wanted = false;

	for (size_t i = 0; i < e->filter_count; i++)
		wanted |= e->filters[i].kind == FILTER_SELECTED
				  ? esearch_is_selected(e, folder->name)
				  : mailbox_filter_matches(&e->filters[i], folder->name,
							   folder->subscribed);
	if (!wanted || !folder->exists)
		return 0;
	if (esearch_is_selected(e, folder->name)) {
		e->selected = true;
		return 0;
	}
	if (e->name_count == ESEARCH_MAILBOXES_MAX)
		return -E2BIG;
	array_grow(e->names, e->name_count);
	e->names[e->name_count++] = mem_strndup(folder->name.data, folder->name.len);
	return 0;
}

/* Of a mailbox in which nothing matches nothing is told (RFC 7377 2.1). Returns the stream's error. */
static int esearch_here(struct esearch *e, bool selected)
{
	struct imap_session *s = e->s;
	size_t count;
	uint32_t *found = search_run(s, e->search, &count);
	int r = selected ? context_answer(s, e->search, NULL, found, count, &e->kept)
			 : search_send_extended(s, e->search, found, count);

	free(found);
	return r;
}

/* It takes the place of the selected mailbox for the time of the search. */
static int esearch_in(struct esearch *e, const char *name)
{
	struct imap_session *s = e->s;
	struct mailbox *selected = s->mailbox, *other = NULL;
	int r = mailbox_open(s->store, view_of(name), MAILBOX_READ_ONLY, &other);
	if (r < 0) {
		/* It is gone since it was listed. */
		e->failed = r == -ENOENT ? e->failed : r;
		return 0;
	}
	opened_message_close(s->message);
	s->mailbox = other;
	r = esearch_here(e, false);
	opened_message_close(s->message);
	s->mailbox = selected;
	mailbox_close(other);
	return r;
}

static int esearch_run(struct esearch *e)
{
	struct imap_session *s = e->s;
	int r = e->search->has_modseq ? imap_enable_condstore(s) : 0;

	if (r < 0)
		return r;
	if (e->filter_count == 0 || (e->filter_count == 1 && esearch_has_selected(e))) {
		r = esearch_here(e, true);
		return r < 0 ? r : imap_ok(s, "Search completed.");
	}
	r = store_list(s->store, esearch_note, e);
	if (r == -E2BIG)
		return imap_no(s, "[LIMIT] Too many mailboxes.");
	if (r < 0)
		return imap_no_errno(s, r, "Search");
	for (size_t i = 0; r == 0 && i < e->name_count; i++) {
		r = esearch_in(e, e->names[i]);
		task_yield();
	}
	/* The last, for a context keeps the keys as they are then. */
	if (r == 0 && e->selected)
		r = esearch_here(e, true);
	else if (r == 0 && e->search->returns & RETURN_UPDATE)
		r = context_refuse(s, "The selected mailbox is none of these");
	if (r < 0)
		return r;
	if (e->failed < 0)
		return imap_no(s, "[SERVERBUG] Some mailboxes could not be searched.");
	return imap_ok(s, "Search completed.");
}

int imap_command_esearch(struct imap_session *s)
{
	struct esearch *e = mem_new(struct esearch);
	int r;

	e->s = s;
	e->search = mem_new(struct search);
	s->uid = true; /* RFC 7377 2.1: its answers have UIDs */
	r = esearch_parse(e);
	if (r == -EINVAL) {
		if (e->search->returns & RETURN_SAVE)
			s->saved.count = 0;
		r = imap_no(s, "[BADCHARSET (US-ASCII UTF-8)] Unknown character set.");
	} else if (r == 0) {
		r = esearch_run(e);
	}
	esearch_free(e);
	return r;
}
