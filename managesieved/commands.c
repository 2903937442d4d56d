/*
 * The commands of ManageSieve after a login. A script is compiled before it is stored, by the process
 * that is its user; between a look at the folder and the change nothing waits, so that the user's other
 * connections see one after the other.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "capability.h"
#include "conf/conf.h"
#include "session.h"
#include "sieve/scripts.h"
#include "sieve/sieve.h"
#include "sieve/warnings.h"

#define WARNINGS_MAX 50 /* that a client is told of one script */

/* ---- what the commands take ---- */

/* A name, and with `last` nothing after it. */
static int take_name(struct managesieve *m, struct str *name, bool last)
{
	int r = managesieve_string(&m->parser, MANAGESIEVE_LINE_MAX, name);

	return r == 0 && last ? managesieve_end(&m->parser) : r;
}

/* A script, the last argument. -ENOBUFS: larger than it may be, and passed over. */
static int take_script(struct managesieve *m, struct str *text)
{
	int r = managesieve_string(&m->parser, (size_t)param.sieve_max_script_size, text);

	if (r == -EFBIG)
		return managesieve_end(&m->parser) == 0 ? -ENOBUFS : -EBADMSG;
	return r == 0 ? managesieve_end(&m->parser) : r;
}

static int managesieve_refuse_large(struct managesieve *m)
{
	return managesieve_no(m, "QUOTA/MAXSIZE",
			      VIEW("The script is larger than a script may be."));
}

/* ---- room ---- */

struct room {
	struct view name; /* of the script that is to be stored */
	uint64_t count, bytes;
};

static int room_count(void *argument, struct view name, uint64_t size)
{
	struct room *room = argument;

	/* It takes the place of itself. */
	if (!view_eq(name, room->name)) {
		room->count++;
		room->bytes += size;
	}
	return 0;
}

/* 0: a script of that size may be stored. 1: answered with NO; or what the answer returned. */
static int managesieve_find_room(struct managesieve *m, struct view name, uint64_t size,
				 int *answer)
{
	struct room room = { .name = name, .count = 1, .bytes = size };
	struct error err = ERROR_NONE;
	int r;

	if (!script_name_is_valid(name))
		*answer = managesieve_failed(m, "name", -EINVAL, &err);
	else if (size > (uint64_t)param.sieve_max_script_size)
		*answer = managesieve_refuse_large(m);
	else if ((r = scripts_each(m->maildir, room_count, &room)) < 0)
		*answer = managesieve_failed(m, "list scripts", r,
					     (error_code(&err, r, "read the folder"), &err));
	else if (param.sieve_quota_max_scripts > 0 &&
		 room.count > (uint64_t)param.sieve_quota_max_scripts)
		*answer = managesieve_no(m, "QUOTA/MAXSCRIPTS", VIEW("You have too many scripts."));
	else if (param.sieve_quota_max_storage > 0 &&
		 room.bytes > (uint64_t)param.sieve_quota_max_storage)
		*answer = managesieve_no(m, "QUOTA", VIEW("Your scripts are too large together."));
	else
		return 0;
	return 1;
}

static int managesieve_havespace(struct managesieve *m)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	uint64_t size = 0;
	int r = take_name(m, &name, false), answer;

	if (r == 0)
		r = managesieve_number(&m->parser, &size);
	if (r == 0)
		r = managesieve_end(&m->parser);
	if (r < 0)
		return managesieve_syntax(m, r);
	return managesieve_find_room(m, str_view(&name), size, &answer) != 0
		       ? answer
		       : managesieve_ok(m, NULL, VIEW("There is room."));
}

/* ---- checking ---- */

struct warned {
	struct str text;
	size_t count;
};

static void managesieve_warn(void *argument, unsigned line, const char *text)
{
	struct warned *warned = argument;

	if (warned->count++ >= WARNINGS_MAX)
		return;
	str_printf(&warned->text, "%sline %u: ", warned->count > 1 ? "\r\n" : "", line);
	str_append_printable(&warned->text, view_of(text));
}

static bool script_is_there(void *argument, bool global, struct view name)
{
	const struct managesieve *m = argument;

	/* The administrator's cannot be seen from here. */
	return global || scripts_have(m->maildir, name);
}

