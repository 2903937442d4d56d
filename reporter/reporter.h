/*
 * reporter: tells the owners of domains once a day what came in their name (DMARC aggregate reports, RFC
 * 7489, RFC 9990). cleanup says of each message what DMARC showed; alike messages are one row here, and
 * when the day is over each domain whose record asks for it (rua) gets a report.
 *
 *	ledger.c	what was seen, in a database of SQLite; how far that has been told
 *	destination.c	where reports of a domain go: what its record says, and who takes that
 *	compose.c	a report as a mail
 *	send.c		the task that sends what is due
 *	dnsbl.c		another task: are our own addresses on lists of others?
 *	main.c		the program
 *
 * What is counted is in the database within LEDGER_PAUSE; a crash loses that much of it, and a report
 * that was under way is not sent again: there is one at most.
 */
#ifndef REPORTER_REPORTER_H
#define REPORTER_REPORTER_H

#include "base/clock.h"
#include "ipc/ipc.h"
#include "mailauth/records.h"
#include "report/aggregate.h"

#define LEDGER_PAUSE	  ((msec_t)30 * 1000)
#define REPORT_ROWS_MAX	  10000
#define REPORT_TRIES_TIME 86400 /* seconds after dmarc_report_spread a report is given up */

/* ---- ledger.c: all wait ---- */

/* Before the program is confined; waits for the one before it to close. 0 or a negative errno. */
int ledger_open(struct error *err);
void ledger_close(void);
/* One message more. 0 or a negative errno, logged. */
int ledger_add(const struct msg_dmarc_seen *seen, int64_t now);

/* A report that is to be sent. */
struct ledger_due {
	struct str owner, record;
	int64_t begin, end; /* seconds; both are part of it */
	int64_t due;
	uint64_t left_out;
};
void ledger_due_free(struct ledger_due *due);
/* 1: there is one; 0; or a negative errno, logged. */
int ledger_next(int64_t now, struct ledger_due *due);
/* Calls `each` for its rows, those with most messages first. `each` does not wait. */
int ledger_rows(const struct ledger_due *due,
		void (*each)(void *argument, const struct aggregate_seen *seen), void *argument);
/* It is sent: durable when this returns. Its rows stay until ledger_forget. */
int ledger_settle(const struct ledger_due *due);
int ledger_forget(const struct ledger_due *due);
/* It was not sent after all: comes again at that time. */
int ledger_put_off(const struct ledger_due *due, int64_t until);
/* What is too old goes; what was counted becomes durable. */
void ledger_keep(int64_t now);

/* ---- destination.c ---- */

#define DESTINATIONS_MAX 5

struct destinations {
	struct {
		struct str address;
		uint64_t limit; /* bytes of the attachment; UINT64_MAX: none */
	} items[DESTINATIONS_MAX];
	size_t count;
	bool unsure; /* the DNS gave no answer about one of them, or there was no time to ask it */
};
/* Whether there is an address in a record at all. */
bool destination_is_named(struct view record);
/*
 * Those that this domain may send reports to (RFC 7489 section 7.1). Waits; after the deadline nothing more is asked.
 * destinations_free.
 */
void destinations_find(struct view owner, struct view record, const struct dns_source *dns,
		       msec_t deadline, struct destinations *found);
void destinations_free(struct destinations *found);

/* ---- compose.c ---- */

struct composed {
	struct str head, tail;
	struct str attachment; /* compressed, not yet encoded */
	struct str id;
};
/* Waits. composed_free in all cases. */
int report_compose(const struct ledger_due *due, struct composed *composed);
/* All of the mail, for these addresses ("a@b, c@d"). */
void report_write_mail(const struct composed *composed, struct view to, struct str *out);
void composed_free(struct composed *composed);

/* ---- send.c ---- */

/* What could not be sent until now is given up. */
bool report_is_too_late(const struct ledger_due *due, int64_t now);
/* A task: sends what is due, for ever. */
void report_send_run(void *unused);

/* ---- dnsbl.c ---- */

/* Before the program is confined: dnsbl_watch and dnsbl_watch_addresses. 0 or -EINVAL with a reason. */
int dnsbl_watch_check(struct error *err);
/* Appends what a list has an address by: "1.2.0.192." */
void dnsbl_reverse(struct view address, struct str *out);
/* A task, for ever. */
void dnsbl_watch_run(void *unused);

#endif
