/* posta mailbox: the folders and messages of a user. */
#include "tools/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/mem.h"
#include "store/autoexpunge.h"
#include "tools/json.h"
#include "tools/place.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta mailbox list USER [--json]\n"
	"       posta mailbox status USER [FOLDER...] [--json]\n"
	"       posta mailbox check USER\n"
	"       posta mailbox reindex USER\n"
	"       posta mailbox import USER --maildir DIR\n"
	"       posta mailbox import USER FOLDER --mbox FILE\n"
	"       posta mailbox import USER --imap HOST[:PORT] --login LOGIN --password-file FILE\n"
	"             [FOLDER...]\n"
	"       posta mailbox export USER [FOLDER...] --mbox FILE\n"
	"       posta mailbox release USER\n"
	"       posta mailbox expire USER\n"
	"\n"
	"The mailboxes of a user, as IMAP and POP3 show them.\n"
	"\n"
	"  list      the folders: special use, whether they are subscribed to\n"
	"  status    messages, unseen ones, bytes, the next UID and UIDVALIDITY of each folder\n"
	"  check     compares the index with the files; changes nothing\n"
	"  reindex   builds the index again from the files; UIDs stay. No session of the user\n"
	"            may be open\n"
	"  import    takes over all folders of another Maildir (flags, keywords, dates and\n"
	"            subscriptions too), or an mbox file; - is standard input. What came in an\n"
	"            earlier import, and is still there, is passed over. With --imap the mailbox\n"
	"            of a login at another server, with the options of posta migrate imap\n"
	"  export    writes folders (all, if none is named) as one mbox; - is standard output.\n"
	"            Flags and keywords are in Status, X-Status and X-Keywords; fields of these\n"
	"            names, Content-Length and kin are not taken for part of a message\n"
	"  release   makes of the mailboxes what Dovecot expects of a Maildir: UIDs, POP3 UIDLs\n"
	"            and keywords in its files, names of messages without UIDs; index and own\n"
	"            files are removed. Dovecot's pop3_uidl_format must be ours. If this program "
	"is\n"
	"            used again after it, it takes them over again. No session of the user may be\n"
	"            open, and no mail be delivered\n"
	"  expire    removes what mailbox_autoexpunge says is to go, as sessions do when they "
	"begin\n"
	"            and end: for a timer, and users who do not log in\n"
	"\n"
	"A Maildir or mbox file is read with the rights of its owner, without following symbolic\n"
	"links; what is no message or cannot be read is named and left out.\n"
	"\n"
	"  --json    a JSON object for each folder, one in a line\n";

enum { OPTION_MAILDIR = 256, OPTION_MBOX, OPTION_JSON, OPTION_HELP };

static const struct option options[] = {
	{ "maildir", required_argument, NULL, OPTION_MAILDIR },
	{ "mbox", required_argument, NULL, OPTION_MBOX },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ 0 },
};

/* ---- folders ---- */

/* The first that it has. */
static void use_name(unsigned use, char name[16])
{
	name[0] = '\0';
	for (size_t i = 0; store_use_at(i) != 0 && name[0] == '\0'; i++)
		if (use & store_use_at(i))
			snprintf(name, 16, "\\%s", store_use_name(store_use_at(i)));
}

static int show_folder(void *argument, const struct folder_info *folder)
{
	const struct mailbox_request *q = argument;
	char use[16];

	use_name(folder->special_use, use);

	if (q->json) {
		struct json out = JSON_START;

		json_object(&out, NULL);
		json_string(&out, "folder", folder->name);
		json_bool(&out, "exists", folder->exists);
		json_bool(&out, "subscribed", folder->subscribed);
		json_string(&out, "special_use", view_of(use));
		json_end(&out);
		json_print(&out);
		return 0;
	}
	printf("%.*s%s%s%s%s\n", VIEW_ARG(folder->name), folder->exists ? "" : "\t(no mailbox)",
	       folder->subscribed ? "\tsubscribed" : "", folder->special_use ? "\t" : "", use);
	return 0;
}

static int mailbox_run_list(struct mailbox_request *q)
{
	int r = store_list(q->store, show_folder, q);

	return r < 0 ? tool_fail("mailbox", "list folders: %s", strerror(-r)) : TOOL_DONE;
}

