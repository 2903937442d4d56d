/* qmgr with this test in the place of cleanup, a delivery agent and bounce. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "control.h"
#include "qmgr.h"

static char directory[64];
static void (*test_body)(void);
static bool in_journal; /* the messages of this test */

/* What the agent and bounce saw. */
static struct {
	size_t deliveries, recipients, largest, failures, delays, successes;
	size_t now, most; /* deliveries at one time */
	bool bounce_refuses;
	msec_t pause;
} seen;

/* ---- the other programs ---- */

static bool begins(struct view address, const char *with)
{
	return view_starts(address, view_of(with));
}

/* The first word of an address is its fate. */
static void send_result(struct ipc *ipc, uint32_t index, struct view address)
{
	uint8_t outcome = begins(address, "fail")      ? OUTCOME_FAILED
			  : begins(address, "defer")   ? OUTCOME_DEFERRED
			  : begins(address, "relay")   ? OUTCOME_RELAYED
			  : begins(address, "strange") ? 77
						       : OUTCOME_DELIVERED;

	ipc_send(ipc, result, .index = index, .outcome = outcome,
		 .status = outcome == OUTCOME_FAILED	 ? VIEW("5.1.1")
			   : outcome == OUTCOME_DEFERRED ? VIEW("4.4.1")
							 : VIEW("2.0.0"),
		 .diagnostic = VIEW("as it is named"));
}

static int serve_delivery(struct ipc *ipc)
{
	struct message m;
	bool dead, crash;
	uint32_t indexes[1000], count;
	char addresses[1000][40];
	int r = ipc_expect(ipc, MSG_deliver, &m);

	if (r < 0)
		return r;
	count = m.deliver.count;
	dead = view_is(m.deliver.nexthop, "dead");
	crash = view_is(m.deliver.nexthop, "crash");
	message_close_fd(&m);
	assert_in_range(count, 1, 1000);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(ipc_expect(ipc, MSG_deliver_rcpt, &m), 0);
		indexes[i] = m.deliver_rcpt.index;
		snprintf(addresses[i], sizeof(addresses[i]), "%.*s",
			 VIEW_ARG(m.deliver_rcpt.address));
	}
	seen.deliveries++;
	seen.recipients += count;
	seen.largest = MAX(seen.largest, count);
	seen.now++;
	seen.most = MAX(seen.most, seen.now);
	if (seen.pause > 0)
		task_sleep(seen.pause);
	seen.now--;
	if (crash)
		return -EPIPE;
	for (uint32_t i = 0; i < count; i++)
		send_result(ipc, indexes[i], dead ? VIEW("defer") : view_of(addresses[i]));
	ipc_send(ipc, deliver_end, .destination = dead ? DESTINATION_UNREACHABLE : DESTINATION_OK);
	return ipc_flush(ipc);
}

static void agent(void *argument)
{
	while (serve_delivery(argument) == 0)
		;
	ipc_free(argument);
}

static void bounce(void *argument)
{
	struct message m;

	while (ipc_expect(argument, MSG_report, &m) == 0) {
		close(m.report.file);
		seen.failures += m.report.kind == REPORT_FAILURE;
		seen.delays += m.report.kind == REPORT_DELAY;
		seen.successes += m.report.kind == REPORT_SUCCESS;
		ipc_send(argument, verdict, .code = seen.bounce_refuses ? 451 : 250);
	}
	ipc_free(argument);
}

struct listener {
	int fd;
	task_function *serve;
};

static void listen_run(void *argument)
{
	struct listener *l = argument;

	for (;;) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			task_spawn("peer", l->serve, ipc_new(fd));
		else
			task_wait_acceptable(l->fd, MSEC_FOREVER);
	}
}

static void listen_at(const char *service, task_function *serve)
{
	struct listener *l = mem_new(struct listener);
	struct sockaddr_un address;

	assert_int_equal(ipc_socket_address(service, &address), 0);
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	l->serve = serve;
	assert_int_equal(bind(l->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(l->fd, 100), 0);
	task_spawn("listen", listen_run, l);
}

/* ---- the frame ---- */

static void limits(const char *transport, struct schedule_limits *out)
{
	(void)transport;
	*out = (struct schedule_limits){ 100, 5, 20, 50, 1, false, false };
}

static void run(void *unused)
{
	(void)unused;
	listen_at("private/smtp", agent);
	listen_at("private/bounce", bounce);
	test_body();
	task_quit(0);
}

static void write_file(const char *name, const char *text)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/%s", directory, name);
	assert_int_equal(io_replace_file(str_cstr(&path), view_of(text), 0600, NULL), 0);
}

