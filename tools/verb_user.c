/* posta user: the mailbox users and their passwords. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "store/quota.h"
#include "table/table.h"
#include "tools/instance.h"
#include "tools/sessions.h"
#include "tools/tool.h"
#include "tools/user_app.h"
#include "tools/user_mail.h"
#include "tools/user_password.h"
#include "tools/user_sending.h"
#include "tools/user_show.h"
#include "tools/users.h"
#include "user/user.h"

static const char help[] =
	"usage: posta user add ADDRESS [OPTION...]\n"
	"       posta user passwd ADDRESS [--password P] [--scheme S]\n"
	"       posta user set ADDRESS [OPTION...]\n"
	"       posta user lock|unlock ADDRESS...\n"
	"       posta user del ADDRESS... [--purge]\n"
	"       posta user list [ADDRESS...] [--logins] [--json]\n"
	"       posta user app-password add ADDRESS NAME [--scope SERVICES]\n"
	"       posta user app-password list [ADDRESS] [--json]\n"
	"       posta user app-password remove ADDRESS NAME\n"
	"       posta user master add NAME [--password P] [--scope SERVICES] [--users LIST] "
	"[--allow-nets LIST]\n"
	"       posta user master list|remove [NAME]\n"
	"       posta user compile\n"
	"\n"
	"The mailbox users, in the file of mailbox_users (conf/users), at work at once. Without\n"
	"--password it is asked for, or read as one line from standard input.\n"
	"\n"
	"  --password P   the password (others can see it while the command runs)\n"
	"  --hash H       a hash instead, \"{SCHEME}hash\"\n"
	"  --scheme S     how it is hashed: CRYPT (yescrypt), SHA512-CRYPT, SHA256-CRYPT, "
	"BLF-CRYPT,\n"
	"                 SCRAM-SHA-256, SCRAM-SHA-1 (for these mechanisms; quicker to guess than "
	"the others)\n"
	"  --uid N, --gid N, --home DIR   instead of virtual_uid, virtual_gid, virtual_home\n"
	"  --extra TEXT   extra fields, \"nologin mail=maildir:~/Mail\"; empty: none\n"
	"  --quota SIZE   how much mail: 500M, 10G, bytes without a letter; one of the extra "
	"fields. "
	"none: as\n"
	"                 mailbox_quota_rules and mailbox_quota_maps say\n"
	"  --keep-mail    add: the mail that an earlier user of that name has left becomes this "
	"one's\n"
	"  --purge        del: the mail goes too; else it stays, and is said where\n"
	"  --logins       list: when they last logged in, by what service and from where, as far "
	"as auth\n"
	"                 knows (auth_last_logins)\n"
	"  --json         a JSON object for each user, one in a line\n"
	"\n"
	"lock sets the extra field nologin: mail still comes, but nobody logs in; unlock takes it "
	"away,\n"
	"and lets a user send again who was stopped for sending too much (posta who --held).\n"
	"Sessions of a user who is deleted, locked, gets another password or \"nologin\" end at "
	"once.\n"
	"\n"
	"app-password makes a further password for one device or program, shows it this once, and "
	"says when\n"
	"it was last used. With --scope (imap, pop3, smtp, sieve, xmpp) it opens these services "
	"only. To remove\n"
	"one ends it, and the sessions of the user. auth_app_password_services and the extra "
	"field\n"
	"app_passwords_only say where the main password does not count any more.\n"
	"\n"
	"master users log in as others, as ADDRESS*NAME with their own password, where\n"
	"auth_master_user_separator is \"*\": to imap, pop3 and sieve or the services of --scope, "
	"as all or\n"
	"as those of --users (addresses, @domain), from everywhere or --allow-nets.\n"
	"\n"
	"compile is for a file that was edited by hand: it names each line that is wrong, and\n"
	"then nothing changes; else it puts the file in force.\n";

enum {
	OPTION_UID = OPTION_AFTER_PASSWORD,
	OPTION_GID,
	OPTION_HOME,
	OPTION_EXTRA,
	OPTION_QUOTA,
	OPTION_JSON,
	OPTION_LOGINS,
	OPTION_KEEP_MAIL,
	OPTION_PURGE,
	OPTION_HELP
};

static const struct option options[] = {
	PASSWORD_OPTIONS,
	{ "uid", required_argument, NULL, OPTION_UID },
	{ "gid", required_argument, NULL, OPTION_GID },
	{ "home", required_argument, NULL, OPTION_HOME },
	{ "extra", required_argument, NULL, OPTION_EXTRA },
	{ "quota", required_argument, NULL, OPTION_QUOTA },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "logins", no_argument, NULL, OPTION_LOGINS },
	{ "keep-mail", no_argument, NULL, OPTION_KEEP_MAIL },
	{ "purge", no_argument, NULL, OPTION_PURGE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ 0 },
};

struct request {
	struct password_request password;
	const char *uid, *gid, *home, *extra, *quota;
	bool json, logins, keep_mail, purge;
	char **names; /* NULL-terminated */
};

