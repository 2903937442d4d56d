/*
 * What was seen, in a database that only this program has open (locking_mode EXCLUSIVE: there is nothing to be
 * opened after the start, which the confined program could not). A transaction is always under way; a
 * thread commits it.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "conf/conf.h"
#include "reporter.h"
#include "task/task.h"

#define LEDGER_VERSION 1
#define LEDGER_WAIT    10000 /* ms, for the program before this one */
#define ROW_ROOM       1024  /* bytes of a row in the mean: what they take altogether is bounded */
#define PAGE_SIZE      4096
#define PERIODS_KEPT   8

/* `period` is the second that it begins with. */
static const char schema[] =
	"CREATE TABLE policies(period INTEGER, owner TEXT, record TEXT, due INTEGER, sent INTEGER,"
	" held INTEGER, left_out INTEGER, PRIMARY KEY(period, owner)) WITHOUT ROWID;"
	"CREATE INDEX by_due ON policies(sent, due);"
	"CREATE TABLE seen(period INTEGER, owner TEXT, header_from TEXT, source TEXT,"
	" envelope_from TEXT, disposition INTEGER, dkim INTEGER, spf INTEGER, reason TEXT,"
	" comment TEXT, results TEXT, messages INTEGER, PRIMARY KEY(period, owner, header_from,"
	" source, envelope_from, disposition, dkim, spf, reason, comment, results)) WITHOUT ROWID;"
	"PRAGMA user_version = 1;";

enum ledger_query {
	QUERY_COUNT,
	QUERY_POLICY,
	QUERY_INSERT,
	QUERY_HELD,
	QUERY_LEFT_OUT,
	QUERY_NEXT,
	QUERY_ROWS,
	QUERY_SETTLE,
	QUERY_FORGET,
	QUERY_PUT_OFF,
	QUERY_OLD_SEEN,
	QUERY_OLD_POLICIES,
	QUERIES
};

#define ROW_KEY                                                                                    \
	"period = ?1 AND owner = ?2 AND header_from = ?3 AND source = ?4 AND envelope_from = ?5 "  \
	"AND disposition = ?6 AND dkim = ?7 AND spf = ?8 AND reason = ?9 AND comment = ?10 AND "   \
	"results = ?11"

static const char *const queries[QUERIES] = {
	[QUERY_COUNT] = "UPDATE seen SET messages = messages + 1 WHERE " ROW_KEY,
	[QUERY_POLICY] = "INSERT INTO policies VALUES(?1, ?2, ?3, ?4, 0, 0, 0) ON CONFLICT DO "
			 "UPDATE SET record = excluded.record RETURNING held",
	[QUERY_INSERT] = "INSERT INTO seen VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1)",
	[QUERY_HELD] = "UPDATE policies SET held = held + 1 WHERE period = ?1 AND owner = ?2",
	[QUERY_LEFT_OUT] =
		"UPDATE policies SET left_out = left_out + 1 WHERE period = ?1 AND owner = ?2",
	[QUERY_NEXT] = "SELECT owner, record, period, due, left_out FROM policies WHERE sent = 0 "
		       "AND due <= ?1 ORDER BY due LIMIT 1",
	[QUERY_ROWS] = "SELECT source, header_from, envelope_from, disposition, dkim, spf, reason, "
		       "comment, results, messages FROM seen WHERE period = ?1 AND owner = ?2 "
		       "ORDER BY messages DESC",
	[QUERY_SETTLE] = "UPDATE policies SET sent = 1 WHERE period = ?1 AND owner = ?2",
	[QUERY_FORGET] = "DELETE FROM seen WHERE period = ?1 AND owner = ?2",
	[QUERY_PUT_OFF] = "UPDATE policies SET sent = 0, due = ?3 WHERE period = ?1 AND owner = ?2",
	[QUERY_OLD_SEEN] = "DELETE FROM seen WHERE period < ?1",
	[QUERY_OLD_POLICIES] = "DELETE FROM policies WHERE period < ?1",
};

static struct {
	sqlite3 *database;
	sqlite3_stmt *statements[QUERIES];
	int64_t held; /* rows and policies */
	struct task_lock lock;
} ledger;

static int64_t period_length(void)
{
	return MAX(param.dmarc_report_interval / 1000, 1);
}

static int ledger_fail(const char *what)
{
	log_warning("%s: %s", what, sqlite3_errmsg(ledger.database));
	return -EIO;
}

