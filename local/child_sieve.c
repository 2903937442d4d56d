/*
 * Sieve at delivery: which scripts there are for this user and message, compiled once, and what the
 * owner of one that fails is told. What the scripts want is done in child_actions.c.
 */
#include "deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "sieve/memory.h"
#include "sieve/scripts.h"
#include "sieve/sieve.h"
#include "store/deliver.h"
#include "store/store.h"

#define RUN_MAX	     20 /* scripts of one delivery */
#define INCLUDED_MAX 40 /* and those that they include */
#define CACHED_MAX   64 /* more than one delivery has, so that none of its own gives way */

/* A script that has been compiled, known by its file. */
struct cached {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
	struct sieve_script *script; /* NULL: `problem` */
	struct sieve_problem problem;
	uint64_t used; /* when, counted in uses */
};

static struct {
	struct cached entries[CACHED_MAX];
	uint64_t uses;
} cache;

/* One script of a delivery. */
struct wanted_script {
	struct str name; /* for people */
	const struct cached *compiled;
	bool of_user;
};
struct wanted {
	struct wanted_script scripts[RUN_MAX];
	size_t count;
};

static void wanted_free(struct wanted *wanted)
{
	for (size_t i = 0; i < wanted->count; i++)
		str_free(&wanted->scripts[i].name);
}

/* ---- compiled once ---- */

static struct cached *cache_find(const struct stat *st)
{
	for (size_t i = 0; i < CACHED_MAX; i++) {
		struct cached *c = &cache.entries[i];

		if ((c->script != NULL || c->problem.line > 0) && c->device == st->st_dev &&
		    c->inode == st->st_ino && c->size == st->st_size &&
		    c->changed.tv_sec == st->st_ctim.tv_sec &&
		    c->changed.tv_nsec == st->st_ctim.tv_nsec)
			return c;
	}
	return NULL;
}

/* What was used longest ago gives way; a delivery is still running what it has used itself. */
static struct cached *cache_oldest(void)
{
	struct cached *oldest = &cache.entries[0];

	for (size_t i = 1; i < CACHED_MAX; i++)
		if (cache.entries[i].used < oldest->used)
			oldest = &cache.entries[i];
	return oldest;
}

static struct cached *cache_compile(int fd, const struct stat *st, struct error *err)
{
	struct cached *c = cache_oldest();
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int r = scripts_read_open(fd, st, (size_t)param.sieve_max_script_size, &text);

	if (r < 0 && r != -EFBIG) {
		error_code(err, r, "read a script");
		return NULL;
	}
	sieve_free(c->script);
	*c = (struct cached){ .device = st->st_dev,
			      .inode = st->st_ino,
			      .size = st->st_size,
			      .changed = st->st_ctim };
	if (r == -EFBIG)
		c->problem = (struct sieve_problem){ 1, 1, "the script is too large" };
	else
		(void)sieve_compile(str_view(&text), &c->script, &c->problem);
	return c;
}

/* Of the descriptor, which is closed. NULL: it cannot be read now. */
static const struct cached *cache_take(int fd, const struct stat *st, struct error *err)
{
	struct cached *c = cache_find(st);

	if (c == NULL)
		c = cache_compile(fd, st, err);
	if (c != NULL)
		c->used = ++cache.uses;
	close(fd);
	return c;
}

/* ---- which there are ---- */

/* The path of an administrator's script. False: it is of a domain, and this is none. */
static bool script_expand(struct view pattern, struct view domain, struct str *path, bool *optional)
{
	*optional = false;
	for (size_t i = 0; i < pattern.len; i++) {
		if (pattern.data[i] != '%' || i + 1 == pattern.len || pattern.data[i + 1] != 'd') {
			str_append_byte(path, pattern.data[i]);
			continue;
		}
		if (!domain_is_valid(domain, false))
			return false;
		str_append_lower(path, domain);
		*optional = true;
		i++;
	}
	return path->len > 0 && path->data[0] == '/';
}

