/*
 * The mark that a crash leaves beside a file of LMDB. What becomes of a marked file is decided by whoever
 * opens it next.
 */
#include "base/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

/*
 * SIGBUS: the file is shorter than LMDB believes. Not SIGABRT: that is also how a program ends that
 * has no memory, and its file is as good as before. LMDB tells of its assertions itself.
 */
static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };

/* All that a signal handler can look at. */
static volatile sig_atomic_t at_fault = -1;
static struct sigaction actions_before[ARRAY_SIZE(signals)];

void mark_write(int fd)
{
	if (fd >= 0 && write(fd, "x", 1) < 0)
		return; /* a full disk: the file is not set aside, and nothing is lost by that */
}

/* Notes it, and lets the signal do what it would have done. */
static void mark_on_signal(int number)
{
	mark_write(at_fault);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i] == number)
			sigaction(number, &actions_before[i], NULL);
	raise(number);
}

void mark_assertion(struct MDB_env *env, const char *text)
{
	(void)env;
	mark_write(at_fault);
	log_error("a file is damaged: LMDB: %s", text);
}

static void mark_catch_signals(void)
{
	struct sigaction action = { .sa_handler = mark_on_signal, .sa_flags = SA_ONSTACK }, now;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (sigaction(signals[i], NULL, &now) < 0 || now.sa_handler == mark_on_signal)
			continue;
		sigaction(signals[i], &action, &actions_before[i]);
	}
}

int mark_open(const char *path)
{
	mark_catch_signals();
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		    0600);
}

int mark_begin(int fd)
{
	int before = at_fault;

	at_fault = fd;
	return before;
}

void mark_end(int before)
{
	at_fault = before;
}

bool mark_is_set(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_size > 0;
}
