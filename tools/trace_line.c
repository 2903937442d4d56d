/* A line of the log taken apart for posta trace. What is not understood is shown as it is. */
#include "tools/trace_line.h"

#include "base/mem.h"

enum { ID_MIN = 6, ID_MAX = 40 };

void trace_line_free(struct trace_line *line)
{
	str_free(&line->plain);
}

/* ---- text ---- */

/* The identifier that `text` begins with, as lib/base's log writes it. */
static struct view id_at(struct view text)
{
	size_t len = 0;

	while (len < text.len && ascii_is_alnum(text.data[len]))
		len++;
	return len < ID_MIN || len > ID_MAX ? VIEW_NONE : view_first(text, len);
}

static void split_text(struct trace_line *line, struct view text)
{
	static const char *const levels[] = { "debug", "warning", "error", "fatal" };
	struct view id;

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		struct view level = view_of(levels[i]);

		if (view_starts(text, level) &&
		    view_starts(view_from(text, level.len), VIEW(": "))) {
			line->level = view_first(text, level.len);
			text = view_from(text, level.len + 2);
			break;
		}
	}
	id = id_at(text);
	if (id.len > 0 && view_starts(view_from(text, id.len), VIEW(": ")) &&
	    !view_is(id, "NOQUEUE")) {
		line->id = id;
		text = view_from(text, id.len + 2);
	}
	line->text = text;
}

/* Where "[123]: " begins, which is after the program's name. */
static size_t find_pid(struct view text, struct view *pid)
{
	for (size_t at = 0; at < text.len; at++) {
		size_t end = at + 1;

		if (text.data[at] != '[')
			continue;
		while (end < text.len && ascii_is_digit(text.data[end]))
			end++;
		if (end > at + 1 && view_starts(view_from(text, end), VIEW("]: "))) {
			*pid = view_first(view_from(text, at + 1), end - at - 1);
			return at;
		}
	}
	return VIEW_NOT_FOUND;
}

/* Takes the last word off. */
static struct view take_last_word(struct view *text)
{
	struct view whole = view_trim(*text);
	size_t space = view_find_last_byte(whole, ' ');

	*text = space == VIEW_NOT_FOUND ? VIEW_NONE : view_trim(view_first(whole, space));
	return space == VIEW_NOT_FOUND ? whole : view_from(whole, space + 1);
}

static bool log_line_parse_text(struct view text, size_t at, struct trace_line *line)
{
	struct view front, word;

	front = view_first(text, at);
	line->program = take_last_word(&front);
	/* What syslog daemons are sent has no host; a time has colons, and host names have none. */
	line->time = front;
	word = take_last_word(&front);
	if (view_find_byte(word, ':') == VIEW_NOT_FOUND) {
		line->host = word;
		line->time = front;
	}
	split_text(line, view_from(text, at + line->pid.len + strlen("[]: ")));
	return line->program.len > 0 && line->time.len > 0;
}

/* ---- JSON ---- */

/* The string or number of a member that our log has. Appends it to line->plain. */
static bool find_member(struct view text, const char *name, struct str *plain)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	size_t at;

	str_printf(&key, "\"%s\":", name);
	at = view_find(text, str_view(&key));
	if (at == VIEW_NOT_FOUND)
		return false;
	text = view_from(text, at + key.len);
	bool quoted = view_starts(text, VIEW("\""));

	for (size_t i = quoted ? 1 : 0; i < text.len; i++) {
		char c = text.data[i];

		if (quoted ? c == '"' : c == ',' || c == '}')
			return true;
		if (quoted && c == '\\' && i + 1 < text.len)
			c = text.data[++i];
		str_append_byte(plain, c);
	}
	return false;
}

