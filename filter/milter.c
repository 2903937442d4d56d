/*
 * One milter: what it is told, what it answers, and what it means when it does not. Believes nothing
 * that it says beyond what was agreed upon.
 */
#include "milter.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "services/clients.h"

#define CONFIGURATION_PROBLEM "4.3.5 Server configuration problem - try again later"

/* no: it does not want it; silent: no answer comes; since: which version brought it. */
static const struct {
	char command;
	uint32_t no, silent;
	unsigned since;
	enum milter_stage stage; /* STAGE_LISTS: no macros */
} steps[STEP_COUNT] = {
	[STEP_CONNECT] = { MILTER_SAYS_CONNECT, MILTER_NO_CONNECT, MILTER_SILENT_CONNECT, 2,
			   STAGE_CONNECT },
	[STEP_HELO] = { MILTER_SAYS_HELO, MILTER_NO_HELO, MILTER_SILENT_HELO, 2, STAGE_HELO },
	[STEP_MAIL] = { MILTER_SAYS_MAIL, MILTER_NO_MAIL, MILTER_SILENT_MAIL, 2, STAGE_MAIL },
	[STEP_RCPT] = { MILTER_SAYS_RCPT, MILTER_NO_RCPT, MILTER_SILENT_RCPT, 2, STAGE_RCPT },
	[STEP_RCPT_REJECTED] = { MILTER_SAYS_RCPT, MILTER_NO_RCPT, MILTER_SILENT_RCPT, 2,
				 STAGE_RCPT },
	[STEP_DATA] = { MILTER_SAYS_DATA, MILTER_NO_DATA, MILTER_SILENT_DATA, 4, STAGE_DATA },
	[STEP_UNKNOWN] = { MILTER_SAYS_UNKNOWN, MILTER_NO_UNKNOWN, MILTER_SILENT_UNKNOWN, 3,
			   STAGE_UNKNOWN },
	[STEP_HEADER] = { MILTER_SAYS_HEADER, MILTER_NO_HEADERS, MILTER_SILENT_HEADERS, 2,
			  STAGE_LISTS },
	[STEP_EOH] = { MILTER_SAYS_EOH, MILTER_NO_EOH, MILTER_SILENT_EOH, 2, STAGE_EOH },
	[STEP_BODY] = { MILTER_SAYS_BODY, MILTER_NO_BODY, MILTER_SILENT_BODY, 2, STAGE_LISTS },
	[STEP_EOM] = { MILTER_SAYS_EOM, 0, 0, 2, STAGE_EOM },
};

char milter_command(enum milter_step step)
{
	return steps[step].command;
}

void milter_init(struct milter *m, const struct milter_setting *setting)
{
	*m = (struct milter){ .set = *setting };
	m->set.endpoint = STR_EMPTY;
	str_append(&m->set.endpoint, str_view(&setting->endpoint));
}

static void milter_close(struct milter *m)
{
	stream_free(TAKE(m->io));
	str_free(&m->in);
	m->in_message = false;
}

/* A short frame without data, with nobody waiting for what comes of it. */
static void milter_say(struct milter *m, char what)
{
	struct str frame = STR_EMPTY;

	milter_frame_end(&frame, milter_frame_begin(&frame, what));
	stream_set_deadline(m->io, clock_after(m->set.command_timeout));
	if (stream_write(m->io, str_view(&frame)) < 0)
		log_info("milter %s: gone", str_cstr(&m->set.endpoint));
	str_free(&frame);
}

void milter_free(struct milter *m)
{
	if (m->io != NULL) {
		milter_say(m, MILTER_SAYS_QUIT);
		stream_set_deadline(m->io, clock_after(0));
		stream_flush(m->io);
	}
	milter_close(m);
	for (size_t i = 0; i < STAGE_COUNT; i++)
		str_free(&m->macros[i]);
	str_free(&m->sticky);
	str_free(&m->refusal);
	str_free(&m->set.endpoint);
}

void milter_result_free(struct milter_result *result)
{
	str_free(&result->reply);
	str_free(&result->reason);
}

/* ---- the end of it ---- */

static void result_of_ended(const struct milter *m, struct milter_result *result)
{
	result->outcome = m->failed	      ? RESULT_FAILS
			  : m->sticky.len > 0 ? RESULT_REPLIES
					      : RESULT_CONTINUES;
	result->hold = result->hold || m->sticky_hold;
	str_set(&result->reply, str_view(&m->sticky));
	if (m->sticky_hold)
		str_set(&result->reason, VIEW("milter failed"));
}

