/* posta report: what others have told, as a table or as JSON. */
#include <sqlite3.h>
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "tools/json.h"
#include "tools/report.h"
#include "tools/tool.h"

static sqlite3_stmt *show_question(sqlite3 *db, const char *query, const struct report_wish *wish)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(db, query, -1, &statement, NULL) != SQLITE_OK)
		return NULL;
	sqlite3_bind_int64(statement, 1, wish->since);
	if (wish->domain != NULL)
		sqlite3_bind_text(statement, 2, wish->domain, -1, SQLITE_TRANSIENT);
	return statement;
}

static struct view show_text(sqlite3_stmt *statement, int column)
{
	const void *text = sqlite3_column_text(statement, column);

	return view_make(text, (size_t)sqlite3_column_bytes(statement, column));
}

/* Names the columns of an answer; those that begin with '#' are numbers. */
static void show_json(sqlite3_stmt *statement)
{
	struct json json = JSON_START;

	json_object(&json, NULL);
	for (int i = 0; i < sqlite3_column_count(statement); i++) {
		const char *name = sqlite3_column_name(statement, i);

		if (name[0] == '#')
			json_number(&json, name + 1, sqlite3_column_int64(statement, i));
		else
			json_string(&json, name, show_text(statement, i));
	}
	json_end(&json);
	json_print(&json);
}

static int show_rows(sqlite3 *db, const char *query, const struct report_wish *wish,
		     void (*line)(sqlite3_stmt *statement))
{
	sqlite3_stmt *statement = show_question(db, query, wish);
	int state = SQLITE_ERROR;

	while (statement != NULL && (state = sqlite3_step(statement)) == SQLITE_ROW)
		wish->json ? show_json(statement) : line(statement);
	if (state != SQLITE_DONE)
		(void)tool_fail("report", "the database: %s", sqlite3_errmsg(db));
	sqlite3_finalize(statement);
	return state == SQLITE_DONE ? TOOL_DONE : TOOL_NO;
}

/* ---- DMARC ---- */

#define OF_DOMAIN "AND (?2 IS NULL OR domain = lower(?2) OR domain LIKE '%.' || lower(?2)) "

static void show_dmarc_line(sqlite3_stmt *statement)
{
	static struct str last;
	struct view domain = show_text(statement, 0);
	int64_t messages = sqlite3_column_int64(statement, 2);
	int64_t passed = sqlite3_column_int64(statement, 3);

	if (!view_eq(domain, str_view(&last))) {
		printf("%s%.*s\n", last.len > 0 ? "\n" : "", VIEW_ARG(domain));
		str_set(&last, domain);
		printf("  %-39s %9s %6s %9s %9s %9s  %s\n", "sent by", "messages", "pass", "dkim",
		       "spf", "stopped", "told by");
	}
	printf("  %-39.*s %9lld %5.1f%% %9lld %9lld %9lld  %.*s\n",
	       VIEW_ARG(show_text(statement, 1)), (long long)messages,
	       messages > 0 ? 100.0 * (double)passed / (double)messages : 0.0,
	       (long long)sqlite3_column_int64(statement, 4),
	       (long long)sqlite3_column_int64(statement, 5),
	       (long long)sqlite3_column_int64(statement, 6), VIEW_ARG(show_text(statement, 7)));
}

int report_show_dmarc(struct sqlite3 *db, const struct report_wish *wish)
{
	static const char query[] =
		"SELECT domain AS domain, source AS source, total(messages) AS '#messages', "
		"total(messages * (rows.dkim = 'pass' OR rows.spf = 'pass')) AS '#passed', "
		"total(messages * (rows.dkim = 'pass')) AS '#dkim_aligned', "
		"total(messages * (rows.spf = 'pass')) AS '#spf_aligned', "
		"total(messages * (disposition IN ('quarantine', 'reject'))) AS '#stopped', "
		"group_concat(DISTINCT organization) AS told_by "
		"FROM rows JOIN reports ON report = reports.id WHERE end >= ?1 " OF_DOMAIN
		"GROUP BY domain, source ORDER BY domain, 3 DESC, source";

	return show_rows(db, query, wish, show_dmarc_line);
}

/* ---- ARF ---- */

static void show_feedback_line(sqlite3_stmt *statement)
{
	time_t last = (time_t)sqlite3_column_int64(statement, 4);
	char when[24] = "";
	struct tm tm;

	if (localtime_r(&last, &tm) != NULL)
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	printf("%-32.*s %-24.*s %-12.*s %10lld  %s  %.*s\n", VIEW_ARG(show_text(statement, 0)),
	       VIEW_ARG(show_text(statement, 1)), VIEW_ARG(show_text(statement, 2)),
	       (long long)sqlite3_column_int64(statement, 3), when,
	       VIEW_ARG(show_text(statement, 5)));
}

int report_show_feedback(struct sqlite3 *db, const struct report_wish *wish)
{
	static const char query[] =
		"SELECT CASE WHEN login <> '' THEN login WHEN author <> '' THEN author ELSE "
		"mail_from END AS sender, domain AS domain, type AS type, count(*) AS '#reports', "
		"max(received) AS '#last', group_concat(DISTINCT reporter) AS told_by "
		"FROM feedback WHERE received >= ?1 " OF_DOMAIN
		"GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3";

	if (!wish->json)
		printf("%-32s %-24s %-12s %10s  %-16s  %s\n", "login, or author", "domain", "type",
		       "reports", "last", "told by");
	return show_rows(db, query, wish, show_feedback_line);
}
