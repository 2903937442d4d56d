/* Any commands after the login, on a mailbox with three messages. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../pop3d/session.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "store/deliver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	char path[64];
	struct store *store;
	struct view input;
} fuzz;

static void deliver(const char *text)
{
	struct mail_source source = { .content = { -1, 0, strlen(text), text } };

	if (maildir_deliver(fuzz.path, VIEW(""), false, &source, NULL, NULL) < 0)
		abort();
}

static void clean_up(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", fuzz.path);
	(void)!system(command);
}

static void set_up(void)
{
	snprintf(fuzz.path, sizeof(fuzz.path), "/dev/shm/posta-fuzz-XXXXXX");
	if (mkdtemp(fuzz.path) == NULL ||
	    store_open(fuzz.path, &STORE_DEFAULTS, &fuzz.store, NULL) < 0)
		abort();
	atexit(clean_up);
	log_set_level(LOG_FATAL_LEVEL);
	param.pop3_timeout = 1000;
	param.pop3_bad_commands_max = 20;
	param.pop3_uidl_format = "%08Xu%08Xv";
	param.mail_name = "Posta";
}

static void serve(void *argument)
{
	struct session_user user = { "alice", fuzz.path, "" };
	struct session_client client = { .user = &user, .address = VIEW("192.0.2.1") };

	pop3_session_serve(argument, &client, fuzz.store);
	stream_close(argument);
}

static void talk(void *unused)
{
	struct stream *client;
	struct view bytes;
	int pair[2];

	(void)unused;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		abort();
	task_spawn("server", serve, stream_new(pair[0]));
	client = stream_new(pair[1]);
	stream_set_timeout(client, 5000);
	(void)stream_write(client, fuzz.input);
	(void)stream_flush(client);
	shutdown(pair[1], SHUT_WR);
	while (stream_peek(client, &bytes) >= 0)
		stream_consume(client, bytes.len);
	stream_free(client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct folder_status status;

	if (fuzz.store == NULL)
		set_up();
	if (size > 8192)
		return 0;
	/* What the last run removed comes back. */
	if (store_status(fuzz.store, VIEW("INBOX"), &status) < 0)
		abort();
	for (; status.messages < 3; status.messages++)
		deliver("Subject: x\r\n\r\n.dot\r\n\r\nline\r\n");
	fuzz.input = view_make(data, size);
	task_run(talk, NULL);
	return 0;
}