/* From now on this is its answer to everything. */
static void milter_end_with(struct milter *m, struct view reply, struct milter_result *result)
{
	milter_close(m);
	m->state = MILTER_ENDED;
	str_set(&m->sticky, reply);
	result_of_ended(m, result);
}

void milter_fail(struct milter *m, const char *why, struct milter_result *result)
{
	struct view reply = milter_default_reply(m->set.default_action, &m->sticky_hold);

	log_warning("milter %s: %s", str_cstr(&m->set.endpoint), why);
	m->failed = true;
	milter_end_with(m, reply, result);
}

/* It works, but not together with us: never as if it were not there, nor for good. */
static void milter_fail_wrong(struct milter *m, const char *why, struct milter_result *result)
{
	bool hangs_up = m->set.default_action == MILTER_DEFAULT_SHUTDOWN;

	log_warning("milter %s: %s", str_cstr(&m->set.endpoint), why);
	m->failed = true;
	milter_end_with(m,
			hangs_up ? VIEW("421 " CONFIGURATION_PROBLEM)
				 : VIEW("451 " CONFIGURATION_PROBLEM),
			result);
}

static const char *milter_reason(int r)
{
	return r == -EBADMSG	 ? "it does not keep to the protocol"
	       : r == -ENODATA	 ? "it closed the connection"
	       : r == -EPROTO	 ? "it does what was not agreed upon (milter_protocol)"
	       : r == -EINVAL	 ? "expected inet:host:port or unix:path"
	       : r == -EPERM	 ? "it does not stand in main.cf or master.cf"
	       : r == -ETIMEDOUT ? "it did not answer in time"
				 : strerror(-r);
}

/* ---- frames ---- */

/* The next frame, valid until another is read. */
static int milter_read(struct milter *m, char *what, struct view *data)
{
	uint32_t length;
	struct view bytes;
	int r = stream_read_exact(m->io, &length, sizeof(length));

	if (r < 0)
		return r;
	str_clear(&m->in);
	str_append(&m->in, view_make(&length, sizeof(length)));
	length = ntohl(length);
	if (length == 0 || length > 1 + MILTER_DATA_MAX)
		return -EBADMSG;
	r = stream_read_exact(m->io, str_reserve(&m->in, length), length);
	if (r < 0)
		return r;
	str_grow(&m->in, length);
	bytes = str_view(&m->in);
	return milter_frame_next(&bytes, what, data) == 1 ? 0 : -EBADMSG;
}

/* ---- the beginning ---- */

static int milter_negotiate(struct milter *m)
{
	_cleanup_(str_free) struct str frame = STR_EMPTY;
	struct milter_options options;
	struct view data;
	char what;
	int r;

	milter_frame_options(&frame, m->set.protocol);
	stream_set_deadline(m->io, clock_after(m->set.command_timeout));
	stream_write(m->io, str_view(&frame));
	r = stream_flush(m->io);
	if (r == 0)
		r = milter_read(m, &what, &data);
	if (r == 0 && what != MILTER_SAYS_OPTIONS)
		r = -EBADMSG;
	if (r == 0)
		r = milter_options_parse(data, m->set.protocol, &options);
	if (r < 0)
		return r;
	m->version = options.version;
	m->actions = options.actions;
	m->steps = options.steps;
	if (m->set.silent_headers)
		m->steps |= MILTER_SILENT_HEADERS;
	for (size_t i = 0; i < STAGE_COUNT; i++) {
		m->has_macros[i] = options.has_macros[i];
		str_set(&m->macros[i], options.macros[i]);
	}
	return 0;
}

bool milter_open(struct milter *m, struct milter_result *result)
{
	int r;

	if (m->state != MILTER_NEW)
		return true;
	r = service_endpoint_connect(str_view(&m->set.endpoint),
				     clock_after(m->set.connect_timeout));
	if (r >= 0) {
		m->io = stream_new(r);
		/* A message that is under way is brought to its end even while the program stops. */
		stream_finish_first(m->io, true);
		r = milter_negotiate(m);
	}
	if (r == 0) {
		m->state = MILTER_OPEN;
		return true;
	}
	milter_fail(m, milter_reason(r), result);
	return false;
}