static int show_status(struct mailbox_request *q, struct view name)
{
	struct folder_status s;
	int r = store_status(q->store, name, &s);

	if (r < 0)
		return tool_fail("mailbox", "%.*s: %s", VIEW_ARG(name),
				 r == -ENOENT ? "no such folder" : strerror(-r));
	if (q->json) {
		struct json out = JSON_START;

		json_object(&out, NULL);
		json_string(&out, "folder", name);
		json_number(&out, "messages", s.messages);
		json_number(&out, "unseen", s.unseen);
		json_number(&out, "recent", s.recent);
		json_number(&out, "deleted", s.deleted);
		json_number(&out, "size", (int64_t)s.size);
		json_number(&out, "uidnext", s.uidnext);
		json_number(&out, "uidvalidity", s.uidvalidity);
		json_end(&out);
		json_print(&out);
		return TOOL_DONE;
	}
	printf("%-30.*s %8u messages %8u unseen %12llu bytes  uidnext %u uidvalidity %u\n",
	       VIEW_ARG(name), s.messages, s.unseen, (unsigned long long)s.size, s.uidnext,
	       s.uidvalidity);
	return TOOL_DONE;
}

static int show_status_of(void *argument, const struct folder_info *folder)
{
	return folder->exists ? show_status(argument, folder->name) : 0;
}

static int run_status(struct mailbox_request *q)
{
	int status = TOOL_DONE;

	if (q->folders[0] == NULL) {
		int r = store_list(q->store, show_status_of, q);

		return r < 0 ? tool_fail("mailbox", "list folders: %s", strerror(-r)) : r;
	}
	for (char **name = q->folders; *name != NULL; name++)
		if (show_status(q, view_of(*name)) != TOOL_DONE)
			status = TOOL_NO;
	return status;
}

/* ---- index and files ---- */

static void print_line(void *argument, const char *text)
{
	(void)argument;
	puts(text);
}

/* What has been read once can be compared; reading finds what others did. */
static int read_folder(void *argument, const struct folder_info *folder)
{
	struct mailbox_request *q = argument;
	struct folder_status status;

	if (folder->exists)
		(void)store_status(q->store, folder->name, &status);
	return 0;
}

static int run_check(struct mailbox_request *q)
{
	int r = store_list(q->store, read_folder, q);

	if (r >= 0)
		r = store_verify(q->store, print_line, NULL);
	if (r < 0)
		return tool_fail("mailbox", "check: %s", strerror(-r));
	if (r > 0)
		return tool_fail("mailbox", "%d differences between index and files", r);
	return TOOL_DONE;
}

static int open_store(struct mailbox_request *q)
{
	struct store_options store_options = STORE_DEFAULTS;
	struct error err = ERROR_NONE;
	int r;

	store_options.index_limit = (uint64_t)param.mailbox_index_limit;
	store_options.tombstone_time = param.mailbox_tombstone_time / 1000;
	store_options.packs = strcmp(param.mailbox_compress, "zstd") == 0;
	r = store_open(q->user.mail, &store_options, &q->store, &err);
	return r < 0 ? tool_fail("mailbox", "%s", err.text) : TOOL_DONE;
}

static int run_reindex(struct mailbox_request *q)
{
	struct error err = ERROR_NONE;
	int status;

	/* Files follow first: what is only in the index would be lost with it. */
	while (store_settle(q->store, STORE_SETTLE_BATCH) > 0)
		;
	store_close(TAKE(q->store));
	if (store_drop_index(q->user.mail, &err) < 0)
		return tool_fail("mailbox", "%s", err.text);
	status = open_store(q);
	return status != TOOL_DONE ? status : run_status(q);
}

static int run_expire(struct mailbox_request *q)
{
	struct error err = ERROR_NONE;
	struct autoexpunge *rules = autoexpunge_parse(view_of(param.mailbox_autoexpunge), &err);
	size_t removed, all = 0;
	int r;

	if (rules == NULL)
		return tool_fail("mailbox", "mailbox_autoexpunge: %s", err.text);
	if (autoexpunge_is_empty(rules))
		fprintf(stderr, "posta mailbox: mailbox_autoexpunge is empty\n");
	do {
		r = autoexpunge_run(q->store, rules, &removed);
		all += removed;
	} while (r > 0);
	autoexpunge_free(rules);
	if (r < 0)
		return tool_fail("mailbox", "expire: %s", strerror(-r));
	printf("%zu messages removed\n", all);
	return TOOL_DONE;
}

