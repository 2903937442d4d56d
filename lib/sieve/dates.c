/* The tests of dates (RFC 5260): date and currentdate, with the parts of a date as text. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "mail/date.h"
#include "sieve/run.h"

#define DAY ((int64_t)86400)

/* "+0200" as minutes. False: it is none. */
static bool zone_parse(struct view text, int *minutes)
{
	uint32_t number;
	bool good = text.len == 5 && (text.data[0] == '+' || text.data[0] == '-') &&
		    view_parse_u32(view_from(text, 1), 9959, &number) == 0 && number % 100 < 60;

	if (good)
		*minutes = (int)(number / 100 * 60 + number % 100) * (text.data[0] == '-' ? -1 : 1);
	return good;
}

/* Modified Julian Day: days since 1858-11-17. */
#define JULIAN_OF_1970 40587

static int64_t days_of(int64_t seconds)
{
	return seconds >= 0 ? seconds / DAY : -((-seconds + DAY - 1) / DAY);
}

static void dates_append_zone(struct str *out, int zone, const char *format)
{
	int size = abs(zone);

	str_printf(out, format, zone < 0 ? '-' : '+', size / 60, size % 60);
}

static bool part_append(struct str *out, struct view name, int64_t time, int zone)
{
	int64_t local = time + (int64_t)zone * 60;
	time_t seconds = (time_t)local;
	static const struct {
		const char *name, *format;
	} formats[] = {
		{ "year", "%Y" },	{ "month", "%m" },	{ "day", "%d" },
		{ "date", "%Y-%m-%d" }, { "hour", "%H" },	{ "minute", "%M" },
		{ "second", "%S" },	{ "time", "%H:%M:%S" }, { "weekday", "%w" },
	};
	struct tm tm;
	char text[64];

	if (gmtime_r(&seconds, &tm) == NULL)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (view_is_nocase(name, formats[i].name) &&
		    strftime(text, sizeof(text), formats[i].format, &tm) > 0) {
			str_append_cstr(out, text);
			return true;
		}
	if (view_is_nocase(name, "julian")) {
		str_printf(out, "%lld", (long long)days_of(local) + JULIAN_OF_1970);
	} else if (view_is_nocase(name, "zone")) {
		dates_append_zone(out, zone, "%c%02d%02d");
	} else if (view_is_nocase(name, "iso8601") &&
		   strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) > 0) {
		str_append_cstr(out, text);
		dates_append_zone(out, zone, "%c%02d:%02d");
	} else if (view_is_nocase(name, "std11") &&
		   strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S ", &tm) > 0) {
		str_append_cstr(out, text);
		dates_append_zone(out, zone, "%c%02d%02d");
	} else {
		return false;
	}
	return true;
}

/* The part that the test names, of this moment, against the keys. */
static bool compare_part(struct sieve_run *run, const struct sieve_node *node, int64_t time,
			 int zone, const struct sieve_argument *part,
			 const struct sieve_argument *keys)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, value = STR_EMPTY;

	sieve_string(run, part, &name);
	if (!part_append(&value, str_view(&name), time, zone))
		return false;
	if (node->match == MATCH_COUNT)
		return sieve_match_count(run, node, 1, keys);
	return sieve_match_keys(run, node, str_view(&value), keys);
}

/* Of :zone and :originalzone; `original`: of the date itself. */
static int zone_wanted(struct sieve_run *run, const struct sieve_node *node, int original)
{
	const struct sieve_argument *value = NULL;
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int zone = 0;

	if (sieve_tag(node, "originalzone", NULL) != NULL)
		return original;
	if (sieve_tag(node, "zone", &value) == NULL)
		return 0;
	sieve_string(run, value, &text);
	if (!zone_parse(str_view(&text), &zone))
		sieve_fail(run, "expected a zone like \"+0100\"");
	return zone;
}

static bool compare_date(struct sieve_run *run, const struct sieve_node *node, struct view value,
			 void *unused)
{
	size_t semicolon = view_find_last_byte(value, ';'); /* of Received */
	int64_t time;
	int zone;

	(void)unused;
	if (semicolon != VIEW_NOT_FOUND)
		value = view_trim(view_from(value, semicolon + 1));
	if (date_parse_rfc5322(value, &time, &zone) < 0)
		return false;
	return compare_part(run, node, time, zone_wanted(run, node, zone), node->positional[1],
			    node->positional[2]);
}

/* One field is looked at: the first, or the one that :index names. */
static bool first_date(struct sieve_run *run, const struct sieve_node *node, struct view value,
		       void *result)
{
	*(bool *)result = compare_date(run, node, value, NULL);
	return true;
}

bool sieve_test_date(struct sieve_run *run, const struct sieve_node *node)
{
	bool result = false;

	return sieve_each_header(run, node, node->positional[0], first_date, &result) && result;
}

bool sieve_test_currentdate(struct sieve_run *run, const struct sieve_node *node)
{
	return compare_part(run, node, run->message->now, zone_wanted(run, node, 0),
			    node->positional[0], node->positional[1]);
}
