/* A client's session or a message as milters are told of it: each step to one after the other. */
#include <arpa/inet.h>
#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "endpoint.h"
#include "mail/address.h"
#include "milter.h"

void milters_conversation_free(struct conversation *c)
{
	for (size_t i = 0; i < c->count; i++)
		milter_free(&c->milters[i]);
	for (size_t i = 0; i < c->macros.count; i++) {
		str_free(&c->macros.items[i].name);
		str_free(&c->macros.items[i].value);
		str_free(&c->macros.items[i].otherwise);
	}
	for (size_t i = 0; i < STAGE_LISTS; i++)
		str_free(&c->macros.names[i]);
	str_free(&c->frame);
	free(c->macros.items);
	free(c->milters);
	free(c);
}

int conversation_use(struct conversation *c, const struct msg_milter_use *use)
{
	struct milter_setting setting = {
		.connect_timeout = use->connect_timeout,
		.command_timeout = use->command_timeout,
		.content_timeout = use->content_timeout,
		.default_action = (enum milter_default)use->default_action,
		.protocol = use->protocol,
		.silent_headers = use->silent_headers != 0,
	};
	struct milter_result result = { 0 };
	struct milter *m;

	if (c->count == MILTERS_MAX || c->has_begun ||
	    use->default_action > MILTER_DEFAULT_SHUTDOWN || use->protocol < 2 || use->protocol > 6)
		return -EBADMSG;
	str_append_printable(&setting.endpoint, use->endpoint);
	array_grow(c->milters, c->count);
	m = &c->milters[c->count];
	milter_init(m, &setting);
	c->count++;
	if (!endpoint_is_configured(use->endpoint))
		milter_fail(m, "it does not stand in main.cf or master.cf", &result);
	milter_result_free(&result);
	str_free(&setting.endpoint);
	return 0;
}

int conversation_names(struct conversation *c, const struct msg_milter_names *names)
{
	if (names->stage >= STAGE_LISTS)
		return -EBADMSG;
	str_set(&c->macros.names[names->stage], names->names);
	return 0;
}

static struct macro *macro_make(struct macros *macros, struct view name)
{
	for (size_t i = 0; i < macros->count; i++)
		if (view_eq(str_view(&macros->items[i].name), name))
			return &macros->items[i];
	if (macros->count == MACROS_MAX)
		return NULL;
	array_grow(macros->items, macros->count);

	struct macro *macro = &macros->items[macros->count++];

	*macro = (struct macro){ 0 };
	str_append(&macro->name, name);
	return macro;
}

int conversation_macro(struct conversation *c, const struct msg_milter_macro *m)
{
	struct macro *macro = m->name.len > 0 ? macro_make(&c->macros, m->name) : NULL;

	if (macro == NULL || m->kind >= MILTER_MACRO_KINDS)
		return -EBADMSG;
	if (m->kind == MILTER_MACRO_DEFAULT) {
		str_set(&macro->otherwise, m->value);
		return 0;
	}
	str_set(&macro->value, m->value);
	macro->is_known = m->kind == MILTER_MACRO_KNOWN || m->value.len > 0;
	return 0;
}

/* ---- frames ---- */

/* Hostname, family, port, address. */
static void frame_connect(struct str *frame, const struct msg_milter_event *e)
{
	uint16_t port = htons((uint16_t)e->port);
	int family = ip_family(e->argument);

	milter_frame_string(frame, e->text);
	str_append_byte(frame, family == 4 ? '4' : family == 6 ? '6' : 'U');
	if (family == 0)
		return;
	str_append(frame, view_make(&port, sizeof(port)));
	milter_frame_string(frame, e->argument);
}

/* The address, and its parameters as strings of their own. */
static void frame_address(struct str *frame, const struct msg_milter_event *e)
{
	struct view rest = e->argument, parameter;

	milter_frame_string(frame, e->text);
	while (view_next(&rest, '\0', &parameter))
		if (parameter.len > 0)
			milter_frame_string(frame, parameter);
}

static void frame_text(struct str *frame, const struct msg_milter_event *e)
{
	milter_frame_string(frame, e->text);
}

static void frame_nothing(struct str *frame, const struct msg_milter_event *e)
{
	(void)frame;
	(void)e;
}

static const struct {
	enum milter_step step;
	void (*fill)(struct str *frame, const struct msg_milter_event *e);
} events[MILTER_COMMANDS] = {
	[MILTER_CONNECT] = { STEP_CONNECT, frame_connect },
	[MILTER_HELO] = { STEP_HELO, frame_text },
	[MILTER_MAIL] = { STEP_MAIL, frame_address },
	[MILTER_RCPT] = { STEP_RCPT, frame_address },
	[MILTER_RCPT_REJECTED] = { STEP_RCPT_REJECTED, frame_address },
	[MILTER_DATA] = { STEP_DATA, frame_nothing },
	[MILTER_UNKNOWN] = { STEP_UNKNOWN, frame_text },
};

/* ---- one step ---- */

/* Into what the client hears. True: the milters after this one are not asked. */
static bool verdict_add(struct milter_verdict *verdict, const struct milter_result *result)
{
	if (result->hold) {
		verdict->hold = true;
		str_set(&verdict->reason, str_view(&result->reason));
	}
	if (result->reply.len > 0) {
		str_set(&verdict->reply, str_view(&result->reply));
		return true;
	}
	verdict->discard = result->outcome == RESULT_DISCARDS;
	return verdict->discard || (result->hold && result->outcome == RESULT_FAILS);
}

static bool conversation_step(struct conversation *c, struct milter *m, enum milter_step step,
			      struct milter_verdict *verdict)
{
	struct milter_result result = { 0 };
	bool decided;

	if (milter_open(m, &result))
		milter_step(m, step, &c->macros, str_view(&c->frame),
			    clock_after(param.milter_time_limit), NULL, NULL, &result);
	/* The recipient is refused, whatever it says; but it may have heard enough of the message. */
	if (step == STEP_RCPT_REJECTED) {
		verdict->discard = verdict->discard || result.outcome == RESULT_DISCARDS;
		milter_result_free(&result);
		return verdict->discard;
	}
	decided = verdict_add(verdict, &result);
	milter_result_free(&result);
	verdict->rejected_too = verdict->rejected_too || (m->steps & MILTER_REJECTED_TOO) != 0;
	return decided;
}

int conversation_event(struct conversation *c, const struct msg_milter_event *event,
		       struct milter_verdict *verdict)
{
	size_t begin;

	if (event->event >= MILTER_COMMANDS || event->port > UINT16_MAX)
		return -EBADMSG;

	enum milter_step step = events[event->event].step;

	c->has_begun = true;
	str_clear(&c->frame);
	begin = milter_frame_begin(&c->frame, milter_command(step));
	events[event->event].fill(&c->frame, event);
	milter_frame_end(&c->frame, begin);
	for (size_t i = 0; i < c->count; i++)
		if (conversation_step(c, &c->milters[i], step, verdict))
			break;
	str_free(&c->frame);
	return 0;
}

void conversation_reset(struct conversation *c)
{
	for (size_t i = 0; i < c->count; i++)
		milter_end_message(&c->milters[i]);
}
