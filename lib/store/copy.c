/* COPY and MOVE within a mailbox. Files are linked where possible and never half there. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/files.h"
#include "store/folders.h"
#include "store/mailbox_folder.h"
#include "store/owed.h"
#include "store/usage.h"

struct copy_work {
	struct mailbox *mailbox;
	const uint32_t *seqs; /* NULL: all of the snapshot */
	size_t count;
	struct view target;
	bool move;
	struct copy_result *result;
};

/* The state of one run of the transaction. */
struct copy {
	struct tx *tx;
	struct copy_work *work;
	struct folder *from, *to; /* may be the same */
	int64_t saved;		  /* now */
	/* Bit in `to` of each bit in `from`; -1: none, -2: not asked yet. */
	int8_t words[KEYWORDS_MAX];
	bool new_words; /* `to` has keywords that its file does not name yet */
};

/* ---- keywords keep their names, not their numbers ---- */

static int translate_bit(struct copy *copy, unsigned bit)
{
	struct key key = key_word(copy->from->r.id, (uint8_t)bit);
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct view found;
	int r = tx_get(copy->tx, DB_KEYWORDS, key_view(&key), &found);

	if (r < 0)
		return r == -ENOENT ? -1 : r;
	str_append(&name, found);
	r = keyword_find(copy->tx, copy->to->r.id, str_view(&name));
	if (r != -ENOENT)
		return r;
	copy->new_words = true;
	r = keyword_add(copy->tx, copy->to->r.id, str_view(&name));
	/* A folder with too many keywords gets the message without this one. */
	return r == -ERANGE ? -1 : r;
}

static int translate_keywords(struct copy *copy, uint64_t *keywords)
{
	uint64_t translated = 0;

	if (copy->from->r.id == copy->to->r.id)
		return 0;
	for (uint64_t left = *keywords; left != 0; left &= left - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(left);

		if (copy->words[bit] == -2) {
			int r = translate_bit(copy, bit);

			if (r < -1)
				return r;
			copy->words[bit] = (int8_t)r;
		}
		if (copy->words[bit] >= 0)
			translated |= 1ULL << copy->words[bit];
	}
	*keywords = translated;
	return 0;
}

/* ---- files of copies ---- */

/* Where hard links are not to be had: other file system, too many links. */
static int store_copy_file(const char *from, const char *to)
{
	_cleanup_fd_ int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_fd_ int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat st;
	ssize_t n;

	if (in < 0 || out < 0 || fstat(in, &st) < 0)
		return -errno;
	do
		n = sendfile(out, in, NULL, 1 << 20);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return -errno;

	struct timespec times[2] = { st.st_atim, st.st_mtim };

	if (futimens(out, times) < 0 || fsync(out) < 0)
		return -errno;
	return 0;
}

static int link_file(const char *from, const char *to)
{
	if (link(from, to) == 0)
		return 0;
	if (errno == EEXIST) {
		/* Left by a run of this transaction that had to begin again. */
		unlink(to);
		if (link(from, to) == 0)
			return 0;
	}
	if (errno == EXDEV || errno == EMLINK || errno == EPERM)
		return store_copy_file(from, to);
	return -errno;
}

/* The file's present path; found by its name's lasting part if another program renamed it. */
static int source_path(struct copy *copy, const struct mail_record *mail, struct str *path)
{
	_cleanup_(str_free) struct str found = STR_EMPTY;
	struct folder other, *where = copy->from;
	enum part part;
	int r = 0;

	if (mail->where != where->r.id) {
		where = &other;
		r = folder_load(copy->tx, mail->where, &other);
	}
	if (r < 0)
		return r;
	folder_part_path(copy->tx->store, where, mail->part, path);
	str_printf(path, "/%.*s", VIEW_ARG(mail->file));
	if (access(str_cstr(path), F_OK) == 0)
		return 0;
	str_clear(path);
	folder_directory(copy->tx->store, where, path);
	r = file_locate(str_cstr(path), mail->file, NULL, &part, &found);
	if (r == 0)
		str_printf(path, "/%s/%s", part_name(part), str_cstr(&found));
	return r;
}

/*
 * The copy's file, in the target's tmp/ until the index has it: a crash before that leaves nothing
 * that anybody sees.
 */
static int message_make_copy(struct copy *copy, const struct state_record *state, struct mail *mail)
{
	_cleanup_(str_free) struct str from = STR_EMPTY, to = STR_EMPTY, name = STR_EMPTY;
	int r = source_path(copy, &mail->r, &from);

	if (r < 0)
		return r;
	mail_target_name(&name, copy->to->r.uidnext, &mail->r, state);
	str_truncate(&name, view_find_byte(str_view(&name), ':'));
	folder_part_path(copy->tx->store, copy->to, PART_TMP, &to);
	str_printf(&to, "/%s", str_cstr(&name));
	r = link_file(str_cstr(&from), str_cstr(&to));
	if (r < 0)
		return r;
	memcpy(mail->file, name.data, name.len + 1);
	mail->r.file = view_make(mail->file, name.len);
	mail->r.part = PART_TMP;
	mail->r.where = copy->to->r.id;
	return content_share(copy->tx, mail->r.content);
}

/* ---- the transaction ---- */

