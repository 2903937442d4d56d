/*
 * Messages that scripts want sent. This process may not: they go to whoever asked for the delivery,
 * which sends them and has it noted here, so that a delivery that is done again does not ask anew.
 */
#include "deliver.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "ipc/content.h"
#include "sieve/memory.h"
#include "sieve/sieve.h"
#include "store/deliver.h"

#define DAY_USEC    ((int64_t)86400 * 1000000)
#define DAY_MSEC    ((int64_t)86400 * 1000)
#define DAYS_BEYOND 2 /* a message may be delivered once more after its time */

/* ---- noted ---- */

static void sent_identity(struct view identity, uint8_t kind, struct str *name)
{
	str_append(name, identity);
	str_append_cstr(name, kind == SIEVE_MAIL_REDIRECT ? "r" : "a");
}

/* Only what may have been done before is looked for. */
static bool was_sent(const struct sieve_delivery *d, uint8_t kind)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;

	if (!d->source->again || d->source->identity.len == 0)
		return false;
	sent_identity(d->source->identity, kind, &name);
	return sieve_sent_has(d->maildir, d->source->arrival / DAY_USEC, str_view(&name));
}

int child_note_sent(struct ipc *ipc, const struct msg_work_sent *m)
{
	_cleanup_free_ char *path = mem_strndup(m->path.data, m->path.len);
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct error err = ERROR_NONE;
	int64_t keep = param.maximal_queue_lifetime / DAY_MSEC + DAYS_BEYOND;

	if (path[0] != '/')
		return -EBADMSG;
	sent_identity(m->identity, m->sent, &name);
	if (sieve_sent_note(path, m->arrival / DAY_USEC, str_view(&name), keep, &err) < 0)
		return answer_reply(ipc, OUTCOME_DEFERRED, "4.3.0", "%s", err.text);
	return answer_reply(ipc, OUTCOME_DELIVERED, "2.0.0", "noted");
}

/* ---- sent ---- */

/* A large content goes as a file in memory: one of the user's folder would count as the user's. */
static int content_file(struct view content, struct error *err)
{
	_cleanup_fd_ int fd = memfd_create("content", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return error_errno(err, "make a file in memory");
	r = io_write_all(fd, content.data, content.len);
	return r < 0 ? error_code(err, r, "write a file in memory") : TAKE_FD(fd);
}

/* 0, or a negative errno with the reason. An empty content: the message itself. */
static int mail_send(struct sieve_delivery *d, uint8_t kind, struct view recipient,
		     struct view content, struct error *err)
{
	struct io_source source = { .file = -1, .size = content.len, .bytes = content.data };
	_cleanup_fd_ int fd = -1;
	int r;

	if (content.len > IPC_CONTENT_MAX) {
		fd = content_file(content, err);
		if (fd < 0)
			return fd;
		source.bytes = NULL;
		source.file = fd;
	}
	r = content.len == 0 ? ipc_send(d->ipc, sieve_mail, .kind = kind, .recipient = recipient)
			     : ipc_send(d->ipc, sieve_mail, .kind = kind, .recipient = recipient,
					CONTENT_SENT(&source));
	return r < 0 ? error_code(err, r, "hand over a message") : 0;
}

/*
 * The same message to the same address once in a while: users who redirect to each other would make
 * of one message as many as there are ways through them. What cannot be remembered goes on all the same.
 */
static bool redirect_is_due(struct sieve_delivery *d, struct view address)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	struct error err = ERROR_NONE;
	int64_t period = param.sieve_redirect_duplicate_period / 1000;
	int r;

	if (period == 0 || !sieve_redirect_key(d->message, address, &key))
		return true;
	r = sieve_memory_note(d->maildir, str_view(&key), d->source->identity, d->message->now,
			      d->message->now + period, false, &err);
	if (r < 0)
		log_warning("sieve: cannot remember a redirect: %s", err.text);
	return r <= 0;
}

int sieve_send_redirect(struct sieve_delivery *d, const struct sieve_action *action,
			struct error *err)
{
	if (was_sent(d, SIEVE_MAIL_REDIRECT))
		return 0;
	if (!redirect_is_due(d, str_view(&action->text))) {
		str_append_cstr(&d->done, " (went there before)");
		return 0;
	}
	return mail_send(d, SIEVE_MAIL_REDIRECT, str_view(&action->text), d->changed, err);
}

/* Once in a while for each sender; remembered before it is sent. */
static int answer_is_due(struct sieve_delivery *d, const struct sieve_action *action)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	struct error err = ERROR_NONE;
	int64_t least = MAX(param.sieve_vacation_min_period / 1000, (int64_t)1);
	int64_t most = MAX(param.sieve_vacation_max_period / 1000, least);
	int64_t seconds = (int64_t)MIN(action->seconds, (uint64_t)most);
	int r;

	sieve_vacation_key(d->message, action, &key);
	r = sieve_memory_note(d->maildir, str_view(&key), d->source->identity, d->message->now,
			      d->message->now + MAX(seconds, least), false, &err);
	/* What cannot be remembered is not answered: the next message would be answered too. */
	if (r < 0)
		log_warning("no answer of vacation: %s", err.text);
	return r == 0;
}

int sieve_send_answer(struct sieve_delivery *d, const struct sieve_action *action,
		      struct error *err)
{
	_cleanup_(str_free) struct str content = STR_EMPTY;
	const char *why = sieve_vacation_refusal(d->message, action);

	if (why != NULL) {
		str_printf(&d->done, " (no answer: %s)", why);
		return 0;
	}
	if (was_sent(d, SIEVE_MAIL_ANSWER) || !answer_is_due(d, action)) {
		str_append_cstr(&d->done, " (answered before)");
		return 0;
	}
	sieve_vacation_compose(d->message, action, &content);
	str_append_cstr(&d->done, " (answered)");
	return mail_send(d, SIEVE_MAIL_ANSWER, d->message->sender, str_view(&content), err);
}

/* As an answer: from nobody, and noted together with those. */
int sieve_send_notification(struct sieve_delivery *d, const struct sieve_action *action,
			    struct error *err)
{
	_cleanup_(str_free) struct str content = STR_EMPTY;
	const char *why = sieve_notify_refusal(d->message);

	if (why != NULL) {
		str_printf(&d->done, " (not told: %s)", why);
		return 0;
	}
	if (was_sent(d, SIEVE_MAIL_ANSWER))
		return 0;
	sieve_notify_compose(d->message, action, &content);
	return mail_send(d, SIEVE_MAIL_ANSWER, str_view(&action->text), str_view(&content), err);
}
