/* posta migrate imap, and posta mailbox import --imap: the options. What they make happen is imap_users.c's matter. */
#include <getopt.h>
#include <stdio.h>

#include "base/mem.h"
#include "store/uidl.h"
#include "tools/imap_import.h"
#include "tools/mailbox.h"
#include "tools/migrate.h"
#include "tools/tool.h"

#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"
#define JOBS_MAX       64
#define JOBS_USUAL     4
#define TRIES_MAX      1000
#define TRIES_USUAL    5

struct migrate_imap {
	const char *verb, *from, *users, *ca_file, *master_file;
	const char *login, *password_file; /* of posta mailbox import */
	struct imap_import_options options;
	struct str master_password;
	char *host, *port;
};

enum {
	IMAP_FROM = 256,
	IMAP_USERS,
	IMAP_LOGIN,
	IMAP_PASSWORD_FILE,
	IMAP_TLS,
	IMAP_STARTTLS,
	IMAP_NO_TLS,
	IMAP_INSECURE,
	IMAP_CA_FILE,
	IMAP_MASTER,
	IMAP_MASTER_FILE,
	IMAP_JOBS,
	IMAP_TRIES,
	IMAP_UIDL,
	IMAP_EXPUNGE,
	IMAP_RENUMBERED,
	IMAP_LIST,
};

static const struct option options[] = {
	{ "from", required_argument, NULL, IMAP_FROM },
	{ "users", required_argument, NULL, IMAP_USERS },
	{ "imap", required_argument, NULL, IMAP_FROM },
	{ "login", required_argument, NULL, IMAP_LOGIN },
	{ "password-file", required_argument, NULL, IMAP_PASSWORD_FILE },
	{ "tls", no_argument, NULL, IMAP_TLS },
	{ "starttls", no_argument, NULL, IMAP_STARTTLS },
	{ "no-tls", no_argument, NULL, IMAP_NO_TLS },
	{ "insecure", no_argument, NULL, IMAP_INSECURE },
	{ "ca-file", required_argument, NULL, IMAP_CA_FILE },
	{ "master", required_argument, NULL, IMAP_MASTER },
	{ "master-password-file", required_argument, NULL, IMAP_MASTER_FILE },
	{ "jobs", required_argument, NULL, IMAP_JOBS },
	{ "tries", required_argument, NULL, IMAP_TRIES },
	{ "pop3-uidl", required_argument, NULL, IMAP_UIDL },
	{ "expunge", no_argument, NULL, IMAP_EXPUNGE },
	{ "renumbered", no_argument, NULL, IMAP_RENUMBERED },
	{ "list", no_argument, NULL, IMAP_LIST },
	{ 0 },
};

static int migrate_imap_uidl(struct migrate_imap *m, const char *format)
{
	m->options.uidl = strcmp(format, "none") == 0 ? "" : format;
	if (m->options.uidl[0] == '\0' || uidl_format_check(format, "uv") == 0)
		return TOOL_DONE;
	return tool_usage(m->verb, "--pop3-uidl: expected none or a format of %%u and %%v");
}

static int migrate_imap_number(const struct migrate_imap *m, const char *name, unsigned max,
			       unsigned *number)
{
	if (view_parse_u32(view_of(optarg), max, number) == 0 && *number > 0)
		return TOOL_DONE;
	return tool_usage(m->verb, "%s: expected 1 to %u", name, max);
}

/* What takes a value; TOOL_DONE, TOOL_USAGE, or -1: it is another option. */
static int migrate_imap_value(struct migrate_imap *m, int option)
{
	switch (option) {
	case IMAP_FROM:
		m->from = optarg;
		return TOOL_DONE;
	case IMAP_USERS:
		m->users = optarg;
		return TOOL_DONE;
	case IMAP_LOGIN:
		m->login = optarg;
		return TOOL_DONE;
	case IMAP_PASSWORD_FILE:
		m->password_file = optarg;
		return TOOL_DONE;
	case IMAP_CA_FILE:
		m->ca_file = optarg;
		return TOOL_DONE;
	case IMAP_MASTER:
		m->options.remote.master = optarg;
		return TOOL_DONE;
	case IMAP_MASTER_FILE:
		m->master_file = optarg;
		return TOOL_DONE;
	case IMAP_UIDL:
		return migrate_imap_uidl(m, optarg);
	case IMAP_JOBS:
		return migrate_imap_number(m, "--jobs", JOBS_MAX, &m->options.jobs);
	case IMAP_TRIES:
		return migrate_imap_number(m, "--tries", TRIES_MAX, &m->options.tries);
	default:
		return -1;
	}
}

