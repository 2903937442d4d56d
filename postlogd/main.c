/*
 * The only program that writes the log. What arrives is believed in nothing but its text: time and
 * level are checked, the process number is the kernel's.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "postlogd.h"

/* What a line's own time may differ from now; beyond it is not believed. */
#define TIME_TOLERANCE ((int64_t)60 * 1000000)
/* Between looks at counted lines and at a disk that was full. */
#define CHECK_PAUSE 1000
/* Datagrams that one that retires still takes: its successor takes the others. */
#define LAST_DATAGRAMS 10000

static int lines_fd = -1;
static struct output_counts *counts;

static int postlogd_prepare(struct error *err)
{
	int state_fd = daemon_inherited(INHERITED_STATE);
	void *memory;

	lines_fd = daemon_inherited(INHERITED_LINES);
	if (lines_fd < 0 || state_fd < 0)
		return error_set(err, -EINVAL, "master gave no socket to read from");
	memory = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, state_fd, 0);
	if (memory == MAP_FAILED)
		return error_errno(err, "map the counts of lines");
	counts = memory;
	output_open(log_descriptor(), log_sink_kind(), strcmp(param.log_format, "json") == 0,
		    counts);
	return 0;
}

/* ---- one datagram ---- */

static void take_line(struct log_line *line, pid_t pid)
{
	int64_t now = log_line_now();

	line->host = view_of(log_host());
	line->pid = pid;
	if (line->time > now || line->time < now - TIME_TOLERANCE)
		line->time = now;
	if (repeat_admit(line, clock_now(), (uint64_t)param.log_repeat_limit,
			 param.log_repeat_time))
		output_line(line);
	else
		counts->written++; /* the summary tells */
}

/* What a library or a sanitizer has written to standard error. */
static void take_text(struct view text, pid_t pid)
{
	struct view rest = text, raw;

	while (view_next_word(&rest, "\n", &raw)) {
		struct log_line line = { .tag = VIEW("output"),
					 .time = log_line_now(),
					 .level = LOG_INFO_LEVEL,
					 .text = raw };

		counts->taken++;
		take_line(&line, pid);
	}
}

static void take_datagram(struct view datagram, pid_t pid)
{
	struct log_reader reader, ahead;
	struct log_line line;

	if (!log_reader_open(&reader, datagram)) {
		take_text(datagram, pid);
		return;
	}
	ahead = reader;
	while (log_reader_next(&ahead, &line))
		counts->taken++;
	while (log_reader_next(&reader, &line))
		take_line(&line, pid);
}

static pid_t sender_of(struct msghdr *header)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		struct ucred who;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
			continue;
		memcpy(&who, CMSG_DATA(c), sizeof(who));
		return who.pid;
	}
	return 0;
}

/* 0, or a negative errno: -EAGAIN when there is nothing. A descriptor that comes along is cut off. */
static int take_one(void)
{
	static char bytes[LOG_DATAGRAM_MAX];
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec part = { bytes, sizeof(bytes) };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(lines_fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	take_datagram(view_make(bytes, (size_t)n), sender_of(&header));
	return 0;
}

static int postlogd_take_all(size_t most)
{
	int r = 0;

	for (size_t i = 0; i < most && r == 0; i++)
		r = take_one();
	output_flush();
	return r;
}

/* ---- life ---- */

static void summarize(msec_t period)
{
	struct repeat_summary summary;

	while (repeat_next_summary(&summary, clock_now(), period)) {
		counts->taken++;
		output_line(&summary.line);
	}
	output_flush();
}

static void read_lines(void *unused)
{
	msec_t check = 0;
	int r = 0;

	(void)unused;
	while (r == 0 || r == -EAGAIN) {
		bool later = repeat_is_counting() || output_is_behind();

		/* There may be more than was taken, or what has come since is news. */
		if (r == 0)
			task_yield();
		else
			r = task_wait_news(lines_fd, true,
					   later ? clock_after(CHECK_PAUSE) : MSEC_FOREVER);
		if (r == 0 || r == -ETIMEDOUT)
			r = postlogd_take_all(LAST_DATAGRAMS);
		/* Not at each line: it looks at the whole table. */
		if (later && clock_now() >= check) {
			summarize(param.log_repeat_time);
			check = clock_after(CHECK_PAUSE);
		}
	}
}

static void postlogd_start(void)
{
	output_flush();
	task_spawn("lines", read_lines, NULL);
}

/* Whoever is to be outlived has gone, or a successor is about to read. */
static void postlogd_retire(void)
{
	(void)postlogd_take_all(LAST_DATAGRAMS);
	summarize(0);
}

int main(int argc, char **argv)
{
	static const struct daemon_program program = {
		.name = "postlogd",
		.prepare = postlogd_prepare,
		.start = postlogd_start,
		.retire = postlogd_retire,
	};

	return daemon_main(argc, argv, &program);
}
