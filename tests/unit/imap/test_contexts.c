/*
 * Results that stay up to date (RFC 5267), and searches in many mailboxes (RFC 7377): the examples of the RFCs, and a
 * client that keeps its own list by what it is told.
 */
#include "client.h"

#include <stdlib.h>

#include "base/mem.h"

#define MESSAGE(subject) "From: a@example.test\nSubject: " subject "\n\nx\n"

/* ---- ESEARCH ---- */

static void many_mailboxes(struct imap_client *c)
{
	client_ask(c, "a CREATE folder1\r\nb CREATE folder2\r\nc CREATE folder2.banana\r\n"
		      "d CREATE folder2.peach\r\ne CREATE folder2.peach.stone\r\n");
	client_append(c, "folder1", "", MESSAGE("chad"));
	client_append(c, "folder1", "(\\Seen) ", MESSAGE("x"));
	client_append(c, "folder1", "", MESSAGE("x"));
	client_append(c, "folder2.banana", "", MESSAGE("x"));
	client_append(c, "folder2.peach", "(\\Seen) ", MESSAGE("x"));
	client_append(c, "folder2.peach.stone", "", MESSAGE("Chad"));
	client_append(c, "INBOX", "", MESSAGE("x"));
	client_ask(c, "f SUBSCRIBE folder2.banana\r\ng SUBSCRIBE gone\r\n");
	/* RFC 7377 3 */
	client_ask(c, "tag1 ESEARCH IN (mailboxes \"folder1\" subtree \"folder2\") unseen\r\n");
	assert_non_null(strstr(c->answer.data, "* ESEARCH (TAG \"tag1\" MAILBOX \"folder1\" "
					       "UIDVALIDITY "));
	assert_non_null(strstr(c->answer.data, ") UID ALL 1,3\n"));
	assert_non_null(strstr(c->answer.data, "MAILBOX \"folder2.banana\" UIDVALIDITY "));
	assert_non_null(strstr(c->answer.data, "MAILBOX \"folder2.peach.stone\" UIDVALIDITY "));
	assert_null(strstr(c->answer.data, "MAILBOX \"folder2.peach\""));
	assert_null(strstr(c->answer.data, "MAILBOX \"folder2\""));
	assert_null(strstr(c->answer.data, "INBOX"));
	assert_non_null(strstr(c->answer.data, "tag1 OK "));
	client_ask(c, "tag2 ESEARCH IN (mailboxes \"folder1\" subtree-one \"folder2\") subject "
		      "\"chad\"\r\n");
	assert_non_null(strstr(c->answer.data, ") UID ALL 1\n"));
	assert_null(strstr(c->answer.data, "stone"));
	client_expect_lacks(c, "h ESEARCH IN (subscribed) ALL\r\n", "folder1");
	client_expect_has(c, "i ESEARCH IN (personal) RETURN (COUNT) UNSEEN\r\n",
			  "MAILBOX \"INBOX\" UIDVALIDITY ");
	client_expect_has(c, "i ESEARCH IN (inboxes) RETURN (COUNT MIN) UNSEEN\r\n",
			  ") UID MIN 1 COUNT 2\n");
	/* Names that are none, and mailboxes that are not there. */
	client_expect(c, "j ESEARCH IN (mailboxes (nope \"../etc\" \"a*\")) ALL\r\n",
		      "j OK Search completed.\n");
	client_expect_has(c, "k ESEARCH IN (mailboxes (folder1 folder1) personal) SEEN\r\n",
			  "k OK");
}

