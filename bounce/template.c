/* Reading of bounce_template_file. The texts are expanded once, for parameters do not change. */
#include "template.h"

#include <errno.h>
#include <iconv.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "ipc/ipc.h"
#include "table/table.h"

#define TEMPLATE_FILE_MAX ((size_t)256 * 1024)
#define TEMPLATE_LINE_MAX 998 /* RFC 5322 2.1.1 */

/* The program's state. */
static struct {
	const char *name;
	uint8_t kind;
	bool is_read;
	struct bounce_template template;
} templates[] = {
	{ .name = "failure_template", .kind = REPORT_FAILURE },
	{ .name = "delay_template", .kind = REPORT_DELAY },
	{ .name = "success_template", .kind = REPORT_SUCCESS },
};

const struct bounce_template *template_of(uint8_t kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(templates); i++)
		if (templates[i].kind == kind && templates[i].is_read)
			return &templates[i].template;
	return NULL;
}

static void template_clear(struct bounce_template *t)
{
	str_free(&t->from);
	str_free(&t->subject);
	str_free(&t->postmaster_subject);
	str_free(&t->body);
}

void templates_forget(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(templates); i++) {
		template_clear(&templates[i].template);
		templates[i].is_read = false;
	}
}

/* ---- parameters in the text ---- */

/* "delay_warning_time_hours": a time in that unit. False: it is no such name. */
static bool template_append_time(struct view name, struct str *out)
{
	static const struct {
		const char *suffix;
		msec_t unit;
	} suffixes[] = { { "_seconds", 1000 },
			 { "_minutes", 60 * 1000 },
			 { "_hours", 3600 * 1000 },
			 { "_days", (msec_t)86400 * 1000 },
			 { "_weeks", (msec_t)7 * 86400 * 1000 } };

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		struct view suffix = view_of(suffixes[i].suffix);
		const struct param_info *info;
		const char *value;
		msec_t time;

		if (!view_ends(name, suffix))
			continue;
		info = param_find(view_first(name, name.len - suffix.len));
		value = info != NULL && info->type == PARAM_TYPE_TIME ? conf_get(info->name) : NULL;
		if (value == NULL || conf_parse_time(view_of(value), info->unit, &time) < 0)
			return false;
		str_printf(out, "%lld", (long long)(time / suffixes[i].unit));
		return true;
	}
	return false;
}

/* Takes "name", "{name}" or "(name)" off *rest, which begins after the dollar sign. */
static struct view template_take_name(struct view *rest)
{
	bool bracketed = rest->len > 0 && (rest->data[0] == '{' || rest->data[0] == '(');
	size_t begin = bracketed, end;
	struct view name;

	for (end = begin; end < rest->len; end++)
		if (!ascii_is_alnum(rest->data[end]) && rest->data[end] != '_')
			break;
	name = view_make(rest->data + begin, end - begin);
	*rest = view_from(*rest, MIN(end + bracketed, rest->len));
	return name;
}

/* Times in units here, all the rest as in main.cf. */
static int template_expand(struct view text, struct str *out, struct error *err)
{
	_cleanup_(str_free) struct str timed = STR_EMPTY;

	while (text.len > 0) {
		size_t dollar = view_find_byte(text, '$');
		struct view rest = view_from(text, dollar + 1), whole, name;

		str_append(&timed, view_first(text, dollar));
		if (dollar == VIEW_NOT_FOUND)
			break;
		whole = view_from(text, dollar);
		if (view_starts(rest, VIEW("$"))) {
			str_append_cstr(&timed, "$$");
			text = view_from(rest, 1);
			continue;
		}
		name = template_take_name(&rest);
		if (!template_append_time(name, &timed))
			str_append(&timed, view_first(whole, whole.len - rest.len));
		text = rest;
	}
	return conf_expand(str_view(&timed), out, err);
}

/* ---- one template ---- */

/* To UTF-8. -EINVAL with the reason. */
static int template_decode(struct view text, struct view charset, struct str *out,
			   struct error *err)
{
	_cleanup_free_ char *name = mem_strndup(charset.data, charset.len);
	char *from = (char *)(uintptr_t)text.data, *to;
	size_t left = text.len, room = text.len * 4 + 16, before = room;
	iconv_t converter = iconv_open("UTF-8", name);
	bool good;

	if (converter == (iconv_t)-1)
		return error_set(err, -EINVAL, "an unknown charset");
	to = str_reserve(out, room);
	good = iconv(converter, &from, &left, &to, &room) != (size_t)-1 && left == 0;
	iconv_close(converter);
	if (!good)
		return error_set(err, -EINVAL, "bytes that its charset does not have");
	str_grow(out, before - room);
	return 0;
}

static int template_take_field(struct bounce_template *t, struct view line, struct str *charset,
			       struct error *err)
{
	size_t colon = view_find_byte(line, ':');
	struct view name = view_trim(view_first(line, colon));
	const struct {
		const char *name;
		struct str *value;
	} fields[] = { { "Charset", charset },
		       { "From", &t->from },
		       { "Subject", &t->subject },
		       { "Postmaster-Subject", &t->postmaster_subject } };

	for (size_t i = 0; i < ARRAY_SIZE(fields) && colon != VIEW_NOT_FOUND; i++) {
		if (!view_is_nocase(name, fields[i].name))
			continue;
		str_clear(fields[i].value);
		return template_expand(view_trim(view_from(line, colon + 1)), fields[i].value, err);
	}
	return error_set(err, -EINVAL,
			 "a header line that is none of Charset, From, Subject and "
			 "Postmaster-Subject");
}

