/* SEARCH: the program and its value, texts, and whole searches. */
#include "client.h"
#include "conf/conf.h"
#include "search.h"

/* ---- evaluation ---- */

/* A random formula of ALL leaves in postfix form, and its value by recursion on the same keys. */
static uint32_t seed = 7;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static size_t make_formula(struct search_key *keys, size_t room)
{
	size_t used;

	if (room < 3 || any(3) == 0) {
		keys[0].kind = SEARCH_ALL;
		return 1;
	}
	if (any(3) == 0) {
		used = make_formula(keys, room - 1);
		keys[used++].kind = SEARCH_NOT;
		return used;
	}
	used = make_formula(keys, (room - 1) / 2);
	used += make_formula(keys + used, (room - 1) / 2);
	keys[used++].kind = any(2) ? SEARCH_AND : SEARCH_OR;
	return used;
}

static bool model_value(const struct search *search, size_t *end)
{
	size_t at = --*end;
	bool a, b;

	switch (search->keys[at].kind) {
	case SEARCH_NOT:
		return !model_value(search, end);
	case SEARCH_AND:
	case SEARCH_OR:
		b = model_value(search, end);
		a = model_value(search, end);
		return search->keys[at].kind == SEARCH_AND ? a && b : a || b;
	default:
		return search->truth[at] == 1;
	}
}

static bool model(const struct search *search)
{
	size_t end = search->count;

	return model_value(search, &end);
}

static void test_evaluation(void **state)
{
	struct search_key keys[64];
	signed char truth[64], unknown[64];
	struct search search = { .keys = keys, .truth = truth };

	(void)state;
	for (int round = 0; round < 20000; round++) {
		bool can_be[2] = { false, false };
		int known;

		memset(keys, 0, sizeof(keys));
		search.count = make_formula(keys, ARRAY_SIZE(keys));
		for (size_t i = 0; i < search.count; i++)
			truth[i] = (signed char)any(2);
		search.truth = truth;
		assert_int_equal(search_evaluate(&search), model(&search));
		/* With unknowns: never a value that some completion contradicts. */
		for (size_t i = 0; i < search.count; i++)
			unknown[i] = any(3) ? truth[i] : -1;
		search.truth = unknown;
		known = search_evaluate(&search);
		for (int k = 0; k < 20; k++) {
			for (size_t i = 0; i < search.count; i++)
				truth[i] = unknown[i] < 0 ? (signed char)any(2) : unknown[i];
			search.truth = truth;
			can_be[model(&search)] = true;
		}
		if (known >= 0)
			assert_false(can_be[!known]);
	}
}

/* ---- texts ---- */

static void test_folding(void **state)
{
	static const char *const pairs[][2] = {
		{ "ABC xyz", "abc xyz" },
		{ "\xc3\x84\xc3\x96\xc3\x9c", "\xc3\xa4\xc3\xb6\xc3\xbc" }, /* ÄÖÜ */
		{ "\xce\xa3\xcf\x82", "\xcf\x83\xcf\x83" },		    /* Σς */
		{ "\xd0\x9f\xd0\xa0\xd0\x98", "\xd0\xbf\xd1\x80\xd0\xb8" }, /* ПРИ */
		{ "\xc4\xb8\xc4\xb9", "\xc4\xb8\xc4\xba" },		    /* ĸ stays */
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },		    /* no letter */
		{ "\xe4\xd6", "\xc3\xa4\xc3\xb6" },			    /* Latin 1 */
		{ "a\xe2\x82", "a\xc3\xa2\xe2\x80\x9a" },		    /* cut off */
		{ "\x80", "\xe2\x82\xac" },				    /* the euro */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct str out = STR_EMPTY;

		text_fold(&out, view_of(pairs[i][0]));
		assert_string_equal(str_cstr(&out), pairs[i][1]);
		str_free(&out);
	}
}

