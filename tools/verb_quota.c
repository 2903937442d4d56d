/* posta quota: what users' mail takes, and may take; and when they were last there. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/quota.h"
#include "store/store.h"
#include "tools/json.h"
#include "tools/place.h"
#include "tools/tool.h"
#include "tools/users.h"
#include "user/user.h"

static const char help[] =
	"usage: posta quota [list] [USER...] [--json]\n"
	"       posta quota recalc USER...\n"
	"\n"
	"What each user's mail takes, the limits (mailbox_quota_rules, mailbox_quota_maps, the "
	"user's\n"
	"field quota=), and the last login by IMAP or POP3. Without a name: the users of "
	"conf/users;\n"
	"those of databases and of the system are listed when they are named.\n"
	"\n"
	"  list      bytes, messages, their limits, how much of the fuller one is used, last "
	"login\n"
	"  recalc    counts anew, in the index, and writes maildirsize where it is kept. Nothing "
	"should\n"
	"            ever differ: sums are not kept, but made from the folders' counters\n"
	"\n"
	"  --json    a JSON object for each user, one in a line\n";

enum { OPTION_JSON = 256, OPTION_HELP };

static const struct option options[] = {
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ 0 },
};

struct quota_request {
	bool json, recalc;
	int status;
};

/* One user's numbers, found with the user's rights. */
struct quota_row {
	struct quota_size used, limit;
	int64_t last_login;
};

/* ---- showing ---- */

static unsigned percent_of(uint64_t used, uint64_t limit)
{
	return limit == 0 ? 0 : (unsigned)((double)used * 100 / (double)limit);
}

static void show_json(const char *name, const struct quota_row *row)
{
	struct json out = JSON_START;

	json_object(&out, NULL);
	json_string(&out, "user", view_of(name));
	json_number(&out, "bytes", (int64_t)row->used.bytes);
	json_number(&out, "messages", (int64_t)row->used.messages);
	json_number(&out, "bytes_limit", (int64_t)row->limit.bytes);
	json_number(&out, "messages_limit", (int64_t)row->limit.messages);
	json_number(&out, "last_login", row->last_login);
	json_end(&out);
	json_print(&out);
}

static void show_limit(char *out, size_t size, uint64_t limit)
{
	if (limit == 0)
		snprintf(out, size, "-");
	else
		snprintf(out, size, "%llu", (unsigned long long)limit);
}

static void show_row(const char *name, const struct quota_row *row)
{
	unsigned percent = MAX(percent_of(row->used.bytes, row->limit.bytes),
			       percent_of(row->used.messages, row->limit.messages));
	char bytes[24], messages[24], when[24] = "never";
	time_t last = (time_t)row->last_login;
	struct tm tm;

	show_limit(bytes, sizeof(bytes), row->limit.bytes);
	show_limit(messages, sizeof(messages), row->limit.messages);
	if (last != 0 && localtime_r(&last, &tm) != NULL)
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	printf("%-32s %14llu %14s %9llu %9s %4u%%  %s\n", name, (unsigned long long)row->used.bytes,
	       bytes, (unsigned long long)row->used.messages, messages, percent, when);
}

/* ---- one user ---- */

static int quota_recount(const struct user *user, struct store *store)
{
	int r = store_recount(store);

	if (r < 0)
		return tool_fail("quota", "%s: count: %s", user->name, strerror(-r));
	if (r > 0)
		printf("%s: the counters of %d folders were wrong\n", user->name, r);
	(void)store_quota_warn(store);
	return TOOL_DONE;
}

static int quota_look(const struct user *user, const struct quota *quota, struct store *store,
		      const struct quota_request *q)
{
	struct quota_row row = { .last_login = store_last_login(user->mail) };
	struct quota_size own;
	int r;

	store_set_quota(store, quota);
	if (q->recalc)
		return quota_recount(user, store);
	r = store_quota_usage(store, &row.used);
	if (r < 0)
		return tool_fail("quota", "%s: %s", user->name, strerror(-r));
	if (quota != NULL)
		quota_limits(quota, VIEW_NONE, 0, &row.limit, &own);
	if (q->json)
		show_json(user->name, &row);
	else
		show_row(user->name, &row);
	return TOOL_DONE;
}

