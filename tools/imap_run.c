/*
 * All folders of one user at another IMAP server. After the connection broke it goes on, for as long as that gets
 * it further.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "task/task.h"
#include "tools/imap_import.h"
#include "tools/tool.h"

#define TRY_PAUSE  ((msec_t)2000)
#define LOCK_PAUSE ((msec_t)1000)

static bool run_wants(const struct imap_import_options *options, const char *name)
{
	if (options->folders == NULL || options->folders[0] == NULL)
		return true;
	for (char **at = options->folders; *at != NULL; at++)
		if (strcmp(*at, name) == 0)
			return true;
	return false;
}

static void run_tell_folders(const struct imap_import *w, const struct remote_folders *folders)
{
	struct view rest = str_view(&folders->left_out), line;

	while (view_next_word(&rest, "\n", &line))
		printf("%s: left out: %.*s\n", w->name, VIEW_ARG(line));
	for (size_t i = 0; w->options->list_only && i < folders->count; i++) {
		_cleanup_(str_free) struct str there = STR_EMPTY;

		str_append_printable(&there, view_of(folders->items[i].name));
		if (run_wants(w->options, folders->items[i].name))
			printf("%s: %s: here %s%s\n", w->name, str_cstr(&there),
			       folders->items[i].local,
			       folders->items[i].subscribed ? ", subscribed" : "");
	}
}

/* 0; 1: something was left alone; negative. */
static int run_once(struct imap_import *w, const char *login, const char *password, bool tell)
{
	struct remote_folders folders = { 0 };
	int r = remote_open(&w->remote, &w->options->remote, login, password, w->err);
	int worst = 0;

	if (r == 0)
		r = remote_list(&w->remote, &folders);
	if (r == 0 && (tell || w->options->list_only))
		run_tell_folders(w, &folders);
	for (size_t i = 0; i < folders.count && r >= 0 && !w->options->list_only; i++) {
		if (!run_wants(w->options, folders.items[i].name))
			continue;
		r = imap_import_folder(w, &folders.items[i]);
		worst = MAX(worst, r);
	}
	if (r >= 0 && remote_send(&w->remote, "LOGOUT") == 0)
		(void)remote_receive(&w->remote, NULL, NULL);
	remote_close(&w->remote);
	remote_folders_free(&folders);
	return r < 0 ? r : worst;
}

static int run_lock(struct imap_import *w, int *lock)
{
	bool told = false;
	int r;

	while ((r = import_lock(w->store, lock)) == -EAGAIN) {
		if (!told)
			printf("%s: waits for another import into the same mailbox\n", w->name);
		told = true;
		task_sleep(LOCK_PAUSE);
	}
	return r < 0 ? error_code(w->err, r, "lock the mailbox") : 0;
}

static int run_all(struct imap_import *w, const char *login, const char *password)
{
	unsigned tries = 0; /* in a row that brought nothing */
	uint64_t had = 0;
	int r = -EAGAIN;

	while (r < 0) {
		r = run_once(w, login, password, had == 0 && tries == 0);
		if (r >= 0 || !remote_may_try_again(r))
			break;
		tries = w->totals.messages > had ? 0 : tries + 1;
		had = w->totals.messages;
		if (tries >= w->options->tries)
			break;
		printf("%s: %s; once more\n", w->name, w->err->text);
		task_sleep(TRY_PAUSE * (msec_t)(tries + 1));
	}
	return r;
}

static void run_tell_end(const struct imap_import *w, int r)
{
	const struct imap_totals *t = &w->totals;

	if (r < 0)
		fprintf(stderr, "posta: %s: %s\n", w->name, w->err->text);
	printf("%s: %s: %llu messages, %llu bytes, flags of %llu", w->name,
	       r < 0 ? "not finished" : "done", (unsigned long long)t->messages,
	       (unsigned long long)t->bytes, (unsigned long long)t->flags);
	if (t->removed > 0)
		printf(", %llu removed", (unsigned long long)t->removed);
	printf(t->left_out > 0 ? ", %llu left out\n" : "\n", (unsigned long long)t->left_out);
	if (t->renumbered > 0)
		printf("%s: %llu messages have got new UIDs: clients download these again\n",
		       w->name, (unsigned long long)t->renumbered);
}

int imap_import_user(const struct imap_import_options *options, const char *login,
		     const char *password, const char *name, const char *maildir)
{
	struct store_options store_options = STORE_DEFAULTS;
	struct error err = ERROR_NONE;
	struct imap_import w = { .options = options, .name = name, .err = &err };
	_cleanup_fd_ int lock = -1;
	int r;

	umask(077);
	store_options.index_limit = (uint64_t)param.mailbox_index_limit;
	store_options.tombstone_time = param.mailbox_tombstone_time / 1000;
	r = store_open(maildir, &store_options, &w.store, &err);
	if (r == 0)
		r = run_lock(&w, &lock);
	if (r == 0)
		r = run_all(&w, login, password);
	run_tell_end(&w, r);
	store_close(w.store);
	if (r < 0)
		return remote_may_try_again(r) ? TOOL_LATER : TOOL_NO;
	return r > 0 || w.totals.left_out > 0 ? TOOL_NO : TOOL_DONE;
}
