/* Whether index and files agree, for tests and administrators. It mends nothing. */
#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/listing.h"
#include "store/write.h"

struct verify {
	struct tx *tx;
	void (*line)(void *argument, const char *text);
	void *argument;
	int found;
	struct folder folder;
	/* Counted again from the records. */
	uint32_t messages, unseen, deleted;
};

static void __attribute__((format(printf, 2, 3)))
report(struct verify *verify, const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	str_printf(&text, "%s: ", verify->folder.name);
	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	verify->line(verify->argument, str_cstr(&text));
	verify->found++;
}

static void verify_message(struct verify *verify, struct listing *list, uint32_t uid,
			   const struct mail_record *mail)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct state_record state;
	struct folder where;
	struct entry *entry;

	if (state_load(verify->tx, verify->folder.r.id, uid, &state) < 0) {
		report(verify, "message %u has no flags in the index", uid);
		return;
	}
	verify->messages++;
	verify->unseen += !(state.flags & FLAG_SEEN);
	verify->deleted += (state.flags & FLAG_DELETED) != 0;
	if (uid >= verify->folder.r.uidnext)
		report(verify, "message %u has a UID that was not given out", uid);
	entry = listing_find(list, mail->file);
	if (entry != NULL)
		entry->taken = true;
	if (folder_load(verify->tx, mail->where, &where) == 0) {
		folder_part_path(verify->tx->store, &where, mail->part, &path);
		str_printf(&path, "/%.*s", VIEW_ARG(mail->file));
	}
	if (access(str_cstr(&path), F_OK) < 0)
		report(verify, "message %u has no file %s", uid, str_cstr(&path));
}

static int verify_messages(struct verify *verify, struct listing *list)
{
	struct key prefix = key_folder(verify->folder.r.id);
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, verify->tx, DB_MAILS, key_view(&prefix), key_view(&prefix));
	     r > 0; r = walk_next(&walk)) {
		struct mail_record mail;
		uint32_t folder, uid;

		if (key_uid_decode(walk.key, &folder, &uid) < 0 ||
		    mail_record_decode(walk.value, &mail) < 0)
			report(verify, "a message record is damaged");
		else
			verify_message(verify, list, uid, &mail);
	}
	walk_end(&walk);
	return r;
}

static int verify_folder(struct verify *verify)
{
	_cleanup_(listing_free) struct listing list = { 0 };
	const struct folder_record *record = &verify->folder.r;
	size_t left;
	int r = listing_read(&list, verify->tx->store, &verify->folder, PART_CUR);

	if (r < 0) {
		report(verify, "cannot be read: %s", strerror(-r));
		return 0;
	}
	listing_sort_by_uid(&list);
	verify->messages = verify->unseen = verify->deleted = 0;
	r = verify_messages(verify, &list);
	if (r < 0)
		return r;
	r = listing_stat_untaken(&list, &left);
	if (r < 0) {
		report(verify, "cannot be read: %s", strerror(-r));
		return 0;
	}
	for (size_t i = 0; i < list.count; i++)
		if (!list.items[i].taken)
			report(verify, "file cur/%s is not in the index", list.items[i].name);
	if (record->messages != verify->messages || record->unseen != verify->unseen ||
	    record->deleted != verify->deleted)
		report(verify,
		       "counters say %u messages, %u unseen, %u deleted; there are %u, %u, %u",
		       record->messages, record->unseen, record->deleted, verify->messages,
		       verify->unseen, verify->deleted);
	return 0;
}

int store_verify(struct store *store, void (*line)(void *argument, const char *text),
		 void *argument)
{
	struct verify verify = { .line = line, .argument = argument };
	struct walk walk;
	struct tx tx;
	int r = store_read(store, &tx);

	if (r < 0)
		return r;
	verify.tx = &tx;
	for (r = walk_begin(&walk, &tx, DB_FOLDERS, VIEW_NONE, VIEW_NONE); r > 0;
	     r = walk_next(&walk)) {
		struct folder_record record;

		if (folder_record_decode(walk.value, &record) < 0 ||
		    folder_load(&tx, record.id, &verify.folder) < 0) {
			report(&verify, "a folder record is damaged");
			continue;
		}
		/* Not read yet: there is nothing to compare. */
		if (record.adopt)
			continue;
		r = verify_folder(&verify);
		if (r < 0)
			break;
	}
	walk_end(&walk);
	tx_end(&tx);
	return r < 0 ? r : verify.found;
}