static void esearch_and_the_selected(struct imap_client *c)
{
	client_append(c, "INBOX", "", MESSAGE("one"));
	client_ask(c, "a CREATE other\r\n");
	client_append(c, "other", "", MESSAGE("two"));
	client_append(c, "other", "", MESSAGE("three"));
	client_expect_has(c, "b ESEARCH ALL\r\n", "b BAD Select a mailbox first.");
	client_expect_has(c, "c ESEARCH IN (selected personal) ALL\r\n", "c BAD");
	client_ask(c, "d SELECT INBOX\r\n");
	client_expect_has(c, "e ESEARCH SUBJECT one\r\n",
			  "* ESEARCH (TAG \"e\" MAILBOX \"INBOX\" UIDVALIDITY ");
	client_expect_has(c, "f UID ESEARCH 1:100\r\n", ") UID ALL 1\n");
	/* What is selected stays so. */
	client_expect_has(c, "g ESEARCH IN (mailboxes other) 2:100\r\n", ") UID ALL 2\n");
	client_expect(c, "h UID SEARCH ALL\r\n", "* SEARCH 1\nh OK Search completed.\n");
	client_expect_has(c, "i ESEARCH IN (selected) RETURN (SAVE) ALL\r\n", "i OK");
	client_expect(c, "j SEARCH $\r\n", "* SEARCH 1\nj OK Search completed.\n");
	client_expect_has(c, "k ESEARCH IN (personal) RETURN (SAVE) ALL\r\n", "k BAD SAVE");
	client_expect_has(c, "l ESEARCH IN (personal) $\r\n", "l BAD $");
	client_expect_has(c, "m ESEARCH IN (selected-delayed) ALL\r\n", "m BAD");
	client_expect_has(c, "n ESEARCH IN (selected RETURN (ALL) ALL\r\n", "n BAD");
	client_expect_has(c, "o ESEARCH IN (nothing) ALL\r\n", "o BAD Unknown mailbox specifier");
	client_expect_has(c, "p ESEARCH IN (mailboxes other) CHARSET x-none ALL\r\n",
			  "p NO [BADCHARSET");
	client_expect_has(c, "q ESEARCH IN (mailboxes other) RETURN (PARTIAL 2:5) ALL\r\n",
			  ") UID PARTIAL (2:5 2)\n");
	client_ask(c, "r ENABLE UIDONLY\r\n");
	client_expect_has(c, "s ESEARCH IN (personal) UID 1\r\n", "s OK");
	client_expect_has(c, "t ESEARCH IN (personal) 1\r\n", "t BAD [UIDREQUIRED]");
}

/* ---- contexts ---- */

static void updates(struct imap_client *c)
{
	struct imap_client other;

	for (int i = 0; i < 4; i++)
		client_append(c, "INBOX", i == 1 ? "(\\Deleted $Junk) " : "", MESSAGE("x"));
	client_ask(c, "s SELECT INBOX\r\nt SELECT INBOX\r\n");
	/* RFC 5267 4.2 to 4.4. */
	client_expect(c, "A01 SEARCH RETURN (CONTEXT COUNT) UNDELETED UNKEYWORD $Junk\r\n",
		      "* ESEARCH (TAG \"A01\") COUNT 3\nA01 OK Search completed.\n");
	client_expect(c, "B01 UID SEARCH RETURN (UPDATE COUNT) DELETED KEYWORD $Junk\r\n",
		      "* ESEARCH (TAG \"B01\") UID COUNT 1\nB01 OK Search completed.\n");
	client_expect_has(c, "B01 SORT RETURN (UPDATE) (DATE) UTF-8 FLAGGED\r\n",
			  "B01 BAD Tag reuse");
	client_expect_has(c, "B01 SEARCH RETURN (UPDATE) FLAGGED\r\n", "B01 BAD Tag reuse");
	/* By this connection, and by another. */
	client_expect(c, "c UID STORE 3:4 +FLAGS.SILENT (\\Deleted $Junk)\r\n",
		      "* ESEARCH (TAG \"B01\") UID ADDTO (0 3:4)\nc OK Store completed.\n");
	client_connect(&other, c->maildir);
	client_ask(&other, "s SELECT INBOX\r\n");
	client_ask(&other, "t STORE 2 -FLAGS ($Junk)\r\n");
	client_expect(
		c, "d NOOP\r\n",
		"* 2 FETCH (FLAGS (\\Deleted))\n* ESEARCH (TAG \"B01\") UID REMOVEFROM (0 2)\n"
		"d OK NOOP completed.\n");
	client_append(&other, "INBOX", "(\\Deleted $junk) ", MESSAGE("x"));
	client_ask(c, "e NOOP\r\n");
	assert_non_null(strstr(c->answer.data, "* 5 EXISTS\n"));
	assert_non_null(strstr(c->answer.data, "* ESEARCH (TAG \"B01\") UID ADDTO (0 5)\ne OK"));
	client_ask(&other, "u UID EXPUNGE 4\r\n");
	client_expect(c, "f NOOP\r\n",
		      "* ESEARCH (TAG \"B01\") UID REMOVEFROM (0 4)\n* 4 EXPUNGE\nf OK NOOP "
		      "completed.\n");
	client_expect(c, "B04 CANCELUPDATE \"B01\"\r\n", "B04 OK No further updates.\n");
	client_expect(c, "B05 CANCELUPDATE \"B01\"\r\n", "B05 BAD Unknown tag.\n");
	client_expect(c, "g STORE 1 +FLAGS.SILENT (\\Deleted $Junk)\r\n",
		      "g OK Store completed.\n");
	client_disconnect(&other);
}

