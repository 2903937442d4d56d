/* Contexts of RFC 5267: what is added to results and removed from them. Who begins one: the commands that search. */
#include "context.h"

#include <errno.h>

#include "base/mem.h"

#define CONTEXT_BREATH 64 /* messages between two looks at whether others want to go on */

struct search_context {
	char *tag;
	bool uid; /* the client hears UIDs, else sequence numbers */
	struct search *search;
	struct sorting *sorting; /* NULL: in the order of the mailbox */
	uint32_t *uids;		 /* the results */
	size_t count, size;
	uint64_t modseq;  /* up to here it is up to date */
	uint32_t uidnext; /* messages from here on are new */
};

/* One line that tells additions or removals; empty until there is one. */
struct context_line {
	struct str text;
	bool sorted;
	uint32_t *numbers; /* of the mailbox's order: told together, ascending */
	size_t count, size;
};

/* A message that is gone or has changed. */
struct context_change {
	uint32_t uid, seq;
	bool matches; /* now */
	bool known;   /* it is one of the results */
};

/* By UID, ascending. */
struct context_changes {
	struct context_change *items;
	size_t count;
};

/* ---- the results ---- */

/* Where a UID stands, or is to stand. Only in the mailbox's order. */
static size_t context_place(const struct search_context *context, uint32_t uid)
{
	size_t low = 0, high = context->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (context->uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void context_insert(struct search_context *context, size_t at, uint32_t uid)
{
	if (context->count == context->size) {
		context->size = MAX(context->size * 2, (size_t)16);
		context->uids = mem_resize(context->uids, context->size, sizeof(uint32_t));
	}
	memmove(context->uids + at + 1, context->uids + at,
		(context->count - at) * sizeof(uint32_t));
	context->uids[at] = uid;
	context->count++;
}

/* ---- telling ---- */

static void line_add(struct context_line *line, size_t position, uint32_t number)
{
	if (line->sorted) {
		str_printf(&line->text, "%s%zu %u", line->text.len > 0 ? " " : "", position + 1,
			   number);
		return;
	}
	if (line->count == line->size) {
		line->size = MAX(line->size * 2, (size_t)16);
		line->numbers = mem_resize(line->numbers, line->size, sizeof(uint32_t));
	}
	line->numbers[line->count++] = number;
}

/* Sends it if there is something in it, and frees it. `what`: "ADDTO" or "REMOVEFROM". */
static int line_send(struct imap_session *s, const struct search_context *context,
		     struct context_line *line, const char *what)
{
	struct str out = STR_EMPTY;
	int r = 0;

	str_append_cstr(&out, "* ESEARCH (");
	search_append_correlator(s, context->search, view_of(context->tag), &out);
	str_printf(&out, ")%s %s (", context->uid ? " UID" : "", what);
	if (line->count > 0) {
		str_append_cstr(&out, "0 ");
		imap_append_set(&out, line->numbers, line->count);
	}
	str_append(&out, str_view(&line->text));
	str_append_cstr(&out, ")\r\n");
	if (line->count > 0 || line->text.len > 0)
		r = stream_write(s->io, str_view(&out));
	str_free(&out);
	str_free(&line->text);
	free(line->numbers);
	return r;
}

/* ---- what is gone ---- */

static int compare_uid(const void *uid, const void *change)
{
	uint32_t x = *(const uint32_t *)uid, y = ((const struct context_change *)change)->uid;

	return (x > y) - (x < y);
}

/* NULL: it has not changed. */
static struct context_change *change_find(const struct context_changes *list, uint32_t uid)
{
	return list->count == 0
		       ? NULL
		       : bsearch(&uid, list->items, list->count, sizeof(*list->items), compare_uid);
}

/*
 * Takes out of the results what does not match (any more), and tells of it. Of a sorted result the last ones first: so each
 * position is right when its turn comes.
 */
static int context_drop(struct imap_session *s, struct search_context *context,
			const struct context_changes *list)
{
	struct context_line line = { .sorted = context->sorting != NULL };
	size_t kept = 0;

	for (size_t i = 0; i < context->count; i++) {
		size_t at = line.sorted ? context->count - 1 - i : i;
		struct context_change *change = change_find(list, context->uids[at]);

		if (change == NULL)
			continue;
		change->known = true;
		if (!change->matches)
			line_add(&line, at, context->uid ? change->uid : change->seq);
	}
	for (size_t i = 0; i < context->count; i++) {
		const struct context_change *change = change_find(list, context->uids[i]);

		if (change == NULL || change->matches)
			context->uids[kept++] = context->uids[i];
	}
	context->count = kept;
	return line_send(s, context, &line, "REMOVEFROM");
}

int contexts_before(struct imap_session *s, const struct mailbox_changes *changes)
{
	struct context_changes list = { NULL, changes->expunged_count };
	int r = 0;

	if (s->context_count == 0 || list.count == 0)
		return 0;
	list.items = mem_new_array(struct context_change, list.count);
	for (size_t i = 0; i < list.count; i++) {
		size_t last = list.count - 1 - i; /* the highest come first there */

		list.items[i] = (struct context_change){ .uid = changes->expunged_uids[last],
							 .seq = changes->expunged[last] };
	}
	for (size_t i = 0; i < s->context_count && r == 0; i++)
		r = context_drop(s, s->contexts[i], &list);
	free(list.items);
	return r;
}

/* ---- what has changed ---- */

static int compare_ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* By anybody, this connection too, which hears nothing else of its own changes. The items are to be freed. */
static void context_candidates(struct imap_session *s, const struct search_context *context,
			       const struct mailbox_changes *changes, struct context_changes *list)
{
	uint32_t total = mailbox_count(s->mailbox);

	list->items = mem_new_array(struct context_change, MAX(total, 1U));
	list->count = 0;
	for (uint32_t seq = 1; seq <= total; seq++) {
		bool flags = changes->flags_count > 0 &&
			     bsearch(&seq, changes->flags, changes->flags_count, sizeof(seq),
				     compare_ascending) != NULL;

		if (!mailbox_is_gone(s->mailbox, seq) &&
		    (flags || mailbox_modseq(s->mailbox, seq) > context->modseq))
			list->items[list->count++] =
				(struct context_change){ .uid = mailbox_uid(s->mailbox, seq),
							 .seq = seq };
	}
}

static void context_match(struct imap_session *s, const struct search_context *context,
			  struct context_changes *list)
{
	if (list->count > 0)
		search_prepare(context->search, s);
	for (size_t i = 0; i < list->count; i++) {
		list->items[i].matches = search_matches(s, context->search, list->items[i].seq);
		if (i % CONTEXT_BREATH == CONTEXT_BREATH - 1)
			task_yield();
	}
}

static void context_mark(struct search_context *context, const struct imap_session *s)
{
	context->modseq = mailbox_highest_modseq(s->mailbox);
	context->uidnext = mailbox_uidnext(s->mailbox);
}

/* RFC 5465 7: of messages that are new, if they did not come from this connection. */
static int context_tell_new(struct imap_session *s, struct search_context *context,
			    const struct context_changes *list)
{
	uint32_t *added;
	size_t count = 0;
	int r = 0;

	if (context->search->update_fetch == NULL)
		return 0;
	added = mem_new_array(uint32_t, MAX(list->count, (size_t)1));
	for (size_t i = 0; i < list->count; i++) {
		const struct context_change *change = &list->items[i];

		if (change->matches && !change->known && change->uid >= context->uidnext &&
		    !imap_is_own(s, change->uid))
			added[count++] = change->seq;
	}
	if (count > 0)
		r = fetch_tell(s, context->search->update_fetch, added, count);
	free(added);
	return r;
}

static int context_add(struct imap_session *s, struct search_context *context,
		       const struct context_changes *list)
{
	struct context_line line = { .sorted = context->sorting != NULL };

	for (size_t i = 0; i < list->count; i++) {
		const struct context_change *change = &list->items[i];
		size_t at;

		if (!change->matches || change->known)
			continue;
		at = line.sorted ? sort_position(s, context->sorting, context->uids, context->count,
						 change->seq)
				 : context_place(context, change->uid);
		context_insert(context, at, change->uid);
		line_add(&line, at, context->uid ? change->uid : change->seq);
	}
	return line_send(s, context, &line, "ADDTO");
}

static int context_after(struct imap_session *s, struct search_context *context,
			 const struct mailbox_changes *changes)
{
	struct context_changes list;
	int r;

	if (changes->flags_count == 0 && mailbox_highest_modseq(s->mailbox) == context->modseq)
		return 0;
	context_candidates(s, context, changes, &list);
	context_match(s, context, &list);
	r = context_drop(s, context, &list);
	if (r == 0)
		r = context_tell_new(s, context, &list);
	context_mark(context, s);
	if (r == 0)
		r = context_add(s, context, &list);
	free(list.items);
	return r;
}

int contexts_after(struct imap_session *s, const struct mailbox_changes *changes)
{
	int r = 0;

	for (size_t i = 0; i < s->context_count && r == 0; i++)
		r = context_after(s, s->contexts[i], changes);
	return r;
}

/* ---- begin and end ---- */

static size_t context_with_tag(const struct imap_session *s, struct view tag)
{
	size_t i = 0;

	while (i < s->context_count && !view_is(tag, s->contexts[i]->tag))
		i++;
	return i;
}

bool context_has_tag(const struct imap_session *s)
{
	return context_with_tag(s, imap_command_tag(s->parser)) < s->context_count;
}

int context_refuse(struct imap_session *s, const char *why)
{
	struct view tag = imap_command_tag(s->parser);

	return stream_printf(s->io, "* NO [NOUPDATE \"%.*s\"] %s.\r\n", VIEW_ARG(tag), why);
}

bool context_begin(struct imap_session *s, struct search *search, struct sorting *sorting,
		   const uint32_t *seqs, size_t count)
{
	struct view tag = imap_command_tag(s->parser);
	struct search_context *context;

	if (s->context_count == IMAP_CONTEXTS_MAX) {
		(void)context_refuse(s, "Too many contexts");
		return false;
	}
	search_freeze(search, s);
	context = mem_new(struct search_context);
	*context = (struct search_context){ .tag = mem_strndup(tag.data, tag.len),
					    .uid = s->uid,
					    .search = search,
					    .sorting = sorting };
	for (size_t i = 0; i < count; i++)
		context_insert(context, i, mailbox_uid(s->mailbox, seqs[i]));
	context_mark(context, s);
	s->contexts[s->context_count++] = context;
	return true;
}

int context_answer(struct imap_session *s, struct search *search, struct sorting *sorting,
		   uint32_t *seqs, size_t count, bool *kept)
{
	*kept = search->returns & RETURN_UPDATE && context_begin(s, search, sorting, seqs, count);
	return search_send_extended(s, search, seqs, count);
}

static void context_free(struct search_context *context)
{
	free(context->tag);
	search_free(context->search);
	free(context->search);
	sorting_free(context->sorting);
	free(context->uids);
	free(context);
}

void contexts_end(struct imap_session *s)
{
	while (s->context_count > 0)
		context_free(s->contexts[--s->context_count]);
}

int imap_command_cancelupdate(struct imap_session *s)
{
	bool known = true;
	struct view tag;
	int r;

	do {
		r = imap_space(s->parser);
		if (r == 0)
			r = imap_astring(s->parser, &tag);
		if (r < 0)
			return r;

		size_t i = context_with_tag(s, tag);

		known &= i < s->context_count;
		if (i == s->context_count)
			continue;
		context_free(s->contexts[i]);
		s->contexts[i] = s->contexts[--s->context_count];
	} while (!imap_at_end(s->parser));
	r = imap_end(s->parser);
	if (r < 0)
		return r;
	return known ? imap_ok(s, "No further updates.") : imap_bad(s, "Unknown tag.");
}
