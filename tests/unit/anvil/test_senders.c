/* What accounts send: limits for an hour and a day, whom they have written to, and the file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "senders.h"
#include "services/clients.h"

#define ALICE VIEW("alice@example.test")
#define BOB   VIEW("bob@example.test")
#define NOON  INT64_C(1790000000)

static char folder[] = "/tmp/posta-senders-XXXXXX", path[64];
static struct senders_answer answer;

static int set_up(void **state)
{
	struct error err = ERROR_NONE;

	(void)state;
	unlink(path);
	param.smtpd_login_message_hour_limit = 3;
	param.smtpd_login_message_day_limit = 5;
	param.smtpd_login_recipient_hour_limit = 100;
	param.smtpd_login_recipient_day_limit = 0;
	param.smtpd_login_new_recipient_hour_limit = 50;
	param.smtpd_login_new_recipient_day_limit = 0;
	param.smtpd_login_bounce_hour_limit = 4;
	param.smtpd_login_bounce_day_limit = 0;
	assert_int_equal(senders_open(path, &err), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	senders_close();
	return 0;
}

/* One message to recipients number `from` up to `to`. */
static enum senders_state send_to(struct view account, unsigned from, unsigned to, int64_t now)
{
	_cleanup_(str_free) struct str digests = STR_EMPTY;

	for (unsigned i = from; i < to; i++) {
		unsigned char digest[SENDER_DIGEST_SIZE];
		char address[32];

		snprintf(address, sizeof(address), "r%u@example.org", i);
		sender_digest(view_of(address), digest);
		str_append(&digests, view_make(digest, sizeof(digest)));
	}
	senders_count(account, 1, str_view(&digests), now, &answer);
	return answer.state;
}

static void messages(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(send_to(ALICE, 0, 1, NOON), SENDERS_FREE);
	assert_int_equal(send_to(VIEW("Alice@Example.Test"), 0, 1, NOON), SENDERS_STOPS);
	assert_string_equal(answer.reason, "more than 3 messages in an hour");
	assert_int_equal(send_to(ALICE, 0, 1, NOON), SENDERS_STOPPED);
	/* Nobody else, and not by itself. */
	assert_int_equal(send_to(BOB, 0, 1, NOON), SENDERS_FREE);
	assert_int_equal(send_to(ALICE, 0, 1, NOON + 100 * 86400), SENDERS_STOPPED);
	assert_true(senders_release(ALICE));
	assert_false(senders_release(ALICE));
	assert_int_equal(send_to(ALICE, 0, 1, NOON), SENDERS_FREE);
}

static void spans(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(send_to(ALICE, 0, 1, NOON), SENDERS_FREE);
	for (int i = 0; i < 2; i++)
		assert_int_equal(send_to(ALICE, 0, 1, NOON + 3600), SENDERS_FREE);
	assert_int_equal(send_to(ALICE, 0, 1, NOON + 7200), SENDERS_STOPS);
	assert_string_equal(answer.reason, "more than 5 messages in a day");
	/* A clock that was set back does not make an hour without end. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(send_to(BOB, 0, 1, NOON), SENDERS_FREE);
	assert_int_equal(send_to(BOB, 0, 1, NOON - 86400), SENDERS_FREE);
}

static void recipients(void **state)
{
	(void)state;
	assert_int_equal(send_to(ALICE, 0, 45, NOON), SENDERS_FREE);
	/* Known ones cost nothing but their number. */
	assert_int_equal(send_to(ALICE, 0, 10, NOON), SENDERS_FREE);
	assert_int_equal(send_to(ALICE, 45, 60, NOON), SENDERS_STOPS);
	assert_non_null(strstr(answer.reason, "more than 50 recipients that it had not written"));
	param.smtpd_login_new_recipient_hour_limit = 0;
	assert_int_equal(send_to(BOB, 0, 100, NOON), SENDERS_FREE);
	assert_int_equal(send_to(BOB, 0, 1, NOON), SENDERS_STOPS);
	assert_string_equal(answer.reason, "more than 100 recipients in an hour");
}

/* Of many recipients nearly all are seen to be new, and later to be known. */
static void many_recipients(void **state)
{
	unsigned fresh = 0, known = 0;

	(void)state;
	param.smtpd_login_message_hour_limit = param.smtpd_login_message_day_limit = 0;
	param.smtpd_login_recipient_hour_limit = 0;
	param.smtpd_login_new_recipient_hour_limit = 1;
	for (unsigned i = 0; i < 400; i++) {
		senders_release(ALICE);
		send_to(ALICE, 1000 + i, 1001 + i, NOON);
		fresh += send_to(ALICE, 2000 + i, 2001 + i, NOON) == SENDERS_STOPS;
	}
	for (unsigned i = 0; i < 200; i++) {
		senders_release(ALICE);
		send_to(ALICE, 1200 + i, 1201 + i, NOON);
		known += send_to(ALICE, 2200 + i, 2201 + i, NOON) == SENDERS_FREE;
	}
	assert_in_range(fresh, 360, 400);
	assert_in_range(known, 195, 200);
}