static int migrate_imap_options(struct migrate_imap *m, int argc, char **argv)
{
	int option, status;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		status = migrate_imap_value(m, option);
		if (status == TOOL_USAGE)
			return status;
		if (status == TOOL_DONE)
			continue;
		if (option == IMAP_TLS || option == IMAP_STARTTLS || option == IMAP_NO_TLS)
			m->options.remote.tls = option == IMAP_TLS	  ? REMOTE_TLS
						: option == IMAP_STARTTLS ? REMOTE_STARTTLS
									  : REMOTE_PLAIN;
		else if (option == IMAP_INSECURE)
			m->options.remote.insecure = true;
		else if (option == IMAP_EXPUNGE)
			m->options.expunge = true;
		else if (option == IMAP_RENUMBERED)
			m->options.renumbered = true;
		else if (option == IMAP_LIST)
			m->options.list_only = true;
		else
			return tool_usage(m->verb, "unknown option");
	}
	m->options.folders = argv + optind;
	if ((m->options.remote.master == NULL) != (m->master_file == NULL))
		return tool_usage(m->verb, "--master and --master-password-file need each other");
	if (!imap_host_parse(m->from, m->options.remote.tls, &m->host, &m->port))
		return tool_usage(m->verb, "expected HOST[:PORT], not %s", m->from);
	m->options.remote.host = m->host;
	m->options.remote.port = m->port;
	return TOOL_DONE;
}

static int migrate_imap_open_tls(struct migrate_imap *m, struct error *err)
{
	struct tls_options tls = { .ca_file = m->ca_file, .alpn = "imap" };

	if (m->options.remote.tls == REMOTE_PLAIN)
		return 0;
	if (tls.ca_file == NULL && !m->options.remote.insecure)
		tls.ca_file = SYSTEM_CA_FILE;
	m->options.remote.context = tls_context_new(&tls, err);
	return m->options.remote.context != NULL ? 0 : -1;
}

/* The accounts are freed. */
static int migrate_imap_run(struct migrate_imap *m, struct imap_account *accounts, size_t count,
			    struct error *err)
{
	int status, r = 0;

	if (m->master_file != NULL)
		r = imap_password_read(m->master_file, &m->master_password, err);
	m->options.remote.master_password = str_cstr(&m->master_password);
	if (r == 0)
		r = migrate_imap_open_tls(m, err);
	status = r < 0 ? tool_fail(m->verb, "%s", err->text)
		       : imap_import_accounts(&m->options, accounts, count, m->verb);
	imap_accounts_free(accounts, count);
	return status;
}

static void migrate_imap_free(struct migrate_imap *m)
{
	str_wipe(&m->master_password);
	tls_context_free(m->options.remote.context);
	free(m->host);
	free(m->port);
}

#define MIGRATE_IMAP_INIT(name)                                                                    \
	{                                                                                          \
		.verb = (name), .options = {.jobs = JOBS_USUAL, .tries = TRIES_USUAL }             \
	}

int migrate_imap(int argc, char **argv)
{
	_cleanup_(migrate_imap_free) struct migrate_imap m = MIGRATE_IMAP_INIT("migrate");
	struct imap_account *accounts = NULL;
	struct error err = ERROR_NONE;
	size_t count = 0;
	int status = migrate_imap_options(&m, argc, argv);

	if (status == TOOL_DONE && (m.from == NULL || m.users == NULL || m.login != NULL))
		return tool_usage("migrate", "imap needs --from and --users");
	if (status == TOOL_DONE && !tool_load(NULL, 0))
		status = TOOL_NO;
	if (status != TOOL_DONE)
		return status;
	if (imap_accounts_read(m.users, m.options.remote.master == NULL, &accounts, &count, &err) <
	    0) {
		imap_accounts_free(accounts, count);
		return tool_fail("migrate", "%s", err.text);
	}
	return migrate_imap_run(&m, accounts, count, &err);
}

int mailbox_import_imap(int argc, char **argv)
{
	_cleanup_(migrate_imap_free) struct migrate_imap m = MIGRATE_IMAP_INIT("mailbox");
	_cleanup_(str_wipe) struct str password = STR_EMPTY;
	struct imap_account *account;
	struct error err = ERROR_NONE;
	int status = migrate_imap_options(&m, argc, argv);

	if (status == TOOL_DONE &&
	    (m.from == NULL || m.users != NULL || m.login == NULL || m.options.folders[0] == NULL ||
	     (m.password_file == NULL) == (m.options.remote.master == NULL)))
		return tool_usage("mailbox", "import --imap needs a user, --login and "
					     "--password-file (or --master)");
	if (status == TOOL_DONE && !tool_load(NULL, 0))
		status = TOOL_NO;
	if (status != TOOL_DONE)
		return status;
	if (m.password_file != NULL && imap_password_read(m.password_file, &password, &err) < 0)
		return tool_fail("mailbox", "%s", err.text);
	account = mem_new(struct imap_account);
	account->login = mem_strdup(m.login);
	account->password = mem_strdup(str_cstr(&password));
	account->local = mem_strdup(m.options.folders[0]);
	m.options.folders++;
	return migrate_imap_run(&m, account, 1, &err);
}
