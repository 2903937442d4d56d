/* CONDSTORE and QRESYNC (RFC 7162), SEARCHRES (RFC 5182), PARTIAL (RFC 9394); each whole and byte by byte. */
#include "client.h"

#include <stdlib.h>

#define MESSAGE "From: a@example.test\nSubject: x\n\nx\n"

/* The number after `before` in an answer. */
static unsigned long long number_after(const char *answer, const char *before)
{
	const char *at = strstr(answer, before);

	if (at == NULL)
		fail_msg("no %s in: %s", before, answer);
	return strtoull(at + strlen(before), NULL, 10);
}

static char text[4096];

static const char *format(const char *form, ...)
{
	va_list args;

	va_start(args, form);
	vsnprintf(text, sizeof(text), form, args);
	va_end(args);
	return text;
}

static void fill(struct imap_client *c, int count)
{
	for (int i = 0; i < count; i++)
		client_append(c, "INBOX", "", MESSAGE);
}

/* RFC 7162 3.1: enabled by the first command that shows it, which tells where the mailbox stands. */
static void enabling(struct imap_client *c)
{
	static const char *const commands[] = {
		"a FETCH 1 (MODSEQ)",
		"a FETCH 1 (FLAGS) (CHANGEDSINCE 1)",
		"a STORE 1 (UNCHANGEDSINCE 1) FLAGS.SILENT ()",
		"a STATUS INBOX (HIGHESTMODSEQ)",
		"a SEARCH MODSEQ 1",
		"a ENABLE CONDSTORE",
		"a ENABLE QRESYNC",
	};

	fill(c, 1);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct imap_client other;

		client_connect(&other, c->maildir);
		client_expect_has(&other, "s SELECT INBOX\r\n", "* OK [HIGHESTMODSEQ ");
		client_expect_lacks(&other, "b STORE 1 FLAGS (\\Seen)\r\n", "MODSEQ");
		client_expect_has(&other, format("%s\r\n", commands[i]), "* OK [HIGHESTMODSEQ ");
		client_expect_lacks(&other, format("%s\r\n", commands[i]), "* OK [HIGHESTMODSEQ ");
		client_expect_has(&other, "c STORE 1 FLAGS (\\Answered)\r\n", "MODSEQ (");
		client_disconnect(&other);
	}
	client_expect(c, "d ENABLE condstore QRESYNC x\r\n",
		      "* ENABLED CONDSTORE QRESYNC\nd OK Enabled.\n");
	client_expect(c, "e ENABLE QRESYNC\r\n", "* ENABLED\ne OK Enabled.\n");
	client_expect_has(c, "f SELECT INBOX (CONDSTORE)\r\n", "f OK [READ-WRITE]");
	client_expect_has(c, "g SELECT INBOX (NOPE)\r\n", "g BAD");
}

static void conditional_store(struct imap_client *c)
{
	struct imap_client other;
	unsigned long long modseq, after;

	fill(c, 4);
	modseq = number_after(client_ask(c, "s SELECT INBOX (CONDSTORE)\r\n"), "[HIGHESTMODSEQ ");
	client_connect(&other, c->maildir);
	client_ask(&other, "s SELECT INBOX\r\n");
	client_ask(&other, "a STORE 2 +FLAGS.SILENT (\\Flagged)\r\n");
	/* Of the three one was changed meanwhile: it is not touched, and told (RFC 7162 3.1.3). */
	client_ask(c, format("b STORE 1:3 (UNCHANGEDSINCE %llu) +FLAGS.SILENT (\\Deleted)\r\n",
			     modseq));
	assert_non_null(strstr(c->answer.data, "b OK [MODIFIED 2] Store completed.\n"));
	after = number_after(c->answer.data, "* 1 FETCH (MODSEQ (");
	assert_true(after > modseq);
	assert_int_equal(number_after(c->answer.data, "* 3 FETCH (MODSEQ ("), after);
	assert_null(strstr(c->answer.data, "* 2 FETCH (MODSEQ ("
					   ") FLAGS (\\Deleted"));
	client_expect_has(c, "c FETCH 2 FLAGS\r\n", "* 2 FETCH (FLAGS (\\Flagged \\Recent))");
	client_expect_has(c, format("d UID STORE 1:4 (UNCHANGEDSINCE %llu) FLAGS ()\r\n", modseq),
			  "d OK [MODIFIED 1:3] ");
	/* "0": only what never had flags, which nothing here is. */
	client_expect_has(c, "e STORE 4 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)\r\n",
			  "e OK [MODIFIED 4]");
	client_expect_has(c, "f STORE 4 (UNCHANGEDSINCE 9223372036854775807) +FLAGS (\\Seen)\r\n",
			  "f OK Store");
	client_expect_has(c, "g STORE 4 (UNCHANGEDSINCE x) +FLAGS (\\Seen)\r\n", "g BAD");
	client_expect_has(c, "h STORE 4 (NOPE 1) +FLAGS (\\Seen)\r\n", "h BAD");
	client_disconnect(&other);
}

