/*
 * The commands postfix, postmulti and postlog, for scripts and people who know them: each does what
 * it says by the verbs that there are. What Postfix needs and this suite does not is done at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "tools/instance.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta postfix [-c CONFDIR] start|start-fg|stop|reload|status|flush|check|...\n"
	"       posta postmulti -l | [-i -] -p COMMAND | -x COMMAND [ARGUMENT...]\n"
	"       posta postlog [-i] [-p PRIORITY] [-t TAG] [TEXT...]\n"
	"\n"
	"Does what Postfix's commands of these names do.\n"
	"\n"
	"start, start-fg    posta start, posta start --foreground (quick-start too)\n"
	"stop               posta stop (abort, drain and quick-stop too: all stop in good order)\n"
	"reload, logrotate  posta reload, which opens the log anew\n"
	"status             says whether it runs, and the number of its process; status 1 if it "
	"does not\n"
	"flush, check       posta queue flush, posta check\n"
	"\n"
	"set-permissions, upgrade-configuration and post-install have nothing to do here.\n"
	"\n"
	"postmulti knows the one instance of CONFDIR. postlog writes a line into the log: TEXT, or "
	"each\n"
	"line of standard input; -p is info (without -p), warn, error, fatal or panic. Where the "
	"log is a\n"
	"file that only root may write, so may only root.\n";

/* ---- postfix ---- */

static int postfix_run(int (*verb)(int argc, char **argv), const char *name, const char *option)
{
	char *words[] = { mem_strdup(name), option ? mem_strdup(option) : NULL, NULL };
	int status;

	optind = 1;
	status = verb(option ? 2 : 1, words);
	free(words[0]);
	free(words[1]);
	return status;
}

/* Anybody may ask: the process is found by the socket that everybody reaches. */
static int postfix_status(void)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct ipc *ipc;

	if (!instance_find("postfix"))
		return TOOL_NO;
	ipc = ipc_connect("public/status", clock_now());
	str_printf(&path, "%s/pid/master.pid", param.queue_directory);
	if (ipc == NULL || io_read_file(str_cstr(&path), 64, &text, &err) < 0) {
		ipc_free(ipc);
		fprintf(stderr, "postfix: the Posta mail system is not running\n");
		return TOOL_NO;
	}
	ipc_free(ipc);
	fprintf(stderr, "postfix: the Posta mail system is running: PID: %.*s\n",
		VIEW_ARG(view_trim(str_view(&text))));
	return TOOL_DONE;
}

static int postfix_nothing(const char *command)
{
	fprintf(stderr, "postfix: %s: nothing to do here\n", command);
	return TOOL_DONE;
}

static int postfix_command(const char *command)
{
	static const struct {
		const char *name, *called, *option;
		int (*verb)(int argc, char **argv);
	} commands[] = {
		{ "start", "start", NULL, verb_start },
		{ "quick-start", "start", NULL, verb_start },
		{ "start-fg", "start", "--foreground", verb_start },
		{ "stop", "stop", NULL, verb_stop },
		{ "quick-stop", "stop", NULL, verb_stop },
		{ "drain", "stop", NULL, verb_stop },
		{ "abort", "stop", NULL, verb_stop },
		{ "reload", "reload", NULL, verb_reload },
		{ "logrotate", "reload", NULL, verb_reload },
		{ "flush", "postqueue", "-f", verb_queue },
		{ "check", "check", NULL, verb_check },
	};
	static const char *const needless[] = { "set-permissions", "upgrade-configuration",
						"post-install" };

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(command, commands[i].name) == 0)
			return postfix_run(commands[i].verb, commands[i].called,
					   commands[i].option);
	for (size_t i = 0; i < ARRAY_SIZE(needless); i++)
		if (strcmp(command, needless[i]) == 0)
			return postfix_nothing(command);
	if (strcmp(command, "status") == 0)
		return postfix_status();
	return tool_usage("postfix", "no command \"%s\"", command);
}

static int postfix_main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "+c:Dv")) >= 0) {
		if (option == 'c')
			tool_set_directory(optarg);
		else if (option == '?')
			return tool_usage("postfix", "wrong option");
	}
	if (optind >= argc)
		return tool_usage("postfix", "which command?");
	/* "post-install create-missing" and its kin have words of their own. */
	if (optind + 1 < argc && strcmp(argv[optind], "post-install") != 0 &&
	    strcmp(argv[optind], "set-permissions") != 0 && strcmp(argv[optind], "status") != 0)
		return tool_usage("postfix", "%s is not understood", argv[optind + 1]);
	return postfix_command(argv[optind]);
}

/* ---- postmulti ---- */

/* There is one: as Postfix lists its only one. */
static int postmulti_list(void)
{
	printf("%-15s %-15s %-9s %s\n", "-", "-", "y", tool_directory());
	return TOOL_DONE;
}