/* The order of `names` is that in which the log writes them: "message" is the last. */
static bool parse_json(struct view text, struct trace_line *line)
{
	static const char *const names[] = { "time", "host", "program", "pid", "level", "message" };
	struct view *members[] = { &line->time, &line->host,  &line->program,
				   &line->pid,	&line->level, &line->text };
	size_t ends[ARRAY_SIZE(names) + 1] = { 0 };

	str_clear(&line->plain);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!find_member(text, names[i], &line->plain))
			return false;
		ends[i + 1] = line->plain.len;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		*members[i] = view_first(view_from(str_view(&line->plain), ends[i]),
					 ends[i + 1] - ends[i]);

	struct view level = line->level;

	split_text(line, line->text);
	line->level = level;
	return true;
}

bool trace_line_parse(struct view text, struct trace_line *line)
{
	size_t json = view_find(text, VIEW("{\"time\":\""));
	struct str plain = line->plain;
	size_t pid;

	*line = (struct trace_line){ .plain = plain };
	pid = find_pid(text, &line->pid);
	/* Syslog may have put something in front, but amid a text it is a stranger's word. */
	if ((json < pid || json == pid + line->pid.len + strlen("[]: ")) &&
	    parse_json(view_from(text, json), line))
		return true;
	return pid != VIEW_NOT_FOUND && log_line_parse_text(text, pid, line);
}

/* ---- from message to message ---- */

struct view trace_line_leads_to(const struct trace_line *line, const char **how)
{
	static const struct {
		const char *phrase, *how;
	} links[] = {
		{ "status=sent (forwarded as ", "forwarded from" },
		{ "sender non-delivery notification: ", "non-delivery notification about" },
		{ "sender delay notification: ", "delay notification about" },
		{ "sender delivery status notification: ", "delivery status notification about" },
		/* By an agent that hands it to a filter, which hands it back to us. */
		{ " queued as ", "passed on from" },
	};

	for (size_t i = 0; line->id.len > 0 && i < ARRAY_SIZE(links); i++) {
		size_t at = view_find(line->text, view_of(links[i].phrase));
		struct view id;

		if (at == VIEW_NOT_FOUND)
			continue;
		id = id_at(view_from(line->text, at + strlen(links[i].phrase)));
		if (id.len > 0 && !view_eq(id, line->id)) {
			*how = links[i].how;
			return id;
		}
	}
	return VIEW_NONE;
}

bool trace_line_result(const struct trace_line *line, struct view *recipient, struct view *status)
{
	struct view text = line->text, mark = VIEW(", status=");
	bool quoted = false;

	*recipient = VIEW_NONE;
	if (line->id.len == 0 || !view_starts(text, VIEW("to=<")))
		return false;
	for (size_t at = strlen("to=<"); at < text.len; at++) {
		char c = text.data[at];
		struct view rest = view_from(text, at);

		if (c == '\\' && quoted)
			at++;
		else if (c == '"')
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (recipient->len == 0 && view_starts(rest, VIEW(">, ")))
			*recipient = view_make(text.data + strlen("to=<"), at - strlen("to=<"));
		else if (recipient->len > 0 && view_starts(rest, mark)) {
			rest = view_from(rest, mark.len);
			return view_next_word(&rest, " ,", status);
		} else if (c == '(')
			break;
	}
	return false;
}

size_t trace_line_find_mark(struct view text, struct view mark)
{
	bool quoted = false;

	for (size_t at = 0; at < text.len; at++) {
		if (text.data[at] == '\\' && quoted)
			at++;
		else if (text.data[at] == '"')
			quoted = !quoted;
		else if (!quoted && view_starts(view_from(text, at), mark))
			return at;
	}
	return VIEW_NOT_FOUND;
}

bool trace_line_address(struct view text, struct view mark, struct view *address)
{
	size_t at = trace_line_find_mark(text, mark), end;

	if (at == VIEW_NOT_FOUND)
		return false;
	text = view_from(text, at + mark.len);
	end = trace_line_find_mark(text, VIEW(">"));
	if (end == VIEW_NOT_FOUND)
		return false;
	/* An empty one has its place, too. */
	*address = view_make(text.data, end);
	return true;
}
