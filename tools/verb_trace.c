/* posta trace: the whole life of one message, over all programs, from the log. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "tools/json.h"
#include "tools/tool.h"
#include "tools/trace_files.h"
#include "tools/trace_line.h"
#include "tools/trace_search.h"
#include "tools/trace_time.h"

static const char help[] =
	"usage: posta [-c CONFDIR] trace [--json] [--log FILE]... ID\n"
	"       posta [-c CONFDIR] trace [--from ADDRESS] [--to ADDRESS] [--since TIME]\n"
	"             [--until TIME] [--message-id ID] [--full] [--json] [--log FILE]...\n"
	"\n"
	"Shows what the log says about a message from its arrival to its end, also about those "
	"that it\n"
	"became or caused, or that it came from: forwarded ones, delivery notifications, what came "
	"back\n"
	"from a filter; after each, what became of its recipients. ID is a queue ID or a "
	"Message-ID\n"
	"(\"<...@...>\"). Reads the log that maillog_file names, and what log rotation has left of "
	"it\n"
	"(FILE.1, FILE.2.gz, FILE-20261121 ...).\n"
	"\n"
	"Without an ID each message that fits has a line: when it came, its queue ID, sender, "
	"recipients and\n"
	"what became of each; what was refused before it was a message stands among them, with the "
	"reason.\n"
	"\n"
	"  --from, --to ADDRESS  its sender, one of its recipients; @example.org: anybody there; "
	"<>: "
	"no sender\n"
	"  --since, --until TIME when it came: \"2026-11-21\", \"2026-11-21 10:00\", \"10:00\", or "
	"how long\n"
	"                        ago: 30m, 2h, 1d\n"
	"  --message-id ID       the same as the ID alone\n"
	"  --full                all that the log says of each that fits\n"
	"  --log FILE  reads this instead, as often as you like; -: standard input\n"
	"  --json      a JSON object for each line, one in a line, in the order of the log;\n"
	"              \"leads_to\" is the queue ID of a message that this one became or caused\n"
	"\n"
	"Status 1: the log does not have such a message.\n";

enum { STORIES_MAX = 10000, LINES_MAX = 200000, ROUNDS_MAX = 100 };

/* A message that is told of. */
struct story {
	char *id, *from; /* from: the message that it came from, or NULL */
	const char *how;
	char **lines;
	size_t count;
	bool was_queued, was_removed, was_refused;
	struct map *results; /* of each recipient the last, an entry of results_known */
};

/* What became of a recipient, in the words of the log and in ours. */
static const struct result {
	const char *status, *told;
} results_known[] = {
	{ "sent", "delivered" },
	{ "bounced", "returned to the sender" },
	{ "deferred", "to be tried again" },
	{ "expired", "given up" },
	{ "deliverable", "deliverable" },
	{ "undeliverable", "undeliverable" },
};

static struct {
	bool json, full;
	struct trace_wish wish;
	struct view message_id; /* with < >; empty: a queue ID was given */
	struct map *by_id;
	struct story **stories; /* in the order in which the log names them */
	size_t count, lines;
	bool grown, cut;
	struct trace_line line;
} trace;

/* ---- which messages ---- */

static struct story *add_story(struct view id)
{
	struct story *story = map_get(trace.by_id, id);

	if (story != NULL || map_count(trace.by_id) == STORIES_MAX) {
		trace.cut |= story == NULL;
		return story;
	}
	story = mem_new(struct story);
	story->id = mem_strndup(id.data, id.len);
	map_put(trace.by_id, id, story);
	trace.grown = true;
	return story;
}

static bool is_asked_for(struct view text)
{
	struct view prefix = VIEW("message-id=");

	return trace.message_id.len > 0 && view_starts(text, prefix) &&
	       view_eq(view_from(text, prefix.len), trace.message_id);
}

/* A link is followed in both directions: what came of a message, and what it came of. */
static void find_links(void *unused, struct view text)
{
	struct trace_line *line = &trace.line;
	const char *how;
	struct view next;
	struct story *story;

	(void)unused;
	if (!trace_line_parse(text, line) || line->id.len == 0)
		return;
	if (is_asked_for(line->text))
		add_story(line->id);
	next = trace_line_leads_to(line, &how);
	if (next.len == 0 ||
	    (map_get(trace.by_id, line->id) == NULL && map_get(trace.by_id, next) == NULL))
		return;
	add_story(line->id);
	story = add_story(next);
	if (story != NULL && story->from == NULL) {
		story->from = mem_strndup(line->id.data, line->id.len);
		story->how = how;
	}
}

/* ---- what they did ---- */

static void note_result(struct story *story, const struct trace_line *line)
{
	struct view recipient, status;

	if (!trace_line_result(line, &recipient, &status))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(results_known); i++) {
		if (!view_is(status, results_known[i].status))
			continue;
		if (story->results == NULL)
			story->results = map_new();
		map_put(story->results, recipient, (void *)(uintptr_t)&results_known[i]);
	}
}