static int copy_one(struct copy *copy, uint32_t uid)
{
	struct copy_result *result = copy->work->result;
	struct state_record before, state;
	struct mail mail;
	int r = state_load(copy->tx, copy->from->r.id, uid, &before);

	if (r == 0)
		r = mail_load(copy->tx, copy->from->r.id, uid, &mail);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	state = before;
	r = translate_keywords(copy, &state.keywords);
	if (r == 0 && copy->work->move)
		r = message_remove(copy->tx, copy->from, uid, &before, &mail.r);
	else if (r == 0)
		r = message_make_copy(copy, &state, &mail);
	/* The file is lost: as if the message were gone already. */
	if (r == -ENOENT)
		return 0;
	mail.r.saved = copy->saved;
	result->from[result->count] = uid;
	result->to[result->count] = copy->to->r.uidnext;
	if (r == 0)
		r = message_insert(copy->tx, copy->to, &state, &mail.r);
	result->count += r == 0;
	return r;
}

/* The UID at that place of the list. */
static uint32_t copy_uid(const struct copy_work *work, size_t i)
{
	return mailbox_uid(work->mailbox, work->seqs != NULL ? work->seqs[i] : (uint32_t)i + 1);
}

/* A move takes no more room, but where the one folder is not counted, or the other has a limit of its own. */
static int copy_check_quota(struct copy *copy)
{
	const struct copy_work *work = copy->work;
	const struct folder *from = copy->from, *to = copy->to;
	const struct quota *quota = store_quota(copy->tx->store);
	struct quota_size more = { 0 };
	int r = 0;

	if (quota == NULL || (work->move && to == from))
		return 0;
	for (size_t i = 0; i < work->count && (r == 0 || r == -ENOENT); i++) {
		struct mail mail;

		r = mail_load(copy->tx, from->r.id, copy_uid(work, i), &mail);
		if (r < 0)
			continue;
		more.bytes += mail_wire_size(&mail.r);
		more.messages++;
	}
	if (r < 0 && r != -ENOENT)
		return r;
	return usage_check(copy->tx, to, &more, &(const struct quota_size){ 0 },
			   work->move && quota_counts(quota, from->r.name, from->r.special_use));
}

static int finish_target(struct copy *copy)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int r = 0;

	if (!copy->work->move) {
		folder_part_path(copy->tx->store, copy->to, PART_TMP, &path);
		r = io_sync_directory(str_cstr(&path));
	}
	if (copy->new_words)
		(void)keywords_write(copy->tx, copy->to);
	if (r == 0)
		r = folder_save(copy->tx, copy->to);
	if (r == 0 && copy->work->move && copy->from != copy->to)
		r = folder_save(copy->tx, copy->from);
	return r;
}

static int copy_all(struct tx *tx, void *argument)
{
	struct copy_work *work = argument;
	struct folder from, to;
	struct copy copy = {
		.tx = tx, .work = work, .from = &from, .to = &to, .saved = clock_wall()
	};
	int r = mailbox_load_folder(tx, work->mailbox, &from);

	work->result->count = 0;
	memset(copy.words, -2, sizeof(copy.words));
	if (r == 0)
		r = folder_find(tx, work->target, &to);
	if (r < 0)
		return r;
	/* In an index that is newer than our preparation. */
	if (to.r.adopt)
		return -EAGAIN;
	if (to.r.id == from.r.id)
		copy.to = &from;
	r = copy_check_quota(&copy);
	if (r < 0)
		return r;
	r = folder_reserve_uids(tx, copy.to, (uint32_t)work->count);
	folder_advance(copy.to);
	if (work->move && copy.to != &from)
		folder_advance(&from);
	for (size_t i = 0; i < work->count && r == 0; i++)
		r = copy_one(&copy, copy_uid(work, i));
	work->result->uidvalidity = copy.to->r.uidvalidity;
	return r < 0 || work->result->count == 0 ? r : finish_target(&copy);
}

static int try_copy(struct copy_work *work)
{
	struct store *store = work->mailbox->store;
	struct folder folder;
	int r = work->move ? 0 : usage_refresh(store);

	if (r == 0)
		r = folder_prepare(store, work->target, &folder);
	return r < 0 ? r : mailbox_write(work->mailbox, WRITE_DURABLE, copy_all, work);
}

int mailbox_copy(struct mailbox *mailbox, const uint32_t *seqs, size_t count, struct view target,
		 bool move, struct copy_result *result)
{
	_cleanup_(str_free) struct str normal = STR_EMPTY;
	struct copy_work work = { mailbox, seqs, count, VIEW_NONE, move, result };
	int r = store_name_normalize(target, &normal, NULL);

	*result = (struct copy_result){ 0 };
	if (move && mailbox->mode != MAILBOX_READ_WRITE)
		return -EPERM;
	if (seqs == NULL)
		work.count = mailbox->count;
	result->from = mem_new_array(uint32_t, work.count + 1);
	result->to = mem_new_array(uint32_t, work.count + 1);
	work.target = str_view(&normal);
	if (r == 0)
		r = try_copy(&work);
	if (r == -EAGAIN)
		r = try_copy(&work);
	if (r < 0)
		copy_result_free(result);
	return r;
}

void copy_result_free(struct copy_result *result)
{
	free(result->from);
	free(result->to);
	*result = (struct copy_result){ 0 };
}