/* ---- lines ---- */

static void user_split(struct view line, struct view fields[USER_FIELDS])
{
	for (size_t i = 0; i < USER_FIELDS; i++) {
		size_t end = i == USER_FIELD_EXTRA ? VIEW_NOT_FOUND : view_find_byte(line, ':');

		if (end == VIEW_NOT_FOUND)
			end = line.len;
		fields[i] = view_first(line, end);
		line = view_from(line, end + 1);
	}
}

static void fields_join(const struct view fields[USER_FIELDS], struct str *line)
{
	for (size_t i = 0; i < USER_FIELDS; i++) {
		if (i > 0)
			str_append_byte(line, ':');
		if (i == USER_FIELD_NAME)
			str_append_lower(line, fields[i]);
		else
			str_append(line, fields[i]);
	}
}

/* A ':' would move all that follows into the next field. */
static bool user_field_put(struct view *field, const char *value, const char *option, bool last)
{
	if (value == NULL)
		return true;
	*field = view_of(value);
	if ((last || view_find_byte(*field, ':') == VIEW_NOT_FOUND) && !view_has_control(*field))
		return true;
	tool_fail("user", "%s: no ':' and no control characters", option);
	return false;
}

static bool put_all(struct view fields[USER_FIELDS], const struct request *q)
{
	return user_field_put(&fields[USER_FIELD_UID], q->uid, "--uid", false) &&
	       user_field_put(&fields[USER_FIELD_GID], q->gid, "--gid", false) &&
	       user_field_put(&fields[USER_FIELD_HOME], q->home, "--home", false) &&
	       user_field_put(&fields[USER_FIELD_EXTRA], q->extra, "--extra", true);
}

/* The extra fields but for those of this name, "name" or "name=value". */
static void extra_without(struct view extra, const char *name, struct str *out)
{
	struct view word, wanted = view_of(name);

	while (view_next_word(&extra, " \t", &word))
		if (!view_eq(view_first(word, MIN(view_find_byte(word, '='), word.len)), wanted))
			str_printf(out, "%s%.*s", out->len > 0 ? " " : "", VIEW_ARG(word));
}

/* --quota: the field in the others' place. `extra` keeps them. */
static bool put_quota(struct view fields[USER_FIELDS], const struct request *q, struct str *extra)
{
	_cleanup_(quota_freep) struct quota *quota = NULL;
	_cleanup_(str_free) struct str rule = STR_EMPTY;
	struct error err = ERROR_NONE;

	if (q->quota == NULL)
		return true;
	extra_without(fields[USER_FIELD_EXTRA], "quota", extra);
	fields[USER_FIELD_EXTRA] = str_view(extra);
	if (strcmp(q->quota, "none") == 0)
		return true;
	str_printf(&rule, "*:bytes=%s", q->quota);
	if (strpbrk(q->quota, " \t:+-%") != NULL ||
	    quota_parse(str_view(&rule), &quota, &err) < 0) {
		tool_fail("user", "--quota: \"%s\" is no size", q->quota);
		return false;
	}
	str_printf(extra, "%squota=%s", extra->len > 0 ? " " : "", q->quota);
	fields[USER_FIELD_EXTRA] = str_view(extra);
	return true;
}

