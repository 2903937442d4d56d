/* Signals arrive through a descriptor, so that a handler is a task and may do anything. */
#include "task/internal.h"

#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"

#define SIGNALS_MAX 65

static struct {
	bool open;
	int fd;
	sigset_t handled;
	struct {
		task_function *function;
		void *argument;
	} handlers[SIGNALS_MAX];
} signals;

static void take_signals(void)
{
	struct signalfd_siginfo info;

	while (read(signals.fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo < SIGNALS_MAX && signals.handlers[info.ssi_signo].function)
			task_spawn("signal", signals.handlers[info.ssi_signo].function,
				   signals.handlers[info.ssi_signo].argument);
}

void task_on_signal(int signal_number, task_function *function, void *argument)
{
	if (signal_number <= 0 || signal_number >= SIGNALS_MAX)
		log_fatal("there is no signal %d", signal_number);
	if (!signals.open)
		sigemptyset(&signals.handled);
	signals.handlers[signal_number].function = function;
	signals.handlers[signal_number].argument = argument;
	sigaddset(&signals.handled, signal_number);
	/* One that came earlier waits in the kernel until the descriptor is there. */
	pthread_sigmask(SIG_BLOCK, &signals.handled, NULL);
	signals.fd = signalfd(signals.open ? signals.fd : -1, &signals.handled,
			      SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals.fd < 0)
		log_fatal("signalfd: %m");
	if (!signals.open)
		poll_add_internal(signals.fd, take_signals);
	signals.open = true;
}

bool signal_is_needed(void)
{
	return signals.open;
}

void signal_close(bool forked)
{
	if (!signals.open)
		return;
	close(signals.fd);
	signals.open = false;
	memset(signals.handlers, 0, sizeof(signals.handlers));
	/*
	 * At the end of a run they stay blocked: a second SIGTERM should not kill a program that is
	 * cleaning up. A child starts with a clean mask, which also lasts over exec.
	 */
	if (forked)
		pthread_sigmask(SIG_UNBLOCK, &signals.handled, NULL);
}
