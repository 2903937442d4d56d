/* posta queue, and mailq, postqueue, postsuper, postcat: one code, several old names. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "queue/queue.h"
#include "task/task.h"
#include "tools/instance.h"
#include "tools/tool.h"
#include "tools/verb_queue.h"

#define CONNECT_TIME ((msec_t)5000)
#define ANSWER_TIME  ((msec_t)600000)
#define REPLACE_TIME ((msec_t)10000)
#define JOBS_MAX     100000

static const char help[] =
	"usage: posta [-c CONFDIR] queue list [--json] [ID]\n"
	"       posta queue show [-e] [-h] [-b] ID       envelope, header, body; all without "
	"option\n"
	"       posta queue flush [ID... | --site DOMAIN]\n"
	"       posta queue hold|release|delete|requeue|expire ID...|ALL|-\n"
	"\n"
	"list      what waits, and why; '*' after the id: under delivery, '!': on hold\n"
	"flush     try again now\n"
	"hold      keep in the queue, untried, until release\n"
	"requeue   try again now, also what is on hold\n"
	"expire    return to the sender now\n"
	"-         reads the ids from standard input\n"
	"\n"
	"mailq, postqueue -p|-j|-f|-s DOMAIN|-i ID, postsuper -h|-H|-d|-r|-e|-f ID and postcat -q "
	"ID\n"
	"work as Postfix's. Status 1: there is no such message; 75: the mail system does not "
	"run,\n"
	"or the queue has not been read to its end yet.\n";

enum job_kind { JOB_LIST, JOB_SHOW, JOB_ACT };
struct job {
	enum job_kind kind;
	uint8_t action; /* QUEUE_ACT_... */
	unsigned parts; /* SHOW_... */
	bool json;
	char *id;   /* NULL: all */
	char *site; /* flush */
};
static struct {
	struct job *items;
	size_t count;
} jobs;

static struct job *add_job(enum job_kind kind)
{
	array_grow(jobs.items, jobs.count);
	jobs.items[jobs.count] = (struct job){ .kind = kind };
	return &jobs.items[jobs.count++];
}

/* ---- what was asked for ---- */

static int add_action_for(uint8_t action, const char *id)
{
	struct job *job;

	if (jobs.count >= JOBS_MAX)
		return tool_fail("queue", "more than %d messages: use ALL", JOBS_MAX);
	if (strcmp(id, "ALL") != 0 && !queue_id_is_valid(view_of(id)))
		return tool_usage("queue", "%s is no queue id", id);
	job = add_job(JOB_ACT);
	job->action = action;
	job->id = strcmp(id, "ALL") == 0 ? NULL : mem_strdup(id);
	return TOOL_DONE;
}

static int queue_add_action(uint8_t action, const char *id)
{
	char line[256];
	int status = TOOL_DONE;

	if (strcmp(id, "-") != 0)
		return add_action_for(action, id);
	while (status == TOOL_DONE && fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, " \t\r\n")] = '\0';
		if (line[0] != '\0')
			status = add_action_for(action, line);
	}
	return status;
}

static int parse_postqueue(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:fi:jps:v")) != -1) {
		switch (option) {
		case 'c':
			tool_set_directory(optarg);
			break;
		case 'f':
			queue_add_action(QUEUE_ACT_FLUSH, "ALL");
			break;
		case 'i':
			if (queue_add_action(QUEUE_ACT_FLUSH, optarg) != TOOL_DONE)
				return TOOL_USAGE;
			break;
		case 's':
			add_job(JOB_ACT)->site = mem_strdup(optarg);
			break;
		case 'j':
		case 'p':
			add_job(JOB_LIST)->json = option == 'j';
			break;
		case 'v':
			break;
		default:
			return tool_usage("queue", "postqueue: unknown option");
		}
	}
	return jobs.count > 0 ? TOOL_DONE
			      : tool_usage("queue", "postqueue: one of -p, -j, -f, -s, -i");
}