/* Sequence numbers: as they are before an expunge for what goes, after EXISTS for what comes. */
static void updates_with_numbers(struct imap_client *c)
{
	for (int i = 0; i < 5; i++)
		client_append(c, "INBOX", "", MESSAGE("x"));
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect(c, "a SEARCH RETURN (UPDATE) ALL\r\n",
		      "* ESEARCH (TAG \"a\")\na OK Search completed.\n");
	client_expect(c, "b SEARCH RETURN (UPDATE ALL) 2:3\r\n",
		      "* ESEARCH (TAG \"b\") ALL 2:3\nb OK Search completed.\n");
	client_ask(c, "c STORE 2,4 +FLAGS (\\Deleted)\r\n");
	client_expect(c, "d EXPUNGE\r\n",
		      "* ESEARCH (TAG \"a\") REMOVEFROM (0 2,4)\n"
		      "* ESEARCH (TAG \"b\") REMOVEFROM (0 2)\n"
		      "* 4 EXPUNGE\n* 2 EXPUNGE\nd OK Expunge completed.\n");
	/* The numbers of its keys mean what they meant (RFC 5267 4.3): nothing comes to "b". */
	client_append(c, "INBOX", "", MESSAGE("x"));
	client_expect_has(c, "e NOOP\r\n", "e OK");
	client_expect_lacks(c, "f STORE 2 +FLAGS.SILENT (\\Seen)\r\n", "TAG \"b\"");
	client_append(c, "INBOX", "", MESSAGE("x"));
	assert_non_null(strstr(c->answer.data, "* 5 EXISTS\n"));
	assert_non_null(strstr(c->answer.data, "* ESEARCH (TAG \"a\") ADDTO (0 5)\n"));
	/* They end with the mailbox. */
	client_ask(c, "g SELECT INBOX\r\n");
	client_expect_has(c, "h CANCELUPDATE \"a\" \"b\"\r\n", "h BAD");
}

static void too_many_contexts(struct imap_client *c)
{
	char command[100], answer[200];

	client_append(c, "INBOX", "", MESSAGE("x"));
	client_ask(c, "s SELECT INBOX\r\n");
	for (int i = 0; i < IMAP_CONTEXTS_MAX; i++) {
		snprintf(command, sizeof(command), "t%d SEARCH RETURN (UPDATE COUNT) SEEN\r\n", i);
		client_expect_lacks(c, command, "NOUPDATE");
	}
	client_expect(c, "B02 UID SEARCH RETURN (UPDATE COUNT) SEEN\r\n",
		      "* NO [NOUPDATE \"B02\"] Too many contexts.\n"
		      "* ESEARCH (TAG \"B02\") UID COUNT 0\nB02 OK Search completed.\n");
	client_ask(c, "c CANCELUPDATE \"t0\"\r\n");
	client_ask(c, "d STORE 1 +FLAGS.SILENT (\\Seen)\r\n");
	for (int i = 0; i < IMAP_CONTEXTS_MAX; i++) {
		snprintf(answer, sizeof(answer), "* ESEARCH (TAG \"t%d\") ADDTO (0 1)\n", i);
		assert_int_equal(strstr(c->answer.data, answer) != NULL, i > 0);
	}
	assert_null(strstr(c->answer.data, "B02"));
}

/* ---- a client's own list ---- */

static uint32_t seed = 1;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

struct model {
	uint32_t uids[500];
	size_t count;
};

