/*
 * The stage of header_checks, mime_header_checks, nested_header_checks and body_checks: takes the
 * message apart into header fields and lines of its body, and asks the table of each.
 */
#include <errno.h>

#include "base/mem.h"
#include "checks.h"
#include "conf/conf.h"
#include "mail/mimewalk.h"

static struct {
	struct tables *header, *mime, *nested, *body;
} inspect;

/* One message. */
struct inspection {
	struct mime_walk walk;
	struct str line;     /* of the body, not yet whole */
	struct str field;    /* of a header inside of the body, not yet whole */
	bool line_continues; /* the front of this line was handed on already: it is too long */
	bool field_too_long; /* its front has been looked at; the rest goes by */
	bool pass;
	uint64_t part_bytes; /* of this part's body so far */
};

static int inspect_open(struct error *err)
{
	struct {
		struct tables **tables;
		const char *name, *list;
	} all[] = {
		{ &inspect.header, "header_checks", param.header_checks },
		{ &inspect.mime, "mime_header_checks", param.mime_header_checks },
		{ &inspect.nested, "nested_header_checks", param.nested_header_checks },
		{ &inspect.body, "body_checks", param.body_checks },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		*all[i].tables = tables_open(all[i].list, TABLE_LONG_KEYS, err);
		if (*all[i].tables == NULL) {
			error_prefix(err, "%s", all[i].name);
			return -EINVAL;
		}
	}
	return 0;
}

static int inspect_begin(struct stage *stage)
{
	bool empty = tables_are_empty(inspect.header) && tables_are_empty(inspect.mime) &&
		     tables_are_empty(inspect.nested) && tables_are_empty(inspect.body);

	if (!empty && !stage->in->unfiltered && !(stage->in->flags & MAIL_FLAG_NO_CHECKS))
		stage->state = mem_new(struct inspection);
	return 0;
}

static void inspect_release(void *state)
{
	struct inspection *s = state;

	mime_walk_free(&s->walk);
	str_free(&s->line);
	str_free(&s->field);
	free(s);
}

/* ---- fields ---- */

static bool is_mime_field(struct view name)
{
	return view_is_nocase(name, "MIME-Version") ||
	       (view_starts_nocase(name, VIEW("Content-")) &&
		!view_is_nocase(name, "Content-Length"));
}

static struct tables *field_table(const struct inspection *s, struct view name, bool primary)
{
	if (is_mime_field(name) || (!primary && s->walk.state == WALK_PART_HEADER))
		return inspect.mime;
	return primary ? inspect.header : inspect.nested;
}

/* As tables see it: folded lines with LF between them, no line end at its end, no NUL. */
static void field_key(struct view whole, struct str *key)
{
	whole = view_first(whole, (size_t)param.header_size_limit);
	for (size_t i = 0; i < whole.len; i++)
		if (whole.data[i] != '\r')
			str_append_byte(key, whole.data[i] == '\0' ? '?' : whole.data[i]);
	while (key->len > 0 && key->data[key->len - 1] == '\n')
		str_truncate(key, key->len - 1);
}

static int field_check(struct stage *stage, const struct header_field *field, bool primary,
		       struct check_result *result)
{
	struct inspection *s = stage->state;
	_cleanup_(str_free) struct str key = STR_EMPTY;

	mime_walk_field(&s->walk, field->name, field->body);
	if (s->pass)
		return 0;
	field_key(field->whole, &key);

	int r = check_line(stage->in, field_table(s, field->name, primary), "header",
			   str_view(&key), result);

	s->pass = s->pass || result->pass;
	return r;
}

static int inspect_header(struct stage *stage, struct header_block *block)
{
	struct inspection *s = stage->state;

	for (size_t i = 0; s != NULL && i < block->count; i++) {
		struct block_field *f = &block->fields[i];
		_cleanup_(check_result_free) struct check_result result = { 0 };
		int r = field_check(stage, &f->field, true, &result);

		if (r < 0)
			return r;
		if (result.fate == CHECK_DROP)
			f->dropped = true;
		else if (result.fate == CHECK_REPLACE)
			header_block_replace(f, str_view(&result.text));
		else if (result.fate == CHECK_PREPEND)
			str_printf(&f->before, "%s\r\n", str_cstr(&result.text));
	}
	if (s != NULL)
		mime_walk_header_end(&s->walk);
	return 0;
}

/* ---- body ---- */

/* Hands `line`, which ends in CR LF or not, on, as the result says. */
static int line_hand_on(struct stage *stage, struct view line, const struct check_result *result)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (result->fate == CHECK_DROP)
		return 0;
	if (result->fate != CHECK_KEEP)
		str_printf(&text, "%s\r\n", str_cstr(&result->text));
	if (result->fate != CHECK_REPLACE)
		str_append(&text, line);
	return stage_pass(stage, str_view(&text));
}

