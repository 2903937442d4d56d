/* saslauthd: four counted strings go out, one comes back. The mechanisms are exchange.c's. */
#include "saslauthd.h"

#include <errno.h>
#include <stdio.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "conf/lines.h"
#include "services/clients.h"
#include "task/stream.h"

#define SASLAUTHD_TIME	     ((msec_t)60 * 1000) /* PAM delays failures */
#define SASLAUTHD_REPLY_MAX  1024
#define SASLAUTHD_PATH	     "/var/run/saslauthd/mux"
#define SASLAUTHD_FILE_MAX   65536
#define SASLAUTHD_STRING_MAX 255 /* its own limit, of each string */

struct saslauthd {
	struct str path, mechanisms, problem;
};

/* ---- the Cyrus library's file ---- */

static void saslauthd_take_setting(struct saslauthd *server, struct view line, bool *checked)
{
	size_t colon = view_find_byte(line, ':');
	struct view name = view_trim(view_first(line, colon)), value, word;

	if (colon == VIEW_NOT_FOUND)
		return;
	value = view_trim(view_from(line, colon + 1));
	if (view_is_nocase(name, "saslauthd_path")) {
		str_set(&server->path, value);
	} else if (view_is_nocase(name, "mech_list")) {
		str_set(&server->mechanisms, value);
	} else if (view_is_nocase(name, "pwcheck_method")) {
		*checked = true;
		while (view_next_word(&value, " \t", &word))
			if (view_is_nocase(word, "saslauthd"))
				return;
		str_append_cstr(&server->problem,
				"pwcheck_method is not saslauthd, which is what can be asked here "
				"(saslauthd -a sasldb, ldap or pam knows the same users)");
	}
}

struct saslauthd *saslauthd_parse(struct view text)
{
	struct saslauthd *server = mem_new(struct saslauthd);
	struct lines lines = lines_of(text);
	bool checked = false;
	struct view line;

	str_append_cstr(&server->path, SASLAUTHD_PATH);
	while (lines_next(&lines, &line))
		saslauthd_take_setting(server, line, &checked);
	lines_free(&lines);
	/* The library then looks into files of its own. */
	if (!checked)
		str_append_cstr(&server->problem, "pwcheck_method is not set to saslauthd");
	return server;
}

/* "folder/name.conf": 1 read, 0 is not there, or a negative errno. */
static int saslauthd_read(struct view folder, struct view name, struct str *text)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct error ignored = ERROR_NONE;
	int r;

	str_printf(&path, "%.*s/%.*s.conf", VIEW_ARG(folder), VIEW_ARG(name));
	r = io_read_file(str_cstr(&path), SASLAUTHD_FILE_MAX, text, &ignored);
	return r == -ENOENT || r == -ENOTDIR ? 0 : r < 0 ? r : 1;
}

struct saslauthd *saslauthd_new(struct view name)
{
	_cleanup_(str_free) struct str folders = STR_EMPTY, text = STR_EMPTY;
	struct view rest, folder;
	struct saslauthd *server;
	int r = 0;

	/* Where Debian's Postfix and the library look. */
	str_printf(&folders, "%s:%s/sasl:/etc/postfix/sasl:/usr/lib/sasl2:/etc/sasl2",
		   param.cyrus_sasl_config_path, conf_directory());
	rest = str_view(&folders);
	while (r == 0 && view_next(&rest, ':', &folder))
		if (folder.len > 0)
			r = saslauthd_read(folder, name, &text);
	server = saslauthd_parse(str_view(&text));
	if (r <= 0) {
		str_clear(&server->problem);
		str_printf(&server->problem, "%.*s.conf %s", VIEW_ARG(name),
			   r == 0 ? "is in none of the folders" : "cannot be read");
	}
	return server;
}

const char *saslauthd_problem(const struct saslauthd *server)
{
	return server->problem.len > 0 ? str_cstr(&server->problem) : NULL;
}

bool saslauthd_has_mechanism(const struct saslauthd *server, const char *name)
{
	struct view rest = str_view(&server->mechanisms), word;

	if (rest.len == 0)
		return true;
	while (view_next_word(&rest, " \t,", &word))
		if (view_is_nocase(word, name))
			return true;
	return false;
}

