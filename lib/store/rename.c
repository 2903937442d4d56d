/*
 * Renaming a folder with all below it. A crash leaves it before or after, and nothing in between.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "store/deliver.h"
#include "store/folders.h"
#include "store/owed.h"

/* One folder with its new name. */
struct step {
	uint32_t id;
	char *from, *to;
	bool done; /* the directory has been renamed */
};
struct steps {
	struct step *all;
	size_t count;
};

static void steps_free(struct steps *steps)
{
	for (size_t i = 0; i < steps->count; i++) {
		free(steps->all[i].from);
		free(steps->all[i].to);
	}
	free(steps->all);
}

struct rename_work {
	struct view from, to;
	struct error *err;
};

/* The folder and all below it. */
static int plan(struct tx *tx, const struct rename_work *work, struct steps *steps)
{
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, tx, DB_NAMES, work->from, work->from); r > 0;
	     r = walk_next(&walk)) {
		struct view rest = view_from(walk.key, work->from.len);
		_cleanup_(str_free) struct str to = STR_EMPTY;

		if (rest.len > 0 && rest.data[0] != '.')
			continue;
		str_append(&to, work->to);
		str_append(&to, rest);
		r = store_name_check(str_view(&to), work->err);
		if (r < 0 || walk.value.len != 4)
			break;
		steps->all = mem_resize(steps->all, steps->count + 1, sizeof(*steps->all));

		struct step *step = &steps->all[steps->count++];

		*step = (struct step){ .from = mem_strndup(walk.key.data, walk.key.len),
				       .to = str_take(&to) };
		memcpy(&step->id, walk.value.data, 4);
	}
	walk_end(&walk);
	return r < 0 ? r : steps->count == 0 ? -ENOENT : 0;
}

static int rename_directory(const struct store *store, const char *from, const char *to)
{
	_cleanup_(str_free) struct str source = STR_EMPTY, target = STR_EMPTY;

	folder_path_append(&source, store->path, view_of(from));
	folder_path_append(&target, store->path, view_of(to));
	/* An empty folder would be replaced without a word. */
	if (access(str_cstr(&target), F_OK) == 0)
		return -EEXIST;
	return rename(str_cstr(&source), str_cstr(&target)) < 0 ? -errno : 0;
}

static int rename_in_index(struct tx *tx, const struct step *step)
{
	struct folder folder;
	struct view to = view_of(step->to);
	int r = folder_load(tx, step->id, &folder);

	if (r == 0)
		r = tx_delete(tx, DB_NAMES, folder.r.name);
	if (r < 0)
		return r;
	if (folder.r.special_use == store_name_special_use(folder.r.name))
		folder.r.special_use = store_name_special_use(to);
	memcpy(folder.name, to.data, to.len);
	folder.name[to.len] = '\0';
	folder.r.name = view_make(folder.name, to.len);
	r = tx_put(tx, DB_NAMES, to, view_make(&step->id, sizeof(step->id)));
	return r < 0 ? r : folder_save(tx, &folder);
}

/*
 * The directories first: if the transaction is lost in a crash, the folders are found under their new
 * names, with UIDVALIDITY in their file and UIDs in the names.
 */
static int rename_work(struct tx *tx, void *argument)
{
	_cleanup_(steps_free) struct steps steps = { 0 };
	struct rename_work *work = argument;
	struct folder folder;
	int r = owed_settle_all(tx);

	if (r == 0)
		r = folder_find(tx, work->to, &folder) == 0 ? -EEXIST : 0;
	if (r == 0)
		r = plan(tx, work, &steps);
	for (size_t i = 0; i < steps.count && r == 0; i++)
		r = rename_in_index(tx, &steps.all[i]);
	for (size_t i = 0; i < steps.count && r == 0; i++) {
		r = rename_directory(tx->store, steps.all[i].from, steps.all[i].to);
		steps.all[i].done = r == 0;
	}
	if (r == 0)
		r = io_sync_directory(store_path(tx->store));
	for (size_t i = 0; i < steps.count && r < 0; i++)
		if (steps.all[i].done)
			(void)rename_directory(tx->store, steps.all[i].to, steps.all[i].from);
	return r;
}

static int take_all(struct store *store, struct view target, struct error *err)
{
	_cleanup_(mailbox_closep) struct mailbox *inbox = NULL;
	struct copy_result result = { 0 };
	int r = store_create(store, target, 0, err);

	if (r < 0)
		return r;
	r = mailbox_open(store, VIEW("INBOX"), MAILBOX_READ_WRITE, &inbox);
	if (r == 0)
		r = mailbox_copy(inbox, NULL, 0, target, true, &result);
	copy_result_free(&result);
	if (r < 0)
		return error_set(err, r, "move the messages of INBOX: %s", strerror(-r));
	return 0;
}

int store_rename(struct store *store, struct view from, struct view to, struct error *err)
{
	_cleanup_(str_free) struct str source = STR_EMPTY, target = STR_EMPTY;
	struct error scratch = ERROR_NONE;
	struct rename_work work;
	int r;

	if (err == NULL)
		err = &scratch;
	err->text[0] = '\0';
	r = store_name_normalize(from, &source, err);
	if (r == 0)
		r = store_name_normalize(to, &target, err);
	if (r == 0)
		r = store_name_may_be_made(str_view(&target), err);
	if (r < 0)
		return r;
	if (view_is(str_view(&target), "INBOX"))
		return error_set(err, -EEXIST, "There is a folder of that name already");
	if (view_is(str_view(&source), "INBOX"))
		return take_all(store, str_view(&target), err);
	if (view_starts(str_view(&target), str_view(&source)) &&
	    (target.len == source.len || target.data[source.len] == '.'))
		return error_set(err, target.len == source.len ? -EEXIST : -EINVAL,
				 "A folder cannot be put into itself");
	work = (struct rename_work){ str_view(&source), str_view(&target), err };
	r = folders_write(store, rename_work, &work);
	if (r < 0 && err->text[0] == '\0')
		error_set(err, r, "%s",
			  r == -ENOENT	 ? "No such folder"
			  : r == -EEXIST ? "There is a folder of that name already"
					 : strerror(-r));
	return r;
}
