/* posta init: makes a complete instance in one folder. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/random.h"
#include "mail/address.h"
#include "tools/init.h"
#include "tools/tool.h"
#include "tools/txt_record.h"

#define BASE_PORT_MAX	     64000
#define BASE_PORT_OF_USERS   10000 /* who is not root may not have the usual ports */
#define MADE_PASSWORD_LENGTH 19

static const char help[] =
	"usage: posta init DIR --domain DOMAIN [OPTION...]\n"
	"\n"
	"Makes a complete instance in DIR: conf/, queue/, data/, mail/, log/, a certificate "
	"authority with a\n"
	"certificate for the host, a DKIM key and the first users; prints the DNS records to "
	"publish.\n"
	"Never overwrites anything. Then: posta -c DIR/conf start\n"
	"\n"
	"  --domain DOMAIN       the domain of the mailboxes; letters beyond ASCII become an "
	"A-label\n"
	"  --host NAME           this host's name on the Internet (mail.DOMAIN)\n"
	"  --user NAME[:PASSWORD]  a mailbox user NAME@DOMAIN, or with another domain; as often as "
	"you\n"
	"                        like. Without a PASSWORD (others can see it while the command "
	"runs)\n"
	"                        one is made, and told\n"
	"  --base-port N         added to the ports 25, 110, 143 ... (as root 0, else 10000)\n";

/* 95 bits, in letters that nobody takes for others. */
static char *make_password(void)
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	char *password = mem_new_bytes(MADE_PASSWORD_LENGTH + 1);

	for (size_t i = 0; i < MADE_PASSWORD_LENGTH; i++)
		password[i] = letters[random_below(sizeof(letters) - 1)];
	password[MADE_PASSWORD_LENGTH] = '\0';
	return password;
}

/* In the form that is looked up: A-labels, and no capitals. */
static bool domain_take(struct view text, struct str *domain)
{
	_cleanup_(str_free) struct str ascii = STR_EMPTY;

	if (!domain_is_valid(text, true) || domain_to_ascii(text, &ascii) < 0 ||
	    !domain_is_valid(str_view(&ascii), false))
		return false;
	str_append_lower(domain, str_view(&ascii));
	return true;
}

static bool add_user(struct init *init, char *text)
{
	char *colon = strchr(text, ':');
	_cleanup_(str_free) struct str address = STR_EMPTY;
	struct view local, domain;
	struct init_user user = { .made = colon == NULL };

	if ((colon != NULL && colon[1] == '\0') || init->user_count == INIT_USERS_MAX)
		return false;
	address_split(view_make(text, colon != NULL ? (size_t)(colon - text) : strlen(text)),
		      &local, &domain);
	if (local.len == 0 || view_has_control(local) ||
	    view_find_byte(local, ' ') != VIEW_NOT_FOUND)
		return false;
	str_append_lower(&address, local);
	str_append_byte(&address, '@');
	if (!domain_take(domain.len > 0 ? domain : view_of(init->domain), &address))
		return false;
	user.address = str_take(&address);
	user.password = user.made ? make_password() : colon + 1;
	init->users[init->user_count++] = user;
	return true;
}

/* main.cf gives these a meaning. */
static bool is_plain_path(const char *path)
{
	return path[0] == '/' && path[strcspn(path, " \t\r\n$,{}\"'#:")] == '\0';
}

static int init_make_directory(struct init *init, const char *given, struct error *err)
{
	_cleanup_free_ char *absolute = NULL;
	struct stat st;
	_cleanup_(str_free) struct str conf = STR_EMPTY;
	int r = io_make_directories(given, 0755, err);

	if (r < 0)
		return r;
	absolute = realpath(given, NULL);
	if (absolute == NULL)
		return error_errno(err, "%s", given);
	if (!is_plain_path(absolute))
		return error_set(err, -EINVAL,
				 "%s: a path without white space and special "
				 "characters, please",
				 absolute);
	init->directory = mem_strdup(absolute);
	str_printf(&conf, "%s/conf", absolute);
	if (stat(conf.data, &st) == 0)
		return error_set(err, -EEXIST, "%s is there already; nothing is overwritten",
				 conf.data);
	return 0;
}

/* ---- what to publish ---- */

static void print_records(const struct init *init)
{
	char owner[400];

	printf("\nDNS records to publish:\n\n"
	       "%s. IN MX 10 %s.\n"
	       "%s. IN A <this host's IPv4 address>    (and AAAA; the addresses' PTR names %s)\n",
	       init->domain, init->host, init->host, init->host);
	txt_record_print(init->domain, VIEW("v=spf1 mx -all"));
	snprintf(owner, sizeof(owner), "%s._domainkey.%s", INIT_DKIM_SELECTOR, init->domain);
	txt_record_print(owner, str_view(&init->dkim_record));
	printf("; mail is signed from the time on that \"posta dkim check\" has seen this "
	       "record\n");

	_cleanup_(str_free) struct str policy = STR_EMPTY;

	snprintf(owner, sizeof(owner), "_dmarc.%s", init->domain);
	str_printf(&policy, "v=DMARC1; p=none; rua=mailto:postmaster@%s", init->domain);
	txt_record_print(owner, str_view(&policy));
}