static void test_encoded_words(void **state)
{
	/* RFC 2047 section 8, and what is found in the wild. */
	static const char *const rows[][2] = {
		{ "=?ISO-8859-1?Q?a?=", "a" },
		{ "(=?ISO-8859-1?Q?a?= b)", "(a b)" },
		{ "=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab" },
		{ "=?ISO-8859-1?Q?a?=  \r\n  =?ISO-8859-1?Q?b?=", "ab" },
		{ "=?ISO-8859-1?Q?a_b?=", "a b" },
		{ "=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b" },
		{ "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>",
		  "Keith Moore <moore@cs.utk.edu>" },
		{ "=?iso-8859-1?q?Andr=E9?= x", "Andr\xc3\xa9 x" },
		{ "=?utf-8?B?w6TDtsO8?=", "\xc3\xa4\xc3\xb6\xc3\xbc" },
		{ "=?utf-8*de?b?w6TDtg?=", "\xc3\xa4\xc3\xb6" },
		{ "=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "\xc3\xa4" }, /* a character cut in two */
		{ "=?utf-8?x?a?=", "=?utf-8?x?a?=" },
		{ "=?utf-8?q?a", "=?utf-8?q?a" },
		{ "=?=?=?", "=?=?=?" },
		{ "=?", "=?" },
		{ "=??q?a?=", "=??q?a?=" },
		{ "=?utf-8?q?=4?= =?utf-8?q?=zz?=", "=4=zz" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str out = STR_EMPTY;

		text_decode_header(&out, view_of(rows[i][0]));
		assert_string_equal(str_cstr(&out), rows[i][1]);
		str_free(&out);
	}
}

/* In pieces of any size the same is found, also across the borders of the window. */
static void test_pieces(void **state)
{
	struct str text = STR_EMPTY;
	struct view needles[] = { VIEW("needle \xc3\xa4 end"), VIEW("not there"), VIEW("first"),
				  VIEW("last") };
	static const size_t steps[] = { 1, 2, 3, 7, 4096, 40000, SIZE_MAX };

	(void)state;
	str_append_cstr(&text, "FIRST ");
	while (text.len < TEXT_WINDOW - 5)
		str_append_cstr(&text, "\xc3\x96");
	str_append_cstr(&text, "NEEDLE \xc3\x84 END");
	while (text.len < 3 * TEXT_WINDOW)
		str_append_cstr(&text, "\xe2\x82\xac ");
	str_append_cstr(&text, "LAST");
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct text_search t;
		struct view rest = str_view(&text);
		bool found[4];

		text_search_begin(&t, needles, found, 4, NULL);
		text_start(&t, VIEW_NONE);
		while (rest.len > 0) {
			struct view piece = view_first(rest, steps[i]);

			text_feed(&t, piece);
			rest = view_from(rest, piece.len);
		}
		text_finish(&t);
		text_search_end(&t);
		assert_true(found[0] && !found[1] && found[2] && found[3]);
		assert_int_equal(t.left, 1);
	}
	str_free(&text);
}

static void decode_parts(void *argument)
{
	static const struct {
		const char *encoding, *charset, *body, *needle;
		bool found;
	} rows[] = {
		{ "7bit", "", "Hello\r\nWorld", "lo\r\nwo", true },
		{ "base64", "utf-8", "R3LD\r\nvMOfZQ==",
		  "gr\xc3\xbc\xc3\x9f"
		  "e",
		  true },
		{ "BASE64", "utf-8", "aGVs!!bG8=d29ybGQ=", "helloworld", true },
		{ "quoted-printable", "iso-8859-1", "Gr=FC=DFe soft=  \r\nbreak", "softbreak",
		  true },
		{ "quoted-printable", "iso-8859-1", "Gr=FC=DFe", "gr\xc3\xbc\xc3\x9f", true },
		{ "quoted-printable", "utf-8", "a=zb =", "a=zb =", true },
		{ "base64", "", "aGVsbG8", "aGVs", false },
		{ "8bit", "koi8-r", "abc \xc1", "abc", true },
	};

	(void)argument;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct text_search t;
		struct view needle = view_of(rows[i].needle);
		bool found;

		text_search_begin(&t, &needle, &found, 1, NULL);
		text_part(&t, view_of(rows[i].encoding), view_of(rows[i].charset), false,
			  view_of(rows[i].body));
		text_search_end(&t);
		if (found != rows[i].found)
			fail_msg("row %zu", i);
	}
}

static void test_parts(void **state)
{
	(void)state;
	assert_int_equal(task_run(decode_parts, NULL), 0);
}

/* ---- whole searches ---- */

