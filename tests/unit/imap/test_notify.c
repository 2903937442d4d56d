/*
 * NOTIFY (RFC 5465): the examples of the RFC, what is told between commands, in IDLE and not at all, and a client that keeps what it
 * knows of many mailboxes by what it is told.
 */
#include "client.h"

#include <stdlib.h>

#include "notify.h"

#define MESSAGE "From: a@example.test\nTo: b@example.test\nSubject: x\n\nx\n"

/* What comes unasked, up to a line that begins so. */
static void expect_news(struct imap_client *c, const char *start, const char *answer)
{
	assert_string_equal(client_read_until(c, start), answer);
}

static void expect_news_has(struct imap_client *c, const char *start, const char *part)
{
	const char *answer = client_read_until(c, start);

	if (strstr(answer, part) == NULL)
		fail_msg("expected: %s\ngot: %s", part, answer);
}

/* Two connections, with the mailbox of the RFC's examples. */
static void begin(struct imap_client *c, struct imap_client *other)
{
	client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "a CREATE Lists.Lemonade\r\nb CREATE Lists.Im2000\r\n");
	client_append(c, "Lists.Lemonade", "", MESSAGE);
	client_connect(other, c->maildir);
}

/* RFC 5465 3.1 */
static void example(struct imap_client *c)
{
	struct imap_client other;

	begin(c, &other);
	client_ask(c, "b notify set status (selected (MessageNew (uid body.peek[header.fields "
		      "(from to subject)]) MessageExpunge)) (subtree Lists (MessageNew "
		      "MessageExpunge))\r\n");
	assert_non_null(strstr(c->answer.data, "* STATUS \"Lists.Im2000\" (MESSAGES 0 UIDNEXT 1 "
					       "UIDVALIDITY "));
	assert_non_null(strstr(c->answer.data, "* STATUS \"Lists.Lemonade\" (MESSAGES 1 UIDNEXT 2 "
					       "UIDVALIDITY "));
	assert_null(strstr(c->answer.data, "INBOX"));
	assert_non_null(strstr(c->answer.data, "b OK "));
	client_expect_has(c, "c select inbox\r\n", "c OK [READ-WRITE]");
	client_append(&other, "Lists.Lemonade", "", MESSAGE);
	expect_news(c, "* STATUS", "* STATUS \"Lists.Lemonade\" (MESSAGES 2 UIDNEXT 3 UNSEEN 2)\n");
	client_append(&other, "INBOX", "", MESSAGE);
	expect_news(c, "* 2 FETCH",
		    "* 2 EXISTS\n* 2 RECENT\n* 2 FETCH (UID 2 BODY[HEADER.FIELDS (from to "
		    "subject)] {56}\nFrom: a@example.test\nTo: b@example.test\nSubject: x\n\n)\n");
	/* What is gone is told at once, too. */
	client_ask(&other, "s SELECT INBOX\r\n");
	client_ask(&other, "t STORE 1 +FLAGS (\\Deleted)\r\nt EXPUNGE\r\n");
	client_read_until(&other, "t OK Expunge");
	expect_news(c, "* 1 EXPUNGE", "* 1 EXPUNGE\n");
	/* Commands are answered as ever. */
	client_expect_has(c, "d NOOP\r\n", "d OK");
	client_expect_has(c, "e UID FETCH 2 UID\r\n", "* 1 FETCH (UID 2)\ne OK");
	client_disconnect(&other);
}

