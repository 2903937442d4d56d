/*
 * A mail server that takes everything and counts it.
 *
 *	load_sink PORT DELAY
 *
 * Each answer comes after DELAY milliseconds. A message counts when its end was answered; those with
 * the same "X-Number:" are the same message. For each line on standard input it prints
 * "MESSAGES DISTINCT SECONDS", the last the time since the last message was taken.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NUMBERS_MAX 10000000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned char *seen;
static size_t messages, distinct;
static time_t last;
static useconds_t delay;

static void answer(int fd, const char *text)
{
	if (delay > 0)
		usleep(delay * 1000);
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void count_message(unsigned long number)
{
	pthread_mutex_lock(&mutex);
	messages++;
	if (number < NUMBERS_MAX && !seen[number]) {
		seen[number] = 1;
		distinct++;
	}
	last = time(NULL);
	pthread_mutex_unlock(&mutex);
}

/* 0 at the end of the connection. */
static int take_message(FILE *in, unsigned long *number)
{
	char line[4096];

	while (fgets(line, sizeof(line), in) != NULL) {
		if (strncmp(line, "X-Number: ", 10) == 0)
			*number = strtoul(line + 10, NULL, 10);
		if (strcmp(line, ".\r\n") == 0)
			return 1;
	}
	return 0;
}

static void *serve(void *argument)
{
	FILE *in = argument;
	int fd = fileno(in);
	char line[4096];
	unsigned long number;

	answer(fd, "220 sink ESMTP\r\n");
	while (fgets(line, sizeof(line), in) != NULL) {
		if (strncasecmp(line, "EHLO", 4) == 0) {
			answer(fd, "250-sink\r\n250 PIPELINING\r\n");
		} else if (strncasecmp(line, "DATA", 4) == 0) {
			answer(fd, "354 go on\r\n");
			number = NUMBERS_MAX;
			if (!take_message(in, &number))
				break;
			count_message(number);
			answer(fd, "250 taken\r\n");
		} else if (strncasecmp(line, "QUIT", 4) == 0) {
			answer(fd, "221 bye\r\n");
			break;
		} else {
			answer(fd, "250 ok\r\n");
		}
	}
	fclose(in);
	return NULL;
}

static void *accept_all(void *argument)
{
	int listener = *(int *)argument;

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		pthread_attr_t attributes;
		pthread_t thread;
		int on = 1;

		if (fd < 0)
			continue;
		/* Answers to commands sent ahead would else wait for the client's delayed ACK. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		pthread_attr_init(&attributes);
		pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
		pthread_attr_setstacksize(&attributes, 256 * 1024);
		if (pthread_create(&thread, &attributes, serve, fdopen(fd, "r")) != 0)
			close(fd);
		pthread_attr_destroy(&attributes);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	pthread_t thread;
	char line[100];

	if (argc != 3) {
		fprintf(stderr, "usage: load_sink PORT DELAY\n");
		return 2;
	}
	here.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	delay = (useconds_t)strtoul(argv[2], NULL, 10);
	seen = calloc(NUMBERS_MAX, 1);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (seen == NULL || bind(listener, (struct sockaddr *)&here, sizeof(here)) < 0 ||
	    listen(listener, 4096) < 0 ||
	    pthread_create(&thread, NULL, accept_all, &listener) != 0) {
		perror("load_sink");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (fgets(line, sizeof(line), stdin) != NULL) {
		pthread_mutex_lock(&mutex);
		printf("%zu %zu %ld\n", messages, distinct, last ? (long)(time(NULL) - last) : -1);
		pthread_mutex_unlock(&mutex);
	}
	return 0;
}