#define TRANSPORTS                                                                                 \
	"transport_maps = inline:{ {dead.test=smtp:dead} {crash.test=smtp:crash} "                 \
	"{error.test=error:5.1.2 no such domain} {gone.test=nosuch:x} {away.test=lmtp:x} "         \
	"{drop.test=discard:} {b.test=smtp:b} {*=smtp:all} }\n"

static void in_child(const char *main_cf, void (*body)(void))
{
	_cleanup_(str_free) struct str text = STR_EMPTY, report = STR_EMPTY, path = STR_EMPTY;
	struct error err = ERROR_NONE;
	char command[128];

	log_set_level(LOG_FATAL_LEVEL);
	memset(&seen, 0, sizeof(seen));
	/* In memory where there is such a place: a disk's fsync would take most of the time. */
	snprintf(directory, sizeof(directory), "/dev/shm/posta-qmgr-XXXXXX");
	if (mkdtemp(directory) == NULL) {
		snprintf(directory, sizeof(directory), "/tmp/posta-qmgr-XXXXXX");
		assert_non_null(mkdtemp(directory));
	}
	str_printf(&path, "%s/private", directory);
	assert_int_equal(mkdir(str_cstr(&path), 0700), 0);
	str_printf(&text,
		   "myhostname = mx.example.test\nalias_maps =\nmailbox_users =\n"
		   "local_recipient_maps =\nqueue_directory = %s\n" TRANSPORTS "%s",
		   directory, main_cf);
	write_file("main.cf", str_cstr(&text));
	if (conf_load(directory, NULL, 0, &report) < 0)
		fail_msg("%s", str_cstr(&report));
	assert_int_equal(queue_make_folders(directory, &err), 0);
	ipc_set_root(directory);
	qmgr = (struct qmgr){
		.lock_fd = -1, .retired_fd = -1, .may_start = true, .active_limit = 1000
	};
	qmgr.queue = queue_open(directory, &err);
	qmgr.routes = routes_open(&err);
	if (qmgr.routes == NULL)
		fail_msg("%s", err.text);
	qmgr.services = map_new();
	if (in_journal)
		queue_use_journal(qmgr.queue, 4, 256 * 1024);
	map_put(qmgr.services, VIEW("smtp"), (void *)(uintptr_t)100);
	map_put(qmgr.services, VIEW("lmtp"), (void *)(uintptr_t)100);
	qmgr.schedule = schedule_new(limits);
	messages_init();
	test_body = body;
	task_run(run, NULL);
	queue_close(qmgr.queue);
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	assert_int_equal(system(command), 0);
}

