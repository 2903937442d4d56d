/* Looking at all that NOTIFY may tell of. What is new in it: notify.c. */
#include <errno.h>

#include "base/map.h"
#include "base/mem.h"
#include "notify.h"

/* Mailboxes between two looks at whether others want to go on. */
#define NOTIFY_BREATH 16

static void notes_free(struct notify_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++)
		free(notes->items[i].entry);
	free(notes->items);
}

void notify_view_free(struct notify_view *view)
{
	for (size_t i = 0; i < view->count; i++) {
		free(view->folders[i].name);
		notes_free(&view->folders[i].notes);
	}
	free(view->folders);
	map_free(view->by_name);
	notes_free(&view->server);
	*view = (struct notify_view){ 0 };
}

struct notify_folder *notify_view_find(const struct notify_view *view, struct view name)
{
	return view->by_name == NULL ? NULL : map_get(view->by_name, name);
}

/* ---- folders ---- */

struct view_reading {
	const struct notify *n;
	struct notify_view *view;
};

static unsigned events_of(const struct notify *n, const struct folder_info *folder)
{
	unsigned events = 0;

	for (size_t i = 0; i < n->group_count; i++)
		if (mailbox_filter_matches(&n->groups[i].filter, folder->name, folder->subscribed))
			events |= n->groups[i].events;
	return events;
}

static int view_take_folder(void *argument, const struct folder_info *folder)
{
	struct view_reading *reading = argument;
	struct notify_view *view = reading->view;
	struct notify_folder *f;

	array_grow(view->folders, view->count);
	f = &view->folders[view->count++];
	*f = (struct notify_folder){ .name = mem_strndup(folder->name.data, folder->name.len),
				     .info = *folder,
				     .events = events_of(reading->n, folder) };
	f->info.name = view_of(f->name);
	return 0;
}

/* ---- annotations ---- */

static int notes_take(void *argument, struct view entry, struct view value)
{
	struct notify_notes *notes = argument;

	array_grow(notes->items, notes->count);
	notes->items[notes->count++] =
		(struct notify_note){ mem_strndup(entry.data, entry.len), map_hash(value) };
	return 0;
}

/* ---- all of it ---- */

static int view_read_folder(struct imap_session *s, struct notify_folder *f)
{
	int r = 0;

	if (f->events & NOTIFY_MESSAGES)
		r = store_status(s->store, f->info.name, &f->status);
	f->counted = r == 0 && f->events & NOTIFY_MESSAGES;
	if (r == 0 && f->events & NOTIFY_MAILBOX_METADATA)
		r = store_metadata_each(s->store, f->info.name, notes_take, &f->notes);
	/* It went away since it was listed: the next look tells of that. */
	return r == -ENOENT ? 0 : r;
}

int notify_view_read(struct imap_session *s, const struct notify *n, struct notify_view *view)
{
	struct view_reading reading = { n, view };
	unsigned all = 0;
	size_t looked_at = 0;
	int r = store_list(s->store, view_take_folder, &reading);

	view->by_name = map_new();
	for (size_t i = 0; i < view->count; i++)
		map_put_borrowed(view->by_name, view->folders[i].info.name, &view->folders[i]);
	for (size_t i = 0; i < n->group_count; i++)
		all |= n->groups[i].events;
	for (size_t i = 0; r == 0 && i < view->count; i++) {
		struct notify_folder *f = &view->folders[i];

		if (!f->info.exists || !(f->events & (NOTIFY_MESSAGES | NOTIFY_MAILBOX_METADATA)))
			continue;
		if (looked_at++ == NOTIFY_MAILBOXES_MAX)
			return -E2BIG;
		r = view_read_folder(s, f);
		if (looked_at % NOTIFY_BREATH == 0)
			task_yield();
	}
	if (r == 0 && all & NOTIFY_SERVER_METADATA)
		r = store_metadata_each(s->store, VIEW_NONE, notes_take, &view->server);
	return r;
}