/* The administrator's; one that is wrong is left out, and the log says so. */
static void wanted_add_listed(struct wanted *wanted, const char *list, struct view domain)
{
	struct view rest = view_of(list), pattern;

	while (wanted->count + 1 < RUN_MAX && conf_next_element(&rest, &pattern)) {
		_cleanup_(str_free) struct str path = STR_EMPTY;
		struct wanted_script *script = &wanted->scripts[wanted->count];
		struct error err = ERROR_NONE;
		const struct cached *c = NULL;
		struct stat st;
		bool optional;
		int fd;

		if (!script_expand(pattern, domain, &path, &optional))
			continue;
		fd = scripts_open_file(str_cstr(&path), &st, &err);
		if (fd == -ENOENT && optional)
			continue;
		if (fd >= 0)
			c = cache_take(fd, &st, &err);
		if (c == NULL) {
			log_error("sieve: %s", err.text);
		} else if (c->script == NULL) {
			log_error("sieve: %s, line %u, column %u: %s", str_cstr(&path),
				  c->problem.line, c->problem.column, c->problem.text);
		} else {
			*script = (struct wanted_script){ .compiled = c };
			str_append(&script->name, str_view(&path));
			wanted->count++;
		}
	}
}

/* 0, or a negative errno: there may be one, and it cannot be read now. */
static int wanted_add_own(struct wanted *wanted, const char *maildir, struct view home,
			  struct error *err)
{
	_cleanup_free_ char *folder = mem_strndup(home.data, home.len);
	struct wanted_script *script = &wanted->scripts[wanted->count];
	struct stat st;
	int fd;

	*script = (struct wanted_script){ .of_user = true };
	fd = scripts_open_active(maildir, folder, &st, &script->name, err);
	if (fd >= 0)
		script->compiled = cache_take(fd, &st, err);
	if (script->compiled != NULL) {
		wanted->count++;
		return 0;
	}
	str_free(&script->name);
	/* What stands there is no script, or not the user's to read: that will not get better. */
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES || fd == -ELOOP || fd == -EINVAL)
		return 0;
	return fd < 0 ? fd : -EIO;
}

/* ---- what a script may ask ---- */

static bool host_has_folder(void *argument, struct view text)
{
	const struct sieve_delivery *d = argument;
	_cleanup_(str_free) struct str name = STR_EMPTY;

	return sieve_folder_name(text, &name) == 0 &&
	       maildir_has_folder(d->maildir, str_view(&name));
}

struct folder_search {
	const char *maildir;
	struct view id;
	unsigned use;
	struct str *name;
	size_t *looked;
};

static bool search_folder(void *argument, struct view folder)
{
	struct folder_search *search = argument;
	_cleanup_(str_free) struct str id = STR_EMPTY;

	(*search->looked)++;
	if (search->id.len > 0)
		maildir_mailbox_id(search->maildir, folder, &id);
	if (search->use != 0 ? !(maildir_special_use(search->maildir, folder) & search->use)
			     : !view_eq(str_view(&id), search->id))
		return false;
	return store_name_to_utf8(folder, search->name) == 0;
}

static bool host_find_id(void *argument, struct view id, struct str *name, size_t *looked)
{
	const struct sieve_delivery *d = argument;
	struct folder_search search = {
		.maildir = d->maildir, .id = id, .name = name, .looked = looked
	};

	return id.len > 0 && maildir_each_folder(d->maildir, search_folder, &search);
}

static unsigned host_use(struct view use)
{
	return view_starts(use, VIEW("\\")) ? store_use_find(view_from(use, 1)) : 0;
}

static bool host_find_use(void *argument, struct view use, struct str *name, size_t *looked)
{
	const struct sieve_delivery *d = argument;
	struct folder_search search = {
		.maildir = d->maildir, .use = host_use(use), .name = name, .looked = looked
	};

	return search.use != 0 && maildir_each_folder(d->maildir, search_folder, &search);
}

