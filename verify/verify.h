/*
 * verify: whether mail for an address is taken. Who asks are smtpd's restrictions; what is not known is
 * found out by a probe, a message that goes through the queue as any other does, and ends with the
 * answer to its recipient.
 *
 *	record.c	what is known of an address, as it stands in the cache; how long it counts (pure)
 *	probes.c	probes that are under way: one for an address, and who waits for them
 *	main.c		the program: its cache, questions, results
 */
#ifndef VERIFY_VERIFY_H
#define VERIFY_VERIFY_H

#include "base/str.h"
#include "ipc/ipc.h"

/* Less than this long ago there was a probe, and its result may still come; seconds. */
#define PROBE_LIFETIME 1000
#define REASON_MAX     512 /* bytes of a record's text */

/* ---- record.c ---- */

struct verify_record {
	uint8_t state;	 /* VERIFY_... */
	int64_t probed;	 /* when the last probe began, seconds; 0: its result is here */
	int64_t updated; /* when the result came; 0: there is none */
	struct str text;
};
void verify_record_free(struct verify_record *record);
void verify_record_encode(const struct verify_record *record, struct str *out);
/* 0 or -EBADMSG; *record is to be freed in each case. */
int verify_record_decode(struct view value, struct verify_record *record);
/* When it is over, by the parameters. */
int64_t verify_record_expires(const struct verify_record *record);
/* Is it time for a probe? Not while one may be under way. */
bool verify_record_wants_probe(const struct verify_record *record, int64_t now);
/*
 * What came of a probe takes the place of what is known; but an address that was good stays so until
 * that is over, for its host may only have a bad day. True if it did.
 */
bool verify_record_update(struct verify_record *record, uint8_t state, struct view text,
			  int64_t now);
/* OUTCOME_... to VERIFY_... */
uint8_t verify_state_of(uint8_t outcome);

/* ---- probes.c ---- */

/* What came of a probe that is over, or was not even taken. */
typedef void probe_over(struct view address, uint8_t state, struct view text);
/* cleanup did not take it: nothing is known. */
typedef void probe_failed(struct view address);
void probes_init(probe_over *over, probe_failed *failed);
/* Begins one, unless there is one for this address. False: there are too many. */
bool probe_begin(struct view address);
/* Somebody brought its result: those who wait go on. */
void probe_end(struct view address);
/* Until the probe for it is over; at once if there is none. */
void probe_wait(struct view address, msec_t deadline);
/* Forgets those whose result will not come any more. */
void probes_sweep(void);

#endif