static void changed_since(struct imap_client *c)
{
	unsigned long long modseq, second;

	fill(c, 5);
	client_ask(c, "s SELECT INBOX (CONDSTORE)\r\n");
	client_ask(c, "s SELECT INBOX (CONDSTORE)\r\n");
	modseq = number_after(c->answer.data, "[HIGHESTMODSEQ ");
	client_ask(c, "a STORE 2,4 +FLAGS.SILENT (\\Seen)\r\n");
	second = number_after(c->answer.data, "* 2 FETCH (MODSEQ (");
	client_ask(c, format("b FETCH 1:* (FLAGS) (CHANGEDSINCE %llu)\r\n", modseq));
	assert_string_equal(c->answer.data, format("* 2 FETCH (FLAGS (\\Seen) MODSEQ (%llu))\n"
						   "* 4 FETCH (FLAGS (\\Seen) MODSEQ (%llu))\n"
						   "b OK Fetch completed.\n",
						   second, second));
	client_expect(c, format("c UID FETCH 1:* (FLAGS) (CHANGEDSINCE %llu)\r\n", second),
		      "c OK Fetch completed.\n");
	/* What Apple's clients send first. */
	client_expect_has(c, "d UID FETCH 1:* (FLAGS) (CHANGEDSINCE 0)\r\n",
			  "* 5 FETCH (UID 5 FLAGS () MODSEQ (");
	client_ask(c, format("e SEARCH MODSEQ %llu\r\n", second));
	assert_string_equal(c->answer.data,
			    format("* SEARCH 2 4 (MODSEQ %llu)\ne OK Search completed.\n", second));
	client_ask(c, format("f SEARCH MODSEQ \"/flags/\\\\draft\" all %llu\r\n", second + 1));
	assert_string_equal(c->answer.data, "* SEARCH\nf OK Search completed.\n");
	client_ask(c, format("g SEARCH RETURN (MIN COUNT) MODSEQ %llu\r\n", modseq + 1));
	assert_string_equal(
		c->answer.data,
		format("* ESEARCH (TAG \"g\") MIN 2 COUNT 2 MODSEQ %llu\ng OK Search completed.\n",
		       second));
	client_expect_has(c, "h STATUS INBOX (HIGHESTMODSEQ)\r\n",
			  format("(HIGHESTMODSEQ %llu)", second));
	client_expect_has(c, "i FETCH 1 BODY[TEXT]\r\n", " MODSEQ (");
	client_expect_has(c, "j UID FETCH 1 (FLAGS) (VANISHED)\r\n", "j BAD");
	client_expect_has(c, "k FETCH 1 (FLAGS) (NOPE)\r\n", "k BAD");
	client_expect_has(c, "l STORE 1 +FLAGS.SILENT (\\Deleted)\r\n", "l OK");
	client_ask(c, "m EXPUNGE\r\n");
	assert_true(number_after(c->answer.data, "m OK [HIGHESTMODSEQ ") > second);
	client_ask(c, "n STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
	client_expect_has(c, "o CLOSE\r\n", "o OK [HIGHESTMODSEQ ");
}

/* RFC 7162 3.2.5 and 3.2.6: exactly what went and what changed, by UIDs. */
static void resynchronizing(struct imap_client *c)
{
	struct imap_client other;
	unsigned long long modseq;
	unsigned validity;

	fill(c, 9);
	client_expect_has(c, "s SELECT INBOX (QRESYNC (1 1))\r\n", "s BAD QRESYNC is not enabled");
	client_ask(c, "t ENABLE QRESYNC\r\n");
	client_ask(c, "s SELECT INBOX\r\n");
	client_ask(c, "s SELECT INBOX\r\n");
	assert_non_null(strstr(c->answer.data, "* OK [CLOSED]"));
	modseq = number_after(c->answer.data, "[HIGHESTMODSEQ ");
	validity = (unsigned)number_after(c->answer.data, "[UIDVALIDITY ");
	client_ask(c, "u UNSELECT\r\n");
	client_connect(&other, c->maildir);
	client_ask(&other, "s SELECT INBOX\r\n");
	client_ask(&other, "a STORE 2:3,7 +FLAGS.SILENT (\\Deleted)\r\n");
	client_ask(&other, "b EXPUNGE\r\n");
	client_ask(&other, "c STORE 1 +FLAGS.SILENT (\\Flagged)\r\n");
	client_append(&other, "INBOX", "", MESSAGE);

	client_ask(c, format("d SELECT INBOX (QRESYNC (%u %llu))\r\n", validity, modseq));
	assert_non_null(
		strstr(c->answer.data, "* VANISHED (EARLIER) 2:3,7\n* 1 FETCH (UID 1 MODSEQ ("));
	assert_non_null(strstr(c->answer.data, "* 7 FETCH (UID 10 MODSEQ ("));
	assert_null(strstr(c->answer.data, "* 2 FETCH"));
	client_ask(c, format("e SELECT INBOX (QRESYNC (%u %llu 1:2,5 (1,5 1,5)))\r\n", validity,
			     modseq));
	assert_non_null(
		strstr(c->answer.data, "* VANISHED (EARLIER) 2\n* 1 FETCH (UID 1 MODSEQ ("));
	assert_null(strstr(c->answer.data, "UID 10"));
	/* Another UIDVALIDITY: nothing is known. */
	client_expect_lacks(c,
			    format("f SELECT INBOX (QRESYNC (%u %llu))\r\n", validity + 1, modseq),
			    "VANISHED");
	client_ask(c, format("g UID FETCH 1:9 (FLAGS) (CHANGEDSINCE %llu VANISHED)\r\n", modseq));
	assert_non_null(strstr(c->answer.data,
			       "* VANISHED (EARLIER) 2:3,7\n* 1 FETCH (UID 1 FLAGS (\\Flagged"));
	assert_null(strstr(c->answer.data, "UID 10"));
	/* What goes now is VANISHED too, without EARLIER; flags of others have UIDs. */
	client_ask(&other, "h STORE 4:5 +FLAGS.SILENT (\\Deleted)\r\n");
	client_expect_has(c, "i NOOP\r\n", "* 4 FETCH (UID 6 MODSEQ (");
	client_ask(&other, "j EXPUNGE\r\n");
	client_expect_has(c, "k NOOP\r\n", "* VANISHED 6,8\n");
	client_expect_has(c, "l STORE 1 +FLAGS.SILENT (\\Deleted)\r\n",
			  "* 1 FETCH (UID 1 MODSEQ (");
	client_ask(c, "m EXPUNGE\r\n");
	assert_non_null(strstr(c->answer.data, "* VANISHED 1\nm OK [HIGHESTMODSEQ "));

	/* An index that was lost knows no tombstones: all that is not there has vanished. */
	client_ask(c, "n UNSELECT\r\n");
	client_ask(&other, "n UNSELECT\r\n");
	client_delete_index(c);
	client_ask(c, format("o SELECT INBOX (QRESYNC (%u %llu 1:8,20))\r\n", validity, modseq));
	if (strstr(c->answer.data, "* VANISHED (EARLIER) 1:3,6:8,20\n") == NULL)
		fail_msg("%s", c->answer.data);
	assert_non_null(strstr(c->answer.data, " (UID 4 MODSEQ ("));
	client_disconnect(&other);
}

/* The examples of RFC 5182 2.4, on another mailbox. */
static void saved_results(struct imap_client *c)
{
	client_append(c, "INBOX", "(\\Flagged) ", "From: Smith <s@x>\n\nx\n");
	client_append(c, "INBOX", "", "From: Smith <s@x>\n\nx\n");
	client_append(c, "INBOX", "(\\Flagged) ", "From: b@x\n\nx\n");
	client_append(c, "INBOX", "(\\Flagged) ", "From: Smith <s@x>\n\nx\n");
	client_ask(c, "s SELECT INBOX\r\n");
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect(c, "a FETCH $ (UID)\r\n", "a OK Fetch completed.\n");
	client_expect(c, "b SEARCH RETURN (SAVE) FLAGGED NOT FROM b\r\n",
		      "b OK Search completed.\n");
	client_expect(c, "c FETCH $ (UID)\r\n",
		      "* 1 FETCH (UID 1)\n* 4 FETCH (UID 4)\nc OK Fetch completed.\n");
	client_expect(c, "d UID SEARCH UID $ SMALLER 4096\r\n",
		      "* SEARCH 1 4\nd OK Search completed.\n");
	client_expect(c, "e SEARCH (OR $ 1,3) UID 2:*\r\n",
		      "* SEARCH 3 4\ne OK Search completed.\n");
	client_expect(c, "f SEARCH RETURN (SAVE MIN) ALL\r\n",
		      "* ESEARCH (TAG \"f\") MIN 1\nf OK Search completed.\n");
	client_expect(c, "g UID FETCH $ FLAGS\r\n",
		      "* 1 FETCH (UID 1 FLAGS (\\Flagged))\ng OK Fetch completed.\n");
	client_expect_has(c, "h SEARCH RETURN (SAVE MIN MAX COUNT) ALL\r\n",
			  "MIN 1 MAX 4 COUNT 4\n");
	client_expect_has(c, "i STORE $ +FLAGS.SILENT (\\Seen)\r\n", "i OK");
	client_expect(c, "j SEARCH SEEN\r\n", "* SEARCH 1 2 3 4\nj OK Search completed.\n");
	/* What is expunged is no more among them; a sequence number may be another's by then. */
	client_ask(c, "k SEARCH RETURN (SAVE) 1:2\r\n");
	client_ask(c, "l STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
	client_ask(c, "m EXPUNGE\r\n");
	client_expect(c, "n FETCH $ UID\r\n", "* 1 FETCH (UID 2)\nn OK Fetch completed.\n");
	client_expect_has(c, "o SEARCH RETURN (SAVE) CHARSET nope TEXT x\r\n", "o NO [BADCHARSET");
	client_expect(c, "p FETCH $ UID\r\n", "p OK Fetch completed.\n");
	client_ask(c, "q SEARCH RETURN (SAVE) ALL\r\n");
	client_ask(c, "r SELECT INBOX\r\n");
	client_expect(c, "t FETCH $ UID\r\n", "t OK Fetch completed.\n");
	client_expect_has(c, "u FETCH $,1 UID\r\n", "u BAD");
	client_expect_has(c, "v COPY $ INBOX\r\n", "v OK");
}

/* RFC 9394 3.1 */
static void partial_results(struct imap_client *c)
{
	fill(c, 12);
	client_ask(c, "s EXAMINE INBOX\r\n");
	client_expect(
		c, "a UID SEARCH RETURN (PARTIAL 1:5 COUNT) UID 3:*\r\n",
		"* ESEARCH (TAG \"a\") UID COUNT 10 PARTIAL (1:5 3:7)\na OK Search completed.\n");
	client_expect(c, "b SEARCH RETURN (PARTIAL -1:-3) ALL\r\n",
		      "* ESEARCH (TAG \"b\") PARTIAL (-1:-3 10:12)\nb OK Search completed.\n");
	client_expect(c, "c SEARCH RETURN (PARTIAL 9:20) 1:10\r\n",
		      "* ESEARCH (TAG \"c\") PARTIAL (9:20 9:10)\nc OK Search completed.\n");
	client_expect(c, "d SEARCH RETURN (PARTIAL 24000:24500) ALL\r\n",
		      "* ESEARCH (TAG \"d\") PARTIAL (24000:24500 NIL)\nd OK Search completed.\n");
	client_expect(c, "e SEARCH RETURN (PARTIAL 1:2) KEYWORD none\r\n",
		      "* ESEARCH (TAG \"e\") PARTIAL (1:2 NIL)\ne OK Search completed.\n");
	client_ask(c, "f SEARCH RETURN (SAVE PARTIAL 2:3) ALL\r\n");
	client_expect(c, "g FETCH $ UID\r\n",
		      "* 2 FETCH (UID 2)\n* 3 FETCH (UID 3)\ng OK Fetch completed.\n");
	client_expect_has(c, "h SEARCH RETURN (PARTIAL 1:2 ALL) ALL\r\n", "h BAD");
	client_expect_has(c, "i SEARCH RETURN (PARTIAL 0:2) ALL\r\n", "i BAD");
	client_expect_has(c, "j SEARCH RETURN (PARTIAL -1:2) ALL\r\n", "j BAD");
}

/* Changes flags until a change waits for its commit: that may come at any moment. */
static void change_that_waits(struct imap_client *c, const char *command)
{
	bool waits = false;

	for (int i = 0; i < 100 && !waits; i++) {
		client_ask(c, format("f%d STORE 1 %cFLAGS (\\Flagged)\r\n", i, i % 2 ? '-' : '+'));
		client_ask(c, format(command, i));
		waits = !store_is_committed(client_store());
	}
	assert_true(waits);
}

/* Flags wait for a commit that they share; but nobody hears of a mod-sequence before it is durable. */
static void commits(struct imap_client *c)
{
	struct imap_client other;

	fill(c, 3);
	client_connect(&other, c->maildir);
	client_ask(&other, "o SELECT INBOX\r\n");
	client_ask(c, "s SELECT INBOX\r\n");
	change_that_waits(c, "a%d STORE 1 +FLAGS (\\Seen)\r\n");
	/* The user's other connections see it. */
	client_expect_has(&other, "p NOOP\r\n", "\\Seen");
	change_that_waits(c, "c%d FETCH 1 BODY[]\r\n");
	client_expect(c, "b CHECK\r\n", "b OK Check completed.\n");
	assert_true(store_is_committed(client_store()));
	change_that_waits(c, "d%d NOOP\r\n");
	client_ask(&other, "q STATUS INBOX (HIGHESTMODSEQ)\r\n");
	assert_true(store_is_committed(client_store()));
	client_ask(&other, "r FETCH 2 (MODSEQ)\r\n");
	change_that_waits(c, "e%d STORE 2 +FLAGS (\\Seen)\r\n");
	client_expect_has(&other, "t NOOP\r\n", "MODSEQ (");
	assert_true(store_is_committed(client_store()));
	client_expect_has(&other, "u STORE 2 +FLAGS (\\Draft)\r\n", "MODSEQ (");
	assert_true(store_is_committed(client_store()));
	/* After a moment by itself. */
	change_that_waits(c, "g%d NOOP\r\n");
	for (int i = 0; i < 500 && !store_is_committed(client_store()); i++)
		task_sleep(10);
	assert_true(store_is_committed(client_store()));
	/* And when a connection ends. */
	change_that_waits(c, "h%d NOOP\r\n");
	client_disconnect(&other);
	assert_true(store_is_committed(client_store()));
}

/* Others who write to the index do not wait for a client that does not read what its change brings. */
static void commits_while_client_sleeps(struct imap_client *c)
{
	_cleanup_(str_free) struct str long_text = STR_EMPTY;
	bool waited = false, committed = false;

	str_append_cstr(&long_text, "A: b\n\n");
	for (int i = 0; i < 40000; i++)
		str_append_cstr(&long_text, "More than a socket and a stream hold.\n");
	client_append(c, "INBOX", "", str_cstr(&long_text));
	client_ask(c, "s SELECT INBOX\r\n");
	change_that_waits(c, "a%d NOOP\r\n");
	client_ask(c, "b CHECK\r\n");
	client_send(c, "d FETCH 1 BODY[]\r\n");
	for (int i = 0; i < 500 && !committed; i++) {
		task_sleep(10);
		waited |= !store_is_committed(client_store());
		committed = waited && store_is_committed(client_store());
	}
	assert_true(waited);
	assert_true(committed);
	assert_non_null(strstr(client_read_until(c, "d "), "d OK"));
}

#define TEST(name)                                                                                 \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		client_run_both(name);                                                             \
	}
TEST(enabling)
TEST(conditional_store)
TEST(changed_since)
TEST(resynchronizing)
TEST(saved_results)
TEST(partial_results)
TEST(commits)

/* Once: so much comes byte by byte only slowly. */
static void test_commits_while_client_sleeps(void **state)
{
	(void)state;
	client_run(commits_while_client_sleeps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_enabling),
		cmocka_unit_test(test_conditional_store),
		cmocka_unit_test(test_changed_since),
		cmocka_unit_test(test_resynchronizing),
		cmocka_unit_test(test_saved_results),
		cmocka_unit_test(test_partial_results),
		cmocka_unit_test(test_commits),
		cmocka_unit_test(test_commits_while_client_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
