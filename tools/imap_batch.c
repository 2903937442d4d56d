/*
 * New messages of a folder at another IMAP server: fetched in batches, each of which comes whole or not at all.
 * What is there already, and what the notes say, is imap_import.c's matter.
 */
#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "store/uidl.h"
#include "tools/imap_folder.h"

#define BATCH_BYTES    ((uint64_t)32 << 20)
#define MESSAGE_MAX    ((uint64_t)1 << 30)
#define PROGRESS_PAUSE ((msec_t)10000)

static int folder_begin_message(void *argument)
{
	struct folder_import *f = argument;
	int r = append_begin(f->w->store, folder_name_here(f), APPEND_NOW, &f->current);

	return r < 0 ? folder_fail(f, r, "write a message") : 0;
}

static int folder_take_piece(void *argument, struct view bytes)
{
	struct folder_import *f = argument;
	int r = append_write(f->current, bytes);

	f->totals.bytes += bytes.len;
	return r < 0 ? folder_fail(f, r, "write a message") : 0;
}

/* Asked for, and not here yet. Takes it off the list. */
static bool folder_is_wanted(struct folder_import *f, uint32_t uid)
{
	for (size_t i = 0; i < f->wanted_count; i++)
		if (f->wanted[i] == uid) {
			f->wanted[i] = 0;
			return uid != 0;
		}
	return false;
}

static int folder_end_message(void *argument, const struct remote_message *message)
{
	_cleanup_(append_freep) struct append *append = NULL;
	_cleanup_(str_free) struct str unique = STR_EMPTY;
	struct folder_import *f = argument;
	int64_t date = message->date != APPEND_NOW ? message->date : clock_wall();
	int r;

	append = TAKE(f->current);
	if (!folder_is_wanted(f, message->uid))
		return 0;
	append_set_date(append, date);
	import_unique(&unique, f->source, date, message->uid);
	r = append_set_unique(append, str_view(&unique));
	if (r < 0)
		return folder_fail(f, r, "name a message");
	f->batch[f->batch_count++] =
		(struct batch_message){ .append = TAKE(append),
					.uid = message->uid,
					.flags = message->flags,
					.date = date,
					.keywords = folder_keywords(f, &message->keywords) };
	return 0;
}

static int batch_compare(const void *a, const void *b)
{
	const struct batch_message *first = a, *second = b;

	return first->uid < second->uid ? -1 : first->uid > second->uid;
}

void folder_drop_batch(struct folder_import *f)
{
	for (size_t i = 0; i < f->batch_count; i++)
		append_free(f->batch[i].append);
	f->batch_count = 0;
	append_free(TAKE(f->current));
}

static int uidl_field_there(void *argument, char letter, unsigned long *number, struct str *out)
{
	const uint32_t *values = argument;

	(void)out;
	if (letter != 'u' && letter != 'v')
		return -EINVAL;
	*number = values[letter == 'v'];
	return 0;
}

static bool folder_keeps(const struct folder_import *f, uint32_t uid)
{
	return uid < f->notes.kept;
}

/* Before the messages are there: a UIDL of nobody does no harm. */
static int batch_write_uidls(struct folder_import *f)
{
	bool same = strcmp(f->uidl, param.pop3_uidl_format) == 0;
	_cleanup_(str_free) struct str lines = STR_EMPTY;
	int r;

	if (f->uidl[0] == '\0' || strcmp(f->folder->local, "INBOX") != 0)
		return 0;
	for (size_t i = 0; i < f->batch_count; i++) {
		uint32_t values[] = { f->batch[i].uid, f->box.uidvalidity };

		if (same && folder_keeps(f, f->batch[i].uid))
			continue;
		import_unique(&lines, f->source, f->batch[i].date, f->batch[i].uid);
		str_append_byte(&lines, ' ');
		(void)uidl_format(&lines, f->uidl, uidl_field_there, values);
		str_append_byte(&lines, '\n');
	}
	if (lines.len == 0)
		return 0;
	r = import_uidls_add(f->w->store, folder_name_here(f), str_view(&lines));
	return r < 0 ? folder_fail(f, r, "note POP3 UIDLs") : 0;
}

static size_t batch_keyword_names(const struct folder_import *f, uint64_t mask,
				  struct view names[KEYWORDS_MAX])
{
	size_t count = 0;

	for (; mask != 0; mask &= mask - 1) {
		const char *name = mailbox_keyword_name(f->local, (unsigned)__builtin_ctzll(mask));

		if (name != NULL)
			names[count++] = view_of(name);
	}
	return count;
}

struct batch_lists {
	struct append *appends[BATCH_MESSAGES];
	struct append_meta metas[BATCH_MESSAGES];
	struct view names[BATCH_MESSAGES][KEYWORDS_MAX];
	uint32_t uids[BATCH_MESSAGES];
};

