/*
 * The lines of pipe and spawn in master.cf, read once: a change of the file is for a reload, as
 * with all services. A line with a mistake stays, and says so to whoever asks for it.
 */
#include "pipes.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "user/user.h"

#define COMMAND_PATH "/usr/bin:/bin" /* as Postfix has it */

static struct {
	struct services services;
	struct pipe_line *lines;
	size_t count;
	uid_t suite[DAEMON_USERS];
	size_t suite_count;
} pipes;

/* The suite's own users; where nothing runs as root there is one, and it is everybody. */
static void find_suite(void)
{
	for (enum daemon_user user = 0; daemon_running_as_root() && user < DAEMON_USERS; user++) {
		const struct passwd *entry = getpwnam(program_user_name(user));

		if (entry != NULL)
			pipes.suite[pipes.suite_count++] = entry->pw_uid;
	}
}

int pipes_prepare(struct error *err)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;

	if (services_load(conf_directory(), &pipes.services, &report) < 0)
		return error_set(err, -EINVAL, "%s", str_cstr(&report));
	find_suite();
	pipes.lines = mem_new_array(struct pipe_line, pipes.services.count + 1);
	for (size_t i = 0; i < pipes.services.count; i++) {
		const struct service *service = &pipes.services.items[i];
		struct pipe_line *line = &pipes.lines[pipes.count];
		struct error mistake = ERROR_NONE;

		if (!service_has_command(service->program))
			continue;
		line->service = service;
		if (service_command_parse(service->program, (const char *const *)service->arguments,
					  &line->command, &mistake) < 0)
			line->mistake = mem_strdup(mistake.text);
		pipes.count++;
	}
	return 0;
}

const struct pipe_line *pipe_line_find(const char *program, struct view name,
				       enum service_type type)
{
	for (size_t i = 0; i < pipes.count; i++) {
		const struct service *service = pipes.lines[i].service;

		if (service->type == type && view_is(name, service->name) &&
		    strcmp(program, service->program) == 0)
			return &pipes.lines[i];
	}
	return NULL;
}

/* ---- as whom ---- */

static int pipe_complain(const struct pipe_line *line, struct answer *answer, const char *mistake)
{
	answer_warn(answer, "master.cf, line %d: service %s: %s", line->service->line,
		    line->service->name, mistake);
	return answer_set(answer, OUTCOME_DEFERRED, "4.3.5",
			  "mail system configuration error (service %s)", line->service->name);
}

/* One of the suite's own: what it runs could reach the suite's sockets and files. */
static bool is_of_suite(uid_t uid)
{
	for (size_t i = 0; i < pipes.suite_count; i++)
		if (pipes.suite[i] == uid)
			return true;
	return false;
}

static const char *find_identity(const struct service_command *command, struct target *target)
{
	gid_t mail_gid = 0;

	if (user_id_of(command->user, &target->uid, &target->gid) < 0)
		return "there is no such user on this system";
	if (command->group != NULL && user_group_id_of(command->group, &target->gid) < 0)
		return "there is no such group on this system";
	if (!daemon_running_as_root())
		return target->uid == geteuid() ? NULL : "the suite does not run as root";
	if (target->uid == 0 || target->gid == 0)
		return "the command would have the rights of root";
	if (is_of_suite(target->uid))
		return "the command would run as one of the mail system's own users";
	if (user_group_id_of(param.mail_owner, &mail_gid) == 0 && mail_gid == target->gid)
		return "the command would have the group of the mail system's owner";
	return NULL;
}

/* Deliveries of one service at one time: the number in the column "maxproc". */
static size_t pipe_share(const struct service *service)
{
	if (service->processes > 0)
		return (size_t)service->processes;
	return service->processes < 0 ? (size_t)param.default_process_limit : SIZE_MAX;
}

int target_of_pipe(const struct pipe_line *line, struct target *target, struct answer *answer)
{
	const struct service_command *command = &line->command;
	const char *mistake = line->mistake;

	if (mistake == NULL)
		mistake = find_identity(command, target);
	if (mistake != NULL)
		return pipe_complain(line, answer, mistake);
	target->name = mem_strdup(line->service->name);
	target->home = mem_strdup(command->directory != NULL ? command->directory : "/");
	target->chroot = command->chroot != NULL ? mem_strdup(command->chroot) : NULL;
	target->share = pipe_share(line->service);
	return 0;
}

/* ---- what it gets ---- */

msec_t pipe_time_limit(const struct pipe_line *line)
{
	const struct service *service = line->service;
	_cleanup_(str_free) struct str name = STR_EMPTY;
	msec_t limit = conf_get_time_for(service->name, "time_limit", param.command_time_limit);

	str_printf(&name, "%s_time_limit", service->name);
	for (size_t i = 0; i < service->override_count; i++)
		if (strcmp(service->overrides[i].name, str_cstr(&name)) == 0 ||
		    strcmp(service->overrides[i].name, "command_time_limit") == 0)
			(void)conf_parse_time(view_of(service->overrides[i].value), 's', &limit);
	return limit;
}

static void environment_add(struct str *environment, struct view name, const char *value)
{
	str_append(environment, name);
	str_append_byte(environment, '=');
	str_append_cstr(environment, value);
	str_append_byte(environment, '\0');
}

void pipe_environment(struct str *environment)
{
	struct view list = view_of(param.export_environment), word;

	environment_add(environment, VIEW("PATH"), COMMAND_PATH);
	while (conf_next_element(&list, &word)) {
		size_t equals = view_find_byte(word, '=');
		_cleanup_free_ char *text = mem_strndup(word.data, word.len);

		if (equals != VIEW_NOT_FOUND)
			environment_add(environment, view_first(word, equals), text + equals + 1);
		else if (view_is(word, "MAIL_CONFIG"))
			environment_add(environment, word, conf_directory());
		else if (getenv(text) != NULL)
			environment_add(environment, word, getenv(text));
	}
}
