/* QUOTA (RFC 9208), and what commands answer when there is no room. */
#include "client.h"

#include "base/mem.h"

#define MESSAGE "From: a@b\r\nSubject: 34 bytes\r\n\r\n\r\n"

static void without_limits(struct imap_client *c)
{
	client_expect(c, "a GETQUOTAROOT INBOX\r\n",
		      "* QUOTAROOT \"INBOX\"\na OK Getquotaroot completed.\n");
	client_expect_has(c, "b GETQUOTA \"User quota\"\r\n", "b NO [NONEXISTENT]");
	client_expect_has(c, "c GETQUOTA \"\"\r\n", "c NO [NONEXISTENT]");
	client_expect_has(c, "d SETQUOTA \"\" (STORAGE 512)\r\n", "d NO [NOPERM]");
	client_expect_has(c, "e CAPABILITY\r\n", " QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE");
}

static void limits_are_shown(struct imap_client *c)
{
	client_append(c, "INBOX", "", MESSAGE);
	client_expect(c, "a GETQUOTAROOT INBOX\r\n",
		      "* QUOTAROOT \"INBOX\" \"User quota\"\n"
		      "* QUOTA \"User quota\" (STORAGE 1 10 MESSAGE 1 3)\n"
		      "a OK Getquotaroot completed.\n");
	client_expect(c, "b GETQUOTA \"User quota\"\r\n",
		      "* QUOTA \"User quota\" (STORAGE 1 10 MESSAGE 1 3)\n"
		      "b OK Getquota completed.\n");
	/* A name that there is not has them all the same. */
	client_expect(c, "c GETQUOTAROOT Junk\r\n",
		      "* QUOTAROOT \"Junk\" \"User quota\" \"Folder quota Junk\"\n"
		      "* QUOTA \"User quota\" (STORAGE 1 10 MESSAGE 1 3)\n"
		      "* QUOTA \"Folder quota Junk\" (MESSAGE 0 1)\n"
		      "c OK Getquotaroot completed.\n");
	client_expect(c, "d GETQUOTA \"Folder quota Junk\"\r\n",
		      "* QUOTA \"Folder quota Junk\" (MESSAGE 0 1)\nd OK Getquota completed.\n");
	client_expect_has(c, "e GETQUOTA \"Folder quota INBOX\"\r\n", "e NO [NONEXISTENT]");
	client_expect_has(c, "e GETQUOTA \"Folder quota .x.\"\r\n", "e NO [NONEXISTENT]");
	client_expect(c, "f GETQUOTAROOT Free\r\n",
		      "* QUOTAROOT \"Free\"\nf OK Getquotaroot completed.\n");
	client_expect_has(c, "g GETQUOTAROOT\r\n", "g BAD");
	client_expect_has(c, "h GETQUOTA\r\n", "h BAD");
	client_expect_has(c, "i GETQUOTA x y\r\n", "i BAD");
}

static void no_room(struct imap_client *c)
{
	unsigned told;

	client_ask(c, "a CREATE Junk\r\n");
	client_ask(c, "a CREATE Free\r\n");
	for (int i = 0; i < 3; i++)
		client_append(c, "INBOX", "", MESSAGE);
	client_expect_has(c, "b APPEND INBOX {9+}\r\nA: b\r\n\r\nx\r\n", "b NO [OVERQUOTA]");
	client_ask(c, "c SELECT INBOX\r\n");
	client_expect_has(c, "d COPY 1 Junk\r\n", "d NO [OVERQUOTA]");
	client_expect_has(c, "e COPY 1 Free\r\n", "e OK");
	client_expect_has(c, "f MOVE 1 Junk\r\n", "f OK");
	/* Its own limit holds for what is moved too. */
	client_expect_has(c, "g MOVE 1 Junk\r\n", "g NO [OVERQUOTA]");
	client_expect_has(c, "h UID REPLACE 2 INBOX {9+}\r\nA: b\r\n\r\nx\r\n", "h OK");
	client_expect_has(c, "i STORE 1 +FLAGS (\\Deleted)\r\n", "i OK");
	client_expect(c, "j STATUS INBOX (MESSAGES SIZE DELETED DELETED-STORAGE)\r\n",
		      "* STATUS \"INBOX\" (MESSAGES 2 SIZE 47 DELETED 1 DELETED-STORAGE 38)\n"
		      "j OK Status completed.\n");
	client_ask(c, "k EXPUNGE\r\n");
	client_expect_has(c, "l STATUS INBOX (DELETED-STORAGE)\r\n", "(DELETED-STORAGE 0)");
	client_append(c, "INBOX", "", MESSAGE);
	told = client_room_told;
	/* Told when it is not full any more, once. */
	client_ask(c, "l STORE 1 +FLAGS (\\Deleted)\r\n");
	client_ask(c, "l EXPUNGE\r\n");
	client_ask(c, "l EXPUNGE\r\n");
	assert_int_equal(client_room_told, told + 1);
	client_append(c, "INBOX", "", MESSAGE);
	client_expect_has(c, "m APPEND INBOX {9+}\r\nA: b\r\n\r\nx\r\n", "m NO [OVERQUOTA]");
}

/* What a folder is for stands in no name. */
static void by_special_use(struct imap_client *c)
{
	client_ask(c, "a CREATE Waste (USE (\\Junk))\r\n");
	client_expect(c, "b GETQUOTAROOT Waste\r\n",
		      "* QUOTAROOT \"Waste\"\nb OK Getquotaroot completed.\n");
	client_expect_has(c, "c GETQUOTAROOT Other\r\n", "* QUOTAROOT \"Other\" \"User quota\"");
}

static void test_without_limits(void **state)
{
	(void)state;
	client_run_both(without_limits);
}

static void with_limits(void (*test)(struct imap_client *client))
{
	client_quota = "*:storage=10:messages=3 Junk:own_messages=1 Free:ignore";
	client_run_both(test);
	client_quota = "";
}

static void test_limits_are_shown(void **state)
{
	(void)state;
	with_limits(limits_are_shown);
}

static void test_no_room(void **state)
{
	(void)state;
	with_limits(no_room);
}

static void test_by_special_use(void **state)
{
	(void)state;
	client_quota = "*:messages=3 \\Junk:ignore";
	client_run(by_special_use);
	client_quota = "";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_limits),
		cmocka_unit_test(test_limits_are_shown),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_by_special_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
