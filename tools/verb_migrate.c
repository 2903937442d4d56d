/* posta migrate: moving in. What of another mail system's settings holds here, and a trial beside it. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tools/migrate.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta migrate postfix [DIR] [--to DIR [--base-port N]]\n"
	"       posta migrate dovecot [DIR]\n"
	"       posta migrate imap --from HOST[:PORT] --users FILE "
	"[OPTION...] [FOLDER...]\n"
	"\n"
	"postfix reads the main.cf and master.cf of a Postfix site "
	"(/etc/postfix) and says how much of "
	"it is\n"
	"in force here, what differs, which other programs it talks to and "
	"whether they are there, and "
	"what\n"
	"posta check finds. Nothing is changed.\n"
	"\n"
	"With --to it then makes an instance of its own in that folder, out of "
	"a copy: on other ports "
	"(25 is\n"
	"N + 25; N is 20000), on loopback alone, with its own queue and log; "
	"mail for other hosts waits "
	"in its\n"
	"queue. So the site can be tried while Postfix runs. Mail for users of "
	"this host is delivered to "
	"them.\n"
	"\n"
	"dovecot reads dovecot.conf (/etc/dovecot) and what it includes, of 2.3 "
	"or 2.4, and prints the "
	"call of\n"
	"posta conf that sets the same, what is to be done otherwise, and what "
	"has no counterpart yet.\n"
	"\n"
	"imap fetches the mail of users from another IMAP server: messages "
	"with flags, keywords and dates,\n"
	"folders, subscriptions. UIDs and UIDVALIDITY are kept where a folder is "
	"empty here at the first\n"
	"run, so that clients download nothing again. A run that was ended goes "
	"on where it was; a later\n"
	"run fetches what is new and carries changes of flags, as that server "
	"has them. Folders (as\n"
	"they are called there, all if none is named) are read only, there.\n"
	"\n"
	"  --users FILE  lines LOGIN PASSWORD [LOCAL USER], between them tabs, or "
	"blanks where a line has no\n"
	"                tab; with --master lines LOGIN [LOCAL USER]\n"
	"  --tls, --starttls, --no-tls  from the start (port 993, the default), "
	"after STARTTLS (143), none\n"
	"  --insecure    whoever the certificate is of; --ca-file FILE: "
	"authorities other than the system's\n"
	"  --master USER, --master-password-file FILE  who may log in as others "
	"(SASL PLAIN)\n"
	"  --jobs N      users at a time (4); --tries N: connections in a row that "
	"may break without having\n"
	"                brought anything (5)\n"
	"  --pop3-uidl FORMAT  UIDLs that POP3 clients know, of %u and %v (UID, "
	"UIDVALIDITY): %08Xu%08Xv for\n"
	"                Dovecot, UID%u-%v for Courier, %v.%u for Cyrus, which is "
	"what is taken where the\n"
	"                greeting names one of these; none\n"
	"  --expunge     what came from there and is gone there goes here too\n"
	"  --renumbered  a folder whose UIDVALIDITY has changed is a new one; else it "
	"is left alone\n"
	"  --list        only says which folders there are, and what they are "
	"called here\n"
	"\n"
	"Status 1: posta check finds errors, the settings cannot be read, or not "
	"all mail of all users\n"
	"has come; 75: a connection failed.\n";

#define TRIAL_PORT    20000
#define BASE_PORT_MAX 64000

static int migrate_make_trial(const char *from, const char *to, uint32_t base_port)
{
	_cleanup_(str_free) struct str notes = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct view rest, line;

	if (to[0] != '/')
		return tool_usage("migrate", "--to: expected an absolute path, not %s", to);
	if (migrate_trial(from, to, base_port, &notes, &err) < 0)
		return tool_fail("migrate", "%s", err.text);
	printf("\nMade %s/conf, a copy of %s, but for\n", to, from);
	rest = str_view(&notes);
	while (view_next_word(&rest, "\n", &line))
		printf("  %.*s\n", VIEW_ARG(line));
	printf("\nposta -c %s/conf check; posta -c %s/conf start; then port %u is its 25.\n", to,
	       to, base_port + 25);
	return TOOL_DONE;
}

int verb_migrate(int argc, char **argv)
{
	static const struct option options[] = { { "to", required_argument, NULL, 't' },
						 { "base-port", required_argument, NULL, 'b' },
						 { 0 } };
	uint32_t base_port = TRIAL_PORT;
	const char *to = NULL, *what, *from;
	int option, status;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	if (argc > 1 && strcmp(argv[1], "imap") == 0)
		return migrate_imap(argc - 1, argv + 1);
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 't')
			to = optarg;
		else if (option != 'b' ||
			 view_parse_u32(view_of(optarg), BASE_PORT_MAX, &base_port) < 0)
			return tool_usage("migrate", "wrong option, or no number up to %d",
					  BASE_PORT_MAX);
	}
	what = optind < argc ? argv[optind++] : "";
	from = optind < argc ? argv[optind++] : NULL;
	if (optind < argc)
		return tool_usage("migrate", "%s is not understood", argv[optind]);
	if (strcmp(what, "dovecot") == 0 && to == NULL)
		return migrate_dovecot(from ? from : "/etc/dovecot");
	if (strcmp(what, "postfix") != 0)
		return tool_usage("migrate", "expected postfix or dovecot");
	from = from ? from : "/etc/postfix";
	status = migrate_postfix(from);
	/* What is wrong with the site stands in the way of no trial. */
	return to == NULL || status > TOOL_NO ? status : migrate_make_trial(from, to, base_port);
}
