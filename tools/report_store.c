/*
 * Reports that came, in a database of SQLite that the administrator alone can read: who writes to whom
 * stands in it. What is in it comes from strangers, and goes in as values, never as a part of a question.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "tools/report.h"

#define STORE_WAIT	10000 /* ms, for another command that writes */
#define STORE_PAGE_SIZE 4096

static const char schema[] =
	"CREATE TABLE reports(id INTEGER PRIMARY KEY, received INTEGER, organization TEXT,"
	" email TEXT, report_id TEXT, domain TEXT, p TEXT, sp TEXT, np TEXT, adkim TEXT,"
	" aspf TEXT, begin INTEGER, end INTEGER, UNIQUE(organization, report_id, domain, begin));"
	"CREATE TABLE rows(report INTEGER, source TEXT, messages INTEGER, disposition TEXT,"
	" dkim TEXT, spf TEXT, reason TEXT, comment TEXT, header_from TEXT, envelope_from TEXT,"
	" envelope_to TEXT, results TEXT);"
	"CREATE INDEX rows_of ON rows(report);"
	"CREATE INDEX reports_at ON reports(begin);"
	"CREATE TABLE feedback(received INTEGER, type TEXT, reporter TEXT, source TEXT,"
	" mail_from TEXT, recipient TEXT, domain TEXT, author TEXT, message_id TEXT, login TEXT,"
	" UNIQUE(type, message_id, recipient, author, source));"
	"CREATE TABLE mails(name TEXT PRIMARY KEY, received INTEGER) WITHOUT ROWID;"
	"PRAGMA user_version = 1;";

/* ---- the database ---- */

