#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "mail/header.h"
#include "tools/mailbox.h"
#include "tools/tool.h"

#define MESSAGE_MAX	 ((size_t)1 << 30)
#define KEYWORD_FILE_MAX ((size_t)1 << 20)
#define LETTER_COUNT	 26

/* ---- into the store ---- */

int import_make_folder(struct mailbox_request *q, const char *folder)
{
	struct error err = ERROR_NONE;
	int r = store_create(q->store, view_of(folder), 0, &err);

	if (r < 0 && r != -EEXIST)
		return tool_fail("mailbox", "%s: %s", folder, err.text);
	return TOOL_DONE;
}

/* With CR LF at the end of every line. */
static int append_lines(struct append *append, struct view content)
{
	size_t from = 0;
	int r = 0;

	for (size_t i = 0; i < content.len && r == 0; i++) {
		if (content.data[i] != '\n' || (i > 0 && content.data[i - 1] == '\r'))
			continue;
		r = append_write(append, view_make(content.data + from, i - from));
		if (r == 0)
			r = append_write(append, VIEW("\r"));
		from = i;
	}
	return r < 0 ? r : append_write(append, view_from(content, from));
}

int import_put(struct mailbox_request *q, const char *folder, const struct import_message *message)
{
	struct append_meta meta = { .flags = message->flags,
				    .keywords = message->keywords,
				    .keyword_count = message->keyword_count };
	struct append *append;
	uint32_t uidvalidity, uid;
	int r = append_begin(q->store, view_of(folder), message->date, &append);

	if (r == 0) {
		r = append_lines(append, message->content);
		if (r == 0)
			r = append_finish(&append, &meta, 1, &uidvalidity, &uid);
		else
			append_free(append);
	}
	return r < 0 ? tool_fail("mailbox", "%s: %s", folder, strerror(-r)) : TOOL_DONE;
}

/* ---- from a Maildir ---- */

struct source {
	char *directory; /* of the folder */
	char folder[STORE_NAME_MAX + 8];
	struct str keyword_text;
	struct view keywords[LETTER_COUNT];
	unsigned imported;
};

/* "0 $Forwarded": what the letter a in names stands for, and so on. */
static void read_keywords(struct source *source)
{
	static const char *const files[] = { "posta-keywords", "dovecot-keywords" };
	struct view rest, line;

	for (size_t i = 0; i < ARRAY_SIZE(files) && source->keyword_text.len == 0; i++) {
		_cleanup_(str_free) struct str path = STR_EMPTY;

		str_printf(&path, "%s/%s", source->directory, files[i]);
		if (io_read_file(str_cstr(&path), KEYWORD_FILE_MAX, &source->keyword_text, NULL) <
		    0)
			str_clear(&source->keyword_text);
	}
	rest = str_view(&source->keyword_text);
	while (view_next(&rest, '\n', &line)) {
		size_t space = view_find_byte(line, ' ');
		uint32_t letter;

		if (space != VIEW_NOT_FOUND &&
		    view_parse_u32(view_first(line, space), LETTER_COUNT - 1, &letter) == 0)
			source->keywords[letter] = view_trim(view_from(line, space));
	}
}

static void read_flags(const struct source *source, const char *name,
		       struct import_message *message, struct view keywords[LETTER_COUNT])
{
	static const char letters[] = "SRFTD";
	static const unsigned flags[] = { FLAG_SEEN, FLAG_ANSWERED, FLAG_FLAGGED, FLAG_DELETED,
					  FLAG_DRAFT };
	const char *info = strstr(name, ":2,");

	message->keywords = keywords;
	for (info = info != NULL ? info + 3 : ""; *info != '\0'; info++) {
		const char *at = strchr(letters, *info);

		if (at != NULL)
			message->flags |= flags[at - letters];
		else if (*info >= 'a' && *info <= 'z' && source->keywords[*info - 'a'].len > 0)
			keywords[message->keyword_count++] = source->keywords[*info - 'a'];
	}
}

