/* The files of a new instance. Nothing that is there is written over. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "defaults.h"
#include "mail/address.h"
#include "table/table.h"
#include "tools/init.h"
#include "tools/users.h"
#include "user/user.h"

static const char main_cf[] =
	"# Posta, made by posta init. \"posta conf\" shows and changes parameters, \"posta "
	"check\"\n"
	"# proves them sane, \"posta reload\" puts them in force.\n"
	"\n"
	"myhostname = %1$s\n"
	"mydomain = %2$s\n"
	"myorigin = $mydomain\n"
	"\n"
	"# Mail for these goes to the users of this system ...\n"
	"mydestination = %3$s\n"
	"alias_maps = hash:%5$s/conf/aliases\n"
	"alias_database = $alias_maps\n"
	"# ... and for these to the mailbox users (posta user).\n"
	"virtual_mailbox_domains = %6$s\n"
	"virtual_alias_maps = hash:%5$s/conf/virtual\n"
	"mailbox_users = hash:%5$s/conf/users\n"
	"mailbox_default_folders = Drafts, Sent, Junk, Trash, Archive\n"
	"recipient_delimiter = +\n"
	"\n"
	"# Who may send mail to anywhere without a password\n"
	"mynetworks = 127.0.0.0/8 [::1]/128\n"
	"\n"
	"# SPF, DKIM, DMARC and ARC say who strangers' mail is from; what DMARC refuses is "
	"refused,\n# what it suspects goes to Junk\n"
	"mail_verification = yes\n"
	"# Where filters and DMARC's quarantine say junk\n"
	"junk_mailbox = Junk\n"
	"\n"
	"inet_interfaces = all\n"
	"inet_protocols = all\n"
	"# Added to the ports 25, 110, 143 ... that the names in master.cf stand for\n"
	"base_port = %4$u\n"
	"\n"
	"smtpd_tls_security_level = may\n"
	"smtpd_tls_cert_file = %5$s/conf/tls/server.pem\n"
	"smtpd_tls_key_file = %5$s/conf/tls/server.key\n"
	"smtp_tls_security_level = may\n"
	"\n"
	"queue_directory = %5$s/queue\n"
	"data_directory = %5$s/data\n"
	"virtual_home = %5$s/mail/%%d/%%n\n"
	"maillog_file = %5$s/log/mail.log\n";

/* That of the instance, and those of its users. */
static void list_domains(const struct init *init, struct str *list)
{
	str_append_cstr(list, init->domain);
	for (size_t i = 0; i < init->user_count; i++) {
		struct view rest = str_view(list), known, local, domain;
		bool found = false;

		address_split(view_of(init->users[i].address), &local, &domain);
		while (!found && view_next_word(&rest, ", ", &known))
			found = view_eq_nocase(known, domain);
		if (!found)
			str_printf(list, ", %.*s", VIEW_ARG(domain));
	}
}

static int write_main_cf(const struct init *init, struct error *err)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, domains = STR_EMPTY;
	/* A domain cannot be of both kinds. */
	const char *local = strcmp(init->host, init->domain) == 0
				    ? "localhost.$mydomain, localhost"
				    : "$myhostname, localhost.$mydomain, localhost";

	list_domains(init, &domains);
	str_printf(&text, main_cf, init->host, init->domain, local, init->base_port,
		   init->directory, domains.data);
	if (!init->as_root)
		str_printf(&text, "virtual_uid = %u\nvirtual_gid = %u\nvirtual_minimum_uid = %u\n",
			   geteuid(), getegid(), MIN(geteuid(), 100U));
	return init_write(init, "conf/main.cf", str_view(&text), 0644, err);
}

/* ---- tables ---- */

static int init_compile_table(const struct init *init, const char *name, enum table_source source,
			      struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, report = STR_EMPTY;
	int r;

	str_printf(&path, "%s/%s", init->directory, name);
	r = table_build("hash", path.data, source, &report);
	return r < 0 ? error_set(err, r, "%.*s", VIEW_ARG(view_trim(str_view(&report)))) : 0;
}

static int init_users_tables(const struct init *init, struct view text, struct error *err)
{
	_cleanup_(str_free) struct str users = STR_EMPTY, passwords = STR_EMPTY, report = STR_EMPTY;
	int r;

	str_printf(&users, "%s/conf/users", init->directory);
	str_printf(&passwords, "%s/conf/passwords", init->directory);
	r = users_build("hash", users.data, passwords.data, text, &report);
	return r < 0 ? error_set(err, r, "%.*s", VIEW_ARG(view_trim(str_view(&report)))) : 0;
}

/* The program that checks passwords reads them after it has given up root. */
static int open_to_auth(const struct init *init, const char *name, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/%s", init->directory, name);
	if (init->as_root &&
	    (chown(path.data, 0, init->auth_gid) < 0 || chmod(path.data, 0640) < 0))
		return error_errno(err, "give %s its group", path.data);
	return 0;
}

static int write_users(const struct init *init, struct error *err)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int r = 0;

	str_append_cstr(&text, "# Mailbox users: address:{SCHEME}hash:uid:gid::home::extra\n"
			       "# \"posta user\" edits this file and compiles it; empty uid, gid "
			       "and home take\n"
			       "# virtual_uid, virtual_gid and virtual_home.\n");
	for (size_t i = 0; i < init->user_count && r == 0; i++) {
		str_printf(&text, "%s:", init->users[i].address);
		r = password_hash(view_of(init->users[i].password), NULL, &text, err);
		str_append_cstr(&text, "::::::\n");
	}
	if (r == 0)
		r = init_write(init, "conf/users", str_view(&text), 0600, err);
	if (r == 0)
		r = init_users_tables(init, str_view(&text), err);
	if (r == 0)
		r = open_to_auth(init, "conf/passwords.db", err);
	mem_wipe(text.data, text.len);
	return r;
}

static int write_aliases(const struct init *init, struct error *err)
{
	_cleanup_(str_free) struct str aliases = STR_EMPTY, virtual = STR_EMPTY;
	static const char *const roles[] = { "postmaster", "abuse", "hostmaster", "webmaster" };
	const char *first = init->user_count > 0 ? init->users[0].address : NULL;
	int r;

	str_append_cstr(&aliases, "# Aliases of this system's users, aliases(5); \"posta alias\" "
				  "compiles it.\n"
				  "mailer-daemon: postmaster\n"
				  "postmaster: root\n");
	str_append_cstr(&virtual, "# Addresses that become others; \"posta map "
				  "hash:virtual\" compiles it.\n");
	if (first != NULL)
		str_printf(&aliases, "root: %s\n", first);
	for (size_t i = 0; first != NULL && i < ARRAY_SIZE(roles); i++)
		str_printf(&virtual, "%s@%s %s\n", roles[i], init->domain, first);
	r = init_write(init, "conf/aliases", str_view(&aliases), 0644, err);
	if (r == 0)
		r = init_compile_table(init, "conf/aliases", SOURCE_ALIASES, err);
	if (r == 0)
		r = init_write(init, "conf/virtual", str_view(&virtual), 0644, err);
	return r < 0 ? r : init_compile_table(init, "conf/virtual", SOURCE_MAP, err);
}

int init_files(const struct init *init, struct error *err)
{
	int r = write_users(init, err);

	if (r == 0)
		r = write_aliases(init, err);
	if (r == 0)
		r = init_write(init, "conf/master.cf", view_of(default_master_cf), 0644, err);
	/* The last: with it the instance is there. */
	return r < 0 ? r : write_main_cf(init, err);
}
