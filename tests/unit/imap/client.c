#include "client.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/conf.h"
#include "store/deliver.h"

static char directory[32];
static char maildir[64];
static struct store *store;
static size_t sessions, clients;
static bool bytewise;
const char *client_quota = "";
unsigned client_room_told;

/* The session's parent's matter. */
void session_tell_room(void)
{
	client_room_told++;
}

struct store *client_store(void)
{
	return store;
}

static void serve(void *argument)
{
	static const struct session_user user = { "bob@example.test", maildir, "", "" };
	struct session_client known = {
		.user = &user, .tag = VIEW("login"), .address = VIEW("192.0.2.1"), .secured = true
	};
	struct stream *io = argument;

	stream_set_timeout(io, 20000);
	imap_session_serve(io, &known, store);
	stream_close(io);
	sessions--;
}

void client_connect(struct imap_client *client, const char *path)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*client = (struct imap_client){ .io = stream_new(pair[0]),
					.maildir = path,
					.bytewise = bytewise };
	stream_set_timeout(client->io, 5000);
	sessions++;
	clients++;
	task_spawn("session", serve, stream_new(pair[1]));
	assert_non_null(
		strstr(client_read_until(client, "login "), "login OK [CAPABILITY IMAP4rev1"));
}

void client_disconnect(struct imap_client *client)
{
	stream_close(client->io);
	str_free(&client->answer);
	clients--;
	for (int i = 0; i < 400 && sessions > clients; i++)
		task_sleep(5);
	assert_true(sessions <= clients);
}

void client_send(struct imap_client *client, const char *text)
{
	for (; client->bytewise && *text != '\0'; text++) {
		assert_int_equal(stream_write(client->io, view_make(text, 1)), 0);
		assert_int_equal(stream_flush(client->io), 0);
		task_yield();
	}
	assert_int_equal(stream_write(client->io, view_of(text)), 0);
	assert_int_equal(stream_flush(client->io), 0);
}

/* One line and the literals in it. False at the end of the connection. */
static bool read_line(struct imap_client *client, size_t *start)
{
	*start = client->answer.len;
	for (;;) {
		struct view line, digits;
		size_t open;
		uint64_t size;
		int r = stream_read_line(client->io, &line, 1000000);

		if (r < 0)
			return false;
		str_append(&client->answer, line);
		str_append_byte(&client->answer, '\n');
		line = str_view(&client->answer);
		line.len--;
		open = view_find_last_byte(line, '{');
		if (line.len == 0 || line.data[line.len - 1] != '}' || open == VIEW_NOT_FOUND)
			return true;
		digits = view_make(line.data + open + 1, line.len - open - 2);
		if (view_parse_u64(digits, 10000000, &size) < 0)
			return true;
		for (; size > 0; size--) {
			char c;

			assert_int_equal(stream_read_exact(client->io, &c, 1), 0);
			if (c != '\r')
				str_append_byte(&client->answer, c);
		}
	}
}

const char *client_read_until(struct imap_client *client, const char *start)
{
	size_t at;

	str_clear(&client->answer);
	while (read_line(client, &at))
		if (view_starts(view_from(str_view(&client->answer), at), view_of(start)))
			break;
	return str_cstr(&client->answer);
}

const char *client_ask(struct imap_client *client, const char *command)
{
	const char *last = command;
	char tag[32];

	for (const char *p = command; *p != '\0' && strchr(command, '{') == NULL; p++)
		if (*p == '\n' && p[1] != '\0')
			last = p + 1;
	snprintf(tag, sizeof(tag), "%.*s ", (int)strcspn(last, " \r\n"), last);
	client_send(client, command);
	return client_read_until(client, tag);
}

void client_expect(struct imap_client *client, const char *command, const char *answer)
{
	assert_string_equal(client_ask(client, command), answer);
}

void client_expect_has(struct imap_client *client, const char *command, const char *part)
{
	const char *answer = client_ask(client, command);

	if (strstr(answer, part) == NULL)
		fail_msg("%s\nexpected: %s\ngot: %s", command, part, answer);
}

void client_expect_lacks(struct imap_client *client, const char *command, const char *part)
{
	const char *answer = client_ask(client, command);

	if (strstr(answer, part) != NULL)
		fail_msg("%s\nnot expected: %s\ngot: %s", command, part, answer);
}

static void with_cr(struct str *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			str_append_byte(out, '\r');
		str_append_byte(out, *text);
	}
}

void client_append(struct imap_client *client, const char *folder, const char *options,
		   const char *text)
{
	struct str content = STR_EMPTY, command = STR_EMPTY;

	with_cr(&content, text);
	str_printf(&command, "append APPEND %s %s{%zu+}\r\n", folder, options, content.len);
	str_append(&command, str_view(&content));
	str_append_cstr(&command, "\r\n");
	client_send(client, str_cstr(&command));
	assert_non_null(strstr(client_read_until(client, "append "), "append OK [APPENDUID "));
	str_free(&content);
	str_free(&command);
}

void client_deliver(struct imap_client *client, const char *folder, const char *text)
{
	struct str content = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct mail_source source = { .content.file = -1 };

	with_cr(&content, text);
	source.content.bytes = str_cstr(&content);
	source.content.size = content.len;
	if (maildir_deliver(client->maildir, view_of(folder), true, &source, NULL, &err) < 0)
		fail_msg("%s", err.text);
	str_free(&content);
}

static void run(void *argument)
{
	void (**test)(struct imap_client * client) = argument;
	struct imap_client client;
	struct error err = ERROR_NONE;

	if (store_open(maildir, &STORE_DEFAULTS, &store, &err) < 0)
		fail_msg("%s", err.text);
	imap_quota_open(
		&(const struct session_user){ "bob@example.test", maildir, "", client_quota },
		store);
	client_connect(&client, maildir);
	(*test)(&client);
	client_disconnect(&client);
	store_close(TAKE(store));
}

void client_delete_index(struct imap_client *client)
{
	_cleanup_(str_free) struct str command = STR_EMPTY;

	str_printf(&command, "rm -rf %s/posta.index", client->maildir);
	assert_int_equal(system(str_cstr(&command)), 0);
}

void client_run(void (*test)(struct imap_client *client))
{
	struct str report = STR_EMPTY, command = STR_EMPTY;

	/* In memory if possible: nothing here is about the disk. */
	snprintf(directory, sizeof(directory), "%s/posta-imap-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(directory));
	snprintf(maildir, sizeof(maildir), "%s/Maildir", directory);
	if (conf_load_text(VIEW(""), directory, NULL, 0, &report) < 0)
		fail_msg("%s", str_cstr(&report));
	assert_int_equal(task_run(run, &test), 0);
	conf_unload();
	str_printf(&command, "rm -rf %s", directory);
	assert_int_equal(system(str_cstr(&command)), 0);
	str_free(&report);
	str_free(&command);
}

void client_run_both(void (*test)(struct imap_client *client))
{
	client_run(test);
	bytewise = true;
	client_run(test);
	bytewise = false;
}