/* "1 5,7:8 3 2": at each position, for sorted ones; at 0 wherever they belong. */
static void model_take(struct model *m, bool add, char *list)
{
	char *save = NULL;

	for (char *word = strtok_r(list, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save)) {
		size_t position = strtoul(word, NULL, 10);
		char *set = strtok_r(NULL, " ", &save), *end = set;

		assert_non_null(set);
		while (*end != '\0') {
			uint32_t first = (uint32_t)strtoul(end, &end, 10), last = first;

			if (*end == ':')
				last = (uint32_t)strtoul(end + 1, &end, 10);
			end += *end == ',';
			for (uint32_t uid = first; uid <= last; uid++) {
				size_t at = position > 0 ? position - 1 : 0;

				while (position == 0 && at < m->count && m->uids[at] < uid)
					at++;
				if (add) {
					assert_true(at <= m->count);
					memmove(m->uids + at + 1, m->uids + at,
						(m->count++ - at) * sizeof(uint32_t));
					m->uids[at] = uid;
					position += position > 0;
				} else {
					assert_true(at < m->count);
					assert_int_equal(m->uids[at], uid);
					memmove(m->uids + at, m->uids + at + 1,
						(--m->count - at) * sizeof(uint32_t));
				}
			}
		}
	}
}

/* Everything that an answer says of this context. */
static void model_hear(struct model *m, const char *tag, const char *answer)
{
	char start[64];
	const char *at = answer;

	snprintf(start, sizeof(start), "* ESEARCH (TAG \"%s\") UID ", tag);
	while ((at = strstr(at, start)) != NULL) {
		char *list;

		at += strlen(start);
		list = mem_strndup(strchr(at, '(') + 1, strcspn(strchr(at, '(') + 1, ")"));
		model_take(m, strncmp(at, "ADDTO", 5) == 0, list);
		free(list);
	}
}

/* What a new search finds. */
static void model_check(const struct model *m, struct imap_client *c, const char *command)
{
	struct str line = STR_EMPTY;

	str_printf(&line, "check UID %s\r\n", command);
	client_ask(c, str_cstr(&line));
	str_clear(&line);
	str_append_cstr(&line, strncmp(command, "SORT", 4) == 0 ? "* SORT" : "* SEARCH");
	for (size_t i = 0; i < m->count; i++)
		str_printf(&line, " %u", m->uids[i]);
	str_append_cstr(&line, "\ncheck OK");
	if (strncmp(c->answer.data, str_cstr(&line), line.len) != 0)
		fail_msg("seed: has %s\ntold: %s", c->answer.data, str_cstr(&line));
	str_free(&line);
}

static void random_step(struct imap_client *c, struct imap_client *other)
{
	static const char *const subjects[] = { "b", "Re: a", "c", "A", "fwd: b" };
	struct imap_client *who = any(2) ? c : other;
	struct str text = STR_EMPTY;
	uint32_t n = any(12) + 1;

	/* What was heard before is not to be heard again. */
	str_clear(&c->answer);
	str_append_byte(&c->answer, '\n');
	switch (any(6)) {
	case 0:
	case 1:
		str_printf(&text, "From: a@example.test\nSubject: %s\nTo: u%u@example.test\n\nx\n",
			   subjects[any(5)], any(7));
		client_append(who, "INBOX", any(2) ? "(\\Flagged) " : "", str_cstr(&text));
		break;
	case 2:
		str_printf(&text, "x UID STORE %u:%u %cFLAGS (\\Flagged)\r\n", n, n + any(9),
			   any(2) ? '+' : '-');
		client_ask(who, str_cstr(&text));
		break;
	case 3:
		str_printf(&text, "x UID STORE %u +FLAGS (\\Deleted)\r\n", n + any(30));
		client_ask(who, str_cstr(&text));
		break;
	case 4:
		client_ask(who, any(3) ? "x NOOP\r\n" : "x EXPUNGE\r\n");
		break;
	default:
		client_ask(who, "x SEARCH ALL\r\n");
	}
	str_free(&text);
}

static void random_updates(struct imap_client *c)
{
	static const char *const commands[][2] = {
		{ "u1", "SEARCH ALL" },
		{ "u2", "SEARCH OR FLAGGED SUBJECT b" },
		{ "u3", "SORT (SUBJECT REVERSE TO) UTF-8 UNDELETED" },
		{ "u4", "SORT (REVERSE SIZE ARRIVAL) UTF-8 ALL" },
	};
	struct model models[ARRAY_SIZE(commands)] = { 0 };
	struct imap_client other;

	client_connect(&other, c->maildir);
	client_ask(c, "s SELECT INBOX\r\n");
	client_ask(&other, "s SELECT INBOX\r\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		char line[200];
		const char *space = strchr(commands[i][1], ' ');

		snprintf(line, sizeof(line), "%s UID %.*s RETURN (UPDATE)%s\r\n", commands[i][0],
			 (int)(space - commands[i][1]), commands[i][1], space);
		client_expect_has(c, line, " OK ");
	}
	for (int step = 0; step < (c->bytewise ? 60 : 400); step++) {
		random_step(c, &other);
		for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
			model_hear(&models[i], commands[i][0], c->answer.data);
		if (step % 10 != 9)
			continue;
		client_ask(c, "x NOOP\r\n");
		for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
			model_hear(&models[i], commands[i][0], c->answer.data);
		for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
			model_check(&models[i], c, commands[i][1]);
	}
	assert_true(models[0].count > 5 && models[2].count > 0);
	client_disconnect(&other);
}

