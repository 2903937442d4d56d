/* The files of a folder, as readdir gives them. Of lib/store only. */
#ifndef STORE_LISTING_H
#define STORE_LISTING_H

#include "store/index.h"

struct entry {
	char *name;
	struct file_name parsed; /* views into name */
	uint32_t uid;		 /* from the name, or from another index */
	enum part part;
	bool taken; /* dealt with */
	uint64_t size;
	int64_t date, saved;
};
struct listing {
	struct entry *items;
	size_t count, size;
	char *paths[3]; /* of the parts that were read */
};
void listing_free(struct listing *list);

/* Adds all files of one part. 0 or a negative errno. */
int listing_read(struct listing *list, const struct store *store, const struct folder *folder,
		 enum part part);
/* Adds what is complete in tmp/: appended and copied messages whose last step is owed. */
int listing_read_finished_tmp(struct listing *list, const struct store *store,
			      const struct folder *folder);
/* UIDs for names without one, and keywords, from what another server has left. 0 or a negative errno. */
int listing_adopt(struct listing *list, const struct store *store, const struct folder *folder);
/* Sizes and dates of those not taken; what is no regular file is taken. 0, and how many are left; or a negative errno. */
int listing_stat_untaken(struct listing *list, size_t *left);

void listing_sort_by_uid(struct listing *list);
void listing_sort_by_arrival(struct listing *list);
/* In a list sorted by UID: the file of that message, whatever its flags. NULL: none. */
struct entry *listing_find(const struct listing *list, struct view file);

#endif
