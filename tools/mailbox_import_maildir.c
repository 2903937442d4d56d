/*
 * posta mailbox import --maildir: all folders of a Maildir. It is read with the rights of its owner and
 * through descriptors, never through a symbolic link: what its owner may not read is not imported.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "tools/mailbox.h"
#include "tools/place.h"
#include "tools/tool.h"

#define MESSAGE_MAX	 ((size_t)1 << 30)
#define KEYWORD_FILE_MAX ((size_t)1 << 20)
#define LETTER_COUNT	 26

/* A folder of the source. */
struct source {
	struct place owner;
	int directory;
	char folder[STORE_NAME_MAX + 8];
	struct str keyword_text;
	struct view keywords[LETTER_COUNT];
	unsigned imported, skipped;
};

/* ---- reading, as the source's owner ---- */

/* A regular file, whole. 0 or -errno; -EINVAL: it is none. */
static int source_read_file(int directory, const char *name, size_t limit, struct str *content,
			    int64_t *date)
{
	_cleanup_fd_ int fd =
		openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	size_t size;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ELOOP ? -EINVAL : -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > limit)
		return -EFBIG;
	size = (size_t)st.st_size;
	if (date != NULL)
		*date = st.st_mtim.tv_sec;
	r = io_pread_all(fd, str_reserve(content, size), size, 0);
	if (r == 0)
		str_grow(content, size);
	return r;
}

/* "0 $Forwarded": what the letter a in names stands for, and so on. */
static void source_read_keywords(struct source *source)
{
	static const char *const files[] = { "posta-keywords", "dovecot-keywords" };
	struct view rest, line;

	for (size_t i = 0; i < ARRAY_SIZE(files) && source->keyword_text.len == 0; i++)
		if (source_read_file(source->directory, files[i], KEYWORD_FILE_MAX,
				     &source->keyword_text, NULL) < 0)
			str_clear(&source->keyword_text);
	rest = str_view(&source->keyword_text);
	while (view_next(&rest, '\n', &line)) {
		size_t space = view_find_byte(line, ' ');
		uint32_t letter;
		struct view word = view_trim(view_from(line, space));

		if (space == VIEW_NOT_FOUND ||
		    view_parse_u32(view_first(line, space), LETTER_COUNT - 1, &letter) < 0)
			continue;
		if (store_keyword_is_valid(word))
			source->keywords[letter] = word;
		else
			(void)tool_fail("mailbox", "%s: keyword %.*s is no atom: left out",
					source->folder, VIEW_ARG(word));
	}
}

static int source_compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory, sorted, so that messages keep their order. Takes the descriptor. */
static int source_read_names(int fd, char ***names, size_t *count)
{
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
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
		qsort(*names, *count, sizeof(**names), source_compare_names);
	return 0;
}

static void source_free_names(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

static int source_open_directory(int parent, const char *name)
{
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* ---- into the store, as the user ---- */

static void source_flags(const struct source *source, const char *name,
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

/* What is no message, or cannot be read, is named, and the others come. */
static int source_import_file(struct mailbox_request *q, struct source *source, int directory,
			      const char *name)
{
	_cleanup_(str_free) struct str content = STR_EMPTY;
	struct view keywords[LETTER_COUNT];
	struct import_message message = { 0 };
	int status, r = place_enter(&source->owner);

	if (r == 0)
		r = source_read_file(directory, name, MESSAGE_MAX, &content, &message.date);
	status = mailbox_act_as_user(q);
	if (status != TOOL_DONE)
		return status;
	if (r < 0) {
		(void)tool_fail("mailbox", "%s: %s: %s: left out", source->folder, name,
				r == -EINVAL ? "no regular file" : strerror(-r));
		source->skipped++;
		return TOOL_DONE;
	}
	message.content = str_view(&content);
	source_flags(source, name, &message, keywords);
	source->imported++;
	return import_put(q, source->folder, &message);
}

static int source_import_part(struct mailbox_request *q, struct source *source, const char *part)
{
	_cleanup_fd_ int directory = -1;
	int status, r = place_enter(&source->owner);
	char **names = NULL;
	size_t count = 0;

	if (r == 0) {
		directory = source_open_directory(source->directory, part);
		r = source_read_names(dup(directory), &names, &count);
	}
	status = mailbox_act_as_user(q);
	if (status == TOOL_DONE && r < 0)
		status = tool_fail("mailbox", "read %s of %s: %s", part, source->folder,
				   strerror(-r));
	for (size_t i = 0; i < count && status == TOOL_DONE; i++)
		if (names[i][0] != '.')
			status = source_import_file(q, source, directory, names[i]);
	source_free_names(names, count);
	return status;
}

static int source_import_folder(struct mailbox_request *q, struct source *source)
{
	int status;

	if (place_enter(&source->owner) == 0)
		source_read_keywords(source);
	status = mailbox_act_as_user(q);
	if (status == TOOL_DONE)
		status = import_make_folder(q, source->folder);
	if (status == TOOL_DONE)
		(void)store_subscribe(q->store, view_of(source->folder), true, NULL);
	if (status == TOOL_DONE)
		status = source_import_part(q, source, "cur");
	if (status == TOOL_DONE)
		status = source_import_part(q, source, "new");
	printf("%s: %u messages", source->folder, source->imported);
	printf(source->skipped > 0 ? ", %u left out\n" : "\n", source->skipped);
	return status;
}

/* Takes the descriptor. */
static int source_import(struct mailbox_request *q, const struct place *owner, int directory,
			 const char *folder)
{
	struct source source = { .owner = *owner, .directory = directory };
	int status;

	snprintf(source.folder, sizeof(source.folder), "%s", folder);
	status = source_import_folder(q, &source);
	close(directory);
	str_free(&source.keyword_text);
	return status;
}

/* A directory below the source that is a folder. */
static int source_import_named(struct mailbox_request *q, const struct place *owner, int root,
			       const char *name)
{
	int directory, r;

	if (name[0] != '.' || store_name_check(view_of(name + 1), NULL) < 0)
		return TOOL_DONE;
	r = place_enter(owner);
	directory = r == 0 ? source_open_directory(root, name) : -1;
	r = directory < 0 ? -errno : 0;
	if (directory >= 0)
		return source_import(q, owner, directory, name + 1);
	(void)tool_fail("mailbox", "%s: %s: left out", name, strerror(-r));
	return mailbox_act_as_user(q);
}

int import_maildir(struct mailbox_request *q)
{
	_cleanup_fd_ int root = -1;
	struct place owner;
	char **names = NULL;
	size_t count = 0;
	int status, r = place_leave();

	if (r == 0)
		r = place_find(q->maildir, &owner);
	if (r == 0) {
		root = place_open(q->maildir, O_RDONLY | O_DIRECTORY, 0);
		r = root < 0 ? root : source_read_names(dup(root), &names, &count);
	}
	status = mailbox_act_as_user(q);
	if (status == TOOL_DONE && r < 0)
		status = tool_fail("mailbox", "read %s: %s", q->maildir, strerror(-r));
	if (status == TOOL_DONE)
		status = source_import(q, &owner, dup(root), "INBOX");
	for (size_t i = 0; i < count && status == TOOL_DONE; i++)
		status = source_import_named(q, &owner, root, names[i]);
	source_free_names(names, count);
	return status;
}
