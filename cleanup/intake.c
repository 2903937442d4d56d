/* What every step of a message reports to. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "milters.h"

struct cleanup cleanup;

static void stages_free(struct stage *stages)
{
	for (struct stage *stage = stages; stage != NULL; stage = stage->next)
		if (stage->state != NULL)
			stage->kind->release(stage->state);
	free(stages);
}

void intake_free(struct intake *in)
{
	stages_free(in->stages);
	queue_writer_free(in->writer);
	map_free(in->seen);
	map_free(in->copies);
	map_free(in->late);
	map_free(in->removed);
	if (in->judged != NULL)
		judged_free(in->judged);
	free(in->judged);
	ipc_free(in->channel);
	str_free(&in->recipients);
	str_free(&in->redirect);
	str_free(&in->written);
	str_free(&in->held);
	str_free(&in->filter);
	str_free(&in->fail_status_text);
	str_free(&in->sender);
	str_free(&in->envid);
	str_free(&in->client_address);
	str_free(&in->client_name);
	str_free(&in->helo);
	str_free(&in->protocol);
	str_free(&in->tls);
	str_free(&in->login);
	str_free(&in->origin.address);
	str_free(&in->origin.name);
	str_free(&in->origin.helo);
	str_free(&in->origin.protocol);
	str_free(&in->only_recipient);
	str_free(&in->header);
	str_free(&in->fail_text);
	free(in);
}

void intake_freep(struct intake **in)
{
	if (*in != NULL)
		intake_free(*in);
}

int intake_fail(struct intake *in, uint32_t code, const char *status, const char *text)
{
	if (in->fail_code == 0) {
		in->fail_code = code;
		in->fail_status = status;
		str_set(&in->fail_text, view_of(text));
	}
	return -EACCES;
}

int intake_fail_temporarily(struct intake *in, const char *what, int r)
{
	if (in->fail_code == 0)
		log_warning("%s: %s: %s", in->has_id ? queue_writer_id(in->writer) : "NOQUEUE",
			    what, strerror(-r));
	if (r == -ENOSPC || r == -EDQUOT || r == -EFBIG)
		return intake_fail(in, 452, "4.3.1", "Error: queue file system is full");
	return intake_fail(in, 451, "4.3.0", "Error: queue file write error");
}

bool intake_is_ours(const struct intake *in)
{
	return !(in->flags & MAIL_FLAG_REMOTE) || in->login.len > 0;
}

bool intake_rewrites_header(const struct intake *in)
{
	return !(in->flags & MAIL_FLAG_REMOTE);
}

int intake_discard(struct intake *in)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text, "Ok: queued as %s", queue_writer_id(in->writer));
	return intake_fail(in, 250, "2.0.0", str_cstr(&text));
}

void intake_hold(struct intake *in, const char *by, struct view reason)
{
	queue_writer_hold(in->writer);
	/* Who came first is told; the rest stands in the log. */
	if (in->held.len > 0)
		return;
	str_printf(&in->held, "%s", by);
	if (reason.len > 0)
		str_append_cstr(&in->held, ": ");
	str_append_printable(&in->held, view_first(reason, IPC_HOST_MAX));
	in->again = true;
}

bool intake_is_brought_back(const struct intake *in)
{
	return in->origin.address.len + in->origin.name.len > 0;
}

bool intake_was_queued(const struct intake *in)
{
	return intake_is_brought_back(in) && in->origin.was_queued;
}

struct queue_envelope intake_envelope(const struct intake *in)
{
	bool forwarded = intake_is_brought_back(in);

	return (struct queue_envelope){
		.sender = str_view(&in->sender),
		.envid = str_view(&in->envid),
		.client_address = str_view(forwarded ? &in->origin.address : &in->client_address),
		.client_name = str_view(forwarded ? &in->origin.name : &in->client_name),
		.helo = str_view(forwarded ? &in->origin.helo : &in->helo),
		.protocol = str_view(forwarded ? &in->origin.protocol : &in->protocol),
		.login = str_view(&in->login),
		/* Whom it is redirected to gets it at once. */
		.filter = in->redirect.len > 0 ? VIEW_NONE : str_view(&in->filter),
		.held = view_first(str_view(&in->held), IPC_HOST_MAX),
		.flags = in->flags,
		.body = in->body,
		.ret = in->ret,
		.arrival = in->arrival
	};
}