static int parse_postsuper(int argc, char **argv)
{
	static const struct {
		char option;
		uint8_t action;
	} actions[] = { { 'd', QUEUE_ACT_DELETE },
			{ 'e', QUEUE_ACT_EXPIRE },
			{ 'h', QUEUE_ACT_HOLD },
			{ 'H', QUEUE_ACT_RELEASE },
			{ 'r', QUEUE_ACT_REQUEUE } };
	int option, status = TOOL_DONE;

	while ((option = getopt(argc, argv, "c:d:e:f:h:H:r:psSv")) != -1) {
		if (option == '?')
			return tool_usage("queue", "postsuper: unknown option");
		if (option == 'c')
			tool_set_directory(optarg);
		for (size_t i = 0; i < ARRAY_SIZE(actions) && status == TOOL_DONE; i++)
			if (actions[i].option == option)
				status = queue_add_action(actions[i].action, optarg);
		/* Returned to the sender even if it is on hold. */
		if (option == 'f' && status == TOOL_DONE)
			status = queue_add_action(QUEUE_ACT_EXPIRE, optarg);
		if (option == 'f' && status == TOOL_DONE)
			status = queue_add_action(QUEUE_ACT_RELEASE, optarg);
		if (status != TOOL_DONE)
			return status;
	}
	/* -p and -s put Postfix's queue in order: qmgr does that by itself here. */
	return TOOL_DONE;
}

static int parse_show(int argc, char **argv)
{
	unsigned parts = 0;
	int option;

	while ((option = getopt(argc, argv, "c:behqv")) != -1) {
		if (option == '?')
			return tool_usage("queue", "%s: unknown option", argv[0]);
		if (option == 'c')
			tool_set_directory(optarg);
		parts |= option == 'e'	 ? SHOW_ENVELOPE
			 : option == 'h' ? SHOW_HEADER
			 : option == 'b' ? SHOW_BODY
					 : 0u;
	}
	if (optind == argc)
		return tool_usage("queue", "show which message?");
	for (; optind < argc; optind++) {
		struct job *job = add_job(JOB_SHOW);

		job->id = mem_strdup(argv[optind]);
		job->parts = parts ? parts : SHOW_ENVELOPE | SHOW_HEADER | SHOW_BODY;
	}
	return TOOL_DONE;
}

static int queue_list_parse(int argc, char **argv)
{
	struct job *job = add_job(JOB_LIST);

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			job->json = true;
		else if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
			tool_set_directory(argv[++i]);
		else if (argv[i][0] == '-' || job->id != NULL)
			return tool_usage("queue", "%s is not understood", argv[i]);
		else
			job->id = mem_strdup(argv[i]);
	}
	return TOOL_DONE;
}

static int parse_flush(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--site") == 0) {
		add_job(JOB_ACT)->site = mem_strdup(argv[2]);
		return TOOL_DONE;
	}
	if (argc == 1)
		return queue_add_action(QUEUE_ACT_FLUSH, "ALL");
	for (int i = 1; i < argc; i++)
		if (queue_add_action(QUEUE_ACT_FLUSH, argv[i]) != TOOL_DONE)
			return TOOL_USAGE;
	return TOOL_DONE;
}

static int parse_act(uint8_t action, int argc, char **argv)
{
	if (argc == 1)
		return tool_usage("queue", "%s which messages? ID, ALL or -", argv[0]);
	for (int i = 1; i < argc; i++) {
		int status = queue_add_action(action, argv[i]);

		if (status != TOOL_DONE)
			return status;
	}
	return TOOL_DONE;
}

static int parse_words(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint8_t action;
	} actions[] = { { "hold", QUEUE_ACT_HOLD },
			{ "release", QUEUE_ACT_RELEASE },
			{ "delete", QUEUE_ACT_DELETE },
			{ "requeue", QUEUE_ACT_REQUEUE },
			{ "expire", QUEUE_ACT_EXPIRE } };

	if (argc < 2)
		return tool_usage("queue", "what is to be done?");
	if (strcmp(argv[1], "list") == 0)
		return queue_list_parse(argc - 1, argv + 1);
	if (strcmp(argv[1], "show") == 0)
		return parse_show(argc - 1, argv + 1);
	if (strcmp(argv[1], "flush") == 0)
		return parse_flush(argc - 1, argv + 1);
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (strcmp(argv[1], actions[i].name) == 0)
			return parse_act(actions[i].action, argc - 1, argv + 1);
	return tool_usage("queue", "%s is not understood", argv[1]);
}

static int queue_parse_options(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*parse)(int argc, char **argv);
	} names[] = { { "mailq", queue_list_parse },
		      { "postqueue", parse_postqueue },
		      { "postsuper", parse_postsuper },
		      { "postcat", parse_show } };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(argv[0], names[i].name) == 0)
			return names[i].parse(argc, argv);
	return parse_words(argc, argv);
}

/* ---- doing it ---- */

