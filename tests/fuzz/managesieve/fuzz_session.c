/* Any commands after the login of ManageSieve. What was stored once stays for the next runs. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "../../../managesieved/session.h"
#include "../session.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"

static void set_up(void)
{
	fuzz_folder_make();
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
	struct session_user user = { "alice", fuzz_folder, "", "" };
	struct session_client client = { .user = &user, .address = VIEW("192.0.2.1") };

	managesieve_session_serve(argument, &client);
	stream_close(argument);
}

/* Whatever was said: there is one folder, and nothing else. */
static void look_around(void)
{
	DIR *folder = opendir(fuzz_folder);
	struct dirent *entry;

	while (folder != NULL && (entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "sieve") != 0)
			abort();
	if (folder != NULL)
		closedir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (fuzz_folder[0] == '\0')
		set_up();
	if (size > 8192)
		return 0;
	fuzz_talk(serve, data, size);
	look_around();
	return 0;
}
