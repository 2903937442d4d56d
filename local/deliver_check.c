/*
 * Whether a command, file or source really stands where it is said to stand, whose it then is, and
 * what it is given: the paths of .forward files, the environment, the directory.
 */
#include "deliver.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "mail/address.h"
#include "pipes.h"
#include "table/tokens.h"
#include "user/user.h"

#define COMMAND_PATH "/usr/local/bin:/usr/bin:/bin"

static struct tables *aliases;

int check_prepare(struct error *err)
{
	aliases = tables_open(param.alias_maps, 0, err);
	return aliases != NULL ? 0 : -EINVAL;
}

void check_refresh(void)
{
	struct error err = ERROR_NONE;
	struct tables *fresh;

	if (!table_any_changed())
		return;
	fresh = tables_open(param.alias_maps, 0, &err);
	if (fresh == NULL) {
		log_warning("%s; the old version stays in use", err.text);
		return;
	}
	tables_close(aliases);
	aliases = fresh;
}

/* ---- who ---- */

/* For what stands in an alias: nobody in particular. */
static int take_default_privileges(struct target *target, struct answer *answer)
{
	int r = user_id_of(param.default_privs, &target->uid, &target->gid);

	if (r == 0 && (target->uid == 0 || target->gid == 0))
		r = -EPERM;
	if (r < 0 && daemon_running_as_root()) {
		log_error("default_privs: \"%s\" is no user that could be used: %s",
			  param.default_privs, strerror(-r));
		return answer_set(answer, OUTCOME_DEFERRED, "4.3.5",
				  "mail system configuration error (default_privs)");
	}
	if (!daemon_running_as_root()) {
		target->uid = geteuid();
		target->gid = getegid();
	}
	target->name = mem_strdup(param.default_privs);
	target->home = mem_strdup("/");
	return 0;
}

/* ---- what is said to stand in an alias ---- */

static int alias_text(struct view key, struct str *value, struct answer *answer)
{
	struct error err = ERROR_NONE;
	int r = tables_lookup(aliases, key, value, &err);

	if (r == 1)
		return 0;
	if (r < 0) {
		answer_warn(answer, "alias_maps: %s", err.text);
		return answer_set(answer, OUTCOME_DEFERRED, "4.3.0", "alias database unavailable");
	}
	return answer_set(answer, OUTCOME_DEFERRED, "4.3.0", "there is no alias \"%.*s\" any more",
			  VIEW_ARG(key));
}

static int stands_in_alias(struct view key, enum token_kind kind, struct view text,
			   struct answer *answer)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;

	if (alias_text(key, &value, answer) < 0)
		return -1;
	if (token_stands_in(str_view(&value), kind, text))
		return 0;
	log_error("\"%.*s\" does not stand in the alias \"%.*s\": refused", VIEW_ARG(text),
		  VIEW_ARG(key));
	return answer_set(answer, OUTCOME_DEFERRED, "4.3.0", "the alias \"%.*s\" has changed",
			  VIEW_ARG(key));
}

/* ---- .forward ---- */

/* What a stranger wrote: each byte that is not in the filter becomes '_'. */
static void append_filtered(struct str *out, struct view text, const char *filter)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		str_append_byte(out, c != '\0' && strchr(filter, c) != NULL ? c : '_');
	}
}

/* What patterns of paths may name. */
struct path_names {
	const struct target *target;
	struct view recipient, extension; /* recipient: empty where there is none */
	const char *filter;
};

static void append_without_slash(struct str *out, struct view text, const char *filter)
{
	size_t from = out->len;

	append_filtered(out, text, filter);
	for (size_t i = from; i < out->len; i++)
		if (out->data[i] == '/')
			out->data[i] = '_';
}

/* The text for one name of a path: as a step of it, it cannot lead anywhere else. */
static void append_step(struct str *out, struct view text, const char *filter)
{
	size_t from = out->len;

	append_without_slash(out, text, filter);
	for (size_t i = from; i < out->len; i++)
		if (out->data[i] != '.')
			return;
	for (size_t i = from; i < out->len; i++)
		out->data[i] = '_';
}