/* RFC 5465 7: what is new comes with what the client wants to know of it. */
static void update_with_fetch(struct imap_client *c)
{
	struct imap_client other;

	client_append(c, "INBOX", "", MESSAGE("x"));
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect_has(c,
			  "a00 SEARCH RETURN (COUNT UPDATE (UID BODY.PEEK[HEADER.FIELDS (To From "
			  "Subject)])) FROM \"a@\"\r\n",
			  "* ESEARCH (TAG \"a00\") COUNT 1\na00 OK");
	client_connect(&other, c->maildir);
	client_append(&other, "INBOX", "", MESSAGE("wanted"));
	client_append(&other, "INBOX", "", "From: b@example.test\nSubject: not wanted\n\nx\n");
	client_ask(c, "b NOOP\r\n");
	assert_non_null(strstr(c->answer.data,
			       "* 3 EXISTS\n* 3 RECENT\n* 2 FETCH (UID 2 BODY[HEADER.FIELDS (To "
			       "From Subject)] "));
	assert_non_null(strstr(c->answer.data,
			       "Subject: wanted\n\n)\n* ESEARCH (TAG \"a00\") ADDTO (0 2)\nb OK"));
	assert_null(strstr(c->answer.data, "not wanted"));
	/* Not of its own messages, and not by a change of flags. */
	client_append(c, "INBOX", "", MESSAGE("wanted"));
	assert_non_null(strstr(c->answer.data, "ADDTO (0 4)"));
	assert_null(strstr(c->answer.data, "FETCH"));
	client_expect_has(c, "c SEARCH RETURN (UPDATE (UID NOPE)) ALL\r\n", "c BAD");
	client_disconnect(&other);
}

/* ESEARCH with UPDATE is for the selected mailbox (RFC 7377 2.2). */
static void esearch_updates(struct imap_client *c)
{
	client_ask(c, "a CREATE other\r\n");
	client_append(c, "other", "(\\Flagged) ", MESSAGE("x"));
	client_append(c, "INBOX", "", MESSAGE("x"));
	client_expect_has(c, "b ESEARCH IN (personal) RETURN (UPDATE) FLAGGED\r\n", "b BAD");
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect_has(c, "c ESEARCH IN (personal) RETURN (UPDATE COUNT) FLAGGED\r\n",
			  "MAILBOX \"other\"");
	client_ask(c, "d STORE 1 +FLAGS.SILENT (\\Flagged)\r\n");
	assert_non_null(
		strstr(c->answer.data, "* ESEARCH (TAG \"c\" MAILBOX \"INBOX\" UIDVALIDITY "));
	assert_non_null(strstr(c->answer.data, ") UID ADDTO (0 1)\n"));
	client_expect_has(c, "e ESEARCH IN (mailboxes other) RETURN (UPDATE COUNT) FLAGGED\r\n",
			  "* NO [NOUPDATE \"e\"]");
}

#define TEST(name)                                                                                 \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		client_run_both(name);                                                             \
	}
TEST(many_mailboxes)
TEST(esearch_and_the_selected)
TEST(updates)
TEST(updates_with_numbers)
TEST(too_many_contexts)
TEST(random_updates)
TEST(update_with_fetch)
TEST(esearch_updates)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_mailboxes),
		cmocka_unit_test(test_esearch_and_the_selected),
		cmocka_unit_test(test_updates),
		cmocka_unit_test(test_updates_with_numbers),
		cmocka_unit_test(test_too_many_contexts),
		cmocka_unit_test(test_random_updates),
		cmocka_unit_test(test_update_with_fetch),
		cmocka_unit_test(test_esearch_updates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
