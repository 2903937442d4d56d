/*
 * NOTIFY (RFC 5465): what has changed between two looks, told. Nothing is told of what this connection did itself. How a
 * look is had: notify_view.c; what the client may ask for: cmd_notify.c.
 */
#include "notify.h"

#include <errno.h>

#include "base/map.h"
#include "base/mem.h"
#include "status.h"

#define NOTIFY_RENAMES_MAX 20 /* whose children are not told by themselves */
#define NOTIFY_REST	   10 /* times as long as a look took, before the next one */
#define NOTIFY_REST_MAX	   ((msec_t)1000)

void notify_free(struct notify *n)
{
	if (n == NULL)
		return;
	for (size_t i = 0; i < n->group_count; i++)
		mailbox_filter_free(&n->groups[i].filter);
	if (n->fetch != NULL)
		fetch_free(n->fetch);
	free(n->fetch);
	notify_view_free(&n->known);
	free(n);
}

/* RFC 5465 3.1: without SELECTED nothing is told of the selected mailbox. */
void notify_begin(struct imap_session *s, struct notify *n)
{
	if (n != s->notify)
		notify_free(s->notify);
	s->notify = n;
	s->telling = (struct imap_telling){ 0 };
	if (n == NULL)
		return;
	s->telling.uids = true;
	s->telling.nothing = !(n->selected & NOTIFY_MESSAGE_NEW);
	s->telling.no_flags = !(n->selected & NOTIFY_FLAG_CHANGE);
	s->telling.at_once = !s->telling.nothing && !n->delayed;
}

bool notify_is_listening(const struct imap_session *s)
{
	return s->notify != NULL && (!s->telling.nothing || s->notify->group_count > 0);
}

/* What is compared, and what was told already of one folder. */
struct comparison {
	struct imap_session *s;
	struct notify_view *before, *now;
	struct view renamed_from[NOTIFY_RENAMES_MAX], renamed_to[NOTIFY_RENAMES_MAX];
	size_t rename_count;
};

/* ---- names of folders ---- */

static bool name_is_in(struct view name, struct view top)
{
	return view_eq(name, top) || (view_starts(name, top) && name.data[top.len] == '.');
}

static bool name_is_own(const struct imap_session *s, struct view name)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->own.names); i++)
		if (s->own.names[i].len > 0 && name_is_in(name, str_view(&s->own.names[i])))
			return true;
	return false;
}

static bool is_there(const struct notify_view *view, struct view name)
{
	const struct notify_folder *f = notify_view_find(view, name);

	return f != NULL && f->info.exists;
}

/* The name that it had, if that is no folder any more. */
static struct notify_folder *renamed_from(const struct comparison *c, const struct notify_folder *f)
{
	for (size_t i = 0; i < c->before->count; i++) {
		struct notify_folder *old = &c->before->folders[i];

		if (old->info.exists && old->info.id == f->info.id &&
		    old->info.uidvalidity == f->info.uidvalidity &&
		    !is_there(c->now, old->info.name))
			return old;
	}
	return NULL;
}

/* RFC 5465 5.4: nothing is told of children of a folder that was renamed. */
static bool moved_with_parent(const struct comparison *c, const struct notify_folder *f,
			      const struct notify_folder *old)
{
	for (size_t i = 0; i < c->rename_count; i++)
		if (name_is_in(f->info.name, c->renamed_to[i]) &&
		    name_is_in(old->info.name, c->renamed_from[i]))
			return true;
	return false;
}

static void note_rename(struct comparison *c, const struct notify_folder *f,
			const struct notify_folder *old)
{
	if (c->rename_count == NOTIFY_RENAMES_MAX)
		return;
	c->renamed_from[c->rename_count] = old->info.name;
	c->renamed_to[c->rename_count++] = f->info.name;
}

/* The folder above one that was made or deleted is affected as well. */
static int tell_parent_of(const struct comparison *c, struct view name)
{
	size_t dot = view_find_last_byte(name, '.');
	const struct notify_folder *parent =
		dot == VIEW_NOT_FOUND ? NULL : notify_view_find(c->now, view_first(name, dot));

	if (parent == NULL || !(parent->events & NOTIFY_MAILBOX_NAME))
		return 0;
	return imap_send_folder(c->s, &parent->info, VIEW_NONE);
}

/* *told: the client has its LIST line. */
static int tell_new_folder(struct comparison *c, struct notify_folder *f, struct notify_folder *old,
			   bool *told)
{
	unsigned events = f->events | (old != NULL ? old->events : 0);
	int r;

	if (old != NULL && moved_with_parent(c, f, old))
		return 0;
	if (old != NULL)
		note_rename(c, f, old);
	if (!(events & NOTIFY_MAILBOX_NAME) || name_is_own(c->s, f->info.name))
		return 0;
	*told = true;
	r = imap_send_folder(c->s, &f->info, old != NULL ? old->info.name : VIEW_NONE);
	return r == 0 && old == NULL ? tell_parent_of(c, f->info.name) : r;
}