/* Opened and read as the administrator, put into the store as the user. */
static int import_file(struct mailbox_request *q, struct source *source, const char *part,
		       const char *name)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, content = STR_EMPTY;
	struct view keywords[LETTER_COUNT];
	struct import_message message = { 0 };
	struct error err = ERROR_NONE;
	struct stat st;
	int r = mailbox_as_administrator();

	str_printf(&path, "%s/%s/%s", source->directory, part, name);
	if (r == 0 && stat(str_cstr(&path), &st) == 0) {
		message.date = st.st_mtime;
		r = io_read_file(str_cstr(&path), MESSAGE_MAX, &content, &err);
	}
	if (mailbox_as_user(&q->user) < 0)
		return tool_fail("mailbox", "act as %s: %m", q->user.name);
	if (r < 0)
		return tool_fail("mailbox", "%s", err.text);
	message.content = str_view(&content);
	read_flags(source, name, &message, keywords);
	source->imported++;
	return import_put(q, source->folder, &message);
}

static int import_compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory, sorted, so that messages keep their order. */
static int read_names(const char *path, char ***names, size_t *count)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	*names = NULL;
	*count = 0;
	if (directory == NULL)
		return -errno;
	while ((entry = readdir(directory)) != NULL) {
		*names = mem_resize(*names, *count + 1, sizeof(**names));
		(*names)[(*count)++] = mem_strdup(entry->d_name);
	}
	closedir(directory);
	if (*count > 0)
		qsort(*names, *count, sizeof(**names), import_compare_names);
	return 0;
}

