/* posta migrate: moving in. What of another mail system's settings holds here, and a trial beside it. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tools/migrate.h"
#include "tools/tool.h"

static const char help[] = "usage: posta migrate postfix [DIR] [--to DIR [--base-port N]]\n"
			   "       posta migrate dovecot [DIR]\n"
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
			   "Status 1: posta check finds errors, or the settings cannot be read.\n";

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
