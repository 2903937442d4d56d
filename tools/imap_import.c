/*
 * One folder of another IMAP server into one of ours. How far it came stands in the folder's notes, and in the
 * names of the files: a run that was ended goes on where it was, and nothing comes twice.
 */
#include "tools/imap_folder.h"

#include <errno.h>
#include <stdio.h>

#include "base/mem.h"

#define FLAGS_AT_ONCE 100 /* changes that share a commit */

/* ---- what is here already ---- */

static int known_read(struct folder_import *f)
{
	int r = mailbox_open(f->w->store, folder_name_here(f), MAILBOX_READ_WRITE, &f->local);

	for (uint32_t seq = 1; r == 0 && seq <= mailbox_count(f->local); seq++) {
		_cleanup_(str_free) struct str name = STR_EMPTY;
		uint32_t uid = 0;

		if (mailbox_file_name(f->local, seq, &name) == 0)
			uid = import_uid_of(str_view(&name), f->source);
		if (uid == 0)
			continue;
		array_grow(f->known, f->known_count);
		f->known[f->known_count++] = (struct known_message){ .uid = uid, .seq = seq };
	}
	if (f->known_count > 0)
		qsort(f->known, f->known_count, sizeof(*f->known), folder_known_compare);
	return r < 0 ? folder_fail(f, r, "open it") : 0;
}

/* ---- flags ---- */

static int folder_settle_flags(struct folder_import *f)
{
	int r = store_commit(f->w->store);

	f->unsettled = 0;
	return r < 0 ? folder_fail(f, r, "change flags") : 0;
}

static int folder_take_flags(void *argument, const struct remote_message *message)
{
	struct folder_import *f = argument;
	struct known_message *known = folder_known_find(f, message->uid);
	struct flag_change change = { .operation = FLAGS_REPLACE,
				      .flags = message->flags,
				      .may_wait = true };
	struct flag_result result;
	int r;

	if (known == NULL)
		return 0; /* removed or moved here meanwhile */
	known->seen = true;
	change.keywords = folder_keywords(f, &message->keywords);
	if ((mailbox_flags(f->local, known->seq) & FLAGS_SYSTEM) == message->flags &&
	    mailbox_keywords(f->local, known->seq) == change.keywords)
		return 0;
	r = mailbox_change_flags(f->local, &known->seq, 1, &change, &result);
	if (r < 0)
		return folder_fail(f, r, "change flags");
	f->totals.flags += result.modseq != 0;
	flag_result_free(&result);
	return ++f->unsettled >= FLAGS_AT_ONCE ? folder_settle_flags(f) : 0;
}

static int known_remove_gone(struct folder_import *f)
{
	_cleanup_free_ uint32_t *seqs = mem_new_array(uint32_t, f->known_count + 1);
	_cleanup_free_ bool *gone = mem_new_array(bool, mailbox_count(f->local) + 1);
	size_t count = 0;
	int r;

	for (size_t i = 0; i < f->known_count; i++)
		if (f->known[i].uid < f->notes.next && !f->known[i].seen)
			gone[f->known[i].seq] = true;
	for (uint32_t seq = 1; seq <= mailbox_count(f->local); seq++)
		if (gone[seq])
			seqs[count++] = seq;
	if (count == 0)
		return 0;
	r = mailbox_remove(f->local, seqs, count);
	f->totals.removed += r == 0 ? count : 0;
	return r < 0 ? folder_fail(f, r, "remove what is gone there") : 0;
}

/* Of what came in earlier runs. */
static int folder_follow(struct folder_import *f)
{
	/* What is gone is not told with what has changed. */
	uint64_t since = f->w->options->expunge ? 0 : f->notes.modseq;
	int r = 0;

	if (f->known_count == 0 || (since != 0 && since == f->box.modseq))
		return 0;
	if (f->box.exists > 0)
		r = remote_flags(&f->w->remote, f->notes.next, f->box.modseq != 0 ? since : 0,
				 folder_take_flags, f);
	if (f->unsettled > 0 && folder_settle_flags(f) < 0 && r >= 0)
		r = -EIO;
	if (r == 0 && f->w->options->expunge)
		r = known_remove_gone(f);
	return r > 0 ? -EACCES : r;
}

/* ---- one folder ---- */

