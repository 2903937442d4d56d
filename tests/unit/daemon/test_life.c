/*
 * The life of a program: ready, serving, retiring, stopping. The test is its master: it hands over
 * a listening socket, a life line and a status pipe, and listens.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"

#include "../owners.h"

#define PATIENCE 10000 /* milliseconds; a busy machine is slow */

static char folder[] = "/tmp/posta-test-life-XXXXXX";

static struct {
	pid_t pid;
	int life, status;
	int neighbour; /* the end of the life line that another program has */
	FILE *lines;
} program;

/* ---- the program under test ---- */

static int prepare(struct error *err)
{
	if (strcmp(param.syslog_name, "broken") == 0)
		return error_set(err, -EINVAL, "the table is not there");
	return 0;
}

/* Answers `queued` with done; "slow" after a while. */
static void serve_ipc(struct ipc *ipc)
{
	struct message m;

	while (ipc_next_request(ipc, &m) == 0) {
		if (m.type != MSG_new_mail)
			return;
		if (view_is(m.new_mail.folder, "slow"))
			task_sleep(200);
		if (strcmp(ipc_socket_name(ipc), "public/test") != 0)
			return;
		ipc_send(ipc, done);
	}
}

static const struct program entry = {
	.name = "test",
	.user = DAEMON_PRIVILEGED,
	.root = DAEMON_ROOT_NONE,
	.peers = (const struct program_peer[]){ { SOCKET_PUBLIC, PEER_ANYBODY, { MSG_new_mail } },
						{ .client = NULL } },
};

static const struct daemon_program description = {
	.name = "test",
	.entry = &entry,
	.prepare = prepare,
	.serve_ipc = serve_ipc,
};

/* ---- its master ---- */

static void socket_address(struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof(address->sun_path), "%s/socket", folder);
}

static int listen_here(void)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	socket_address(&address);
	unlink(address.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 10), 0);
	return fd;
}

static void run_program(int listen_fd, int life_fd, int status_fd, char *override)
{
	char socket_argument[60], life[30], status[30];
	char *argv[] = { (char[]){ "test" },
			 (char[]){ "-c" },
			 folder,
			 (char[]){ "-n" },
			 (char[]){ "test" },
			 (char[]){ "-o" },
			 override,
			 (char[]){ "-L" },
			 socket_argument,
			 (char[]){ "-F" },
			 life,
			 (char[]){ "-F" },
			 status,
			 (char[]){ "-F" },
			 (char[]){ "log=1" },
			 NULL };

	snprintf(socket_argument, sizeof(socket_argument), "%d=public/test", listen_fd);
	snprintf(life, sizeof(life), "life=%d", life_fd);
	snprintf(status, sizeof(status), "status=%d", status_fd);
	dup2(open("/dev/null", O_WRONLY), 1);
	_exit(daemon_main((int)ARRAY_SIZE(argv) - 1, argv, &description));
}

static void start(const char *override)
{
	int life[2], status[2], listen_fd = listen_here();
	char text[100];

	assert_int_equal(pipe(life), 0);
	assert_int_equal(pipe(status), 0);
	snprintf(text, sizeof(text), "%s", override);
	program.pid = fork();
	if (program.pid == 0) {
		close(life[0]);
		close(status[0]);
		run_program(listen_fd, life[1], status[1], text);
	}
	close(status[1]);
	close(listen_fd);
	program.life = life[0];
	program.neighbour = life[1];
	program.status = status[0];
	program.lines = fdopen(program.status, "r");
}

static void expect_line(const char *beginning)
{
	struct pollfd ready = { .fd = program.status, .events = POLLIN };
	char line[1024] = "";

	assert_int_equal(poll(&ready, 1, PATIENCE), 1);
	assert_non_null(fgets(line, sizeof(line), program.lines));
	if (strncmp(line, beginning, strlen(beginning)) != 0)
		fail_msg("the program said \"%s\" and not \"%s\"", line, beginning);
}

/* Waits for its end; returns its status. */
static int end(void)
{
	int status = -1;

	for (int i = 0; i < PATIENCE / 10; i++) {
		if (waitpid(program.pid, &status, WNOHANG) == program.pid) {
			fclose(program.lines);
			if (program.life >= 0)
				close(program.life);
			close(program.neighbour);
			return status;
		}
		usleep(10000);
	}
	kill(program.pid, SIGKILL);
	fail_msg("the program did not end");
	return -1;
}

