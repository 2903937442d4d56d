/*
 * Tasks: functions with a stack of their own that take turns. One thread runs them all, so that
 * nothing is locked between two waits.
 */
#include "task/task.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>

#include "base/log.h"
#include "base/mem.h"
#include "task/internal.h"

/* Reads and writes that a task may do before others get a turn. */
#define OPERATIONS_PER_TURN 32
/* Memory is given back when nothing has happened for so long, after so many turns of tasks. */
#define REST_AFTER     ((msec_t)300)
#define TURNS_PER_REST 64

static struct {
	bool set_up;
	struct list ready;   /* tasks that can go on */
	struct list pausing; /* in task_pause */
	struct list all;
	size_t ready_count, count;
	struct heap timers;
	struct task *current; /* NULL: the loop */
	struct context loop;
	bool shutting_down, quitting;
	int status;
	unsigned turns; /* since memory was given back last */
} scheduler = { .turns = TURNS_PER_REST };

static void task_set_up(void)
{
	if (scheduler.set_up)
		return;
	list_init(&scheduler.ready);
	list_init(&scheduler.pausing);
	list_init(&scheduler.all);
	scheduler.set_up = true;
}

struct task *task_current(void)
{
	if (scheduler.current == NULL)
		log_fatal("a function that waits was called outside of a task");
	return scheduler.current;
}

size_t task_count(void)
{
	return scheduler.count;
}

static void make_ready(struct task *task)
{
	task->state = TASK_READY;
	list_push_back(&scheduler.ready, &task->link);
	scheduler.ready_count++;
}

/* Back to the loop, until the loop comes to this task again. */
static void switch_away(struct task *task)
{
	context_switch(&task->context, &scheduler.loop, false);
}

static void task_begin(void)
{
	context_entered(&scheduler.loop);

	struct task *task = scheduler.current;

	task->function(task->argument);
	task->state = TASK_FINISHED;
	context_switch(&task->context, &scheduler.loop, true);
	__builtin_unreachable();
}

void task_spawn(const char *name, task_function *function, void *argument)
{
	struct task *task = mem_new(struct task);

	task_set_up();
	task->name = name;
	task->function = function;
	task->argument = argument;
	task->stack = stack_take();
	context_make(&task->context, task->stack.bottom, TASK_STACK_SIZE, task_begin);
	list_push_back(&scheduler.all, &task->all);
	scheduler.count++;
	make_ready(task);
}

static void task_release(struct task *task)
{
	list_remove(&task->all);
	heap_remove(&scheduler.timers, &task->timer);
	scheduler.count--;
	free(task);
}

static void task_switch_to(struct task *task)
{
	task->state = TASK_RUNNING;
	task->operations = 0;
	scheduler.turns++;
	scheduler.current = task;
	context_switch(&scheduler.loop, &task->context, false);
	scheduler.current = NULL;
	if (task->state == TASK_FINISHED) {
		stack_give_back(task->stack);
		task_release(task);
	}
}

/* One turn: those that are ready now. Those that get ready meanwhile have the next one. */
static void run_ready(void)
{
	for (size_t left = scheduler.ready_count; left > 0 && !scheduler.quitting; left--) {
		struct task *task = LIST_FIRST(&scheduler.ready, struct task, link);

		/* Fewer than counted: a child process may have come out of the last one. */
		if (task == NULL)
			return;
		list_remove(&task->link);
		scheduler.ready_count--;
		task_switch_to(task);
	}
}

static void fire_timers(void)
{
	struct heap_node *first = heap_first(&scheduler.timers);

	if (first == NULL)
		return;
	for (msec_t now = clock_now(); first != NULL && first->key <= now;
	     first = heap_first(&scheduler.timers))
		task_wake(container_of(first, struct task, timer), -ETIMEDOUT);
}

/* A program that has had much to do, and now has not, keeps what it needs and no more. */
static void rest(void)
{
	stack_trim();
	mem_trim();
	scheduler.turns = 0;
}

static void poll_or_rest(msec_t timeout)
{
	bool due = scheduler.turns >= TURNS_PER_REST && (timeout < 0 || timeout > REST_AFTER);

	if (due && !poll_once((int)REST_AFTER))
		rest();
	else if (!due)
		poll_once((int)MIN(timeout, INT_MAX));
}

