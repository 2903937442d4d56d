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
#include "store/adopt.h"
#include "store/unpack.h"
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
	unsigned imported, skipped, there;
};

/* What the source subscribed to. */
struct wishes {
	bool known; /* it has told */
	struct map *names;
};

/* ---- reading, as the source's owner ---- */

struct unpacked {
	struct str *content;
	size_t limit;
};

/* A small file may unpack to any size. */
static int source_unpacked(void *argument, const char *bytes, size_t len)
{
	struct unpacked *to = argument;

	if (len > to->limit - to->content->len)
		return -EFBIG;
	str_append(to->content, view_make(bytes, len));
	return 0;
}

/* A regular file, whole, unpacked. 0 or -errno; -EINVAL: it is none. */
static int source_read_file(int directory, const char *name, size_t limit, struct str *content,
			    int64_t *date)
{
	_cleanup_fd_ int fd =
		openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct unpacked to = { content, limit };
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
	if (unpack_is_packed(fd))
		return unpack_file(fd, source_unpacked, &to);
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
	int r;

	*names = NULL;
	*count = 0;
	if (directory == NULL)
		return -errno;
	while (errno = 0, (entry = readdir(directory)) != NULL) {
		array_grow(*names, *count);
		(*names)[(*count)++] = mem_strdup(entry->d_name);
	}
	/* What was not read must not count as imported. */
	r = -errno;
	closedir(directory);
	if (*count > 0)
		qsort(*names, *count, sizeof(**names), source_compare_names);
	return r;
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

/* A letter counts once, however often a name has it. */
static void source_flags(const struct source *source, const char *name,
			 struct import_message *message, struct view keywords[LETTER_COUNT])
{
	static const char letters[] = "SRFTD";
	static const unsigned flags[] = { FLAG_SEEN, FLAG_ANSWERED, FLAG_FLAGGED, FLAG_DELETED,
					  FLAG_DRAFT };
	const char *info = strstr(name, ":2,");
	bool taken[LETTER_COUNT] = { false };

	message->keywords = keywords;
	for (info = info != NULL ? info + 3 : ""; *info != '\0'; info++) {
		const char *at = strchr(letters, *info);
		size_t letter = *info >= 'a' && *info <= 'z' ? (size_t)(*info - 'a') : LETTER_COUNT;

		if (at != NULL)
			message->flags |= flags[at - letters];
		if (letter == LETTER_COUNT || taken[letter] || source->keywords[letter].len == 0)
			continue;
		taken[letter] = true;
		keywords[message->keyword_count++] = source->keywords[letter];
	}
}

/* "1275660208.M1P2.host" of "1275660208.M1P2.host,S=1:2,S" */
static struct view source_unique(const char *name)
{
	return view_first(view_of(name), strcspn(name, ",:"));
}

/* What is no message, or cannot be read, is named, and the others come. */
static int source_import_file(struct mailbox_request *q, struct source *source, int directory,
			      const char *name)
{
	_cleanup_(str_free) struct str content = STR_EMPTY;
	struct view keywords[LETTER_COUNT];
	struct import_message message = { .unique = source_unique(name) };
	int status, r = place_enter(&source->owner);
	bool known = false;

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
	status = import_put(q, source->folder, &message, &known);
	source->there += known;
	source->imported += !known;
	return status;
}

static int source_import_part(struct mailbox_request *q, struct source *source, const char *part)
{
	_cleanup_fd_ int directory = -1;
	int status, r = place_enter(&source->owner);
	char **names = NULL;
	size_t count = 0;

	if (r == 0) {
		directory = source_open_directory(source->directory, part);
		r = directory < 0 ? -errno : source_read_names(dup(directory), &names, &count);
	}
	status = mailbox_act_as_user(q);
	/* A part that is missing has nothing in it. */
	if (status == TOOL_DONE && r < 0 && r != -ENOENT)
		status = tool_fail("mailbox", "read %s of %s: %s", part, source->folder,
				   strerror(-r));
	for (size_t i = 0; i < count && status == TOOL_DONE; i++)
		if (names[i][0] != '.')
			status = source_import_file(q, source, directory, names[i]);
	source_free_names(names, count);
	return status;
}

static int source_import_folder(struct mailbox_request *q, struct source *source,
				const struct wishes *wishes)
{
	int status;

	if (place_enter(&source->owner) == 0)
		source_read_keywords(source);
	status = mailbox_act_as_user(q);
	if (status == TOOL_DONE)
		status = import_begin(q, source->folder);
	if (status == TOOL_DONE &&
	    (!wishes->known || map_get(wishes->names, view_of(source->folder)) != NULL))
		(void)store_subscribe(q->store, view_of(source->folder), true, NULL);
	if (status == TOOL_DONE)
		status = source_import_part(q, source, "cur");
	if (status == TOOL_DONE)
		status = source_import_part(q, source, "new");
	import_end(q);
	printf("%s: %u messages", source->folder, source->imported);
	if (source->there > 0)
		printf(", %u were there already", source->there);
	printf(source->skipped > 0 ? ", %u left out\n" : "\n", source->skipped);
	return status;
}

/* Takes the descriptor. */
static int source_import(struct mailbox_request *q, const struct place *owner, int directory,
			 const char *folder, const struct wishes *wishes)
{
	struct source source = { .owner = *owner, .directory = directory };
	int status;

	snprintf(source.folder, sizeof(source.folder), "%s", folder);
	status = source_import_folder(q, &source, wishes);
	close(directory);
	str_free(&source.keyword_text);
	return status;
}

/* The name that a folder gets here: what no new one can have becomes '_'. */
static bool source_folder_name(struct view raw, struct str *name)
{
	str_clear(name);
	if (adopt_name(raw, name) < 0)
		return false;
	for (size_t i = 0; i < name->len; i++)
		if (strchr("*%", name->data[i]) != NULL)
			name->data[i] = '_';
	return true;
}

static bool source_is_file(int root, const char *name)
{
	struct stat st;

	return fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* A directory below the source that is a folder. */
static int source_import_named(struct mailbox_request *q, const struct place *owner, int root,
			       const char *name, const struct wishes *wishes)
{
	_cleanup_(str_free) struct str folder = STR_EMPTY;
	int directory, r;

	if (name[0] != '.' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return TOOL_DONE;
	r = place_enter(owner);
	directory = r == 0 ? source_open_directory(root, name) : -1;
	r = directory < 0 ? -errno : 0;
	if (r == -ENOTDIR && source_is_file(root, name))
		return mailbox_act_as_user(q); /* of the other server */
	if (directory >= 0 && faccessat(directory, "cur", F_OK, 0) < 0) {
		close(directory); /* no folder */
		return mailbox_act_as_user(q);
	}
	if (directory >= 0 && source_folder_name(view_of(name + 1), &folder))
		return source_import(q, owner, directory, str_cstr(&folder), wishes);
	if (directory >= 0)
		close(directory);
	(void)tool_fail("mailbox", "%s: %s: left out", name,
			directory >= 0 ? "no folder can have this name" : strerror(-r));
	return mailbox_act_as_user(q);
}

/* ---- subscriptions ---- */

static void source_wish(struct wishes *wishes, struct view text)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;

	if (view_is_nocase(text, "INBOX"))
		str_append_cstr(&name, "INBOX");
	else if (text.len == 0 || !source_folder_name(text, &name))
		return;
	map_put(wishes->names, str_view(&name), wishes);
}

/* Dovecot's file, in both versions, which is ours too, or Courier's. As the source's owner. */
static void source_read_wishes(int root, struct wishes *wishes)
{
	static const char *const files[] = { "subscriptions", "courierimapsubscribed" };
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, line;
	bool courier = false;

	for (size_t i = 0; i < ARRAY_SIZE(files) && !wishes->known; i++) {
		str_clear(&text);
		wishes->known =
			source_read_file(root, files[i], KEYWORD_FILE_MAX, &text, NULL) == 0;
		courier = i == 1;
	}
	rest = str_view(&text);
	if (view_starts(rest, VIEW("V\t2"))) {
		for (size_t i = 0; i < text.len; i++)
			if (text.data[i] == '\t')
				text.data[i] = '.';
		view_next(&rest, '\n', &line);
	}
	while (view_next(&rest, '\n', &line)) {
		line = view_trim(line);
		if (courier && view_starts_nocase(line, VIEW("INBOX.")))
			line = view_from(line, strlen("INBOX."));
		source_wish(wishes, line);
	}
}

int import_maildir(struct mailbox_request *q)
{
	struct wishes wishes = { .names = map_new() };
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
	if (r == 0)
		source_read_wishes(root, &wishes);
	status = mailbox_act_as_user(q);
	if (status == TOOL_DONE && r < 0)
		status = tool_fail("mailbox", "read %s: %s", q->maildir, strerror(-r));
	if (status == TOOL_DONE)
		status = source_import(q, &owner, dup(root), "INBOX", &wishes);
	for (size_t i = 0; i < count && status == TOOL_DONE; i++)
		status = source_import_named(q, &owner, root, names[i], &wishes);
	source_free_names(names, count);
	map_free(wishes.names);
	return status;
}