static int show_outcome(int r, const char *name, const struct str *report)
{
	struct view rest = str_view(report), line;

	while (view_next(&rest, '\n', &line))
		if (line.len > 0)
			fprintf(stderr, "posta user: %.*s\n", VIEW_ARG(line));
	if (r == -EEXIST)
		return tool_fail("user", "there is a user %s already", name);
	if (r == -ENOENT)
		return tool_fail("user", "there is no user %s", name);
	if (r == -EINVAL)
		return tool_fail("user", "nothing was changed");
	return r < 0 ? TOOL_NO : TOOL_DONE;
}

/* Who has lost the right to them has no sessions any more. A suite that is down has none. */
static void end_sessions(const struct str *names)
{
	if (names->len > 0 && instance_find("user"))
		(void)sessions_kick(str_view(names));
}

static int user_change(enum users_change what, const char *name,
		       const struct view fields[USER_FIELDS])
{
	_cleanup_(str_free) struct str line = STR_EMPTY, ended = STR_EMPTY, report = STR_EMPTY;
	int r;

	if (what != USERS_DELETE)
		fields_join(fields, &line);
	r = users_change(what, view_of(name), str_view(&line), &ended, &report);
	if (r == 0)
		end_sessions(&ended);
	return show_outcome(r, name, &report);
}

/* ---- verbs ---- */

/* A name without a domain gets no mail; mail of a domain that is not served never comes. */
static bool is_sensible_name(const char *name)
{
	struct error err = ERROR_NONE;
	struct matchlist *served;
	struct view local, domain;

	address_split(view_of(name), &local, &domain);
	if (domain.len == 0) {
		tool_fail("user", "%s has no domain: %s@%s, perhaps?", name, name, param.mydomain);
		return false;
	}
	served = matchlist_open(param.virtual_mailbox_domains, MATCH_DOMAINS, false, &err);
	if (served != NULL && matchlist_match(served, domain, NULL) == 0)
		fprintf(stderr,
			"posta user: warning: mail for %.*s does not come here "
			"(virtual_mailbox_domains)\n",
			VIEW_ARG(domain));
	matchlist_close(served);
	return true;
}

/* Nobody inherits another's mail by having the same name. */
static bool may_have_mail(const struct request *q, const struct view fields[USER_FIELDS])
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	_cleanup_(user_free) struct user user = { .name = NULL };
	struct error err = ERROR_NONE;

	fields_join(fields, &line);
	if (q->keep_mail || user_parse(str_view(&line), &user, &err) < 0 ||
	    !user_mail_is_there(&user))
		return true; /* users_change says what is wrong with the line */
	tool_fail("user",
		  "%s has mail from an earlier user of that name in %s: --keep-mail to have it",
		  user.name, user.mail);
	return false;
}

static int user_add_one(const struct request *q)
{
	_cleanup_(str_free) struct str hash = STR_EMPTY, extra = STR_EMPTY;
	struct view fields[USER_FIELDS] = { [USER_FIELD_NAME] = view_of(q->names[0]) };
	int status;

	if (!user_field_put(&fields[USER_FIELD_NAME], q->names[0], "ADDRESS", false) ||
	    !put_all(fields, q) || !put_quota(fields, q, &extra) ||
	    !is_sensible_name(q->names[0]) || !may_have_mail(q, fields))
		return TOOL_NO;
	status = user_make_hash(&q->password, &hash);
	if (status != TOOL_DONE)
		return status;
	if (!user_field_put(&fields[USER_FIELD_PASSWORD], str_cstr(&hash), "--hash", false))
		return TOOL_NO;
	return user_change(USERS_ADD, q->names[0], fields);
}