/* Lets something happen. False: nothing can. */
static bool wait_for_something(void)
{
	struct heap_node *first = heap_first(&scheduler.timers);
	msec_t timeout = -1;

	if (scheduler.ready_count > 0)
		timeout = 0;
	else if (first != NULL)
		timeout = MAX(first->key - clock_now(), 0);
	else if (!poll_is_needed() && !worker_is_busy() && !signal_is_needed())
		return false;
	if (timeout != 0 || poll_is_needed() || worker_is_busy() || signal_is_needed())
		poll_or_rest(timeout);
	/* After the descriptors: what came just in time has come. */
	fire_timers();
	return true;
}

/* Forgets all tasks but the current one. */
static void drop_others(void)
{
	for (struct list *at = scheduler.all.next; at != &scheduler.all;) {
		struct task *task = container_of(at, struct task, all);

		at = at->next;
		if (task == scheduler.current)
			continue;
		/* Not list_remove(&task->link): the waitlist may be gone. */
		stack_abandon(task->stack, worker_is_busy());
		task_release(task);
	}
	list_init(&scheduler.ready);
	list_init(&scheduler.pausing);
	scheduler.ready_count = 0;
}

int task_run(task_function *main_task, void *argument)
{
	/* A peer that went away is an errno of write(), for streams and for everything else. */
	signal(SIGPIPE, SIG_IGN);
	task_set_up();
	scheduler.quitting = false;
	scheduler.shutting_down = false;
	scheduler.status = 0;
	task_spawn("main", main_task, argument);
	while (!scheduler.quitting) {
		run_ready();
		if (!scheduler.quitting && !wait_for_something())
			break;
	}
	if (scheduler.count > 0 && !scheduler.quitting) {
		log_error("all tasks wait for each other");
		task_dump();
	}
	drop_others();
	worker_close(false);
	signal_close(false);
	poll_close();
	heap_free(&scheduler.timers);
	return scheduler.status;
}

void task_quit(int status)
{
	scheduler.status = status;
	scheduler.quitting = true;
}

void task_after_fork(void)
{
	(void)task_current();
	worker_close(true);
	drop_others();
	signal_close(true);
	poll_close();
	scheduler.shutting_down = false;
	scheduler.quitting = false;
}

int task_suspend(const char *waits_for, msec_t deadline)
{
	struct task *task = task_current();

	task->state = TASK_WAITING;
	task->waits_for = waits_for;
	if (deadline != MSEC_FOREVER)
		heap_set(&scheduler.timers, &task->timer, deadline);
	switch_away(task);
	return task->result;
}

void task_wake(struct task *task, int result)
{
	if (task->state != TASK_WAITING)
		return;
	heap_remove(&scheduler.timers, &task->timer);
	list_remove(&task->link);
	task->result = result;
	make_ready(task);
}

void task_yield(void)
{
	struct task *task = task_current();

	make_ready(task);
	switch_away(task);
}

bool task_share(void)
{
	if (++task_current()->operations <= OPERATIONS_PER_TURN)
		return false;
	task_yield();
	return true;
}

void task_sleep(msec_t duration)
{
	task_suspend("timer", clock_after(duration));
}

int task_pause(msec_t duration)
{
	if (scheduler.shutting_down)
		return -ESHUTDOWN;
	list_push_back(&scheduler.pausing, &task_current()->link);
	return task_suspend("pause", clock_after(duration)) == -ESHUTDOWN ? -ESHUTDOWN : 0;
}

void task_shut_down(void)
{
	scheduler.shutting_down = true;
	while (scheduler.set_up && !list_is_empty(&scheduler.pausing))
		task_wake(LIST_FIRST(&scheduler.pausing, struct task, link), -ESHUTDOWN);
	poll_shut_down();
}

bool task_is_shutting_down(void)
{
	return scheduler.shutting_down;
}

void task_dump(void)
{
	list_for_each (&scheduler.all, struct task, all, task)
		log_info("task %s: %s", task->name,
			 task->state == TASK_WAITING ? task->waits_for : "ready");
}
