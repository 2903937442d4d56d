/* SORT and THREAD (RFC 5256, 5957, 5267). tests/e2e/test_takeover.py compares a whole mailbox with Dovecot. */
#include "client.h"
#include "sort.h"

static void test_subjects(void **state)
{
	static const struct {
		const char *subject, *base;
		bool is_reply;
	} rows[] = {
		{ "Hello", "HELLO", false },
		{ " Hello\t\r\n  world ", "HELLO WORLD", false },
		{ "Re: Hello", "HELLO", true },
		{ "RE : fw: Fwd:Hello", "HELLO", true },
		{ "Re[2]: Hello", "HELLO", true },
		{ "[list] Hello", "HELLO", false },
		{ "[a] [b]Re: [c] Hello (fwd) (FWD)", "HELLO", true },
		{ "[fwd: Re: Hello]", "HELLO", true },
		{ "Fwd: [fwd: [fwd: x]]", "X", true },
		{ "[blob]", "[BLOB]", false },
		{ "Re: [blob]", "[BLOB]", true },
		{ "Re:", "", true },
		{ "", "", false },
		{ "Reason: none", "REASON: NONE", false },
		{ "[a [b] c", "[A [B] C", false },
		{ "=?utf-8?q?Re=3A_=C3=A4?=", "A\xcc\x88", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str base = STR_EMPTY;
		bool is_reply = sort_base_subject(view_of(rows[i].subject), &base);

		if (strcmp(str_cstr(&base), rows[i].base) != 0 || is_reply != rows[i].is_reply)
			fail_msg("%s: %s %d", rows[i].subject, str_cstr(&base), is_reply);
		str_free(&base);
	}
}

/* Some 600 KB of blobs: each is looked at once. Of what is left, as much is compared as is kept. */
static void test_long_subjects(void **state)
{
	struct str subject = STR_EMPTY, base = STR_EMPTY;

	(void)state;
	for (size_t i = 0; i < 300000; i++)
		str_append_cstr(&subject, "[]");
	str_append_cstr(&subject, "x");
	assert_false(sort_base_subject(str_view(&subject), &base));
	assert_string_equal(str_cstr(&base), "X");
	str_clear(&subject);
	str_clear(&base);
	for (size_t i = 0; i < 300000; i++)
		str_append_cstr(&subject, "re:");
	for (size_t i = 0; i < SORT_TEXT_MAX + 1; i++)
		str_append_cstr(&subject, "y");
	assert_true(sort_base_subject(str_view(&subject), &base));
	assert_int_equal(base.len, SORT_TEXT_MAX);
	str_free(&subject);
	str_free(&base);
}

/* The nearest are kept, and what no Message-ID can be is none. */
static void test_references(void **state)
{
	struct str header = STR_EMPTY;
	struct thread_message m = { 0 };

	(void)state;
	str_append_cstr(&header, "References: <a@x> <b@x> <");
	for (size_t i = 0; i < THREAD_ID_MAX + 1; i++)
		str_append_byte(&header, 'l');
	str_append_cstr(&header, "> <c@x> <d@x>\r\nIn-Reply-To: <e@x>\r\n");
	thread_read_references(str_view(&header), 3, &m);
	assert_int_equal(m.reference_count, 3);
	assert_string_equal(m.references[0], "b@x");
	assert_string_equal(m.references[1], "c@x");
	assert_string_equal(m.references[2], "d@x");
	thread_message_release(&m);
	m = (struct thread_message){ 0 };
	thread_read_references(str_view(&header), 1, &m);
	assert_int_equal(m.reference_count, 1);
	assert_string_equal(m.references[0], "d@x");
	thread_message_release(&m);
	str_free(&header);
}

static void sorting(struct imap_client *c)
{
	client_append(
		c, "INBOX", "\"02-Nov-2026 10:00:00 +0000\" ",
		"Subject: b\nFrom: Zoe <adam@x>\nDate: 1 Nov 2026 12:00:00 +0200\n\nlonger\n");
	client_append(c, "INBOX", "\"01-Nov-2026 10:00:00 +0000\" ",
		      "Subject: Re: a\nFrom: Adam <zoe@x>\nDate: 1 Nov 2026 11:00:00 +0000\n\nx\n");
	client_append(c, "INBOX", "\"01-Nov-2026 09:00:00 +0000\" ",
		      "Subject: A\nFrom: mid@x\n\n1234567890\n");
	client_ask(c, "s EXAMINE INBOX\r\n");
	client_expect(c, "a SORT (SUBJECT) UTF-8 ALL\r\n", "* SORT 2 3 1\na OK Sort completed.\n");
	client_expect(c, "b UID SORT (REVERSE SUBJECT ARRIVAL) US-ASCII 1:3\r\n",
		      "* SORT 1 3 2\nb OK Sort completed.\n");
	/* What has no date is as old as its arrival (RFC 5256 2.2). */
	client_expect(c, "c SORT (DATE) UTF-8 ALL\r\n", "* SORT 3 1 2\nc OK Sort completed.\n");
	client_expect(c, "d SORT (FROM) UTF-8 ALL\r\n", "* SORT 1 3 2\nd OK Sort completed.\n");
	client_expect(c, "e SORT (DISPLAYFROM) UTF-8 ALL\r\n",
		      "* SORT 2 3 1\ne OK Sort completed.\n");
	client_expect(c, "f SORT (SIZE) UTF-8 NOT 3\r\n", "* SORT 2 1\nf OK Sort completed.\n");
	client_expect(c, "g SORT (CC) UTF-8 NONE\r\n", "g BAD Unknown search key.\n");
	client_expect(c, "h SORT (TO) UTF-8 FROM nobody\r\n", "* SORT\nh OK Sort completed.\n");
	client_expect(
		c, "i SORT RETURN (MIN MAX COUNT ALL) (SUBJECT) UTF-8 ALL\r\n",
		"* ESEARCH (TAG \"i\") MIN 2 MAX 1 COUNT 3 ALL 2:3,1\ni OK Sort completed.\n");
	client_ask(c, "j SORT RETURN (SAVE) (REVERSE SUBJECT) UTF-8 SUBJECT a\r\n");
	client_expect(c, "k FETCH $ UID\r\n",
		      "* 2 FETCH (UID 2)\n* 3 FETCH (UID 3)\nk OK Fetch completed.\n");
	client_expect_has(c, "l SORT (ARRIVAL) UTF-8 MODSEQ 1\r\n", "* SORT 3 2 1 (MODSEQ ");
	client_expect_has(c, "m SORT () UTF-8 ALL\r\n", "m BAD");
	client_expect_has(c, "n SORT (REVERSE) UTF-8 ALL\r\n", "n BAD");
	client_expect_has(c, "o SORT (NOPE) UTF-8 ALL\r\n", "o BAD");
	client_expect_has(c, "p SORT (DATE) x-nope ALL\r\n", "p NO [BADCHARSET");
	client_expect_has(c, "q SORT (DATE) UTF-8\r\n", "q BAD");
	client_expect_has(c, "r SORT (DATE)\r\n", "r BAD");
}

static void threads(struct imap_client *c)
{
	static const char *const messages[] = {
		"Message-ID: <a@x>\nSubject: one\nDate: 1 Nov 2026 01:00:00 +0000\n",
		"Message-ID: <b@x>\nReferences: <a@x>\nSubject: Re: one\nDate: 2 Nov 2026 01:00:00 "
		"+0000\n",
		"Message-ID: <c@x>\nReferences: <a@x> <b@x>\nSubject: Re: one\nDate: 4 Nov 2026 "
		"01:00:00 +0000\n",
		"Message-ID: <d@x>\nIn-Reply-To: your <a@x>\nSubject: Re: one\nDate: 3 Nov 2026 "
		"01:00:00 +0000\n",
		/* Both answer one that never came. */
		"Message-ID: <e@x>\nReferences: <gone@x>\nSubject: two\nDate: 6 Nov 2026 01:00:00 "
		"+0000\n",
		"Message-ID: <f@x>\nReferences: <gone@x>\nSubject: three\nDate: 5 Nov 2026 "
		"01:00:00 +0000\n",
		/* The same subject, and no references: an answer all the same. */
		"Subject: Re: one\nDate: 7 Nov 2026 01:00:00 +0000\n",
		/* They answer each other, one of them itself, one has another's id. */
		"Message-ID: <g@x>\nReferences: <h@x>\nSubject: loop\nDate: 8 Nov 2026 01:00:00 "
		"+0000\n",
		"Message-ID: <h@x>\nReferences: <g@x>\nSubject: of them\nDate: 9 Nov 2026 01:00:00 "
		"+0000\n",
		"Message-ID: <i@x>\nReferences: <i@x>\nSubject: itself\nDate: 10 Nov 2026 01:00:00 "
		"+0000\n",
		"Message-ID: <i@x>\nSubject: twice\nDate: 11 Nov 2026 01:00:00 +0000\n",
	};

	client_ask(c, "s SELECT INBOX\r\n");
	client_expect(c, "a THREAD REFERENCES UTF-8 ALL\r\n", "* THREAD\na OK Thread completed.\n");
	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		struct str text = STR_EMPTY;

		str_printf(&text, "%s\nx\n", messages[i]);
		client_append(c, "INBOX", "", str_cstr(&text));
		str_free(&text);
	}
	client_ask(c, "b NOOP\r\n");
	client_expect(c, "c THREAD REFERENCES UTF-8 ALL\r\n",
		      "* THREAD (1 (2 3)(4)(7))((6)(5))(9 8)(10)(11)\nc OK Thread completed.\n");
	client_expect(c, "d UID THREAD ORDEREDSUBJECT UTF-8 1:7\r\n",
		      "* THREAD (1 (2)(4)(3)(7))(6)(5)\nd OK Thread completed.\n");
	client_expect_has(c, "e THREAD REFS UTF-8 ALL\r\n", "e BAD Unknown thread");
	client_expect_has(c, "f THREAD REFERENCES x-nope ALL\r\n", "f NO [BADCHARSET");
	client_expect_has(c, "g THREAD REFERENCES UTF-8\r\n", "g BAD");
}