static void free_names(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

static int import_folder(struct mailbox_request *q, struct source *source)
{
	static const char *const parts[] = { "cur", "new" };
	int status = import_make_folder(q, source->folder);

	(void)store_subscribe(q->store, view_of(source->folder), true, NULL);
	if (mailbox_as_administrator() == 0)
		read_keywords(source);
	if (mailbox_as_user(&q->user) < 0)
		return tool_fail("mailbox", "act as %s: %m", q->user.name);
	for (size_t i = 0; i < ARRAY_SIZE(parts) && status == TOOL_DONE; i++) {
		_cleanup_(str_free) struct str path = STR_EMPTY;
		char **names;
		size_t count;
		int r = mailbox_as_administrator();

		str_printf(&path, "%s/%s", source->directory, parts[i]);
		if (r == 0)
			r = read_names(str_cstr(&path), &names, &count);
		if (mailbox_as_user(&q->user) < 0 || r < 0)
			return tool_fail("mailbox", "read %s: %s", str_cstr(&path), strerror(-r));
		for (size_t k = 0; k < count && status == TOOL_DONE; k++)
			if (names[k][0] != '.')
				status = import_file(q, source, parts[i], names[k]);
		free_names(names, count);
	}
	printf("%s: %u messages\n", source->folder, source->imported);
	return status;
}

static int import_one(struct mailbox_request *q, const char *directory, const char *folder)
{
	struct source source = { .directory = mem_strdup(directory) };
	int status;

	snprintf(source.folder, sizeof(source.folder), "%s", folder);
	status = import_folder(q, &source);
	free(source.directory);
	str_free(&source.keyword_text);
	return status;
}

int import_maildir(struct mailbox_request *q)
{
	char **names;
	size_t count;
	int status, r = mailbox_as_administrator();

	if (r == 0)
		r = read_names(q->maildir, &names, &count);
	if (mailbox_as_user(&q->user) < 0 || r < 0)
		return tool_fail("mailbox", "read %s: %s", q->maildir, strerror(-r));
	status = import_one(q, q->maildir, "INBOX");
	for (size_t i = 0; i < count && status == TOOL_DONE; i++) {
		_cleanup_(str_free) struct str path = STR_EMPTY;

		if (names[i][0] != '.' || store_name_check(view_of(names[i] + 1), NULL) < 0)
			continue;
		str_printf(&path, "%s/%s", q->maildir, names[i]);
		status = import_one(q, str_cstr(&path), names[i] + 1);
	}
	free_names(names, count);
	return status;
}

/* ---- from an mbox ---- */

/* Flags as mail readers keep them in mbox files. */
static void import_read_status(struct view content, struct import_message *message)
{
	static const struct {
		const char *field;
		char letter;
		unsigned flag;
	} table[] = {
		{ "Status", 'R', FLAG_SEEN },	   { "X-Status", 'A', FLAG_ANSWERED },
		{ "X-Status", 'F', FLAG_FLAGGED }, { "X-Status", 'D', FLAG_DELETED },
		{ "X-Status", 'T', FLAG_DRAFT },
	};
	struct header_field field;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (header_find(content, table[i].field, &field) &&
		    view_find_byte(field.body, table[i].letter) != VIEW_NOT_FOUND)
			message->flags |= table[i].flag;
}

/* "From sender Sat Nov 21 23:58:21 2026": 0 if there is no such date. */
static int64_t from_line_date(const char *line)
{
	struct tm tm = { 0 };
	const char *date = strchr(line + 5, ' ');

	while (date != NULL && *date == ' ')
		date++;
	if (date == NULL || strptime(date, "%a %b %e %H:%M:%S %Y", &tm) == NULL)
		return 0;
	return timegm(&tm);
}

static int put_mbox_message(struct mailbox_request *q, struct str *content, int64_t date)
{
	struct import_message message = { .date = date };
	int status;

	/* The empty line that stands between messages belongs to neither. */
	if (view_ends(str_view(content), VIEW("\n\n")))
		str_truncate(content, content->len - 1);
	message.content = str_view(content);
	import_read_status(message.content, &message);
	status = import_put(q, q->folders[0], &message);
	str_clear(content);
	return status;
}

/* One quoting '>' off ">From " lines. */
static const char *unquote(const char *line)
{
	const char *at = line;

	while (*at == '>')
		at++;
	return at > line && strncmp(at, "From ", 5) == 0 ? line + 1 : line;
}

static int import_stream(struct mailbox_request *q, FILE *in)
{
	_cleanup_(str_free) struct str content = STR_EMPTY;
	_cleanup_free_ char *line = NULL;
	int status = TOOL_DONE;
	bool started = false, after_empty = true;
	unsigned imported = 0;
	size_t size = 0;
	int64_t date = 0;
	ssize_t len;

	while (status == TOOL_DONE && (len = getline(&line, &size, in)) > 0) {
		if (after_empty && strncmp(line, "From ", 5) == 0) {
			if (started)
				status = put_mbox_message(q, &content, date);
			date = from_line_date(line);
			started = true;
			imported++;
		} else if (!started) {
			return tool_fail("mailbox", "%s is no mbox file", q->mbox);
		} else {
			const char *text = unquote(line);

			str_append(&content, view_make(text, (size_t)(line + len - text)));
		}
		after_empty = line[0] == '\n' || (line[0] == '\r' && line[1] == '\n');
		if (content.len > MESSAGE_MAX)
			return tool_fail("mailbox", "message %u is too large", imported);
	}
	if (status == TOOL_DONE && started)
		status = put_mbox_message(q, &content, date);
	if (status == TOOL_DONE)
		printf("%s: %u messages\n", q->folders[0], imported);
	return status;
}

int import_mbox(struct mailbox_request *q)
{
	FILE *in = stdin;
	int status, r = 0;

	if (strcmp(q->mbox, "-") != 0) {
		r = mailbox_as_administrator();
		in = r == 0 ? fopen(q->mbox, "r") : NULL;
		if (in == NULL)
			return tool_fail("mailbox", "open %s: %s", q->mbox, strerror(errno));
		r = mailbox_as_user(&q->user);
	}
	if (r < 0)
		return tool_fail("mailbox", "act as %s: %s", q->user.name, strerror(-r));
	status = import_make_folder(q, q->folders[0]);
	if (status == TOOL_DONE)
		status = import_stream(q, in);
	if (in != stdin)
		fclose(in);
	return status;
}
