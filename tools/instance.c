/*
 * Finding an instance, and speaking with its programs. Without a running master the answer says
 * so.
 */
#include "tools/instance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "task/task.h"
#include "tools/tool.h"

#define CONNECT_TIME 2000

bool instance_find(const char *verb)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;

	(void)conf_load(tool_directory(), NULL, 0, &report);
	if (param.queue_directory == NULL || param.queue_directory[0] != '/') {
		tool_fail(verb, "no instance in %s: %s", tool_directory(),
			  report.len > 0 ? str_cstr(&report) : "no queue_directory");
		return false;
	}
	ipc_set_root(param.queue_directory);
	return true;
}

bool instance_find_master(struct str *path)
{
	_cleanup_(str_free) struct str self = STR_EMPTY, above = STR_EMPTY;

	if (io_read_link("/proc/self/exe", &self) < 0)
		return false;
	io_folder_of(str_cstr(&self), &above);
	io_folder_of(str_cstr(&above), &self);
	str_printf(path, "%s/libexec/posta/master", str_cstr(&self));
	return access(str_cstr(path), X_OK) == 0;
}

struct question {
	const char *verb;
	int (*talk)(struct ipc *ipc);
	const char *otherwise; /* a socket for those whom master does not let in, or NULL */
};

struct ipc *instance_connect(const char *service)
{
	msec_t deadline = clock_after(CONNECT_TIME);
	struct ipc *ipc = ipc_connect(service, clock_now());

	/* It may be about to listen, if there is a socket at all. */
	while (ipc == NULL && errno == EAGAIN && clock_now() < deadline)
		ipc = ipc_connect(service, deadline);
	return ipc;
}

/* Whoever may not ask master asks the program that anybody may ask. */
bool instance_is_down(void)
{
	static const char *const services[] = { "public/master", "public/status" };

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		struct ipc *ipc = ipc_connect(services[i], clock_now());
		int reason = errno;

		ipc_free(ipc);
		if (ipc != NULL)
			return false;
		if (reason == ENOENT || reason == ECONNREFUSED)
			return true;
	}
	return false;
}

static struct ipc *connect_to_master(const char *otherwise)
{
	struct ipc *ipc = instance_connect("public/master");

	if (ipc == NULL && errno == EACCES && otherwise != NULL)
		ipc = instance_connect(otherwise);
	return ipc;
}

struct ipc *instance_connect_status(void)
{
	return connect_to_master("public/status");
}

static void instance_ask_master(void *argument)
{
	const struct question *question = argument;
	_cleanup_(ipc_freep) struct ipc *ipc = connect_to_master(question->otherwise);

	if (ipc != NULL)
		task_quit(question->talk(ipc));
	else if (errno == ENOENT || errno == ECONNREFUSED)
		task_quit(tool_fail(question->verb, "not running"));
	else if (errno == EACCES)
		task_quit(tool_fail(question->verb, "not permitted: %s belongs to another user",
				    param.queue_directory));
	else
		task_quit(tool_fail(question->verb, "%s/public/master: %s", param.queue_directory,
				    strerror(errno)));
}

int instance_ask(const char *verb, int (*talk)(struct ipc *ipc))
{
	struct question question = { verb, talk, NULL };

	if (!instance_find(verb))
		return TOOL_NO;
	return task_run(instance_ask_master, &question);
}

int instance_ask_status(const char *verb, int (*talk)(struct ipc *ipc))
{
	struct question question = { verb, talk, "public/status" };

	if (!instance_find(verb))
		return TOOL_NO;
	return task_run(instance_ask_master, &question);
}