static void note_fate(struct story *story, const struct trace_line *line)
{
	note_result(story, line);
	story->was_queued |= view_ends(line->program, VIEW("/qmgr"));
	story->was_removed |=
		view_is(line->text, "removed") || view_is(line->text, "removed by hand");
	story->was_refused |= view_starts(line->text, VIEW("message refused"));
}

static void keep_line(struct story *story, const struct trace_line *line)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text, "%.*s  %.*s[%.*s]: ", VIEW_ARG(line->time), VIEW_ARG(line->program),
		   VIEW_ARG(line->pid));
	/* JSON has info too. */
	if (line->level.len > 0 && !view_is(line->level, "info"))
		str_printf(&text, "%.*s: ", VIEW_ARG(line->level));
	str_append_printable(&text, line->text);
	array_grow(story->lines, story->count);
	story->lines[story->count++] = str_take(&text);
}

static void print_json(const struct trace_line *line)
{
	struct json json = JSON_START;
	const char *how;
	struct view next = trace_line_leads_to(line, &how);
	uint64_t pid = 0;

	(void)view_parse_u64(line->pid, INT32_MAX, &pid);
	json_object(&json, NULL);
	json_string(&json, "queue_id", line->id);
	json_string(&json, "time", line->time);
	json_string(&json, "host", line->host);
	json_string(&json, "program", line->program);
	json_number(&json, "pid", (int64_t)pid);
	json_string(&json, "level", line->level.len > 0 ? line->level : VIEW("info"));
	json_string(&json, "text", line->text);
	if (next.len > 0)
		json_string(&json, "leads_to", next);
	json_end(&json);
	json_print(&json);
}

static void trace_tell(void *unused, struct view text)
{
	struct trace_line *line = &trace.line;
	struct story *story;

	(void)unused;
	if (!trace_line_parse(text, line) || line->id.len == 0)
		return;
	story = map_get(trace.by_id, line->id);
	if (story == NULL)
		return;
	if (trace.lines++ >= LINES_MAX) {
		trace.cut = true;
		return;
	}
	if (trace.json) {
		print_json(line);
		return;
	}
	if (story->count == 0) {
		array_grow(trace.stories, trace.count);
		trace.stories[trace.count++] = story;
	}
	keep_line(story, line);
	note_fate(story, line);
}

/* ": 2 delivered, 1 returned to the sender" */
static void print_results(const struct story *story)
{
	const char *before = ": ";

	if (story->results == NULL)
		return;
	for (size_t kind = 0; kind < ARRAY_SIZE(results_known); kind++) {
		size_t count = 0;

		map_for_each (story->results, i)
			count += map_value_at(story->results, i) == &results_known[kind];
		if (count == 0)
			continue;
		printf("%s%zu %s", before, count, results_known[kind].told);
		before = ", ";
	}
}

static void print_story(const struct story *story)
{
	printf("%s", story->id);
	if (story->from != NULL)
		printf(": %s %s", story->how, story->from);
	putchar('\n');
	for (size_t i = 0; i < story->count; i++)
		printf("  %s\n", story->lines[i]);
	printf("  => %s", story->was_removed  ? "no longer in the queue"
			  : story->was_queued ? "still in the queue, as far as the log goes"
			  : story->was_refused
				  ? "refused: it did not come into the queue"
				  : "it did not come into the queue, as far as the log goes");
	print_results(story);
	putchar('\n');
}

/* ---- the command ---- */

/* By sender, recipient and time. */
static bool is_search(void)
{
	return trace.wish.from != NULL || trace.wish.to != NULL || trace.wish.since != 0 ||
	       trace.wish.until != 0;
}

static void search_take(void *search, struct view text)
{
	if (trace_line_parse(text, &trace.line))
		trace_search_take(search, &trace.line);
}

static void search_add_story(void *unused, struct view id)
{
	(void)unused;
	add_story(id);
}

/* How many were found; with --full they are only noted. Or a negative errno. */
static int trace_search_run(const struct trace_files *files, struct error *err)
{
	struct trace_search *search = trace_search_new(&trace.wish);
	int r = trace_files_read(files, search_take, search, err);

	if (r == 0 && trace.full)
		trace_search_ids(search, search_add_story, NULL);
	else if (r == 0)
		trace.lines = trace_search_print(search, trace.json);
	trace.cut |= trace_search_is_cut(search);
	trace_search_free(search);
	return r;
}