/* In a process of its own: a program has one queue manager in its life. */
static void run_child(const char *main_cf, void (*body)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		alarm(60); /* a failed assertion leaves the child where it stands */
		in_child(main_cf, body);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* With a file for each message, and with the journal. */
static void with_qmgr(const char *main_cf, void (*body)(void))
{
	in_journal = false;
	run_child(main_cf, body);
	in_journal = true;
	run_child(main_cf, body);
}

static void begin(void)
{
	task_spawn("scan", scan_run, NULL);
	task_spawn("activate", activate_run, NULL);
}

struct to {
	const char *address;
	uint8_t notify;
};

/* Where a message was put (`put` not NULL), or is. */
static const struct queue_place *place_of(const char *id, const struct queue_place *put)
{
	static struct {
		char id[QUEUE_ID_LENGTH_MAX];
		struct queue_place place;
	} known[1000];
	static size_t count;
	const struct queued *m = put == NULL ? message_find(view_of(id)) : NULL;

	if (put != NULL && count < ARRAY_SIZE(known)) {
		snprintf(known[count].id, sizeof(known[count].id), "%s", id);
		known[count++].place = *put;
		return put;
	}
	for (size_t i = 0; m == NULL && i < count; i++)
		if (strcmp(known[i].id, id) == 0)
			return &known[i].place;
	return m ? &m->place : NULL;
}

static const char *put_held = ""; /* why a filter holds what is put */

static void put(const char *sender, int64_t age, const struct to *to, size_t count, char *id)
{
	struct error err = ERROR_NONE;
	struct queue_writer *w = queue_writer_new(
		qmgr.queue,
		&(struct queue_envelope){ .sender = view_of(sender),
					  .held = view_of(put_held),
					  .flags = *put_held != '\0' ? MAIL_FLAG_HOLD : 0,
					  .arrival = clock_wall_usec() - age * 1000000 });

	for (size_t i = 0; i < count; i++)
		queue_writer_recipient(w, view_of(to[i].address), view_of(to[i].address), VIEW_NONE,
				       to[i].notify);
	queue_writer_content(w, VIEW("A: b\r\n\r\nbody\r\n"));
	assert_int_equal(queue_writer_commit(w, &err), 0);
	snprintf(id, QUEUE_ID_LENGTH_MAX, "%s", queue_writer_id(w));
	place_of(id, queue_writer_place(w));
	message_add(view_of(id), queue_writer_place(w), clock_wall_usec(), true);
	queue_writer_free(w);
	work_wake();
}

static void note_removal(struct queued *m, void *found)
{
	if (m->state == MESSAGE_REMOVING)
		*(bool *)found = true;
}

static bool is_removing(void)
{
	bool found = false;

	message_each(note_removal, &found);
	return found;
}

/* Until nothing is under way. */
static void settle(void)
{
	msec_t deadline = clock_after(20000);
	const struct queued *first;

	do {
		task_sleep(5);
		first = message_first_due();
		assert_true(clock_now() < deadline);
	} while (qmgr.active > 0 || is_removing() ||
		 (first != NULL && first->due.key <= clock_wall_usec()));
}

static bool exists(const char *id)
{
	struct queue_file *f;
	int r = queue_file_open(qmgr.queue, view_of(id), place_of(id, NULL), QUEUE_OPEN_LOCK, &f,
				NULL);

	if (r == -ENOENT) /* settled since */
		r = queue_file_open(qmgr.queue, view_of(id), NULL, QUEUE_OPEN_LOCK, &f, NULL);

	if (r == 0)
		queue_file_close(f);
	assert_true(r == 0 || r == -ENOENT || r == -EBUSY);
	return r != -ENOENT;
}

static void wait_until_gone(const char *id)
{
	msec_t deadline = clock_after(10000);

	while (exists(id)) {
		task_sleep(5);
		assert_true(clock_now() < deadline);
	}
}

/* "address=outcome/reported " of each recipient. */
static void expect_recipients(const char *id, const char *expected)
{
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	_cleanup_(str_free) struct str list = STR_EMPTY;
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;

	assert_int_equal(queue_file_open(qmgr.queue, view_of(id), place_of(id, NULL), 0, &f, NULL),
			 0);
	while (queue_file_next_recipient(f, &cursor, &r) > 0)
		str_printf(&list, "%.*s=%d/%d ", VIEW_ARG(r.address), r.outcome, r.reported);
	assert_string_equal(str_cstr(&list), expected);
}

#define PUT(sender, age, id, ...)                                                                  \
	put(sender, age, (const struct to[]){ __VA_ARGS__ },                                       \
	    ARRAY_SIZE(((const struct to[]){ __VA_ARGS__ })), id)

/* ---- the tests ---- */

static void fates(void)
{
	char all[QUEUE_ID_LENGTH_MAX], mixed[QUEUE_ID_LENGTH_MAX], none[QUEUE_ID_LENGTH_MAX];

	begin();
	PUT("s@x.test", 0, all, { "ok1@a.test", 0 }, { "ok2@b.test", 0 });
	PUT("s@x.test", 0, mixed, { "ok@a.test", 0 }, { "fail@a.test", 0 }, { "defer@b.test", 0 },
	    { "x@error.test", 0 }, { "x@drop.test", 0 }, { "x@gone.test", 0 });
	PUT("", 0, none, { "fail@a.test", 0 });
	settle();
	wait_until_gone(all);
	wait_until_gone(none);
	assert_true(exists(mixed));
	expect_recipients(mixed, "ok@a.test=1/1 fail@a.test=3/1 defer@b.test=2/0 "
				 "x@error.test=3/1 x@drop.test=1/1 x@gone.test=2/0 ");
	/* One report for the one attempt; nobody is told of the null sender's. */
	assert_int_equal(seen.failures, 1);
	assert_null(message_find(view_of(all)));
	const struct queued *m = message_find(view_of(mixed));

	assert_int_equal(m->state, MESSAGE_WAITING);
	int64_t wait = m->due.key / 1000000 - clock_wall();

	assert_in_range(wait, 299, 331);
	assert_int_equal(qmgr.recipients, 0);
	assert_int_equal(schedule_destination_count(qmgr.schedule), 0);
}

/* What was delivered is not delivered again; what failed is not reported again. */
static void second_attempt(void)
{
	char id[QUEUE_ID_LENGTH_MAX];

	begin();
	PUT("s@x.test", 0, id, { "ok@a.test", 0 }, { "fail@a.test", 0 }, { "defer@a.test", 0 });
	settle();
	assert_int_equal(seen.recipients, 3);
	message_set_due(message_find(view_of(id)), 0);
	work_wake();
	settle();
	assert_int_equal(seen.recipients, 4);
	assert_int_equal(seen.failures, 1);
	expect_recipients(id, "ok@a.test=1/1 fail@a.test=3/1 defer@a.test=2/0 ");
}

static void wishes_for_reports(void)
{
	char id[QUEUE_ID_LENGTH_MAX], quiet[QUEUE_ID_LENGTH_MAX];

	begin();
	PUT("s@x.test", 0, quiet, { "fail@a.test", NOTIFY_NEVER });
	settle();
	assert_int_equal(seen.failures, 0);
	wait_until_gone(quiet);
	PUT("s@x.test", 0, id, { "ok@a.test", NOTIFY_SUCCESS }, { "relay@a.test", NOTIFY_SUCCESS },
	    { "defer@a.test", 0 });
	settle();
	assert_int_equal(seen.successes, 1);
	expect_recipients(id, "ok@a.test=1/1 relay@a.test=4/1 defer@a.test=2/0 ");
}

/* A report that cannot be written is made later; until then the message stays. */
static void bounce_is_away(void)
{
	char id[QUEUE_ID_LENGTH_MAX];

	begin();
	seen.bounce_refuses = true;
	PUT("s@x.test", 0, id, { "fail@a.test", 0 });
	settle();
	assert_int_equal(seen.failures, 1);
	expect_recipients(id, "fail@a.test=3/0 ");
	seen.bounce_refuses = false;
	message_set_due(message_find(view_of(id)), 0);
	work_wake();
	settle();
	assert_int_equal(seen.failures, 2);
	assert_int_equal(seen.deliveries, 1);
	wait_until_gone(id);
}

static void old_mail(void)
{
	char warned[QUEUE_ID_LENGTH_MAX], expired[QUEUE_ID_LENGTH_MAX], null[QUEUE_ID_LENGTH_MAX];

	begin();
	PUT("s@x.test", 3600, warned, { "defer@a.test", 0 });
	PUT("s@x.test", 6 * 86400, expired, { "defer@a.test", 0 }, { "ok@a.test", 0 });
	PUT("", 6 * 86400, null, { "defer@a.test", 0 });
	settle();
	assert_int_equal(seen.delays, 1);
	assert_int_equal(seen.failures, 1);
	assert_true(exists(warned));
	wait_until_gone(expired);
	wait_until_gone(null);
	/* Warned of once. */
	message_set_due(message_find(view_of(warned)), 0);
	work_wake();
	settle();
	assert_int_equal(seen.delays, 1);
}

static void large_message(void)
{
	enum { COUNT = 5000 };
	_cleanup_free_ struct to *to = mem_new_array(struct to, COUNT);
	char(*addresses)[32] = mem_new_items(COUNT, 32);
	char id[QUEUE_ID_LENGTH_MAX], small[QUEUE_ID_LENGTH_MAX];

	begin();
	for (int i = 0; i < COUNT; i++) {
		snprintf(addresses[i], 32, "%s%d@%c.test", i % 100 ? "ok" : "fail", i,
			 i % 3 ? 'a' : 'b');
		to[i].address = addresses[i];
	}
	seen.pause = 1;
	put("s@x.test", 0, to, COUNT, id);
	task_sleep(3);
	PUT("s@x.test", 0, small, { "ok@a.test", 0 });
	while (message_find(view_of(small)) != NULL)
		task_sleep(1);
	/* It did not wait for the large one. */
	assert_true(seen.recipients < COUNT);
	settle();
	assert_int_equal(seen.recipients, COUNT + 1);
	assert_int_equal(seen.largest, 50);
	assert_in_range(seen.most, 6, 40);
	assert_int_equal(seen.failures, 1);
	wait_until_gone(id);
	free(addresses);
}

static void dead_destination(void)
{
	char ids[10][QUEUE_ID_LENGTH_MAX], other[QUEUE_ID_LENGTH_MAX];

	seen.pause = 50;
	for (int i = 0; i < 10; i++)
		PUT("s@x.test", 0, ids[i], { "x@dead.test", 0 });
	PUT("s@x.test", 0, other, { "ok@a.test", 0 });
	begin();
	settle();
	wait_until_gone(other);
	/* The window of five was given out, then it was dead. */
	assert_int_equal(seen.deliveries, 6);
	for (int i = 0; i < 10; i++)
		expect_recipients(ids[i], "x@dead.test=2/0 ");
	assert_int_equal(schedule_destination_count(qmgr.schedule), 1);
	schedule_revive(qmgr.schedule, INT64_MAX);
	assert_int_equal(schedule_destination_count(qmgr.schedule), 0);
}

/* An agent that dies, one that talks nonsense, one that is not there. */
static void bad_agents(void)
{
	char crash[QUEUE_ID_LENGTH_MAX], strange[QUEUE_ID_LENGTH_MAX];

	begin();
	PUT("s@x.test", 0, crash, { "x@crash.test", 0 });
	settle();
	expect_recipients(crash, "x@crash.test=2/0 ");
	PUT("s@x.test", 0, strange, { "ok@a.test", 0 }, { "strange@a.test", 0 },
	    { "ok2@a.test", 0 });
	settle();
	expect_recipients(strange, "ok@a.test=1/1 strange@a.test=2/0 ok2@a.test=2/0 ");
}

/* What is on disk at the start. */
static void recovery(void)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, bytes = STR_EMPTY;
	char good[QUEUE_ID_LENGTH_MAX], damaged[QUEUE_ID_LENGTH_MAX], torn[QUEUE_ID_LENGTH_MAX],
		locked[QUEUE_ID_LENGTH_MAX], later[QUEUE_ID_LENGTH_MAX], held[QUEUE_ID_LENGTH_MAX];
	struct queue_file *f, *lock;
	struct stat st;

	PUT("s@x.test", 0, good, { "ok@a.test", 0 });
	PUT("s@x.test", 0, damaged, { "ok@a.test", 0 });
	PUT("s@x.test", 0, torn, { "ok@a.test", 0 });
	PUT("s@x.test", 0, locked, { "ok@a.test", 0 });
	PUT("s@x.test", 0, later, { "ok@a.test", 0 });
	PUT("s@x.test", 0, held, { "ok@a.test", 0 });
	while (message_first_due() != NULL)
		message_forget(message_first_due());
	queue_file_open(qmgr.queue, view_of(later), NULL, 0, &f, NULL);
	queue_file_set_state(f, 0, clock_wall() + 1000);
	queue_file_close(f);
	queue_file_open(qmgr.queue, view_of(held), NULL, 0, &f, NULL);
	queue_file_set_state(f, QUEUE_FLAG_HOLD, 0);
	queue_file_close(f);
	assert_int_equal(
		queue_file_open(qmgr.queue, view_of(locked), NULL, QUEUE_OPEN_LOCK, &lock, NULL),
		0);
	str_printf(&path, "%s/", directory);
	queue_path(&path, view_of(damaged));
	assert_int_equal(io_read_file(str_cstr(&path), 10000, &bytes, NULL), 0);
	bytes.data[view_find(str_view(&bytes), VIEW("body"))] = 'B';
	assert_int_equal(io_replace_file(str_cstr(&path), str_view(&bytes), 0600, NULL), 0);
	str_clear(&path);
	str_printf(&path, "%s/", directory);
	queue_path(&path, view_of(torn));
	assert_int_equal(truncate(str_cstr(&path), 200), 0);

	begin();
	wait_until_gone(good);
	task_sleep(50);
	assert_int_equal(seen.deliveries, 1);
	assert_int_equal(stat(str_cstr(&path), &st), 0); /* young: its writer may be at it */
	str_clear(&path);
	str_printf(&path, "%s/corrupt/%s", directory, damaged);
	assert_int_equal(stat(str_cstr(&path), &st), 0);
	assert_int_equal(message_find(view_of(later))->state, MESSAGE_WAITING);
	assert_int_equal(message_find(view_of(held))->state, MESSAGE_HELD);
	queue_file_close(lock);
	wait_until_gone(locked);
	assert_int_equal(seen.deliveries, 2);
}