static void flags(struct imap_client *c)
{
	struct imap_client other;

	begin(c, &other);
	client_ask(c, "s SELECT INBOX\r\nt SELECT INBOX\r\n");
	client_expect_has(c,
			  "a NOTIFY SET (selected (MessageNew MessageExpunge FlagChange)) "
			  "(personal (MessageNew MessageExpunge FlagChange))\r\n",
			  "a OK");
	client_ask(&other, "s SELECT INBOX\r\n");
	client_ask(&other, "t STORE 1 +FLAGS ($Junk)\r\n");
	expect_news_has(c, "* 1 FETCH", "* 1 FETCH (UID 1 FLAGS ($Junk))\n");
	/* In another mailbox: UNSEEN, or with CONDSTORE the mod-sequence. */
	client_ask(&other, "s SELECT Lists.Lemonade\r\n");
	client_ask(&other, "t STORE 1 +FLAGS (\\Seen)\r\n");
	expect_news_has(c, "* STATUS", "* STATUS \"Lists.Lemonade\" (UIDVALIDITY ");
	assert_non_null(strstr(c->answer.data, " UNSEEN 0)"));
	client_ask(c, "b ENABLE CONDSTORE\r\n");
	client_ask(&other, "t STORE 1 +FLAGS (\\Flagged)\r\n");
	expect_news_has(c, "* STATUS", " HIGHESTMODSEQ ");
	client_disconnect(&other);
}

static void names_and_subscriptions(struct imap_client *c)
{
	struct imap_client other;

	begin(c, &other);
	client_expect_has(c, "a NOTIFY SET (personal (MailboxName SubscriptionChange))\r\n",
			  "a OK");
	/* RFC 5465 5.4: with the folder above it. */
	client_ask(&other, "a CREATE NewMailbox\r\n");
	expect_news(c, "* LIST", "* LIST (\\HasNoChildren) \".\" \"NewMailbox\"\n");
	client_ask(&other, "a CREATE NewMailbox.One\r\n");
	expect_news(c, "* LIST (\\HasChildren",
		    "* LIST (\\HasNoChildren) \".\" \"NewMailbox.One\"\n"
		    "* LIST (\\HasChildren) \".\" \"NewMailbox\"\n");
	client_ask(&other, "b RENAME NewMailbox Renamed\r\n");
	expect_news(c, "* LIST",
		    "* LIST (\\HasChildren) \".\" \"Renamed\" (\"OLDNAME\" (\"NewMailbox\"))\n");
	client_ask(&other, "c SUBSCRIBE Renamed.One\r\n");
	expect_news(c, "* LIST", "* LIST (\\Subscribed \\HasNoChildren) \".\" \"Renamed.One\"\n");
	client_ask(&other, "d UNSUBSCRIBE Renamed.One\r\n");
	expect_news(c, "* LIST", "* LIST (\\HasNoChildren) \".\" \"Renamed.One\"\n");
	client_ask(&other, "e DELETE Renamed.One\r\n");
	expect_news(c, "* LIST (\\HasNoChildren) \".\" \"Renamed\"",
		    "* LIST (\\NonExistent \\HasNoChildren) \".\" \"Renamed.One\"\n"
		    "* LIST (\\HasNoChildren) \".\" \"Renamed\"\n");
	client_ask(&other, "f SUBSCRIBE nowhere\r\n");
	expect_news(c, "* LIST",
		    "* LIST (\\NonExistent \\Subscribed \\HasNoChildren) \".\" \"nowhere\"\n");
	/* Not of what it did itself. */
	client_expect_has(c, "b CREATE own\r\n", "b OK");
	client_expect_has(c, "c RENAME own mine\r\n", "c OK");
	client_expect_has(c, "d SUBSCRIBE mine\r\n", "d OK");
	client_expect_has(c, "e DELETE mine\r\n", "e OK");
	client_ask(&other, "g CREATE last\r\n");
	expect_news(c, "* LIST", "* LIST (\\HasNoChildren) \".\" \"last\"\n");
	client_disconnect(&other);
}

