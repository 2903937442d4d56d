/*
 * posta sieve: whether a script is right, and what it would do with a message. Nothing is stored,
 * sent or looked up.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sieve/sieve.h"
#include "sieve/warnings.h"
#include "tools/sieve_user.h"
#include "tools/tool.h"
#include "tools/verify.h"

static const char help[] =
	"usage: posta [-c CONFDIR] sieve check SCRIPT\n"
	"       posta [-c CONFDIR] sieve test [--from A] [--to B] SCRIPT [MESSAGE]\n"
	"       posta sieve extensions\n"
	"       posta [-c CONFDIR] sieve list USER\n"
	"       posta [-c CONFDIR] sieve get|activate|delete USER NAME\n"
	"       posta [-c CONFDIR] sieve put USER NAME SCRIPT\n"
	"       posta [-c CONFDIR] sieve deactivate USER\n"
	"\n"
	"check says whether the script (RFC 5228) is right; if not, where and why; and it warns "
	"of\n"
	"what is right and will hardly do what was meant. test says what\n"
	"it would do with a message (of standard input without a file), an action a line, each\n"
	"with the line of the script that asked for it; nothing is done, and of mailboxes all are\n"
	"said to exist.\n"
	"\n"
	"list, get, put, activate, deactivate and delete are about the scripts of a user, which\n"
	"are in the folder sieve/ of the Maildir. Deliveries run the active one. put takes a\n"
	"script that is right, and no other; it does not make it the active one.\n"
	"\n"
	"  --from A    the envelope's sender; without it the null sender\n"
	"  --to B      the envelope's recipient\n"
	"\n"
	"Status 0: it is right, or done; 1: it is not, or failed on the message, which would be\n"
	"kept.\n";

#define DEFAULT_DELIMITERS "+"

static void print_warning(void *path, unsigned line, const char *text)
{
	_cleanup_(str_free) struct str shown = STR_EMPTY;

	str_append_printable(&shown, view_of(text));
	printf("%s, line %u: warning: %s\n", (const char *)path, line, str_cstr(&shown));
}

/* Whose script it is, and what others there are, nobody has said. */
static bool script_may_be_there(void *unused, bool global, struct view name)
{
	(void)unused;
	(void)global;
	(void)name;
	return true;
}

/* What a client of ManageSieve is told of it too; without an instance by what holds by default. */
static void sieve_warn(const struct sieve_script *script, const char *path)
{
	bool known = param.myhostname != NULL;
	const struct sieve_warner warner = {
		.redirects_max = known ? (size_t)param.sieve_max_redirects : SIEVE_REDIRECTS_MAX,
		.vacation_min = known ? (uint64_t)param.sieve_vacation_min_period / 1000 : 0,
		.vacation_max =
			known ? (uint64_t)param.sieve_vacation_max_period / 1000 : UINT64_MAX,
		.exists = script_may_be_there,
		.warn = print_warning,
	};

	sieve_warnings(script, &warner, NULL, (void *)path);
}

static int sieve_load(const char *path, struct sieve_script **script)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct sieve_problem problem;
	struct error err = ERROR_NONE;

	if (io_read_file(path, SIEVE_SCRIPT_MAX + 1, &text, &err) < 0)
		return tool_fail("sieve", "%s", err.text);
	if (sieve_compile(str_view(&text), script, &problem) == 0)
		return TOOL_DONE;
	printf("%s, line %u, column %u: %s\n", path, problem.line, problem.column, problem.text);
	return TOOL_NO;
}

/* Several lines as one, so that an action is a line. */
static void print_text(const char *name, const struct str *text)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	if (text->len == 0)
		return;
	str_append(&line, view_trim(str_view(text)));
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] == '\r' || line.data[i] == '\n')
			line.data[i] = ' ';

	_cleanup_(str_free) struct str shown = STR_EMPTY;
	str_append_printable(&shown, str_view(&line));
	printf("%s%s", name, str_cstr(&shown));
}

static void print_action(const struct sieve_message *message, const struct sieve_action *a)
{
	if (a->line > 0)
		printf("line %u: ", a->line);
	else
		printf("implicit: ");
	printf("%s", sieve_action_name(a->kind));
	print_text(" ", &a->text);
	if (a->create)
		printf(", made if it is not there");
	print_text(", flags ", &a->flags);
	print_text(", subject ", &a->subject);
	print_text(", from ", &a->from);
	print_text(", body ", &a->body);
	if (a->kind == SIEVE_VACATION) {
		const char *why = sieve_vacation_refusal(message, a);

		printf(", once in %llu seconds", (unsigned long long)a->seconds);
		if (why != NULL)
			printf("; no answer: %s", why);
	}
	putchar('\n');
}

static int sieve_try(const struct sieve_script *script, const char *path, const char *from,
		     const char *to)
{
	_cleanup_(str_free) struct str content = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct sieve_message message = { .sender = view_of(from),
					 .recipient = view_of(to),
					 .now = time(NULL),
					 .delimiters = param.recipient_delimiter };
	struct sieve_result result;
	int r;

	if (message.delimiters == NULL)
		message.delimiters = DEFAULT_DELIMITERS;
	if (param.myhostname != NULL)
		message.host_name = view_of(param.myhostname);
	if (verify_read_message(&content, NULL, &err) < 0)
		return tool_fail("sieve", "%s", err.text);
	message.content = str_view(&content);
	r = sieve_run(script, &message, &result);
	if (r < 0)
		printf("%s, line %u, column %u: %s\n", path, result.problem.line,
		       result.problem.column, result.problem.text);
	for (size_t i = 0; i < result.count; i++)
		print_action(&message, &result.actions[i]);
	if (result.count == 0)
		printf("discard\n");
	sieve_result_free(&result);
	return r < 0 ? TOOL_NO : TOOL_DONE;
}

/* Without an instance it works too. */
static bool sieve_load_conf(void)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/main.cf", tool_directory());
	return access(str_cstr(&path), R_OK) != 0 || tool_load(NULL, 0);
}

int verb_sieve(int argc, char **argv)
{
	static const struct option options[] = { { "from", required_argument, NULL, 'f' },
						 { "to", required_argument, NULL, 't' },
						 { 0 } };
	_cleanup_(sieve_freep) struct sieve_script *script = NULL;
	const char *from = "", *to = "";
	int option, status;
	bool is_test;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'f')
			from = optarg;
		else if (option == 't')
			to = optarg;
		else
			return tool_usage("sieve", "wrong option");
	}
	if (optind + 1 == argc && strcmp(argv[optind], "extensions") == 0) {
		puts(sieve_extensions());
		return TOOL_DONE;
	}
	if (optind < argc && sieve_is_user_verb(argv[optind]))
		return sieve_run_user_verb(argc - optind, argv + optind);
	is_test = optind < argc && strcmp(argv[optind], "test") == 0;
	if (optind + 2 > argc || optind + 2 + is_test < argc ||
	    (!is_test && strcmp(argv[optind], "check") != 0))
		return tool_usage("sieve", "expected check SCRIPT or test SCRIPT [MESSAGE]");
	status = sieve_load(argv[optind + 1], &script);
	if (status != TOOL_DONE)
		return status;
	if (!sieve_load_conf())
		return TOOL_NO;
	if (!is_test) {
		sieve_warn(script, argv[optind + 1]);
		return TOOL_DONE;
	}
	if (optind + 3 == argc && freopen(argv[optind + 2], "r", stdin) == NULL)
		return tool_fail("sieve", "open %s: %s", argv[optind + 2], strerror(errno));
	return sieve_try(script, argv[optind + 1], from, to);
}