/* As LIST has it now: a name may still be subscribed to, or the level above others. */
static int tell_no_folder(struct comparison *c, const struct notify_folder *old)
{
	const struct notify_folder *f = notify_view_find(c->now, old->info.name);
	struct folder_info info = { .name = old->info.name };

	return imap_send_folder(c->s, f != NULL ? &f->info : &info, VIEW_NONE);
}

static int tell_gone_folder(struct comparison *c, const struct notify_folder *old, bool *told)
{
	int r;

	if (!(old->events & NOTIFY_MAILBOX_NAME) || name_is_own(c->s, old->info.name))
		return 0;
	*told = true;
	r = tell_no_folder(c, old);
	return r == 0 ? tell_parent_of(c, old->info.name) : r;
}

static int tell_subscription(struct comparison *c, const struct notify_folder *f,
			     const struct notify_folder *old)
{
	bool before = old != NULL && old->info.subscribed, now = f != NULL && f->info.subscribed;
	unsigned events = (f != NULL ? f->events : 0) | (old != NULL ? old->events : 0);
	struct view name = f != NULL ? f->info.name : old->info.name;

	if (before == now || !(events & NOTIFY_SUBSCRIPTION) || name_is_own(c->s, name))
		return 0;
	return f != NULL ? imap_send_folder(c->s, &f->info, VIEW_NONE) : tell_no_folder(c, old);
}

/* ---- messages ---- */

/* What this connection has put there, and nothing else. */
static bool messages_are_own(const struct imap_session *s, const struct notify_folder *f,
			     const struct folder_status *before)
{
	uint32_t count = s->own.last - s->own.first + 1;

	return s->own.first != 0 && view_eq(f->info.name, str_view(&s->own.mailbox)) &&
	       f->status.uidnext == s->own.last + 1 &&
	       f->status.messages == before->messages + count;
}

/* STATUS items of what has changed; 0: nothing that is to be told. */
static unsigned changed_items(const struct imap_session *s, const struct notify_folder *f,
			      const struct folder_status *before)
{
	const struct folder_status *now = &f->status;
	unsigned modseq = s->condstore ? STATUS_HIGHESTMODSEQ : 0;

	if (now->uidvalidity != before->uidvalidity)
		return STATUS_MESSAGES | STATUS_UIDNEXT | STATUS_UIDVALIDITY | modseq;
	if (now->uidnext != before->uidnext || now->messages != before->messages)
		return messages_are_own(s, f, before)
			       ? 0
			       : STATUS_MESSAGES | STATUS_UIDNEXT | STATUS_UNSEEN | modseq;
	if (now->highest_modseq == before->highest_modseq || !(f->events & NOTIFY_FLAG_CHANGE) ||
	    (modseq == 0 && now->unseen == before->unseen))
		return 0;
	return STATUS_UNSEEN | STATUS_UIDVALIDITY | modseq;
}

static int tell_messages(struct comparison *c, struct notify_folder *f,
			 const struct notify_folder *old)
{
	static const struct folder_status none;
	struct imap_session *s = c->s;
	/* One that is new to the client had nothing in it. */
	const struct folder_status *before = old != NULL && old->counted ? &old->status : &none;
	unsigned items;
	int failed;

	if (!f->counted || (s->mailbox != NULL && view_is(f->info.name, mailbox_name(s->mailbox))))
		return 0;
	if (before == &none && f->status.messages == 0)
		return 0;
	items = changed_items(s, f, before);
	return items != 0 ? status_send(s, f->info.name, items, &failed) : 0;
}

/* ---- annotations ---- */

static const struct notify_note *notes_find(const struct notify_notes *notes, const char *entry)
{
	for (size_t i = 0; notes != NULL && i < notes->count; i++)
		if (view_eq_nocase(view_of(notes->items[i].entry), view_of(entry)))
			return &notes->items[i];
	return NULL;
}

static bool note_is_own(const struct imap_session *s, struct view name, const char *entry)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_printf(&line, "\n%.*s %s\n", VIEW_ARG(name), entry);
	return view_find(str_view(&s->own.notes), str_view(&line)) != VIEW_NOT_FOUND;
}

static void append_note(const struct imap_session *s, struct view name, const char *entry,
			struct str *line)
{
	if (!note_is_own(s, name, entry))
		str_printf(line, " %s", entry);
}