/* ---- a client, without tasks ---- */

static int connect_here(void)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = { .tv_sec = PATIENCE / 1000 };

	socket_address(&address);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void ask(int fd, const char *id)
{
	unsigned char bytes[64] = { 0, 0, 0, 0, 0, MSG_new_mail, 0, 0, 0, 0 };
	size_t len = strlen(id);

	bytes[3] = (unsigned char)(6 + len);
	bytes[9] = (unsigned char)len;
	memcpy(bytes + 10, id, len);
	assert_int_equal(write(fd, bytes, 10 + len), 10 + len);
}

static void expect_done(int fd)
{
	unsigned char bytes[6];

	assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_WAITALL), sizeof(bytes));
	assert_int_equal(bytes[5], MSG_done);
}

static void expect_end(int fd)
{
	char byte;

	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
}

/* ---- tests ---- */

static void serves_and_stops(void **state)
{
	(void)state;
	start("syslog_name=posta");
	expect_line("ready ");

	int a = connect_here(), b = connect_here();

	ask(a, "Q");
	expect_done(a);
	ask(a, "Q");
	expect_done(a);
	ask(b, "Q");
	expect_done(b);
	kill(program.pid, SIGTERM);
	expect_end(a);
	expect_end(b);
	assert_int_equal(end(), 0);
}

/* Idle connections are closed, one in the middle of an exchange gets its answer first. */
static void retires(void **state)
{
	(void)state;
	start("syslog_name=posta");
	expect_line("ready ");

	int idle = connect_here(), busy = connect_here();

	ask(idle, "Q");
	expect_done(idle);
	ask(busy, "slow");
	usleep(50000);
	kill(program.pid, SIGHUP);
	expect_line("retiring");
	expect_end(idle);
	expect_done(busy);
	expect_end(busy);
	assert_int_equal(end(), 0);
}

static void ends_with_its_master(void **state)
{
	(void)state;
	start("syslog_name=posta");
	expect_line("ready ");
	close(program.life);
	program.life = -1;
	expect_line("retiring");
	assert_int_equal(end(), 0);
}

/* What a neighbour writes to its own end of the life line, up to the brim, is nobody's business. */
static void cannot_be_frozen(void **state)
{
	char bytes[4096] = { 0 };
	int fd;

	(void)state;
	start("syslog_name=posta");
	expect_line("ready ");
	fd = connect_here();
	fcntl(program.neighbour, F_SETFL, O_NONBLOCK);
	while (write(program.neighbour, bytes, sizeof(bytes)) > 0) {
		ask(fd, "Q");
		expect_done(fd);
	}
	kill(program.pid, SIGUSR1);
	expect_line("alive");
	close(fd);
	close(program.life);
	program.life = -1;
	expect_line("retiring");
	assert_int_equal(end(), 0);
}

/* Master may ask as soon as it has heard that the program is ready. */
static void answers_from_the_first_moment(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		start("syslog_name=posta");
		expect_line("ready ");
		kill(program.pid, SIGUSR1);
		expect_line("alive");
		kill(program.pid, SIGTERM);
		assert_int_equal(end(), 0);
	}
}

static void says_why_it_cannot_start(void **state)
{
	(void)state;
	start("syslog_name=broken");
	expect_line("failed the table is not there");
	assert_int_equal(WEXITSTATUS(end()), 78);
	start("service_stop_time=soon");
	expect_line("failed ");
	assert_int_equal(WEXITSTATUS(end()), 78);
}

static int set_up(void **state)
{
	char path[100], text[1000];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/main.cf", folder);
	snprintf(text, sizeof(text), "queue_directory = %s\nmyhostname = test.test\n%s", folder,
		 owners_nobody);
	return io_replace_file(path, view_of(text), 0644, NULL);
}

static int tear_down(void **state)
{
	char path[100];

	(void)state;
	snprintf(path, sizeof(path), "%s/main.cf", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/socket", folder);
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_and_stops),
		cmocka_unit_test(retires),
		cmocka_unit_test(ends_with_its_master),
		cmocka_unit_test(cannot_be_frozen),
		cmocka_unit_test(answers_from_the_first_moment),
		cmocka_unit_test(says_why_it_cannot_start),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