static void annotations(struct imap_client *c)
{
	struct imap_client other;

	begin(c, &other);
	client_expect_has(c,
			  "a NOTIFY SET (mailboxes INBOX (MailboxMetadataChange)) (personal "
			  "(ServerMetadataChange))\r\n",
			  "a OK");
	client_ask(&other, "a SETMETADATA INBOX (/shared/comment \"x\")\r\n");
	expect_news(c, "* METADATA", "* METADATA \"INBOX\" /shared/comment\n");
	client_ask(&other, "b SETMETADATA INBOX (/shared/comment NIL)\r\n");
	expect_news(c, "* METADATA", "* METADATA \"INBOX\" /shared/comment\n");
	client_ask(&other, "c SETMETADATA \"\" (/shared/comment \"y\")\r\n");
	expect_news(c, "* METADATA", "* METADATA \"\" /shared/comment\n");
	/* Its own, and those of a mailbox that it does not ask for. */
	client_expect(c, "b SETMETADATA INBOX (/private/comment \"z\")\r\n",
		      "b OK Setmetadata completed.\n");
	client_ask(&other, "d SETMETADATA Lists.Lemonade (/shared/comment \"x\")\r\n");
	client_ask(&other, "e SETMETADATA \"\" (/private/comment \"y\")\r\n");
	expect_news(c, "* METADATA", "* METADATA \"\" /private/comment\n");
	client_disconnect(&other);
}

static void what_is_refused(struct imap_client *c)
{
	client_expect_has(c, "a NOTIFY SET (personal (MessageNew))\r\n", "a BAD");
	client_expect_has(c, "b NOTIFY SET (personal (MessageExpunge))\r\n", "b BAD");
	client_expect_has(c, "c NOTIFY SET (personal (FlagChange))\r\n", "c BAD");
	client_expect_has(c, "d NOTIFY SET (selected (MailboxName))\r\n", "d BAD");
	client_expect_has(c,
			  "e NOTIFY SET (selected (MessageNew MessageExpunge)) (selected-delayed "
			  "(MessageNew MessageExpunge))\r\n",
			  "e BAD");
	client_expect_has(c, "f NOTIFY SET (personal (MessageNew (uid) MessageExpunge))\r\n",
			  "f BAD");
	client_expect_has(c, "g NOTIFY SET (subtree-one x (MailboxName))\r\n", "g BAD");
	client_expect_has(c, "h NOTIFY SET\r\n", "h BAD");
	client_expect_has(c, "i NOTIFY\r\n", "i BAD");
	client_expect_has(c, "j NOTIFY SET (everything (MailboxName))\r\n", "j BAD");
	client_expect(c, "k NOTIFY SET (personal (AnnotationChange MailboxName))\r\n",
		      "k NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName "
		      "SubscriptionChange MailboxMetadataChange ServerMetadataChange)] There is no "
		      "such event here.\n");
	client_expect_has(c, "l NOTIFY SET (mailboxes (nope \"../x\") (MailboxName))\r\n", "l OK");
	client_expect_has(c, "m NOTIFY SET STATUS (personal NONE)\r\n", "m OK");
	client_expect_has(c, "n NOTIFY NONE\r\n", "n OK");
	client_expect_has(c, "o NOTIFY NONE x\r\n", "o BAD");
}

/* Without SELECTED, and after NONE, the client keeps the mailbox as it is. */
static void nothing_of_the_selected(struct imap_client *c)
{
	struct imap_client other;

	begin(c, &other);
	client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "s SELECT INBOX\r\n");
	client_append(&other, "INBOX", "", MESSAGE);
	/* NOTIFY SET tells what has come before. */
	client_expect_has(c,
			  "a NOTIFY SET (mailboxes Lists.Lemonade (MessageNew MessageExpunge))\r\n",
			  "* 3 EXISTS\n");
	client_append(&other, "INBOX", "", MESSAGE);
	client_ask(&other, "s SELECT INBOX\r\n");
	client_ask(&other, "t STORE 1 +FLAGS (\\Deleted)\r\n");
	client_ask(&other, "u EXPUNGE\r\n");
	client_expect(c, "b NOOP\r\n", "b OK NOOP completed.\n");
	client_expect(c, "c UID SEARCH ALL\r\n", "* SEARCH 1 2 3\nc OK Search completed.\n");
	client_append(&other, "Lists.Lemonade", "", MESSAGE);
	expect_news_has(c, "* STATUS", "\"Lists.Lemonade\" (MESSAGES 2");
	/* What it removes itself it is told of. */
	client_ask(c, "d STORE 2 +FLAGS.SILENT (\\Deleted)\r\n");
	client_ask(c, "e EXPUNGE\r\n");
	assert_non_null(strstr(c->answer.data, "* 2 EXPUNGE\n"));
	client_expect_has(c, "f NOTIFY NONE\r\n", "f OK");
	client_append(&other, "INBOX", "", MESSAGE);
	client_expect(c, "g NOOP\r\n", "g OK NOOP completed.\n");
	client_send(c, "h IDLE\r\n");
	client_read_until(c, "+");
	client_append(&other, "INBOX", "", MESSAGE);
	client_expect(c, "DONE\r\nh2 NOOP\r\n", "h OK Idle completed.\nh2 OK NOOP completed.\n");
	client_disconnect(&other);
}