/* ---- steps ---- */

bool milter_wants(const struct milter *m, enum milter_step step)
{
	if (m->state != MILTER_OPEN || m->version < steps[step].since ||
	    ((m->steps | m->skipped) & steps[step].no) != 0)
		return false;
	if (step == STEP_RCPT_REJECTED && !(m->steps & MILTER_REJECTED_TOO))
		return false;
	return step < STEP_MAIL || step == STEP_UNKNOWN || !m->has_decided;
}

static const struct macro *macro_find(const struct macros *macros, struct view name)
{
	for (size_t i = 0; i < macros->count; i++)
		if (view_eq(str_view(&macros->items[i].name), name))
			return &macros->items[i];
	return NULL;
}

/* "i {auth_type}, {mail_addr}" and what is known of them, on the wire with braces but for one letter. */
static void append_macros(struct str *frame, const struct macros *macros, struct view names)
{
	struct view name;

	/* What is longer is cut off: however often it asks for the same. */
	while (frame->len <= MILTER_DATA_MAX && view_next_word(&names, ", \t\r\n", &name)) {
		const struct macro *macro;
		_cleanup_(str_free) struct str shown = STR_EMPTY;

		if (name.len > 2 && name.data[0] == '{' && view_ends(name, VIEW("}")))
			name = view_make(name.data + 1, name.len - 2);
		macro = macro_find(macros, name);
		if (macro == NULL || (!macro->is_known && macro->otherwise.len == 0))
			continue;
		str_printf(&shown, name.len == 1 ? "%.*s" : "{%.*s}", VIEW_ARG(name));
		milter_frame_string(frame, str_view(&shown));
		milter_frame_string(frame, macro->is_known ? str_view(&macro->value)
							   : str_view(&macro->otherwise));
	}
}

/* Even before what is not sent: it may ask for the macro later. */
static void send_macros(struct milter *m, enum milter_step step, const struct macros *macros)
{
	_cleanup_(str_free) struct str frame = STR_EMPTY;
	enum milter_stage stage = steps[step].stage;
	size_t begin = milter_frame_begin(&frame, MILTER_SAYS_MACROS);

	if (stage == STAGE_LISTS)
		return;
	str_append_byte(&frame, steps[step].command);
	append_macros(&frame, macros,
		      stage < STAGE_COUNT && m->has_macros[stage]
			      ? str_view(&m->macros[stage])
			      : str_view(&macros->names[stage]));
	milter_frame_end(&frame, begin);
	stream_write(m->io, str_view(&frame));
}

/* It decides about the client as such, or about one message. */
static void result_decides(struct milter *m, enum milter_step step, struct view reply,
			   struct milter_result *result)
{
	if (step <= STEP_HELO || view_starts(reply, VIEW("421"))) {
		milter_end_with(m, reply, result);
		return;
	}
	if (step != STEP_RCPT && step != STEP_UNKNOWN && step != STEP_RCPT_REJECTED) {
		m->has_decided = true;
		str_set(&m->refusal, reply);
	}
	result->outcome = RESULT_REPLIES;
	str_set(&result->reply, reply);
}

static void result_accepts(struct milter *m, enum milter_step step, struct milter_result *result)
{
	result->outcome = RESULT_ACCEPTS;
	m->has_decided = true;
	if (step <= STEP_HELO) {
		milter_say(m, MILTER_SAYS_QUIT);
		stream_flush(m->io);
		milter_close(m);
		m->state = MILTER_ACCEPTED;
	}
}

static void result_custom(struct milter *m, enum milter_step step, struct view text,
			  struct milter_result *result)
{
	_cleanup_(str_free) struct str reply = STR_EMPTY;

	if (milter_reply_text(text, &reply) < 0)
		milter_fail_wrong(m, "it gave a reply that is no SMTP reply with a status", result);
	else
		result_decides(m, step, str_view(&reply), result);
}

/* It may say so at its step only, and what it does not want more of is not sent. */
static bool result_skips(struct milter *m, enum milter_step step)
{
	if (!(m->steps & MILTER_MAY_SKIP) || step < STEP_RCPT)
		return false;
	m->skipped |= steps[step].no;
	return true;
}

