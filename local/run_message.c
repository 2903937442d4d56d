/*
 * The message as a command gets it through a pipe: with the line ends that it asked for, a From_
 * line in front, and what pipe(8)'s flags do to lines. Nothing here knows which command it is.
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/commands.h"
#include "run.h"
#include "task/task.h"

#define COPY_BLOCK 32768

/* What stands at the beginning of a line that a mailbox would take for the next message's. */
static const char from_[] = "From ";

struct line_writer {
	int fd;
	msec_t deadline;
	unsigned flags;
	struct view eol;
	struct str out;
	bool held_cr, in_line;
	size_t from_matched; /* bytes of "From " that a line has begun with, and that are held */
};

static int write_some(struct line_writer *w)
{
	struct view bytes = str_view(&w->out);

	while (bytes.len > 0) {
		ssize_t n = write(w->fd, bytes.data, bytes.len);

		if (n >= 0) {
			bytes = view_from(bytes, (size_t)n);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;

		int r = task_wait_writable(w->fd, w->deadline);

		if (r < 0)
			return r;
	}
	str_clear(&w->out);
	return 0;
}

static void line_add_held(struct line_writer *w)
{
	str_append(&w->out, view_make(from_, w->from_matched));
	w->from_matched = 0;
}

static void run_message_line_end(struct line_writer *w)
{
	line_add_held(w);
	str_append(&w->out, w->eol);
	w->in_line = false;
}

static void line_add(struct line_writer *w, char c)
{
	if (!w->in_line && w->flags & PIPE_QUOTE_FROM && c == from_[w->from_matched]) {
		w->from_matched++;
		if (from_[w->from_matched] != '\0')
			return;
		str_append_byte(&w->out, '>');
		line_add_held(w);
		w->in_line = true;
		return;
	}
	if (!w->in_line && w->from_matched == 0 && w->flags & PIPE_DOT && c == '.')
		str_append_byte(&w->out, '.');
	line_add_held(w);
	str_append_byte(&w->out, c);
	w->in_line = true;
}

/* CR LF ends a line, also where a block ends between them; so does LF alone. */
static int write_lines(struct line_writer *w, struct view bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.data[i];

		if (w->held_cr && c != '\n')
			line_add(w, '\r');
		w->held_cr = c == '\r';
		if (c == '\n')
			run_message_line_end(w);
		else if (!w->held_cr)
			line_add(w, c);
	}
	return write_some(w);
}

static void add_from_line(struct line_writer *w, struct view sender)
{
	time_t now = time(NULL);
	struct tm tm;
	char date[64];

	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm) == 0)
		date[0] = '\0';
	str_append(&w->out, VIEW("From "));
	if (sender.len == 0)
		str_append(&w->out, VIEW("MAILER-DAEMON"));
	for (size_t i = 0; i < sender.len; i++)
		str_append_byte(&w->out, sender.data[i] == ' ' ? '-' : sender.data[i]);
	str_printf(&w->out, "  %s", date);
	str_append(&w->out, w->eol);
}

static void add_end(struct line_writer *w)
{
	if (w->held_cr)
		line_add(w, '\r');
	if (w->in_line || w->from_matched > 0)
		run_message_line_end(w);
	if (w->flags & PIPE_BLANK)
		str_append(&w->out, w->eol);
	if (w->flags & PIPE_DOT) {
		str_append_byte(&w->out, '.');
		str_append(&w->out, w->eol);
	}
}

int run_write_message(int fd, msec_t deadline, const struct msg_work_run *m,
		      const struct io_source *content, bool *unreadable)
{
	_cleanup_free_ char *block = mem_new_bytes(COPY_BLOCK);
	struct line_writer w = { .fd = fd, .deadline = deadline, .flags = m->flags, .eol = m->eol };
	int r;

	*unreadable = false;
	if (m->flags & PIPE_FROM)
		add_from_line(&w, m->sender);
	r = write_lines(&w, m->headers);
	for (uint64_t done = 0; r == 0 && done < content->size;) {
		size_t want = (size_t)MIN((uint64_t)COPY_BLOCK, content->size - done);

		r = io_source_read(content, block, want, done);
		*unreadable = r < 0;
		if (r == 0)
			r = write_lines(&w, view_make(block, want));
		done += want;
	}
	if (r == 0) {
		add_end(&w);
		r = write_some(&w);
	}
	str_free(&w.out);
	return r;
}
