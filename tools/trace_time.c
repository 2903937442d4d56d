/* Reads the times of log lines, and those that people give with --since and --until. */
#include "tools/trace_time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "conf/conf.h"

#define DAY 86400

/* "Z", "+01:00", "+0100", or nothing: local time. */
static bool take_zone(const char *rest, struct tm *tm, int64_t *seconds)
{
	int hours, minutes;
	char sign;

	if (*rest == '\0') {
		tm->tm_isdst = -1;
		*seconds = mktime(tm);
		return true;
	}
	*seconds = timegm(tm);
	if (strcmp(rest, "Z") == 0)
		return true;
	if (sscanf(rest, "%c%2d:%2d", &sign, &hours, &minutes) != 3 &&
	    sscanf(rest, "%c%2d%2d", &sign, &hours, &minutes) != 3)
		return false;
	if (sign != '+' && sign != '-')
		return false;
	*seconds -= (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return true;
}

static bool take_date_and_time(const char *text, const char *format, int64_t *seconds)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, format, &tm);

	if (rest == NULL)
		return false;
	if (*rest == '.') {
		rest++;
		rest += strspn(rest, "0123456789");
	}
	return take_zone(rest, &tm, seconds);
}

/* Without a year. */
static bool take_month_and_day(const char *text, int64_t now, int64_t *seconds)
{
	time_t today = (time_t)now;
	struct tm tm = { 0 }, current;
	const char *rest = strptime(text, "%b %d %H:%M:%S", &tm);

	if (rest == NULL || (*rest != '\0' && *rest != '.'))
		return false;
	localtime_r(&today, &current);
	tm.tm_year = current.tm_year;
	tm.tm_isdst = -1;
	*seconds = mktime(&tm);
	if (*seconds > now + DAY) {
		tm.tm_year--;
		tm.tm_isdst = -1;
		*seconds = mktime(&tm);
	}
	return true;
}

bool trace_time_of_line(struct view text, int64_t now, int64_t *seconds)
{
	char copy[64];

	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	snprintf(copy, sizeof(copy), "%.*s", VIEW_ARG(text));
	return take_date_and_time(copy, "%Y-%m-%dT%H:%M:%S", seconds) ||
	       take_month_and_day(copy, now, seconds);
}

/* "10:00": today. */
static bool take_clock(const char *text, int64_t now, int64_t *seconds)
{
	time_t today = (time_t)now;
	struct tm tm;
	const char *rest;

	localtime_r(&today, &tm);
	tm.tm_sec = 0;
	rest = strptime(text, "%H:%M:%S", &tm);
	if (rest == NULL)
		rest = strptime(text, "%H:%M", &tm);
	if (rest == NULL || *rest != '\0')
		return false;
	tm.tm_isdst = -1;
	*seconds = mktime(&tm);
	return true;
}

bool trace_time_given(const char *text, int64_t now, int64_t *seconds)
{
	static const char *const formats[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M",
					       "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d" };
	msec_t ago;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (take_date_and_time(text, formats[i], seconds))
			return true;
	if (take_clock(text, now, seconds))
		return true;
	if (conf_parse_time(view_of(text), 's', &ago) < 0)
		return false;
	*seconds = now - ago / 1000;
	return true;
}