static void folder_of(const char *id, struct str *path)
{
	str_clear(path);
	str_printf(path, "%s/", directory);
	queue_path(path, view_of(id));
	*strrchr(str_cstr(path), '/') = '\0';
}

/* What cannot be read hides nothing else, and is read when it can be. */
static void unreadable_folder(void)
{
	_cleanup_(str_free) struct str first = STR_EMPTY, second = STR_EMPTY, away = STR_EMPTY;
	char hidden[QUEUE_ID_LENGTH_MAX], other[QUEUE_ID_LENGTH_MAX];

	PUT("s@x.test", 0, hidden, { "ok@a.test", 0 });
	folder_of(hidden, &first);
	do {
		PUT("s@x.test", 0, other, { "ok@a.test", 0 });
		folder_of(other, &second);
	} while (strcmp(str_cstr(&first), str_cstr(&second)) == 0);
	while (message_first_due() != NULL)
		message_forget(message_first_due());
	str_printf(&away, "%s/away", directory);
	assert_int_equal(rename(str_cstr(&first), str_cstr(&away)), 0);
	begin();
	wait_until_gone(other);
	assert_true(scan_is_first());
	assert_null(message_find(view_of(hidden)));
	assert_int_equal(rename(str_cstr(&away), str_cstr(&first)), 0);
	scan_wait_first(clock_after(10000));
	assert_false(scan_is_first());
	wait_until_gone(hidden);
	assert_int_equal(queue_file_age(qmgr.queue, view_of(hidden)), -ENOENT);
}

