/*
 * Who a mail server asks about each message, and who never minds: "milter PORT" continues at every
 * step, "policy PORT" says DUNNO. One thread for each connection, on 127.0.0.1. At SIGTERM it says
 * how often it was asked, so that nobody takes for measured what did not happen.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET_MAX   ((uint32_t)1 << 20) /* of a milter's packet */
#define QUESTION_MAX 16384		 /* of a policy question */

static atomic_ulong answers;

static bool read_all(int fd, void *data, size_t len)
{
	char *to = data;

	while (len > 0) {
		ssize_t n = read(fd, to, len);

		if (n <= 0)
			return false;
		to += n;
		len -= (size_t)n;
	}
	return true;
}

static bool write_all(int fd, const void *data, size_t len)
{
	const char *from = data;

	while (len > 0) {
		ssize_t n = write(fd, from, len);

		if (n <= 0)
			return false;
		from += n;
		len -= (size_t)n;
	}
	return true;
}

/* ---- the milter ---- */

/* Version 6, no actions, no step left out: what costs most. */
static bool negotiate(int fd)
{
	const uint32_t answer[] = { htonl(13), htonl(6), 0, 0 };
	char packet[17];

	memcpy(packet, &answer[0], 4);
	packet[4] = 'O';
	memcpy(packet + 5, &answer[1], 12);
	return write_all(fd, packet, sizeof(packet));
}

/* Macros, abort and quit get no answer. */
static bool milter_packet(int fd, char command)
{
	static const char go_on[] = { 0, 0, 0, 1, 'c' };

	if (command == 'O')
		return negotiate(fd);
	if (command == 'Q')
		return false;
	if (strchr("DAK", command) != NULL)
		return true;
	answers++;
	return write_all(fd, go_on, sizeof(go_on));
}

static void serve_milter(int fd, char *buffer)
{
	uint32_t len;

	while (read_all(fd, &len, sizeof(len))) {
		len = ntohl(len);
		if (len == 0 || len > PACKET_MAX || !read_all(fd, buffer, len) ||
		    !milter_packet(fd, buffer[0]))
			return;
	}
}

/* ---- the policy server ---- */

static void serve_policy(int fd, char *buffer)
{
	static const char dunno[] = "action=DUNNO\n\n";
	size_t len = 0;

	for (;;) {
		ssize_t n = read(fd, buffer + len, QUESTION_MAX - len);

		if (n <= 0)
			return;
		len += (size_t)n;
		/* One question at a time: an empty line is its end. */
		if (len < 2 || memcmp(buffer + len - 2, "\n\n", 2) != 0)
			continue;
		answers++;
		if (!write_all(fd, dunno, sizeof(dunno) - 1))
			return;
		len = 0;
	}
}

/* ---- connections ---- */

static void (*serve)(int fd, char *buffer);

static void *connection(void *argument)
{
	int fd = (int)(intptr_t)argument, on = 1;
	char *buffer = malloc(PACKET_MAX);
	sigset_t all;

	/* The signal is for the thread that accepts. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (buffer != NULL)
		serve(fd, buffer);
	free(buffer);
	close(fd);
	return NULL;
}

static int company_listen(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0) {
		perror("bench_company");
		exit(1);
	}
	return fd;
}

/* It ends accept(), no more. */
static void at_sigterm(int number)
{
	(void)number;
}

int main(int argc, char **argv)
{
	struct sigaction end = { .sa_handler = at_sigterm };
	int fd, client;

	if (argc == 3 && strcmp(argv[1], "milter") == 0)
		serve = serve_milter;
	else if (argc == 3 && strcmp(argv[1], "policy") == 0)
		serve = serve_policy;
	if (serve == NULL) {
		fprintf(stderr, "usage: bench_company milter|policy PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &end, NULL);
	fd = company_listen((uint16_t)strtoul(argv[2], NULL, 10));
	while ((client = accept(fd, NULL, NULL)) >= 0) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, connection, (void *)(intptr_t)client) != 0)
			close(client);
		else
			pthread_detach(thread);
	}
	printf("%lu answers\n", answers);
	return 0;
}