static int field_end(struct stage *stage)
{
	struct inspection *s = stage->state;
	_cleanup_(check_result_free) struct check_result result = { 0 };
	_cleanup_(str_free) struct str whole = s->field;
	struct view rest = str_view(&whole);
	struct header_field field;
	int r = 0;

	s->field = STR_EMPTY;
	s->field_too_long = false;
	if (whole.len == 0)
		return 0;
	if (header_next(&rest, &field) > 0)
		r = field_check(stage, &field, false, &result);
	return r < 0 ? r : line_hand_on(stage, str_view(&whole), &result);
}

static int body_line(struct stage *stage, struct view line)
{
	struct inspection *s = stage->state;
	_cleanup_(check_result_free) struct check_result result = { 0 };
	_cleanup_(str_free) struct str key = STR_EMPTY;
	uint64_t before = s->part_bytes;
	int r = 0;

	s->part_bytes += line.len;
	field_key(line, &key);
	if (!s->pass && key.len > 0 && before < (uint64_t)param.body_checks_size_limit)
		r = check_line(stage->in, inspect.body, "body", str_view(&key), &result);
	s->pass = s->pass || result.pass;
	return r < 0 ? r : line_hand_on(stage, line, &result);
}

static bool is_field_start(struct view line)
{
	struct header_field field;

	return line.data[0] != ' ' && line.data[0] != '\t' && header_next(&line, &field) > 0;
}

static int field_line(struct stage *stage, struct view line)
{
	struct inspection *s = stage->state;
	bool folded = s->line_continues || line.data[0] == ' ' || line.data[0] == '\t';

	if (folded && s->field_too_long)
		return stage_pass(stage, line);
	if (folded && s->field.len > 0) {
		str_append(&s->field, line);
		if (s->field.len <= (size_t)param.header_size_limit)
			return 0;

		int r = field_end(stage);

		s->field_too_long = true;
		return r;
	}

	int r = field_end(stage);

	if (r < 0)
		return r;
	if (!folded && is_field_start(line)) {
		str_append(&s->field, line);
		return 0;
	}
	/* The empty line, or what is no field: the header is over. */
	mime_walk_header_end(&s->walk);
	s->part_bytes = 0;
	return view_is(line, "\r\n") ? stage_pass(stage, line) : body_line(stage, line);
}

/* A line, or (too long for one) a piece of it. */
static int inspect_line(struct stage *stage, struct view line)
{
	struct inspection *s = stage->state;
	int r = 0;

	if (!s->line_continues && view_starts(line, VIEW("--"))) {
		enum mime_walk_state before = s->walk.state;

		if (before != WALK_BODY && s->walk.depth > 0)
			r = field_end(stage);
		if (r == 0 && mime_walk_is_boundary(&s->walk, line)) {
			s->part_bytes = 0;
			return body_line(stage, line);
		}
	}
	if (r < 0)
		return r;
	return s->walk.state == WALK_BODY ? body_line(stage, line) : field_line(stage, line);
}

static int inspect_body(struct stage *stage, struct view bytes)
{
	struct inspection *s = stage->state;
	size_t longest = (size_t)param.line_length_limit;
	int r = 0;

	if (s == NULL)
		return stage_pass(stage, bytes);
	while (r == 0 && bytes.len > 0) {
		size_t lf = view_find_byte(bytes, '\n');
		struct view piece = view_first(bytes, lf == VIEW_NOT_FOUND ? bytes.len : lf + 1);

		piece = view_first(piece, MAX(longest, s->line.len + 1) - s->line.len);
		str_append(&s->line, piece);
		bytes = view_from(bytes, piece.len);

		bool whole = s->line.data[s->line.len - 1] == '\n';

		if (!whole && s->line.len < longest)
			break;
		r = inspect_line(stage, str_view(&s->line));
		str_clear(&s->line);
		s->line_continues = !whole;
	}
	return r;
}

static int inspect_end(struct stage *stage)
{
	struct inspection *s = stage->state;
	int r = 0;

	if (s != NULL && s->line.len > 0)
		r = inspect_line(stage, str_view(&s->line));
	if (s != NULL && r == 0)
		r = field_end(stage);
	return r;
}

const struct content_stage stage_inspect = {
	.name = "inspect",
	.open = inspect_open,
	.begin = inspect_begin,
	.header = inspect_header,
	.body = inspect_body,
	.end = inspect_end,
	.release = inspect_release,
};
