/*
 * posta report: what other sites tell us, kept in a database.
 *
 *	report_store.c	the database
 *	report_parse.c	a process of its own that reads a mail, with no rights at all; its answer
 *	report_import.c	files and mailboxes, one mail after the other
 *	report_show.c	tables and JSON
 *	verb_report.c	the options
 */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include "base/clock.h"
#include "base/error.h"
#include "report/feedback.h"

/* ---- report_store.c ---- */

struct sqlite3;
struct sqlite3_stmt;
/*
 * Opens $data_directory/reports/received; what is older than report_lifetime goes. NULL with a reason; also
 * where there is none and it is not `to_write`.
 */
struct sqlite3 *report_store_open(bool to_write, struct error *err);
void report_store_close(struct sqlite3 *db);
/* Whatever is stored between these is there as a whole, or not at all. 0 or -EIO. */
int report_store_begin(struct sqlite3 *db);
int report_store_end(struct sqlite3 *db, bool keep);
/* A mail of that name was read before; report_store_note says so of it. */
bool report_store_knows(struct sqlite3 *db, const char *name);
int report_store_note(struct sqlite3 *db, const char *name, int64_t now);
/* 1: it is new; 0: it was there; or -EIO with what SQLite says in *err. */
int report_store_aggregate(struct sqlite3 *db, const struct aggregate_report *report, int64_t now,
			   struct error *err);
int report_store_feedback(struct sqlite3 *db, const struct feedback_report *report, int64_t now,
			  struct error *err);

/* ---- report_parse.c ---- */

#define REPORT_MAIL_MAX	  ((size_t)64 << 20) /* bytes; of one that is kept packed, also unpacked */
#define REPORT_PARSE_TIME ((msec_t)300 * 1000)

/*
 * Reads the reports in a mail (or in a file that is one), in a process that can open nothing and is nobody.
 * Calls these for each that it found. How many; -EBADMSG: what is wrong with it, or `time` is over before all is read;
 * or another negative errno: none can be read now. The mail may be packed as a Maildir keeps it (store/unpack.h).
 */
int report_parse(struct view mail, const struct report_reader *reader, msec_t time,
		 struct error *err);

/* ---- report_import.c ---- */

struct report_tally {
	size_t mails, reports, known, failed;
};
/* A file, a Maildir, or "-": standard input. A tool status. */
int report_import_path(struct sqlite3 *db, const char *path, struct report_tally *tally);
/* The inbox of a user. */
int report_import_user(struct sqlite3 *db, struct view name, struct report_tally *tally);

/* ---- report_show.c ---- */

struct report_wish {
	const char *domain; /* NULL: all */
	int64_t since;
	bool json;
};
/* A tool status. */
int report_show_dmarc(struct sqlite3 *db, const struct report_wish *wish);
int report_show_feedback(struct sqlite3 *db, const struct report_wish *wish);

#endif
