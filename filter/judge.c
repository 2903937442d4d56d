/*
 * The content of one message, shown to one milter: fields, body, end, and what it wants to change. The
 * changes go on as they come; whoever asked applies them only when the verdict says that they count.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "ipc/ipc.h"
#include "mail/address.h"
#include "milter.h"

/* One milter's wishes about one message. */
#define EDITS_MAX 10000

struct judgement {
	struct conversation *conversation;
	struct milter *milter;
	struct ipc *ipc;
	msec_t limit;
	struct milter_result result;
	bool is_decided; /* `result` is its last word */
	size_t edits, edit_bytes;
	uint64_t body_bytes;
	bool replaces_body, body_is_closed;
};

/* ---- changes ---- */

static int judge_send_edit(struct judgement *j, uint8_t edit, uint32_t index, struct view name,
			   struct view value, struct view arguments)
{
	return ipc_send(j->ipc, milter_edit, .edit = edit, .index = index, .name = name,
			.value = view_first(value, IPC_FRAME_MAX),
			.arguments = view_first(arguments, IPC_TEXT_MAX));
}

static int judge_edit_header(struct judgement *j, const struct milter_reply *said)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	uint8_t edit = said->said == SAID_ADD_HEADER	  ? MILTER_EDIT_ADD_HEADER
		       : said->said == SAID_INSERT_HEADER ? MILTER_EDIT_INSERT_HEADER
							  : MILTER_EDIT_CHANGE_HEADER;

	if (!milter_is_field_name(said->text)) {
		log_warning("milter %s: a header field without a proper name is left out",
			    str_cstr(&j->milter->set.endpoint));
		return 0;
	}
	/* An empty value deletes the field, or is an empty field. */
	if (said->value.len > 0 && !(j->milter->steps & MILTER_LEADING_SPACE))
		str_append_byte(&value, ' ');
	milter_field_value(said->value, &value);
	j->edit_bytes += said->text.len + value.len;
	if (j->edit_bytes > (size_t)param.message_header_limit)
		return -E2BIG;
	return judge_send_edit(j, edit, said->index, said->text, str_view(&value), VIEW_NONE);
}

/* "<user@domain>" or without the brackets. Empty: not to be used. */
static bool judge_take_address(struct judgement *j, struct view text, struct str *address)
{
	const char *problem = "text after it";
	struct view rest = view_trim(text);

	if (address_parse_path(&rest, false, true, address, &problem) == 0 && rest.len == 0)
		return true;
	log_warning("milter %s: an address that is none is left out: %s",
		    str_cstr(&j->milter->set.endpoint), problem);
	return false;
}

static int judge_edit_address(struct judgement *j, const struct milter_reply *said)
{
	_cleanup_(str_free) struct str address = STR_EMPTY;
	uint8_t edit = said->said == SAID_CHANGE_SENDER	     ? MILTER_EDIT_SENDER
		       : said->said == SAID_DELETE_RECIPIENT ? MILTER_EDIT_DELETE_RECIPIENT
							     : MILTER_EDIT_ADD_RECIPIENT;

	if (!judge_take_address(j, said->text, &address) ||
	    (address.len == 0 && edit != MILTER_EDIT_SENDER))
		return 0;
	return judge_send_edit(j, edit, 0, VIEW_NONE, str_view(&address), said->value);
}

/* The pieces of a body come one after the other, with nothing between them. */
static int judge_edit_body(struct judgement *j, const struct milter_reply *said)
{
	if (j->body_is_closed)
		return -EBADMSG;
	j->replaces_body = true;
	j->body_bytes += said->text.len;
	if (param.message_size_limit > 0 && j->body_bytes > (uint64_t)param.message_size_limit)
		return -E2BIG;
	return judge_send_edit(j, MILTER_EDIT_BODY, 0, VIEW_NONE, said->text, VIEW_NONE);
}

static int judge_edit(void *argument, const struct milter_reply *said)
{
	struct judgement *j = argument;

	if (said->said == SAID_REPLACE_BODY)
		return judge_edit_body(j, said);
	j->body_is_closed = j->replaces_body;
	if (++j->edits > EDITS_MAX)
		return -E2BIG;
	switch (said->said) {
	case SAID_ADD_HEADER:
	case SAID_INSERT_HEADER:
	case SAID_CHANGE_HEADER:
		return judge_edit_header(j, said);
	default:
		return judge_edit_address(j, said);
	}
}

/* ---- content ---- */