static void append_variable(struct str *out, struct view name, const struct path_names *names)
{
	struct view local, domain;

	address_split(names->recipient, &local, &domain);
	if (view_is(name, "home"))
		str_append_cstr(out, names->target->home);
	else if (view_is(name, "user") || view_is(name, "local"))
		append_step(out, view_of(names->target->name), names->filter);
	else if (view_is(name, "extension"))
		append_step(out, names->extension, names->filter);
	else if (view_is(name, "recipient"))
		append_step(out, names->recipient, names->filter);
	else if (view_is(name, "domain"))
		append_step(out, domain, names->filter);
	else if (view_is(name, "recipient_delimiter") && names->extension.len > 0)
		append_without_slash(out, view_first(view_of(param.recipient_delimiter), 1),
				     names->filter);
}

/* $name, ${name}, $(name) */
static void expand_pattern(struct view pattern, const struct path_names *names, struct str *out)
{
	for (size_t at = 0; at < pattern.len; at++) {
		size_t start = at + 1, end;
		char close = '\0';

		if (pattern.data[at] != '$') {
			str_append_byte(out, pattern.data[at]);
			continue;
		}
		if (start < pattern.len &&
		    (pattern.data[start] == '{' || pattern.data[start] == '('))
			close = pattern.data[start++] == '{' ? '}' : ')';
		for (end = start; end < pattern.len &&
				  (ascii_is_alnum(pattern.data[end]) || pattern.data[end] == '_');)
			end++;
		append_variable(out, view_first(view_from(pattern, start), end - start), names);
		at = close != '\0' && end < pattern.len && pattern.data[end] == close ? end
										      : end - 1;
	}
}

/* The candidates of forward_path, each once. */
static void forward_paths(const struct target *target, struct view extension, struct str *paths)
{
	struct view rest = view_of(param.forward_path), pattern;
	_cleanup_(str_free) struct str path = STR_EMPTY, last = STR_EMPTY;
	const struct path_names names = { .target = target,
					  .extension = extension,
					  .filter = param.forward_expansion_filter };

	while (conf_next_element(&rest, &pattern)) {
		str_clear(&path);
		expand_pattern(pattern, &names, &path);
		if (path.len == 0 || path.data[0] != '/' ||
		    view_eq(str_view(&path), str_view(&last)))
			continue;
		if (paths->len + path.len + 1 > IPC_SASL_MAX)
			return;
		if (paths->len > 0)
			str_append_byte(paths, '\0');
		str_append(paths, str_view(&path));
		str_set(&last, str_view(&path));
	}
}

/* ---- requests ---- */

static int target_is_allowed(const struct msg_program_deliver *m, struct answer *answer)
{
	const char *list = m->kind == PROGRAM_COMMAND ? param.allow_mail_to_commands
						      : param.allow_mail_to_files;
	const char *source = m->source == SOURCE_FORWARD ? "forward"
			     : m->via.len > 0		 ? "include"
							 : "alias";

	if (token_list_has(list, source))
		return 0;
	return answer_set(answer, OUTCOME_FAILED, "5.7.1", "mail to \"%.*s\" is not allowed",
			  VIEW_ARG(m->target));
}

static int choose_file(const struct msg_program_deliver *m, struct target *target,
		       struct answer *answer)
{
	struct view path = m->target;

	if (path.len == 0 || path.data[0] != '/')
		return answer_set(answer, OUTCOME_FAILED, "5.3.5", "\"%.*s\" is no absolute path",
				  VIEW_ARG(path));
	target->format = path.data[path.len - 1] == '/' ? STORE_MAILDIR : STORE_MBOX;
	target->limit = param.mailbox_size_limit;
	while (path.len > 1 && path.data[path.len - 1] == '/')
		path.len--;
	str_append(&target->path, path);
	return 0;
}

int target_check_program(const struct msg_program_deliver *m, struct target *target,
			 struct str *check, struct answer *answer)
{
	enum token_kind kind = m->kind == PROGRAM_COMMAND ? TOKEN_COMMAND : TOKEN_FILE;
	int r = target_is_allowed(m, answer);

