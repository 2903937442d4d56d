/*
 * posta report: who sends in our names, by DMARC reports that others send us, and who complains about mail of
 * ours. Reading mails with reports is a part of it; sending them is reporter's matter.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "tools/report.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta report dmarc [--domain DOMAIN] [--since TIME] [--json]\n"
	"       posta report feedback [--domain DOMAIN] [--since TIME] [--json]\n"
	"       posta report import [FILE|MAILDIR|-...]\n"
	"       posta report import --user ADDRESS...\n"
	"\n"
	"dmarc     who sends in the names of our domains, by DMARC reports: how many messages, how "
	"many passed\n"
	"          (were proven to be the domain's), by DKIM and by SPF, and how many were "
	"stopped\n"
	"feedback  who complains about mail of ours (ARF): by the login that sent it, where the "
	"message says so\n"
	"          (smtpd_sasl_authenticated_header), or else by its author\n"
	"import    reads reports: a mail, a file that came with one (.xml, .gz, .zip), or all new "
	"mails of a\n"
	"          Maildir or of a user's inbox. Without a name: of the users of "
	"report_mailboxes\n"
	"\n"
	"--since   30d ago; TIME like 12h, 7d, 4w\n"
	"--domain  and the domains below it\n"
	"\n"
	"A mail or report that was read once is not counted again. Reports are kept for "
	"report_lifetime.\n"
	"Status 1: something could not be read.\n";

enum { OPTION_DOMAIN = 256, OPTION_SINCE, OPTION_JSON, OPTION_USER, OPTION_HELP };

static const struct option options[] = {
	{ "domain", required_argument, NULL, OPTION_DOMAIN },
	{ "since", required_argument, NULL, OPTION_SINCE },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "user", no_argument, NULL, OPTION_USER },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ 0 },
};

struct report_request {
	struct report_wish wish;
	msec_t since; /* before now */
	bool of_users;
	bool is_shown; /* an option of showing was given */
};

/* ---- reading ---- */

static int import_of_configured(struct sqlite3 *db, struct report_tally *tally)
{
	struct view rest = view_of(param.report_mailboxes), name;
	int status = TOOL_DONE;

	if (rest.len == 0)
		return tool_fail("report", "report_mailboxes names nobody: import what?");
	while (conf_next_element(&rest, &name)) {
		int one = report_import_user(db, name, tally);

		status = one != TOOL_DONE ? one : status;
	}
	return status;
}

static int report_import(const struct report_request *request, char **names)
{
	struct report_tally tally = { 0 };
	struct error err = ERROR_NONE;
	struct sqlite3 *db = report_store_open(true, &err);
	int status = TOOL_DONE;

	if (db == NULL)
		return tool_fail("report", "%s", err.text);
	if (*names == NULL)
		status = import_of_configured(db, &tally);
	for (; *names != NULL; names++) {
		int one = request->of_users ? report_import_user(db, view_of(*names), &tally)
					    : report_import_path(db, *names, &tally);

		status = one != TOOL_DONE ? one : status;
	}
	report_store_close(db);
	printf("posta report: %zu reports in %zu mails; %zu were known, %zu could not be read\n",
	       tally.reports, tally.mails, tally.known, tally.failed);
	return status == TOOL_DONE && tally.failed > 0 ? TOOL_NO : status;
}

/* ---- showing ---- */

static int report_show(struct report_request *request,
		       int (*show)(struct sqlite3 *db, const struct report_wish *wish))
{
	struct error err = ERROR_NONE;
	struct sqlite3 *db = report_store_open(false, &err);
	int status;

	if (db == NULL)
		return tool_fail("report", "%s", err.text);
	request->wish.since = clock_wall() - request->since / 1000;
	status = show(db, &request->wish);
	report_store_close(db);
	return status;
}

/* Options go to the front; a tool status. */
static int report_parse_options(int argc, char **argv, struct report_request *request)
{
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		request->is_shown = request->is_shown || option != OPTION_USER;
		if (option == OPTION_DOMAIN)
			request->wish.domain = optarg;
		else if (option == OPTION_JSON)
			request->wish.json = true;
		else if (option == OPTION_USER)
			request->of_users = true;
		else if (option != OPTION_SINCE ||
			 conf_parse_time(view_of(optarg), 'd', &request->since) < 0)
			return tool_usage("report", "unknown option, or no time");
	}
	return TOOL_DONE;
}

int verb_report(int argc, char **argv)
{
	struct report_request request = { .since = (msec_t)30 * 24 * 3600 * 1000 };
	const char *word;
	int status;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	status = report_parse_options(argc, argv, &request);
	argv += optind;
	if (status != TOOL_DONE)
		return status;
	word = *argv != NULL ? *argv++ : "";
	if (strcmp(word, "import") == 0 && !request.is_shown)
		return tool_load(NULL, 0) ? report_import(&request, argv) : TOOL_NO;
	if (*argv != NULL || request.of_users)
		return tool_usage("report", "expected dmarc, feedback or import");
	if (strcmp(word, "dmarc") == 0)
		return tool_load(NULL, 0) ? report_show(&request, report_show_dmarc) : TOOL_NO;
	if (strcmp(word, "feedback") == 0)
		return tool_load(NULL, 0) ? report_show(&request, report_show_feedback) : TOOL_NO;
	return tool_usage("report", "expected dmarc, feedback or import");
}