/* 0 with what is to be warned of; 1: answered with NO. */
static int managesieve_compile(struct managesieve *m, const struct str *text, struct str *warnings,
			       int *answer)
{
	_cleanup_(sieve_freep) struct sieve_script *script = NULL;
	_cleanup_(str_free) struct str said = STR_EMPTY;
	const struct sieve_warner warner = {
		.redirects_max = (size_t)param.sieve_max_redirects,
		.vacation_min = (uint64_t)param.sieve_vacation_min_period / 1000,
		.vacation_max = (uint64_t)param.sieve_vacation_max_period / 1000,
		.exists = script_is_there,
		.warn = managesieve_warn,
	};
	struct warned warned = { .count = 0 };
	struct sieve_problem problem;

	if (sieve_compile(str_view(text), &script, &problem) < 0) {
		str_printf(&said, "line %u, column %u: ", problem.line, problem.column);
		str_append_printable(&said, view_of(problem.text));
		*answer = managesieve_no(m, NULL, str_view(&said));
		return 1;
	}
	sieve_warnings(script, &warner, m, &warned);
	*warnings = warned.text;
	return 0;
}

static int managesieve_tell_warnings(struct managesieve *m, const struct str *warnings,
				     const char *text)
{
	return warnings->len > 0 ? managesieve_ok(m, "WARNINGS", str_view(warnings))
				 : managesieve_ok(m, NULL, view_of(text));
}

static int managesieve_checkscript(struct managesieve *m)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, warnings = STR_EMPTY;
	int r = take_script(m, &text), answer;

	if (r == -ENOBUFS)
		return managesieve_refuse_large(m);
	if (r < 0)
		return managesieve_syntax(m, r);
	return managesieve_compile(m, &text, &warnings, &answer) != 0
		       ? answer
		       : managesieve_tell_warnings(m, &warnings, "The script is right.");
}

static int managesieve_putscript(struct managesieve *m)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, text = STR_EMPTY, warnings = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = take_name(m, &name, false), answer;

	if (r == 0)
		r = take_script(m, &text);
	if (r == -ENOBUFS)
		return managesieve_refuse_large(m);
	if (r < 0)
		return managesieve_syntax(m, r);
	if (managesieve_find_room(m, str_view(&name), text.len, &answer) != 0 ||
	    managesieve_compile(m, &text, &warnings, &answer) != 0)
		return answer;
	r = scripts_write(m->maildir, str_view(&name), str_view(&text), &err);
	if (r < 0)
		return managesieve_failed(m, "store a script", r, &err);
	m->stored++;
	log_info("user=<%s>: script \"%s\" stored, %zu bytes", m->client->user->name,
		 str_cstr(&name), text.len);
	return managesieve_tell_warnings(m, &warnings, "The script is stored.");
}

/* ---- the others ---- */

static int managesieve_capability(struct managesieve *m)
{
	_cleanup_(str_free) struct str lines = STR_EMPTY;
	int r = managesieve_end(&m->parser);

	if (r < 0)
		return managesieve_syntax(m, r);
	managesieve_capabilities(&lines, VIEW_NONE, false, view_of(m->client->user->name));
	r = stream_write(m->parser.io, str_view(&lines));
	return r < 0 ? r : managesieve_ok(m, NULL, VIEW("Capability completed."));
}

struct listing {
	struct str lines, active;
};

static int listing_add(void *argument, struct view name, uint64_t size)
{
	struct listing *listing = argument;

	(void)size;
	managesieve_append_string(&listing->lines, name);
	if (view_eq(name, str_view(&listing->active)))
		str_append(&listing->lines, VIEW(" ACTIVE"));
	str_append(&listing->lines, VIEW("\r\n"));
	return 0;
}

static int managesieve_listscripts(struct managesieve *m)
{
	struct listing listing = { STR_EMPTY, STR_EMPTY };
	struct error err = ERROR_NONE;
	int r = managesieve_end(&m->parser);

	if (r < 0)
		return managesieve_syntax(m, r);
	(void)scripts_active(m->maildir, &listing.active);
	r = scripts_each(m->maildir, listing_add, &listing);
	if (r < 0) {
		error_code(&err, r, "read the folder");
		r = managesieve_failed(m, "list scripts", r, &err);
	} else {
		r = stream_write(m->parser.io, str_view(&listing.lines));
		if (r >= 0)
			r = managesieve_ok(m, NULL, VIEW("Listscripts completed."));
	}
	str_free(&listing.lines);
	str_free(&listing.active);
	return r;
}