/* All that the batch has, in one transaction. */
static int batch_commit(struct folder_import *f)
{
	_cleanup_free_ struct batch_lists *lists = mem_new(struct batch_lists);
	uint32_t uidvalidity;
	int r;

	if (f->batch_count == 0)
		return 0;
	qsort(f->batch, f->batch_count, sizeof(f->batch[0]), batch_compare);
	r = batch_write_uidls(f);
	if (r < 0)
		return r;
	for (size_t i = 0; i < f->batch_count; i++) {
		const struct batch_message *m = &f->batch[i];

		lists->appends[i] = m->append;
		lists->metas[i] = (struct append_meta){
			.flags = m->flags,
			.keywords = lists->names[i],
			.keyword_count = batch_keyword_names(f, m->keywords, lists->names[i]),
			.uid = folder_keeps(f, m->uid) ? m->uid : 0,
		};
		f->totals.renumbered += lists->metas[i].uid == 0;
	}
	r = append_finish(lists->appends, lists->metas, f->batch_count, &uidvalidity, lists->uids);
	f->totals.messages += r < 0 ? 0 : f->batch_count;
	f->batch_count = 0;
	if (r < 0)
		return folder_fail(f, r, "store messages");
	(void)store_settle(f->w->store, STORE_SETTLE_BATCH);
	return 0;
}

/* "1,3:5" */
static void batch_set(const struct folder_import *f, struct str *set)
{
	for (size_t i = 0; i < f->wanted_count; i++) {
		size_t last = i;

		while (last + 1 < f->wanted_count && f->wanted[last + 1] == f->wanted[last] + 1)
			last++;
		str_printf(set, "%s%u", i > 0 ? "," : "", f->wanted[i]);
		if (last > i)
			str_printf(set, ":%u", f->wanted[last]);
		i = last;
	}
}

/* The server says NO to some of them: to which is found one by one. */
static int batch_fetch_singly(struct folder_import *f, const struct remote_taker *taker)
{
	for (size_t i = 0; i < f->wanted_count; i++) {
		char set[16];
		int r;

		if (f->wanted[i] == 0)
			continue;
		snprintf(set, sizeof(set), "%u", f->wanted[i]);
		r = remote_contents(&f->w->remote, set, taker);
		if (r < 0)
			return r;
		if (r > 0) {
			folder_say(f, "UID %s is left out: %s", set, f->w->err->text);
			f->totals.left_out++;
		}
	}
	return 0;
}

static int batch_fetch(struct folder_import *f)
{
	_cleanup_(str_free) struct str set = STR_EMPTY;
	struct remote_taker taker = { .begin = folder_begin_message,
				      .piece = folder_take_piece,
				      .end = folder_end_message,
				      .argument = f,
				      .size_max = MESSAGE_MAX };
	int r;

	if (f->wanted_count == 0)
		return 0;
	batch_set(f, &set);
	r = remote_contents(&f->w->remote, str_cstr(&set), &taker);
	if (r > 0)
		r = batch_fetch_singly(f, &taker);
	if (r == 0)
		r = batch_commit(f);
	if (r < 0)
		folder_drop_batch(f);
	return r;
}

static void folder_tell_progress(struct folder_import *f, size_t done, size_t all)
{
	if (clock_now() - f->told < PROGRESS_PAUSE || done == all)
		return;
	f->told = clock_now();
	folder_say(f, "%zu of %zu", done, all);
}

/* The next ones that are to come, as many as one batch holds. Returns how many of the list it went through. */
static size_t batch_fill(struct folder_import *f, const struct remote_message_size *list,
			 size_t count)
{
	uint64_t bytes = 0;
	size_t i = 0;

	f->wanted_count = 0;
	for (; i < count && f->wanted_count < BATCH_MESSAGES; i++) {
		if (folder_known_find(f, list[i].uid) != NULL)
			continue;
		if (list[i].size > MESSAGE_MAX) {
			folder_say(f, "UID %u is left out: it has %llu bytes", list[i].uid,
				   (unsigned long long)list[i].size);
			f->totals.left_out++;
			continue;
		}
		if (f->wanted_count > 0 && bytes + list[i].size > BATCH_BYTES)
			break;
		bytes += list[i].size;
		f->wanted[f->wanted_count++] = list[i].uid;
	}
	return i;
}

int folder_fetch(struct folder_import *f)
{
	_cleanup_free_ struct remote_message_size *list = NULL;
	size_t count = 0, at = 0;
	int r = 0;

	if (f->box.exists > 0 && (f->box.uidnext == 0 || f->box.uidnext > f->notes.next))
		r = remote_sizes(&f->w->remote, f->notes.next, &list, &count);
	f->told = clock_now();
	while (r == 0 && at < count) {
		at += batch_fill(f, list + at, count - at);
		r = batch_fetch(f);
		if (r == 0 && list[at - 1].uid < UINT32_MAX) {
			f->notes.next = list[at - 1].uid + 1;
			r = folder_notes_write(f);
		}
		folder_tell_progress(f, at, count);
	}
	return r > 0 ? -EACCES : r;
}
