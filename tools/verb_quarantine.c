/*
 * posta quarantine: what filters and policies have put on hold, and why. What people have put on hold
 * is for posta queue alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/date.h"
#include "task/task.h"
#include "tools/address_wish.h"
#include "tools/instance.h"
#include "tools/json.h"
#include "tools/quarantine.h"
#include "tools/tool.h"
#include "tools/verb_queue.h"

#define DIGEST_FILE_MAX ((size_t)1 << 20)

static const char help[] =
	"usage: posta [-c CONFDIR] quarantine list [--json] [--recipient ADDRESS]\n"
	"       posta quarantine show ID\n"
	"       posta quarantine release|delete ID...|ALL\n"
	"       posta quarantine digest [--since TIME|last]\n"
	"\n"
	"list      what a milter, a policy, DMARC or a table has put on hold, and why\n"
	"show      envelope, header and body of one message\n"
	"release   delivers it, to the inbox: the check that held it counts no more\n"
	"delete    removes it, without a report to anybody\n"
	"digest    sends each user of this site a list of what is held of theirs since TIME (1d "
	"ago), or\n"
	"          since the last digest; for a timer (posta-digest.timer)\n"
	"\n"
	"--recipient takes an address or @domain. After quarantine_lifetime messages are deleted.\n"
	"Status 1: there is no such message, or somebody cannot be told; 75: the mail system does "
	"not run.\n";

static struct {
	struct quarantined *items;
	size_t count;
	const char *recipient;
	msec_t since; /* before now */
	bool since_last;
	bool as_json;
	char **words; /* what is to be done, and with which */
	struct ipc *manager;
} quarantine;

static struct ipc *quarantine_manager(void)
{
	static const char *const services[] = { "private/qmgr", NULL };

	if (quarantine.manager == NULL)
		quarantine.manager = queue_connect(services);
	return quarantine.manager;
}

/* ---- which ---- */

static bool quarantine_wants(const struct queue_entry *e)
{
	if (quarantine.recipient == NULL)
		return true;
	for (size_t i = 0; i < e->count; i++)
		if (address_is_wanted(queue_entry_address(e, i), quarantine.recipient))
			return true;
	return false;
}

static int quarantine_take(void *argument, const struct queue_entry *e)
{
	struct quarantined *q;

	(void)argument;
	if (e->state != QUEUE_STATE_HOLD || !quarantine_wants(e))
		return 0;
	array_grow(quarantine.items, quarantine.count);
	q = &quarantine.items[quarantine.count++];
	*q = (struct quarantined){ .size = e->size, .arrival = e->arrival };
	memcpy(q->id, e->id, sizeof(q->id));
	str_append_printable(&q->sender, str_view(&e->sender));
	for (size_t i = 0; i < e->count; i++) {
		if (i > 0)
			str_append_byte(&q->recipients, '\n');
		str_append_printable(&q->recipients, queue_entry_address(e, i));
	}
	return 0;
}

/* From the descriptor that qmgr hands over. 1: it is held for a reason; 0: it is not, or is gone. */
static int quarantine_ask_why(struct quarantined *q)
{
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	struct error err = ERROR_NONE;
	struct message m;
	int r = quarantine_manager() == NULL ? -errno : 0;

	if (r == 0)
		r = ipc_send(quarantine.manager, queue_open, .queue_id = view_of(q->id));
	if (r == 0)
		r = ipc_receive(quarantine.manager, &m);
	if (r < 0)
		return r;
	if (m.type != MSG_queue_opened) {
		message_close_fd(&m);
		return m.type == MSG_verdict && m.verdict.code == 550 ? 0 : -EBADMSG;
	}
	if (queue_file_from_fd(m.queue_opened.file, view_of(q->id), &f, &err) < 0)
		return 0;
	str_append_printable(&q->why, queue_file_envelope(f)->held);
	return q->why.len > 0;
}

static void quarantined_free(struct quarantined *q)
{
	str_free(&q->sender);
	str_free(&q->recipients);
	str_free(&q->why);
}

static void quarantine_forget(void)
{
	for (size_t i = 0; i < quarantine.count; i++)
		quarantined_free(&quarantine.items[i]);
	quarantine.count = 0;
}