/* ---- in and out ---- */

static int run_import(struct mailbox_request *q)
{
	if ((q->maildir != NULL) == (q->mbox != NULL))
		return tool_usage("mailbox", "import needs --maildir or --mbox");
	if (q->maildir != NULL)
		return q->folders[0] == NULL
			       ? import_maildir(q)
			       : tool_usage("mailbox",
					    "a Maildir is imported with all its folders");
	if (q->folders[0] == NULL || q->folders[1] != NULL)
		return tool_usage("mailbox", "an mbox is imported into one folder: name it");
	return import_mbox(q);
}

static int run_export(struct mailbox_request *q)
{
	FILE *out = stdout;
	int status;

	if (q->mbox == NULL || q->maildir != NULL)
		return tool_usage("mailbox", "export needs --mbox (the Maildir itself is %s)",
				  q->user.mail);
	if (strcmp(q->mbox, "-") != 0) {
		int fd = place_open(q->mbox, O_WRONLY | O_CREAT | O_EXCL, 0600);

		out = io_stream(fd, "w");
		if (out == NULL)
			return tool_fail("mailbox", "create %s: %s", q->mbox,
					 strerror(fd < 0 ? -fd : errno));
		status = mailbox_act_as_user(q);
		if (status != TOOL_DONE)
			return status;
	}
	status = export_mbox(q, out);
	if ((out == stdout ? fflush(out) : fclose(out)) != 0 && status == TOOL_DONE)
		status = tool_fail("mailbox", "write %s: %s", q->mbox, strerror(errno));
	return status;
}

static const struct {
	const char *name;
	int (*run)(struct mailbox_request *q);
	bool takes_folders;
} verbs[] = {
	{ "list", mailbox_run_list, false },
	{ "status", run_status, true },
	{ "check", run_check, false },
	{ "reindex", run_reindex, false },
	{ "import", run_import, true },
	{ "export", run_export, true },
	{ "release", mailbox_run_release, false },
	{ "expire", run_expire, false },
};

/* Finds the user, takes their rights on, opens their store. */
static int become(struct mailbox_request *q, const char *name)
{
	struct error err = ERROR_NONE;
	int r;

	if (!tool_load(NULL, 0))
		return TOOL_NO;
	if (users_open(&err) < 0)
		return tool_fail("mailbox", "%s", err.text);
	r = user_find(view_of(name), &q->user, &err);
	if (r == 0)
		return tool_fail("mailbox", "there is no user %s", name);
	if (r < 0) {
		tool_fail("mailbox", "%s", err.text);
		return r == -EPERM ? TOOL_NO : TOOL_LATER;
	}
	umask(077);
	r = mailbox_act_as_user(q);
	return r != TOOL_DONE ? r : open_store(q);
}

static int mailbox_run(int (*work)(struct mailbox_request *q), struct mailbox_request *q,
		       const char *user)
{
	int status = become(q, user);

	if (status == TOOL_DONE)
		status = work(q);
	store_close(q->store);
	user_free(&q->user);
	return status;
}

int verb_mailbox(int argc, char **argv)
{
	struct mailbox_request q = { 0 };
	int option;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	for (int i = 2; i < argc && strcmp(argv[1], "import") == 0; i++)
		if (strcmp(argv[i], "--imap") == 0 || strncmp(argv[i], "--imap=", 7) == 0)
			return mailbox_import_imap(argc - 1, argv + 1);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == OPTION_MAILDIR)
			q.maildir = optarg;
		else if (option == OPTION_MBOX)
			q.mbox = optarg;
		else if (option == OPTION_JSON)
			q.json = true;
		else if (option == OPTION_HELP)
			return fputs(help, stdout), TOOL_DONE;
		else
			return tool_usage("mailbox", "unknown option");
	}
	if (argc - optind < 2)
		return tool_usage("mailbox", "a verb and a user are needed");
	q.folders = argv + optind + 2;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(argv[optind], verbs[i].name) != 0)
			continue;
		if (!verbs[i].takes_folders && q.folders[0] != NULL)
			return tool_usage("mailbox", "%s takes no folders", verbs[i].name);
		return mailbox_run(verbs[i].run, &q, argv[optind + 1]);
	}
	return tool_usage("mailbox", "unknown verb %s", argv[optind]);
}
