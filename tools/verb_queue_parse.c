/*
 * What the verbs about the queue were asked for: the words of posta queue, and the options of
 * Postfix's commands. Every operand is used, or it is refused.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tools/tool.h"
#include "tools/verb_queue.h"

#define JOBS_MAX 100000

static struct queue_orders orders;

static struct queue_job *add_job(enum job_kind kind)
{
	orders.items = mem_resize(orders.items, orders.count + 1, sizeof(*orders.items));
	orders.items[orders.count] = (struct queue_job){ .kind = kind };
	return &orders.items[orders.count++];
}

/* ---- what was asked for ---- */

static int add_action_for(uint8_t action, const char *id)
{
	struct queue_job *job;

	if (orders.count >= JOBS_MAX)
		return queue_fail("more than %d messages: use ALL", JOBS_MAX);
	if (strcmp(id, "ALL") != 0 && !queue_id_is_valid(view_of(id))) {
		if (!queue_failure_as_postfix())
			return tool_usage("queue", "%s is no queue id", id);
		queue_warn("invalid mail queue id: %s", id); /* and on with the others */
		return TOOL_DONE;
	}
	job = add_job(JOB_ACT);
	job->action = action;
	job->id = strcmp(id, "ALL") == 0 ? NULL : mem_strdup(id);
	return TOOL_DONE;
}

static int queue_add_action(uint8_t action, const char *id)
{
	char line[256];
	int status = TOOL_DONE;

	orders.asked[action] = true;
	if (strcmp(id, "-") != 0)
		return add_action_for(action, id);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		int r = TOOL_DONE;

		line[strcspn(line, " \t\r\n")] = '\0';
		/* One that cannot be does not keep the others. */
		if (line[0] != '\0')
			r = add_action_for(action, line);
		status = status == TOOL_DONE ? r : status;
	}
	return status;
}

/* The name of a folder of Postfix's queue as a state; 0: there is none such here; negative: none. */
static int queue_name_state(const char *name)
{
	static const struct {
		const char *name;
		int states;
	} names[] = {
		{ "incoming", 1 << QUEUE_STATE_INCOMING },
		{ "active", 1 << QUEUE_STATE_ACTIVE },
		{ "deferred", 1 << QUEUE_STATE_DEFERRED },
		{ "hold", 1 << QUEUE_STATE_HOLD },
		/* What these hold is in the message itself here. */
		{ "maildrop", 0 },
		{ "defer", 0 },
		{ "bounce", 0 },
		{ "trace", 0 },
		{ "flush", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].states;
	return -EINVAL;
}

static int postqueue_usage(void)
{
	queue_fail("usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | "
		   "postqueue -s site");
	return QUEUE_UNAVAILABLE;
}

static bool is_site(const char *site)
{
	size_t len = strlen(site);

	return len > 0 && len <= 255 && strspn(site, "@ \t,") == 0 &&
	       !view_has_control(view_of(site));
}

static int postqueue_option(int option, const char *value)
{
	switch (option) {
	case 'c':
		tool_set_directory(value);
		return TOOL_DONE;
	case 'v':
		return TOOL_DONE;
	case 'f':
		return queue_add_action(QUEUE_ACT_FLUSH, "ALL");
	case 'i':
		if (queue_id_is_valid(view_of(value)))
			return queue_add_action(QUEUE_ACT_FLUSH, value);
		queue_fail("Cannot flush queue ID - invalid name: \"%.100s\"", value);
		return QUEUE_UNAVAILABLE;
	case 's':
		if (is_site(value)) {
			add_job(JOB_ACT)->site = mem_strdup(value);
			return TOOL_DONE;
		}
		queue_fail("Cannot flush mail queue - invalid destination: \"%.100s\"", value);
		return QUEUE_UNAVAILABLE;
	case 'j':
	case 'p':
		add_job(JOB_LIST)->form = option == 'j' ? QUEUE_AS_JSON : QUEUE_AS_TEXT;
		return TOOL_DONE;
	default:
		return postqueue_usage();
	}
}

static int parse_postqueue(int argc, char **argv)
{
	int option, status;

	while ((option = getopt(argc, argv, "c:fi:jps:v")) != -1) {
		status = postqueue_option(option, optarg);
		if (status != TOOL_DONE)
			return status;
	}
	return orders.count == 1 && optind == argc ? TOOL_DONE : postqueue_usage();
}

/* mailq is sendmail -bp: what of sendmail's options says how to deliver means nothing here. */
static int parse_mailq(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "C:c:v")) != -1) {
		if (option == '?')
			return tool_usage("queue", "mailq: unknown option");
		if (option != 'v')
			tool_set_directory(optarg);
	}
	if (optind < argc)
		return tool_usage("queue", "mailq lists all that waits: %s is not understood",
				  argv[optind]);
	add_job(JOB_LIST);
	return TOOL_DONE;
}

