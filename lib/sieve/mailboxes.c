/*
 * Tests of the user's mailboxes: that they are there (RFC 5490), by id (RFC 9042) and by special use
 * (RFC 8579). Who runs the script knows the answers.
 */
#include "base/mem.h"
#include "sieve/run.h"

typedef bool mailbox_question(struct sieve_run *run, struct view text, struct view mailbox);

/* All of the strings. */
static bool mailbox_holds(struct sieve_run *run, const struct sieve_argument *list,
			  mailbox_question *holds, struct view mailbox)
{
	for (size_t i = 0; i < list->strings.count && sieve_step(run); i++) {
		_cleanup_(str_free) struct str text = STR_EMPTY;

		sieve_expand(run, str_view(&list->strings.items[i]), &text);
		if (!holds(run, str_view(&text), mailbox))
			return false;
	}
	return true;
}

static bool mailbox_is_there(struct sieve_run *run, struct view name, struct view unused)
{
	const struct sieve_host *host = run->message->host;

	(void)unused;
	return host == NULL ||
	       (host->mailbox_exists != NULL && host->mailbox_exists(run->message->argument, name));
}

bool sieve_test_mailboxexists(struct sieve_run *run, const struct sieve_node *node)
{
	return mailbox_holds(run, node->positional[0], mailbox_is_there, VIEW_NONE);
}

bool sieve_mailbox_by_id(struct sieve_run *run, struct view id, struct str *name)
{
	const struct sieve_host *host = run->message->host;

	return host != NULL && host->mailbox_by_id != NULL &&
	       host->mailbox_by_id(run->message->argument, id, name, &run->steps);
}

bool sieve_mailbox_by_use(struct sieve_run *run, struct view use, struct str *name)
{
	const struct sieve_host *host = run->message->host;

	return host != NULL && host->mailbox_by_use != NULL &&
	       host->mailbox_by_use(run->message->argument, use, name, &run->steps);
}

static bool mailbox_has_id(struct sieve_run *run, struct view id, struct view unused)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;

	(void)unused;
	return sieve_mailbox_by_id(run, id, &name);
}

bool sieve_test_mailboxidexists(struct sieve_run *run, const struct sieve_node *node)
{
	return mailbox_holds(run, node->positional[0], mailbox_has_id, VIEW_NONE);
}

static bool mailbox_has_use(struct sieve_run *run, struct view use, struct view mailbox)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	const struct sieve_host *host = run->message->host;

	if (mailbox.len == 0)
		return sieve_mailbox_by_use(run, use, &name);
	return host != NULL && host->mailbox_has_use != NULL &&
	       host->mailbox_has_use(run->message->argument, mailbox, use);
}

bool sieve_test_specialuse_exists(struct sieve_run *run, const struct sieve_node *node)
{
	_cleanup_(str_free) struct str mailbox = STR_EMPTY;

	if (node->positional[0] != NULL)
		sieve_string(run, node->positional[0], &mailbox);
	return mailbox_holds(run, node->positional[1], mailbox_has_use, str_view(&mailbox));
}