/* Without a name: none is active. */
static int managesieve_setactive(struct managesieve *m)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = take_name(m, &name, true);

	if (r < 0)
		return managesieve_syntax(m, r);
	r = scripts_activate(m->maildir, str_view(&name), &err);
	if (r < 0)
		return managesieve_failed(m, "activate a script", r, &err);
	log_info("user=<%s>: active script \"%s\"", m->client->user->name, str_cstr(&name));
	return managesieve_ok(m, NULL,
			      name.len > 0 ? VIEW("The script is active.")
					   : VIEW("No script is active."));
}

static int managesieve_getscript(struct managesieve *m)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, text = STR_EMPTY, out = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = take_name(m, &name, true);

	if (r < 0)
		return managesieve_syntax(m, r);
	r = scripts_read(m->maildir, str_view(&name), SIEVE_SCRIPT_MAX, &text, &err);
	if (r < 0)
		return managesieve_failed(m, "read a script", r, &err);
	str_printf(&out, "{%zu}\r\n", text.len);
	str_append(&out, str_view(&text));
	str_append(&out, VIEW("\r\n"));
	r = stream_write(m->parser.io, str_view(&out));
	return r < 0 ? r : managesieve_ok(m, NULL, VIEW("Getscript completed."));
}

static int managesieve_deletescript(struct managesieve *m)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = take_name(m, &name, true);

	if (r < 0)
		return managesieve_syntax(m, r);
	r = scripts_delete(m->maildir, str_view(&name), &err);
	if (r < 0)
		return managesieve_failed(m, "delete a script", r, &err);
	m->removed++;
	log_info("user=<%s>: script \"%s\" deleted", m->client->user->name, str_cstr(&name));
	return managesieve_ok(m, NULL, VIEW("The script is deleted."));
}

static int managesieve_renamescript(struct managesieve *m)
{
	_cleanup_(str_free) struct str from = STR_EMPTY, to = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = take_name(m, &from, false);

	if (r == 0)
		r = take_name(m, &to, true);
	if (r < 0)
		return managesieve_syntax(m, r);
	r = scripts_rename(m->maildir, str_view(&from), str_view(&to), &err);
	if (r < 0)
		return managesieve_failed(m, "rename a script", r, &err);
	log_info("user=<%s>: script \"%s\" renamed to \"%s\"", m->client->user->name,
		 str_cstr(&from), str_cstr(&to));
	return managesieve_ok(m, NULL, VIEW("The script is renamed."));
}

static int managesieve_noop(struct managesieve *m)
{
	_cleanup_(str_free) struct str tag = STR_EMPTY;
	int r = 0;

	if (!managesieve_at_end(&m->parser))
		r = managesieve_string(&m->parser, MANAGESIEVE_TAG_MAX, &tag);
	if (r == 0)
		r = managesieve_end(&m->parser);
	if (r < 0)
		return managesieve_syntax(m, r);
	r = managesieve_answer_noop(m->parser.io, str_view(&tag));
	return r < 0 ? r : MANAGESIEVE_GO_ON;
}

static int managesieve_logout(struct managesieve *m)
{
	int r = managesieve_end(&m->parser);

	if (r < 0)
		return managesieve_syntax(m, r);
	r = managesieve_ok(m, NULL, VIEW("Logging out."));
	return r < 0 ? r : MANAGESIEVE_LEAVE;
}

static int managesieve_too_late(struct managesieve *m)
{
	int r = managesieve_no(m, NULL, VIEW("You are logged in already."));

	return r < 0 ? r : MANAGESIEVE_BAD;
}

static const struct managesieve_command commands[] = {
	{ "CAPABILITY", managesieve_capability },
	{ "HAVESPACE", managesieve_havespace },
	{ "PUTSCRIPT", managesieve_putscript },
	{ "CHECKSCRIPT", managesieve_checkscript },
	{ "LISTSCRIPTS", managesieve_listscripts },
	{ "SETACTIVE", managesieve_setactive },
	{ "GETSCRIPT", managesieve_getscript },
	{ "DELETESCRIPT", managesieve_deletescript },
	{ "RENAMESCRIPT", managesieve_renamescript },
	{ "NOOP", managesieve_noop },
	{ "LOGOUT", managesieve_logout },
	{ "AUTHENTICATE", managesieve_too_late },
	{ "STARTTLS", managesieve_too_late },
};

const struct managesieve_command *managesieve_command_find(struct view name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (view_is_nocase(name, commands[i].name))
			return &commands[i];
	return NULL;
}