static bool host_has_use(void *argument, struct view text, struct view use)
{
	const struct sieve_delivery *d = argument;
	_cleanup_(str_free) struct str name = STR_EMPTY;

	return sieve_folder_name(text, &name) == 0 &&
	       maildir_has_folder(d->maildir, str_view(&name)) &&
	       (maildir_special_use(d->maildir, str_view(&name)) & host_use(use)) != 0;
}

/* What this delivery has noted itself, at an earlier attempt, is not meant. */
static bool host_was_seen(void *argument, struct view key)
{
	const struct sieve_delivery *d = argument;
	struct error err = ERROR_NONE;
	int r = sieve_memory_has(d->maildir, key, d->source->identity, d->message->now, &err);

	if (r < 0)
		log_warning("sieve: %s", err.text);
	return r == 1;
}

/* sieve_global_directory, or the folder of the user's scripts. */
static const struct sieve_script *host_included(void *argument, bool global, struct view name,
						struct sieve_problem *problem)
{
	struct sieve_delivery *d = argument;
	_cleanup_(str_free) struct str path = STR_EMPTY;
	const struct cached *c = NULL;
	struct error err = ERROR_NONE;
	struct stat st;
	int fd;

	if (!script_name_is_valid(name) || (global && param.sieve_global_directory[0] == '\0'))
		return NULL;
	/* So many that none of this delivery's own gives way. */
	if (d->included++ >= INCLUDED_MAX) {
		*problem = (struct sieve_problem){ 1, 1, "too many scripts are included" };
		return NULL;
	}
	if (global)
		str_printf(&path, "%s/%.*s.sieve", param.sieve_global_directory, VIEW_ARG(name));
	else
		script_path(d->maildir, name, &path);
	fd = scripts_open_file(str_cstr(&path), &st, &err);
	if (fd >= 0)
		c = cache_take(fd, &st, &err);
	if (c != NULL)
		*problem = c->problem;
	return c != NULL ? c->script : NULL;
}

static const struct sieve_host host = { host_has_folder, host_find_id,	host_find_use,
					host_has_use,	 host_was_seen, host_included };

/* ---- a script that fails ---- */

static void tell_owner(const struct sieve_delivery *d, struct view script,
		       const struct sieve_problem *problem)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, shown = STR_EMPTY;
	struct mail_source notice = { .content.file = -1 };
	struct error err = ERROR_NONE;

	if (!sieve_telling_is_due(d->maildir, d->message->now,
				  param.sieve_error_notice_time / 1000))
		return;
	str_append_printable(&shown, script);
	str_printf(&text,
		   "Return-Path: <>\r\nFrom: MAILER-DAEMON@%s (Mail Delivery System)\r\nTo: ",
		   param.myhostname);
	address_quote(&text, d->m->recipient);
	str_append_cstr(&text, "\r\nDate: ");
	date_append_rfc5322(&text, clock_wall());
	str_printf(&text,
		   "\r\nSubject: Your mail filter has an error\r\n"
		   "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
		   "Content-Type: text/plain; charset=utf-8\r\n\r\n"
		   "The Sieve script \"%s\" has an error, and your mail is kept in INBOX:\r\n\r\n"
		   "    line %u, column %u: %s\r\n",
		   str_cstr(&shown), problem->line, problem->column, problem->text);
	notice.content.bytes = text.data;
	notice.content.size = text.len;
	if (maildir_deliver(d->maildir, VIEW_NONE, false, &notice, NULL, &err) < 0)
		log_warning("%s", err.text);
}

static void note_problem(const struct sieve_delivery *d, const struct wanted_script *script,
			 const struct sieve_problem *problem)
{
	log_warning("sieve: %s of %.*s, line %u, column %u: %s", str_cstr(&script->name),
		    VIEW_ARG(d->m->recipient), problem->line, problem->column, problem->text);
	if (script->of_user)
		tell_owner(d, str_view(&script->name), problem);
}