/* In a process of its own, which becomes the user for good. A user without mail gets no Maildir by this. */
static int quota_as_user(const struct user *user, const struct quota_request *q)
{
	_cleanup_(quota_freep) struct quota *quota = NULL;
	_cleanup_(store_closep) struct store *store = NULL;
	struct store_options store_options = {
		.index_limit = (uint64_t)param.mailbox_index_limit,
		.tombstone_time = param.mailbox_tombstone_time / 1000,
	};
	struct place place = { user->uid, user->gid };
	struct error err = ERROR_NONE;
	int r = place_become(&place);

	/* The index is the user's, and LMDB believes what stands in it: no way back, no table of hashes. */
	users_close();
	umask(077);
	if (r < 0)
		return tool_fail("quota", "act as %s: %s", user->name, strerror(-r));
	if (quota_parse(view_of(user->quota), &quota, &err) < 0)
		return tool_fail("quota", "%s: %s", user->name, err.text);
	if (quota != NULL)
		quota_take_maildirsize(quota, user->mail);
	r = store_open(user->mail, &store_options, &store, &err);
	if (r == -ENOENT && !q->recalc) {
		struct quota_row row = { 0 };
		struct quota_size own;

		if (quota != NULL)
			quota_limits(quota, VIEW_NONE, 0, &row.limit, &own);
		q->json ? show_json(user->name, &row) : show_row(user->name, &row);
		return TOOL_DONE;
	}
	if (r < 0)
		return tool_fail("quota", "%s", err.text);
	return quota_look(user, quota, store, q);
}

static int quota_of_user(const struct user *user, const struct quota_request *q)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		status = quota_as_user(user, q);
		fflush(stdout);
		_exit(status);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return tool_fail("quota", "%s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : TOOL_LATER;
}

static void quota_of_name(struct quota_request *q, struct view name)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	struct error err = ERROR_NONE;
	int r = user_find(name, &user, &err);
	int status = r == 0  ? tool_fail("quota", "there is no user %.*s", VIEW_ARG(name))
		     : r < 0 ? tool_fail("quota", "%s", err.text)
			     : quota_of_user(&user, q);

	if (status != TOOL_DONE)
		q->status = status;
}

static void quota_of_line(void *argument, struct view line)
{
	quota_of_name(argument, view_first(line, MIN(view_find_byte(line, ':'), line.len)));
}

static int quota_of_all(struct quota_request *q)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	int r = users_each(quota_of_line, q, &report);

	return r < 0 ? tool_fail("quota", "%s", str_cstr(&report)) : q->status;
}

/* ---- the verb ---- */

static int quota_run(struct quota_request *q, char **names)
{
	struct error err = ERROR_NONE;

	if (!tool_load(NULL, 0))
		return TOOL_NO;
	if (users_open(&err) < 0)
		return tool_fail("quota", "%s", err.text);
	if (!q->json && !q->recalc)
		printf("%-32s %14s %14s %9s %9s %5s  %s\n", "user", "bytes", "limit", "messages",
		       "limit", "used", "last login");
	if (*names == NULL)
		q->status = quota_of_all(q);
	for (; *names != NULL; names++)
		quota_of_name(q, view_of(*names));
	users_close();
	return q->status;
}

int verb_quota(int argc, char **argv)
{
	struct quota_request q = { .status = TOOL_DONE };
	int option;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == OPTION_JSON)
			q.json = true;
		else if (option == OPTION_HELP)
			return fputs(help, stdout), TOOL_DONE;
		else
			return tool_usage("quota", "unknown option");
	}
	argv += optind;
	if (*argv != NULL && strcmp(*argv, "recalc") == 0) {
		q.recalc = true;
		if (*++argv == NULL)
			return tool_usage("quota", "recalc needs names of users");
	} else if (*argv != NULL && strcmp(*argv, "list") == 0) {
		argv++;
	}
	return quota_run(&q, argv);
}