/* SELECTED-DELAYED: what is gone waits for a command that may tell it. */
static void delayed(struct imap_client *c)
{
	struct imap_client other;

	begin(c, &other);
	client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect_has(c, "a NOTIFY SET (selected-delayed (MessageNew MessageExpunge))\r\n",
			  "a OK");
	client_ask(&other, "s SELECT INBOX\r\n");
	client_ask(&other, "t STORE 1 +FLAGS (\\Deleted)\r\n");
	client_ask(&other, "u EXPUNGE\r\n");
	client_append(&other, "INBOX", "", MESSAGE);
	/* No flags were asked for. */
	expect_news(c, "* 3 EXISTS", "* 3 EXISTS\n");
	assert_null(strstr(c->answer.data, "FETCH"));
	assert_null(strstr(c->answer.data, "EXPUNGE"));
	client_expect(c, "b NOOP\r\n", "* 1 EXPUNGE\nb OK NOOP completed.\n");
	/* In IDLE the same as in NOTIFY, with what is gone. */
	client_send(c, "c IDLE\r\n");
	client_read_until(c, "+");
	client_ask(&other, "v STORE 1 +FLAGS (\\Deleted)\r\n");
	client_ask(&other, "w EXPUNGE\r\n");
	expect_news(c, "* 1 EXPUNGE", "* 1 EXPUNGE\n");
	client_expect_has(c, "DONE\r\nd NOOP\r\n", "d OK");
	client_disconnect(&other);
}

/* What this connection puts into another mailbox is no news to it, unless somebody else did, too. */
static void own_messages(struct imap_client *c)
{
	struct imap_client other;

	begin(c, &other);
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect_has(c,
			  "a NOTIFY SET (selected (MessageNew (UID) MessageExpunge)) (personal "
			  "(MessageNew MessageExpunge))\r\n",
			  "a OK");
	/* What somebody else did is the first thing that is told after it. */
	client_append(c, "Lists.Im2000", "", MESSAGE);
	client_append(&other, "Lists.Lemonade", "", MESSAGE);
	expect_news(c, "* STATUS", "* STATUS \"Lists.Lemonade\" (MESSAGES 2 UIDNEXT 3 UNSEEN 2)\n");
	client_expect_has(c, "b COPY 1 Lists.Im2000\r\n", "b OK");
	client_append(&other, "Lists.Lemonade", "", MESSAGE);
	expect_news(c, "* STATUS", "* STATUS \"Lists.Lemonade\" (MESSAGES 3 UIDNEXT 4 UNSEEN 3)\n");
	client_append(c, "INBOX", "", MESSAGE);
	assert_non_null(strstr(c->answer.data, "* 2 EXISTS\n"));
	assert_null(strstr(c->answer.data, "FETCH"));
	client_append(&other, "Lists.Im2000", "", MESSAGE);
	expect_news(c, "* STATUS", "* STATUS \"Lists.Im2000\" (MESSAGES 3 UIDNEXT 4 UNSEEN 3)\n");
	client_disconnect(&other);
}

/* ---- a client's own picture of all mailboxes ---- */

static uint32_t seed = 5;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

#define FOLDERS 6

static void count_news(const char *text, unsigned *messages)
{
	for (const char *at = text; (at = strstr(at, "* STATUS \"F")) != NULL; at++) {
		unsigned folder, count;

		if (sscanf(at, "* STATUS \"F%u\" (MESSAGES %u", &folder, &count) == 2)
			messages[folder] = count;
	}
}