/* Overwrites bytes of a message in the journal. */
static void spoil(const char *id, uint64_t at, const char *bytes)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/journal/001", directory);
	_cleanup_fd_ int fd = open(str_cstr(&path), O_WRONLY | O_CLOEXEC);

	assert_int_equal(place_of(id, NULL)->segment, 1);
	assert_int_equal(
		io_pwrite_all(fd, bytes, strlen(bytes), (off_t)(place_of(id, NULL)->offset + at)),
		0);
}

static void journal_recovery(void)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	char good[QUEUE_ID_LENGTH_MAX], damaged[QUEUE_ID_LENGTH_MAX], torn[QUEUE_ID_LENGTH_MAX],
		busy[QUEUE_ID_LENGTH_MAX], done[QUEUE_ID_LENGTH_MAX], twin[QUEUE_ID_LENGTH_MAX];
	struct queue_file *f;
	struct stat st;

	PUT("s@x.test", 0, good, { "ok@a.test", 0 });
	PUT("s@x.test", 0, damaged, { "ok@a.test", 0 });
	PUT("s@x.test", 0, torn, { "ok@a.test", 0 });
	PUT("s@x.test", 0, busy, { "ok@a.test", 0 });
	PUT("s@x.test", 0, done, { "ok@a.test", 0 });
	PUT("s@x.test", 0, twin, { "ok@a.test", 0 });
	while (message_first_due() != NULL)
		message_forget(message_first_due());
	spoil(damaged, place_of(damaged, NULL)->size + 64 - 22, "B");
	spoil(torn, place_of(torn, NULL)->size + 64 - 16, "no mark");
	queue_mark(qmgr.queue, place_of(busy, NULL), QUEUE_RECORD_BUSY);
	queue_mark(qmgr.queue, place_of(done, NULL), QUEUE_RECORD_DONE);
	/* As somebody leaves it who dies between the file and the mark. */
	queue_file_open(qmgr.queue, view_of(twin), place_of(twin, NULL), 0, &f, NULL);
	assert_int_equal(queue_file_settle(f, NULL), 0);
	queue_file_close(f);
	queue_mark(qmgr.queue, place_of(twin, NULL), QUEUE_RECORD_LIVE);

	str_printf(&path, "%s/retired", directory);
	qmgr.retired_fd = open(str_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int retired = open(str_cstr(&path), O_RDWR | O_CLOEXEC);

	flock(retired, LOCK_SH);
	begin();
	settle();
	wait_until_gone(twin);
	settle();
	assert_int_equal(seen.deliveries, 2); /* good, twin */
	assert_null(message_find(view_of(busy)));
	str_clear(&path);
	str_printf(&path, "%s/corrupt/%s", directory, damaged);
	assert_int_equal(stat(str_cstr(&path), &st), 0);
	/* The one that had it under way is gone. */
	close(retired);
	wait_until_gone(busy);
	assert_int_equal(seen.deliveries, 3);
}

