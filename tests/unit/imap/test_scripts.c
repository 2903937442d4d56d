/*
 * Conversations in files: scripts/ has the RFCs' own examples for every extension that is announced, clients/ what clients
 * send; each is played whole and byte by byte. A line of a file is one of
 *
 *	# ...			a remark
 *	Capability: A B		what it shows; every one that CAPABILITY names must stand in some file
 *	M: FOLDER options	a message is appended by another connection; its lines follow, with "> " in front
 *	D: FOLDER		the same, delivered as local does
 *	C: text			the client sends a line; lines that follow each other go in one piece
 *	S: text			the server sends just this line; "~" stands for any text in it
 *	S: ...			any lines, up to one that the next S: has
 *	X: text			another connection sends a command, and it is waited for its OK
 *
 * In the end nothing may be left unread.
 */
#include "client.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

#define LINE_MAX_LENGTH 4096
#define SAMPLE                                                                                     \
	"From: Fred Foobar <foobar@Blurdybloop.example>\n\
Subject: afternoon meeting\nTo: mooch@owatagu.example\n\n\
Hello Joe, do you think we can meet at 3:30 tomorrow?\n"

struct script {
	char **lines; /* without line ends */
	size_t count, at;
	const char *name;
	struct imap_client *c, other;
	bool has_other;
	struct str sends; /* not sent yet */
};

static struct script script;
static struct map *shown; /* capabilities */

static void script_fail(const char *what, const char *got)
{
	fail_msg("%s:%zu: %s\nexpected: %s\ngot: %s", script.name, script.at, what,
		 script.lines[script.at - 1], got);
}

/* "~" stands for any text, also none. */
static bool line_matches(const char *pattern, const char *text)
{
	if (*pattern == '\0')
		return *text == '\0';
	if (*pattern != '~')
		return *pattern == *text && line_matches(pattern + 1, text + 1);
	for (; *text != '\0'; text++)
		if (line_matches(pattern + 1, text))
			return true;
	return line_matches(pattern + 1, text);
}

static const char *argument_of(const char *line, const char *kind)
{
	size_t len = strlen(kind);

	return strncmp(line, kind, len) == 0 ? line + len : NULL;
}

static void script_flush(struct imap_client *c)
{
	if (script.sends.len > 0)
		client_send(c, str_cstr(&script.sends));
	str_clear(&script.sends);
}

static void script_read(struct imap_client *c, struct str *line)
{
	struct view got;

	str_clear(line);
	if (stream_read_line(c->io, &got, 1000000) < 0)
		script_fail("the connection is over, or silent", "");
	str_append(line, got);
}

static void expect_line(struct imap_client *c, const char *pattern)
{
	static bool any;
	struct str line = STR_EMPTY;

	script_flush(c);
	if (strcmp(pattern, "...") == 0) {
		any = true;
		return;
	}
	do
		script_read(c, &line);
	while (any && !line_matches(pattern, str_cstr(&line)));
	if (!line_matches(pattern, str_cstr(&line)))
		script_fail("another line", str_cstr(&line));
	any = false;
	str_free(&line);
}

/* The lines of a message that follow; none: a sample. */
static void script_content(struct str *content)
{
	for (; script.at < script.count; script.at++) {
		const char *text = argument_of(script.lines[script.at], ">");

		if (text == NULL)
			break;
		str_printf(content, "%s\n", text + (*text == ' '));
	}
	if (content->len == 0)
		str_append_cstr(content, SAMPLE);
}

static struct imap_client *script_other(void)
{
	if (!script.has_other)
		client_connect(&script.other, script.c->maildir);
	script.has_other = true;
	return &script.other;
}

static void put_message(const char *where, bool delivered)
{
	struct str content = STR_EMPTY, options = STR_EMPTY, folder = STR_EMPTY;
	size_t len = strcspn(where, " ");

	str_append(&folder, view_make(where, len));
	script_content(&content);
	if (where[len] == ' ')
		str_printf(&options, "%s ", where + len + 1);
	if (delivered)
		client_deliver(script.c, str_cstr(&folder), str_cstr(&content));
	else
		client_append(script_other(), str_cstr(&folder), str_cstr(&options),
			      str_cstr(&content));
	str_free(&content);
	str_free(&options);
	str_free(&folder);
}

static void other_asks(const char *command)
{
	struct str line = STR_EMPTY;

	str_printf(&line, "other %s\r\n", command);
	client_expect_has(script_other(), str_cstr(&line), "other OK");
	str_free(&line);
}