static void random_mailboxes(struct imap_client *c)
{
	unsigned messages[FOLDERS] = { 0 }, real[FOLDERS] = { 0 };
	struct imap_client others[2];
	char line[100];

	for (unsigned i = 0; i < FOLDERS; i++) {
		snprintf(line, sizeof(line), "a CREATE F%u\r\n", i);
		client_ask(c, line);
	}
	client_expect_has(c, "a NOTIFY SET (personal (MessageNew MessageExpunge))\r\n", "a OK");
	for (size_t i = 0; i < 2; i++)
		client_connect(&others[i], c->maildir);
	for (int step = 0; step < (c->bytewise ? 30 : 150); step++) {
		struct imap_client *who = &others[any(2)];
		unsigned folder = any(FOLDERS);

		snprintf(line, sizeof(line), "F%u", folder);
		if (real[folder] > 2 && any(3) == 0) {
			snprintf(line, sizeof(line), "s SELECT F%u\r\n", folder);
			client_ask(who, line);
			client_ask(who, "t STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
			client_ask(who, "u EXPUNGE\r\n");
			real[folder]--;
		} else {
			client_append(who, line, "", MESSAGE);
			real[folder]++;
		}
		if (any(4) == 0)
			count_news(client_ask(c, "n NOOP\r\n"), messages);
	}
	/* The last thing that is told. */
	client_append(&others[0], "F0", "", MESSAGE);
	real[0]++;
	while (messages[0] != real[0])
		count_news(client_read_until(c, "* STATUS"), messages);
	/* A look that took long is followed by a rest of up to a second. */
	for (int i = 0; i < 2000 && memcmp(messages, real, sizeof(real)) != 0; i++) {
		count_news(client_ask(c, "n NOOP\r\n"), messages);
		task_sleep(5);
	}
	for (size_t i = 0; i < FOLDERS; i++)
		assert_int_equal(messages[i], real[i]);
	for (size_t i = 0; i < 2; i++)
		client_disconnect(&others[i]);
}

/* More than are looked at: refused, and given up where they become too many. */
static void too_many_mailboxes(struct imap_client *c)
{
	struct imap_client other;
	char line[100];

	for (int i = 0; i < NOTIFY_MAILBOXES_MAX - 1; i++) {
		struct error err = ERROR_NONE;

		snprintf(line, sizeof(line), "m%d", i);
		assert_int_equal(store_create(client_store(), view_of(line), 0, &err), 0);
	}
	client_expect_has(c, "a NOTIFY SET (personal (MessageNew MessageExpunge))\r\n", "a OK");
	client_connect(&other, c->maildir);
	client_ask(&other, "a CREATE onemore\r\n");
	expect_news_has(c, "* OK [NOTIFICATIONOVERFLOW]", "[NOTIFICATIONOVERFLOW]");
	client_expect_has(c, "b NOTIFY SET (personal (MessageNew MessageExpunge))\r\n",
			  "b NO [NOTIFICATIONOVERFLOW]");
	client_expect_has(c, "c NOTIFY SET (personal (MailboxName))\r\n", "c OK");
	client_disconnect(&other);
}

#define TEST(name)                                                                                 \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		client_run_both(name);                                                             \
	}
TEST(example)
TEST(flags)
TEST(names_and_subscriptions)
TEST(annotations)
TEST(what_is_refused)
TEST(nothing_of_the_selected)
TEST(delayed)
TEST(own_messages)
TEST(random_mailboxes)

static void test_too_many_mailboxes(void **state)
{
	(void)state;
	client_run(too_many_mailboxes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_names_and_subscriptions),
		cmocka_unit_test(test_annotations),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_nothing_of_the_selected),
		cmocka_unit_test(test_delayed),
		cmocka_unit_test(test_own_messages),
		cmocka_unit_test(test_random_mailboxes),
		cmocka_unit_test(test_too_many_mailboxes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
