/* APPEND and REPLACE (RFC 3501 6.3.11, RFC 4315, 3502, 8508): messages are streamed into the store (append_source.c). */
#include <errno.h>

#include "append_source.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/date.h"
#include "session.h"

#define APPEND_MESSAGES_MAX 900 /* in one command; each has a literal */

struct appending {
	struct append *append;
	struct imap_flags flags;
	int64_t date;
	struct append_source source;
};

/* MULTIAPPEND (RFC 3502) */
struct appends {
	struct appending **items;
	size_t count;
};

/* SP [flag-list SP] [date-time SP] in front of the literal. */
static int append_parse_options(struct imap_session *s, struct appending *a)
{
	struct view text;
	int r = imap_space(s->parser);

	if (r == 0 && imap_peek(s->parser) == '(') {
		r = imap_parse_flags(s, false, &a->flags);
		if (r == 0)
			r = imap_space(s->parser);
	}
	if (r == 0 && imap_peek(s->parser) == '"') {
		r = imap_string(s->parser, &text);
		if (r == 0 && date_parse_imap(text, &a->date) < 0)
			r = imap_syntax_error(s->parser, "Invalid date");
		if (r == 0)
			r = imap_space(s->parser);
	}
	return r;
}

static int append_answer(struct imap_session *s, uint32_t uidvalidity, const uint32_t *uids,
			 size_t count)
{
	_cleanup_(str_free) struct str set = STR_EMPTY;

	imap_append_set(&set, uids, count);
	return imap_ok(s, "[APPENDUID %u %s] Append completed.", uidvalidity, str_cstr(&set));
}

/* All of them, or none (RFC 3502). */
static int append_conclude(struct imap_session *s, struct view name, struct appends *all)
{
	struct append **appends = mem_new_array(struct append *, all->count);
	struct append_list list = { appends, all->count };
	struct append_meta *metas = mem_new_array(struct append_meta, all->count);
	uint32_t uidvalidity, *uids = mem_new_array(uint32_t, all->count);
	int r = 0;

	for (size_t i = 0; i < all->count; i++) {
		struct appending *a = all->items[i];

		r = r == 0 ? a->source.failed : r;
		appends[i] = a->append;
		metas[i] = (struct append_meta){ .flags = a->flags.system,
						 .keywords = a->flags.keywords,
						 .keyword_count = a->flags.keyword_count };
	}
	if (r == 0)
		r = task_blocking(append_complete, &list);
	for (size_t i = 0; r == 0 && i < all->count; i++)
		all->items[i]->append = NULL;
	if (r == 0)
		r = append_finish(appends, metas, all->count, &uidvalidity, uids);
	if (r == 0)
		imap_own_messages(s, name, uids[0], uids[all->count - 1]);
	if (r == 0)
		r = append_answer(s, uidvalidity, uids, all->count);
	else if (r == -ENOENT)
		r = imap_no(s, "[TRYCREATE] There is no such mailbox.");
	else
		r = imap_no_errno(s, r, "Append");
	free(appends);
	free(metas);
	free(uids);
	return r;
}

/* message_size_limit = 0: none. */
static uint64_t append_size_limit(void)
{
	return param.message_size_limit > 0 ? (uint64_t)param.message_size_limit : INT64_MAX;
}

/* One message. 1: another follows. -EAGAIN: answered with NO. */
static int append_one(struct imap_session *s, struct view name, struct appends *all)
{
	struct appending *a = mem_new(struct appending);
	bool utf8; /* RFC 6855 4 */
	int opened, r;

	array_grow(all->items, all->count);
	all->items[all->count++] = a;
	a->date = APPEND_NOW;
	r = append_parse_options(s, a);
	if (r < 0)
		return r;
	opened = append_begin(s->store, name, a->date, &a->append);
	/* A client that waits for the continuation is told at once, and keeps its message. */
	if (opened < 0) {
		r = opened == -ENOENT ? imap_no(s, "[TRYCREATE] There is no such mailbox.")
				      : imap_no_errno(s, opened, "Append");
		return r < 0 ? r : -EAGAIN;
	}
	utf8 = imap_take_text(s->parser, "UTF8 (");
	a->source.append = a->append;
	a->source.max = append_size_limit();
	r = append_source_read(s, &a->source);
	if (r == 0 && a->source.failed == 0)
		a->source.failed = append_end(a->append);
	if (r == 0 && utf8 && !imap_take(s->parser, ')'))
		r = imap_syntax_error(s->parser, "Expected )");
	if (r == 0 && !imap_at_end(s->parser))
		r = all->count < APPEND_MESSAGES_MAX
			    ? 1
			    : imap_syntax_error(s->parser, "Too many messages in one command");
	return r;
}