/* All of them, or the one of that id. A tool status. */
static int quarantine_find(const char *id)
{
	struct queue_source source = { .id = id, .down_status = TOOL_LATER };
	int status = queue_entries(&source, quarantine_take, NULL);
	size_t kept = 0;

	for (size_t i = 0; i < quarantine.count; i++) {
		int r = status == TOOL_DONE ? quarantine_ask_why(&quarantine.items[i]) : 0;

		if (r == -ECONNREFUSED || r == -ENOENT)
			status = TOOL_LATER;
		else if (r < 0)
			status = queue_fail("the queue manager: %s", strerror(-r));
		if (r > 0)
			quarantine.items[kept++] = quarantine.items[i];
		else
			quarantined_free(&quarantine.items[i]);
	}
	quarantine.count = kept;
	return status;
}

/* ---- what is done ---- */

static void quarantined_print(const struct quarantined *q)
{
	struct json json = JSON_START;
	struct view rest = str_view(&q->recipients), address;

	if (!quarantine.as_json) {
		_cleanup_(str_free) struct str when = STR_EMPTY;

		date_append_rfc5322(&when, q->arrival);
		printf("%s  %s  %llu bytes\n  from %s to", q->id, str_cstr(&when),
		       (unsigned long long)q->size,
		       q->sender.len > 0 ? str_cstr(&q->sender) : "<>");
		while (view_next(&rest, '\n', &address))
			printf(" %.*s", VIEW_ARG(address));
		printf("\n  %s\n", str_cstr(&q->why));
		return;
	}
	json_object(&json, NULL);
	json_string(&json, "queue_id", view_of(q->id));
	json_number(&json, "arrival_time", q->arrival);
	json_number(&json, "message_size", (int64_t)q->size);
	json_string(&json, "sender", str_view(&q->sender));
	json_array(&json, "recipients");
	while (view_next(&rest, '\n', &address))
		json_string(&json, NULL, address);
	json_end(&json);
	json_string(&json, "reason", str_view(&q->why));
	json_end(&json);
	json_print(&json);
}

static int quarantine_list(void)
{
	int status = quarantine_find(NULL);

	for (size_t i = 0; i < quarantine.count; i++)
		quarantined_print(&quarantine.items[i]);
	return status;
}

static int quarantine_act_on(const char *id, uint8_t action)
{
	struct message m;
	int r = ipc_send(quarantine.manager, queue_act, .action = action, .queue_id = view_of(id),
			 .states = 1u << QUEUE_STATE_HOLD);

	if (r == 0)
		r = ipc_receive(quarantine.manager, &m);
	if (r < 0 || m.type != MSG_queue_acted)
		return queue_failure(r, &m);
	return m.queue_acted.count > 0 ? TOOL_DONE : queue_fail("%s: it is gone", id);
}

/* `id` NULL: all. */
static int quarantine_act(const char *id, uint8_t action)
{
	int status = quarantine_find(id);

	if (status == TOOL_DONE && quarantine.count == 0 && id != NULL)
		return queue_fail("%s: there is no such message in quarantine", id);
	for (size_t i = 0; status == TOOL_DONE && i < quarantine.count; i++)
		status = quarantine_act_on(quarantine.items[i].id, action);
	if (status == TOOL_DONE)
		fprintf(stderr, "posta quarantine: %s: %zu message%s\n",
			action == QUEUE_ACT_RELEASE ? "released" : "deleted", quarantine.count,
			quarantine.count == 1 ? "" : "s");
	return status;
}

static int quarantine_show(const char *id)
{
	int status = quarantine_find(id);

	if (status == TOOL_DONE && quarantine.count == 0)
		return queue_fail("%s: there is no such message in quarantine", id);
	return status == TOOL_DONE
		       ? queue_show(quarantine.manager, id, SHOW_ENVELOPE | SHOW_HEADER | SHOW_BODY)
		       : status;
}

/*
 * When the last digest was sent (a day that a timer has missed is told with the next one), and in lines after that who
 * could not be told.
 */
static void digest_file_path(struct str *path)
{
	str_printf(path, "%s/quarantine.digest", param.data_directory);
}

/* What there is none of, or cannot be read, leaves the times as they are. */
static void digest_file_read(struct quarantine_times *times)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	struct view rest, first;
	uint32_t seconds;

	digest_file_path(&path);
	if (io_read_file(str_cstr(&path), DIGEST_FILE_MAX, &text, NULL) < 0)
		return;
	rest = str_view(&text);
	if (!view_next(&rest, '\n', &first) || view_parse_u32(first, UINT32_MAX, &seconds) < 0)
		return;
	times->since = seconds;
	str_append(&times->untold, rest);
}