static void bounces(void **state)
{
	(void)state;
	senders_bounce(ALICE, 4, NOON, &answer);
	assert_int_equal(answer.state, SENDERS_FREE);
	senders_bounce(ALICE, 1, NOON, &answer);
	assert_int_equal(answer.state, SENDERS_STOPS);
	senders_look(ALICE, &answer);
	assert_int_equal(answer.state, SENDERS_STOPPED);
	senders_look(BOB, &answer);
	assert_int_equal(answer.state, SENDERS_FREE);
}

/* What is stopped stays so over a restart, and when very many others send. */
static void stays(void **state)
{
	struct error err = ERROR_NONE;
	size_t place = 0;
	int64_t since;

	(void)state;
	senders_bounce(ALICE, 5, NOON, &answer);
	for (unsigned i = 0; i < 3 * SENDERS_MAX; i++) {
		char name[32];

		snprintf(name, sizeof(name), "u%u@example.test", i);
		senders_count(view_of(name), 1, VIEW_NONE, NOON + i, &answer);
	}
	senders_close();
	assert_int_equal(senders_open(path, &err), 0);
	assert_true(view_eq(senders_next_stopped(&place, &answer, &since), ALICE));
	assert_int_equal(since, NOON);
	assert_int_equal(senders_next_stopped(&place, &answer, &since).len, 0);
}

/* What stands in the file is not believed; a file that is not ours is not touched. */
static void strange_files(void **state)
{
	struct error err = ERROR_NONE;
	char other[80];
	struct stat st;
	FILE *file;

	(void)state;
	senders_bounce(ALICE, 5, NOON, &answer);
	senders_close();
	file = fopen(path, "r+");
	assert_non_null(file);
	fseek(file, 16, SEEK_SET);
	for (int i = 0; i < 6000000; i++)
		putc(0xff, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(senders_open(path, &err), 0);
	senders_look(ALICE, &answer);
	assert_int_equal(answer.state, SENDERS_FREE);
	senders_close();

	snprintf(other, sizeof(other), "%s.other", path);
	assert_int_equal(link(path, other), 0);
	assert_int_equal(senders_open(path, &err), -EPERM);
	senders_bounce(ALICE, 5, NOON, &answer);
	assert_int_equal(answer.state, SENDERS_STOPS);
	senders_close();
	unlink(path);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(senders_open(path, &err), -ELOOP);
	assert_int_equal(stat(other, &st), 0);
	unlink(other);
}

/* One number of one account that no clock has given: that account is not believed, the others are. */
static void damaged(size_t after_name)
{
	static const unsigned char lowest[8] = { [7] = 0x80 };
	struct error err = ERROR_NONE;
	struct view all;
	char *text;
	FILE *file;
	size_t at;

	senders_bounce(ALICE, 5, NOON, &answer);
	senders_bounce(BOB, 5, NOON, &answer);
	senders_close();
	file = fopen(path, "r+");
	assert_non_null(file);
	text = mem_new_bytes(8 << 20);
	all = view_make(text, fread(text, 1, 8 << 20, file));
	at = view_find(all, ALICE);
	assert_true(at != VIEW_NOT_FOUND);
	free(text);
	fseek(file, (long)(at + after_name), SEEK_SET);
	fwrite(lowest, sizeof(lowest), 1, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(senders_open(path, &err), 0);
	senders_look(BOB, &answer);
	assert_int_equal(answer.state, SENDERS_STOPPED);
	senders_look(ALICE, &answer);
	assert_int_equal(answer.state, SENDERS_FREE);
	senders_bounce(ALICE, 1, NOON, &answer);
	assert_int_equal(answer.state, SENDERS_FREE);
}

static void damaged_stop(void **state)
{
	(void)state;
	damaged(336);
}

static void damaged_hour(void **state)
{
	(void)state;
	damaged(344);
}

static void no_names(void **state)
{
	char longest[400];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	for (int i = 0; i < 10; i++) {
		senders_count(VIEW_NONE, 1, VIEW_NONE, NOON, &answer);
		assert_int_equal(answer.state, SENDERS_FREE);
		senders_count(view_make(longest, sizeof(longest)), 1, VIEW_NONE, NOON, &answer);
		assert_int_equal(answer.state, SENDERS_FREE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(spans, set_up, tear_down),
		cmocka_unit_test_setup_teardown(recipients, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_recipients, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bounces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(strange_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged_stop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged_hour, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_names, set_up, tear_down),
	};
	int failed;

	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/senders", folder);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(folder);
	return failed;
}
