/* Dates of RFC 5322 3.3 and RFC 3501 (INTERNALDATE, date). Times are seconds since 1970, UTC. */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include <stdint.h>

#include "base/str.h"

/* "Sat, 21 Nov 2026 23:58:21 +0000 (UTC)", local zone. */
void date_append_rfc5322(struct str *out, int64_t time);
/* "21-Nov-2026 23:58:21 +0000". */
void date_append_imap(struct str *out, int64_t time);
/* Lenient about obsolete forms and zones. 0 or -EINVAL. */
int date_parse_rfc5322(struct view text, int64_t *time, int *zone_minutes);
int date_parse_imap(struct view text, int64_t *time);
/* "1-Feb-1994" as the day's number since 1970 (no zone: IMAP SEARCH disregards it). */
int date_parse_imap_day(struct view text, int64_t *day);

#endif
