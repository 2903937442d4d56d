/*
 * What lies in a Maildir's folders, as names. Other servers' files are read here, and none is
 * changed.
 */
#include "store/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/courier.h"
#include "store/uidlist.h"

void listing_free(struct listing *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(list->paths); i++)
		free(list->paths[i]);
	free(list->items);
	*list = (struct listing){ 0 };
}

static void listing_add(struct listing *list, const char *text, enum part part)
{
	struct file_name parsed;
	char *name;

	if (!file_name_parse(view_of(text), &parsed))
		return;
	if (list->count == list->size) {
		list->size = list->size ? list->size * 2 : 64;
		list->items = mem_resize(list->items, list->size, sizeof(*list->items));
	}
	name = mem_strdup(text);
	file_name_parse(view_of(name), &parsed);
	list->items[list->count++] = (struct entry){
		.name = name,
		.parsed = parsed,
		/* In new/ nothing has a UID, whatever its name says. */
		.uid = part == PART_NEW ? 0 : parsed.uid,
		.part = part,
	};
}

int listing_read(struct listing *list, const struct store *store, const struct folder *folder,
		 enum part part)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct dirent *entry;
	DIR *directory;
	int r;

	folder_part_path(store, folder, part, &path);
	directory = opendir(str_cstr(&path));
	if (directory == NULL)
		return -errno;
	/* Half a list would tell that the other half was removed. */
	while (errno = 0, (entry = readdir(directory)) != NULL)
		if (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN)
			listing_add(list, entry->d_name, part);
	r = -errno;
	closedir(directory);
	if (r < 0)
		return r;
	free(list->paths[part]);
	list->paths[part] = str_take(&path);
	return 0;
}

int listing_read_finished_tmp(struct listing *list, const struct store *store,
			      const struct folder *folder)
{
	_cleanup_(listing_free) struct listing all = { 0 };
	size_t left;
	int r = listing_read(&all, store, folder, PART_TMP);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = listing_stat_untaken(&all, &left);
	if (r < 0)
		return r;
	for (size_t i = 0; i < all.count; i++) {
		struct entry *entry = &all.items[i];

		if (!entry->taken && file_name_is_of(&entry->parsed, entry->size))
			listing_add(list, entry->name, PART_TMP);
	}
	free(list->paths[PART_TMP]);
	list->paths[PART_TMP] = TAKE(all.paths[PART_TMP]);
	return 0;
}

int listing_adopt(struct listing *list, const struct store *store, const struct folder *folder)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY;
	_cleanup_(map_freep) struct map *uids = map_new();
	int r;

	folder_directory(store, folder, &directory);
	r = courier_keywords_adopt(list, str_cstr(&directory));
	if (r == 0)
		r = saved_uids_read(str_cstr(&directory), uids);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list->count; i++) {
		struct entry *entry = &list->items[i];

		if (entry->uid == 0)
			entry->uid = (uint32_t)(uintptr_t)map_get(uids, entry->parsed.base);
	}
	return 0;
}

/* A file that has gone meanwhile is none; of other failures nothing follows. */
static int entry_stat(int directory, struct entry *entry)
{
	struct stat st;

	if (fstatat(directory, entry->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		entry->taken = errno == ENOENT;
		return errno == ENOENT ? 0 : -errno;
	}
	entry->taken = !S_ISREG(st.st_mode);
	entry->size = (uint64_t)st.st_size;
	entry->date = st.st_mtim.tv_sec;
	/* Not before it came: each rename changes it, the one out of tmp/ first. */
	entry->saved = st.st_ctim.tv_sec;
	return 0;
}

int listing_stat_untaken(struct listing *list, size_t *left)
{
	int fds[3] = { -1, -1, -1 };
	int r = 0;

	*left = 0;
	for (size_t i = 0; i < ARRAY_SIZE(fds) && r == 0; i++) {
		if (list->paths[i] == NULL)
			continue;
		fds[i] = open(list->paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fds[i] < 0 ? -errno : 0;
	}
	for (size_t i = 0; i < list->count && r == 0; i++) {
		struct entry *entry = &list->items[i];

		if (entry->taken)
			continue;
		r = entry_stat(fds[entry->part], entry);
		*left += !entry->taken;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		mem_closep(&fds[i]);
	return r;
}

static int compare_uid_base(uint32_t a_uid, struct view a, uint32_t b_uid, struct view b)
{
	if (a_uid != b_uid)
		return a_uid < b_uid ? -1 : 1;
	return view_compare(a, b);
}

static int compare_by_uid(const void *first, const void *second)
{
	const struct entry *a = first, *b = second;

	return compare_uid_base(a->uid, a->parsed.base, b->uid, b->parsed.base);
}

static int compare_by_arrival(const void *first, const void *second)
{
	const struct entry *a = first, *b = second;

	return file_name_compare_arrival(view_of(a->name), view_of(b->name));
}

void listing_sort_by_uid(struct listing *list)
{
	if (list->count > 0)
		qsort(list->items, list->count, sizeof(*list->items), compare_by_uid);
}

void listing_sort_by_arrival(struct listing *list)
{
	if (list->count > 0)
		qsort(list->items, list->count, sizeof(*list->items), compare_by_arrival);
}

struct entry *listing_find(const struct listing *list, struct view file)
{
	size_t low = 0, high = list->count;
	struct file_name name;

	if (!file_name_parse(file, &name))
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct entry *entry = &list->items[middle];
		int order = compare_uid_base(entry->uid, entry->parsed.base, name.uid, name.base);

		if (order == 0)
			return entry;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
