/* The exchange with whoever brings a message. */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "checks.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "milters.h"
#include "proofs.h"
#include "services/clients.h"

/* Local users' programs that say nothing are not waited for as long as our own. */
#define SUBMIT_TIMEOUT	((msec_t)300 * 1000)
#define ENVELOPE_ID_MAX 100 /* octets, RFC 3461 4.4 */

static int send_verdict(struct intake *in, uint32_t code, const char *status, const char *text)
{
	return ipc_send(in->ipc, verdict, .code = code, .status = view_of(status),
			.text = view_of(text),
			.queue_id = in->has_id ? view_of(queue_writer_id(in->writer)) : VIEW_NONE);
}

static int send_failure(struct intake *in)
{
	return send_verdict(in, in->fail_code, in->fail_status, str_cstr(&in->fail_text));
}

/* ---- mail ---- */

/* Anybody on this system may connect to the public socket: who is it, and may they? */
static int check_submitter(struct intake *in, const struct msg_mail *m)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	pid_t pid;
	gid_t gid;

	if (in->submitter != NULL)
		in->uid = *in->submitter;
	else if (ipc_peer(in->ipc, &pid, &in->uid, &gid) < 0)
		return intake_fail(in, 451, "4.3.0", "Error: cannot find out who you are");
	if (m->client_address.len + m->client_name.len + m->helo.len + m->protocol.len +
			    m->tls.len + m->login.len + m->filter.len + m->held.len +
			    m->origin_address.len + m->origin_name.len + m->origin_helo.len +
			    m->origin_protocol.len >
		    0 ||
	    m->was_queued != 0 || (m->flags & ~MAIL_FLAG_SMTPUTF8) != 0)
		return intake_fail(in, 554, "5.5.2", "Error: this is not for local submission");
	int r = permit_ask(cleanup.submitters, in->uid, &name);

	if (r < 0)
		return intake_fail_temporarily(in, "look up authorized_submit_users", r);
	if (r > 0)
		return 0;
	log_warning("user %s is not in authorized_submit_users", str_cstr(&name));
	return intake_fail(in, 550, "5.7.1", "Error: you may not submit mail here");
}

/* Asked of the file system once a second at most. */
static int check_space(struct intake *in, uint64_t promised)
{
	static uint64_t space;
	static msec_t asked;

	if (asked == 0 || clock_now() - asked >= 1000) {
		int r = queue_free_space(cleanup.queue, &space);

		if (r < 0)
			return intake_fail_temporarily(in, "look at the queue's file system", r);
		asked = clock_now();
	}
	if (space < (uint64_t)param.queue_minfree ||
	    space - (uint64_t)param.queue_minfree <= promised)
		return intake_fail(in, 452, "4.3.1", "Error: insufficient system storage");
	return 0;
}

static int check_size(struct intake *in, uint64_t size)
{
	if (param.message_size_limit == 0 || (in->flags & MAIL_FLAG_INTERNAL) ||
	    size <= (uint64_t)param.message_size_limit)
		return 0;
	return intake_fail(in, 552, "5.3.4", "Error: message file too big");
}

static void intake_log_sender(const struct intake *in)
{
	_cleanup_(str_free) struct str sender = STR_EMPTY;

	address_show(&sender, str_view(&in->sender));
	/* The line of Postfix's program for local submission: pflogsumm counts by it. */
	log_info_as("pickup", "%s: uid=%u from=<%s>", queue_writer_id(in->writer),
		    (unsigned)in->uid, str_cstr(&sender));
}

/* Whoever it comes from: it goes into reports and to other servers. */
static int check_envelope_id(struct intake *in)
{
	if (in->envid.len <= ENVELOPE_ID_MAX && !view_has_control(str_view(&in->envid)))
		return 0;
	return intake_fail(in, 501, "5.5.4", "Bad envelope id");
}