static void appends_free(struct appends *all)
{
	for (size_t i = 0; i < all->count; i++) {
		append_free(all->items[i]->append);
		str_free(&all->items[i]->source.bad_url);
		free(all->items[i]);
	}
	free(all->items);
}

int imap_command_append(struct imap_session *s)
{
	_cleanup_(appends_free) struct appends all = { 0 };
	_cleanup_(str_free) struct str name = STR_EMPTY;
	int r = imap_parse_mailbox(s, &name);

	if (r < 0)
		return r == -EINVAL ? IMAP_DONE : r;
	do
		r = append_one(s, str_view(&name), &all);
	while (r > 0);
	if (r == 0)
		r = imap_end(s->parser);
	for (size_t i = 0; r == 0 && i < all.count; i++)
		if (append_source_is_bad(&all.items[i]->source))
			return append_source_refuse(s, &all.items[i]->source);
	if (r == 0)
		return append_conclude(s, str_view(&name), &all);
	if (r == -EMSGSIZE)
		return imap_no(s, "[LIMIT] The message is too large.");
	return r == -EAGAIN ? IMAP_DONE : r;
}

/* ---- REPLACE (RFC 8508) ---- */

static int replace_conclude(struct imap_session *s, struct view name, struct appending *a,
			    uint32_t seq)
{
	struct append_meta meta = { .flags = a->flags.system,
				    .keywords = a->flags.keywords,
				    .keyword_count = a->flags.keyword_count };
	struct append *append = TAKE(a->append);
	struct append_list list = { &append, 1 };
	uint32_t uidvalidity, uid;
	int r = a->source.failed;

	if (r == 0)
		r = task_blocking(append_complete, &list);
	if (r == 0)
		r = append_replace(&append, &meta, s->mailbox, seq, &uidvalidity, &uid);
	else
		append_free(append);
	if (r == -ENOENT)
		return imap_no(s, "[EXPUNGEISSUED] There is no such message any more.");
	if (r < 0)
		return imap_no_errno(s, r, "Replace");
	imap_own_messages(s, name, uid, uid);
	/* Before the EXPUNGE answer, as with MOVE. */
	r = stream_printf(s->io, "* OK [APPENDUID %u %u] Replaced.\r\n", uidvalidity, uid);
	return r < 0 ? r : imap_ok(s, "Replace completed.");
}

/* The one message that is meant. */
static int replace_parse_message(struct imap_session *s, uint32_t *seq)
{
	struct imap_set set = { 0 };
	uint32_t *seqs = NULL;
	size_t count = 0;
	int r = imap_space(s->parser);

	if (r == 0)
		r = imap_sequence_set(s->parser, &set);
	if (r == 0)
		r = imap_resolve_set(s, &set, &seqs, &count);
	if (r == 0 && count > 1)
		r = imap_syntax_error(s->parser, "Only one message can be replaced");
	*seq = r == 0 && count == 1 ? seqs[0] : 0;
	free(seqs);
	return r;
}

int imap_command_replace(struct imap_session *s)
{
	_cleanup_(appends_free) struct appends all = { 0 };
	_cleanup_(str_free) struct str name = STR_EMPTY;
	uint32_t seq;
	int r = replace_parse_message(s, &seq);

	if (r == 0)
		r = imap_parse_mailbox(s, &name);
	if (r < 0)
		return r == -EINVAL ? IMAP_DONE : r;
	if (!mailbox_is_writable(s->mailbox))
		return imap_no(s, "[CANNOT] The mailbox is open read-only.");
	if (seq == 0)
		return imap_no(s, "[NONEXISTENT] There is no such message.");
	r = append_one(s, str_view(&name), &all);
	if (r >= 0)
		r = imap_end(s->parser);
	if (r == 0 && append_source_is_bad(&all.items[0]->source))
		return append_source_refuse(s, &all.items[0]->source);
	if (r == 0)
		return replace_conclude(s, str_view(&name), all.items[0], seq);
	if (r == -EMSGSIZE)
		return imap_no(s, "[LIMIT] The message is too large.");
	return r == -EAGAIN ? IMAP_DONE : r;
}