/* Names alone (RFC 5464 4.4.2): of what is new or other, and of what is gone. */
static int tell_notes(struct imap_session *s, struct view name, const struct notify_notes *now,
		      const struct notify_notes *before)
{
	struct str line = STR_EMPTY;
	size_t start;
	int r = 0;

	str_append_cstr(&line, "* METADATA ");
	if (name.len == 0)
		str_append_cstr(&line, "\"\"");
	else
		imap_append_mailbox(s, &line, name);
	start = line.len;
	for (size_t i = 0; i < now->count; i++) {
		const struct notify_note *old = notes_find(before, now->items[i].entry);

		if (old == NULL || old->hash != now->items[i].hash)
			append_note(s, name, now->items[i].entry, &line);
	}
	for (size_t i = 0; before != NULL && i < before->count; i++)
		if (notes_find(now, before->items[i].entry) == NULL)
			append_note(s, name, before->items[i].entry, &line);
	if (line.len > start) {
		str_append_cstr(&line, "\r\n");
		r = stream_write(s->io, str_view(&line));
	}
	str_free(&line);
	return r;
}

/* ---- all of it ---- */

static int compare_folder(struct comparison *c, struct notify_folder *f)
{
	struct notify_folder *old = notify_view_find(c->before, f->info.name);
	struct notify_folder *was = old;
	bool told = false;
	int r = 0;

	if (f->info.exists && (old == NULL || !old->info.exists)) {
		was = renamed_from(c, f);
		if (was != NULL)
			was->renamed = true;
		r = tell_new_folder(c, f, was, &told);
	} else if (!f->info.exists && old != NULL && old->info.exists && !old->renamed) {
		r = tell_gone_folder(c, old, &told);
	}
	if (r == 0 && !told)
		r = tell_subscription(c, f, old);
	if (r == 0 && f->info.exists)
		r = tell_messages(c, f, was);
	if (r == 0 && f->info.exists && f->events & NOTIFY_MAILBOX_METADATA)
		r = tell_notes(c->s, f->info.name, &f->notes, was != NULL ? &was->notes : NULL);
	return r;
}

static int compare_views(struct comparison *c)
{
	int r = 0;

	/* Those whose names are new first: so it is known which of the old ones were renamed. */
	for (size_t i = 0; r == 0 && i < c->now->count; i++)
		if (!is_there(c->before, c->now->folders[i].info.name))
			r = compare_folder(c, &c->now->folders[i]);
	for (size_t i = 0; r == 0 && i < c->now->count; i++)
		if (is_there(c->before, c->now->folders[i].info.name))
			r = compare_folder(c, &c->now->folders[i]);
	for (size_t i = 0; r == 0 && i < c->before->count; i++) {
		struct notify_folder *old = &c->before->folders[i];
		bool told = false;

		if (notify_view_find(c->now, old->info.name) != NULL)
			continue;
		if (old->info.exists && !old->renamed)
			r = tell_gone_folder(c, old, &told);
		if (r == 0 && !told)
			r = tell_subscription(c, NULL, old);
	}
	return r == 0 ? tell_notes(c->s, VIEW_NONE, &c->now->server, &c->before->server) : r;
}

/* RFC 5465 5.8 */
static int notify_overflow(struct imap_session *s)
{
	int r = stream_printf(s->io, "* OK [NOTIFICATIONOVERFLOW] Too many mailboxes.\r\n");

	notify_begin(s, mem_new(struct notify));
	return r;
}

int notify_look(struct imap_session *s)
{
	struct notify_view now = { 0 };
	struct comparison c = { .s = s, .now = &now };
	msec_t began = clock_now();
	int r;

	if (s->notify == NULL || s->notify->group_count == 0)
		return 0;
	if (began < s->notify->next_look)
		return 1;
	c.before = &s->notify->known;
	r = notify_view_read(s, s->notify, &now);
	if (r == 0) {
		r = compare_views(&c);
		imap_own_begin(s);
		notify_view_free(&s->notify->known);
		s->notify->known = now;
		s->notify->next_look =
			clock_after(MIN((clock_now() - began) * NOTIFY_REST, NOTIFY_REST_MAX));
		return r;
	}
	notify_view_free(&now);
	/* What could not be read is logged by the store; the next look tries again. */
	return r == -E2BIG ? notify_overflow(s) : 0;
}

/* ---- the selected mailbox ---- */

int notify_new_messages(struct imap_session *s)
{
	uint32_t told = s->told_uidnext, total = mailbox_count(s->mailbox), *seqs;
	size_t count = 0;
	int r = 0;

	s->told_uidnext = mailbox_uidnext(s->mailbox);
	if (s->notify == NULL || s->notify->fetch == NULL || told == 0)
		return 0;
	seqs = mem_new_array(uint32_t, MAX(total, 1U));
	for (uint32_t seq = mailbox_find_from(s->mailbox, told); seq <= total; seq++)
		if (!imap_is_own(s, mailbox_uid(s->mailbox, seq)))
			seqs[count++] = seq;
	if (count > 0)
		r = fetch_tell(s, s->notify->fetch, seqs, count);
	free(seqs);
	return r;
}