/* A reply that ends the step. */
static void take_final(struct milter *m, enum milter_step step, const struct milter_reply *said,
		       struct milter_result *result)
{
	switch (said->said) {
	case SAID_CONTINUE:
		return;
	case SAID_ACCEPT:
		return result_accepts(m, step, result);
	case SAID_REJECT:
		return result_decides(m, step, VIEW("550 5.7.1 Command rejected"), result);
	case SAID_TEMPFAIL:
		return result_decides(
			m, step, VIEW("451 4.7.1 Service unavailable - try again later"), result);
	case SAID_DISCARD:
		/* No message is spoken of. */
		if (step <= STEP_HELO || step == STEP_UNKNOWN) {
			log_warning("milter %s: it would discard a client: ignored",
				    str_cstr(&m->set.endpoint));
			return;
		}
		m->has_decided = true;
		result->outcome = RESULT_DISCARDS;
		return;
	case SAID_REPLY:
		return result_custom(m, step, said->text, result);
	case SAID_SHUTDOWN:
		return milter_end_with(m, VIEW("421 4.7.0 Server closing connection"), result);
	case SAID_SKIP:
		if (result_skips(m, step))
			return;
		break;
	default:
		break;
	}
	milter_fail(m, milter_reason(-EBADMSG), result);
}

/* Was this agreed upon? */
static bool milter_may(const struct milter *m, enum milter_said said)
{
	uint32_t needed = milter_action_of(said);

	return needed == 0 || (needed & m->actions) != 0;
}

/* Takes what it says until its last word. 0, or why it cannot be believed. */
static int take_replies(struct milter *m, enum milter_step step, msec_t limit,
			milter_edit_function *edit, void *argument, struct milter_result *result)
{
	msec_t patience = step < STEP_HEADER ? m->set.command_timeout : m->set.content_timeout;

	for (;;) {
		struct milter_reply said;
		struct view data;
		char what;
		int r;

		stream_set_deadline(m->io, MIN(clock_after(patience), limit));
		r = milter_read(m, &what, &data);
		if (r == 0)
			r = milter_reply_parse(what, data, &said);
		if (r < 0)
			return r;
		if (!milter_may(m, said.said))
			return -EPROTO;
		if (said.said == SAID_PROGRESS)
			continue;
		if (said.said == SAID_QUARANTINE) {
			result->hold = true;
			str_clear(&result->reason);
			str_append_printable(&result->reason, said.text);
			continue;
		}
		if (milter_said_edit(said.said)) {
			r = edit != NULL ? edit(argument, &said) : -EBADMSG;
			if (r < 0)
				return r;
			continue;
		}
		take_final(m, step, &said, result);
		return 0;
	}
}

void milter_end_message(struct milter *m)
{
	if (m->in_message && m->state == MILTER_OPEN) {
		milter_say(m, MILTER_SAYS_ABORT);
		stream_flush(m->io);
	}
	m->in_message = m->has_decided = false;
	str_clear(&m->refusal);
	m->skipped = 0;
}

void milter_step(struct milter *m, enum milter_step step, const struct macros *macros,
		 struct view data, msec_t limit, milter_edit_function *edit, void *argument,
		 struct milter_result *result)
{
	msec_t patience = step < STEP_HEADER ? m->set.command_timeout : m->set.content_timeout;
	int r = 0;

	if (m->state == MILTER_ENDED) {
		result_of_ended(m, result);
		return;
	}
	if (step == STEP_MAIL && m->state == MILTER_OPEN)
		milter_end_message(m);
	if (m->has_decided && m->refusal.len > 0 && step != STEP_UNKNOWN) {
		result->outcome = RESULT_REPLIES;
		str_set(&result->reply, str_view(&m->refusal));
	}
	if (m->state != MILTER_OPEN ||
	    (step >= STEP_MAIL && step != STEP_UNKNOWN && m->has_decided))
		return;
	if (step == STEP_MAIL)
		m->in_message = true;
	stream_set_deadline(m->io, MIN(clock_after(patience), limit));
	send_macros(m, step, macros);
	if (milter_wants(m, step)) {
		r = stream_write(m->io, data);
		if (r == 0 && !(m->steps & steps[step].silent))
			r = stream_flush(m->io);
		if (r == 0 && !(m->steps & steps[step].silent))
			r = take_replies(m, step, limit, edit, argument, result);
	}
	if (r < 0)
		milter_fail(m, milter_reason(r), result);
	if (step == STEP_EOM)
		m->in_message = false;
}
