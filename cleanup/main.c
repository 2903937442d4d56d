/* cleanup: takes one message at a time from any source and writes it to the queue. */
#include <errno.h>
#include <pwd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "intake.h"
#include "table/table.h"

struct cleanup cleanup;

/* In the chroot there is nobody to ask for the name of a uid. */
static void learn_user_names(void)
{
	const struct passwd *user;

	cleanup.user_names = map_new();
	setpwent();
	while ((user = getpwent()) != NULL) {
		_cleanup_(str_free) struct str uid = STR_EMPTY;

		str_printf(&uid, "%u", (unsigned)user->pw_uid);
		if (map_get(cleanup.user_names, str_view(&uid)) == NULL)
			map_put(cleanup.user_names, str_view(&uid), mem_strdup(user->pw_name));
	}
	endpwent();
}

static int prepare(struct error *err)
{
	cleanup.queue = queue_open(param.queue_directory, err);
	if (cleanup.queue == NULL)
		return -EINVAL;
	cleanup.routes = routes_open(err);
	if (cleanup.routes == NULL)
		return -EINVAL;
	if (!view_is(view_trim(view_of(param.authorized_submit_users)), "static:anyone")) {
		cleanup.submitters =
			matchlist_open(param.authorized_submit_users, MATCH_STRINGS, false, err);
		if (cleanup.submitters == NULL) {
			error_prefix(err, "authorized_submit_users");
			return -EINVAL;
		}
		learn_user_names();
	}
	return 0;
}

static const struct daemon_program program = {
	.name = "cleanup",
	.user = DAEMON_MAIL,
	.root = DAEMON_ROOT_QUEUE,
	.calls = CALLS_FILES_READ | CALLS_FILES_WRITE,
	.prepare = prepare,
	.serve_ipc = cleanup_serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