static int postsuper_option(int option, const char *value)
{
	static const struct {
		char option;
		uint8_t action;
	} actions[] = { { 'd', QUEUE_ACT_DELETE },  { 'e', QUEUE_ACT_EXPIRE },
			{ 'f', QUEUE_ACT_EXPIRE },  { 'h', QUEUE_ACT_HOLD },
			{ 'H', QUEUE_ACT_RELEASE }, { 'r', QUEUE_ACT_REQUEUE } };

	if (option == '?')
		return tool_usage("queue", "postsuper: unknown option");
	if (option == 'c')
		tool_set_directory(value);
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (actions[i].option != option)
			continue;
		int status = queue_add_action(actions[i].action, value);

		/* Returned to the sender even if it is on hold. */
		if (status == TOOL_DONE && option == 'f' && strcmp(value, "-") != 0) {
			status = queue_add_action(QUEUE_ACT_RELEASE, value);
			orders.asked[QUEUE_ACT_RELEASE] = false;
		}
		return status;
	}
	/* -p and -s put Postfix's queue in order: qmgr does that by itself here. */
	return TOOL_DONE;
}

static int parse_postsuper(int argc, char **argv)
{
	int option, status;

	while ((option = getopt(argc, argv, "+c:d:e:f:h:H:r:psSv")) != -1) {
		status = postsuper_option(option, optarg);
		if (status != TOOL_DONE)
			return status;
	}
	for (; optind < argc; optind++) {
		int states = queue_name_state(argv[optind]);

		if (states < 0)
			return queue_fail("invalid directory name: %s", argv[optind]);
		orders.has_states = true;
		orders.states |= (uint8_t)states;
	}
	return TOOL_DONE;
}

static int parse_show(int argc, char **argv)
{
	bool by_id = strcmp(argv[0], "postcat") != 0;
	unsigned parts = 0;
	int option;

	while ((option = getopt(argc, argv, "+bc:dehoqrs:v")) != -1) {
		if (option == '?' || option == 's')
			return tool_usage("queue", "%s: unknown option", argv[0]);
		if (option == 'c')
			tool_set_directory(optarg);
		by_id = by_id || option == 'q';
		parts |= option == 'e'	 ? SHOW_ENVELOPE
			 : option == 'h' ? SHOW_HEADER
			 : option == 'b' ? SHOW_BODY
					 : 0u;
	}
	if (optind == argc)
		return tool_usage("queue", "show which message?");
	for (; optind < argc; optind++) {
		struct queue_job *job = add_job(by_id ? JOB_SHOW : JOB_SHOW_FILE);

		job->id = mem_strdup(argv[optind]);
		job->parts = parts ? parts : SHOW_ENVELOPE | SHOW_HEADER | SHOW_BODY;
	}
	return TOOL_DONE;
}

/* "30m", "2h", "1d"; seconds without a unit. */
static int64_t parse_age(const char *text)
{
	static const struct {
		const char *unit;
		int64_t seconds;
	} units[] = { { "", 1 },     { "s", 1 },     { "m", 60 },
		      { "h", 3600 }, { "d", 86400 }, { "w", 604800 } };
	size_t digits = strspn(text, "0123456789");
	uint64_t number;

	if (view_parse_u64(view_make(text, digits), 1000000000, &number) < 0)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strcmp(units[i].unit, text + digits) == 0)
			return (int64_t)number * units[i].seconds;
	return -EINVAL;
}