/* The service is in master.cf, but nobody listens. */
static void no_agent(void)
{
	char id[QUEUE_ID_LENGTH_MAX], second[QUEUE_ID_LENGTH_MAX];

	begin();
	PUT("s@x.test", 0, id, { "x@away.test", 0 });
	settle();
	expect_recipients(id, "x@away.test=2/0 ");
	PUT("s@x.test", 0, second, { "x@away.test", 0 });
	settle();
	expect_recipients(second, "x@away.test=2/0 ");
}

/* What an administrator does, also to messages under delivery. */
static void by_hand(void)
{
	char held[QUEUE_ID_LENGTH_MAX], busy[QUEUE_ID_LENGTH_MAX], gone[QUEUE_ID_LENGTH_MAX],
		expired[QUEUE_ID_LENGTH_MAX];

	PUT("s@x.test", 0, held, { "ok@a.test", 0 });
	assert_int_equal(act_on(message_find(view_of(held)), QUEUE_ACT_HOLD), 0);
	begin();
	settle();
	assert_int_equal(seen.deliveries, 0);
	assert_int_equal(act_on(message_find(view_of(held)), QUEUE_ACT_FLUSH), -EINVAL);
	assert_int_equal(act_on(message_find(view_of(held)), QUEUE_ACT_RELEASE), 0);
	settle();
	wait_until_gone(held);

	/* Held and deleted in the middle: the delivery ends, nothing more begins. */
	seen.pause = 30;
	PUT("s@x.test", 0, busy, { "ok@a.test", 0 }, { "defer@b.test", 0 });
	PUT("s@x.test", 0, gone, { "defer@a.test", 0 });
	while (seen.now < 3)
		task_sleep(1);
	assert_int_equal(act_on(message_find(view_of(busy)), QUEUE_ACT_HOLD), 0);
	assert_int_equal(act_on(message_find(view_of(gone)), QUEUE_ACT_DELETE), 0);
	settle();
	wait_until_gone(gone);
	assert_int_equal(message_find(view_of(busy))->state, MESSAGE_HELD);
	expect_recipients(busy, "ok@a.test=1/1 defer@b.test=2/0 ");

	/* Expired: returned with the reason that it had, without another delivery. */
	size_t before = seen.deliveries;

	PUT("s@x.test", 0, expired, { "defer@a.test", 0 });
	settle();
	assert_int_equal(act_on(message_find(view_of(expired)), QUEUE_ACT_EXPIRE), 0);
	settle();
	assert_int_equal(seen.deliveries, before + 1);
	assert_int_equal(seen.failures, 1);
	wait_until_gone(expired);
	assert_true(act_goes_to(message_find(view_of(busy)), VIEW("B.test")));
	assert_false(act_goes_to(message_find(view_of(busy)), VIEW("a.test")));
}

