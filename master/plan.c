/* From master.cf and programs.def to the list of services to run. It starts none of them. */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/commands.h"
#include "daemon/programs.h"
#include "ipc/ipc.h"
#include "master.h"

static size_t core_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (size_t)CPU_COUNT(&set);
}

static size_t process_count(const struct service *line)
{
	const struct program *program = program_find(line->program);
	size_t cores = core_count();

	if (program == NULL || program->count == PROGRAM_ONE)
		return 1;
	/* A process serves thousands: more of them than cores would only cost memory. */
	return line->processes < 1 ? cores : MIN((size_t)line->processes, cores);
}

/* daemon_directory, or the folder in which this program is. */
static void find_programs(struct str *folder)
{
	_cleanup_(str_free) struct str self = STR_EMPTY, above = STR_EMPTY;

	if (param.daemon_directory[0] != '\0') {
		str_append_cstr(folder, param.daemon_directory);
		return;
	}
	if (io_read_link("/proc/self/exe", &self) < 0)
		return;
	io_folder_of(str_cstr(&self), &above);
	str_append(folder, str_view(&above));
}

static void add_unix_socket(struct plan_service *service, const char *name)
{
	struct plan_socket *s = &service->sockets[service->socket_count++];

	s->name = mem_strdup(name);
	s->address.ss_family = AF_UNIX;
}

static bool is_socket_name(struct view name)
{
	if (!view_starts(name, VIEW("public/")) && !view_starts(name, VIEW("private/")))
		return false;
	name = view_from(name, view_find_byte(name, '/') + 1);
	return name.len > 0 && name.len <= 50 && name.data[0] != '.' &&
	       view_find_byte(name, '/') == VIEW_NOT_FOUND;
}

/* "also=private/queue": a second socket for the same process. Taken out of the arguments. */
static void take_also(struct plan_service *service, struct str *report)
{
	char **to = service->line->arguments;

	for (char **from = to; *from != NULL; from++) {
		struct view argument = view_of(*from);

		if (!view_starts(argument, VIEW("also="))) {
			*to++ = *from;
			continue;
		}
		argument = view_from(argument, strlen("also="));
		if (is_socket_name(argument) && service->socket_count < 8)
			add_unix_socket(service, argument.data);
		else
			str_printf(report, "master.cf, line %d: %s: expected also=public/NAME\n",
				   service->line->line, *from);
		free(*from);
	}
	*to = NULL;
}

static void find_sockets(struct plan_service *service, struct str *report)
{
	struct service *line = service->line;
	char name[200];

	/* Its socket is master's, with both ends. */
	if (strcmp(line->program, "postlogd") == 0)
		return;
	if (line->type == SERVICE_INET) {
		addresses_find(service, report);
		return;
	}
	snprintf(name, sizeof(name), "%s/%s", line->private_socket ? "private" : "public",
		 line->name);
	if (!is_socket_name(view_of(name)) || strcmp(name, "public/master") == 0) {
		str_printf(report, "master.cf, line %d: \"%s\" cannot be the name of a socket\n",
			   line->line, line->name);
		return;
	}
	add_unix_socket(service, name);
	take_also(service, report);
}

static uint16_t socket_port(const struct plan_socket *s)
{
	return s->address.ss_family == AF_INET6
		       ? ((const struct sockaddr_in6 *)(const void *)&s->address)->sin6_port
		       : ((const struct sockaddr_in *)(const void *)&s->address)->sin_port;
}

static void note_shared_port(struct plan_socket *a, struct plan_socket *b)
{
	if (a->address.ss_family == AF_UNIX || a->address.ss_family != b->address.ss_family ||
	    socket_port(a) != socket_port(b) || strcmp(a->name, b->name) == 0)
		return;
	a->shares_port = b->shares_port = true;
}

/* Two services cannot share a socket: nobody could say who gets a connection. */
static void check_sockets(struct plan *plan, struct plan_service *service, struct str *report)
{
	for (size_t i = 0; i < plan->count; i++) {
		struct plan_service *other = &plan->services[i];

		for (size_t j = 0; other != service && j < other->socket_count; j++)
			for (size_t k = 0; k < service->socket_count; k++) {
				note_shared_port(&other->sockets[j], &service->sockets[k]);
				if (strcmp(other->sockets[j].name, service->sockets[k].name) == 0)
					str_printf(report,
						   "master.cf, line %d: %s is the socket of the "
						   "service in line %d\n",
						   service->line->line, service->sockets[k].name,
						   other->line->line);
			}
	}
}

/* Without a program of ours the suite is not whole; without one of others it has a service less. */
static void plan_check_program(struct plan_service *service, const char *folder, struct str *report,
			       struct str *notes)
{
	const struct service *line = service->line;
	bool is_ours = program_find(line->program) != NULL;