static int list_option(int option, const char *value)
{
	switch (option) {
	case 'c':
		tool_set_directory(value);
		break;
	case 's':
		orders.filter.site = value;
		break;
	case 'f':
		orders.filter.sender = value;
		break;
	case 't':
		orders.filter.recipient = value;
		break;
	case 'r':
		orders.filter.reason = value;
		break;
	case 'a':
		orders.filter.age = parse_age(value);
		if (orders.filter.age < 0)
			return tool_usage("queue", "%s is no time: 30m, 2h, 1d", value);
		break;
	case 'j':
		break;
	default:
		return tool_usage("queue", "list: unknown option or missing value");
	}
	return TOOL_DONE;
}

static int queue_list_parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "site", required_argument, NULL, 's' },
		{ "sender", required_argument, NULL, 'f' },
		{ "recipient", required_argument, NULL, 't' },
		{ "reason", required_argument, NULL, 'r' },
		{ "age", required_argument, NULL, 'a' },
		{ NULL, 0, NULL, 0 },
	};
	struct queue_job *job = add_job(JOB_LIST);
	int option;

	while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		int status = list_option(option, optarg);

		if (status != TOOL_DONE)
			return status;
		if (option == 'j')
			job->form = QUEUE_AS_OUR_JSON;
	}
	if (optind + 1 < argc)
		return tool_usage("queue", "%s is not understood", argv[optind + 1]);
	if (optind < argc && !queue_id_is_valid(view_of(argv[optind])))
		return tool_usage("queue", "%s is no queue id", argv[optind]);
	if (optind < argc)
		job->id = mem_strdup(argv[optind]);
	return TOOL_DONE;
}

static int parse_top(int argc, char **argv)
{
	if (argc > 1)
		return tool_usage("queue", "%s is not understood", argv[1]);
	add_job(JOB_TOP);
	return TOOL_DONE;
}

static int parse_qshape(int argc, char **argv)
{
	uint32_t *number;
	int option;

	while ((option = getopt(argc, argv, "b:c:lst:w:")) != -1) {
		number = option == 'b'	 ? &orders.shape.buckets
			 : option == 't' ? &orders.shape.minutes
					 : &orders.shape.width;
		if (option == '?')
			return tool_usage("queue", "qshape: -p, -m, -n and -N are not there");
		if (option == 'c')
			tool_set_directory(optarg);
		else if (option == 'l')
			orders.shape.linear = true;
		else if (option == 's')
			orders.shape.by_sender = true;
		else if (view_parse_u32(view_of(optarg), option == 'b' ? 32 : 100000, number) < 0 ||
			 *number == 0)
			return tool_usage("queue", "qshape: -%c %s", option, optarg);
	}
	orders.shape.width = MAX(orders.shape.width, 80u);
	if (optind == argc)
		orders.shape.states = 1 << QUEUE_STATE_INCOMING | 1 << QUEUE_STATE_ACTIVE;
	for (; optind < argc; optind++) {
		int states = queue_name_state(argv[optind]);

		if (states < 0)
			return tool_usage("queue", "qshape: there is no queue %s", argv[optind]);
		orders.shape.states |= (unsigned)states;
	}
	add_job(JOB_SHAPE);
	return TOOL_DONE;
}

static int parse_flush(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--site") == 0) {
		if (!is_site(argv[2]))
			return tool_usage("queue", "%s is no domain", argv[2]);
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
	if (strcmp(argv[1], "top") == 0)
		return parse_top(argc - 1, argv + 1);
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
	} names[] = { { "mailq", parse_mailq },
		      { "postqueue", parse_postqueue },
		      { "postsuper", parse_postsuper },
		      { "postcat", parse_show },
		      { "qshape", parse_qshape } };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(argv[0], names[i].name) == 0)
			return names[i].parse(argc, argv);
	return parse_words(argc, argv);
}

const struct queue_orders *queue_parse(int argc, char **argv, int *status)
{
	orders.shape = (struct queue_shape){ .buckets = 10, .minutes = 5, .width = 80 };
	*status = queue_parse_options(argc, argv);
	return &orders;
}