static void note_capabilities(const char *names)
{
	struct view rest = view_of(names), name;

	while (view_next_word(&rest, " ", &name))
		map_put(shown, name, &script);
}

static void play_line(struct imap_client *c, const char *line)
{
	const char *text;

	if ((text = argument_of(line, "C: ")) != NULL)
		str_printf(&script.sends, "%s\r\n", text);
	else if ((text = argument_of(line, "S: ")) != NULL)
		expect_line(c, text);
	else if ((text = argument_of(line, "M: ")) != NULL)
		put_message(text, false);
	else if ((text = argument_of(line, "D: ")) != NULL)
		put_message(text, true);
	else if ((text = argument_of(line, "X: ")) != NULL)
		other_asks(text);
	else if ((text = argument_of(line, "Capability: ")) != NULL)
		note_capabilities(text);
	else if (line[0] != '\0' && line[0] != '#')
		script_fail("what is that?", line);
}

static void play(struct imap_client *c)
{
	script.c = c;
	script.has_other = false;
	for (script.at = 0; script.at < script.count;) {
		const char *line = script.lines[script.at++];

		play_line(c, line);
	}
	script_flush(c);
	/* One that has said LOGOUT is gone. */
	if (strstr(script.lines[script.count - 1], "OK Logout") == NULL)
		client_expect(c, "end NOOP\r\n", "end OK NOOP completed.\n");
	if (script.has_other)
		client_disconnect(&script.other);
}

/* ---- files ---- */

static void script_load(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[LINE_MAX_LENGTH];

	assert_non_null(file);
	script = (struct script){ .name = path };
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		array_grow(script.lines, script.count);
		script.lines[script.count++] = mem_strdup(line);
	}
	fclose(file);
	while (script.count > 0 && script.lines[script.count - 1][0] == '\0')
		free(script.lines[--script.count]);
	assert_true(script.count > 0);
}

static void script_unload(void)
{
	for (size_t i = 0; i < script.count; i++)
		free(script.lines[i]);
	free(script.lines);
	str_free(&script.sends);
}

static void play_folder(const char *folder)
{
	DIR *directory = opendir(folder);
	const struct dirent *entry;
	unsigned played = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL) {
		_cleanup_(str_free) struct str path = STR_EMPTY;

		if (entry->d_name[0] == '.')
			continue;
		str_printf(&path, "%s/%s", folder, entry->d_name);
		script_load(str_cstr(&path));
		client_run_both(play);
		script_unload();
		played++;
	}
	closedir(directory);
	assert_true(played > 5);
}

static void test_clients(void **state)
{
	(void)state;
	play_folder(SCRIPTS_DIRECTORY "/clients");
}

/* What cannot be a script of this kind is elsewhere: the file must have these words. */
static const struct {
	const char *capability, *file, *words;
} elsewhere[] = {
	{ "COMPRESS=DEFLATE", "unit/imap/test_extensions.c", "TEST(compressed)" },
	{ "SASL-IR", "e2e/test_imapclients.py", "AUTHENTICATE PLAIN " },
	{ "INPROGRESS", "unit/imap/test_search.c", "[INPROGRESS (" },
};

static bool file_has(const char *name, const char *words)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	char line[LINE_MAX_LENGTH];
	bool found = false;
	FILE *file;

	str_printf(&path, "%s/../../%s", SCRIPTS_DIRECTORY, name);
	file = fopen(str_cstr(&path), "r");
	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
		found = strstr(line, words) != NULL;
	if (file != NULL)
		fclose(file);
	return found;
}

static void test_rfcs(void **state)
{
	struct str all = STR_EMPTY;
	struct view rest, name;
	unsigned missing = 0;

	(void)state;
	shown = map_new();
	play_folder(SCRIPTS_DIRECTORY "/scripts");
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		if (file_has(elsewhere[i].file, elsewhere[i].words))
			map_put(shown, view_of(elsewhere[i].capability), &script);
	imap_append_capabilities(&all);
	rest = str_view(&all);
	while (view_next_word(&rest, " ", &name)) {
		if (map_get(shown, name) != NULL)
			continue;
		print_error("no script shows %.*s\n", VIEW_ARG(name));
		missing++;
	}
	assert_int_equal(missing, 0);
	str_free(&all);
	map_free(shown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfcs),
		cmocka_unit_test(test_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