	if (r == 0 && m->source == SOURCE_FORWARD) {
		r = target_of_user(m->owner, target, answer);
		if (r == 0)
			forward_paths(target, m->extension, check);
	} else if (r == 0) {
		r = take_default_privileges(target, answer);
		if (r == 0 && m->via.len > 0) {
			r = stands_in_alias(m->owner, TOKEN_INCLUDE, m->via, answer);
			str_append(check, m->via);
		} else if (r == 0) {
			r = stands_in_alias(m->owner, kind, m->target, answer);
		}
	}
	if (r == 0 && kind == TOKEN_FILE)
		r = choose_file(m, target, answer);
	return r;
}

int check_source(const struct msg_source_read *m, struct target *target, struct str *paths,
		 struct answer *answer)
{
	int r;

	if (m->source == SOURCE_FORWARD) {
		r = target_of_user(m->owner, target, answer);
		if (r == 0)
			forward_paths(target, m->extension, paths);
		return r;
	}
	r = stands_in_alias(m->owner, TOKEN_INCLUDE, m->via, answer);
	if (r == 0)
		r = take_default_privileges(target, answer);
	str_append(paths, m->via);
	return r;
}

static void add_variable(struct str *environment, const char *name, struct view value)
{
	str_append_cstr(environment, name);
	str_append_byte(environment, '=');
	str_append(environment, value);
	str_append_byte(environment, '\0');
}

static void add_filtered(struct str *environment, const char *name, struct view value)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	append_filtered(&text, value, param.command_expansion_filter);
	add_variable(environment, name, str_view(&text));
}

/* Of whom the message came from; what is not known is left out. */
static void add_client(struct str *environment, const struct command_addresses *m)
{
	const struct {
		const char *name;
		struct view value;
	} known[] = {
		{ "CLIENT_HELO", m->client_helo },
		{ "CLIENT_HOSTNAME", m->client_name },
		{ "CLIENT_PROTOCOL", m->client_protocol },
		{ "SASL_USERNAME", m->login },
	};
	_cleanup_(str_free) struct str address = STR_EMPTY;

	/* As in SMTP (RFC 5321 4.1.3). */
	if (view_find_byte(m->client_address, ':') != VIEW_NOT_FOUND)
		str_append(&address, VIEW("IPv6:"));
	str_append(&address, m->client_address);
	if (address.len > 0)
		add_filtered(environment, "CLIENT_ADDRESS", str_view(&address));
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].value.len > 0)
			add_filtered(environment, known[i].name, known[i].value);
}

void check_environment(const struct command_addresses *m, const struct target *target,
		       struct str *environment)
{
	struct view local, domain;

	address_split(m->recipient, &local, &domain);
	/* Of two of one name a command gets the first. */
	add_variable(environment, "PATH", VIEW(COMMAND_PATH));
	add_variable(environment, "SHELL", VIEW("/bin/sh"));
	add_variable(environment, "HOME", view_of(target->home));
	add_variable(environment, "LOGNAME", view_of(target->name));
	add_variable(environment, "USER", view_of(target->name));
	/* A command may hand these to a shell: strangers' bytes pass a filter. */
	add_filtered(environment, "SENDER", m->sender);
	add_filtered(environment, "RECIPIENT", m->recipient);
	add_filtered(environment, "ORIGINAL_RECIPIENT", m->original);
	add_filtered(environment, "LOCAL", local);
	add_filtered(environment, "DOMAIN", domain);
	if (m->extension.len > 0)
		add_filtered(environment, "EXTENSION", m->extension);
	add_client(environment, m);
	pipe_environment(environment);
}

void check_directory(const struct command_addresses *m, const struct target *target,
		     struct str *directory)
{
	const struct path_names names = { .target = target,
					  .recipient = m->recipient,
					  .extension = m->extension,
					  .filter = param.execution_directory_expansion_filter };

	if (param.command_execution_directory[0] != '\0')
		expand_pattern(view_of(param.command_execution_directory), &names, directory);
	else
		str_append_cstr(directory, target->home);
}