int queue_failure(int r, const struct message *m)
{
	if (r < 0)
		return tool_fail("queue", "the queue manager does not answer: %s", strerror(-r));
	if (m->type == MSG_verdict) {
		tool_fail("queue", "%.*s", VIEW_ARG(m->verdict.text));
		return m->verdict.code / 100 == 4 ? TOOL_LATER : TOOL_NO;
	}
	return tool_fail("queue", "unexpected answer of the queue manager");
}

static const char *done_word(uint8_t action)
{
	static const char *const words[] = {
		[QUEUE_ACT_FLUSH] = "flushed",	  [QUEUE_ACT_HOLD] = "placed on hold",
		[QUEUE_ACT_RELEASE] = "released", [QUEUE_ACT_DELETE] = "deleted",
		[QUEUE_ACT_REQUEUE] = "requeued", [QUEUE_ACT_EXPIRE] = "expired",
	};

	return words[action];
}

/* While one queue manager takes over from another, or has just begun, it cannot be done: again. */
static bool is_too_early(int r, const struct message *m)
{
	return r == -ENODATA || (r == 0 && m->type == MSG_verdict && m->verdict.code == 451);
}

/*
 * What anybody may do is asked of showq; the rest, by those who reach its socket, of the queue
 * manager itself.
 */
static struct ipc *queue_connect(enum job_kind kind)
{
	struct ipc *ipc = NULL;

	if (kind != JOB_LIST)
		ipc = ipc_connect("private/qmgr", clock_after(CONNECT_TIME));
	if (ipc == NULL && (kind == JOB_LIST || errno == EACCES))
		ipc = ipc_connect("public/showq", clock_after(CONNECT_TIME));
	if (ipc != NULL)
		ipc_set_timeout(ipc, ANSWER_TIME);
	return ipc;
}

static int queue_manager_ask(struct ipc **ipc, const struct job *job, struct message *m)
{
	msec_t deadline = clock_after(REPLACE_TIME);
	int r;

	for (;;) {
		r = ipc_send(*ipc, queue_act, .action = job->action, .queue_id = view_of(job->id),
			     .site = view_of(job->site));
		if (r == 0)
			r = ipc_receive(*ipc, m);
		if (!is_too_early(r, m) || clock_now() >= deadline)
			return r;
		task_sleep(100);
		struct ipc *next = queue_connect(JOB_ACT);

		if (next == NULL)
			return r;
		ipc_free(*ipc);
		*ipc = next;
	}
}

static int queue_act_on(struct ipc **ipc, const struct job *job)
{
	struct message m;
	int r = queue_manager_ask(ipc, job, &m);

	if (r < 0 || m.type != MSG_queue_acted)
		return queue_failure(r, &m);
	if (job->id != NULL && m.queue_acted.count == 0)
		return tool_fail("queue", "%s: there is no such message that could be %s", job->id,
				 done_word(job->action));
	if (job->action != QUEUE_ACT_FLUSH)
		fprintf(stderr, "posta queue: %s: %llu message%s\n", done_word(job->action),
			(unsigned long long)m.queue_acted.count,
			m.queue_acted.count == 1 ? "" : "s");
	return TOOL_DONE;
}

static int queue_job_do(const struct job *job)
{
	_cleanup_(ipc_freep) struct ipc *ipc = queue_connect(job->kind);

	if (ipc == NULL) {
		tool_fail("queue", "the mail system does not run: %s", strerror(errno));
		return TOOL_LATER;
	}
	switch (job->kind) {
	case JOB_LIST:
		return queue_list(ipc, job->id, job->json);
	case JOB_SHOW:
		return queue_show(ipc, job->id, job->parts);
	default:
		return queue_act_on(&ipc, job);
	}
}

static void queue_work(void *unused)
{
	int status = TOOL_DONE;

	(void)unused;
	for (size_t i = 0; i < jobs.count; i++) {
		int r = queue_job_do(&jobs.items[i]);

		status = status == TOOL_DONE ? r : status;
	}
	task_quit(status);
}

int verb_queue(int argc, char **argv)
{
	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	int status = queue_parse_options(argc, argv);

	if (status != TOOL_DONE)
		return status;
	if (!instance_find("queue"))
		return TOOL_NO;
	status = task_run(queue_work, NULL);
	for (size_t i = 0; i < jobs.count; i++) {
		free(jobs.items[i].id);
		free(jobs.items[i].site);
	}
	free(TAKE(jobs.items));
	jobs.count = 0;
	return status;
}
