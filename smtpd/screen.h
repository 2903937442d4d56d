/*
 * What Postfix's postscreen does, before a client gets a session (postscreen_enable): whom the access
 * list or the memory of earlier visits knows is let in at once; of the others it is seen whether they
 * wait for the greeting, DNS lists score them, and who fails, or has to show more, speaks with a
 * server that takes no mail.
 *
 *	screen.c	the way of a client through all that
 *	steps.c		what all of it is made of
 *	dnsbl.c		lists and scores
 *	decoy.c		the server that takes no mail, and the tests that need one
 *
 * A client under test is a task and a connection, no session; postscreen_pre_queue_limit says how many
 * there are. Who has passed is known to anvil, for all processes together. The log lines are
 * postscreen's, in its name: people's scripts read them.
 */
#ifndef SMTPD_SCREEN_H
#define SMTPD_SCREEN_H

#include "daemon/daemon.h"
#include "services/clients.h"
#include "task/stream.h"

enum screen_test {
	SCREEN_PREGREET,
	SCREEN_DNSBL,
	SCREEN_PIPELINING,
	SCREEN_NON_SMTP,
	SCREEN_BARE_NEWLINE,
	SCREEN_TESTS
};
#define SCREEN_BIT(test) (1U << (test))
#define SCREEN_EARLY	 (SCREEN_BIT(SCREEN_PREGREET) | SCREEN_BIT(SCREEN_DNSBL))
#define SCREEN_DEEP                                                                                \
	(SCREEN_BIT(SCREEN_PIPELINING) | SCREEN_BIT(SCREEN_NON_SMTP) |                             \
	 SCREEN_BIT(SCREEN_BARE_NEWLINE))

enum screen_step { SCREEN_GOES_ON, SCREEN_PASSED, SCREEN_OVER };

struct screen {
	struct stream *io;
	const struct peer *peer;
	char who[80]; /* "[192.0.2.1]:4711" */
	msec_t begun;
	bool is_new;	 /* nothing was known of it */
	bool is_counted; /* anvil knows of this connection */
	bool is_vetoed;	 /* at an address of ours where nobody passes */
	bool has_new;	 /* something of `until` is to be kept */
	unsigned todo;	 /* SCREEN_BIT(s) */
	int64_t until[SCREEN_TESTS];
	struct str refusal; /* of each recipient; empty: it has to come again */
};

/* prepare(): reads the settings. 0 or a negative errno with a reason. */
int screen_open(struct error *err);
void screen_close(void);
/* True: the client is to have a session. False: it has been dealt with. */
bool screen_admit(struct stream *io, const struct peer *peer);

/* ---- steps.c: what all files use ---- */

void screen_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * A test has failed: `action` is the setting's word, `reply` what a refusal says after its code
 * ("521" or "550"). SCREEN_OVER: it has been answered.
 */
enum screen_step screen_fail(struct screen *s, const char *action, const char *reply);
/* The test is passed, until then. */
void screen_pass(struct screen *s, enum screen_test test, int64_t until);
/* "0.25": since it has connected, in seconds. */
void screen_append_time(const struct screen *s, struct str *out);
/* The last words. */
enum screen_step screen_end(struct screen *s, const char *reply);
void screen_hung_up(const struct screen *s, const char *where);

/* ---- dnsbl.c ---- */

int dnsbl_open(struct error *err);
void dnsbl_close(void);
bool dnsbl_is_used(void);

struct dnsbl_score;
/* Asks all lists at once; the answers come while others run. */
struct dnsbl_score *dnsbl_begin(const char *address);
/* It may still be asking; then what has come counts. NULL is allowed. */
void dnsbl_end(struct dnsbl_score *score);
bool dnsbl_is_complete(const struct dnsbl_score *score);
int64_t dnsbl_points(const struct dnsbl_score *score);
/* How long the answers are good, in seconds, within postscreen_dnsbl_min_ttl and _max_ttl. */
int64_t dnsbl_ttl(const struct dnsbl_score *score);
/* The list that weighs most, by the name that may be told; "" if none has it. May wait. */
void dnsbl_name(const struct dnsbl_score *score, struct str *name);

/* "domain=filter*weight": what of it is which. False: it cannot be read. */
struct dnsbl_site {
	struct view domain, filter;
	int64_t weight;
};
bool dnsbl_parse(struct view text, struct dnsbl_site *site);

/* ---- decoy.c ---- */

int decoy_open(struct error *err);
void decoy_close(void);
/* Speaks with the client until one of us is done; makes the tests of SCREEN_DEEP that are to do. */
void decoy_serve(struct screen *s);

#endif
