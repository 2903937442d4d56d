/* A message's content, shown to the milters by way of filter, and what they say about it. */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "milters.h"
#include "services/milter.h"

#define PIECE_SIZE IPC_FRAME_MAX

static void judge_log(struct intake *in, const char *action, const char *step, struct view text)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_printf(&line, "%s: %s: %s from ", queue_writer_id(in->writer), action, step);
	if (in->client_address.len > 0)
		str_printf(&line, "%s[%s]: ", str_cstr(&in->client_name),
			   str_cstr(&in->client_address));
	else
		str_append_cstr(&line, "localhost[127.0.0.1]: ");
	str_append_printable(&line, text);
	str_append_cstr(&line, "; from=<");
	address_show(&line, str_view(&in->sender));
	str_append_cstr(&line, ">");
	if (in->protocol.len > 0)
		str_printf(&line, " proto=%s", str_cstr(&in->protocol));
	if (in->helo.len > 0) {
		str_append_cstr(&line, " helo=<");
		str_append_printable(&line, str_view(&in->helo));
		str_append_cstr(&line, ">");
	}
	log_info("%s", str_cstr(&line));
}

/* "550 5.7.1 text", of several lines perhaps, which become one. */
static int judge_refuse(struct intake *in, struct view reply)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view line, code = view_first(reply, 3), word;
	uint32_t number = 451;

	view_parse_u32(code, 599, &number);
	while (view_next(&reply, '\n', &line)) {
		struct view rest = view_trim(view_from(line, 4));

		view_next_word(&rest, " ", &word);
		if (text.len == 0)
			str_set(&in->fail_status_text, word);
		else
			str_append_byte(&text, ' ');
		str_append_printable(&text, view_trim(rest));
	}
	return intake_fail(in, number, str_cstr(&in->fail_status_text), str_cstr(&text));
}

int judge_verdict(struct intake *in, const char *step, struct view reply, bool discard, bool hold,
		  struct view reason)
{
	if (reply.len > 0) {
		judge_log(in, "milter-reject", step,
			  view_first(reply, view_find_byte(reply, '\r')));
		return judge_refuse(in, reply);
	}
	if (discard) {
		judge_log(in, "milter-discard", step, VIEW("discarded"));
		return intake_discard(in);
	}
	if (hold) {
		judge_log(in, "milter-hold", step, reason);
		intake_hold(in, "milter", reason);
	}
	return 0;
}

int judge_failure(struct intake *in, bool half)
{
	enum milter_default action = MILTER_DEFAULT_TEMPFAIL;
	struct view reply;
	bool hold;

	milter_default_parse(view_of(param.milter_default_action), &action);
	if (half && action == MILTER_DEFAULT_ACCEPT)
		action = MILTER_DEFAULT_TEMPFAIL;
	reply = milter_default_reply(action, &hold);
	return judge_verdict(in, "END-OF-MESSAGE", reply, false, hold, VIEW("filter failed"));
}

/* ---- showing it ---- */

/* As milters want values: folded lines with LF between them. */
static int judge_send_field(struct ipc *ipc, const struct judged_field *f)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct view whole = str_view(&f->whole);
	size_t colon = view_find_byte(whole, ':');
	struct view rest = view_from(whole, colon + 1);

	for (size_t i = 0; i < rest.len && value.len < IPC_FRAME_MAX; i++)
		if (rest.data[i] != '\r')
			str_append_byte(&value, rest.data[i]);
	if (view_ends(str_view(&value), VIEW("\n")))
		value.len--;
	return ipc_send(ipc, milter_header,
			.name = view_first(view_trim(view_first(whole, colon)), IPC_HOST_MAX),
			.value = str_view(&value));
}

static int judge_send_body(struct intake *in, const struct judged *j, struct ipc *ipc)
{
	_cleanup_free_ char *piece = mem_resize(NULL, PIECE_SIZE, 1);
	struct queue_writer *from = j->body != NULL ? j->body : in->writer;
	uint64_t at = j->body != NULL ? 0 : j->body_at;
	ssize_t n;
	int r = 0;

	while (r == 0) {
		n = queue_writer_read(from, at, piece, PIECE_SIZE);
		if (n <= 0)
			return (int)n;
		r = ipc_send(ipc, milter_body, .bytes = view_make(piece, (size_t)n));
		at += (uint64_t)n;
	}
	return r;
}

