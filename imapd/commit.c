/*
 * When changes of flags become durable: a moment after they were acknowledged, together with all that came meanwhile;
 * before any client that knows mod-sequences hears of them, for such a client builds upon what it was told (RFC 7162); at
 * once where a client asks (CHECK), and when it leaves.
 */
#include "base/mem.h"
#include "session.h"

/* Lives as long as its task. */
struct commit_later {
	struct store *store; /* NULL: there is nothing to do any more */
};

static struct commit_later *commit_later;

static void commit_wait(void *argument)
{
	struct commit_later *later = argument;

	task_sleep(STORE_COMMIT_DELAY);
	/* A failure is logged, and told by what the mailboxes show then. */
	if (later->store != NULL)
		(void)store_commit(later->store);
	if (commit_later == later)
		commit_later = NULL;
	free(later);
}

static void commit_later_begin(const struct imap_session *s)
{
	if (commit_later != NULL || store_is_committed(s->store))
		return;
	commit_later = mem_new(struct commit_later);
	commit_later->store = s->store;
	task_spawn("commit", commit_wait, commit_later);
}

int imap_change_flags(struct imap_session *s, const uint32_t *seqs, size_t count,
		      struct flag_change *change, struct flag_result *result)
{
	int r;

	change->may_wait = true;
	r = mailbox_change_flags(s->mailbox, seqs, count, change, result);
	/* Before anything is sent: the client may take its time to read, and others who write must not wait for it. */
	commit_later_begin(s);
	return r;
}

/* For stream_before_sending. */
static int commit_before_sending(void *argument)
{
	const struct imap_session *s = argument;

	return s->condstore ? store_commit(s->store) : 0;
}

void imap_commit_begin(struct imap_session *s)
{
	stream_before_sending(s->io, commit_before_sending, s);
}

void imap_commit_end(struct imap_session *s)
{
	stream_before_sending(s->io, NULL, NULL);
	(void)store_commit(s->store);
	if (commit_later != NULL)
		TAKE(commit_later)->store = NULL;
}
