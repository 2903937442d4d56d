/*
 * Dates as strangers write them, old forms included. What cannot be understood has no date;
 * nothing is guessed.
 */
#include <errno.h>

#include "base/mem.h"
#include "mail/date.h"
#include "mail/lex.h"

#define YEAR_MAX 9999

static const char month_names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

/* 1..12 for a name that begins with a month's three letters, else 0. */
static uint32_t month_number(struct view name)
{
	if (name.len < 3)
		return 0;
	for (uint32_t month = 0; month < 12; month++) {
		if (view_eq_nocase(view_first(name, 3), view_make(month_names + month * 3, 3)))
			return month + 1;
	}
	return 0;
}

/* Days since 1970 of a date in the Gregorian calendar; -EINVAL for one that does not exist. */
static int day_number(uint32_t year, uint32_t month, uint32_t day, int64_t *number)
{
	static const uint32_t lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (month < 1 || month > 12 || day < 1 || year > YEAR_MAX ||
	    day > lengths[month - 1] + (month == 2 && leap ? 1 : 0))
		return -EINVAL;

	/* Years from March: the leap day is a year's last. */
	int64_t y = (int64_t)year - (month <= 2 ? 1 : 0);
	int64_t from_march = (month + 9) % 12;
	int64_t era = (y >= 0 ? y : y - 399) / 400, in_era = y - era * 400;
	int64_t day_of_year = (153 * from_march + 2) / 5 + day - 1;

	*number = era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + day_of_year - 719468;
	return 0;
}

/* "hh:mm" or "hh:mm:ss" in seconds; a leap second counts as the second before. */
static int parse_clock(struct view text, int64_t *seconds)
{
	struct view piece;
	uint32_t part[3] = { 0, 0, 0 };
	size_t n = 0;

	while (view_next(&text, ':', &piece)) {
		if (n == 3 || piece.len == 0 || piece.len > 2 ||
		    view_parse_u32(piece, n == 0 ? 23 : 60, &part[n]) < 0)
			return -EINVAL;
		n++;
	}
	if (n < 2 || part[1] > 59)
		return -EINVAL;
	*seconds = (int64_t)part[0] * 3600 + (int64_t)part[1] * 60 + MIN(part[2], 59U);
	return 0;
}

/* "+hhmm" or one of RFC 822's names; unknown names are UTC (RFC 5322 4.3). */
static int parse_zone(struct view text, int *minutes)
{
	static const struct {
		const char *name;
		int hours;
	} names[] = { { "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 },
		      { "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 } };
	uint32_t value;

	*minutes = 0;
	if (text.len == 5 && (text.data[0] == '+' || text.data[0] == '-')) {
		if (view_parse_u32(view_from(text, 1), 9959, &value) < 0 || value % 100 > 59)
			return -EINVAL;
		*minutes = (int)(value / 100 * 60 + value % 100);
		if (text.data[0] == '-')
			*minutes = -*minutes;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (view_is_nocase(text, names[i].name))
			*minutes = names[i].hours * 60;
	}
	return text.len > 0 && ascii_is_alpha(text.data[0]) ? 0 : -EINVAL;
}

/* The next word between white space, commas and comments. */
static bool date_next_word(struct view text, size_t *at, struct view *word)
{
	lex_skip_space(text, at, NULL);
	while (*at < text.len && text.data[*at] == ',') {
		(*at)++;
		lex_skip_space(text, at, NULL);
	}

	size_t start = *at;

	while (*at < text.len && !ascii_is_space(text.data[*at]) && text.data[*at] != ',' &&
	       text.data[*at] != '(')
		(*at)++;
	*word = view_make(text.data + start, *at - start);
	return word->len > 0;
}

/* Two digits: 2000 to 2049, 1950 to 1999; three: since 1900 (RFC 5322 4.3). */
static int parse_year(struct view word, uint32_t *year)
{
	if (word.len < 2 || view_parse_u32(word, YEAR_MAX, year) < 0)
		return -EINVAL;
	if (word.len == 2)
		*year += *year < 50 ? 2000 : 1900;
	else if (word.len == 3)
		*year += 1900;
	return 0;
}

int date_parse_rfc5322(struct view text, int64_t *time, int *zone_minutes)
{
	struct view word;
	uint32_t day = 0, year = 0, month = 0;
	int64_t seconds = 0, days;
	size_t at = 0;
	int zone = 0;
	bool has_clock = false;

	/* Tokens are told apart by their look, so asctime's order is understood as well. */
	for (int i = 0; i < 8 && date_next_word(text, &at, &word); i++) {
		if (view_find_byte(word, ':') != VIEW_NOT_FOUND) {
			if (has_clock || parse_clock(word, &seconds) < 0)
				return -EINVAL;
			has_clock = true;
		} else if (ascii_is_digit(word.data[0])) {
			int r = day == 0 && word.len <= 2 ? view_parse_u32(word, 31, &day)
							  : parse_year(word, &year);
			if (r < 0)
				return -EINVAL;
		} else if (month == 0 && month_number(word) != 0) {
			month = month_number(word);
		} else if (has_clock && (parse_zone(word, &zone) < 0 || year != 0)) {
			break;
		}
	}
	if (!has_clock || year == 0 || day_number(year, month, day, &days) < 0)
		return -EINVAL;
	*time = days * 86400 + seconds - (int64_t)zone * 60;
	if (zone_minutes != NULL)
		*zone_minutes = zone;
	return 0;
}

int date_parse_imap_day(struct view text, int64_t *day)
{
	struct view piece[3];
	uint32_t day_of_month, year;

	text = view_trim(text);
	for (size_t i = 0; i < 3; i++) {
		if (!view_next(&text, '-', &piece[i]))
			return -EINVAL;
	}
	if (text.len > 0 || piece[1].len != 3 || piece[2].len != 4 || piece[0].len > 2 ||
	    view_parse_u32(view_trim(piece[0]), 31, &day_of_month) < 0 ||
	    view_parse_u32(piece[2], YEAR_MAX, &year) < 0)
		return -EINVAL;
	return day_number(year, month_number(piece[1]), day_of_month, day);
}

int date_parse_imap(struct view text, int64_t *time)
{
	struct view day_text, clock, zone;
	int64_t day, seconds;
	int minutes;

	text = view_trim(text); /* a day below 10 may have a space in front */
	if (!view_next(&text, ' ', &day_text) || !view_next(&text, ' ', &clock) ||
	    !view_next(&text, ' ', &zone) || text.len > 0 || clock.len != 8 || zone.len != 5 ||
	    date_parse_imap_day(day_text, &day) < 0 || parse_clock(clock, &seconds) < 0 ||
	    parse_zone(zone, &minutes) < 0)
		return -EINVAL;
	*time = day * 86400 + seconds - (int64_t)minutes * 60;
	return 0;
}
