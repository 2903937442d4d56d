/* The caller's side of a conversation with milters: what is said goes to the program filter. */
#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "ipc/ipc.h"
#include "services/milter.h"

#define MILTER_CONNECT_TIME ((msec_t)10000)
/* Beyond what the milters themselves may take. */
#define MILTER_PATIENCE ((msec_t)30000)

struct milters {
	struct ipc *ipc; /* NULL: not connected yet, or lost */
	bool lost;
	bool has_answered;
	/* All that was said before the first answer: for a filter that is just being replaced. */
	struct str opening;
	enum milter_default default_action; /* of a filter that is gone */
	msec_t timeout;
};

static void milters_say(struct milters *milters, enum message_type type, const void *fields)
{
	int r = 0;

	if (milters->lost)
		return;
	if (!milters->has_answered)
		r = ipc_pack_message(&milters->opening, type, fields);
	else
		r = ipc_send_message(milters->ipc, type, fields);
	if (r < 0 && r != -EMSGSIZE) {
		ipc_free(TAKE(milters->ipc));
		milters->lost = true;
	}
}

static void say_names(struct milters *milters)
{
	/* In the order of enum milter_stage in filter/milter_codec.h. */
	const char *const names[] = {
		param.milter_connect_macros,	   param.milter_helo_macros,
		param.milter_mail_macros,	   param.milter_rcpt_macros,
		param.milter_data_macros,	   param.milter_end_of_data_macros,
		param.milter_end_of_header_macros, param.milter_unknown_command_macros,
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		milters_say(milters, MSG_milter_names,
			    &(struct msg_milter_names){ .stage = (uint8_t)i,
							.names = view_of(names[i]) });
}

static void say_macro(struct milters *milters, struct view name, struct view value,
		      enum milter_macro_kind kind)
{
	if (name.len > 2 && name.data[0] == '{' && view_ends(name, VIEW("}")))
		name = view_make(name.data + 1, name.len - 2);
	milters_say(milters, MSG_milter_macro,
		    &(struct msg_milter_macro){ .name = name,
						.value = view_first(value, IPC_TEXT_MAX),
						.kind = (uint8_t)kind });
}

static void say_defaults(struct milters *milters)
{
	struct view rest = view_of(param.milter_macro_defaults), element;

	while (conf_next_element(&rest, &element)) {
		size_t equals = view_find_byte(element, '=');

		if (equals != VIEW_NOT_FOUND)
			say_macro(milters, view_trim(view_first(element, equals)),
				  view_trim(view_from(element, equals + 1)), MILTER_MACRO_DEFAULT);
	}
}

struct milters *milters_begin(const struct milter_list *list)
{
	struct milters *milters = mem_new(struct milters);

	milters->timeout = MILTER_PATIENCE;
	milters_say(milters, MSG_milter_begin, &(struct msg_milter_begin){ 0 });
	for (size_t i = 0; i < list->count; i++) {
		const struct milter_setting *m = &list->items[i];

		if (milters->default_action == MILTER_DEFAULT_ACCEPT)
			milters->default_action = m->default_action;
		milters->timeout += m->connect_timeout + m->command_timeout + m->content_timeout +
				    param.milter_time_limit;
		milters_say(
			milters, MSG_milter_use,
			&(struct msg_milter_use){ .endpoint = str_view(&m->endpoint),
						  .connect_timeout = (uint32_t)m->connect_timeout,
						  .command_timeout = (uint32_t)m->command_timeout,
						  .content_timeout = (uint32_t)m->content_timeout,
						  .default_action = (uint8_t)m->default_action,
						  .protocol = (uint8_t)m->protocol,
						  .silent_headers = m->silent_headers });
	}
	say_names(milters);
	say_defaults(milters);
	milters_macro(milters, "j", view_of(param.myhostname));
	milters_macro(milters, "v", view_of(param.milter_macro_v));
	milters_macro(milters, "daemon_name", view_of(param.milter_macro_daemon_name));
	return milters;
}

void milters_macro(struct milters *milters, const char *name, struct view value)
{
	say_macro(milters, view_of(name), value, MILTER_MACRO_VALUE);
}

void milters_macro_known(struct milters *milters, const char *name, struct view value)
{
	say_macro(milters, view_of(name), value, MILTER_MACRO_KNOWN);
}

/* The first question: a connection that turns out to be one of a filter that retires is made anew. */
static int milters_open(struct milters *milters, enum message_type type, const void *fields,
			struct message *answer)
{
	int r = -ENODATA;

	for (int i = 0; i < 2 && (r == -ENODATA || r == -EPIPE || r == -ECONNRESET); i++) {
		ipc_free(TAKE(milters->ipc));
		milters->ipc = ipc_connect("private/filter", clock_after(MILTER_CONNECT_TIME));
		if (milters->ipc == NULL)
			return -errno;
		ipc_set_timeout(milters->ipc, milters->timeout);
		r = ipc_send_bytes(milters->ipc, str_view(&milters->opening));
		if (r == 0)
			r = ipc_send_message(milters->ipc, type, fields);
		if (r == 0)
			r = ipc_receive(milters->ipc, answer);
	}
	return r;
}

/* 0 with the answer, or a negative errno: filter is gone, for good. */
static int milters_ask(struct milters *milters, enum message_type type, const void *fields,
		       enum message_type expected, struct message *answer)
{
	int r = -EPIPE;

	if (milters->lost)
		return r;
	if (!milters->has_answered) {
		r = milters_open(milters, type, fields, answer);
	} else {
		r = ipc_send_message(milters->ipc, type, fields);
		if (r == 0)
			r = ipc_receive(milters->ipc, answer);
	}
	if (r == 0 && answer->type != expected) {
		message_close_fd(answer);
		r = -EBADMSG;
	}
	milters->has_answered = milters->has_answered || r == 0;
	if (r == 0) {
		str_free(&milters->opening);
		return 0;
	}
	log_warning("the program filter does not answer: %s", strerror(-r));
	ipc_free(TAKE(milters->ipc));
	milters->lost = true;
	return r;
}

static bool verdict_take(const struct msg_milter_verdict *m, struct milter_verdict *verdict)
{
	if (m->discard > 1 || m->hold > 1 || m->rejected_too > 1 || m->failed > 1 ||
	    (m->reply.len > 0 && !milter_reply_is_valid(m->reply)))
		return false;
	verdict->discard = m->discard;
	verdict->hold = m->hold;
	verdict->rejected_too = m->rejected_too;
	str_append(&verdict->reply, m->reply);
	str_append_printable(&verdict->reason, m->reason);
	return true;
}

void milters_event(struct milters *milters, enum milter_event event, struct view text,
		   struct view argument, uint16_t port, struct milter_verdict *verdict)
{
	const struct msg_milter_event fields = { .event = (uint8_t)event,
						 .text = view_first(text, IPC_TEXT_MAX),
						 .argument = view_first(argument, IPC_TEXT_MAX),
						 .port = port };
	struct message answer;

	milter_verdict_free(verdict);
	*verdict = (struct milter_verdict){ 0 };
	if (milters_ask(milters, MSG_milter_event, &fields, MSG_milter_verdict, &answer) == 0) {
		if (verdict_take(&answer.milter_verdict, verdict))
			return;
		log_warning("the program filter gave an answer that cannot be");
		milters->lost = true;
	}
	str_set(&verdict->reply, milter_default_reply(milters->default_action, &verdict->hold));
	if (verdict->hold)
		str_set(&verdict->reason, VIEW("no answer of milters"));
}

void milters_reset(struct milters *milters)
{
	milters_say(milters, MSG_milter_reset, &(struct msg_milter_reset){ 0 });
}

int milters_channel(struct milters *milters)
{
	struct message answer;

	if (milters_ask(milters, MSG_milter_content, &(struct msg_milter_content){ 0 },
			MSG_milter_channel, &answer) < 0)
		return -1;
	return answer.milter_channel.channel;
}

struct ipc *milters_ipc(struct milters *milters)
{
	return milters->lost ? NULL : milters->ipc;
}

void milters_end(struct milters *milters)
{
	if (milters == NULL)
		return;
	ipc_free(milters->ipc);
	str_free(&milters->opening);
	free(milters);
}