/* What a filter holds goes after a time, unless people want it to stay. */
static void quarantine(void)
{
	char filtered[QUEUE_ID_LENGTH_MAX], kept[QUEUE_ID_LENGTH_MAX], again[QUEUE_ID_LENGTH_MAX];

	put_held = "a filter";
	PUT("s@x.test", 0, filtered, { "ok@a.test", 0 });
	PUT("s@x.test", 0, kept, { "ok@a.test", 0 });
	PUT("s@x.test", 0, again, { "ok@a.test", 0 });
	begin();
	settle();
	assert_int_equal(act_on(message_find(view_of(kept)), QUEUE_ACT_HOLD), 0);
	assert_int_equal(act_on(message_find(view_of(again)), QUEUE_ACT_RELEASE), 0);
	assert_int_equal(act_on(message_find(view_of(again)), QUEUE_ACT_HOLD), 0);
	settle();
	task_spawn("quarantine", quarantine_run, NULL);
	wait_until_gone(filtered);
	settle();
	assert_int_equal(message_find(view_of(kept))->state, MESSAGE_HELD);
	assert_int_equal(message_find(view_of(again))->state, MESSAGE_HELD);
	assert_int_equal(seen.deliveries, 0);
}

/* Retiring: what is under way ends, nothing is started, and nothing is lost. */
static void retirement(void)
{
	char ids[50][QUEUE_ID_LENGTH_MAX];
	size_t left = 0;

	seen.pause = 100;
	for (int i = 0; i < 50; i++)
		PUT("s@x.test", 0, ids[i], { "ok@a.test", 0 });
	begin();
	while (seen.now < 5)
		task_sleep(1);
	assert_int_equal(seen.now, 5);
	qmgr.retiring = true;
	qmgr.may_start = false;
	for (int i = 0; i < 50; i++) {
		struct queued *m = message_find(view_of(ids[i]));

		if (m != NULL && m->attempt != NULL) {
			attempt_withdraw(m->attempt);
			finish_if_done(m->attempt);
		}
	}
	while (seen.now > 0)
		task_sleep(10);
	task_sleep(20);
	while (is_removing())
		task_sleep(1);
	assert_int_equal(qmgr.active, 0);
	for (int i = 0; i < 50; i++)
		if (exists(ids[i])) {
			expect_recipients(ids[i], "ok@a.test=0/0 ");
			left++;
		}
	assert_int_equal(left, 45);
}

