/* posta explain: the steps that lead to an answer, as they come for people, or as one JSON object. */
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "tools/explain.h"
#include "tools/json.h"

static struct {
	bool as_json, in_step;
	struct str why, result; /* of the step under way, one a line: each becomes one array */
	struct json json;
} steps;

void explain_begin(bool as_json)
{
	steps.as_json = as_json;
	if (!as_json)
		return;
	steps.json = JSON_START;
	json_object(&steps.json, NULL);
	json_array(&steps.json, "steps");
}

static void step_put_array(const char *name, struct str *lines)
{
	struct view rest = str_view(lines), line;

	if (lines->len == 0)
		return;
	json_array(&steps.json, name);
	while (view_next_word(&rest, "\n", &line))
		json_string(&steps.json, NULL, line);
	json_end(&steps.json);
	str_free(lines);
}

static void step_close(void)
{
	if (steps.in_step) {
		step_put_array("why", &steps.why);
		step_put_array("result", &steps.result);
		json_end(&steps.json);
	}
	steps.in_step = false;
}

void explain_step(const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	if (!steps.as_json) {
		printf("%s\n", str_cstr(&text));
		return;
	}
	step_close();
	steps.in_step = true;
	json_object(&steps.json, NULL);
	json_string(&steps.json, "question", str_view(&text));
}

static void explain_part(struct str *lines, const char *front, struct view text)
{
	if (!steps.as_json) {
		printf("%s%.*s\n", front, VIEW_ARG(text));
		return;
	}
	if (!steps.in_step)
		explain_step("What is known?");
	str_append(lines, text);
	str_append_byte(lines, '\n');
}

void explain_why(struct view lines)
{
	struct view line;

	while (view_next(&lines, '\n', &line)) {
		_cleanup_(str_free) struct str text = STR_EMPTY;

		if (line.len == 0)
			continue;
		str_append(&text, line);
		explain_append_lines(line, &text);
		explain_part(&steps.why, "    ", str_view(&text));
	}
}

void explain_because(const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	explain_why(str_view(&text));
}

void explain_result(const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	explain_part(&steps.result, "  => ", str_view(&text));
}

void explain_fact(const char *name, struct view value)
{
	if (steps.as_json && steps.in_step)
		json_string(&steps.json, name, value);
}

void explain_end(const char *verdict)
{
	if (!steps.as_json)
		return;
	step_close();
	json_end(&steps.json);
	json_string(&steps.json, "verdict", view_of(verdict));
	json_end(&steps.json);
	json_print(&steps.json);
}