static void judge_tell(struct judgement *j, enum milter_step step, struct view frame)
{
	milter_edit_function *edit = step == STEP_EOM ? judge_edit : NULL;

	if (j->is_decided)
		return;
	milter_step(j->milter, step, &j->conversation->macros, frame, j->limit, edit, j,
		    &j->result);
	j->is_decided = j->result.outcome != RESULT_CONTINUES;
}

static void judge_header(struct judgement *j, const struct msg_milter_header *field)
{
	struct str *frame = &j->conversation->frame;
	struct view value = field->value;
	size_t begin;

	if (!milter_wants(j->milter, STEP_HEADER))
		return;
	if (!(j->milter->steps & MILTER_LEADING_SPACE) && view_starts(value, VIEW(" ")))
		value = view_from(value, 1);
	str_clear(frame);
	begin = milter_frame_begin(frame, MILTER_SAYS_HEADER);
	milter_frame_string(frame, field->name);
	milter_frame_string(frame, value);
	milter_frame_end(frame, begin);
	judge_tell(j, STEP_HEADER, str_view(frame));
}

/* A frame without strings. */
static void judge_bytes(struct judgement *j, enum milter_step step, struct view bytes)
{
	struct str *frame = &j->conversation->frame;

	do {
		struct view piece = view_first(bytes, MILTER_DATA_MAX);
		size_t begin;

		bytes = view_from(bytes, piece.len);
		str_clear(frame);
		begin = milter_frame_begin(frame, milter_command(step));
		str_append(frame, piece);
		milter_frame_end(frame, begin);
		judge_tell(j, step, str_view(frame));
	} while (bytes.len > 0);
}

/* Half a new body is no body, and the old one is not what the milter wanted to let pass. */
static void judge_half_body(struct judgement *j)
{
	struct milter_result *result = &j->result;

	if (result->outcome == RESULT_FAILS && j->replaces_body && result->reply.len == 0 &&
	    !result->hold)
		str_set(&result->reply,
			milter_default_reply(MILTER_DEFAULT_TEMPFAIL, &result->hold));
}

static int judge_answer(struct judgement *j)
{
	const struct milter_result *result = &j->result;

	return ipc_send(j->ipc, milter_verdict, .reply = str_view(&result->reply),
			.reason = view_first(str_view(&result->reason), IPC_TEXT_MAX),
			.discard = result->outcome == RESULT_DISCARDS, .hold = result->hold,
			.failed = result->outcome == RESULT_FAILS);
}

/* The frames of a message until its end. */
static int judge_receive(struct judgement *j, struct message *m)
{
	bool in_body = false;
	int r;

	for (;;) {
		r = ipc_receive(j->ipc, m);
		if (r < 0)
			return r;
		if (m->type == MSG_milter_header && !in_body) {
			judge_header(j, &m->milter_header);
			continue;
		}
		if (m->type != MSG_milter_body && m->type != MSG_milter_end) {
			message_close_fd(m);
			return -EBADMSG;
		}
		if (!in_body)
			judge_bytes(j, STEP_EOH, VIEW_NONE);
		in_body = true;
		if (m->type == MSG_milter_end)
			return 0;
		if (m->milter_body.bytes.len > 0 && milter_wants(j->milter, STEP_BODY))
			judge_bytes(j, STEP_BODY, m->milter_body.bytes);
	}
}

/* What this milter wants to see of the message; 0: not even that there is one. */
static uint8_t judge_parts(const struct milter *m)
{
	/* It has no part in this message but its word. */
	if (m->sticky.len > 0 || m->sticky_hold || m->refusal.len > 0)
		return MILTER_WANTS_END;
	if (!milter_wants(m, STEP_EOM) || !m->in_message)
		return 0;
	return (uint8_t)(MILTER_WANTS_END |
			 (milter_wants(m, STEP_HEADER) ? MILTER_WANTS_HEADER : 0) |
			 (milter_wants(m, STEP_BODY) ? MILTER_WANTS_BODY : 0));
}

int judge_message(struct conversation *c, struct ipc *ipc, struct message *m)
{
	uint32_t index = m->milter_message.index;
	struct judgement j = { .conversation = c, .ipc = ipc };
	uint8_t parts = 0;
	int r;

	if (index < c->count) {
		j.milter = &c->milters[index];
		j.limit = clock_after(param.milter_time_limit);
		parts = judge_parts(j.milter);
	}
	r = ipc_send(ipc, milter_wants, .parts = parts, .more = index < c->count);
	if (r < 0 || parts == 0)
		return r;
	r = judge_receive(&j, m);
	if (r == 0) {
		judge_bytes(&j, STEP_EOM, VIEW_NONE);
		judge_half_body(&j);
		r = judge_answer(&j);
	}
	str_free(&c->frame);
	milter_result_free(&j.result);
	return r;
}
