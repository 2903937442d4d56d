/* The task that sends reports, when the ledger cannot be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "reporter.h"
#include "task/task.h"

#define ROUNDS 3

static struct {
	int rounds, due, written;
	int fails; /* what the ledger says when it is to be written */
	bool unsure;
} fate;

bool __wrap_daemon_is_retiring(void);
void __wrap_daemon_work_begin(void);
void __wrap_daemon_work_end(void);
void __wrap_task_sleep(msec_t duration);
void __wrap_ledger_keep(int64_t now);
int __wrap_ledger_next(int64_t now, struct ledger_due *due);
int __wrap_ledger_settle(const struct ledger_due *due);
int __wrap_ledger_forget(const struct ledger_due *due);
int __wrap_ledger_put_off(const struct ledger_due *due, int64_t until);
void __wrap_destinations_find(struct view owner, struct view record, const struct dns_source *dns,
			      msec_t deadline, struct destinations *found);

bool __wrap_daemon_is_retiring(void)
{
	return fate.rounds > ROUNDS || fate.written > 100;
}

void __wrap_daemon_work_begin(void)
{
}

void __wrap_daemon_work_end(void)
{
}

void __wrap_task_sleep(msec_t duration)
{
	assert_true(duration > 0);
	fate.rounds++;
}

void __wrap_ledger_keep(int64_t now)
{
	(void)now;
}

int __wrap_ledger_next(int64_t now, struct ledger_due *due)
{
	*due = (struct ledger_due){ .begin = now - 10, .end = now - 1, .due = now };
	str_append_cstr(&due->owner, "one.test");
	return fate.due > 0;
}

static int fate_write(void)
{
	fate.written++;
	fate.due -= fate.fails == 0;
	return fate.fails;
}

int __wrap_ledger_settle(const struct ledger_due *due)
{
	(void)due;
	return fate_write();
}

int __wrap_ledger_forget(const struct ledger_due *due)
{
	(void)due;
	return 0;
}

int __wrap_ledger_put_off(const struct ledger_due *due, int64_t until)
{
	assert_true(until > due->due);
	return fate_write();
}

void __wrap_destinations_find(struct view owner, struct view record, const struct dns_source *dns,
			      msec_t deadline, struct destinations *found)
{
	(void)owner, (void)record, (void)dns;
	assert_true(deadline != MSEC_FOREVER);
	*found = (struct destinations){ .unsure = fate.unsure };
}

static void run(int due, int fails, bool unsure)
{
	fate.rounds = fate.written = 0;
	fate.due = due;
	fate.fails = fails;
	fate.unsure = unsure;
	report_send_run(NULL);
}

/* Once in each round, and then there is a pause: all others would fail as well. */
static void a_ledger_that_cannot_be_written(void **unused)
{
	(void)unused;
	param.dmarc_report_interval = 86400000;
	for (int unsure = 0; unsure < 2; unsure++) {
		run(20, -EIO, unsure);
		assert_int_equal(fate.written, ROUNDS);
		run(20, 0, unsure);
		assert_int_equal(fate.written, 20);
		assert_int_equal(fate.due, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ledger_that_cannot_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
