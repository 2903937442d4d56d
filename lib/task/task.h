/*
 * Tasks: straight-line code, event-driven scale.
 *
 * A program is one thread that runs many tasks. A task has its own small stack and reads top to
 * bottom; where it would block it is set aside and another runs. Only the functions below and the
 * stream_* functions switch tasks, so between two of them a task has the program to itself and
 * needs no lock.
 *
 *	static void greet(void *argument) { ... task_sleep(1000); ... }
 *	static void start(void *argument) { task_spawn("greet", greet, NULL); }
 *	int main(void) { return task_run(start, NULL); }
 *
 * Every wait has a deadline: a time of the monotonic clock in milliseconds (clock_after()), or
 * MSEC_FOREVER where somebody else ends the wait.
 *
 * Nothing recurses on input: a stack has TASK_STACK_SIZE bytes and a guard below them.
 */
#ifndef TASK_TASK_H
#define TASK_TASK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/list.h"

#ifdef POSTA_SANITIZE
#define TASK_STACK_SIZE ((size_t)512 * 1024) /* sanitizers make frames much larger */
#else
#define TASK_STACK_SIZE ((size_t)128 * 1024) /* address space; pages come as they are touched */
#endif

typedef void task_function(void *argument);

struct task;

/*
 * Makes `main_task` the first task and runs until task_quit() is called, or until nothing can
 * happen any more: no task is left (or all wait for each other, which is logged) and no signal has
 * a handler. Returns the status given to task_quit(), else 0. SIGPIPE is ignored from then on.
 */
int task_run(task_function *main_task, void *argument);
/* Ends task_run() at the next switch; the other tasks are dropped where they stand. */
void task_quit(int status);

/* A new task, run from the next turn on. `name` is a literal (for task_dump and debuggers). */
void task_spawn(const char *name, task_function *function, void *argument);
/*
 * A new task when there is something to read (or an end, or an error), or when the program shuts down;
 * once. Until then it costs no stack: for connections that are silent for hours. Nobody else may wait for
 * the same descriptor. task_forget_fd ends it. 0 or a negative errno.
 */
int task_spawn_when_readable(const char *name, int fd, task_function *function, void *argument);
/* Number of tasks alive. */
size_t task_count(void);
/* Logs every task and what it waits for. */
void task_dump(void);

/* Lets the others have a turn. */
void task_yield(void);
void task_sleep(msec_t duration);
/* The same for a client's penalty, which ends when the program shuts down: -ESHUTDOWN, else 0. */
int task_pause(msec_t duration);

/*
 * 0 when ready (the descriptor should be non-blocking all the same); -ETIMEDOUT; -ECANCELED when
 * task_forget_fd was called meanwhile; -EBUSY when another task waits for the same descriptor and
 * direction. task_wait_readable also: -ESHUTDOWN once task_shut_down() was called.
 */
int task_wait_readable(int fd, msec_t deadline);
int task_wait_writable(int fd, msec_t deadline);
/* task_wait_readable that goes on while the program shuts down: for answers of other programs. */
int task_wait_reply(int fd, msec_t deadline);
/*
 * For sockets that are read until nothing is left: task_wait_readable (or with `ends_at_shut_down`
 * false task_wait_reply) for a caller that has just seen EAGAIN, with no switch since, or whose
 * descriptor is drained. It costs no system call but the wait itself.
 *
 * Drained: a read got less than it asked for, and no news has come since, so that another read
 * would only say EAGAIN. A descriptor that came along with the bytes can end a read early; that
 * one does not count. A new descriptor begins with task_forget_fd, as its number may be known.
 */
int task_wait_news(int fd, bool ends_at_shut_down, msec_t deadline);
void task_note_drained(int fd);
bool task_is_drained(int fd);
/*
 * task_wait_readable for a listening socket that several processes share: a connection wakes one
 * of them. accept4() until EAGAIN or once, as you like. Ended by task_shut_down().
 */
int task_wait_acceptable(int listen_fd, msec_t deadline);
/* Must be called before a descriptor is closed on which a task has waited. */
void task_forget_fd(int fd);

/*
 * The program is to stop: every task_wait_readable that runs or begins from now on returns
 * -ESHUTDOWN, so that each server says goodbye (SMTP 421, IMAP BYE). Writes still work.
 */
void task_shut_down(void);
bool task_is_shutting_down(void);

/*
 * Runs `function(argument)` in a worker thread and returns what it returned; the other tasks go
 * on meanwhile. For calls that block: fsync, password hashing, getpwnam. At most
 * TASK_WORKERS_MAX run at once, the rest wait in line. The function must not touch tasks, streams
 * or the log.
 */
#define TASK_WORKERS_MAX 16
int task_blocking(int (*function)(void *), void *argument);

/*
 * Calls `function` as a new task each time the signal arrives (two that come close together may
 * count as one: reap all children that there are). The signal is blocked from then on,
 * which exec inherits: a child calls task_after_fork() (or sets its own mask) before it.
 */
void task_on_signal(int signal_number, task_function *function, void *argument);

/*
 * After fork() in a task, in the child: the calling task becomes the only one of a fresh loop. All
 * other tasks are dropped, with their stacks; signal handlers, worker threads and what was known of
 * descriptors are gone, and the signals are unblocked. Descriptors stay open, and what other tasks
 * had on the heap stays in memory: closing and wiping that is the caller's part. The child ends
 * by _exit(), or task_quit(), upon which task_run() returns in the child too.
 */
void task_after_fork(void);

/*
 * Gives the pages of this task's stack that lie below the caller back to the kernel. For a task
 * that has been deep (a TLS handshake does it by itself) and will now be idle for long.
 */
void task_trim_stack(void);

/*
 * A place where tasks wait for each other.
 *
 *	while (queue_is_empty(q))
 *		if (wait_on(&q->filled, deadline) < 0) ...
 *
 * It must not go away while tasks wait in it. task_shut_down() does not end these waits.
 */
struct waitlist {
	struct list tasks;
};
#define WAITLIST_INIT(w) list_init(&(w)->tasks)
/* For a variable that is there from the start. */
#define WAITLIST_START(w)                                                                          \
	{                                                                                          \
		{                                                                                  \
			&(w).tasks, &(w).tasks                                                     \
		}                                                                                  \
	}
/* 0 when woken, -ETIMEDOUT. */
int wait_on(struct waitlist *place, msec_t deadline);
void wake_one(struct waitlist *place);
void wake_all(struct waitlist *place);

/* A mutex between tasks, first come first served. WAITLIST_INIT(&lock.waiting) is all it needs. */
struct task_lock {
	struct waitlist waiting;
	bool taken;
};
void task_lock(struct task_lock *lock);
void task_unlock(struct task_lock *lock);

#endif