/* The suite's own reports and forwards are what came in before, or of our own making. */
static bool passes_filters(const struct msg_mail *m)
{
	struct view rest = view_of(param.internal_mail_filter_classes), word;
	const char *kind = m->kind == INTERNAL_BOUNCE	? "bounce"
			   : m->kind == INTERNAL_NOTIFY ? "notify"
							: NULL;

	if (!(m->flags & MAIL_FLAG_INTERNAL))
		return false;
	while (kind != NULL && conf_next_element(&rest, &word))
		if (view_is_nocase(word, kind))
			return false;
	return true;
}

static void intake_begin(struct intake *in, const struct msg_mail *m)
{
	in->flags = m->flags;
	in->unfiltered = passes_filters(m);
	in->body = m->body;
	in->ret = m->ret;
	in->arrival = clock_wall_usec();
	in->line_ends = LINEENDS_START;
	str_set(&in->envid, m->envid);
	str_set(&in->client_address, m->client_address);
	str_set(&in->client_name, m->client_name);
	str_set(&in->helo, m->helo);
	str_set(&in->protocol, m->protocol);
	str_set(&in->tls, m->tls);
	str_set(&in->login, m->login);
	str_set(&in->origin.address, m->origin_address);
	str_set(&in->origin.name, m->origin_name);
	str_set(&in->origin.helo, m->origin_helo);
	str_set(&in->origin.protocol, m->origin_protocol);
	in->origin.was_queued = m->was_queued != 0;
	in->local_submission = in->submitter != NULL ||
			       view_starts(view_of(ipc_socket_name(in->ipc)), VIEW("public/"));
	str_set(&in->filter, in->local_submission ? view_of(param.content_filter) : m->filter);
	if (m->flags & MAIL_FLAG_HOLD)
		str_append_printable(&in->held, m->held);
	if (in->local_submission)
		in->flags |= submission_override_flags();
	/* What is refused here is refused at the end: the client says all of it in one go. */
	if ((!in->local_submission || check_submitter(in, m) == 0) &&
	    check_size(in, m->size) == 0 && check_space(in, m->size) == 0 &&
	    check_envelope_id(in) == 0)
		envelope_sender(in, m->sender);
	struct queue_envelope envelope = intake_envelope(in);

	in->writer = queue_writer_new(cleanup.queue, &envelope);
	/* Those who want to log before we answer choose the id; local users do not. */
	if (!in->local_submission && queue_id_is_valid(m->queue_id))
		queue_writer_set_id(in->writer, m->queue_id);
	in->has_id = true;
	if (in->local_submission && in->fail_code == 0)
		intake_log_sender(in);
}

/* ---- the rest ---- */

static int take_recipient(struct intake *in, const struct msg_rcpt *rcpt)
{
	if (in->content_begun)
		return -EBADMSG;
	if (in->fail_code == 0 && envelope_recipient(in, rcpt) == 0)
		cleanup_milters_recipient(in, rcpt->address);
	return 0;
}

static void take_content(struct intake *in, struct view bytes)
{
	if (!in->content_begun) {
		in->content_begun = true;
		if (in->fail_code == 0 && queue_writer_recipient_count(in->writer) == 0)
			intake_fail(in, 554, "5.5.1", "Error: no valid recipients");
		if (in->fail_code == 0 && (in->flags & MAIL_FLAG_PROBE) &&
		    queue_writer_recipient_count(in->writer) > 1)
			intake_fail(in, 250, "2.1.5", "aliased to other recipients");
		if (in->fail_code == 0)
			envelope_close(in);
		if (in->fail_code == 0)
			content_begin(in);
	}
	in->content_size += bytes.len;
	if (in->fail_code == 0 && check_size(in, in->content_size) == 0)
		content_append(in, bytes);
}

/* What would be in the envelope, had it been known when that was sent. */
static int take_late(struct intake *in, const struct msg_late *m)
{
	struct view rest = m->bcc, address;

	if ((m->filter.len > 0 && !route_filter_is_valid(m->filter)) ||
	    (m->redirect.len > 0 && !check_is_address(m->redirect)))
		return -EBADMSG;
	if (m->filter.len > 0) {
		str_set(&in->filter, m->filter);
		in->again = true;
	}
	if (m->redirect.len > 0)
		str_set(&in->redirect, m->redirect);
	if (m->hold)
		intake_hold(in, "access", m->held);
	while (view_next(&rest, '\n', &address)) {
		if (address.len > 0 && !check_is_address(address))
			return -EBADMSG;
		if (address.len > 0 && in->fail_code == 0)
			envelope_late_copy(in, address);
	}
	return 0;
}