/* The stories of those that are known, and of what they lead to and came from. */
static int trace_stories_run(const struct trace_files *files, struct error *err)
{
	int r = 0;

	trace.grown = true;
	/* The lines of a message may stand before the one that leads to it. */
	for (int round = 0; round < ROUNDS_MAX && trace.grown && r == 0; round++) {
		trace.grown = false;
		r = trace_files_read(files, find_links, NULL, err);
	}
	if (r == 0)
		r = trace_files_read(files, trace_tell, NULL, err);
	for (size_t i = 0; i < trace.count; i++) {
		if (i > 0)
			putchar('\n');
		print_story(trace.stories[i]);
	}
	return r;
}

static int trace_run(const struct trace_files *files, const char *id, struct error *err)
{
	int r = 0;

	trace.by_id = map_new();
	if (is_search())
		r = trace_search_run(files, err);
	else if (trace.message_id.len == 0)
		add_story(view_of(id));
	return r < 0 || (is_search() && !trace.full) ? r : trace_stories_run(files, err);
}

static void trace_forget(void)
{
	map_for_each (trace.by_id, i) {
		struct story *story = map_value_at(trace.by_id, i);

		for (size_t j = 0; j < story->count; j++)
			free(story->lines[j]);
		free(story->lines);
		map_free(story->results);
		free(story->from);
		free(story->id);
		free(story);
	}
	map_free(trace.by_id);
	free(trace.stories);
	trace_line_free(&trace.line);
}

/* A queue ID, or a Message-ID with or without < >. */
static bool trace_take_id(const char *id, struct str *message_id)
{
	struct view v = view_of(id);

	if (view_find_byte(v, '@') == VIEW_NOT_FOUND) {
		for (size_t i = 0; i < v.len; i++)
			if (!ascii_is_alnum(v.data[i]))
				return false;
		return v.len > 0;
	}
	if (view_starts(v, VIEW("<")))
		str_append(message_id, v);
	else
		str_printf(message_id, "<%s>", id);
	trace.message_id = str_view(message_id);
	return true;
}

static int trace_message(struct trace_files *files, const char *id)
{
	struct error err = ERROR_NONE;
	int r = 0;

	if (files->count == 0) {
		if (!tool_load(NULL, 0))
			return TOOL_NO;
		r = trace_files_find(files, &err);
	}
	if (r == 0) {
		r = trace_run(files, id, &err);
		trace_forget();
	}
	if (r < 0)
		return tool_fail("trace", "%s", err.text);
	if (trace.cut)
		tool_fail("trace",
			  "more than %d messages or %d lines belong to it: not all are shown",
			  STORIES_MAX, LINES_MAX);
	return trace.lines > 0 ? TOOL_DONE
			       : tool_fail("trace", "the log does not have %s",
					   id != NULL ? id : "such a message");
}

static int take_time(const char *option, const char *text, int64_t *seconds)
{
	trace.wish.now = clock_wall();
	if (trace_time_given(text, trace.wish.now, seconds))
		return TOOL_DONE;
	return tool_usage("trace", "%s: expected a date, a time, or how long ago (2h): not \"%s\"",
			  option, text);
}

static int trace_take_option(int option, struct trace_files *files, const char **id)
{
	struct error err = ERROR_NONE;

	switch (option) {
	case 'j':
		trace.json = true;
		break;
	case 'F':
		trace.full = true;
		break;
	case 'f':
		trace.wish.from = optarg;
		break;
	case 't':
		trace.wish.to = optarg;
		break;
	case 's':
		return take_time("--since", optarg, &trace.wish.since);
	case 'u':
		return take_time("--until", optarg, &trace.wish.until);
	case 'm':
		*id = optarg;
		break;
	case 'l':
		if (trace_files_add(files, optarg, &err) < 0)
			return tool_fail("trace", "%s", err.text);
		break;
	default:
		return tool_usage("trace", "wrong option");
	}
	return TOOL_DONE;
}

int verb_trace(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { "full", no_argument, NULL, 'F' },
						 { "log", required_argument, NULL, 'l' },
						 { "from", required_argument, NULL, 'f' },
						 { "to", required_argument, NULL, 't' },
						 { "since", required_argument, NULL, 's' },
						 { "until", required_argument, NULL, 'u' },
						 { "message-id", required_argument, NULL, 'm' },
						 { 0 } };
	_cleanup_(trace_files_free) struct trace_files files = { 0 };
	_cleanup_(str_free) struct str message_id = STR_EMPTY;
	int option, status = TOOL_DONE;
	const char *id = NULL;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	while (status == TOOL_DONE && (option = getopt_long(argc, argv, "", options, NULL)) >= 0)
		status = trace_take_option(option, &files, &id);
	if (status != TOOL_DONE)
		return status;
	if (optind < argc && id == NULL)
		id = argv[optind++];
	if (optind < argc || (id != NULL) == is_search())
		return tool_usage("trace", "which message? One queue ID or Message-ID, or --from, "
					   "--to, --since, --until");
	if (id != NULL && !trace_take_id(id, &message_id))
		return tool_usage("trace", "%s is neither a queue ID nor a Message-ID", id);
	return trace_message(&files, id);
}
