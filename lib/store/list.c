/* Which folders there are, and what is known of each. Nothing is opened for writing. */
#include <errno.h>

#include "base/mem.h"
#include "store/folders.h"

struct item {
	char *name;
	bool exists, has_children, subscribed;
	unsigned special_use;
	uint32_t id, uidvalidity;
};
struct items {
	struct item *all;
	size_t count, size;
};

static void items_free(struct items *items)
{
	for (size_t i = 0; i < items->count; i++)
		free(items->all[i].name);
	free(items->all);
}

static struct item *add_item(struct items *items, struct view name)
{
	if (items->count == items->size) {
		items->size = items->size ? items->size * 2 : 64;
		items->all = mem_resize(items->all, items->size, sizeof(*items->all));
	}

	struct item *item = &items->all[items->count++];

	*item = (struct item){ .name = mem_strndup(name.data, name.len) };
	return item;
}

/* Every name in front of a dot is the parent of something. */
static void add_parents(struct items *items, struct view name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] == '.')
			add_item(items, view_first(name, i))->has_children = true;
}

static int folders_collect(struct tx *tx, struct items *items)
{
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, tx, DB_FOLDERS, VIEW_NONE, VIEW_NONE); r > 0;
	     r = walk_next(&walk)) {
		struct folder_record folder;

		if (folder_record_decode(walk.value, &folder) < 0) {
			r = tx_damaged(tx, "folder");
			break;
		}

		struct item *item = add_item(items, folder.name);

		item->exists = true;
		item->special_use = folder.special_use;
		item->id = folder.id;
		item->uidvalidity = folder.uidvalidity;
		add_parents(items, folder.name);
	}
	walk_end(&walk);
	if (r < 0)
		return r;
	for (r = walk_begin(&walk, tx, DB_SUBSCRIPTIONS, VIEW_NONE, VIEW_NONE); r > 0;
	     r = walk_next(&walk))
		add_item(items, walk.key)->subscribed = true;
	walk_end(&walk);
	return r;
}

static int folder_compare(const void *first, const void *second)
{
	const struct item *a = first, *b = second;
	bool a_inbox = strcmp(a->name, "INBOX") == 0, b_inbox = strcmp(b->name, "INBOX") == 0;

	if (a_inbox != b_inbox)
		return a_inbox ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* What is known of one name from several sources becomes one item. */
static void merge(struct items *items)
{
	size_t last = 0;

	if (items->count == 0)
		return;
	qsort(items->all, items->count, sizeof(*items->all), folder_compare);
	for (size_t i = 1; i < items->count; i++) {
		struct item *into = &items->all[last], *from = &items->all[i];

		if (strcmp(into->name, from->name) != 0) {
			items->all[++last] = *from;
			continue;
		}
		into->exists |= from->exists;
		into->has_children |= from->has_children;
		into->subscribed |= from->subscribed;
		into->special_use |= from->special_use;
		into->id |= from->id;
		into->uidvalidity |= from->uidvalidity;
		free(from->name);
	}
	items->count = last + 1;
}

int store_list(struct store *store, int (*each)(void *argument, const struct folder_info *folder),
	       void *argument)
{
	_cleanup_(items_free) struct items items = { 0 };
	struct tx tx;
	int r = folders_sync(store);

	if (r == 0)
		r = store_read(store, &tx);
	if (r < 0)
		return r;
	r = folders_collect(&tx, &items);
	tx_end(&tx);
	merge(&items);
	for (size_t i = 0; i < items.count && r == 0; i++) {
		const struct item *item = &items.all[i];
		struct folder_info info = {
			.name = view_of(item->name),
			.exists = item->exists,
			.has_children = item->has_children,
			.subscribed = item->subscribed,
			.special_use = item->special_use,
			.id = item->id,
			.uidvalidity = item->uidvalidity,
		};

		r = each(argument, &info);
	}
	return r;
}

struct wanted {
	struct view name;
	struct folder_info *found;
};

static int take_wanted(void *argument, const struct folder_info *folder)
{
	struct wanted *wanted = argument;

	if (!view_eq(folder->name, wanted->name))
		return 0;
	*wanted->found = *folder;
	return 1;
}

int store_folder_info(struct store *store, struct view name, struct folder_info *folder)
{
	_cleanup_(str_free) struct str normal = STR_EMPTY;
	int r = store_name_normalize(name, &normal, NULL);
	struct wanted wanted = { str_view(&normal), folder };

	if (r == 0)
		r = store_list(store, take_wanted, &wanted);
	folder->name = name;
	return r < 0 ? r : r == 0 ? -ENOENT : 0;
}