static void fates_test(void **state)
{
	(void)state;
	with_qmgr("", fates);
}
static void second_attempt_test(void **state)
{
	(void)state;
	with_qmgr("", second_attempt);
}
static void wishes_test(void **state)
{
	(void)state;
	with_qmgr("", wishes_for_reports);
}
static void bounce_test(void **state)
{
	(void)state;
	with_qmgr("", bounce_is_away);
}
static void old_mail_test(void **state)
{
	(void)state;
	with_qmgr("delay_warning_time = 30m\n", old_mail);
}
static void large_test(void **state)
{
	(void)state;
	with_qmgr("", large_message);
}
static void dead_test(void **state)
{
	(void)state;
	with_qmgr("", dead_destination);
}
static void bad_agents_test(void **state)
{
	(void)state;
	with_qmgr("", bad_agents);
}
static void recovery_test(void **state)
{
	(void)state;
	in_journal = false;
	run_child("", recovery);
}
static void unreadable_folder_test(void **state)
{
	(void)state;
	in_journal = false;
	run_child("", unreadable_folder);
}
static void journal_recovery_test(void **state)
{
	(void)state;
	in_journal = true;
	run_child("", journal_recovery);
}
static void single_limits(const char *transport, struct schedule_limits *out)
{
	(void)transport;
	*out = (struct schedule_limits){ 100, 1, 2, 1, 1, false, false };
}

/* A hundred extensions of one user are one destination: the next user need not wait for them. */
static void extensions(void)
{
	char slow[QUEUE_ID_LENGTH_MAX], other[QUEUE_ID_LENGTH_MAX];
	struct to to[100];
	char addresses[100][40];

	schedule_free(qmgr.schedule);
	qmgr.schedule = schedule_new(single_limits);
	seen.pause = 20;
	begin();
	for (size_t i = 0; i < 100; i++) {
		snprintf(addresses[i], sizeof(addresses[i]), "user+%zu@a.test", i);
		to[i] = (struct to){ addresses[i], 0 };
	}
	put("s@x.test", 0, to, 100, slow);
	PUT("s@x.test", 0, other, { "other@a.test", 0 });
	wait_until_gone(other);
	assert_true(exists(slow));
	assert_in_range(seen.most, 1, 4);
	seen.pause = 0;
	wait_until_gone(slow);
	assert_in_range(seen.most, 1, 4);
}

static void extensions_test(void **state)
{
	(void)state;
	with_qmgr("recipient_delimiter = +\n", extensions);
}

static void no_agent_test(void **state)
{
	(void)state;
	with_qmgr("transport_retry_time = 1s\n", no_agent);
}

static void by_hand_test(void **state)
{
	(void)state;
	with_qmgr("", by_hand);
}

static void quarantine_test(void **state)
{
	(void)state;
	with_qmgr("quarantine_lifetime = 1s\n", quarantine);
}

static void retirement_test(void **state)
{
	(void)state;
	with_qmgr("", retirement);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fates_test),	   cmocka_unit_test(second_attempt_test),
		cmocka_unit_test(wishes_test),	   cmocka_unit_test(bounce_test),
		cmocka_unit_test(old_mail_test),   cmocka_unit_test(large_test),
		cmocka_unit_test(dead_test),	   cmocka_unit_test(bad_agents_test),
		cmocka_unit_test(recovery_test),   cmocka_unit_test(journal_recovery_test),
		cmocka_unit_test(no_agent_test),   cmocka_unit_test(by_hand_test),
		cmocka_unit_test(quarantine_test), cmocka_unit_test(retirement_test),
		cmocka_unit_test(extensions_test), cmocka_unit_test(unreadable_folder_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