static void intake_commit(struct intake *in)
{
	struct error err = ERROR_NONE;
	int r;

	announce_prepare();
	r = queue_writer_commit(in->writer, &err);

	if (r == 0)
		return;
	log_error("%s", err.text);
	if (r == -ENOSPC || r == -EDQUOT || r == -EFBIG)
		intake_fail(in, 452, "4.3.1", "Error: queue file system is full");
	else
		intake_fail(in, 451, "4.3.0", "Error: queue file write error");
}

static int intake_finish(struct intake *in)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	take_content(in, VIEW_NONE);
	if (in->fail_code == 0)
		content_end(in);
	if (in->fail_code == 0)
		cleanup_milters_ask(in);
	if (in->fail_code == 0)
		message_again(in);
	if (in->fail_code == 0)
		passage_mark(in);
	if (in->fail_code == 0)
		cleanup_sign(in);
	if (in->fail_code == 0)
		intake_commit(in);
	if (in->fail_code == 250)
		return send_failure(in);
	if (in->fail_code != 0) {
		address_show(&text, str_view(&in->sender));
		log_info("%s: message refused from=<%s>: %u %s %s", queue_writer_id(in->writer),
			 str_cstr(&text), in->fail_code, in->fail_status, str_cstr(&in->fail_text));
		return send_failure(in);
	}
	metric_add(METRIC_messages_received, 1);
	str_printf(&text, "Ok: queued as %s", queue_writer_id(in->writer));
	int r = send_verdict(in, 250, "2.0.0", str_cstr(&text));

	if (r == 0)
		r = ipc_flush(in->ipc);
	/* Also if the client is gone: the message is in the queue. */
	announce(in->writer);
	written_tell(in);
	return r;
}

/* One message. `channel`: taken, or NULL. 0: the connection is ready for the next. */
static int serve_message(struct ipc *ipc, const uid_t *submitter, const struct msg_mail *mail,
			 struct ipc *channel)
{
	_cleanup_(intake_freep) struct intake *in = mem_new(struct intake);
	struct message m;

	in->ipc = ipc;
	in->submitter = submitter;
	in->channel = channel;
	intake_begin(in, mail);
	int r = 0;

	while (r == 0) {
		r = ipc_receive(ipc, &m);
		if (r < 0)
			return r;
		switch (m.type) {
		case MSG_rcpt:
			r = take_recipient(in, &m.rcpt);
			break;
		case MSG_data:
			take_content(in, m.data.bytes);
			break;
		case MSG_late:
			r = take_late(in, &m.late);
			break;
		case MSG_data_end:
			return intake_finish(in);
		case MSG_abort:
			return ipc_send(ipc, done);
		default:
			message_close_fd(&m);
			r = -EBADMSG;
		}
	}
	return r;
}

void cleanup_serve_as(struct ipc *ipc, const uid_t *submitter)
{
	if (view_starts(view_of(ipc_socket_name(ipc)), VIEW("public/")))
		ipc_set_timeout(ipc, SUBMIT_TIMEOUT);
	for (;;) {
		struct message m;
		struct ipc *channel = NULL;
		int r = ipc_next_request(ipc, &m);

		if (r == 0 && m.type == MSG_filtered && m.filtered.channel >= 0) {
			channel = ipc_new(m.filtered.channel);
			r = ipc_expect(ipc, MSG_mail, &m);
			if (r < 0)
				ipc_free(channel);
		}
		if (r < 0)
			return;
		if (m.type == MSG_mail) {
			r = serve_message(ipc, submitter, &m.mail, channel);
		} else {
			message_close_fd(&m);
			r = -EBADMSG;
		}
		if (r == -EBADMSG)
			log_warning("%s where it does not belong: connection closed",
				    message_name(m.type));
		if (r < 0)
			return;
	}
}

void cleanup_serve(struct ipc *ipc)
{
	cleanup_serve_as(ipc, NULL);
}