/* passwd and set: one field or others of the line that is there. */
static int users_edit(const struct request *q, bool password)
{
	_cleanup_(str_free) struct str hash = STR_EMPTY, line = STR_EMPTY, report = STR_EMPTY;
	_cleanup_(str_free) struct str extra = STR_EMPTY;
	struct view fields[USER_FIELDS];
	int r = users_find(view_of(q->names[0]), &line, &report);

	if (r <= 0)
		return show_outcome(r < 0 ? r : -ENOENT, q->names[0], &report);
	user_split(str_view(&line), fields);
	if (password) {
		int status = user_make_hash(&q->password, &hash);

		if (status != TOOL_DONE)
			return status;
		if (!user_field_put(&fields[USER_FIELD_PASSWORD], str_cstr(&hash), "--hash", false))
			return TOOL_NO;
	} else if (!put_all(fields, q) || !put_quota(fields, q, &extra)) {
		return TOOL_NO;
	}
	return user_change(USERS_REPLACE, q->names[0], fields);
}

static int run_add(const struct request *q)
{
	return user_add_one(q);
}

static int run_passwd(const struct request *q)
{
	return users_edit(q, true);
}

static int run_set(const struct request *q)
{
	if (q->password.clear != NULL || q->password.hash != NULL)
		return tool_usage("user", "posta user passwd sets passwords");
	return users_edit(q, false);
}

/* The other extra fields stay. */
static int user_lock_one(const char *name, bool lock)
{
	_cleanup_(str_free) struct str line = STR_EMPTY, extra = STR_EMPTY, report = STR_EMPTY;
	struct view fields[USER_FIELDS];
	int r = users_find(view_of(name), &line, &report);

	if (r <= 0)
		return show_outcome(r < 0 ? r : -ENOENT, name, &report);
	user_split(str_view(&line), fields);
	extra_without(fields[USER_FIELD_EXTRA], "nologin", &extra);
	if (lock)
		str_printf(&extra, "%snologin", extra.len > 0 ? " " : "");
	fields[USER_FIELD_EXTRA] = str_view(&extra);
	return user_change(USERS_REPLACE, name, fields);
}

static int run_lock(const struct request *q)
{
	int status = TOOL_DONE;

	for (char **name = q->names; *name != NULL; name++)
		if (user_lock_one(*name, true) != TOOL_DONE)
			status = TOOL_NO;
	return status;
}

/* Users of the system and of other servers stand in no file of ours, and can be stopped too. */
static int user_unlock_one(const char *name)
{
	_cleanup_(str_free) struct str line = STR_EMPTY, report = STR_EMPTY;
	int r = instance_find("user") ? user_release_sender(view_of(name)) : 0;

	if (r < 0)
		fprintf(stderr,
			"posta user: %s: %s: whoever was stopped for sending too much stays so; "
			"unlock again "
			"when the mail system runs\n",
			name, strerror(-r));
	if (r <= 0)
		return user_lock_one(name, false);
	printf("%s may send again; \"posta queue list\" shows what is on hold\n", name);
	r = users_find(view_of(name), &line, &report);
	/* -EINVAL: users are in no file that is edited here. */
	return r == 0 || r == -EINVAL ? TOOL_DONE : user_lock_one(name, false);
}

static int run_unlock(const struct request *q)
{
	int status = TOOL_DONE;

	for (char **name = q->names; *name != NULL; name++)
		if (user_unlock_one(*name) != TOOL_DONE)
			status = TOOL_NO;
	return status;
}

static int user_delete_one(const struct request *q, const char *name)
{
	_cleanup_(str_free) struct str line = STR_EMPTY, report = STR_EMPTY;
	_cleanup_(user_free) struct user user = { .name = NULL };
	struct error err = ERROR_NONE;
	int r = users_find(view_of(name), &line, &report);
	bool known = r == 1 && user_parse(str_view(&line), &user, &err) == 0;
	int status = user_change(USERS_DELETE, name, NULL);

	if (status == TOOL_DONE)
		status = user_app_forget(view_of(name));

	if (status != TOOL_DONE || !known || !user_mail_is_there(&user))
		return status;
	if (!q->purge) {
		printf("%s is deleted; the mail stays in %s (--purge removes it)\n", user.name,
		       user.mail);
		return status;
	}
	r = user_mail_purge(&user);
	return r < 0 ? tool_fail("user", "remove %s: %s", user.mail, strerror(-r)) : status;
}