/* A conversation deeper than is told, all below one, and all that are spoken of below one: in a moment. */
static void large_threads(const unsigned *turns)
{
	enum { COUNT = 20000 };
	struct thread_message *messages = mem_new_array(struct thread_message, COUNT);
	char(*ids)[32] = mem_new_items(COUNT, 32);
	char **references = mem_new_array(char *, 2 * COUNT);
	struct str out = STR_EMPTY;
	static char root[] = "root", subject[] = "";

	for (int form = 0; form < 3; form++) {
		unsigned before = *turns;

		for (int i = 0; i < COUNT; i++) {
			snprintf(ids[i], sizeof(ids[i]), "%d@x", i);
			references[2 * i] = form == 0 && i > 0 ? ids[i - 1] : root;
			references[2 * i + 1] = form == 2 ? ids[i] : NULL;
			messages[i] = (struct thread_message){ .number = (uint32_t)i + 1,
							       .id = form == 2 ? NULL : ids[i],
							       .references = references + 2 * i,
							       .reference_count = form == 2 ? 2 : 1,
							       .subject = subject };
		}
		str_clear(&out);
		thread_by_references(&out, messages, COUNT);
		/* Every message is there once. */
		assert_int_equal(out.data[out.len - 1], ')');
		size_t numbers = 0;

		for (size_t i = 0; i < out.len; i++)
			numbers += ascii_is_digit(out.data[i]) && !ascii_is_digit(out.data[i + 1]);
		assert_int_equal(numbers, COUNT);
		/* Nobody else had to wait for all of it. */
		assert_true(*turns > before);
	}
	str_free(&out);
	free(references);
	free(ids);
	free(messages);
}

struct turns {
	unsigned count;
	bool over;
};

static void take_turns(void *argument)
{
	struct turns *turns = argument;

	while (!turns->over) {
		turns->count++;
		task_yield();
	}
	free(turns);
}

static void large_threads_task(void *argument)
{
	struct turns *turns = mem_new(struct turns);

	(void)argument;
	task_spawn("turns", take_turns, turns);
	task_yield();
	large_threads(&turns->count);
	turns->over = true;
}

static void test_large_threads(void **state)
{
	(void)state;
	assert_int_equal(task_run(large_threads_task, NULL), 0);
}

#define TEST(name)                                                                                 \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		client_run_both(name);                                                             \
	}
TEST(sorting)
TEST(threads)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subjects),   cmocka_unit_test(test_long_subjects),
		cmocka_unit_test(test_references), cmocka_unit_test(test_sorting),
		cmocka_unit_test(test_threads),	   cmocka_unit_test(test_large_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
