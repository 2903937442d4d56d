/* Contexts of RFC 5267: what is added to results and removed from them. Who begins one: the commands that search. */
#include "context.h"

#include <errno.h>

#include "base/mem.h"

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

/* ---- the results ---- */

/* Position of a UID, or where it is to stand. Only in the mailbox's order. */
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

/* SIZE_MAX: it is none of them. */
static size_t context_find(const struct search_context *context, uint32_t uid)
{
	size_t at = 0;

	if (context->sorting == NULL) {
		at = context_place(context, uid);
		return at < context->count && context->uids[at] == uid ? at : SIZE_MAX;
	}
	while (at < context->count && context->uids[at] != uid)
		at++;
	return at < context->count ? at : SIZE_MAX;
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

static void context_remove(struct search_context *context, size_t at)
{
	context->count--;
	memmove(context->uids + at, context->uids + at + 1,
		(context->count - at) * sizeof(uint32_t));
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

static int compare_descending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x < y) - (x > y);
}

/* The sequence number that it had; 0: it is not gone. */
static uint32_t expunged_seq(const struct mailbox_changes *changes, uint32_t uid)
{
	const uint32_t *found =
		changes->expunged_count == 0
			? NULL
			: bsearch(&uid, changes->expunged_uids, changes->expunged_count,
				  sizeof(uint32_t), compare_descending);

	return found == NULL ? 0 : changes->expunged[found - changes->expunged_uids];
}

/* Of a sorted result the last ones first: so each position is right when its turn comes. */
static int context_before(struct imap_session *s, struct search_context *context,
			  const struct mailbox_changes *changes)
{
	struct context_line line = { .sorted = context->sorting != NULL };
	size_t kept = 0;

	for (size_t i = 0; i < context->count; i++) {
		size_t at = line.sorted ? context->count - 1 - i : i;
		uint32_t uid = context->uids[at], seq = expunged_seq(changes, uid);

		if (seq != 0)
			line_add(&line, at, context->uid ? uid : seq);
	}
	for (size_t i = 0; i < context->count; i++)
		if (expunged_seq(changes, context->uids[i]) == 0)
			context->uids[kept++] = context->uids[i];
	context->count = kept;
	return line_send(s, context, &line, "REMOVEFROM");
}

int contexts_before(struct imap_session *s, const struct mailbox_changes *changes)
{
	int r = 0;

	for (size_t i = 0; changes->expunged_count > 0 && i < s->context_count && r == 0; i++)
		r = context_before(s, s->contexts[i], changes);
	return r;
}

/* ---- what has changed ---- */

static int compare_ascending(const void *a, const void *b)
{
	return compare_descending(b, a);
}

/* By anybody, this connection too, which hears nothing else of its own changes. To be freed. */
static uint32_t *context_candidates(const struct imap_session *s,
				    const struct search_context *context,
				    const struct mailbox_changes *changes, size_t *count)
{
	uint32_t total = mailbox_count(s->mailbox);
	uint32_t *seqs = mem_new_array(uint32_t, MAX(total, 1U));

	*count = 0;
	for (uint32_t seq = 1; seq <= total; seq++) {
		bool flags = changes->flags_count > 0 &&
			     bsearch(&seq, changes->flags, changes->flags_count, sizeof(seq),
				     compare_ascending) != NULL;

		if (!mailbox_is_gone(s->mailbox, seq) &&
		    (flags || mailbox_modseq(s->mailbox, seq) > context->modseq))
			seqs[(*count)++] = seq;
	}
	return seqs;
}

static void context_mark(struct search_context *context, const struct imap_session *s)
{
	uint32_t total = mailbox_count(s->mailbox);

	for (uint32_t seq = 1; seq <= total; seq++)
		context->modseq = MAX(context->modseq, mailbox_modseq(s->mailbox, seq));
	context->uidnext = mailbox_uidnext(s->mailbox);
}

static void context_add(struct imap_session *s, struct search_context *context, uint32_t seq,
			struct context_line *line)
{
	uint32_t uid = mailbox_uid(s->mailbox, seq);
	size_t at = context->sorting == NULL ? context_place(context, uid)
					     : sort_position(s, context->sorting, context->uids,
							     context->count, seq);

	context_insert(context, at, uid);
	line_add(line, at, context->uid ? uid : seq);
}

/* RFC 5465 7: of messages that are new, if they did not come from this connection. */
static int context_tell_new(struct imap_session *s, struct search_context *context,
			    const uint32_t *seqs, size_t count)
{
	uint32_t *added;
	size_t added_count = 0;
	int r = 0;

	if (context->search->update_fetch == NULL)
		return 0;
	added = mem_new_array(uint32_t, MAX(count, (size_t)1));
	for (size_t i = 0; i < count; i++) {
		uint32_t uid = mailbox_uid(s->mailbox, seqs[i]);

		if (uid >= context->uidnext && !imap_is_own(s, uid))
			added[added_count++] = seqs[i];
	}
	if (added_count > 0)
		r = fetch_tell(s, context->search->update_fetch, added, added_count);
	free(added);
	return r;
}

static int context_after(struct imap_session *s, struct search_context *context,
			 const struct mailbox_changes *changes)
{
	struct context_line added = { .sorted = context->sorting != NULL };
	struct context_line removed = { .sorted = added.sorted };
	size_t count, adds = 0;
	uint32_t *seqs = context_candidates(s, context, changes, &count);
	int r;

	if (count > 0)
		search_prepare(context->search, s);
	for (size_t i = 0; i < count; i++) {
		uint32_t uid = mailbox_uid(s->mailbox, seqs[i]);
		size_t at = context_find(context, uid);
		bool matches = search_matches(s, context->search, seqs[i]);

		if (at != SIZE_MAX && !matches) {
			line_add(&removed, at, context->uid ? uid : seqs[i]);
			context_remove(context, at);
		}
		if (at == SIZE_MAX && matches)
			seqs[adds++] = seqs[i];
	}
	r = context_tell_new(s, context, seqs, adds);
	for (size_t i = 0; i < adds; i++)
		context_add(s, context, seqs[i], &added);
	free(seqs);
	context_mark(context, s);
	if (r == 0)
		r = line_send(s, context, &removed, "REMOVEFROM");
	return r < 0 ? r : line_send(s, context, &added, "ADDTO");
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