/* ---- a delivery ---- */

static int sieve_deliver(struct sieve_delivery *d, const struct wanted *wanted)
{
	const struct sieve_script *scripts[RUN_MAX];
	const struct wanted_script *broken = NULL;
	struct sieve_result result;
	size_t count = 0;
	int r;

	/* What does not compile ends it with the message kept, as a failure while it runs does. */
	while (count < wanted->count && wanted->scripts[count].compiled->script != NULL) {
		scripts[count] = wanted->scripts[count].compiled->script;
		count++;
	}
	if (count < wanted->count)
		broken = &wanted->scripts[count];
	r = sieve_run_several(scripts, count, d->message, &result);
	if (r < 0)
		note_problem(d, &wanted->scripts[result.script], &result.problem);
	else if (broken != NULL && result.kept)
		note_problem(d, broken, &broken->compiled->problem);
	r = sieve_actions_do(d, &result);
	sieve_result_free(&result);
	return r;
}

static int sieve_read_content(const struct io_source *from, struct str *content)
{
	int r;

	if (from->bytes != NULL) {
		str_append(content, view_make(from->bytes, (size_t)from->size));
		return 0;
	}
	if (from->size > SIZE_MAX / 2)
		return -EFBIG;
	r = io_source_read(from, str_reserve(content, (size_t)from->size + 1), (size_t)from->size,
			   0);
	if (r == 0)
		str_grow(content, (size_t)from->size);
	return r;
}

/*
 * The address that the message was for before aliases is the user's too; not so that of somebody who
 * has sent it on (and left a mark): nobody is answered in their name.
 */
static struct view own_original(struct view content, struct view original)
{
	struct header_field field;

	while (header_next(&content, &field) == 1) {
		_cleanup_(str_free) struct str address = STR_EMPTY;

		if (!view_is_nocase(field.name, "Delivered-To"))
			continue;
		header_unfold(&address, field.body);
		if (view_eq_nocase(view_trim(str_view(&address)), original))
			return VIEW_NONE;
	}
	return original;
}

int child_sieve(struct ipc *ipc, const struct msg_work_store *m, const char *maildir,
		const struct mail_source *source)
{
	_cleanup_(wanted_free) struct wanted wanted = { .count = 0 };
	_cleanup_(str_free) struct str content = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct view local, domain;
	int r;

	address_split(m->recipient, &local, &domain);
	wanted_add_listed(&wanted, param.sieve_before, domain);
	r = wanted_add_own(&wanted, maildir, m->home, &err);
	if (r < 0)
		return answer_failure(ipc, r, &err);
	wanted_add_listed(&wanted, param.sieve_after, domain);
	if (wanted.count == 0)
		return SIEVE_NONE;
	r = sieve_read_content(&source->content, &content);
	if (r < 0) {
		error_code(&err, r, "read the message");
		return answer_failure(ipc, r, &err);
	}

	struct sieve_message message = {
		.content = str_view(&content),
		.sender = m->sender,
		.recipient = m->recipient,
		.original = own_original(str_view(&content), m->original),
		.delimiters = param.recipient_delimiter,
		.now = clock_wall(),
		.host_name = view_of(param.myhostname),
		.client_address = m->client_address,
		.client_name = m->client_name,
		.host = &host,
		.spam_field = view_of(param.sieve_spamtest_header),
		.spam_max = (unsigned)param.sieve_spamtest_max,
		.virus_field = view_of(param.sieve_virustest_header),
		.steps_max = (size_t)param.sieve_max_steps,
		.actions_max = (size_t)param.sieve_max_actions,
		.redirects_max = (size_t)param.sieve_max_redirects,
	};
	struct sieve_delivery d = {
		.ipc = ipc, .m = m, .maildir = maildir, .source = source, .message = &message
	};

	message.argument = &d;
	r = sieve_deliver(&d, &wanted);
	str_free(&d.done);
	return r;
}