static int digest_file_write(const struct quarantine_times *times)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	struct error err = ERROR_NONE;

	digest_file_path(&path);
	str_printf(&text, "%lld\n", (long long)times->until);
	str_append(&text, str_view(&times->untold));
	if (text.len > DIGEST_FILE_MAX)
		return queue_fail(
			"too many could not be told: the next digest is of the same time");
	return io_replace_file(str_cstr(&path), str_view(&text), 0600, &err) < 0
		       ? queue_fail("%s", err.text)
		       : TOOL_DONE;
}

static int quarantine_tell(void)
{
	/* What comes within this second is told the next time, all of it. */
	struct quarantine_times times = {
		.since = clock_wall() - quarantine.since / 1000,
		.until = quarantine.since_last ? clock_wall() - 1 : INT64_MAX,
	};
	int status = quarantine_find(NULL), told;

	if (status != TOOL_DONE)
		return status;
	if (quarantine.since_last)
		digest_file_read(&times);
	told = quarantine_digest(quarantine.items, quarantine.count, &times);
	if (told < 0)
		status = queue_fail("no digest can be sent: %s", strerror(-told));
	else
		fprintf(stderr, "posta quarantine: %d user%s told\n", told, told == 1 ? "" : "s");
	if (told >= 0 && quarantine.since_last)
		status = digest_file_write(&times);
	if (times.untold.len > 0)
		status = TOOL_NO;
	str_free(&times.untold);
	return status;
}

static int quarantine_do(const char *word, const char *id)
{
	if (id != NULL && strcmp(id, "ALL") == 0)
		id = NULL;
	if (id != NULL && !queue_id_is_valid(view_of(id)))
		return queue_fail("bad mail queue ID: %s", id);
	if (strcmp(word, "list") == 0)
		return quarantine_list();
	if (strcmp(word, "digest") == 0)
		return quarantine_tell();
	if (strcmp(word, "show") == 0)
		return quarantine_show(id);
	return quarantine_act(id,
			      strcmp(word, "release") == 0 ? QUEUE_ACT_RELEASE : QUEUE_ACT_DELETE);
}

static void quarantine_work(void *unused)
{
	char **ids = quarantine.words + 1;
	int status = quarantine_do(quarantine.words[0], ids[0]);

	(void)unused;
	quarantine_forget();
	while (ids[0] != NULL && *++ids != NULL) {
		int r = quarantine_do(quarantine.words[0], ids[0]);

		status = status == TOOL_DONE ? r : status;
		quarantine_forget();
	}
	free(quarantine.items);
	ipc_free(quarantine.manager);
	task_quit(status);
}

/* Options go; what is left are words. A tool status. */
static int quarantine_parse(int argc, char **argv)
{
	char **words = mem_new_array(char *, (size_t)argc + 1);
	size_t count = 0;

	quarantine.words = words;
	quarantine.since = (msec_t)24 * 3600 * 1000;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			quarantine.as_json = true;
		else if (strcmp(argv[i], "--recipient") == 0 && i + 1 < argc)
			quarantine.recipient = argv[++i];
		else if (strcmp(argv[i], "--since") == 0 && i + 1 < argc &&
			 strcmp(argv[i + 1], "last") == 0)
			quarantine.since_last = i++ > 0;
		else if (strcmp(argv[i], "--since") == 0 && i + 1 < argc &&
			 conf_parse_time(view_of(argv[i + 1]), 'd', &quarantine.since) == 0)
			i++;
		else if (argv[i][0] == '-')
			return tool_usage("quarantine", "%s is not understood", argv[i]);
		else
			words[count++] = argv[i];
	}
	if (count == 1 && (strcmp(words[0], "list") == 0 || strcmp(words[0], "digest") == 0))
		return TOOL_DONE;
	if (count == 2 && strcmp(words[0], "show") == 0 && strcmp(words[1], "ALL") != 0)
		return TOOL_DONE;
	if (count >= 2 && (strcmp(words[0], "release") == 0 || strcmp(words[0], "delete") == 0))
		return TOOL_DONE;
	return tool_usage("quarantine", "expected list, show ID, release ID, delete ID or digest");
}

int verb_quarantine(int argc, char **argv)
{
	int status;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	queue_failure_set_command("quarantine");
	status = quarantine_parse(argc, argv);
	if (status == TOOL_DONE && !instance_find("quarantine"))
		status = TOOL_NO;
	if (status == TOOL_DONE)
		status = task_run(quarantine_work, NULL);
	free(quarantine.words);
	return status;
}
