/* Files in tmp/ that nobody will come back to. What is there because a rename is owed stays. */
#include "store/leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/owed.h"

/* maildir(5): what is in tmp/ for 36 hours was given up. */
#define TMP_AGE (36 * 3600)

/* By the time of the last change of the name: that of the content may be a message's own date. */
static bool is_old(int directory, const char *name)
{
	struct stat st;

	return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       clock_wall() - st.st_ctim.tv_sec > TMP_AGE;
}

static bool is_owed(const struct map *known, const char *name)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;

	owed_key(&key, PART_TMP, view_of(name));
	return map_get(known, str_view(&key)) != NULL;
}

void folder_clean_tmp(struct tx *tx, const struct folder *folder)
{
	_cleanup_(map_freep) struct map *known = map_new();
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct dirent *entry;
	DIR *directory;

	if (owed_files(tx, folder->r.id, known) < 0)
		return;
	folder_part_path(tx->store, folder, PART_TMP, &path);
	directory = opendir(str_cstr(&path));
	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL)
		if (is_old(dirfd(directory), entry->d_name) && !is_owed(known, entry->d_name))
			unlinkat(dirfd(directory), entry->d_name, 0);
	closedir(directory);
}