/* UIDs are kept if the folder is empty here, or was when this began. */
static int folder_keep_uids(struct folder_import *f)
{
	struct folder_notes *notes = &f->notes;
	uint32_t uidnext = f->box.uidnext;
	int r = 0;

	if (notes->uidvalidity == 0) {
		notes->uidvalidity = f->box.uidvalidity;
		notes->next = 1;
		if (uidnext > 0 && f->box.uidvalidity > 0)
			r = import_take_uids(f->w->store, folder_name_here(f), f->box.uidvalidity,
					     uidnext);
		else
			r = -ERANGE;
		notes->kept = r == 0 ? uidnext : 0;
		if (r == -ENOTEMPTY && f->box.exists > 0)
			folder_say(f, "it has messages already: those that come get new UIDs");
	} else if (notes->kept > 0 && uidnext > notes->kept) {
		r = import_take_more_uids(f->w->store, folder_name_here(f), notes->kept, uidnext);
		notes->kept = r == 0 ? uidnext : notes->kept;
	}
	if (r < 0 && r != -ENOTEMPTY && r != -ERANGE && r != -EEXIST)
		return folder_fail(f, r, "keep UIDs");
	return folder_notes_write(f);
}

/* 0; 1: it is to be left alone. */
static int folder_prepare_here(struct folder_import *f)
{
	_cleanup_(str_free) struct str others = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = store_create(f->w->store, folder_name_here(f), f->folder->special_use, &err);

	if (r < 0 && r != -EEXIST)
		return error_set(f->w->err, r, "%s: %s", f->folder->local, err.text);
	import_source(f->notes.key, view_of(f->w->options->remote.host),
		      view_of(f->w->remote.login), view_of(f->folder->name), 0);
	import_source(f->source, view_of(f->w->options->remote.host), view_of(f->w->remote.login),
		      view_of(f->folder->name), f->box.uidvalidity);
	f->notes.next = 1;
	r = folder_notes_read(f, &f->notes, &others);
	if (r < 0)
		return folder_fail(f, r, "read how far it came");
	if (f->notes.uidvalidity != 0 && f->notes.uidvalidity != f->box.uidvalidity) {
		if (!f->w->options->renumbered) {
			folder_say(f, "left alone: its UIDVALIDITY is another than in the last run "
				      "(--renumbered)");
			return 1;
		}
		f->notes.uidvalidity = f->notes.kept = 0;
		f->notes.modseq = 0;
	}
	if (f->folder->subscribed)
		(void)store_subscribe(f->w->store, folder_name_here(f), true, NULL);
	return folder_keep_uids(f);
}

static void folder_tell(const struct folder_import *f)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	const struct imap_totals *t = &f->totals;

	str_printf(&text, "%llu messages", (unsigned long long)t->messages);
	if (t->renumbered > 0)
		str_printf(&text, " (%llu with new UIDs)", (unsigned long long)t->renumbered);
	if (t->flags > 0)
		str_printf(&text, ", flags of %llu", (unsigned long long)t->flags);
	if (t->removed > 0)
		str_printf(&text, ", %llu removed", (unsigned long long)t->removed);
	if (t->left_out > 0)
		str_printf(&text, ", %llu left out", (unsigned long long)t->left_out);
	folder_say(f, "%s", str_cstr(&text));
}

static void totals_add(struct imap_totals *to, const struct imap_totals *more)
{
	to->messages += more->messages;
	to->bytes += more->bytes;
	to->flags += more->flags;
	to->removed += more->removed;
	to->left_out += more->left_out;
	to->renumbered += more->renumbered;
}

static const char *folder_uidl_format(const struct imap_import *w)
{
	static const char *const formats[] = { [REMOTE_OTHER] = "",
					       [REMOTE_DOVECOT] = "%08Xu%08Xv",
					       [REMOTE_COURIER] = "UID%u-%v",
					       [REMOTE_CYRUS] = "%v.%u" };

	return w->options->uidl != NULL ? w->options->uidl : formats[w->remote.kind];
}

int imap_import_folder(struct imap_import *w, const struct remote_folder *folder)
{
	_cleanup_free_ struct folder_import *f = mem_new(struct folder_import);
	int r;

	f->w = w;
	f->folder = folder;
	f->uidl = folder_uidl_format(w);
	r = remote_examine(&w->remote, folder->name, &f->box);
	if (r > 0) {
		folder_say(f, "left alone: %s", w->err->text);
		return 1;
	}
	if (r == 0)
		r = folder_prepare_here(f);
	if (r == 0)
		r = known_read(f);
	if (r == 0)
		r = folder_follow(f);
	if (r == 0)
		r = folder_fetch(f);
	if (r == 0 && f->notes.modseq != f->box.modseq) {
		f->notes.modseq = f->box.modseq;
		r = folder_notes_write(f);
	}
	folder_drop_batch(f);
	mailbox_close(f->local);
	free(f->known);
	if (r <= 0)
		folder_tell(f);
	totals_add(&w->totals, &f->totals);
	return r;
}
