/*
 * dovecot.conf as people have it: settings, blocks in blocks, includes. Values are kept as they are
 * written; what does not look like a setting is named and passed over.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "tools/migrate.h"

#define FILE_MAX     ((size_t)4 << 20)
#define FILES_MAX    200
#define SETTINGS_MAX 20000
#define DEPTH_MAX    10 /* of blocks, and of includes */

struct dovecot_reader {
	struct dovecot_conf *conf;
	const char *file, *directory; /* directory NULL: nothing is included */
	int line, depth;
	size_t sections[DEPTH_MAX]; /* lengths of `section` before each open block */
	int open, block;
	struct str section;
};

static void dovecot_complain(const struct dovecot_reader *r, const char *what)
{
	str_printf(&r->conf->problems, "%s, line %d: %s\n", r->file, r->line, what);
}

static int dovecot_read_file(struct dovecot_conf *conf, const char *path, int depth,
			     struct error *err);

/* Relative to the file that has it; may be a pattern. */
static void dovecot_include(struct dovecot_reader *r, struct view pattern, bool may_lack)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct error err = ERROR_NONE;
	glob_t found;

	if (r->directory == NULL)
		return;
	if (!view_starts(pattern, VIEW("/")))
		str_printf(&path, "%s/", r->directory);
	str_append(&path, pattern);
	if (glob(str_cstr(&path), 0, NULL, &found) != 0) {
		if (!may_lack && view_find_byte(pattern, '*') == VIEW_NOT_FOUND)
			dovecot_complain(r, "the file to be included is not there");
		return;
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		if (dovecot_read_file(r->conf, found.gl_pathv[i], r->depth + 1, &err) < 0)
			dovecot_complain(r, err.text);
	globfree(&found);
}

static void dovecot_open_block(struct dovecot_reader *r, struct view name)
{
	struct view word;

	if (r->open == DEPTH_MAX) {
		dovecot_complain(r, "too many blocks in each other");
		return;
	}
	if (r->open == 0)
		r->block = ++r->conf->blocks;
	r->sections[r->open++] = r->section.len;
	for (bool first = true; view_next_word(&name, " \t", &word); first = false)
		str_printf(&r->section, "%s%.*s",
			   !first		? " "
			   : r->section.len > 0 ? "/"
						: "",
			   VIEW_ARG(word));
}

static void dovecot_close_block(struct dovecot_reader *r)
{
	if (r->open == 0)
		dovecot_complain(r, "\"}\" without a block");
	else
		str_truncate(&r->section, r->sections[--r->open]);
}

static struct view unquoted(struct view value)
{
	if (value.len >= 2 && (value.data[0] == '"' || value.data[0] == '\'') &&
	    value.data[value.len - 1] == value.data[0])
		return view_make(value.data + 1, value.len - 2);
	return value;
}

static void dovecot_take_setting(struct dovecot_reader *r, struct view name, struct view value)
{
	struct dovecot_conf *conf = r->conf;

	if (conf->count >= SETTINGS_MAX) {
		dovecot_complain(r, "too many settings");
		return;
	}
	value = unquoted(value);
	array_grow(conf->settings, conf->count);
	conf->settings[conf->count++] = (struct dovecot_setting){
		.section = mem_strndup(str_cstr(&r->section), r->section.len),
		.name = mem_strndup(name.data, name.len),
		.value = mem_strndup(value.len ? value.data : "", value.len),
		.file = mem_strdup(r->file),
		.line = r->line,
		.block = r->open > 0 ? r->block : 0,
	};
}

/* A comment begins with "#" at the front, or after white space outside of quotes. */
static struct view without_comment(struct view line)
{
	char quote = '\0';

	for (size_t i = 0; i < line.len; i++) {
		char c = line.data[i];

		if (quote != '\0')
			quote = c == quote ? '\0' : quote;
		else if (c == '"')
			quote = c;
		else if (c == '#' && (i == 0 || ascii_is_space(line.data[i - 1])))
			return view_first(line, i);
	}
	return line;
}

static void dovecot_take_line(struct dovecot_reader *r, struct view line)
{
	size_t equals = view_find_byte(line, '=');

	if (view_starts(line, VIEW("!include_try ")))
		dovecot_include(r, view_trim(view_from(line, strlen("!include_try "))), true);
	else if (view_starts(line, VIEW("!include ")))
		dovecot_include(r, view_trim(view_from(line, strlen("!include "))), false);
	else if (view_is(line, "}"))
		dovecot_close_block(r);
	else if (equals != VIEW_NOT_FOUND && view_trim(view_first(line, equals)).len > 0)
		dovecot_take_setting(r, view_trim(view_first(line, equals)),
				     view_trim(view_from(line, equals + 1)));
	else if (view_ends(line, VIEW("{")))
		dovecot_open_block(r, view_trim(view_first(line, line.len - 1)));
	else if (view_find_byte(line, '{') != VIEW_NOT_FOUND && view_ends(line, VIEW("}")))
		; /* "plugin {}" */
	else
		dovecot_complain(r, "cannot be understood");
}

static void dovecot_take(struct dovecot_reader *r, struct view text)
{
	_cleanup_(str_free) struct str whole = STR_EMPTY;
	struct view line;

	while (view_next(&text, '\n', &line)) {
		struct view bare = view_trim(without_comment(line));

		r->line++;
		str_append(&whole, bare);
		/* Goes on in the next line. */
		if (view_ends(bare, VIEW("\\"))) {
			str_truncate(&whole, whole.len - 1);
			continue;
		}
		bare = view_trim(str_view(&whole));
		if (bare.len > 0)
			dovecot_take_line(r, bare);
		str_clear(&whole);
	}
	if (r->open > 0)
		dovecot_complain(r, "a block has no end");
	str_free(&r->section);
}

static int dovecot_read_file(struct dovecot_conf *conf, const char *path, int depth,
			     struct error *err)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *directory =
		slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");
	struct dovecot_reader r = {
		.conf = conf, .file = path, .directory = directory, .depth = depth
	};
	int read;

	if (depth > DEPTH_MAX || ++conf->files > FILES_MAX)
		return error_set(err, -E2BIG, "%s: too many files include each other", path);
	read = io_read_file(path, FILE_MAX, &text, err);
	if (read == 0)
		dovecot_take(&r, str_view(&text));
	return read;
}

int dovecot_conf_read(const char *directory, struct dovecot_conf *conf, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/dovecot.conf", directory);
	return dovecot_read_file(conf, str_cstr(&path), 0, err);
}

void dovecot_conf_take_text(struct dovecot_conf *conf, const char *name, struct view text)
{
	struct dovecot_reader r = { .conf = conf, .file = name };

	dovecot_take(&r, text);
}

void dovecot_conf_free(struct dovecot_conf *conf)
{
	for (size_t i = 0; i < conf->count; i++) {
		free(conf->settings[i].section);
		free(conf->settings[i].name);
		free(conf->settings[i].value);
		free(conf->settings[i].file);
	}
	free(conf->settings);
	str_free(&conf->problems);
}
