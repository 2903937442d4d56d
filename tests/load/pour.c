/*
 * A day's mail: many messages over some connections, one after another on each.
 *
 *	load_pour PORT CONNECTIONS COUNT SIZE SHARE:DOMAIN...
 *
 * Message n goes to rN@DOMAIN, the domain chosen by n so that of each 1000 messages SHARE go there
 * (the first takes what is left), and has a field "X-Number: n". A temporary error is waited out and
 * the message sent again; any other ends the program. Prints "sent COUNT AGAIN SECONDS".
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DOMAINS_MAX 32

static struct {
	struct sockaddr_in to;
	size_t count, size;
	_Atomic size_t next, again;
	size_t shares[DOMAINS_MAX];
	const char *domains[DOMAINS_MAX];
	int domain_count;
	char *body;
} pour;

static const char *domain_of(size_t number)
{
	size_t at = number * 7919 % 1000;

	for (int i = 1; i < pour.domain_count; i++) {
		if (at < pour.shares[i])
			return pour.domains[i];
		at -= pour.shares[i];
	}
	return pour.domains[0];
}

/* The last line's code, 0 when the connection is gone. */
static int reply(FILE *in)
{
	char line[2048];

	while (fgets(line, sizeof(line), in) != NULL)
		if (strlen(line) > 3 && line[3] == ' ')
			return (int)strtol(line, NULL, 10);
	return 0;
}

static int ask(FILE *in, int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return 0;
	return reply(in);
}

static int send_message(FILE *in, int fd, size_t number)
{
	char text[512];
	int code = ask(in, fd, "MAIL FROM:<sender@load.test>\r\n");

	if (code == 250) {
		snprintf(text, sizeof(text), "RCPT TO:<r%zu@%s>\r\n", number, domain_of(number));
		code = ask(in, fd, text);
	}
	if (code == 250)
		code = ask(in, fd, "DATA\r\n");
	if (code != 354)
		return code;
	snprintf(text, sizeof(text),
		 "From: <sender@load.test>\r\nTo: <r@%s>\r\nSubject: load\r\nX-Number: %zu\r\n"
		 "Message-ID: <%zu@load.test>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n\r\n",
		 domain_of(number), number, number);
	if (send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_MORE) < 0 ||
	    send(fd, pour.body, pour.size, MSG_NOSIGNAL | MSG_MORE) < 0)
		return 0;
	return ask(in, fd, ".\r\n");
}

static FILE *open_connection(int *fd)
{
	FILE *in;

	*fd = socket(AF_INET, SOCK_STREAM, 0);
	if (*fd < 0 || connect(*fd, (struct sockaddr *)&pour.to, sizeof(pour.to)) < 0) {
		perror("connect");
		exit(1);
	}
	in = fdopen(*fd, "r");
	if (reply(in) == 220 && ask(in, *fd, "EHLO load.test\r\n") == 250)
		return in;
	fclose(in);
	return NULL;
}

static void *run(void *unused)
{
	FILE *in = NULL;
	size_t number;
	int fd = -1;

	(void)unused;
	while ((number = atomic_fetch_add(&pour.next, 1)) < pour.count) {
		int code = 0;

		while (code != 250) {
			while (in == NULL && (in = open_connection(&fd)) == NULL)
				usleep(200000);
			code = send_message(in, fd, number);
			if (code == 250)
				continue;
			if (code / 100 == 5) {
				fprintf(stderr, "message %zu: %d\n", number, code);
				exit(1);
			}
			atomic_fetch_add(&pour.again, 1);
			fclose(in);
			in = NULL;
			usleep(200000);
		}
	}
	if (in != NULL) {
		ask(in, fd, "QUIT\r\n");
		fclose(in);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	size_t connections = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	struct timespec began, ended;
	pthread_t *threads = calloc(connections + 1, sizeof(*threads));

	if (argc < 6) {
		fprintf(stderr, "usage: load_pour PORT CONNECTIONS COUNT SIZE SHARE:DOMAIN...\n");
		return 2;
	}
	pour.to = (struct sockaddr_in){ .sin_family = AF_INET,
					.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	pour.count = strtoul(argv[3], NULL, 10);
	pour.size = strtoul(argv[4], NULL, 10);
	pour.body = malloc(pour.size + 1);
	for (size_t i = 0; i < pour.size; i++)
		pour.body[i] = i % 72 == 70 ? '\r' : i % 72 == 71 ? '\n' : 'x';
	if (pour.size >= 2)
		memcpy(pour.body + pour.size - 2, "\r\n", 2);
	for (int i = 5; i < argc && pour.domain_count < DOMAINS_MAX; i++) {
		char *rest;

		pour.shares[pour.domain_count] = strtoul(argv[i], &rest, 10);
		pour.domains[pour.domain_count++] = rest + 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (size_t i = 0; i < connections; i++)
		if (pthread_create(&threads[i], NULL, run, NULL) != 0)
			return 1;
	for (size_t i = 0; i < connections; i++)
		pthread_join(threads[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	printf("sent %zu %zu %.1f\n", pour.count, pour.again,
	       (double)(ended.tv_sec - began.tv_sec) +
		       (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
	return 0;
}
