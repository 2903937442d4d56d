/* Any commands after the login, on a mailbox with three messages. */
#include <stdlib.h>
#include <string.h>

#include "../../../pop3d/session.h"
#include "../session.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "store/deliver.h"

static struct store *store;

static void deliver(const char *text)
{
	struct mail_source source = { .content = { -1, 0, strlen(text), text } };

	if (maildir_deliver(fuzz_folder, VIEW(""), false, &source, NULL, NULL) < 0)
		abort();
}

static void set_up(void)
{
	fuzz_folder_make();
	if (store_open(fuzz_folder, &STORE_DEFAULTS, &store, NULL) < 0)
		abort();
	log_set_level(LOG_FATAL_LEVEL);
	param.pop3_timeout = 1000;
	param.pop3_bad_commands_max = 20;
	param.pop3_uidl_format = "%08Xu%08Xv";
	param.mail_name = "Posta";
}

static void serve(void *argument)
{
	struct session_user user = { "alice", fuzz_folder, "" };
	struct session_client client = { .user = &user, .address = VIEW("192.0.2.1") };

	pop3_session_serve(argument, &client, store);
	stream_close(argument);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct folder_status status;

	if (store == NULL)
		set_up();
	if (size > 8192)
		return 0;
	/* What the last run removed comes back. */
	if (store_status(store, VIEW("INBOX"), &status) < 0)
		abort();
	for (; status.messages < 3; status.messages++)
		deliver("Subject: x\r\n\r\n.dot\r\n\r\nline\r\n");
	fuzz_talk(serve, data, size);
	return 0;
}