static int store_run(sqlite3 *db, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Numbers of our own alone may be in it. */
static int store_run(sqlite3 *db, const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	return sqlite3_exec(db, str_cstr(&text), NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;
}

static int64_t store_number(sqlite3 *db, const char *query)
{
	sqlite3_stmt *statement = NULL;
	int64_t number = -1;

	if (sqlite3_prepare_v2(db, query, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

static int store_prepare(sqlite3 *db)
{
	int64_t oldest = clock_wall() - param.report_lifetime / 1000;
	int r = store_run(db, "PRAGMA max_page_count = %lld",
			  (long long)MAX(param.report_size_limit / STORE_PAGE_SIZE, 100));

	if (r == 0)
		r = store_run(db, "BEGIN IMMEDIATE");
	if (r == 0 && store_number(db, "PRAGMA user_version") == 0)
		r = store_run(db, "%s", schema);
	if (r == 0)
		r = store_run(db,
			      "DELETE FROM rows WHERE report IN (SELECT id FROM reports WHERE "
			      "begin < %lld); DELETE FROM reports WHERE begin < %lld; "
			      "DELETE FROM feedback WHERE received < %lld; "
			      "DELETE FROM mails WHERE received < %lld; COMMIT",
			      (long long)oldest, (long long)oldest, (long long)oldest,
			      (long long)oldest);
	return r;
}

/* A folder of ours alone: nobody else puts something in the place of the file. */
static int store_folder(struct str *path, bool to_write, struct error *err)
{
	struct stat st;
	int r = 0;

	str_printf(path, "%s/reports", param.data_directory);
	if (to_write)
		r = io_make_directories(str_cstr(path), 0700, err);
	if (r < 0)
		return r;
	if (lstat(str_cstr(path), &st) < 0)
		return errno == ENOENT ? error_set(err, -ENOENT, "no report has been read yet")
				       : error_errno(err, "%s", str_cstr(path));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) != 0)
		return error_set(err, -EPERM, "%s is not a folder of yours alone", str_cstr(path));
	str_append_cstr(path, "/received");
	return 0;
}

sqlite3 *report_store_open(bool to_write, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int flags = SQLITE_OPEN_NOFOLLOW;
	sqlite3 *db = NULL;
	mode_t before;
	int state;

	if (store_folder(&path, to_write, err) < 0)
		return NULL;
	flags |= to_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	before = umask(077);
	state = sqlite3_open_v2(str_cstr(&path), &db, flags, NULL);
	if (state == SQLITE_OK) {
		sqlite3_busy_timeout(db, STORE_WAIT);
		if (to_write && store_prepare(db) < 0)
			state = SQLITE_ERROR;
		if (state == SQLITE_OK && store_number(db, "PRAGMA user_version") != 1)
			state = SQLITE_SCHEMA;
	}
	umask(before);
	if (state == SQLITE_OK)
		return db;
	if (state == SQLITE_CANTOPEN && !to_write)
		error_set(err, -ENOENT, "no report has been read yet");
	else
		error_set(err, -EIO, "%s: %s", str_cstr(&path), sqlite3_errmsg(db));
	sqlite3_close(db);
	return NULL;
}

void report_store_close(sqlite3 *db)
{
	sqlite3_close(db);
}

int report_store_begin(sqlite3 *db)
{
	return store_run(db, "BEGIN IMMEDIATE");
}

int report_store_end(sqlite3 *db, bool keep)
{
	return store_run(db, "%s", keep ? "COMMIT" : "ROLLBACK");
}

/* ---- what goes in ---- */

struct store_value {
	const struct str *text; /* NULL: the number */
	int64_t number;
};
#define VALUE_TEXT(member) ((struct store_value){ &(member), 0 })
#define VALUE_NUMBER(n)	   ((struct store_value){ NULL, (int64_t)(n) })

/* 1: a row more; 0: it was there; or -EIO. */
static int store_insert(sqlite3 *db, const char *query, const struct store_value *values,
			size_t count, struct error *err)
{
	sqlite3_stmt *statement = NULL;
	int state = sqlite3_prepare_v2(db, query, -1, &statement, NULL);

	for (size_t i = 0; i < count && state == SQLITE_OK; i++)
		state = values[i].text == NULL
				? sqlite3_bind_int64(statement, (int)i + 1, values[i].number)
				: sqlite3_bind_text(statement, (int)i + 1, str_cstr(values[i].text),
						    (int)values[i].text->len, SQLITE_TRANSIENT);
	if (state == SQLITE_OK)
		state = sqlite3_step(statement);
	sqlite3_finalize(statement);
	if (state != SQLITE_DONE)
		return error_set(err, -EIO, "the database: %s", sqlite3_errmsg(db));
	return sqlite3_changes(db);
}

bool report_store_knows(sqlite3 *db, const char *name)
{
	sqlite3_stmt *statement = NULL;
	bool known = false;

	if (sqlite3_prepare_v2(db, "SELECT 1 FROM mails WHERE name = ?1", -1, &statement, NULL) ==
	    SQLITE_OK) {
		sqlite3_bind_text(statement, 1, name, -1, SQLITE_TRANSIENT);
		known = sqlite3_step(statement) == SQLITE_ROW;
	}
	sqlite3_finalize(statement);
	return known;
}

int report_store_note(sqlite3 *db, const char *name, int64_t now)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_append_cstr(&text, name);
	return store_insert(db, "INSERT OR REPLACE INTO mails VALUES(?1, ?2)",
			    (struct store_value[]){ VALUE_TEXT(text), VALUE_NUMBER(now) }, 2, NULL);
}

static int store_row(sqlite3 *db, int64_t report, const struct aggregate_row *row,
		     struct error *err)
{
	const struct store_value values[] = {
		VALUE_NUMBER(report),	      VALUE_TEXT(row->source),
		VALUE_NUMBER(row->count),     VALUE_TEXT(row->disposition),
		VALUE_TEXT(row->dkim),	      VALUE_TEXT(row->spf),
		VALUE_TEXT(row->reason),      VALUE_TEXT(row->comment),
		VALUE_TEXT(row->header_from), VALUE_TEXT(row->envelope_from),
		VALUE_TEXT(row->envelope_to), VALUE_TEXT(row->results),
	};

	return store_insert(db,
			    "INSERT INTO rows VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
			    "?12)",
			    values, ARRAY_SIZE(values), err);
}

int report_store_aggregate(sqlite3 *db, const struct aggregate_report *report, int64_t now,
			   struct error *err)
{
	const struct store_value values[] = {
		VALUE_NUMBER(now),	     VALUE_TEXT(report->organization),
		VALUE_TEXT(report->email),   VALUE_TEXT(report->id),
		VALUE_TEXT(report->domain),  VALUE_TEXT(report->p),
		VALUE_TEXT(report->sp),	     VALUE_TEXT(report->np),
		VALUE_TEXT(report->adkim),   VALUE_TEXT(report->aspf),
		VALUE_NUMBER(report->begin), VALUE_NUMBER(report->end),
	};
	int64_t id;
	int r = store_insert(db,
			     "INSERT OR IGNORE INTO reports VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, "
			     "?7, ?8, ?9, ?10, ?11, ?12)",
			     values, ARRAY_SIZE(values), err);

	if (r <= 0)
		return r;
	id = sqlite3_last_insert_rowid(db);
	for (size_t i = 0; i < report->count && r >= 0; i++)
		r = store_row(db, id, &report->rows[i], err);
	return r < 0 ? r : 1;
}

int report_store_feedback(sqlite3 *db, const struct feedback_report *report, int64_t now,
			  struct error *err)
{
	const struct store_value values[] = {
		VALUE_NUMBER(now),
		VALUE_TEXT(report->type),
		VALUE_TEXT(report->reporter),
		VALUE_TEXT(report->source),
		VALUE_TEXT(report->mail_from),
		VALUE_TEXT(report->recipient),
		VALUE_TEXT(report->domain),
		VALUE_TEXT(report->author),
		VALUE_TEXT(report->message_id),
		VALUE_TEXT(report->login),
	};

	return store_insert(db,
			    "INSERT OR IGNORE INTO feedback VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
			    "?9, ?10)",
			    values, ARRAY_SIZE(values), err);
}
