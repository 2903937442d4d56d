/* cleanup: takes one message at a time from any source and writes it to the queue. */
#include <errno.h>
#include <string.h>

#include "conf/conf.h"
#include "daemon/daemon.h"
#include "milters.h"
#include "proofs.h"

static int cleanup_prepare(struct error *err)
{
	cleanup.queue = queue_open(param.queue_directory, err);
	if (cleanup.queue == NULL)
		return -EINVAL;
	queue_use_journal(cleanup.queue, (uint32_t)param.queue_journal_segments,
			  (uint64_t)param.queue_journal_segment_size);
	cleanup.routes = routes_open(err);
	if (cleanup.routes == NULL)
		return -EINVAL;
	cleanup.submitters =
		permit_open("authorized_submit_users", param.authorized_submit_users, err);
	if (cleanup.submitters == NULL)
		return -EINVAL;
	written_open();
	if (cleanup_milters_open(err) < 0 || cleanup_signing_open(err) < 0)
		return -EINVAL;
	return content_open(err);
}

/* The service that local users' mail comes to looks after what they have left, too. */
static void cleanup_start(void)
{
	if (strcmp(daemon_service_name(), "submit") == 0)
		pickup_look();
}

static void cleanup_serve_any(struct ipc *ipc)
{
	if (view_starts(view_of(ipc_socket_name(ipc)), VIEW("public/")))
		pickup_look();
	cleanup_serve(ipc);
}

static const struct daemon_program program = {
	.name = "cleanup",
	.prepare = cleanup_prepare,
	.start = cleanup_start,
	.serve_ipc = cleanup_serve_any,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