static bool template_field_is_good(const struct str *field)
{
	struct view text = str_view(field);

	return text.len > 0 && text.len <= TEMPLATE_LINE_MAX - 80 && view_is_ascii(text) &&
	       !view_has_control(text);
}

static int template_check(struct bounce_template *t, struct error *err)
{
	struct view rest = str_view(&t->body), line;

	if (t->postmaster_subject.len == 0)
		str_printf(&t->postmaster_subject, "Postmaster copy: %s", str_cstr(&t->subject));
	if (!template_field_is_good(&t->from) || !template_field_is_good(&t->subject) ||
	    !template_field_is_good(&t->postmaster_subject))
		return error_set(err, -EINVAL, "From and Subject must be there, in ASCII");
	while (view_next(&rest, '\n', &line))
		if (line.len > TEMPLATE_LINE_MAX + 1)
			return error_set(err, -EINVAL, "a line that is too long");
	/* Postfix's own has no domain, which is added to what is sent. */
	if (view_find_byte(str_view(&t->from), '@') == VIEW_NOT_FOUND) {
		_cleanup_(str_free) struct str whole = STR_EMPTY;
		struct view words = str_view(&t->from), word = VIEW_NONE;

		(void)view_next_word(&words, " ", &word);
		str_printf(&whole, "%.*s@%s", VIEW_ARG(word), param.myorigin);
		if (words.len > 0)
			str_printf(&whole, " %.*s", VIEW_ARG(view_trim(words)));
		str_set(&t->from, str_view(&whole));
	}
	return 0;
}

static int template_read(struct bounce_template *t, struct view text, struct error *err)
{
	_cleanup_(str_free) struct str charset = STR_EMPTY, expanded = STR_EMPTY, utf8 = STR_EMPTY;
	struct view line, rest;
	int r = 0;

	str_append_cstr(&charset, "us-ascii");
	while (r == 0 && view_next(&text, '\n', &line) && view_trim(line).len > 0)
		r = template_take_field(t, line, &charset, err);
	if (r == 0)
		r = template_expand(text, &expanded, err);
	if (r == 0)
		r = template_decode(str_view(&expanded), str_view(&charset), &utf8, err);
	rest = str_view(&utf8);
	if (view_ends(rest, VIEW("\n")))
		rest.len--;
	while (r == 0 && view_next(&rest, '\n', &line)) {
		str_append(&t->body,
			   view_ends(line, VIEW("\r")) ? view_first(line, line.len - 1) : line);
		str_append_cstr(&t->body, "\r\n");
	}
	return r == 0 ? template_check(t, err) : r;
}

/* ---- the file ---- */

/* "name = <<WORD", then lines until one that is just WORD: takes all that off *rest. */
static int template_take(struct view *rest, struct view line, struct view *name, struct view *text,
			 struct error *err)
{
	size_t equals = view_find_byte(line, '=');
	struct view word = view_trim(view_from(line, equals + 1)), start = *rest, next;

	*name = view_trim(view_first(line, equals));
	if (equals == VIEW_NOT_FOUND || !view_starts(word, VIEW("<<")) || word.len == 2)
		return error_set(err, -EINVAL, "expected name = <<WORD, not \"%.*s\"",
				 VIEW_ARG(view_first(line, 80)));
	word = view_trim(view_from(word, 2));
	while (view_next(rest, '\n', &next)) {
		if (!view_eq(view_trim(next), word))
			continue;
		*text = view_make(start.data, (size_t)(next.data - start.data));
		return 0;
	}
	return error_set(err, -EINVAL, "no end of %.*s", VIEW_ARG(*name));
}

static void templates_put(struct view name, struct view text, const char *path)
{
	struct error err = ERROR_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(templates); i++) {
		if (!view_is(name, templates[i].name))
			continue;
		template_clear(&templates[i].template);
		templates[i].is_read = template_read(&templates[i].template, text, &err) == 0;
		if (!templates[i].is_read)
			log_warning("%s: %s: %s; our own text stands", path, templates[i].name,
				    err.text);
		return;
	}
	/* sendmail -bv prints, and sends no report. */
	if (!view_is(name, "verify_template"))
		log_warning("%s: there is no template %.*s", path, VIEW_ARG(view_first(name, 80)));
}

void templates_read(struct view rest, const char *path)
{
	struct view line, name = VIEW_NONE, text = VIEW_NONE;
	struct error err = ERROR_NONE;

	while (view_next(&rest, '\n', &line)) {
		line = view_trim(line);
		if (line.len == 0 || line.data[0] == '#')
			continue;
		if (template_take(&rest, line, &name, &text, &err) < 0) {
			log_warning("%s: %s", path, err.text);
			return;
		}
		templates_put(name, text, path);
	}
}

int templates_prepare(struct error *err)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	const char *path = param.bounce_template_file;
	struct error problem = ERROR_NONE;

	if (path[0] == '\0')
		return 0;
	if (io_read_file(path, TEMPLATE_FILE_MAX, &text, &problem) < 0) {
		log_warning("bounce_template_file: %s; our own text stands", problem.text);
		return 0;
	}
	templates_read(str_view(&text), path);
	return table_watch_files(&path, 1, err);
}
