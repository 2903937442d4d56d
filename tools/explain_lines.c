/*
 * Which line of main.cf, and of a table's text, a reason comes from. The programs that decide know
 * compiled tables only, so the row is looked for in the text that the table was compiled from.
 */
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "tools/explain.h"

#define SOURCE_MAX ((size_t)16 << 20)

static int service_line;

void explain_set_service_line(int line)
{
	service_line = line;
}

/* "transport_maps (hash:...": the parameter that stands in front. */
static void append_parameter_line(struct view why, struct str *out)
{
	_cleanup_free_ char *name = NULL;
	const struct conf_setting *setting;
	size_t len = 0;

	while (len < why.len && (ascii_is_alnum(why.data[len]) || why.data[len] == '_'))
		len++;
	if (len == 0 || len == why.len)
		return;
	name = mem_strndup(why.data, len);
	setting = conf_setting(name);
	if (setting != NULL && setting->line > 0)
		str_printf(out, ", main.cf, line %d", setting->line);
	else if (setting != NULL)
		str_printf(out, ", master.cf, line %d", service_line);
}

/* The first word of an entry; of aliases without their colon. */
static bool is_row_of(struct view line, struct view key)
{
	struct view word;

	if (line.len == 0 || line.data[0] == '#' || ascii_is_space(line.data[0]) ||
	    !view_next_word(&line, " \t\r", &word))
		return false;
	if (view_starts(word, VIEW("\"")) &&
	    view_find_byte(view_from(word, 1), '"') != VIEW_NOT_FOUND)
		word = view_first(view_from(word, 1), view_find_byte(view_from(word, 1), '"'));
	else if (view_ends(word, VIEW(":")))
		word.len--;
	else if (view_find_byte(word, ':') != VIEW_NOT_FOUND)
		word = view_first(word, view_find_byte(word, ':'));
	return view_eq_nocase(word, key);
}

static void append_row_line(struct view table, struct view key, struct str *out)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view path = view_from(table, view_find_byte(table, ':')), rest, line;
	_cleanup_free_ char *name = NULL;
	struct error err = ERROR_NONE;
	int number = 0;

	if (!view_starts(path, VIEW(":/")))
		return;
	name = mem_strndup(path.data + 1, path.len - 1);
	if (io_read_file(name, SOURCE_MAX, &text, &err) < 0)
		return;
	rest = str_view(&text);
	while (view_next(&rest, '\n', &line)) {
		number++;
		if (!is_row_of(line, key))
			continue;
		str_printf(out, ", %s, line %d", name, number);
		return;
	}
}

void explain_append_lines(struct view why, struct str *out)
{
	size_t open = view_find(why, VIEW(" (")), close = view_find(why, VIEW("): "));
	struct view key;
	size_t arrow;

	append_parameter_line(why, out);
	if (open == VIEW_NOT_FOUND || close == VIEW_NOT_FOUND || close < open)
		return;
	key = view_from(why, close + strlen("): "));
	arrow = view_find(key, VIEW(" -> "));
	if (arrow == VIEW_NOT_FOUND)
		arrow = view_find(key, VIEW(" is there"));
	if (arrow != VIEW_NOT_FOUND)
		append_row_line(view_first(view_from(why, open + 2), close - open - 2),
				view_first(key, arrow), out);
}
