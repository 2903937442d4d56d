/*
 * Equal lines over a limit are counted instead of written: one client that comes too often says the
 * same thousands of times a second. A table of fixed size; a line that finds no place is written.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "postlogd.h"

#define TABLE_SIZE 1024
#define PROBES	   8

static struct repeated {
	uint64_t key;	/* 0: empty */
	msec_t since;	/* when its period began */
	uint64_t count; /* in this period */
	uint64_t left_out;
	pid_t pid;
	enum log_level level;
	char tag[LOG_TAG_MAX + 1], text[REPEAT_TEXT_MAX + 1];
} table[TABLE_SIZE];

static size_t counting; /* entries with lines left out */

static bool is_part_of_address(char c)
{
	return ascii_is_alnum(c) || c == '.' || c == ':' || c == '-' || c == '_';
}

/* A number that stands alone: a count, a time, a port after an address in brackets. */
static bool is_plain_number(struct view text, size_t from, size_t to)
{
	bool port = from >= 2 && text.data[from - 1] == ':' && text.data[from - 2] == ']';

	if (from > 0 && !port && is_part_of_address(text.data[from - 1]))
		return false;
	return to >= text.len || !is_part_of_address(text.data[to]) ||
	       (text.data[to] == ':' && (to + 1 == text.len || text.data[to + 1] == ' ')) ||
	       (text.data[to] == '.' && (to + 1 == text.len || text.data[to + 1] == ' '));
}

static uint64_t repeat_key_add(uint64_t key, char byte)
{
	return (key ^ (unsigned char)byte) * UINT64_C(0x100000001b3); /* FNV-1a */
}

static uint64_t key_of(const struct log_line *line)
{
	uint64_t key = UINT64_C(0xcbf29ce484222325) + (uint64_t)line->level;
	struct view text = line->text;

	for (size_t i = 0; i < line->tag.len; i++)
		key = repeat_key_add(key, line->tag.data[i]);
	for (size_t i = 0, end; i < text.len; i = end) {
		end = i;
		while (end < text.len && ascii_is_digit(text.data[end]))
			end++;
		if (end > i && is_plain_number(text, i, end)) {
			key = repeat_key_add(key, '#');
			continue;
		}
		end = MAX(end, i + 1);
		for (size_t j = i; j < end; j++)
			key = repeat_key_add(key, text.data[j]);
	}
	return key != 0 ? key : 1;
}

static bool is_about_message(struct view text)
{
	struct view id = log_line_id(text);

	return id.len > 0 && !view_is(id, "NOQUEUE");
}

/* Its entry, or one that nobody misses; NULL: all near it are busy. */
static struct repeated *repeated_find(uint64_t key, msec_t now, msec_t period)
{
	struct repeated *unused = NULL;

	for (size_t i = 0; i < PROBES; i++) {
		struct repeated *r = &table[(key + i) % TABLE_SIZE];

		if (r->key == key)
			return r;
		if (unused == NULL && r->left_out == 0 && (r->key == 0 || now - r->since >= period))
			unused = r;
	}
	return unused;
}

static void copy_text(char *to, size_t size, struct view from)
{
	from = view_first(from, size - 1);
	memcpy(to, from.data, from.len);
	to[from.len] = '\0';
}

bool repeat_admit(const struct log_line *line, msec_t now, uint64_t limit, msec_t period)
{
	uint64_t key;
	struct repeated *r;

	if (limit == 0 || is_about_message(line->text))
		return true;
	key = key_of(line);
	r = repeated_find(key, now, period);
	if (r == NULL)
		return true;
	if (r->key != key || (r->left_out == 0 && now - r->since >= period)) {
		r->key = key;
		r->since = now;
		r->count = 0;
	}
	if (++r->count <= limit)
		return true;
	if (r->left_out++ == 0) {
		counting++;
		r->pid = line->pid;
		r->level = line->level;
		copy_text(r->tag, sizeof(r->tag), line->tag);
		copy_text(r->text, sizeof(r->text), line->text);
	}
	return false;
}

bool repeat_next_summary(struct repeat_summary *summary, msec_t now, msec_t period)
{
	for (size_t i = 0; counting > 0 && i < TABLE_SIZE; i++) {
		struct repeated *r = &table[i];

		if (r->left_out == 0 || now - r->since < period)
			continue;
		snprintf(summary->tag, sizeof(summary->tag), "%s", r->tag);
		snprintf(summary->text, sizeof(summary->text),
			 "%llu more lines like this in %lld s: %s", (unsigned long long)r->left_out,
			 (long long)(now - r->since) / 1000, r->text);
		summary->line = (struct log_line){ .host = view_of(log_host()),
						   .tag = view_of(summary->tag),
						   .pid = r->pid,
						   .time = log_line_now(),
						   .level = r->level,
						   .text = view_of(summary->text) };
		counting--;
		r->key = 0;
		r->left_out = 0;
		return true;
	}
	return false;
}

bool repeat_is_counting(void)
{
	return counting > 0;
}
