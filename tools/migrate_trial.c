/*
 * posta migrate postfix --to: an instance beside a running Postfix. Its configuration is a copy; what
 * is changed in it keeps the two from touching each other, and mail from leaving the host.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "tools/conf_edit.h"
#include "tools/migrate.h"

#define COPY_FILE_MAX ((size_t)256 << 20)
#define COPY_DEPTH    4
#define COPY_ENTRIES  10000

/* ---- copying ---- */

static int trial_copy_file(const char *from, const char *to, mode_t mode, struct error *err)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	_cleanup_fd_ int fd = -1;
	int r = io_read_file(from, COPY_FILE_MAX, &text, err);

	if (r < 0)
		return r;
	fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0777);
	if (fd < 0)
		return error_errno(err, "create %s", to);
	r = io_write_all(fd, text.data, text.len);
	str_wipe(&text);
	return r < 0 ? error_code(err, r, "write %s", to) : 0;
}

/* Regular files and folders; a link is what it leads to. */
static int trial_copy_tree(const char *from, const char *to, int depth, struct error *err)
{
	DIR *folder = opendir(from);
	const struct dirent *entry;
	int r = 0, count = 0;

	if (folder == NULL)
		return error_errno(err, "open %s", from);
	while (r == 0 && (errno = 0, entry = readdir(folder)) != NULL) {
		_cleanup_(str_free) struct str source = STR_EMPTY, target = STR_EMPTY;
		struct stat st;

		if (entry->d_name[0] == '.')
			continue;
		str_printf(&source, "%s/%s", from, entry->d_name);
		str_printf(&target, "%s/%s", to, entry->d_name);
		if (stat(str_cstr(&source), &st) < 0)
			continue;
		if (++count > COPY_ENTRIES || (S_ISDIR(st.st_mode) && depth == COPY_DEPTH))
			r = error_set(err, -E2BIG, "%s has more than %d files, or folders too deep",
				      from, COPY_ENTRIES);
		else if (S_ISREG(st.st_mode)) {
			r = trial_copy_file(str_cstr(&source), str_cstr(&target), st.st_mode, err);
		} else if (S_ISDIR(st.st_mode)) {
			if (mkdir(str_cstr(&target), st.st_mode & 0755) < 0)
				r = error_errno(err, "create %s", str_cstr(&target));
			else
				r = trial_copy_tree(str_cstr(&source), str_cstr(&target), depth + 1,
						    err);
		}
	}
	if (r == 0 && entry == NULL && errno != 0)
		r = error_errno(err, "read %s", from);
	closedir(folder);
	return r;
}

/* ---- main.cf ---- */

struct trial_edits {
	struct conf_edit *items;
	size_t count;
	struct str *notes;
};

static void trial_set(struct trial_edits *edits, const char *name, struct view value)
{
	const struct conf_setting *setting = conf_setting(name);
	struct conf_edit *edit;

	array_grow(edits->items, edits->count);
	edit = &edits->items[edits->count++];
	*edit = (struct conf_edit){ .line = setting != NULL ? setting->line : 0 };
	str_printf(&edit->text, "%s = %.*s", name, VIEW_ARG(value));
	str_printf(edits->notes, "%s = %.*s\n", name, VIEW_ARG(value));
}

/* "unix:private/x" is below Postfix's queue, which is not the trial's. */
static bool name_sockets_fully(struct view text, const char *queue, struct str *out)
{
	static const char *const fronts[] = { "unix:private/", "unix:public/" };
	bool changed = false;

	while (text.len > 0) {
		size_t i = 0;

		while (i < ARRAY_SIZE(fronts) && !view_starts(text, view_of(fronts[i])))
			i++;
		if (i < ARRAY_SIZE(fronts)) {
			str_printf(out, "unix:%s/", queue);
			text = view_from(text, strlen("unix:"));
			changed = true;
		}
		str_append_byte(out, text.data[0]);
		text = view_from(text, 1);
	}
	return changed;
}

static void trial_name_sockets(struct trial_edits *edits, const char *queue)
{
	const struct conf_setting *sasl = conf_setting("smtpd_sasl_path");
	size_t count;
	const struct conf_setting *settings = conf_settings(&count);

	for (size_t i = 0; i < count; i++) {
		_cleanup_(str_free) struct str value = STR_EMPTY;

		if (conf_setting(settings[i].name) == &settings[i] && settings[i].line > 0 &&
		    name_sockets_fully(view_of(settings[i].value), queue, &value))
			trial_set(edits, settings[i].name, str_view(&value));
	}
	if (sasl != NULL && sasl->value[0] != '/' && strchr(sasl->value, ':') == NULL) {
		_cleanup_(str_free) struct str value = STR_EMPTY;

		str_printf(&value, "%s/%s", queue, sasl->value);
		trial_set(edits, "smtpd_sasl_path", str_view(&value));
	}
}