/* ---- the question ---- */

static bool saslauthd_append(struct str *question, struct view text)
{
	str_append_byte(question, (char)(text.len >> 8));
	str_append_byte(question, (char)(text.len & 0xff));
	str_append(question, text);
	return text.len <= SASLAUTHD_STRING_MAX;
}

/* Where it is, else where it is for programs that have Postfix's queue as their root. */
static int saslauthd_connect(const struct saslauthd *server, msec_t deadline)
{
	_cleanup_(str_free) struct str endpoint = STR_EMPTY, other = STR_EMPTY;
	int r;

	str_printf(&endpoint, "unix:%s", str_cstr(&server->path));
	r = service_endpoint_connect(str_view(&endpoint), deadline);
	if (r != -ENOENT && r != -ECONNREFUSED)
		return r;
	str_printf(&other, "unix:%s%s", conf_foreign_directory(), str_cstr(&server->path));
	int again = service_endpoint_connect(str_view(&other), deadline);

	return again == -ENOENT ? r : again;
}

static int saslauthd_converse(struct stream *io, struct view question, struct str *reply)
{
	unsigned char count[2];
	char bytes[SASLAUTHD_REPLY_MAX];
	size_t len;
	int r = stream_write(io, question);

	if (r == 0)
		r = stream_flush(io);
	if (r == 0)
		r = stream_read_exact(io, count, sizeof(count));
	if (r < 0)
		return r;
	len = (size_t)count[0] << 8 | count[1];
	if (len < 2 || len > sizeof(bytes))
		return -EBADMSG;
	r = stream_read_exact(io, bytes, len);
	if (r == 0)
		str_append(reply, view_make(bytes, len));
	return r;
}

static enum verdict saslauthd_judge(const struct saslauthd *server, struct view question,
				    struct error *why)
{
	_cleanup_(str_free) struct str reply = STR_EMPTY;
	msec_t deadline = clock_after(SASLAUTHD_TIME);
	int r = saslauthd_connect(server, deadline);

	if (r >= 0) {
		struct stream *io = stream_new(r);

		stream_wipe_output(io);
		stream_finish_first(io, true);
		stream_set_deadline(io, deadline);
		r = saslauthd_converse(io, question, &reply);
		stream_free(io);
	}
	if (r == 0 && view_starts(str_view(&reply), VIEW("OK")))
		return LOGIN_RIGHT;
	if (r == 0 && view_starts(str_view(&reply), VIEW("NO"))) {
		error_set(why, 0, "saslauthd refuses");
		return LOGIN_WRONG;
	}
	error_set(why, 0, "saslauthd (%s): %s", str_cstr(&server->path),
		  r == 0 || r == -EBADMSG ? "its answer makes no sense"
		  : r == -ENODATA	  ? "it closed the connection"
					  : strerror(-r));
	return LOGIN_TEMPORARY;
}

enum verdict saslauthd_check(const struct saslauthd *server, struct view service, struct view name,
			     struct view realm, struct view password, struct str *user,
			     struct error *why)
{
	_cleanup_(str_wipe) struct str question = STR_EMPTY;
	size_t at = view_find_last_byte(name, '@');
	struct view login = view_first(name, at);
	enum verdict verdict;

	if (at != VIEW_NOT_FOUND)
		realm = view_from(name, at + 1);
	if (login.len == 0 || password.len == 0 || view_has_control(name) ||
	    view_find_byte(password, '\0') != VIEW_NOT_FOUND) {
		error_set(why, 0, "a name or password that nobody can have");
		return LOGIN_WRONG;
	}
	if (!saslauthd_append(&question, login) || !saslauthd_append(&question, password) ||
	    !saslauthd_append(&question, service) || !saslauthd_append(&question, realm)) {
		error_set(why, 0, "a name or password that is too long for saslauthd");
		return LOGIN_WRONG;
	}
	verdict = saslauthd_judge(server, str_view(&question), why);
	if (verdict == LOGIN_RIGHT) {
		str_set(user, login);
		if (realm.len > 0) {
			str_append_byte(user, '@');
			str_append(user, realm);
		}
	}
	return verdict;
}