/* ---- the database ---- */

static bool pragma_says(const char *pragma, const char *expected)
{
	sqlite3_stmt *statement = NULL;
	bool same = false;

	if (sqlite3_prepare_v2(ledger.database, pragma, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(statement, 0);

		same = text != NULL && strcmp(text, expected) == 0;
	}
	sqlite3_finalize(statement);
	return same;
}

/* Everything that SQLite opens (the log of its changes) is open when this is done. */
static int ledger_connect(const char *path)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW |
			  SQLITE_OPEN_FULLMUTEX;
	_cleanup_(str_free) struct str pages = STR_EMPTY;

	str_printf(&pages, "PRAGMA max_page_count = %lld",
		   (long long)MAX(param.dmarc_report_row_limit * ROW_ROOM / PAGE_SIZE, 100));
	if (sqlite3_open_v2(path, &ledger.database, flags, NULL) != SQLITE_OK)
		return -EIO;
	sqlite3_busy_timeout(ledger.database, LEDGER_WAIT);
	if (sqlite3_exec(ledger.database,
			 "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; "
			 "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; "
			 "PRAGMA wal_autocheckpoint = 1",
			 NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(ledger.database, str_cstr(&pages), NULL, NULL, NULL) != SQLITE_OK)
		return -EIO;
	if (pragma_says("PRAGMA user_version", "0") &&
	    sqlite3_exec(ledger.database, schema, NULL, NULL, NULL) != SQLITE_OK)
		return -EIO;
	if (!pragma_says("PRAGMA user_version", "1") || !pragma_says("PRAGMA quick_check(1)", "ok"))
		return -EBADMSG;
	return sqlite3_exec(ledger.database, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK
		       ? 0
		       : -EIO;
}

static void ledger_disconnect(void)
{
	for (size_t i = 0; i < QUERIES; i++) {
		sqlite3_finalize(ledger.statements[i]);
		ledger.statements[i] = NULL;
	}
	sqlite3_close(ledger.database);
	ledger.database = NULL;
}

static int64_t ledger_number(const char *query)
{
	sqlite3_stmt *statement = NULL;
	int64_t number = 0;

	if (sqlite3_prepare_v2(ledger.database, query, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

static int ledger_begin(const char *path, struct error *err)
{
	int r = ledger_connect(path), code = sqlite3_errcode(ledger.database);

	/* Counts are no mail: what cannot be read begins anew. */
	if (r == -EBADMSG || (r < 0 && (code == SQLITE_CORRUPT || code == SQLITE_NOTADB))) {
		_cleanup_(str_free) struct str changes = STR_EMPTY;

		log_warning("%s is damaged, or of another version: it begins anew", path);
		ledger_disconnect();
		str_printf(&changes, "%s-wal", path);
		if (unlink(path) < 0 || (unlink(str_cstr(&changes)) < 0 && errno != ENOENT))
			return error_errno(err, "remove %s", path);
		r = ledger_connect(path);
	}
	for (size_t i = 0; i < QUERIES && r == 0; i++)
		if (sqlite3_prepare_v3(ledger.database, queries[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &ledger.statements[i], NULL) != SQLITE_OK)
			r = -EIO;
	return r == 0 ? 0 : error_set(err, r, "%s: %s", path, sqlite3_errmsg(ledger.database));
}

int ledger_open(struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct stat st;
	int r;

	WAITLIST_INIT(&ledger.lock.waiting);
	str_printf(&path, "%s/reports", param.data_directory);
	r = io_make_directories(str_cstr(&path), 0700, err);
	if (r < 0)
		return r;
	/* Where others could put something in the place of a file, what it leads to would be written. */
	if (lstat(str_cstr(&path), &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 022) != 0)
		return error_set(err, -EPERM, "%s is not a folder of this program alone",
				 str_cstr(&path));
	str_append_cstr(&path, "/seen");
	r = ledger_begin(str_cstr(&path), err);
	if (r < 0) {
		ledger_disconnect();
		return r;
	}
	ledger.held = ledger_number("SELECT (SELECT count(*) FROM seen) + count(*) FROM policies");
	return 0;
}

/* In a thread: this is the one thing that waits for the disk. */
static int ledger_commit_thread(void *unused)
{
	(void)unused;
	if (sqlite3_exec(ledger.database, "COMMIT", NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_exec(ledger.database, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	if (!sqlite3_get_autocommit(ledger.database))
		(void)sqlite3_exec(ledger.database, "ROLLBACK", NULL, NULL, NULL);
	(void)sqlite3_exec(ledger.database, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	return -EIO;
}

static int ledger_commit(void)
{
	int r = task_blocking(ledger_commit_thread, NULL);

	return r < 0 ? ledger_fail("what DMARC showed cannot be kept") : 0;
}

void ledger_close(void)
{
	if (ledger.database == NULL)
		return;
	task_lock(&ledger.lock);
	(void)sqlite3_exec(ledger.database, "COMMIT", NULL, NULL, NULL);
	ledger_disconnect();
	task_unlock(&ledger.lock);
}

/* ---- questions ---- */

static void bind_text(sqlite3_stmt *statement, int n, struct view text)
{
	sqlite3_bind_text(statement, n, text.data != NULL ? text.data : "", (int)text.len,
			  SQLITE_TRANSIENT);
}

static struct view column_text(sqlite3_stmt *statement, int n)
{
	const void *text = sqlite3_column_text(statement, n);

	return view_make(text, (size_t)sqlite3_column_bytes(statement, n));
}

static sqlite3_stmt *query_of(enum ledger_query query, int64_t period, struct view owner)
{
	sqlite3_stmt *statement = ledger.statements[query];

	sqlite3_bind_int64(statement, 1, period);
	bind_text(statement, 2, owner);
	return statement;
}

/* One without rows. How many it changed, or a negative errno. */
static int query_run(sqlite3_stmt *statement)
{
	int state = sqlite3_step(statement);
	int changed = sqlite3_changes(ledger.database);

	sqlite3_reset(statement);
	return state == SQLITE_DONE ? changed : state == SQLITE_FULL ? -ENOSPC : -EIO;
}

static sqlite3_stmt *query_row(enum ledger_query query, int64_t period,
			       const struct msg_dmarc_seen *seen)
{
	sqlite3_stmt *statement = query_of(query, period, seen->owner);

	bind_text(statement, 3, seen->header_from);
	bind_text(statement, 4, seen->source);
	bind_text(statement, 5, seen->envelope_from);
	sqlite3_bind_int(statement, 6, seen->disposition);
	sqlite3_bind_int(statement, 7, seen->dkim_aligned != 0);
	sqlite3_bind_int(statement, 8, seen->spf_aligned != 0);
	bind_text(statement, 9, seen->reason);
	bind_text(statement, 10, seen->comment);
	bind_text(statement, 11, seen->results);
	return statement;
}

/* ---- counting ---- */

/* The policy that the row is under, and how many rows it has by now. */
static int policy_note(const struct msg_dmarc_seen *seen, int64_t period)
{
	sqlite3_stmt *statement = query_of(QUERY_POLICY, period, seen->owner);
	int64_t due = period + period_length();
	int64_t spread = MIN(param.dmarc_report_spread / 1000, UINT32_MAX - 1);
	int held = -EIO;

	due += random_below((uint32_t)MAX(spread, 0) + 1);
	bind_text(statement, 3, seen->record);
	sqlite3_bind_int64(statement, 4, due);
	if (sqlite3_step(statement) == SQLITE_ROW)
		held = (int)MIN(sqlite3_column_int64(statement, 0), INT32_MAX);
	sqlite3_reset(statement);
	return held;
}

static int row_add(const struct msg_dmarc_seen *seen, int64_t period)
{
	int held, r = -ENOSPC;

	if (ledger.held < param.dmarc_report_row_limit) {
		held = policy_note(seen, period);
		if (held < 0)
			return held;
		ledger.held += held == 0;
		if (held < REPORT_ROWS_MAX)
			r = query_run(query_row(QUERY_INSERT, period, seen));
	}
	if (r > 0) {
		ledger.held++;
		return query_run(query_of(QUERY_HELD, period, seen->owner));
	}
	if (r == -ENOSPC)
		return query_run(query_of(QUERY_LEFT_OUT, period, seen->owner));
	return r;
}

int ledger_add(const struct msg_dmarc_seen *seen, int64_t now)
{
	int64_t period = now - now % period_length();
	int r = -ESHUTDOWN;

	task_lock(&ledger.lock);
	if (ledger.database != NULL) {
		r = query_run(query_row(QUERY_COUNT, period, seen));
		if (r == 0)
			r = row_add(seen, period);
		if (r < 0)
			ledger_fail("what DMARC showed cannot be noted");
	}
	task_unlock(&ledger.lock);
	return MIN(r, 0);
}

/* ---- reports ---- */

void ledger_due_free(struct ledger_due *due)
{
	str_free(&due->owner);
	str_free(&due->record);
}

int ledger_next(int64_t now, struct ledger_due *due)
{
	sqlite3_stmt *statement = ledger.statements[QUERY_NEXT];
	int state, r = 0;

	*due = (struct ledger_due){ 0 };
	task_lock(&ledger.lock);
	if (ledger.database != NULL) {
		sqlite3_bind_int64(statement, 1, now);
		state = sqlite3_step(statement);
		if (state == SQLITE_ROW) {
			str_append(&due->owner, column_text(statement, 0));
			str_append(&due->record, column_text(statement, 1));
			due->begin = sqlite3_column_int64(statement, 2);
			due->end = due->begin + period_length() - 1;
			due->due = sqlite3_column_int64(statement, 3);
			due->left_out = (uint64_t)sqlite3_column_int64(statement, 4);
			r = 1;
		} else if (state != SQLITE_DONE) {
			r = ledger_fail("what reports are due cannot be read");
		}
		sqlite3_reset(statement);
	}
	task_unlock(&ledger.lock);
	return r;
}

static void row_read(sqlite3_stmt *statement, struct aggregate_seen *seen)
{
	*seen = (struct aggregate_seen){
		.source = column_text(statement, 0),
		.header_from = column_text(statement, 1),
		.envelope_from = column_text(statement, 2),
		.disposition = DMARC_P_NONE + (unsigned)sqlite3_column_int(statement, 3),
		.dkim_aligned = sqlite3_column_int(statement, 4) != 0,
		.spf_aligned = sqlite3_column_int(statement, 5) != 0,
		.reason = column_text(statement, 6),
		.comment = column_text(statement, 7),
		.results = column_text(statement, 8),
		.count = (uint64_t)sqlite3_column_int64(statement, 9),
	};
}

int ledger_rows(const struct ledger_due *due,
		void (*each)(void *argument, const struct aggregate_seen *seen), void *argument)
{
	struct aggregate_seen seen;
	int state = SQLITE_MISUSE, r = -ESHUTDOWN;

	task_lock(&ledger.lock);
	if (ledger.database != NULL) {
		sqlite3_stmt *statement = query_of(QUERY_ROWS, due->begin, str_view(&due->owner));

		while ((state = sqlite3_step(statement)) == SQLITE_ROW) {
			row_read(statement, &seen);
			each(argument, &seen);
		}
		r = state == SQLITE_DONE ? 0 : ledger_fail("the rows of a report cannot be read");
		sqlite3_reset(statement);
	}
	task_unlock(&ledger.lock);
	return r;
}

static int due_change(enum ledger_query query, const struct ledger_due *due, int64_t until)
{
	int r = -ESHUTDOWN;

	task_lock(&ledger.lock);
	if (ledger.database != NULL) {
		sqlite3_stmt *statement = query_of(query, due->begin, str_view(&due->owner));

		if (query == QUERY_PUT_OFF)
			sqlite3_bind_int64(statement, 3, until);
		r = query_run(statement);
		if (r > 0 && query == QUERY_FORGET)
			ledger.held -= r;
		r = r < 0 ? ledger_fail("a report cannot be noted") : ledger_commit();
	}
	task_unlock(&ledger.lock);
	return MIN(r, 0);
}

int ledger_settle(const struct ledger_due *due)
{
	return due_change(QUERY_SETTLE, due, 0);
}

int ledger_forget(const struct ledger_due *due)
{
	return due_change(QUERY_FORGET, due, 0);
}

int ledger_put_off(const struct ledger_due *due, int64_t until)
{
	return due_change(QUERY_PUT_OFF, due, until);
}

void ledger_keep(int64_t now)
{
	int64_t oldest = now - PERIODS_KEPT * period_length();
	int removed = 0;

	task_lock(&ledger.lock);
	for (enum ledger_query q = QUERY_OLD_SEEN;
	     ledger.database != NULL && q <= QUERY_OLD_POLICIES; q++) {
		int r;

		sqlite3_bind_int64(ledger.statements[q], 1, oldest);
		r = query_run(ledger.statements[q]);
		removed += MAX(r, 0);
	}
	ledger.held -= removed;
	if (ledger.database != NULL)
		(void)ledger_commit();
	task_unlock(&ledger.lock);
}