/* What is meant for others waits, by whatever name it would go: posta queue list shows it. */
static void trial_defer(struct trial_edits *edits, const char *from)
{
	_cleanup_(str_free) struct str report = STR_EMPTY, names = STR_EMPTY;
	struct services services = { 0 };

	str_printf(&names, "smtp, relay");
	(void)services_load(from, &services, &report);
	for (size_t i = 0; i < services.count; i++) {
		const struct service *s = &services.items[i];

		if (s->type == SERVICE_UNIX && strcmp(s->program, "smtp") == 0 &&
		    strcmp(s->name, "smtp") != 0 && strcmp(s->name, "relay") != 0)
			str_printf(&names, ", %s", s->name);
	}
	services_free(&services);
	trial_set(edits, "defer_transports", str_view(&names));
}

static int trial_edit_main(const char *from, const char *to, uint32_t base_port, struct str *notes,
			   struct error *err)
{
	struct trial_edits *edits = mem_new(struct trial_edits);
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY, out = STR_EMPTY;
	_cleanup_free_ char *queue = mem_strdup(conf_foreign_directory());
	static const struct {
		const char *name, *value;
	} places[] = { { "queue_directory", "queue" },
		       { "data_directory", "data" },
		       { "maillog_file", "log/mail.log" } };
	char port[16];
	int r;

	edits->notes = notes;
	trial_name_sockets(edits, queue);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_(str_free) struct str value = STR_EMPTY;

		str_printf(&value, "%s/%s", to, places[i].value);
		trial_set(edits, places[i].name, str_view(&value));
	}
	snprintf(port, sizeof(port), "%u", base_port);
	trial_set(edits, "base_port", view_of(port));
	trial_set(edits, "inet_interfaces", VIEW("loopback-only"));
	trial_defer(edits, from);
	str_printf(&path, "%s/conf/main.cf", to);
	r = io_read_file(str_cstr(&path), COPY_FILE_MAX, &text, err);
	if (r == 0) {
		conf_edit_text(str_view(&text), edits->items, edits->count, &out);
		r = conf_edit_replace(str_cstr(&path), str_view(&out), err);
	}
	for (size_t i = 0; i < edits->count; i++)
		str_free(&edits->items[i].text);
	free(edits->items);
	free(edits);
	return r;
}

static int trial_edit_master(const char *to, struct str *notes, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY, out = STR_EMPTY;
	int r;

	str_printf(&path, "%s/conf/master.cf", to);
	r = io_read_file(str_cstr(&path), COPY_FILE_MAX, &text, err);
	if (r < 0 || !name_sockets_fully(str_view(&text), conf_foreign_directory(), &out))
		return r;
	str_append_cstr(notes, "master.cf: sockets of others with their whole names\n");
	return conf_edit_replace(str_cstr(&path), str_view(&out), err);
}

int migrate_trial(const char *from, const char *to, uint32_t base_port, struct str *notes,
		  struct error *err)
{
	static const char *const folders[] = { "conf", "queue", "data", "log" };
	_cleanup_(str_free) struct str conf = STR_EMPTY, report = STR_EMPTY;
	struct stat st;
	int r = 0;

	str_printf(&conf, "%s/conf", to);
	if (stat(str_cstr(&conf), &st) == 0)
		return error_set(err, -EEXIST, "%s is there already; nothing is overwritten",
				 str_cstr(&conf));
	for (size_t i = 0; i < ARRAY_SIZE(folders) && r == 0; i++) {
		_cleanup_(str_free) struct str path = STR_EMPTY;

		str_printf(&path, "%s/%s", to, folders[i]);
		r = io_make_directories(str_cstr(&path), 0755, err);
	}
	if (r == 0)
		r = trial_copy_tree(from, str_cstr(&conf), 0, err);
	/* Of the original: lines are the same in the copy. */
	if (r == 0)
		(void)conf_load(from, NULL, 0, &report);
	if (r == 0)
		r = trial_edit_main(from, to, base_port, notes, err);
	return r < 0 ? r : trial_edit_master(to, notes, err);
}
