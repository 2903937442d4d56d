/*
 * postmap -F: values that are names of files become what is in these, in base64, as tls_server_sni_maps
 * and its kin want their keys and certificates. The source's owner says what may be read.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "tools/index.h"
#include "tools/place.h"
#include "tools/tool.h"

#define SOURCE_SIZE_MAX ((size_t)64 << 20)
#define VALUE_FILE_MAX	((size_t)1 << 20)

struct files_job {
	const char *path;
	struct str *out;
	int line, bad;
};

/* "key file, file ...": appends the line with the files' content in their place. */
static void files_take_entry(struct files_job *job, struct view entry)
{
	_cleanup_(str_free) struct str content = STR_EMPTY;
	struct view key = VIEW_NONE, name;

	if (!view_next_word(&entry, " \t\r\n", &key))
		return;
	while (conf_next_element(&entry, &name)) {
		_cleanup_free_ char *path = mem_strndup(name.data, name.len);
		struct error err = ERROR_NONE;

		if (io_read_file(path, VALUE_FILE_MAX, &content, &err) < 0) {
			fprintf(stderr, "posta map: %s, line %d: %s\n", job->path, job->line,
				err.text);
			job->bad++;
			return;
		}
	}
	if (content.len == 0) {
		fprintf(stderr, "posta map: %s, line %d: expected a key and names of files\n",
			job->path, job->line);
		job->bad++;
		return;
	}
	str_append(job->out, key);
	str_append_byte(job->out, ' ');
	base64_encode(job->out, str_view(&content));
	str_append_byte(job->out, '\n');
	str_wipe(&content);
}

/* Joins lines that begin with white space to those before. */
static void files_take_all(struct files_job *job, struct view text)
{
	_cleanup_(str_free) struct str entry = STR_EMPTY;
	struct view line;
	int number = 0;

	while (view_next(&text, '\n', &line)) {
		struct view bare = view_trim(line);

		number++;
		if (bare.len == 0 || bare.data[0] == '#')
			continue;
		if (!ascii_is_space(line.data[0])) {
			files_take_entry(job, str_view(&entry));
			str_clear(&entry);
			job->line = number;
		}
		str_append(&entry, line);
		str_append_byte(&entry, ' ');
	}
	files_take_entry(job, str_view(&entry));
}

int index_read_files(const char *path, struct str *out, mode_t *mode)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct files_job job = { .path = path, .out = out };
	struct error err = ERROR_NONE;
	struct place place;
	struct stat st;
	int r = place_find(path, &place);

	if (r == 0)
		r = place_enter(&place);
	if (r == 0 && stat(path, &st) < 0)
		r = -errno;
	if (r < 0)
		error_code(&err, r, "open %s", path);
	else
		r = io_read_file(path, SOURCE_SIZE_MAX, &text, &err);
	if (r == 0) {
		*mode = st.st_mode & 0777;
		files_take_all(&job, str_view(&text));
	}
	place_leave();
	if (r < 0)
		return tool_fail("map", "%s", err.text);
	return job.bad > 0 ? TOOL_NO : TOOL_DONE;
}

void index_decode_value(struct view value, struct str *out)
{
	if (base64_decode(out, value) < 0) {
		str_clear(out);
		str_append(out, value);
	}
}
