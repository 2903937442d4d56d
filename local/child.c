/*
 * The life of a child of local-deliver, which has become one user, and storing as that user.
 */
#include "deliver.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "ipc/content.h"
#include "store/quota.h"
#include "store/store.h"
#include "task/task.h"

/* ---- storing ---- */

/* NULL: nothing limits this mailbox. */
static int child_take_quota(const struct msg_work_store *m, const char *path, struct quota **quota,
			    struct error *err)
{
	int r = quota_parse(m->quota, quota, err);

	if (r == 0 && *quota != NULL)
		quota_take_maildirsize(*quota, path);
	return r;
}

static int child_store(struct ipc *ipc, struct msg_work_store *m)
{
	_cleanup_(io_source_close) struct io_source content = { .file = -1 };
	const struct store_options index = {
		.index_limit = (uint64_t)param.mailbox_index_limit,
		.tombstone_time = param.mailbox_tombstone_time / 1000,
		.create = true,
		.leave_owed = true,
	};
	struct mail_source source = { .prefix = m->headers, .index = &index };
	_cleanup_free_ char *path = mem_strndup(m->path.data, m->path.len);
	_cleanup_(quota_freep) struct quota *quota = NULL;
	_cleanup_(str_free) struct str folder = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r;

	if (CONTENT_TAKEN(m, &content) < 0 || path[0] != '/')
		return -EBADMSG;
	source.content = content;
	source.identity = m->identity;
	source.arrival = m->arrival;
	source.again = m->again;
	if (m->check.len > 0) {
		r = child_check(m->check, false, m->target, &err);
		if (r < 0)
			return answer_reply(ipc, OUTCOME_DEFERRED, "4.3.0", "%s", err.text);
	}
	if (child_take_quota(m, path, &quota, &err) < 0)
		return answer_reply(ipc, OUTCOME_DEFERRED, "4.3.5",
				    "mail system configuration error (%s)", err.text);
	source.quota = quota;
	source.admit = quota != NULL ? quota_admit : NULL;
	source.packs = strcmp(param.mailbox_compress, "zstd") == 0;
	if (m->format == STORE_MAILDIR && m->scripts) {
		r = child_sieve(ipc, m, path, &source);
		if (r != SIEVE_NONE)
			return r;
	}
	str_append(&folder, m->folder);
	if (m->format == STORE_MAILDIR) {
		if (m->folder.len == 0 && m->target.len == 0 && !m->released)
			junk_default_folder(path, &source.content, &folder);
		if (folder.len == 0 && m->target.len == 0)
			detail_default_folder(path, m->recipient, &folder);
		r = maildir_deliver(path, str_view(&folder), m->folder.len == 0, &source, NULL,
				    &err);
	} else {
		struct mbox_options options = {
			.mode = 0600,
			/* A file that an alias or a .forward names may belong to anybody. */
			.owner = param.strict_mailbox_ownership && m->target.len == 0
					 ? geteuid()
					 : MBOX_ANY_OWNER,
			.limit = m->limit,
			.locks = param.mailbox_delivery_lock,
			.deadline =
				clock_after(param.deliver_lock_attempts * param.deliver_lock_delay),
		};

		r = mbox_deliver(path, &options, m->sender, &source, &err);
	}
	if (quota != NULL && (r == -EFBIG || r == -EMSGSIZE))
		return answer_over_quota(ipc, r, &err);
	if (r == -EFBIG)
		return answer_reply(ipc, OUTCOME_FAILED, "5.2.2", "%s", err.text);
	if (r < 0)
		return answer_failure(ipc, r, &err);
	if (m->target.len > 0)
		return answer_reply(ipc, OUTCOME_DELIVERED, "2.0.0", "delivered to file: %.*s",
				    VIEW_ARG(m->target));
	return answer_reply(ipc, OUTCOME_DELIVERED, "2.0.0", "delivered to %s",
			    m->format == STORE_MAILDIR ? "maildir" : "mailbox");
}

static int open_source(struct ipc *ipc, const struct msg_work_open *m)
{
	struct error err = ERROR_NONE;
	_cleanup_fd_ int fd = child_open_source(m->paths, &err);

	if (fd == -ENOENT)
		return ipc_send(ipc, source_file, .found = 0);
	if (fd == -EPERM) {
		log_warning("%s: not used", err.text);
		return ipc_send(ipc, source_file, .found = 0);
	}
	if (fd < 0)
		return answer_reply(ipc, OUTCOME_DEFERRED, "4.3.0", "%s", err.text);
	return ipc_send(ipc, source_file, .found = 1, .file = fd);
}

/* ---- life ---- */

void child_close_others(int keep)
{
	int low = MIN(keep, log_descriptor()), high = MAX(keep, log_descriptor());

	if (low > 3)
		close_range(3, (unsigned)low - 1, 0);
	if (high > low + 1)
		close_range((unsigned)MAX(low + 1, 3), (unsigned)high - 1, 0);
	close_range((unsigned)MAX(high + 1, 3), ~0U, 0);
}

static int child_answer_request(struct ipc *ipc, enum worker_kind kind, struct message *m)
{
	if (kind == WORKER_STORE && m->type == MSG_work_store)
		return child_store(ipc, &m->work_store);
	if (kind == WORKER_STORE && m->type == MSG_work_sent)
		return child_note_sent(ipc, &m->work_sent);
	if (kind == WORKER_STORE && m->type == MSG_work_open)
		return open_source(ipc, &m->work_open);
	if (kind != WORKER_STORE && m->type == MSG_work_run)
		return child_run(ipc, &m->work_run);
	if (kind != WORKER_STORE && m->type == MSG_work_spawn)
		return child_spawn(ipc, &m->work_spawn);
	message_close_fd(m);
	return -EBADMSG;
}

/* The administrator's choice, of master.cf: whose folder it is does not matter. */
static int enter_chroot(const char *path, struct error *err)
{
	if (chdir(path) < 0 || chroot(".") < 0)
		return error_errno(err, "chroot to %s", path);
	return 0;
}

void child_serve(int fd, enum worker_kind kind, const struct target *target)
{
	struct error err = ERROR_NONE;
	struct message m;
	struct ipc *ipc;

	if ((target->chroot != NULL && enter_chroot(target->chroot, &err) < 0) ||
	    daemon_become(target->uid, target->gid, target->name, NULL, &err) < 0 ||
	    (kind == WORKER_STORE && daemon_confine(STORE_CALLS, &err) < 0)) {
		log_error("%s", err.text);
		_exit(1);
	}
	if (kind != WORKER_STORE)
		child_run_prepare();
	ipc = ipc_new(fd);
	ipc_set_timeout(ipc, MSEC_FOREVER);
	while (ipc_receive(ipc, &m) == 0)
		if (child_answer_request(ipc, kind, &m) < 0 || ipc_flush(ipc) < 0)
			break;
	log_flush();
	_exit(0);
}
