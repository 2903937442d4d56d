/*
 * What waits in the queue, one message after the other, for the verbs that list it: from showq, or,
 * while the mail system is down and for those who may read the queue, from the disk. After it, for
 * those who may look there, what waits in the maildrop (queue/maildrop.h).
 *
 *	static int print_entry(void *argument, const struct queue_entry *entry) ...
 *	status = queue_entries(&(struct queue_source){ .down_status = TOOL_LATER }, print_entry, NULL);
 */
#ifndef TOOLS_QUEUE_ENTRIES_H
#define TOOLS_QUEUE_ENTRIES_H

#include "base/str.h"
#include "ipc/ipc.h"
#include "queue/queue.h"

struct queue_entry_recipient {
	size_t address, reason; /* offsets in the entry's text */
	size_t address_size, reason_size;
};
struct queue_entry {
	char id[QUEUE_ID_LENGTH_MAX];
	uint8_t state;	  /* QUEUE_STATE_... */
	bool expired;	  /* by hand */
	bool in_maildrop; /* not in the queue yet: a local user's, whose file has this name */
	uint64_t size;
	int64_t arrival, next; /* seconds */
	struct str sender;
	struct str text;
	struct queue_entry_recipient *recipients; /* those that are still to be delivered */
	size_t count, allocated;
};

static inline struct view queue_entry_address(const struct queue_entry *e, size_t which)
{
	return view_make(str_cstr(&e->text) + e->recipients[which].address,
			 e->recipients[which].address_size);
}
static inline struct view queue_entry_reason(const struct queue_entry *e, size_t which)
{
	return view_make(str_cstr(&e->text) + e->recipients[which].reason,
			 e->recipients[which].reason_size);
}
/* "deferred" */
const char *queue_entry_state_name(const struct queue_entry *e);

struct queue_source {
	const char *id;	 /* of one message only, or NULL */
	int down_status; /* the tool's status if the system is down and we may not look */
	bool quiet;	 /* not a word about that, nor about what goes wrong */
};
/*
 * Calls `each` for every message, the oldest first; stops when it returns something that is not 0.
 * A tool status: TOOL_LATER if there may be more than could be told. As a task.
 */
int queue_entries(const struct queue_source *source,
		  int (*each)(void *argument, const struct queue_entry *entry), void *argument);

/*
 * A connection to the first of these services that lets us in; NULL with errno. One that is being
 * started again is waited for, but not a system that is down.
 */
struct ipc *queue_connect(const char *const *services);
/* The message's file, read by ourselves; a negative errno. For whoever may read the queue. */
int queue_entry_open(const char *id, struct queue **queue, struct queue_file **file,
		     struct error *err);

#endif
