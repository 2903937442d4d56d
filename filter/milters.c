/*
 * The exchange with a program that wants a client or a message judged by milters. Milters hear from
 * here only what that program said; what is out of place ends the conversation.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/ipc.h"
#include "milter.h"

static int milters_answer_event(struct conversation *c, struct ipc *ipc,
				const struct msg_milter_event *m)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, argument = STR_EMPTY;
	struct milter_verdict verdict = { 0 };
	struct msg_milter_event event = *m;
	int r;

	str_append(&text, m->text);
	str_append(&argument, m->argument);
	event.text = str_view(&text);
	event.argument = str_view(&argument);
	r = conversation_event(c, &event, &verdict);
	if (r == 0)
		r = ipc_send(ipc, milter_verdict, .reply = str_view(&verdict.reply),
			     .reason = view_first(str_view(&verdict.reason), IPC_TEXT_MAX),
			     .discard = verdict.discard, .hold = verdict.hold,
			     .rejected_too = verdict.rejected_too);
	milter_verdict_free(&verdict);
	return r;
}

/* What comes over a channel: a message, to one milter after the other, until it is closed. */
static void channel_serve(struct conversation *c, int fd)
{
	_cleanup_(ipc_freep) struct ipc *ipc = ipc_new(fd);
	struct message m;

	/* It is closed when the message is over, or given up; a slow client is waited for there. */
	ipc_set_timeout(ipc, MSEC_FOREVER);
	ipc_finish_first(ipc, true);
	while (ipc_receive(ipc, &m) == 0) {
		if (m.type != MSG_milter_message) {
			message_close_fd(&m);
			log_warning("%s where it does not belong: connection closed",
				    message_name(m.type));
			return;
		}
		if (judge_message(c, ipc, &m) < 0 || ipc_flush(ipc) < 0)
			return;
	}
}

static int milters_open_channel(struct conversation *c, struct ipc *ipc)
{
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -errno;
	r = ipc_send(ipc, milter_channel, .channel = ends[1]);
	if (r == 0)
		r = ipc_flush(ipc);
	close(ends[1]);
	if (r < 0) {
		close(ends[0]);
		return r;
	}
	channel_serve(c, ends[0]);
	conversation_reset(c);
	return 0;
}

static int milters_take(struct conversation *c, struct ipc *ipc, struct message *m)
{
	switch (m->type) {
	case MSG_milter_use:
		return conversation_use(c, &m->milter_use);
	case MSG_milter_names:
		return conversation_names(c, &m->milter_names);
	case MSG_milter_macro:
		return conversation_macro(c, &m->milter_macro);
	case MSG_milter_event:
		return milters_answer_event(c, ipc, &m->milter_event);
	case MSG_milter_reset:
		conversation_reset(c);
		return 0;
	case MSG_milter_content:
		return milters_open_channel(c, ipc);
	case MSG_milter_message:
		return judge_message(c, ipc, m);
	default:
		message_close_fd(m);
		return -EBADMSG;
	}
}

void milters_serve(struct ipc *ipc)
{
	struct conversation *c = mem_new(struct conversation);
	struct message m;
	int r = 0;

	/* The client of smtpd may be silent for long; smtpd says when it is over. */
	ipc_set_timeout(ipc, MSEC_FOREVER);
	ipc_finish_first(ipc, true);
	while (r == 0 && ipc_receive(ipc, &m) == 0) {
		r = milters_take(c, ipc, &m);
		if (r == -EBADMSG)
			log_warning("%s where it does not belong: connection closed",
				    message_name(m.type));
		if (r == 0)
			r = ipc_flush(ipc);
	}
	milters_conversation_free(c);
}
