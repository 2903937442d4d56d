/*
 * Thousands of connections that do next to nothing.
 *
 *	load_crowd PORT COUNT[/USERS] END [SAY EXPECT]...
 *
 * Each connection, from an address of its own range in 127.1.0.0/16, reads a line, then for each
 * pair sends SAY and reads up to a line that begins with EXPECT, and then stays as END says:
 *	idle	says nothing more
 *	drip	sends one byte of an endless command each second
 *	shut	shuts its sending side down and waits for the server
 * "%u" in SAY is the number of the connection, "%U" that number modulo USERS, "|" the end of a
 * line. A line that begins with the first two bytes of EXPECT but goes on otherwise ends the
 * connection. When all have come to their end or failed, "settled OPEN FAILED SECONDS" is printed;
 * then for each line on standard input "open OPEN".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STEPS_MAX      8
#define CONNECTING_MAX 128 /* not more at a time: the line of a listening socket is short */

struct client {
	int fd;
	int step; /* waits for the answer to it; -1: the greeting */
	size_t matched;
	bool at_line_start, mismatch, tag_matched, settled;
};

static struct {
	uint16_t port;
	size_t count, users, started, settled, failed, open;
	const char *end;
	const char *say[STEPS_MAX], *expect[STEPS_MAX];
	int steps;
	struct client *clients;
	int epoll_fd;
} crowd;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void drop(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	crowd.open--;
	if (!c->settled)
		crowd.failed++;
}

static void start(size_t number)
{
	struct client *c = &crowd.clients[number];
	struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET };
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = number };
	int on = 1;

	c->step = -1;
	c->at_line_start = true;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	crowd.open++;
	from.sin_addr.s_addr = htonl(0x7f010000u + (uint32_t)(number % 250 + 1));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(crowd.port);
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) ||
	    epoll_ctl(crowd.epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0) {
		perror("connect");
		exit(1);
	}
}

static void settle(struct client *c)
{
	c->settled = true;
	crowd.settled++;
	if (strcmp(crowd.end, "shut") == 0)
		shutdown(c->fd, SHUT_WR);
}

static void say(struct client *c)
{
	char text[512];
	size_t n = 0;
	size_t number = (size_t)(c - crowd.clients);

	for (const char *p = crowd.say[c->step]; *p != '\0' && n < sizeof(text) - 32; p++) {
		if (*p == '|')
			n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n");
		else if (*p == '%' && (p[1] == 'u' || p[1] == 'U'))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%zu",
					      *++p == 'u' ? number : number % crowd.users);
		else
			text[n++] = *p;
	}
	(void)!write(c->fd, text, n);
}

/* A line that was waited for has come. */
static void advance(struct client *c)
{
	if (++c->step == crowd.steps)
		settle(c);
	else
		say(c);
}

static void take(struct client *c, const char *data, size_t len)
{
	for (size_t i = 0; i < len && !c->settled; i++) {
		const char *wanted = c->step < 0 ? "" : crowd.expect[c->step];

		if (c->at_line_start) {
			c->matched = 0;
			c->mismatch = c->tag_matched = false;
		}
		c->at_line_start = data[i] == '\n';
		if (c->at_line_start) {
			if (!c->mismatch && wanted[c->matched] == '\0')
				advance(c);
			else if (c->tag_matched)
				return drop(c);
		} else if (wanted[c->matched] != '\0') {
			c->mismatch = c->mismatch || data[i] != wanted[c->matched];
			c->matched++;
			c->tag_matched = c->tag_matched || (c->matched == 2 && !c->mismatch);
		}
	}
}

static void hear(struct client *c)
{
	char data[4096];
	ssize_t n = read(c->fd, data, sizeof(data));

	if (n > 0)
		take(c, data, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		drop(c);
}

static void drip(void)
{
	for (size_t i = 0; i < crowd.started; i++)
		if (crowd.clients[i].fd >= 0 && crowd.clients[i].settled)
			(void)!send(crowd.clients[i].fd, "X", 1, MSG_NOSIGNAL);
}

/* False at the end of standard input. */
static bool turn(int timeout)
{
	struct epoll_event events[256];
	int n = epoll_wait(crowd.epoll_fd, events, 256, timeout);

	for (int i = 0; i < n; i++) {
		if (events[i].data.u64 == UINT64_MAX) {
			char line[100];

			if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
				return false;
			printf("open %zu\n", crowd.open);
		} else if (crowd.clients[events[i].data.u64].fd >= 0) {
			hear(&crowd.clients[events[i].data.u64]);
		}
	}
	return true;
}

static void prepare(char **argv)
{
	struct epoll_event input = { .events = EPOLLIN, .data.u64 = UINT64_MAX };
	struct rlimit files;
	char *rest;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	crowd.port = (uint16_t)strtoul(argv[1], NULL, 10);
	crowd.count = strtoul(argv[2], &rest, 10);
	crowd.users = *rest == '/' ? strtoul(rest + 1, NULL, 10) : 1;
	crowd.end = argv[3];
	for (int i = 4; crowd.steps < STEPS_MAX && argv[i] != NULL && argv[i + 1] != NULL; i += 2) {
		crowd.say[crowd.steps] = argv[i];
		crowd.expect[crowd.steps++] = argv[i + 1];
	}
	crowd.clients = calloc(crowd.count, sizeof(*crowd.clients));
	crowd.epoll_fd = epoll_create1(0);
	epoll_ctl(crowd.epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &input);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

int main(int argc, char **argv)
{
	double began = now(), dripped = began;
	bool told = false;

	if (argc < 4 || argc % 2 != 0) {
		fprintf(stderr, "usage: load_crowd PORT COUNT idle|drip|shut [SAY EXPECT]...\n");
		return 2;
	}
	prepare(argv);
	for (;;) {
		while (crowd.started < crowd.count &&
		       crowd.started - crowd.settled - crowd.failed < CONNECTING_MAX)
			start(crowd.started++);
		if (!turn(100))
			return 0;
		if (!told && crowd.settled + crowd.failed == crowd.count) {
			printf("settled %zu %zu %.1f\n", crowd.settled, crowd.failed,
			       now() - began);
			told = true;
		}
		if (strcmp(crowd.end, "drip") == 0 && now() - dripped >= 1) {
			dripped = now();
			drip();
		}
	}
}