static int run_del(const struct request *q)
{
	int status = TOOL_DONE;

	for (char **name = q->names; *name != NULL; name++)
		if (user_delete_one(q, *name) != TOOL_DONE)
			status = TOOL_NO;
	return status;
}

static int run_compile(const struct request *q)
{
	_cleanup_(str_free) struct str ended = STR_EMPTY, report = STR_EMPTY;
	int r = users_compile(&ended, &report);

	(void)q;
	if (r == 0)
		end_sessions(&ended);
	return show_outcome(r, "", &report);
}

/* ---- list ---- */

struct listing {
	const struct request *q;
	size_t shown;
};

static bool is_wanted(const struct request *q, struct view name)
{
	if (q->names[0] == NULL)
		return true;
	for (char **wanted = q->names; *wanted != NULL; wanted++)
		if (view_eq_nocase(view_of(*wanted), name))
			return true;
	return false;
}

static void list_one(void *argument, struct view line)
{
	struct listing *listing = argument;
	_cleanup_(user_free) struct user user = { .name = NULL };
	struct error err = ERROR_NONE;

	if (!is_wanted(listing->q, view_first(line, view_find_byte(line, ':'))))
		return;
	listing->shown++;
	if (user_parse(line, &user, &err) < 0)
		fprintf(stderr, "posta user: %s\n", err.text);
	else
		user_show(&user, listing->q->json, listing->q->logins);
}

static int user_run_list(const struct request *q)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct listing listing = { .q = q };
	int r = users_each(list_one, &listing, &report);

	if (r < 0)
		return show_outcome(r, "", &report);
	if (q->names[0] != NULL && listing.shown == 0)
		return tool_fail("user", "there is no user %s", q->names[0]);
	return TOOL_DONE;
}

/* ---- the command line ---- */

static const struct action {
	const char *name;
	int least, most; /* names */
	int (*run)(const struct request *q);
} actions[] = {
	{ "add", 1, 1, run_add },	    { "passwd", 1, 1, run_passwd },
	{ "set", 1, 1, run_set },	    { "del", 1, 1000, run_del },
	{ "list", 0, 1000, user_run_list }, { "compile", 0, 0, run_compile },
	{ "lock", 1, 1000, run_lock },	    { "unlock", 1, 1000, run_unlock },
};

static bool read_options(int argc, char **argv, struct request *q)
{
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (password_option_take(option, optarg, &q->password))
			continue;
		switch (option) {
		case OPTION_UID:
			q->uid = optarg;
			break;
		case OPTION_GID:
			q->gid = optarg;
			break;
		case OPTION_HOME:
			q->home = optarg;
			break;
		case OPTION_EXTRA:
			q->extra = optarg;
			break;
		case OPTION_QUOTA:
			q->quota = optarg;
			break;
		case OPTION_JSON:
			q->json = true;
			break;
		case OPTION_LOGINS:
			q->logins = true;
			break;
		case OPTION_KEEP_MAIL:
			q->keep_mail = true;
			break;
		case OPTION_PURGE:
			q->purge = true;
			break;
		default:
			return false;
		}
	}
	return true;
}

int verb_user(int argc, char **argv)
{
	const struct action *action = NULL;
	struct request q = { .json = false };

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	if (argc < 2)
		return tool_usage(
			"user",
			"what is to be done? (add, passwd, set, del, list, app-password, master)");
	if (strcmp(argv[1], "app-password") == 0)
		return user_app_password(argc - 1, argv + 1);
	if (strcmp(argv[1], "master") == 0)
		return user_master(argc - 1, argv + 1);
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (strcmp(actions[i].name, argv[1]) == 0)
			action = &actions[i];
	if (action == NULL)
		return tool_usage("user", "there is no \"%s\"", argv[1]);
	if (!read_options(argc - 1, argv + 1, &q))
		return tool_usage("user", "see above");
	q.names = argv + 1 + optind;
	int names = argc - 1 - optind;

	if (names < action->least || names > action->most)
		return tool_usage("user", "%s: %d ADDRESS expected", action->name, action->least);
	if (!tool_load(NULL, 0))
		return TOOL_NO;
	return action->run(&q);
}
