/* Between verb_queue.c and what its words are done by. */
#ifndef TOOLS_VERB_QUEUE_H
#define TOOLS_VERB_QUEUE_H

#include "tools/queue_entries.h"
#include "tools/queue_failure.h"

/* Which messages; NULL and 0: any. Of recipients one must fit in all that is asked of them. */
struct queue_filter {
	const char *sender, *recipient; /* an address, or "@domain"; "<>": no sender */
	const char *site;		/* domain of a recipient */
	const char *reason;		/* a piece of it */
	int64_t age;			/* at least so many seconds */
};
bool queue_filter_takes(const struct queue_filter *filter, const struct queue_entry *entry);

enum queue_form { QUEUE_AS_TEXT, QUEUE_AS_JSON, QUEUE_AS_OUR_JSON };
int queue_list(const struct queue_source *source, const struct queue_filter *filter,
	       enum queue_form form);

/* Counts by site, sender and reason. */
int queue_top(const struct queue_source *source);

/* qshape's table. */
struct queue_shape {
	unsigned states; /* 1 << QUEUE_STATE_... */
	bool by_sender, linear;
	uint32_t buckets, minutes, width; /* at most 32 buckets */
};
int queue_shape(const struct queue_source *source, const struct queue_shape *wish);

/* What is to be done, in this order. */
enum job_kind { JOB_LIST, JOB_TOP, JOB_SHAPE, JOB_SHOW, JOB_SHOW_FILE, JOB_ACT };
struct queue_job {
	enum job_kind kind;
	uint8_t action; /* QUEUE_ACT_... */
	unsigned parts; /* SHOW_... */
	enum queue_form form;
	char *id;   /* NULL: all; JOB_SHOW_FILE: the path */
	char *site; /* flush */
};
struct queue_orders {
	struct queue_job *items;
	size_t count;
	struct queue_filter filter;
	struct queue_shape shape;
	/* postsuper: the folders that it is to look at, and what it says a sum of. */
	bool has_states;
	uint8_t states; /* 1 << QUEUE_STATE_...; with has_states and 0 there is nothing to do */
	bool asked[QUEUE_ACT_EXPIRE + 1];
};
/* sysexits.h: what postqueue says of all that it cannot do. */
#define QUEUE_UNAVAILABLE 69
/* Reads the command line; *status is TOOL_DONE, or what it is to end with. Kept until the end. */
const struct queue_orders *queue_parse(int argc, char **argv, int *status);

enum { SHOW_ENVELOPE = 1, SHOW_HEADER = 2, SHOW_BODY = 4 };
/* What is in the queue file, as qmgr hands it over (NULL: as it is on the disk). */
int queue_show(struct ipc *ipc, const char *id, unsigned parts);
/* The same of a file that is named by its path. */
int queue_show_file(const char *path, unsigned parts);

#endif
