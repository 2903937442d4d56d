/* Dates as mail and IMAP write them. Reading them is in date_parse.c. */
#include <time.h>

#include "mail/date.h"

static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
				      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

/* Broken-down local time; the epoch for times that no calendar has. */
static struct tm local_time(int64_t when)
{
	struct tm broken = { 0 };
	time_t t = (time_t)when;

	if (localtime_r(&t, &broken) == NULL) {
		t = 0;
		gmtime_r(&t, &broken);
	}
	return broken;
}

static void append_zone(struct str *out, const struct tm *broken)
{
	long minutes = broken->tm_gmtoff / 60;
	char sign = minutes < 0 ? '-' : '+';

	if (minutes < 0)
		minutes = -minutes;
	str_printf(out, "%c%02ld%02ld", sign, minutes / 60 % 100, minutes % 60);
}

void date_append_rfc5322(struct str *out, int64_t when)
{
	struct tm t = local_time(when);

	str_printf(out, "%s, %d %s %d %02d:%02d:%02d ", days[t.tm_wday], t.tm_mday,
		   months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
	append_zone(out, &t);
	if (t.tm_zone != NULL && t.tm_zone[0] != '\0')
		str_printf(out, " (%s)", t.tm_zone);
}

void date_append_imap(struct str *out, int64_t when)
{
	struct tm t = local_time(when);

	str_printf(out, "%02d-%s-%04d %02d:%02d:%02d ", t.tm_mday, months[t.tm_mon],
		   t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
	append_zone(out, &t);
}
