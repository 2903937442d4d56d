/*
 * What the files of this library share; nobody else includes it.
 *
 *	switch.c	from one stack to another
 *	stack.c		stacks and their pool
 *	task.c		the scheduler: tasks, the ready list, timers, the loop
 *	poll.c		descriptors and epoll
 *	wait.c		waitlists and locks
 *	worker.c	threads for calls that block
 *	signal.c	signals
 */
#ifndef TASK_INTERNAL_H
#define TASK_INTERNAL_H

#include "base/heap.h"
#include "base/list.h"
#include "task/task.h"

#if defined(__x86_64__) || defined(__aarch64__)
#define SWITCH_IN_ASSEMBLY
#else
#include <ucontext.h>
#endif

/* ---- switch.c ---- */

struct context {
#ifdef SWITCH_IN_ASSEMBLY
	void *stack_pointer;
#else
	ucontext_t registers;
#endif
	/* For AddressSanitizer, which must know on which stack the program is. */
	void *fake_stack;
	const void *bottom;
	size_t size;
};

/* A context that begins with `entry`, which never returns, on this stack. */
void context_make(struct context *context, void *bottom, size_t size, void (*entry)(void));
/* Goes to `to`; returns when somebody switches back to `from`. A dying one is never resumed. */
void context_switch(struct context *from, struct context *to, bool dying);
/* The first thing that an entry function does; learns where the context that it came from lives. */
void context_entered(struct context *came_from);

/* ---- stack.c ---- */

struct stack {
	void *bottom; /* lowest usable byte, above the guard page */
	unsigned valgrind_id;
};

struct stack stack_take(void);
void stack_give_back(struct stack stack);
/* Unmaps the free ones. */
void stack_trim(void);
/* A stack whose owner has not finished and never will. `in_use`: a worker thread may still read it. */
void stack_abandon(struct stack stack, bool in_use);

/* ---- task.c ---- */

enum task_state { TASK_READY, TASK_RUNNING, TASK_WAITING, TASK_FINISHED };

struct task {
	struct list link; /* in the ready list or in a waitlist */
	struct list all;
	struct heap_node timer;
	struct context context;
	struct stack stack;
	const char *name;
	const char *waits_for; /* a literal, for task_dump */
	task_function *function;
	void *argument;
	enum task_state state;
	int result;	     /* of the wait that has ended */
	unsigned operations; /* input and output since it was last switched to */
};

struct task *task_current(void);
/* Sets the current task aside until task_wake or the deadline; the result, or -ETIMEDOUT. */
int task_suspend(const char *waits_for, msec_t deadline);
/* Ends the wait of a task (wherever it waits) with this result. */
void task_wake(struct task *task, int result);
/*
 * Counts one read or write of the current task. One whose input never runs dry would keep all
 * others waiting, so it gives up its turn now and then. True if it did.
 */
bool task_share(void);

/* ---- poll.c ---- */

enum direction { FOR_READING, FOR_WRITING };

/*
 * Waits for the next change of readiness. Only for callers that have just seen EAGAIN in this
 * direction, with no switch since: nothing else says that the change is still to come. Waits for
 * writing never end at shut-down.
 */
int poll_wait_change(int fd, enum direction direction, bool ends_at_shut_down, msec_t deadline);
/* The descriptor number may have been another's before; forget what is known of it. */
void poll_forget_stale(int fd);
/* Calls `ready` from the loop whenever fd is readable. For the library's own descriptors. */
void poll_add_internal(int fd, void (*ready)(void));
/* Whether any descriptor could wake a task. */
bool poll_is_needed(void);
/* Wakes tasks whose descriptors are ready; timeout in milliseconds, -1: none. False: it passed. */
bool poll_once(int timeout);
/* Ends all waits for input with -ESHUTDOWN. */
void poll_shut_down(void);
void poll_close(void);

/* ---- worker.c ---- */

bool worker_is_busy(void);
/* Closes what the loop has of the threads. A child after fork has none of its parent's. */
void worker_close(bool forked);

/* ---- signal.c ---- */

bool signal_is_needed(void);
void signal_close(bool forked);

#endif
