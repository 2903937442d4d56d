/* posta queue show: the queue file, from the descriptor that qmgr hands over. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "base/io.h"
#include "base/mem.h"
#include "mail/date.h"
#include "queue/queue.h"
#include "tools/tool.h"
#include "tools/verb_queue.h"

#define PIECE ((size_t)32 * 1024)

static void show_text(const char *name, struct view text)
{
	_cleanup_(str_free) struct str clean = STR_EMPTY;

	if (text.len == 0)
		return;
	str_append_printable(&clean, text);
	printf("%s: %s\n", name, str_cstr(&clean));
}

static void show_time(const char *name, int64_t seconds)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (seconds == 0)
		return;
	date_append_rfc5322(&text, seconds);
	printf("%s: %s\n", name, str_cstr(&text));
}

static const char *file_outcome_word(const struct queue_recipient *r)
{
	static const char *const words[] = { "pending", "delivered", "deferred",
					     "failed",	"relayed",   "expanded" };

	return words[r->outcome <= OUTCOME_EXPANDED ? r->outcome : 0];
}

static void file_show_recipient(struct queue_file *f, const struct queue_recipient *r)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	struct queue_reason reason = { 0 };

	str_append_printable(&line, r->address);
	if (!view_eq(r->original, r->address)) {
		str_append(&line, VIEW(" (given as "));
		str_append_printable(&line, r->original);
		str_append(&line, VIEW(")"));
	}
	str_printf(&line, " %s", file_outcome_word(r));
	if (r->reason != 0 && queue_file_reason(f, r->reason, &reason) == 0) {
		str_append(&line, VIEW(": "));
		str_append_printable(&line, reason.status);
		str_append(&line, VIEW(" "));
		str_append_printable(&line, reason.diagnostic);
	}
	printf("recipient: %s\n", str_cstr(&line));
}

static void show_envelope(struct queue_file *f)
{
	const struct queue_envelope *e = queue_file_envelope(f);
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;
	uint32_t flags = queue_file_flags(f);

	printf("*** ENVELOPE RECORDS %s ***\n", queue_file_id(f));
	printf("message_size: %llu\n", (unsigned long long)queue_file_content_size(f));
	show_time("message_arrival_time", e->arrival / 1000000);
	show_time("next_attempt", queue_file_next_attempt(f));
	if (flags & QUEUE_FLAG_HOLD)
		puts("state: hold");
	show_text("held_because", e->held);
	if (flags & QUEUE_FLAG_EXPIRED)
		puts("state: expired");
	show_text("sender", e->sender.len > 0 ? e->sender : VIEW("<>"));
	show_text("envelope_id", e->envid);
	show_text("client_name", e->client_name);
	show_text("client_address", e->client_address);
	show_text("helo_name", e->helo);
	show_text("protocol_name", e->protocol);
	show_text("sasl_username", e->login);
	while (queue_file_next_recipient(f, &cursor, &r) > 0)
		file_show_recipient(f, &r);
}

struct contents {
	unsigned parts;
	bool in_body;
	bool line_empty;
};

/* With the line ends of this system. */
static void show_bytes(struct contents *c, struct view bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		char byte = bytes.data[i];

		if (byte == '\r')
			continue;
		bool shown = c->parts & (c->in_body ? SHOW_BODY : SHOW_HEADER);

		if (byte == '\n' && c->line_empty && !c->in_body) {
			/* The empty line belongs to both. */
			shown = c->parts & SHOW_BODY && c->parts & SHOW_HEADER;
			c->in_body = true;
		}
		c->line_empty = byte == '\n';
		if (shown)
			putchar(byte);
	}
}

static int show_content(struct queue_file *f, unsigned parts)
{
	_cleanup_free_ char *buffer = mem_resize(NULL, PIECE, 1);
	struct contents c = { .parts = parts, .line_empty = true };
	uint64_t offset = queue_file_content_offset(f), end = offset + queue_file_content_size(f);

	while (offset < end) {
		size_t piece = (size_t)MIN(end - offset, (uint64_t)PIECE);
		int r = io_pread_all(queue_file_fd(f), buffer, piece, (off_t)offset);

		if (r < 0)
			return r;
		show_bytes(&c, view_make(buffer, piece));
		offset += piece;
	}
	return 0;
}

static int show_opened(struct queue_file *f, unsigned parts)
{
	int r;

	if (parts & SHOW_ENVELOPE)
		show_envelope(f);
	if ((parts & SHOW_ENVELOPE) && (parts & ~(unsigned)SHOW_ENVELOPE))
		printf("*** MESSAGE CONTENTS %s ***\n", queue_file_id(f));
	r = parts & ~(unsigned)SHOW_ENVELOPE ? show_content(f, parts) : 0;
	if (parts & SHOW_ENVELOPE)
		printf("*** MESSAGE FILE END %s ***\n", queue_file_id(f));
	return r < 0 ? queue_fail("%s: %s", queue_file_id(f), strerror(-r)) : TOOL_DONE;
}

static int show_from_disk(const char *id, unsigned parts)
{
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	struct error err = ERROR_NONE;
	struct queue *queue;
	int r = queue_entry_open(id, &queue, &f, &err);

	if (r < 0)
		return queue_fail("open queue file %s: %s", id, strerror(-r));
	r = show_opened(f, parts);
	queue_file_close(TAKE(f));
	queue_close(queue);
	return r;
}

int queue_show(struct ipc *ipc, const char *id, unsigned parts)
{
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	struct error err = ERROR_NONE;
	struct message m;

	if (!queue_id_is_valid(view_of(id)))
		return queue_fail("bad mail queue ID: %s", id);
	if (ipc == NULL)
		return show_from_disk(id, parts);
	int r = ipc_send(ipc, queue_open, .queue_id = view_of(id));

	if (r == 0)
		r = ipc_receive(ipc, &m);
	if (r < 0 || m.type != MSG_queue_opened) {
		if (r == 0 && m.type == MSG_verdict)
			return queue_fail("open queue file %s: %.*s", id, VIEW_ARG(m.verdict.text));
		return queue_failure(r, &m);
	}
	r = queue_file_from_fd(m.queue_opened.file, view_of(id), &f, &err);
	return r < 0 ? queue_fail("%s", err.text) : show_opened(f, parts);
}

int queue_show_file(const char *path, unsigned parts)
{
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	struct error err = ERROR_NONE;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return queue_fail("open %s: %s", path, strerror(errno));
	/* The descriptor is taken in any case. */
	if (queue_file_from_fd(fd, view_of(name), &f, &err) < 0)
		return queue_fail("%s: input is not a valid queue file", path);
	return show_opened(f, parts);
}
