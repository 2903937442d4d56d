/* The commands of a POP3 session after login. Login itself is lib/login's. */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "language.h"

/* Between rounds of file work, for the user's other connections. */
#define SETTLE_PAUSE 20

struct pop3 {
	struct stream *io;
	const struct session_client *client;
	struct store *store;
	struct maildrop drop;
	unsigned bad_commands;
	unsigned top_count, retr_count;
	uint64_t top_bytes, retr_bytes;
};

/* What a command's handler returns beside a negative errno (the connection is over). */
enum { GO_ON, BAD /* counts as an error; answered */, END };

struct command {
	const char *name;
	int (*handle)(struct pop3 *p, struct view argument);
};

static int pop3_reply(struct pop3 *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static int pop3_refuse(struct pop3 *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int pop3_reply(struct pop3 *p, const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;
	int r;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	str_append(&text, VIEW("\r\n"));
	r = stream_write(p->io, str_view(&text));
	return r < 0 ? r : GO_ON;
}

static int pop3_refuse(struct pop3 *p, const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;
	int r;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	r = pop3_reply(p, "-ERR %s", str_cstr(&text));
	return r < 0 ? r : BAD;
}

/* Takes a message number off *rest. 0 with *number, or what refuse() returned. */
static int pop3_take_number(struct pop3 *p, struct view *rest, uint32_t *number)
{
	struct view word;

	*number = 0;
	if (!view_next_word(rest, " ", &word))
		return pop3_refuse(p, "A message number is needed.");
	if (view_parse_u32(word, UINT32_MAX, number) < 0 || *number == 0 ||
	    *number > p->drop.count) {
		*number = 0;
		return pop3_refuse(p, "There is no such message; there are %u.", p->drop.count);
	}
	if (p->drop.deleted[*number - 1]) {
		*number = 0;
		return pop3_refuse(p, "That message is deleted.");
	}
	return 0;
}

static bool pop3d_session_has_argument(struct view argument)
{
	return view_trim(argument).len > 0;
}

/* ---- commands ---- */

static int command_stat(struct pop3 *p, struct view argument)
{
	(void)argument;
	return pop3_reply(p, "+OK %u %llu", p->drop.count - p->drop.deleted_count,
			  (unsigned long long)(p->drop.total - p->drop.deleted_size));
}

static int command_list(struct pop3 *p, struct view argument)
{
	uint32_t number;
	int r;

	if (pop3d_session_has_argument(argument)) {
		r = pop3_take_number(p, &argument, &number);
		return number == 0 ? r
				   : pop3_reply(p, "+OK %u %llu", number,
						(unsigned long long)p->drop.sizes[number - 1]);
	}
	r = pop3_reply(p, "+OK %u messages:", p->drop.count - p->drop.deleted_count);
	for (uint32_t i = 1; i <= p->drop.count && r >= 0; i++)
		if (!p->drop.deleted[i - 1])
			r = pop3_reply(p, "%u %llu", i, (unsigned long long)p->drop.sizes[i - 1]);
	return r < 0 ? r : pop3_reply(p, ".");
}

static int uidl_line(struct pop3 *p, uint32_t number, const char *prefix)
{
	_cleanup_(str_free) struct str uidl = STR_EMPTY;

	/* A format that needs the message fails when it is gone; the UID does not. */
	if (maildrop_uidl(&p->drop, number, param.pop3_uidl_format, &uidl) < 0) {
		str_clear(&uidl);
		(void)maildrop_uidl(&p->drop, number, "", &uidl);
	}
	return pop3_reply(p, "%s%u %s", prefix, number, str_cstr(&uidl));
}

static int command_uidl(struct pop3 *p, struct view argument)
{
	uint32_t number;
	int r;

	if (pop3d_session_has_argument(argument)) {
		r = pop3_take_number(p, &argument, &number);
		return number == 0 ? r : uidl_line(p, number, "+OK ");
	}
	r = pop3_reply(p, "+OK");
	for (uint32_t i = 1; i <= p->drop.count && r >= 0; i++)
		if (!p->drop.deleted[i - 1])
			r = uidl_line(p, i, "");
	return r < 0 ? r : pop3_reply(p, ".");
}

static int pop3_send_message(struct pop3 *p, uint32_t number, uint64_t lines, uint64_t *sent)
{
	_cleanup_fd_ int fd = -1;
	uint64_t size;
	int r = mailbox_content(p->drop.box, number, &fd, &size);

	if (r < 0) {
		log_info("user=<%s>: message %u: %s", p->client->user->name,
			 mailbox_uid(p->drop.box, number), strerror(-r));
		return pop3_reply(p, "-ERR [SYS/TEMP] That message cannot be read%s.",
				  r == -ENOENT ? ": another session removed it" : " now");
	}
	if (lines == TRANSFER_ALL)
		r = pop3_reply(p, "+OK %llu octets", (unsigned long long)size);
	else
		r = pop3_reply(p, "+OK");
	if (r >= 0)
		r = transfer_content(p->io, fd, size, lines, sent);
	/* Half a message cannot be taken back: -EIO ends the connection. */
	return r < 0 ? r : GO_ON;
}

static int command_retr(struct pop3 *p, struct view argument)
{
	uint32_t number;
	int r = pop3_take_number(p, &argument, &number);

	if (number == 0)
		return r;
	r = pop3_send_message(p, number, TRANSFER_ALL, &p->retr_bytes);
	if (r >= 0) {
		p->retr_count++;
		p->drop.seen[number - 1] = !param.pop3_no_flag_updates;
	}
	return r;
}

static int command_top(struct pop3 *p, struct view argument)
{
	struct view rest = argument, word;
	uint64_t lines;
	uint32_t number;
	int r = pop3_take_number(p, &rest, &number);

	if (number == 0)
		return r;
	if (!view_next_word(&rest, " ", &word) ||
	    view_parse_u64(word, TRANSFER_ALL - 1, &lines) < 0)
		return pop3_refuse(p, "TOP needs a message number and a number of lines.");
	p->top_count++;
	return pop3_send_message(p, number, lines, &p->top_bytes);
}

static int command_dele(struct pop3 *p, struct view argument)
{
	uint32_t number;
	int r = pop3_take_number(p, &argument, &number);

	if (number == 0)
		return r;
	maildrop_delete(&p->drop, number);
	return pop3_reply(p, "+OK Marked to be deleted.");
}

static int pop3_command_noop(struct pop3 *p, struct view argument)
{
	(void)argument;
	return pop3_reply(p, "+OK");
}

static int command_rset(struct pop3 *p, struct view argument)
{
	(void)argument;
	maildrop_reset(&p->drop);
	return pop3_reply(p, "+OK");
}

static int pop3_command_capa(struct pop3 *p, struct view argument)
{
	(void)argument;
	return pop3_reply(p,
			  "+OK Capability list follows\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\n"
			  "PIPELINING\r\nAUTH-RESP-CODE\r\nEXPIRE "
			  "NEVER\r\nUTF8\r\nLANG\r\nIMPLEMENTATION %s\r\n.",
			  param.mail_name);
}

static int pop3_command_lang(struct pop3 *p, struct view argument)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	bool known = language_answer(argument, &text);
	int r = pop3_reply(p, "%s", str_cstr(&text));

	return r < 0 || known ? r : BAD;
}

/* RFC 1939 6: the UPDATE state. */
static int pop3_command_quit(struct pop3 *p, struct view argument)
{
	int r;

	(void)argument;
	r = maildrop_update(&p->drop);
	if (r < 0) {
		log_error("user=<%s>: deleting %u messages: %s", p->client->user->name,
			  p->drop.deleted_count, strerror(-r));
		p->drop.deleted_count = 0;
		r = pop3_reply(p, "-ERR [SYS/TEMP] The deleted messages were not removed.");
	} else {
		r = pop3_reply(p, p->drop.deleted_count > 0 ? "+OK Logging out, messages deleted."
							    : "+OK Logging out.");
	}
	return r < 0 ? r : END;
}

static const struct command commands[] = {
	{ "STAT", command_stat },      { "LIST", command_list },      { "UIDL", command_uidl },
	{ "RETR", command_retr },      { "TOP", command_top },	      { "DELE", command_dele },
	{ "NOOP", pop3_command_noop }, { "RSET", command_rset },      { "CAPA", pop3_command_capa },
	{ "QUIT", pop3_command_quit }, { "LANG", pop3_command_lang },
};

/* ---- the conversation ---- */

static int pop3_session_command(struct pop3 *p)
{
	struct view line, name;
	int r = stream_read_line(p->io, &line, POP3_COMMAND_MAX);

	if (r == -EMSGSIZE)
		return pop3_refuse(p, "Line is longer than %d octets.", POP3_COMMAND_MAX);
	if (r < 0)
		return r;
	name = view_first(line, view_find_byte(line, ' '));
	line = view_from(line, MIN(name.len + 1, line.len));
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (view_is_nocase(name, commands[i].name))
			return commands[i].handle(p, line);
	return pop3_refuse(p, "Unknown command.");
}

static int pop3_session_converse(struct pop3 *p)
{
	int r = GO_ON;

	while (r != END) {
		r = pop3_session_command(p);
		if (r < 0)
			return r;
		if (r == BAD && ++p->bad_commands >= param.pop3_bad_commands_max) {
			(void)pop3_reply(p, "-ERR Too many invalid commands.");
			return -EPROTO;
		}
	}
	return 0;
}

static const char *reason(int why)
{
	return why == 0		   ? "Logged out"
	       : why == -ENODATA   ? "Connection closed"
	       : why == -ETIMEDOUT ? "Inactivity"
	       : why == -EPROTO	   ? "Too many invalid commands"
	       : why == -ESHUTDOWN ? "Server shutting down"
				   : strerror(-why);
}

static void pop3_session_goodbye(struct pop3 *p, int why)
{
	if (why == -ESHUTDOWN)
		(void)pop3_reply(p, "-ERR [SYS/TEMP] Server shutting down.");
	else if (why == -ETIMEDOUT)
		(void)pop3_reply(p, "-ERR Disconnected for inactivity.");
	(void)stream_flush(p->io);
	log_info("%s: user=<%s>, rip=%.*s, top=%u/%llu, retr=%u/%llu, del=%u/%u, size=%llu",
		 reason(why), p->client->user->name, VIEW_ARG(p->client->address), p->top_count,
		 (unsigned long long)p->top_bytes, p->retr_count, (unsigned long long)p->retr_bytes,
		 why == 0 ? p->drop.deleted_count : 0, p->drop.count,
		 (unsigned long long)p->drop.total);
}

/*
 * pop3_lock_session: RFC 1939 wants one session at a time; people with two devices do not. The
 * descriptor holds the lock; -1: nobody asked for one.
 */
static int maildrop_take_lock(struct pop3 *p, int *lock)
{
	*lock = -1;
	return param.pop3_lock_session ? store_lock_session(p->store, lock) : 0;
}

static int log_in(struct pop3 *p, int *lock)
{
	int r = maildrop_take_lock(p, lock);

	if (r == -EAGAIN) {
		(void)pop3_reply(p, "-ERR [IN-USE] Another session has the mailbox.");
		return r;
	}
	if (r == 0)
		r = maildrop_open(p->store, &p->drop);
	if (r < 0) {
		log_error("user=<%s>: open INBOX: %s", p->client->user->name, strerror(-r));
		(void)pop3_reply(p, "-ERR [SYS/TEMP] The mailbox cannot be opened now.");
		return r;
	}
	r = pop3_reply(p, "+OK Logged in, %u messages.", p->drop.count);
	return r < 0 ? r : 0;
}

/* Files follow what the index decided; other connections have their turns in between. */
static void maildrop_settle(struct store *store)
{
	while (store_settle(store, STORE_SETTLE_BATCH) > 0)
		task_sleep(SETTLE_PAUSE);
}

void pop3_session_serve(struct stream *io, const struct session_client *client, struct store *store)
{
	struct pop3 p = { .io = io, .client = client, .store = store };
	_cleanup_fd_ int lock = -1;
	int r;

	stream_set_timeout(io, param.pop3_timeout);
	r = log_in(&p, &lock);
	if (r == 0) {
		r = pop3_session_converse(&p);
		maildrop_mark_seen(&p.drop);
		pop3_session_goodbye(&p, r);
	} else {
		(void)stream_flush(io);
	}
	maildrop_close(&p.drop);
	maildrop_settle(store);
}