static int judge_send_message(struct intake *in, const struct judged *j, struct ipc *ipc,
			      uint8_t parts)
{
	int r = 0;

	if (parts & MILTER_WANTS_HEADER)
		for (size_t i = 0; r == 0 && i < j->count; i++)
			if (!j->fields[i].is_own)
				r = judge_send_field(ipc, &j->fields[i]);
	if (r == 0 && (parts & MILTER_WANTS_BODY))
		r = judge_send_body(in, j, ipc);
	return r < 0 ? r : ipc_send(ipc, milter_end);
}

/* ---- what they say ---- */

/* Edits, and then the verdict, left in *m. 0 or a negative errno. */
static int receive_verdict(struct ipc *ipc, struct edits *edits, struct message *m)
{
	for (;;) {
		int r = ipc_receive(ipc, m);

		if (r < 0)
			return r;
		if (m->type == MSG_milter_verdict) {
			struct view reply = m->milter_verdict.reply;

			return reply.len == 0 || milter_reply_is_valid(reply) ? 0 : -EBADMSG;
		}
		if (m->type != MSG_milter_edit) {
			message_close_fd(m);
			return -EBADMSG;
		}
		r = edits_add(edits, &m->milter_edit);
		if (r < 0)
			return r;
	}
}

/* One milter. 0: on to the next; 1: there is none; or -EACCES after intake_fail. */
static int judge_by_one(struct intake *in, struct judged *j, struct ipc *ipc, uint32_t index)
{
	struct edits edits = { 0 };
	struct message m;
	int r = ipc_send(ipc, milter_message, .index = index);

	if (r == 0)
		r = ipc_expect(ipc, MSG_milter_wants, &m);
	if (r == 0 && !(m.milter_wants.parts & MILTER_WANTS_END))
		return m.milter_wants.more ? 0 : 1;
	if (r == 0)
		r = judge_send_message(in, j, ipc, m.milter_wants.parts);
	if (r == 0)
		r = receive_verdict(ipc, &edits, &m);
	if (r < 0) {
		log_warning("%s: milters: %s", queue_writer_id(in->writer), strerror(-r));
		judge_failure(in, edits.body != NULL);
		r = in->fail_code != 0 ? -EACCES : 1;
	} else {
		const struct msg_milter_verdict *v = &m.milter_verdict;

		r = judge_verdict(in, "END-OF-MESSAGE", v->reply, v->discard, v->hold, v->reason);
		if (r == 0 && !v->failed)
			r = edits_apply(in, j, &edits);
		/* Held because a milter failed: the others are not asked. */
		if (r == 0 && v->failed && v->hold)
			r = 1;
	}
	edits_free(&edits);
	return r;
}

/* Reads the header of what was written, and where the body begins. */
static int judged_read(struct intake *in, struct judged *j)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;
	size_t end = VIEW_NOT_FOUND, from = 0;
	ssize_t n = 1;

	while (n > 0 && end == VIEW_NOT_FOUND) {
		char *to = str_reserve(&header, PIECE_SIZE);

		n = queue_writer_read(in->writer, header.len, to, PIECE_SIZE);
		if (n <= 0)
			break;
		str_grow(&header, (size_t)n);
		end = header_find_end(str_view(&header), from);
		from = view_find_last_byte(str_view(&header), '\n');
		from = from == VIEW_NOT_FOUND ? 0 : from + 1;
	}
	if (n < 0)
		return (int)n;
	if (end == VIEW_NOT_FOUND)
		return -EBADMSG;
	j->body_at = end;
	j->filled = end - MIN(end, in->header_written.all);
	judged_parse(j, view_first(str_view(&header), end), in->header_written.front,
		     in->header_written.added);
	return 0;
}

int judge_content(struct intake *in, struct ipc *ipc)
{
	struct judged *j = mem_new(struct judged);
	int r = judged_read(in, j);

	in->judged = j;
	if (r < 0)
		return intake_fail_temporarily(in, "read the queue file", r);
	for (uint32_t index = 0; r == 0 && index < MILTERS_MAX; index++)
		r = judge_by_one(in, j, ipc, index);
	return MIN(r, 0);
}
