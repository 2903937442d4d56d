/* Any commands after the login of ManageSieve. What was stored once stays for the next runs. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../managesieved/session.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	char path[64];
	struct view input;
} fuzz;

static void clean_up(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", fuzz.path);
	(void)!system(command);
}

static void set_up(void)
{
	snprintf(fuzz.path, sizeof(fuzz.path), "/dev/shm/posta-fuzz-XXXXXX");
	if (mkdtemp(fuzz.path) == NULL)
		abort();
	atexit(clean_up);
	log_set_level(LOG_FATAL_LEVEL);
	param.managesieve_timeout = 1000;
	param.managesieve_bad_commands_max = 20;
	param.sieve_max_script_size = 4096;
	param.sieve_quota_max_scripts = 10;
	param.sieve_quota_max_storage = 20000;
	param.mail_name = "Posta";
}

static void serve(void *argument)
{
	struct session_user user = { "alice", fuzz.path, "", "" };
	struct session_client client = { .user = &user, .address = VIEW("192.0.2.1") };

	managesieve_session_serve(argument, &client);
	stream_close(argument);
}

/* Whatever was said: there is one folder, and nothing else. */
static void look_around(void)
{
	DIR *folder = opendir(fuzz.path);
	struct dirent *entry;

	while (folder != NULL && (entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "sieve") != 0)
			abort();
	if (folder != NULL)
		closedir(folder);
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
	if (fuzz.path[0] == '\0')
		set_up();
	if (size > 8192)
		return 0;
	fuzz.input = view_make(data, size);
	task_run(talk, NULL);
	look_around();
	return 0;
}
