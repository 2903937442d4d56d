/* What is counted, what is told of it, and that nothing is told twice. The clock is the test's. */
#include "conf_folder.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reporter.h"
#include "task/task.h"

#define DAY   ((int64_t)86400)
#define BEGIN (20000 * DAY)

static const struct msg_dmarc_seen plain = {
	.source = { "192.0.2.1", 9 },
	.owner = { "one.test", 8 },
	.record = { "v=DMARC1; p=none; rua=mailto:a@one.test", 39 },
	.header_from = { "one.test", 8 },
	.envelope_from = { "one.test", 8 },
	.spf_aligned = 1,
	.results = { "spf\tmfrom\tone.test\tpass\n", 25 },
};

static void opened(const char *more)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct error err = ERROR_NONE;

	str_printf(&text, "data_directory = %s/data\ndmarc_report_spread = 0\n%s", conf_folder,
		   more);
	conf_folder_load(str_cstr(&text), "");
	if (ledger_open(&err) < 0)
		fail_msg("%s", err.text);
}

static void forget_all(void)
{
	char command[100];

	ledger_close();
	snprintf(command, sizeof(command), "rm -rf %s/data", conf_folder);
	assert_int_equal(system(command), 0);
}

static void row_note(void *argument, const struct aggregate_seen *seen)
{
	str_printf(argument, "%.*s=%llu ", VIEW_ARG(seen->source), (unsigned long long)seen->count);
}

/* What is due then: "one.test: 192.0.2.1=2 (0 left out)". */
static const char *due_at(int64_t now, struct ledger_due *due)
{
	static struct str text;

	str_clear(&text);
	if (ledger_next(now, due) == 0)
		return "";
	str_printf(&text, "%s: ", str_cstr(&due->owner));
	assert_int_equal(ledger_rows(due, row_note, &text), 0);
	str_printf(&text, "(%llu left out)", (unsigned long long)due->left_out);
	return str_cstr(&text);
}

static void add(const char *source, int64_t now)
{
	struct msg_dmarc_seen seen = plain;

	seen.source = view_of(source);
	assert_int_equal(ledger_add(&seen, now), 0);
}

static void told_once(void *unused)
{
	struct ledger_due due;

	opened("");
	add("192.0.2.1", BEGIN);
	add("192.0.2.2", BEGIN + 1);
	add("192.0.2.2", BEGIN + DAY - 1);
	/* Not before the day is over; then, those with most first. */
	assert_string_equal(due_at(BEGIN + DAY - 1, &due), "");
	assert_string_equal(due_at(BEGIN + DAY, &due),
			    "one.test: 192.0.2.2=2 192.0.2.1=1 (0 left out)");
	assert_int_equal(due.begin, BEGIN);
	assert_int_equal(due.end, BEGIN + DAY - 1);
	assert_int_equal(ledger_put_off(&due, BEGIN + DAY + 600), 0);
	ledger_due_free(&due);
	assert_string_equal(due_at(BEGIN + DAY + 599, &due), "");
	due_at(BEGIN + DAY + 600, &due);
	assert_int_equal(ledger_settle(&due), 0);
	assert_int_equal(ledger_forget(&due), 0);
	ledger_due_free(&due);
	/* What comes late for that day, or after a start, is no second report. */
	add("192.0.2.3", BEGIN + 5);
	ledger_close();
	opened("");
	assert_string_equal(due_at(BEGIN + DAY + 1000, &due), "");
	/* What is counted outlives a start. */
	add("192.0.2.4", BEGIN + DAY);
	ledger_close();
	opened("");
	assert_string_equal(due_at(BEGIN + 2 * DAY, &due), "one.test: 192.0.2.4=1 (0 left out)");
	ledger_due_free(&due);
	/* Old days go. */
	ledger_keep(BEGIN + 40 * DAY);
	assert_string_equal(due_at(BEGIN + 40 * DAY, &due), "");
	forget_all();
	task_quit(0);
	(void)unused;
}

/* However often it is put off: what would be told is old. */
static void given_up(void *unused)
{
	struct ledger_due due;
	int64_t now = BEGIN + DAY;
	int tries = 0;

	opened("");
	add("192.0.2.1", BEGIN);
	for (bool late = false; !late && tries < 10; tries++, now += DAY / 4) {
		assert_int_equal(ledger_next(now, &due), 1);
		late = report_is_too_late(&due, now);
		assert_int_equal(ledger_put_off(&due, now + DAY / 4), 0);
		ledger_due_free(&due);
	}
	assert_int_equal(tries, 5);
	forget_all();
	task_quit(0);
	(void)unused;
}

static void bounded(void *unused)
{
	struct ledger_due due;

	opened("dmarc_report_row_limit = 3\n");
	add("192.0.2.1", BEGIN);
	add("192.0.2.2", BEGIN);
	/* No room: known rows count on, new ones are counted as left out. */
	add("192.0.2.3", BEGIN);
	add("192.0.2.1", BEGIN);
	assert_string_equal(due_at(BEGIN + DAY, &due),
			    "one.test: 192.0.2.1=2 192.0.2.2=1 (1 left out)");
	ledger_due_free(&due);
	forget_all();
	task_quit(0);
	(void)unused;
}

static void damaged(void *unused)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct ledger_due due;
	struct error err = ERROR_NONE;

	opened("");
	add("192.0.2.1", BEGIN);
	ledger_close();
	str_printf(&path, "%s/data/reports/seen", conf_folder);
	assert_int_equal(
		io_replace_file(str_cstr(&path),
				VIEW("this is no database, and longer than a head of one: "
				     "there must be a hundred bytes of it, which these are"),
				0600, &err),
		0);
	opened("");
	assert_string_equal(due_at(BEGIN + DAY, &due), "");
	add("192.0.2.1", BEGIN);
	assert_string_equal(due_at(BEGIN + DAY, &due), "one.test: 192.0.2.1=1 (0 left out)");
	ledger_due_free(&due);
	ledger_close();
	/* Where others may write, nothing is opened. */
	str_truncate(&path, path.len - 5);
	assert_int_equal(chmod(str_cstr(&path), 0777), 0);
	assert_int_equal(ledger_open(&err), -EPERM);
	forget_all();
	task_quit(0);
	(void)unused;
}

static void test_told_once(void **state)
{
	task_run(told_once, NULL);
	(void)state;
}
static void test_given_up(void **state)
{
	(void)state;
	task_run(given_up, NULL);
}

static void test_bounded(void **state)
{
	task_run(bounded, NULL);
	(void)state;
}
static void test_damaged(void **state)
{
	task_run(damaged, NULL);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told_once),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, conf_folder_make, conf_folder_remove);
}
