/*
 * SRS, the Sender Rewriting Scheme: mail that we send on leaves with a sender at a domain of ours, so
 * that SPF lets it be ours; a report that comes back to it goes on to whom the message was from. The
 * forms are those of libsrs2 and PostSRSd, whose addresses are understood, and which understand ours:
 *
 *	SRS0=HHHH=TT=host=user@srs.domain		user@host was the sender
 *	SRS1=HHHH=first.host==HHHH=TT=host=user@srs.domain	SRS0=HHHH=TT=host=user@first.host was
 *
 * TT is the day, HHHH the beginning of a MAC of the rest. Pure syntax: the MAC is made elsewhere, by
 * the program that has the secret.
 *
 *	_cleanup_(srs_free) struct srs srs = SRS_NONE;
 *	if (srs_make(sender, '=', today, &srs) == 0)
 *		... mac of str_view(&srs.hashed) ...
 *		srs_write(&srs, mac, 4, VIEW("srs.example.org"), &out);
 */
#ifndef MAIL_SRS_H
#define MAIL_SRS_H

#include <stdbool.h>

#include "base/str.h"

#define SRS_MAC_SIZE 20	  /* HMAC-SHA1, as PostSRSd has it */
#define SRS_HASH_MAX 27	  /* characters of it */
#define SRS_DAYS     1024 /* after so many the days have the same names again */

struct srs {
	struct str hashed;	  /* what the MAC is of */
	struct str before, after; /* of a new address, around HHHH: "SRS0=", "=TT=host=user" */
	struct str hash;	  /* of an address that was read: HHHH */
	struct str original;	  /* whom that one leads to */
};
#define SRS_NONE ((struct srs){ 0 })
void srs_free(struct srs *srs);

/* The local part of an address at `domain` says that it is of SRS. */
bool srs_is_at(struct view address, struct view domain);
/*
 * A new address for this sender; `day` counts from 1970 on. -EINVAL: it has no domain, or nobody is in
 * front of it.
 */
int srs_make(struct view sender, char separator, int64_t day, struct srs *out);
void srs_write(const struct srs *srs, struct view mac, size_t length, struct view domain,
	       struct str *out);
/* Reads one. -EINVAL: it is none; -ETIME: it was made more than `days` ago, or will be. */
int srs_read(struct view address, int64_t day, int64_t days, struct srs *out);
/* Is this the MAC that it was made with? At least so many characters of it have to be there. */
bool srs_hash_is(const struct srs *srs, struct view mac, size_t least);

#endif