static void print_summary(const struct init *init)
{
	unsigned base = init->base_port;

	printf("Made the instance %s for %s on %s.\n\n"
	       "  SMTP %u, submission %u (STARTTLS) and %u (TLS)\n"
	       "  IMAP %u, %u (TLS), POP3 %u, %u (TLS), ManageSieve %u (STARTTLS)\n"
	       "  clients trust %s/conf/tls/ca.pem, or take a certificate from a public authority\n"
	       "  (smtpd_tls_cert_file and smtpd_tls_key_file)\n",
	       init->directory, init->domain, init->host, base + 25, base + 587, base + 465,
	       base + 143, base + 993, base + 110, base + 995, base + 4190, init->directory);
	for (size_t i = 0; i < init->user_count; i++)
		printf("  user %s%s%s\n", init->users[i].address,
		       init->users[i].made ? ", password " : "",
		       init->users[i].made ? init->users[i].password : "");
	if (!init->as_root)
		printf("  not made by root: all programs will run as you, without chroot\n");
	print_records(init);
	printf("\nStart it:  posta -c %s/conf start\n", init->directory);
	if (init->as_root)
		printf("For sendmail, mailq and the systemd unit:  ln -s %s/conf /etc/posta\n",
		       init->directory);
}

/* ---- the options ---- */

static const struct option options[] = {
	{ "domain", required_argument, NULL, 'd' }, { "host", required_argument, NULL, 'h' },
	{ "user", required_argument, NULL, 'u' },   { "base-port", required_argument, NULL, 'b' },
	{ "help", no_argument, NULL, 'H' },	    { 0 },
};

struct arguments {
	const char *directory, *host, *base_port;
	char *users[INIT_USERS_MAX];
	size_t user_count;
};

/* TOOL_DONE to go on; -1: help was printed. */
static int init_read_arguments(int argc, char **argv, struct arguments *a, struct init *init)
{
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'H':
			fputs(help, stdout);
			return -1;
		case 'd':
			init->domain = optarg;
			break;
		case 'h':
			a->host = optarg;
			break;
		case 'b':
			a->base_port = optarg;
			break;
		case 'u':
			if (a->user_count == INIT_USERS_MAX)
				return tool_usage("init", "too many users");
			a->users[a->user_count++] = optarg;
			break;
		default:
			return tool_usage("init", "wrong option");
		}
	}
	if (optind + 1 != argc || init->domain == NULL)
		return tool_usage("init", "expected DIR --domain DOMAIN");
	a->directory = argv[optind];
	return TOOL_DONE;
}

static int init_check_arguments(const struct arguments *a, struct init *init, struct str *domain,
				struct str *host)
{
	if (!domain_take(view_of(init->domain), domain))
		return tool_usage("init", "\"%s\" is no domain", init->domain);
	init->domain = str_cstr(domain);
	if (a->host == NULL)
		str_printf(host, "mail.%s", init->domain);
	else if (!domain_take(view_of(a->host), host))
		return tool_usage("init", "\"%s\" is no host's name", a->host);
	init->host = str_cstr(host);
	if (!domain_is_valid(str_view(host), false))
		return tool_usage("init", "\"%s\" is no host's name", init->host);
	init->base_port = init->as_root ? 0 : BASE_PORT_OF_USERS;
	if (a->base_port != NULL &&
	    view_parse_u32(view_of(a->base_port), BASE_PORT_MAX, &init->base_port) < 0)
		return tool_usage("init", "--base-port: expected a number up to %d", BASE_PORT_MAX);
	for (size_t i = 0; i < a->user_count; i++)
		if (!add_user(init, a->users[i]))
			return tool_usage("init", "--user: expected NAME or NAME:PASSWORD");
	return TOOL_DONE;
}

int verb_init(int argc, char **argv)
{
	static struct arguments arguments;
	static struct init init;
	_cleanup_(str_free) struct str domain = STR_EMPTY, host = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r;

	init.as_root = geteuid() == 0;
	r = init_read_arguments(argc, argv, &arguments, &init);
	if (r == TOOL_DONE)
		r = init_check_arguments(&arguments, &init, &domain, &host);
	if (r != TOOL_DONE)
		return r < 0 ? TOOL_DONE : r;
	umask(022);
	if (init_make_directory(&init, arguments.directory, &err) < 0 ||
	    init_accounts(&init, &err) < 0 || init_check_way(&init, &err) < 0 ||
	    init_folders(&init, &err) < 0 || init_keys(&init, &err) < 0 ||
	    init_files(&init, &err) < 0)
		return tool_fail("init", "%s", err.text);
	print_summary(&init);
	return TOOL_DONE;
}