static int postmulti_main(int argc, char **argv)
{
	bool list = false, postfix = false, execute = false;
	int option;

	while ((option = getopt(argc, argv, "+ae:g:i:lpRvx")) >= 0) {
		switch (option) {
		case 'l':
			list = true;
			break;
		case 'p':
			postfix = true;
			break;
		case 'x':
			execute = true;
			break;
		case 'i':
		case 'g':
			if (strcmp(optarg, "-") != 0 && strcmp(optarg, "all") != 0)
				return tool_fail("postmulti", "there is no instance \"%s\"",
						 optarg);
			break;
		case 'e':
			return tool_fail("postmulti", "-e: instances are made by posta init, and "
						      "chosen by -c or MAIL_CONFIG");
		case '?':
			return tool_usage("postfix", "wrong option");
		default:
			break;
		}
	}
	if (list + postfix + execute != 1 || (list ? optind != argc : optind >= argc))
		return tool_usage("postfix", "expected postmulti -l, -p COMMAND or -x COMMAND");
	if (list)
		return postmulti_list();
	if (postfix)
		return postfix_command(argv[optind]);
	setenv("MAIL_CONFIG", tool_directory(), 1);
	execvp(argv[optind], &argv[optind]);
	return tool_fail("postmulti", "run %s: %s", argv[optind], strerror(errno));
}

/* ---- postlog ---- */

struct logging {
	const char *tag;
	int level; /* of syslog */
	int fd;	   /* -1: syslog */
};

static const struct {
	const char *name, *word; /* in front of the text */
	int level;
} priorities[] = {
	{ "info", "", LOG_INFO },
	{ "warn", "warning: ", LOG_WARNING },
	{ "warning", "warning: ", LOG_WARNING },
	{ "error", "error: ", LOG_ERR },
	{ "err", "error: ", LOG_ERR },
	{ "fatal", "fatal: ", LOG_CRIT },
	{ "crit", "fatal: ", LOG_CRIT },
	{ "panic", "panic: ", LOG_CRIT },
};

static void postlog_line(const struct logging *logging, struct view text)
{
	const char *word = "";

	for (size_t i = 0; i < ARRAY_SIZE(priorities); i++)
		if (priorities[i].level == logging->level)
			word = priorities[i].word;
	if (logging->fd < 0) {
		syslog(logging->level, "%s%.*s", word, VIEW_ARG(text));
		return;
	}
	switch (logging->level) {
	case LOG_INFO:
		log_info("%.*s", VIEW_ARG(text));
		break;
	case LOG_WARNING:
		log_warning("%.*s", VIEW_ARG(text));
		break;
	default:
		log_error("%.*s", VIEW_ARG(text));
	}
}

/* Opened as master opens it: what is no file of the log's owner is not written to. */
static int postlog_open(struct logging *logging)
{
	const char *path = param.maillog_file;

	logging->fd = -1;
	if (path[0] == '\0') {
		openlog(logging->tag, LOG_PID, LOG_MAIL);
		return TOOL_DONE;
	}
	logging->fd = strncmp(path, "/dev/std", strlen("/dev/std")) == 0
			      ? STDOUT_FILENO
			      : open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	if (logging->fd < 0)
		return tool_fail("postlog", "open %s: %s", path, strerror(errno));
	log_open(logging->tag, logging->fd, LOG_SINK_FILE, strcmp(param.log_format, "json") == 0);
	return TOOL_DONE;
}

static int postlog_read(const struct logging *logging)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) >= 0)
		postlog_line(logging, view_trim(view_make(line, (size_t)len)));
	return TOOL_DONE;
}

static bool find_priority(const char *name, int *level)
{
	for (size_t i = 0; i < ARRAY_SIZE(priorities); i++)
		if (strcmp(name, priorities[i].name) == 0) {
			*level = priorities[i].level;
			return true;
		}
	return false;
}

static int postlog_main(int argc, char **argv)
{
	struct logging logging = { .tag = "postlog", .level = LOG_INFO };
	_cleanup_(str_free) struct str text = STR_EMPTY, report = STR_EMPTY;
	int option;

	while ((option = getopt(argc, argv, "+c:ip:t:v")) >= 0) {
		switch (option) {
		case 'c':
			tool_set_directory(optarg);
			break;
		case 'p':
			if (!find_priority(optarg, &logging.level))
				return tool_fail("postlog", "unknown priority: %s", optarg);
			break;
		case 't':
			logging.tag = optarg;
			break;
		case '?':
			return tool_usage("postfix", "wrong option");
		default:
			break;
		}
	}
	(void)conf_load(tool_directory(), NULL, 0, &report);
	if (param.maillog_file == NULL)
		return tool_fail("postlog", "%s", str_cstr(&report));
	if (postlog_open(&logging) != TOOL_DONE)
		return TOOL_NO;
	if (optind == argc)
		return postlog_read(&logging);
	for (; optind < argc; optind++)
		str_printf(&text, "%s%s", text.len > 0 ? " " : "", argv[optind]);
	postlog_line(&logging, str_view(&text));
	return TOOL_DONE;
}

int verb_postfix(int argc, char **argv)
{
	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	if (strcmp(argv[0], "postmulti") == 0)
		return postmulti_main(argc, argv);
	if (strcmp(argv[0], "postlog") == 0)
		return postlog_main(argc, argv);
	return postfix_main(argc, argv);
}
