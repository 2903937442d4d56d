/* posta verify: SPF, DKIM, ARC and DMARC of a message, step by step. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/ipc.h"
#include "mail/address.h"
#include "task/task.h"
#include "tools/name_server.h"
#include "tools/tool.h"
#include "tools/verify.h"

static const char help[] =
	"usage: posta [-c CONFDIR] verify spf --ip A --helo H --from F [--dns HOST:PORT]\n"
	"       posta [-c CONFDIR] verify dkim|arc|dmarc|all [--ip A --helo H --from F] [--dns "
	"HOST:PORT] < MESSAGE\n"
	"\n"
	"spf says whether the client may send for that address: on the first line the result "
	"(pass, fail,\n"
	"softfail, neutral, none, temperror, permerror), on the second the explanation. The others "
	"read a\n"
	"message: on the first line what Authentication-Results would say. Then follows each step, "
	"with\n"
	"the record that decided.\n"
	"\n"
	"  --ip A           the client's address; without it SPF proves nothing\n"
	"  --helo H         what it says with HELO\n"
	"  --from F         MAIL FROM; empty or <>: the null sender\n"
	"  --dns HOST:PORT  asks this name server; without it the suite's resolver, or (if that "
	"does not\n"
	"                   run) those of /etc/resolv.conf\n"
	"  --id NAME        authserv-id; without it this host's name\n"
	"\n"
	"Status 0: it could be said; 75: SPF not now, for the DNS gives no answer.\n";

static const struct verify_kind {
	const char *name;
	bool needs_message, needs_client;
	int (*run)(struct verify *v);
} kinds[] = {
	{ "spf", false, true, verify_spf }, { "dkim", true, false, verify_dkim },
	{ "arc", true, false, verify_arc }, { "dmarc", true, false, verify_dmarc },
	{ "all", true, false, verify_all },
};

static struct {
	struct verify verify;
	const struct verify_kind *kind;
	struct name_server *server;
	int status;
} verifying;

static const char *verify_or_empty(const char *text)
{
	return text != NULL ? text : "";
}

static const char *verify_host_name(void)
{
	static char name[HOST_NAME_MAX + 1] = "localhost";

	if (param.myhostname != NULL && param.myhostname[0] != '\0')
		return param.myhostname;
	gethostname(name, sizeof(name) - 1);
	return name;
}

/* Who answers questions: the server that was named, our resolver, or the system's. */
static bool verify_find_dns(struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	if (verifying.verify.options.dns == NULL && param.queue_directory != NULL) {
		str_printf(&path, "%s/private/resolver", param.queue_directory);
		if (access(str_cstr(&path), W_OK) == 0) {
			ipc_set_root(param.queue_directory);
			verifying.verify.dns = records_of_resolver;
			return true;
		}
	}
	verifying.server = name_server_new(verifying.verify.options.dns, err);
	if (verifying.server == NULL)
		return false;
	verifying.verify.dns = name_server_source(verifying.server);
	return true;
}

static void verify_run(void *unused)
{
	struct error err = ERROR_NONE;
	int status;

	(void)unused;
	if (!verify_find_dns(&err) ||
	    (verifying.kind->needs_message &&
	     verify_read_message(&verifying.verify.message, NULL, &err) < 0))
		status = tool_fail("verify", "%s", err.text);
	else
		status = verifying.kind->run(&verifying.verify);
	name_server_free(verifying.server);
	str_free(&verifying.verify.message);
	fflush(stdout);
	task_quit(status);
}

static int verify_parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "ip", required_argument, NULL, 'i' },	  { "helo", required_argument, NULL, 'h' },
		{ "from", required_argument, NULL, 'f' }, { "dns", required_argument, NULL, 'd' },
		{ "id", required_argument, NULL, 'a' },	  { 0 },
	};
	struct verify_options *o = &verifying.verify.options;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'i':
			o->ip = optarg;
			break;
		case 'h':
			o->helo = optarg;
			break;
		case 'f':
			o->from = optarg;
			break;
		case 'a':
			o->authserv_id = optarg;
			break;
		case 'd':
			o->dns = optarg;
			break;
		default:
			return tool_usage("verify", "wrong option");
		}
	}
	if (optind != argc - 1)
		return tool_usage("verify", "expected one of spf, dkim, arc, dmarc, all");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(argv[optind], kinds[i].name) == 0)
			verifying.kind = &kinds[i];
	if (verifying.kind == NULL)
		return tool_usage("verify", "%s is not verified", argv[optind]);
	if (verifying.kind->needs_client && o->ip == NULL)
		return tool_usage("verify", "expected --ip, --helo and --from");
	if (o->ip != NULL && ip_family(view_of(o->ip)) == 0)
		return tool_usage("verify", "--ip: not an IP address: %s", o->ip);
	o->helo = verify_or_empty(o->helo);
	o->from = verify_or_empty(o->from);
	return TOOL_DONE;
}

/* Without an instance it works too, with what is known of the host. */
static bool verify_load(void)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/main.cf", tool_directory());
	return access(str_cstr(&path), R_OK) != 0 || tool_load(NULL, 0);
}

int verb_verify(int argc, char **argv)
{
	int status;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	status = verify_parse_options(argc, argv);
	if (status != TOOL_DONE)
		return status;
	if (!verify_load())
		return TOOL_NO;
	if (verifying.verify.options.authserv_id == NULL)
		verifying.verify.options.authserv_id = verify_host_name();
	return task_run(verify_run, NULL);
}