	if (is_ours && access(service->path, X_OK) == 0)
		return;
	if (!is_ours) {
		free(service->path);
		service->path = NULL;
		service->processes = 0;
		report = notes;
	}
	if (line->line > 0)
		str_printf(report, "master.cf, line %d: ", line->line);
	else
		str_printf(report, "master.cf, added service %s: ", line->name);
	str_printf(report, "there is no program %s in %s%s\n", line->program, folder,
		   conf_setting("daemon_directory") != NULL ? " (daemon_directory)" : "");
}

/* Its program would say so too, but only when it is started. */
static void plan_check_command(const struct service *line, struct str *notes)
{
	struct service_command command;
	struct error err = ERROR_NONE;

	if (!service_has_command(line->program))
		return;
	if (service_command_parse(line->program, (const char *const *)line->arguments, &command,
				  &err) < 0)
		str_printf(notes, "master.cf, line %d: service %s will not start: %s\n", line->line,
			   line->name, err.text);
	service_command_free(&command);
}

static void plan_service(struct plan *plan, struct service *line, const char *folder,
			 struct str *report, struct str *notes)
{
	struct plan_service *service = &plan->services[plan->count++];
	_cleanup_(str_free) struct str key = STR_EMPTY, path = STR_EMPTY;

	str_printf(&key, "%s %s", line->name, service_type_name(line->type));
	str_printf(&path, "%s/%s", folder, line->program);
	service->key = str_take(&key);
	service->path = str_take(&path);
	service->line = line;
	service->processes = process_count(line);
	plan_check_program(service, folder, report, notes);
	plan_check_command(line, notes);
	find_sockets(service, report);
	check_sockets(plan, service, report);
}

/* The log is written, whether or not a line of master.cf says so. */
static void plan_add_log(struct services *lines)
{
	struct service *log;

	for (size_t i = 0; i < lines->count; i++)
		if (strcmp(lines->items[i].program, "postlogd") == 0)
			return;
	lines->items = mem_resize(lines->items, lines->count + 1, sizeof(*log));
	log = &lines->items[lines->count++];
	*log = (struct service){ .name = mem_strdup("postlog"),
				 .type = SERVICE_DATAGRAM,
				 .processes = 1,
				 .program = mem_strdup("postlogd"),
				 .arguments = mem_new_array(char *, 1) };
}

int plan_load(const char *config_directory, struct plan *plan, struct str *report,
	      struct str *notes)
{
	_cleanup_(str_free) struct str folder = STR_EMPTY;
	size_t before = report->len;

	*plan = (struct plan){ 0 };
	if (conf_load(config_directory, NULL, 0, report) < 0) {
		/* Without parameters there is no plan, but all errors are told at once. */
		services_load(config_directory, &plan->lines, report);
		services_free(&plan->lines);
		str_append_cstr(report, conf_mistakes_of_others());
		return -EINVAL;
	}
	str_append_cstr(notes, conf_mistakes_of_others());
	services_load(config_directory, &plan->lines, report);
	str_append(notes, str_view(&plan->lines.warnings));
	conf_not_in_force(notes, notes, NULL);
	services_not_in_force(&plan->lines, notes, notes, NULL);
	postfix_adapt(&plan->lines, notes);
	plan->config_directory = mem_strdup(config_directory);
	plan->queue_directory = mem_strdup(param.queue_directory);
	if (plan->queue_directory[0] != '/')
		str_printf(report, "main.cf: queue_directory: expected an absolute path, not %s\n",
			   plan->queue_directory);
	if (conf_is_queue_of_postfix(plan->queue_directory))
		str_printf(report,
			   "main.cf: queue_directory: %s is the queue of Postfix: let Postfix "
			   "deliver what is in it, and name another folder for ours\n",
			   plan->queue_directory);
	find_programs(&folder);
	if (plan->lines.count > 0)
		plan_add_log(&plan->lines);
	plan->services = mem_new_array(struct plan_service, plan->lines.count + 1);
	for (size_t i = 0; i < plan->lines.count; i++)
		plan_service(plan, &plan->lines.items[i], str_cstr(&folder), report, notes);
	if (plan->count == 0 && report->len == before)
		str_append_cstr(report, "master.cf: no services\n");
	if (report->len == before)
		return 0;
	plan_free(plan);
	return -EINVAL;
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		struct plan_service *service = &plan->services[i];

		for (size_t j = 0; j < service->socket_count; j++)
			free(service->sockets[j].name);
		free(service->key);
		free(service->path);
	}
	free(plan->services);
	services_free(&plan->lines);
	free(plan->config_directory);
	free(plan->queue_directory);
	*plan = (struct plan){ 0 };
}
