/*
 * Whom our users write to: greylist lets in what comes from there. It is told after the message is in the
 * queue, and nobody waits for it.
 */
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "intake.h"
#include "services/clients.h"
#include "task/task.h"

#define TELLING_MAX 100 /* at one time; what is beyond is forgotten */

static struct {
	bool wanted;
	size_t telling;
} written;

void written_open(void)
{
	const char *const lists[] = {
		param.smtpd_client_restrictions,      param.smtpd_helo_restrictions,
		param.smtpd_sender_restrictions,      param.smtpd_relay_restrictions,
		param.smtpd_recipient_restrictions,   param.smtpd_data_restrictions,
		param.smtpd_end_of_data_restrictions,
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists) && param.greylist_correspondent_lifetime > 0; i++)
		written.wanted =
			written.wanted ||
			view_find(view_of(lists[i]), VIEW("reject_greylisted")) != VIEW_NOT_FOUND;
}

void written_note(struct intake *in, struct view address)
{
	if (written.wanted && intake_is_ours(in) && !(in->flags & MAIL_FLAG_INTERNAL) &&
	    in->written.len + address.len < IPC_FRAME_MAX) {
		str_append(&in->written, address);
		str_append_byte(&in->written, '\n');
	}
}

static void written_run(void *argument)
{
	struct str *addresses = argument;

	if (greylist_tell_written(str_view(addresses)) < 0)
		log_warning("greylist does not hear whom our users write to");
	str_free(addresses);
	free(addresses);
	written.telling--;
	daemon_work_end();
}

void written_tell(struct intake *in)
{
	struct str *addresses;

	if (in->written.len == 0 || written.telling >= TELLING_MAX)
		return;
	addresses = mem_new(struct str);
	*addresses = in->written;
	in->written = STR_EMPTY;
	written.telling++;
	daemon_work_begin();
	task_spawn("written", written_run, addresses);
}
