/* Asks auth when somebody last logged in. Knows nothing of the users' file. */
#include "tools/user_logins.h"

#include <errno.h>
#include <time.h>

#include "base/mem.h"
#include "ipc/ipc.h"
#include "task/task.h"
#include "tools/instance.h"

struct login_question {
	struct view user, app_password;
	struct str *text;
	int64_t time;
};

static void login_show(const struct msg_auth_last_login_is *m, struct str *text)
{
	time_t when = (time_t)m->time;
	char date[32] = "";
	struct tm tm;

	if (localtime_r(&when, &tm) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &tm);
	str_append_cstr(text, date);
	str_append_byte(text, ' ');
	str_append_printable(text, m->service);
	if (m->address.len > 0) {
		str_append_byte(text, ' ');
		str_append_printable(text, m->address);
	}
}

static void login_ask_task(void *argument)
{
	struct login_question *q = argument;
	_cleanup_(ipc_freep) struct ipc *ipc = instance_connect("private/auth");
	struct message m;
	int r = ipc != NULL ? ipc_send(ipc, auth_last_login, .user = q->user,
				       .app_password = q->app_password)
			    : -errno;

	if (r == 0)
		r = ipc_expect(ipc, MSG_auth_last_login_is, &m);
	if (r == 0 && m.auth_last_login_is.time > 0)
		login_show(&m.auth_last_login_is, q->text);
	q->time = r < 0 ? r : m.auth_last_login_is.time;
	task_quit(0);
}

int64_t user_last_login(struct view user, struct view app_password, struct str *text)
{
	struct login_question q = { .user = user, .app_password = app_password, .text = text };

	if (user.len > IPC_ADDRESS_MAX || app_password.len > IPC_NAME_MAX)
		return 0;
	(void)task_run(login_ask_task, &q);
	return q.time;
}