static const char *const messages[] = {
	/* 1 */
	"From: Alice <alice@example.test>\nTo: bob@example.test\nSubject: Invoice\n"
	"Date: Mon, 07 Feb 1994 23:30:00 -0800\n\nplease pay\n",
	/* 2 */
	"From: =?utf-8?q?J=C3=BCrgen?= <j@example.test>\nCc: list@example.test\n"
	"Subject: =?ISO-8859-1?Q?R=E9sum=E9?=\nX-Empty:\nDate: Tue, 08 Feb 1994 00:30:00 +0100\n"
	"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
	"R3LDvMOfZSBhdXMgS8O2bG4=\n",
	/* 3 */
	"Subject: parts\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
	"Content-Type: application/octet-stream\n\nhidden words\n--b\n"
	"Content-Type: message/rfc822\n\nSubject: inner subject\n\ninner body\n--b--\n",
	/* 4 */
	"Subject: nothing\n\n",
};

/* The same two words in what mail is written in: the needle is UTF-8. */
static const struct written {
	const char *charset, *encoding, *body, *needle;
} written[] = {
	{ "windows-1251", "quoted-printable", "=CF=F0=E8=E2=E5=F2, =EC=E8=F0",
	  "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82" },
	{ "koi8-r", "quoted-printable", "=F0=D2=C9=D7=C5=D4",
	  "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82" },
	{ "koi8-u", "quoted-printable", "=EB=C9=A7=D7", "\xd0\xba\xd0\xb8\xd1\x97\xd0\xb2" },
	{ "ISO-2022-JP", "7bit", "\x1b$BF|K\\8l\x1b(B", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
	{ "Shift_JIS", "base64", "k/qWe4zq", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
	{ "EUC-JP", "base64", "xvzL3Ljs", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
	{ "gb2312", "base64", "1tDOxA==", "\xe4\xb8\xad\xe6\x96\x87" },
	{ "GB18030", "base64", "1tDOxA==", "\xe4\xb8\xad\xe6\x96\x87" },
	{ "Big5", "base64", "pKSk5Q==", "\xe4\xb8\xad\xe6\x96\x87" },
	{ "euc-kr", "base64", "x9GxuQ==", "\xed\x95\x9c\xea\xb5\xad" },
	{ "ISO-8859-2", "quoted-printable", "=A3=F3d=BC",
	  "\xc5\x82\xc3\xb3"
	  "d\xc5\xba" },
	{ "iso-8859-15", "quoted-printable", "=A4", "\xe2\x82\xac" },
	{ "iso-8859-1", "quoted-printable", "=80 Gr=FC=DFe", "\xe2\x82\xac gr\xc3\xbc" },
	{ "windows-1255", "quoted-printable", "=F9=EC=E5=ED", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d" },
	{ "utf-7", "7bit", "+AOQ-h", "\xc3\xa4h" },
	{ "x-unknown", "8bit", "\xc3\xa4", "\xc3\xa4" },
};

static void expect_search(struct imap_client *c, const char *keys, const char *result)
{
	struct str command = STR_EMPTY, answer = STR_EMPTY;

	str_printf(&command, "a SEARCH %s\r\n", keys);
	str_printf(&answer, "* SEARCH%s%s\na OK Search completed.\n", result[0] ? " " : "", result);
	if (strcmp(client_ask(c, str_cstr(&command)), str_cstr(&answer)) != 0)
		fail_msg("%s gave %s", keys, str_cstr(&c->answer));
	str_free(&command);
	str_free(&answer);
}

static void charsets(struct imap_client *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(written); i++) {
		const struct written *w = &written[i];
		struct str text = STR_EMPTY, keys = STR_EMPTY, expected = STR_EMPTY;

		str_printf(&text, "Subject: =?%s?%c?%s?=\n", w->charset,
			   w->encoding[0] == 'b' ? 'B' : 'Q', w->body);
		str_printf(&text, "Content-Type: text/plain; charset=%s\n", w->charset);
		str_printf(&text, "Content-Transfer-Encoding: %s\n\n%s\n", w->encoding, w->body);
		client_append(c, "INBOX", "", str_cstr(&text));
		client_ask(c, "s EXAMINE INBOX\r\n");
		str_printf(&expected, "%zu", i + 1);
		str_printf(&keys, "CHARSET UTF-8 %zu BODY \"%s\"", i + 1, w->needle);
		expect_search(c, str_cstr(&keys), str_cstr(&expected));
		str_clear(&keys);
		str_printf(&keys, "CHARSET UTF-8 %zu SUBJECT \"%s\"", i + 1, w->needle);
		/* In "Q" a blank is a blank, and what is 7bit may have "?" and "_". */
		if (strcmp(w->encoding, "7bit") != 0 && strchr(w->body, ' ') == NULL)
			expect_search(c, str_cstr(&keys), str_cstr(&expected));
		str_free(&text);
		str_free(&keys);
		str_free(&expected);
	}
	/* What is asked for may be written in another set, too. */
	expect_search(c, "CHARSET koi8-r BODY {6+}\r\n\xd0\xd2\xc9\xd7\xc5\xd4", "1 2");
	expect_search(c, "CHARSET BIG5 BODY {4+}\r\n\xa4\xa4\xa4\xe5", "7 8 9");
	client_expect_has(c, "b SEARCH CHARSET x-none BODY a\r\n", "b NO [BADCHARSET (");
	client_expect_has(c, "b SEARCH CHARSET \"../../x\" BODY a\r\n", "b NO [BADCHARSET (");
}

/* FROM and its kin look at what ENVELOPE has, decoded: names and addresses, no remarks, no order of writing. */
static void addresses(struct imap_client *c)
{
	static const char *const rows[][2] = {
		{ "FROM \"j\xc3\xbcrgen m\"", "1" },
		{ "FROM \"<j@example.test>\"", "1" },
		{ "FROM j@example.test", "1" },
		{ "FROM remark", "" },
		{ "TO \"list of <all@example.test>\"", "1" },
		{ "TO second@example.test", "1" },
		{ "TO third@", "1" },
		{ "CC \"no address\"", "1" },
		{ "HEADER From remark", "1" },
		{ "BCC \"\"", "" },
	};

	client_append(c, "INBOX", "",
		      "From: =?utf-8?q?J=C3=BCrgen?= =?utf-8?q?_M=C3=BCller?= (a remark)\n"
		      " <j@\n example . test>\n"
		      "To: \"list of\"<all@example.test>, (x) second@example.test\n"
		      "To: third@example.test\n"
		      "Cc: No Address\n\nx\n");
	client_ask(c, "s EXAMINE INBOX\r\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str keys = STR_EMPTY;

		str_printf(&keys, "CHARSET UTF-8 %s", rows[i][0]);
		expect_search(c, str_cstr(&keys), rows[i][1]);
		str_free(&keys);
	}
}

static void fill(struct imap_client *c)
{
	static const char *const options[] = {
		"(\\Seen $Work) \" 7-Feb-1994 23:00:00 +0000\" ",
		"(\\Flagged \\Answered) \"08-Feb-1994 00:00:00 +0000\" ", "(\\Deleted) ",
		"(\\Draft) "
	};

	for (size_t i = 0; i < ARRAY_SIZE(messages); i++)
		client_append(c, "INBOX", options[i], messages[i]);
	client_ask(c, "s EXAMINE INBOX\r\n");
}

static void keys(struct imap_client *c)
{
	static const char *const rows[][2] = {
		{ "ALL", "1 2 3 4" },
		{ "seen", "1" },
		{ "UNSEEN", "2 3 4" },
		{ "FLAGGED ANSWERED", "2" },
		{ "DELETED", "3" },
		{ "UNDELETED UNDRAFT", "1 2" },
		{ "DRAFT", "4" },
		{ "KEYWORD $work", "1" },
		{ "KEYWORD nope", "" },
		{ "UNKEYWORD $Work", "2 3 4" },
		{ "UNKEYWORD nope", "1 2 3 4" },
		{ "RECENT", "1 2 3 4" },
		{ "OLD", "" },
		{ "NEW", "2 3 4" },
		{ "2:*", "2 3 4" },
		{ "NOT 2:3", "1 4" },
		{ "UID 1,4", "1 4" },
		{ "1:4294967295", "1 2 3 4" },
		{ "9:12 ALL", "" },
		{ "OR SEEN DRAFT", "1 4" },
		{ "OR (SEEN) NOT NOT DRAFT", "1 4" },
		{ "OR OR 1 2 OR 3 3", "1 2 3" },
		{ "(ALL (NOT (1 SEEN)))", "2 3 4" },
		{ "NOT (OR 1 2) 3:4", "3 4" },
		{ "BEFORE 8-Feb-1994", "1" },
		{ "ON \"08-Feb-1994\"", "2" },
		{ "SINCE 8-feb-1994", "2 3 4" },
		{ "SENTON 7-Feb-1994", "1" },
		{ "SENTBEFORE 8-Feb-1994", "1" },
		{ "SENTSINCE 8-Feb-1994", "2" },
		{ "YOUNGER 3600", "3 4" },
		{ "OLDER 3600", "1 2" },
		{ "SMALLER 30", "4" },
		{ "LARGER 30 NOT LARGER 160", "1" },
		{ "FROM alice", "1" },
		{ "FROM \"J\xc3\x9cRGEN <\"", "2" },
		{ "CHARSET UTF-8 SUBJECT \"r\xc3\x89sum\xc3\xa9\"", "2" },
		{ "CHARSET us-ascii SUBJECT invoice", "1" },
		{ "TO bob", "1" },
		{ "CC list BCC x", "" },
		{ "HEADER X-Empty \"\"", "2" },
		{ "HEADER subject \"\"", "1 2 3 4" },
		{ "HEADER X-None \"\"", "" },
		{ "BODY \"\xc3\xbc\xc3\x9f\"", "2" },
		{ "BODY pay", "1" },
		{ "BODY invoice", "" },
		{ "TEXT invoice", "1" },
		{ "TEXT \"subject: NOTHING\"", "4" },
		{ "BODY hidden", "" },
		{ "BODY \"inner subject\"", "3" },
		{ "BODY \"inner body\" TEXT parts", "3" },
		{ "BODY \"\"", "1 2 3 4" },
		{ "OR BODY pay OR TEXT inner BODY \"k\xc3\xb6ln\"", "1 2 3" },
		{ "NOT BODY pay", "2 3 4" },
	};

	fill(c);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect_search(c, rows[i][0], rows[i][1]);
	client_expect(c, "b SEARCH SUBJECT {7+}\r\ninvoice OR {2+}\r\n x\r\n",
		      "b BAD Expected an atom.\n");
	client_expect(c, "b SEARCH SUBJECT {7+}\r\ninvoice 1\r\n",
		      "* SEARCH 1\nb OK Search completed.\n");
}

static void extended(struct imap_client *c)
{
	fill(c);
	client_expect(c, "a UID SEARCH RETURN (MIN COUNT MAX) UNSEEN\r\n",
		      "* ESEARCH (TAG \"a\") UID MIN 2 MAX 4 COUNT 3\na OK Search completed.\n");
	client_expect(c, "b SEARCH RETURN () NOT 2\r\n",
		      "* ESEARCH (TAG \"b\") ALL 1,3:4\nb OK Search completed.\n");
	client_expect(c, "c SEARCH RETURN (ALL COUNT) CHARSET UTF-8 KEYWORD no\r\n",
		      "* ESEARCH (TAG \"c\") COUNT 0\nc OK Search completed.\n");
	client_expect(c, "d SEARCH RETURN (SAVE) ALL\r\n", "d OK Search completed.\n");
	client_expect_has(c, "d SEARCH RETURN ALL\r\n", "d BAD");
	client_expect_has(c, "e SEARCH CHARSET nope ALL\r\n", "e NO [BADCHARSET (US-ASCII UTF-8)]");
}

/* What stands in parts that are no text, but can be read. */
static void parts_of_reports(struct imap_client *c)
{
	client_append(c, "INBOX", "",
		      "Subject: folded\n\tblank\n"
		      "Content-Type: multipart/report; boundary=b\n"
		      "\n"
		      "--b\n"
		      "Content-Type: text/plain\n"
		      "Content-Description: notification-text\n"
		      "Content-Transfer-Encoding: quoted-printable;\n"
		      "\n"
		      "sch=C3=B6n\n"
		      "--b\n"
		      "Content-Type: message/delivery-status\n"
		      "Content-Transfer-Encoding: base64 (remark)\n"
		      "\n"
		      "RGlhZ25vc3RpYy1Db2RlOiB4\n"
		      "--b--\n");
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect_has(c, "a SEARCH SUBJECT \"folded blank\"\r\n", "* SEARCH 1\n");
	client_expect_has(c, "b SEARCH TEXT \"notification-text\"\r\n", "* SEARCH 1\n");
	client_expect_has(c, "c SEARCH BODY {6+}\r\nsch\xc3\xb6n\r\n", "* SEARCH 1\n");
	client_expect_has(c, "d SEARCH BODY \"diagnostic-code\"\r\n", "* SEARCH 1\n");
}

static void malformed(struct imap_client *c)
{
	static const char *const bad[] = {
		"",
		" ",
		" NOPE",
		" OR ALL",
		" OR ALL ",
		" NOT",
		" (ALL",
		" ALL)",
		" ()",
		" (ALL)ALL",
		" BEFORE yesterday",
		" BEFORE 31-Foo-1994",
		" LARGER x",
		" LARGER -1",
		" KEYWORD \\Seen",
		" UID",
		" UID 0",
		" HEADER x",
		" SUBJECT",
		" CHARSET",
		" CHARSET UTF-8",
		" RETURN (MIN)",
		" 1:",
		" ALL RETURN (MIN)",
	};
	static const char *const deep[] = { "NOT ", "(", "OR ALL ", "OR NOT (ALL " };
	struct str command = STR_EMPTY;

	fill(c);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		str_clear(&command);
		str_printf(&command, "x SEARCH%s\r\n", bad[i]);
		client_expect_has(c, str_cstr(&command), "x BAD ");
		client_ask(c, "n NOOP\r\n");
	}
	for (size_t i = 0; i < ARRAY_SIZE(deep); i++) {
		str_set(&command, VIEW("x SEARCH "));
		for (int k = 0; k < 3000; k++)
			str_append_cstr(&command, deep[i]);
		str_append_cstr(&command, "ALL\r\n");
		client_expect_has(c, str_cstr(&command), "x BAD Search keys nested too deep.");
	}
	str_set(&command, VIEW("x SEARCH ALL"));
	for (int k = 0; k < SEARCH_KEYS_MAX; k++)
		str_append_cstr(&command, " ALL");
	str_append_cstr(&command, "\r\n");
	client_expect_has(c, str_cstr(&command), "x BAD Too many search keys.");
	/* As deep as may be. */
	str_set(&command, VIEW("x SEARCH "));
	for (int k = 0; k < SEARCH_DEPTH_MAX - 1; k++)
		str_append_cstr(&command, k % 2 ? "(" : "OR SEEN ");
	str_append_cstr(&command, "DRAFT");
	for (int k = 0; k < (SEARCH_DEPTH_MAX - 1) / 2; k++)
		str_append_cstr(&command, ")");
	str_append_cstr(&command, "\r\n");
	client_expect_has(c, str_cstr(&command), "* SEARCH 1 4\n");
	str_free(&command);
}

static void test_keys(void **state)
{
	(void)state;
	client_run(keys);
}

static void test_extended(void **state)
{
	(void)state;
	client_run(extended);
}

static void test_parts_of_reports(void **state)
{
	(void)state;
	client_run(parts_of_reports);
}

static void test_malformed(void **state)
{
	(void)state;
	client_run(malformed);
}

static void test_charsets(void **state)
{
	(void)state;
	client_run(charsets);
}

static void test_addresses(void **state)
{
	(void)state;
	client_run(addresses);
}

/* ---- HTML ---- */

static void html_expect(const char *html, const char *text)
{
	/* In one piece, and byte by byte. */
	for (size_t step = strlen(html) + 1; step > 0; step = step > 1 ? 1 : 0) {
		struct html_text h = { .values = true };
		struct str out = STR_EMPTY;

		for (struct view rest = view_of(html); rest.len > 0; rest = view_from(rest, step))
			html_text_feed(&h, view_first(rest, step), &out);
		html_text_finish(&h, &out);
		assert_string_equal(str_cstr(&out), text);
		str_free(&out);
	}
}

static void test_html(void **state)
{
	(void)state;
	html_expect("plain  text\r\n more", "plain text more");
	/* What is in the middle of a word does not part it, what begins a line does. */
	html_expect("M<b>&uuml;</b>ller<br>G&#246;&#xdf;e", "M\xc3\xbcller G\xc3\xb6\xc3\x9f"
							    "e");
	html_expect("<td>one</td><td>two</td>", " one two ");
	html_expect("a&nbsp;&nbsp;b &amp; c &lt;d&gt; &Omega;&euro;",
		    "a b & c <d> \xce\xa9\xe2\x82\xac");
	html_expect("soft&shy;hyphen", "softhyphen");
	/* No entities. */
	html_expect("AT&T &unknown; &#x110000; &#xd800; & &",
		    "AT&T &unknown; &#x110000; &#xd800; & &");
	html_expect("a < b <3 c<", "a < b <3 c<");
	/* Not shown. */
	html_expect("x<!-- y > - -> <b>z</b> -->w", "xw");
	html_expect("x<script>if (a </b> b) y();</SCRIPT>z<style>p{}</style>w", "x z w");
	html_expect("x<script>never ended", "x ");
	html_expect("x<img src=\"a>b\" alt='c > d'>y", "x c > d y");
	/* Where links go comes after the words that they stand in. */
	html_expect("re<a href=\"http://h.test/?a=1&amp;b\">ad</a>me<p>next",
		    "readme http://h.test/?a=1&b next");
	html_expect("<a href=x title=\"t t\">l", "l x t t ");
	html_expect("cut <a href=", "cut ");
}

/* It is found as a reader sees it, in names of attachments too (RFC 2231, RFC 2047). */
static void html_client(struct imap_client *client)
{
	client_append(
		client, "INBOX", "",
		"Subject: one\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
		"--b\nContent-Type: text/html; charset=iso-8859-1\n"
		"Content-Transfer-Encoding: quoted-printable\n\n"
		"<p class=3D\"invisible\">Lieber Herr M&uuml;l=\nler,<br>K=F6ln</p>"
		"<a href=3D\"https://target.test/way\">here</a>\n"
		"--b\nContent-Type: application/pdf; name*0*=utf-8''Re%63h; "
		"name*1*=nung%20%c3%bc.pdf\n"
		"Content-Disposition: attachment; "
		"filename=\"=?utf-8?Q?=C3=A4rger?=.pdf\"\n\nx\n--b--\n");
	client_expect_has(client, "a SELECT INBOX\n", "1 EXISTS");
	client_expect_has(client, "b SEARCH CHARSET UTF-8 BODY {15+}\nherr m\xc3\xbcller, k\n",
			  "* SEARCH 1\n");
	client_expect_has(client, "c SEARCH BODY \"target.test/way\"\n", "* SEARCH 1\n");
	client_expect_has(client, "d SEARCH BODY \"invisible\"\n", "* SEARCH\n");
	client_expect_has(client, "e SEARCH CHARSET UTF-8 BODY {11+}\nrechnung \xc3\xbc\n",
			  "* SEARCH 1\n");
	client_expect_has(client, "f SEARCH CHARSET UTF-8 TEXT {6+}\n\xc3\xa4rger\n",
			  "* SEARCH 1\n");
}

static void test_html_found(void **state)
{
	(void)state;
	client_run(html_client);
}

/* ---- what the text cannot have ---- */

/* Random words, so that the texts have many trigrams. */
static void any_text(struct str *text, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		for (uint32_t letters = 2 + any(8); letters > 0; letters--)
			str_append_byte(text, (char)('a' + any(26)));
		str_append_byte(text, ' ');
	}
}

/* It says yes to all that is there, and no to most of what is not. */
static void test_filter(void **state)
{
	static const size_t words[] = { 0, 1, 5, 50, 500, 5000, 20000 };

	(void)state;
	for (size_t n = 0; n < ARRAY_SIZE(words); n++) {
		struct text_filter *filter = mem_new(struct text_filter);
		struct str text = STR_EMPTY, record = STR_EMPTY, other = STR_EMPTY;
		unsigned wrong = 0;

		any_text(&text, words[n]);
		text_filter_add(filter, str_view(&text));
		text_filter_encode(filter, &record);
		assert_true(text_filter_is_valid(str_view(&record)));
		/* Small for what is small: less than a byte for each of the text, with a little more. */
		assert_true(record.len <= 2 + 8192);
		assert_true(record.len < text.len + 16);
		for (size_t i = 0; i < 1000 && text.len > 0; i++) {
			size_t from = any((uint32_t)text.len);
			struct view there = view_first(view_from(str_view(&text), from), any(80));

			assert_true(text_filter_ask(str_view(&record), there));
		}
		for (size_t i = 0; i < 1000; i++) {
			str_clear(&other);
			any_text(&other, 3);
			wrong += text_filter_ask(str_view(&record), str_view(&other)) &&
				 view_find(str_view(&text), str_view(&other)) == VIEW_NOT_FOUND;
		}
		/* 5000 random words have most of the trigrams that letters can make. */
		if (words[n] <= 500)
			assert_true(wrong < 50);
		/* Of another version, or cut short: it is none. */
		assert_false(text_filter_is_valid(view_first(str_view(&record), record.len - 1)));
		assert_false(text_filter_is_valid(view_from(str_view(&record), 1)));
		record.data[0]++;
		assert_false(text_filter_is_valid(str_view(&record)));
		str_free(&text);
		str_free(&record);
		str_free(&other);
		free(filter);
	}
}

/* Writes other bytes into the only message's file, which nobody does to a Maildir. */
static void overwrite_file(const struct imap_client *client, const char *text)
{
	char command[600];

	snprintf(
		command, sizeof(command),
		"printf '%s' | dd of=$(find %s/cur %s/new %s/tmp -type f) conv=notrunc status=none",
		text, client->maildir, client->maildir, client->maildir);
	assert_int_equal(system(command), 0);
}

/*
 * What is searched once is not read again for what it cannot have, and is for what it may have: shown by a file that says
 * something else since.
 */
static void filter_client(struct imap_client *client)
{
	client_append(client, "INBOX", "", "Subject: one\n\nabcdef ghijkl\n");
	client_expect_has(client, "a SELECT INBOX\n", "1 EXISTS");
	client_expect_has(client, "b SEARCH BODY \"ghijkl\"\n", "* SEARCH 1\n");
	overwrite_file(client, "Subject: one\\r\\n\\r\\nzyxwvu ghijkl");
	client_expect_has(client, "c SEARCH BODY \"zyxwvu\"\n", "* SEARCH\n");
	client_expect_has(client, "d SEARCH TEXT \"zyxwvu\"\n", "* SEARCH\n");
	client_expect_has(client, "e SEARCH NOT BODY \"zyxwvu\"\n", "* SEARCH 1\n");
	client_expect_has(client, "f SEARCH BODY \"zy\"\n", "* SEARCH 1\n");
	client_expect_has(client, "g SEARCH BODY \"abcdef\"\n", "* SEARCH\n");
	client_expect_has(client, "h SEARCH TEXT \"subject: ONE\"\n", "* SEARCH 1\n");
	/* It is kept over the end of the session, and goes with the index. */
	client_expect_has(client, "i UNSELECT\n", "i OK");
	client_expect_has(client, "j SELECT INBOX\n", "1 EXISTS");
	client_expect_has(client, "k SEARCH BODY \"zyxwvu\"\n", "* SEARCH\n");
	client_delete_index(client);
	client_expect_has(client, "l NOOP\n", "l OK");
	client_expect_has(client, "m SEARCH BODY \"zyxwvu\"\n", "* SEARCH 1\n");
}

/* Off: all is read. */
static void no_filter_client(struct imap_client *client)
{
	param.mailbox_search_index = false;
	client_append(client, "INBOX", "", "Subject: one\n\nabcdef ghijkl\n");
	client_expect_has(client, "a SELECT INBOX\n", "1 EXISTS");
	client_expect_has(client, "b SEARCH BODY \"ghijkl\"\n", "* SEARCH 1\n");
	overwrite_file(client, "Subject: one\\r\\n\\r\\nzyxwvu ghijkl");
	client_expect_has(client, "c SEARCH BODY \"zyxwvu\"\n", "* SEARCH 1\n");
}

static void test_filters_kept(void **state)
{
	(void)state;
	client_run(filter_client);
	client_run(no_filter_client);
}

/* RFC 9585: of a search that takes long the client hears how far it is. */
static void progress(struct imap_client *c)
{
	for (int i = 0; i < 40; i++)
		client_append(c, "INBOX", "", "Subject: x\n\nx\n");
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect_lacks(c, "a SEARCH BODY x\r\n", "INPROGRESS");
	param.imap_progress_interval = 0;
	client_expect_has(c, "b SEARCH BODY nothing\r\n",
			  "* OK [INPROGRESS (\"b\" 16 40)] Searching.\n"
			  "* OK [INPROGRESS (\"b\" 32 40)] Searching.\n* SEARCH\nb OK");
}

static void test_progress(void **state)
{
	(void)state;
	client_run(progress);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_evaluation),    cmocka_unit_test(test_folding),
		cmocka_unit_test(test_encoded_words), cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_parts),	      cmocka_unit_test(test_keys),
		cmocka_unit_test(test_extended),      cmocka_unit_test(test_parts_of_reports),
		cmocka_unit_test(test_malformed),     cmocka_unit_test(test_charsets),
		cmocka_unit_test(test_addresses),     cmocka_unit_test(test_filter),
		cmocka_unit_test(test_filters_kept),  cmocka_unit_test(test_html),
		cmocka_unit_test(test_html_found),    cmocka_unit_test(test_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
