/*
 * Extensions with the examples of their RFCs: COMPRESS (4978), MULTIAPPEND (3502), APPENDLIMIT (7889), METADATA (5464), REPLACE (8508), BINARY (3516), PREVIEW (8970),
 * OBJECTID (8474), SAVEDATE (8514), CREATE-SPECIAL-USE (6154), UTF8=ACCEPT (6855), IMAP4rev2 (9051), UIDONLY (9586); each whole and byte by byte.
 */
#include "client.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <zlib.h>

#include "conf/conf.h"
#include "store/follow.h"
#include "store/index.h"

#define MESSAGE "From: a@example.test\nSubject: x\n\nx\n"

/* ---- COMPRESS ---- */

/* A client with raw deflate both ways. */
struct packed {
	z_stream in, out;
	struct imap_client *c;
	struct str text;
};

static void packed_begin(struct packed *p, struct imap_client *c)
{
	*p = (struct packed){ .c = c };
	assert_int_equal(inflateInit2(&p->in, -15), Z_OK);
	assert_int_equal(deflateInit2(&p->out, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
}

static void packed_end(struct packed *p)
{
	inflateEnd(&p->in);
	deflateEnd(&p->out);
	str_free(&p->text);
}

static void packed_send(struct packed *p, const char *text)
{
	static unsigned char bytes[400000];
	size_t len;

	p->out.next_in = (unsigned char *)(uintptr_t)text;
	p->out.avail_in = (unsigned)strlen(text);
	p->out.next_out = bytes;
	p->out.avail_out = sizeof(bytes);
	assert_int_equal(deflate(&p->out, Z_SYNC_FLUSH), Z_OK);
	len = sizeof(bytes) - p->out.avail_out;
	for (size_t at = 0, step = p->c->bytewise ? 1 : len; at < len; at += step) {
		assert_int_equal(stream_write(p->c->io, view_make(bytes + at, step)), 0);
		assert_int_equal(stream_flush(p->c->io), 0);
		task_yield();
	}
}

static const char *packed_read_until(struct packed *p, const char *end)
{
	unsigned char out[4096];
	struct view bytes;

	str_clear(&p->text);
	while (strstr(str_cstr(&p->text), end) == NULL) {
		if (stream_peek(p->c->io, &bytes) < 0)
			fail_msg("no %s in: %s", end, str_cstr(&p->text));
		p->in.next_in = (unsigned char *)(uintptr_t)bytes.data;
		p->in.avail_in = (unsigned)bytes.len;
		do {
			int status;

			p->in.next_out = out;
			p->in.avail_out = sizeof(out);
			status = inflate(&p->in, Z_SYNC_FLUSH);
			assert_true(status == Z_OK || status == Z_BUF_ERROR);
			str_append(&p->text, view_make(out, sizeof(out) - p->in.avail_out));
		} while (p->in.avail_out == 0);
		stream_consume(p->c->io, bytes.len);
	}
	return str_cstr(&p->text);
}

static void compressed(struct imap_client *c)
{
	struct imap_client other;
	struct str large = STR_EMPTY;
	struct packed p;

	client_append(c, "INBOX", "", MESSAGE);
	client_expect_has(c, "a COMPRESS GZIP\r\n", "a BAD");
	client_expect(c, "b COMPRESS DEFLATE\r\n", "b OK DEFLATE active.\n");
	packed_begin(&p, c);
	packed_send(&p, "c COMPRESS DEFLATE\r\n");
	assert_non_null(strstr(packed_read_until(&p, "c "), "c NO [COMPRESSIONACTIVE]"));
	packed_send(&p, "d SELECT INBOX\r\ne FETCH 1 BODY.PEEK[TEXT]\r\n");
	assert_non_null(strstr(packed_read_until(&p, "e OK"), "BODY[TEXT] {3}\r\nx\r\n)"));
	/* Much in little, both ways. */
	str_append_cstr(&large, "f APPEND INBOX {300002+}\r\n\r\n");
	for (int i = 0; i < 30000; i++)
		str_append_cstr(&large, "0123456789");
	str_append_cstr(&large, "\r\n");
	packed_send(&p, str_cstr(&large));
	packed_read_until(&p, "f OK");
	packed_send(&p, "g FETCH 2 BODY.PEEK[]\r\n");
	packed_read_until(&p, "g OK");
	assert_true(p.text.len > 300000);
	/* One task reads, another writes. */
	packed_send(&p, "h IDLE\r\n");
	packed_read_until(&p, "+ idling");
	client_connect(&other, c->maildir);
	client_append(&other, "INBOX", "", MESSAGE);
	packed_read_until(&p, "* 3 EXISTS");
	client_disconnect(&other);
	packed_send(&p, "DONE\r\ni NOOP\r\n");
	packed_read_until(&p, "i OK");
	packed_end(&p);
	str_free(&large);
}

/* What comes together with the command is compressed already; what is none ends the connection. */
static void compress_early_and_broken(struct imap_client *c)
{
	struct imap_client other;
	struct packed p;

	client_connect(&other, c->maildir);
	packed_begin(&p, &other);
	client_send(&other, "a COMPRESS DEFLATE\r\n");
	packed_send(&p, "b NOOP\r\n");
	assert_non_null(strstr(client_read_until(&other, "a "), "a OK"));
	packed_read_until(&p, "b OK NOOP completed.");
	client_send(&other, "\xff\xff\xff\xff this is not compressed\r\n");
	assert_true(stream_wait(other.io, clock_after(5000)) <= 0);
	client_disconnect(&other);
	packed_end(&p);
	client_expect(c, "c NOOP\r\n", "c OK NOOP completed.\n");
}

/* ---- IDLE (RFC 2177) ---- */

/* KiB of the index that are in this process's memory. */
static long index_in_memory(void)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	bool is_index = false;
	char line[512];
	long all = 0, here;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		/* Of each mapping the line with its name, then words in capitals. */
		if (line[0] < 'A' || line[0] > 'Z')
			is_index = strstr(line, "/data.mdb") != NULL;
		if (is_index && sscanf(line, "Rss: %ld", &here) == 1)
			all += here;
	}
	fclose(file);
	return all;
}

/* Who idles keeps no memory that can be had again, unless another connection of the user is busy. */
static void idle_lets_go(struct imap_client *c)
{
	struct imap_client other;

	for (int i = 0; i < 20; i++)
		client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "a SELECT INBOX\r\n");
	client_ask(c, "b FETCH 1:* (ENVELOPE BODY.PEEK[])\r\n");
	client_connect(&other, c->maildir);
	client_send(c, "c IDLE\r\n");
	client_read_until(c, "+");
	client_ask(&other, "d SELECT INBOX\r\n");
	assert_true(index_in_memory() > 0);
	client_disconnect(&other);
	client_deliver(c, "INBOX", MESSAGE);
	client_read_until(c, "* 21 EXISTS");
	for (int i = 0; i < 500 && index_in_memory() > 0; i++)
		task_sleep(10);
	assert_int_equal(index_in_memory(), 0);
	client_send(c, "DONE\r\n");
	assert_non_null(strstr(client_read_until(c, "c "), "c OK Idle completed."));
	client_expect_has(c, "e FETCH 21 (UID)\r\n", "* 21 FETCH (UID 21)");
}

/* ---- APPEND ---- */

static void multiappend(struct imap_client *c)
{
	client_ask(c, "s SELECT INBOX\r\n");
	client_send(c, "a APPEND INBOX (\\Seen) {5}\r\n");
	client_read_until(c, "+ ");
	client_send(c, "one\r\n (kw \\Flagged) \" 7-Feb-1994 22:43:04 -0800\" {5}\r\n");
	client_read_until(c, "+ ");
	client_send(c, "two\r\n {7+}\r\nthree\r\n\r\n");
	client_read_until(c, "a ");
	assert_non_null(strstr(c->answer.data, " 1:3] Append completed."));
	client_expect_has(
		c, "b FETCH 2 (FLAGS INTERNALDATE)\r\n",
		"(FLAGS (\\Flagged \\Recent kw) INTERNALDATE \"08-Feb-1994 06:43:04 +0000\")");
	/* All or nothing. */
	client_expect_has(c, "c APPEND INBOX {1+}\r\nx (\\Nope) {1+}\r\ny\r\n", "c BAD");
}

static void multiappend_fails_whole(struct imap_client *c)
{
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect_has(c, "a APPEND INBOX {3+}\r\nx\r\n (a(b) {1+}\r\ny\r\n", "a BAD");
	client_expect_has(c, "b STATUS INBOX (MESSAGES UIDNEXT)\r\n", "(MESSAGES 0 UIDNEXT 1)");
	client_expect_has(c, "c APPEND nope {1+}\r\nx {1+}\r\ny\r\n", "c NO [TRYCREATE]");
}

/* ---- APPENDLIMIT (RFC 7889) ---- */

static void appendlimit(struct imap_client *c)
{
	int64_t before = param.message_size_limit;

	param.message_size_limit = 1000;
	client_expect_has(c, "a STATUS INBOX (MESSAGES APPENDLIMIT)\r\n",
			  "(MESSAGES 0 APPENDLIMIT 1000)");
	client_expect_has(c, "b APPEND INBOX {1001}\r\n", "b NO [LIMIT]");
	param.message_size_limit = 0;
	client_expect_has(c, "c STATUS INBOX (APPENDLIMIT)\r\n", "(APPENDLIMIT NIL)");
	param.message_size_limit = before;
	client_expect_has(c, "d CAPABILITY\r\n", " APPENDLIMIT=");
}

/* ---- METADATA (RFC 5464) ---- */

static void metadata(struct imap_client *c)
{
	char command[128];

	client_expect(c,
		      "a SETMETADATA INBOX (/private/comment {33+}\r\nMy new comment across\r\ntwo "
		      "lines.)\r\n",
		      "a OK Setmetadata completed.\n");
	client_expect(
		c, "b SETMETADATA INBOX (/private/comment \"My new comment\" /shared/x/y NIL)\r\n",
		"b OK Setmetadata completed.\n");
	client_expect(c, "c GETMETADATA \"INBOX\" /private/Comment\r\n",
		      "* METADATA \"INBOX\" (/private/comment \"My new comment\")\nc OK "
		      "Getmetadata completed.\n");
	client_expect(c, "d GETMETADATA \"\" /shared/comment\r\n", "d OK Getmetadata completed.\n");
	client_ask(c, "e SETMETADATA \"\" (/private/filters/values/small \"SMALLER 5000\" "
		      "/private/filters/values/boss \"FROM \\\"boss@example.com\\\"\" "
		      "/private/filters \"f\")\r\n");
	client_expect(c, "f GETMETADATA (DEPTH 1) \"\" (/private/filters/values)\r\n",
		      "* METADATA \"\" (/private/filters/values/small \"SMALLER 5000\" "
		      "/private/filters/values/boss \"FROM \\\"boss@example.com\\\"\")\nf OK "
		      "Getmetadata completed.\n");
	client_expect(c, "g GETMETADATA (DEPTH 1) \"\" /private/filters\r\n",
		      "* METADATA \"\" (/private/filters \"f\")\ng OK Getmetadata completed.\n");
	client_expect(c, "h GETMETADATA (MAXSIZE 5 DEPTH infinity) \"\" /private/filters\r\n",
		      "* METADATA \"\" (/private/filters \"f\")\nh OK [METADATA LONGENTRIES 23] "
		      "Completed.\n");
	client_expect_has(c, "i GETMETADATA nope /private/x\r\n", "i NO [NONEXISTENT]");
	client_expect_has(c, "j SETMETADATA INBOX (/other/x \"y\")\r\n", "j BAD");
	client_expect_has(c, "k SETMETADATA INBOX (/private/a*b \"y\")\r\n", "k BAD");
	client_expect_has(c, "l SETMETADATA INBOX (/private/x)\r\n", "l BAD");
	client_expect_has(c, "m SETMETADATA INBOX (/private/comment NIL)\r\n", "m OK");
	client_expect(c, "n GETMETADATA INBOX /private/comment\r\n",
		      "n OK Getmetadata completed.\n");
	/* It is the account's, and outlasts the index. */
	client_delete_index(c);
	client_expect_has(c, "o GETMETADATA \"\" /private/filters\r\n", "(/private/filters \"f\")");
	for (int i = 0; i < METADATA_ENTRIES_MAX; i++) {
		snprintf(command, sizeof(command), "p SETMETADATA INBOX (/private/%d \"x\")\r\n",
			 i);
		client_expect_has(c, command, "p OK");
	}
	client_expect_has(c, "q SETMETADATA INBOX (/private/more \"x\")\r\n",
			  "q NO [METADATA TOOMANY]");
	/* What cannot be read now (here: it is too large) is neither empty nor lost. */
	snprintf(command, sizeof(command), "truncate -s 5M %s/posta-metadata", c->maildir);
	assert_int_equal(system(command), 0);
	client_expect_has(c, "r GETMETADATA INBOX /private/1\r\n", "r NO ");
	client_expect_has(c, "s SETMETADATA INBOX (/private/1 \"y\")\r\n", "s NO ");
	snprintf(command, sizeof(command), "truncate -s 10 %s/posta-metadata", c->maildir);
	assert_int_equal(system(command), 0);
	client_expect_has(c, "t SETMETADATA INBOX (/private/1 \"y\")\r\n", "t OK");
}

/* ---- REPLACE (RFC 8508) ---- */

static void replace(struct imap_client *c)
{
	struct imap_client other;

	for (int i = 0; i < 3; i++)
		client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "s SELECT INBOX\r\n");
	client_ask(c, "s CREATE Drafts\r\n");
	client_expect_has(c, "a REPLACE 2 INBOX (\\Seen \\Draft) {3+}\r\nx\r\n\r\n",
			  " 4] Replaced.\n* 2 EXPUNGE\n* 3 EXISTS\n");
	client_expect(c, "b FETCH 3 (UID FLAGS)\r\n",
		      "* 3 FETCH (UID 4 FLAGS (\\Seen \\Draft \\Recent))\nb OK Fetch completed.\n");
	client_expect_has(c, "c UID REPLACE 4 Drafts {3+}\r\ny\r\n\r\n",
			  " 1] Replaced.\n* 3 EXPUNGE\nc OK Replace");
	client_expect_has(c, "d STATUS Drafts (MESSAGES)\r\n", "(MESSAGES 1)");
	/* Nothing is added where nothing goes. */
	client_expect_has(c, "e UID REPLACE 4 Drafts {3+}\r\ny\r\n\r\n", "e NO [NONEXISTENT]");
	client_expect_has(c, "f REPLACE 1:2 Drafts {3+}\r\ny\r\n\r\n", "f BAD");
	client_expect_has(c, "g REPLACE 9 Drafts {3+}\r\ny\r\n\r\n", "g BAD");
	client_expect_has(c, "h REPLACE 1 nope {3+}\r\ny\r\n\r\n", "h NO [TRYCREATE]");
	client_expect_has(c, "i REPLACE 1 Drafts {3+}\r\ny\r\n {3+}\r\ny\r\n\r\n", "i BAD");
	client_connect(&other, c->maildir);
	client_ask(&other, "s SELECT INBOX\r\n");
	client_ask(&other, "a STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
	client_ask(&other, "b EXPUNGE\r\n");
	client_expect_has(c, "j REPLACE 1 Drafts {3+}\r\ny\r\n\r\n", "j NO [EXPUNGEISSUED]");
	client_expect_has(c, "k STATUS Drafts (MESSAGES)\r\n", "(MESSAGES 1)");
	client_ask(c, "l EXAMINE INBOX\r\n");
	client_expect_has(c, "m REPLACE 1 Drafts {3+}\r\ny\r\n\r\n", "m NO [CANNOT]");
	client_disconnect(&other);
}

/* ---- BINARY ---- */

static void binary(struct imap_client *c)
{
	client_append(
		c, "INBOX", "",
		"Content-Type: multipart/mixed; boundary=b\n\n--b\n"
		"Content-Type: text/plain\nContent-Transfer-Encoding: "
		"quoted-printable\n\nsoft=\nbreak =C3=A4\n"
		"--b\nContent-Type: image/x\nContent-Transfer-Encoding: base64 (x)\n\nAAECAwQ=\n"
		"--b\nContent-Type: text/plain\nContent-Transfer-Encoding: "
		"x-odd\n\n?\n--b\n\nplain\n--b--\n");
	client_ask(c, "s SELECT INBOX\r\n");
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect(c, "a FETCH 1 BINARY.PEEK[1]\r\n",
		      "* 1 FETCH (BINARY[1] {12}\nsoftbreak \xc3\xa4)\na OK Fetch completed.\n");
	client_expect(
		c, "b FETCH 1 (BINARY.SIZE[1] BINARY.SIZE[2] BINARY.SIZE[4] BINARY.SIZE[9])\r\n",
		"* 1 FETCH (BINARY.SIZE[1] 12 BINARY.SIZE[2] 5 BINARY.SIZE[4] 5 BINARY.SIZE[9] 0)\n"
		"b OK Fetch completed.\n");
	client_send(c, "c FETCH 1 BINARY[2]\r\n");
	client_read_until(c, "c ");
	assert_int_equal(memcmp(c->answer.data,
				"* 1 FETCH (BINARY[2] ~{5}\n\0\1\2\3\4 FLAGS (\\Seen))\nc OK", 49),
			 0);
	client_expect_has(c, "d FETCH 1 BINARY.PEEK[2]<1.2>\r\n", "BINARY[2]<1> {2}\n\1\2)");
	client_expect_has(c, "e FETCH 1 BINARY.PEEK[3]\r\n", "BINARY[3] NIL)\ne NO [UNKNOWN-CTE]");
	client_expect_has(c, "f FETCH 1 BINARY.PEEK[1.MIME]\r\n", "f BAD");
	client_expect_has(c, "g FETCH 1 BINARY.SIZE[1]<0.1>\r\n", "g BAD");
	client_expect_has(c, "h FETCH 1 BINARY.PEEK[5]\r\n", "BINARY[5] NIL)");
	/* literal8 */
	client_send(c, "i APPEND INBOX ~{14}\r\n");
	client_read_until(c, "+ ");
	client_send(c, "Subject: 8\r\n\r\n\r\n");
	assert_non_null(strstr(client_read_until(c, "i "), "i OK [APPENDUID "));
	client_expect_has(c, "j FETCH 2 BINARY.PEEK[]\r\n", "BINARY[] {14}\nSubject: 8\n\n)");
}

/* ---- PREVIEW ---- */

static void preview(struct imap_client *c)
{
	struct str text = STR_EMPTY;

	client_append(c, "INBOX", "", "Subject: x\n\n  Hello,\n\n this is\tshort. \n");
	client_append(c, "INBOX", "",
		      "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: "
		      "text/html; charset=iso-8859-1\n\n"
		      "<html><head><title>t</title></head><style>p{}</style><p>Gr\xfc\xdf"
		      "e &amp; <b>mehr</b></html>\n--b--\n");
	client_append(c, "INBOX", "",
		      "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAAA\n");
	str_append_cstr(&text, "Subject: long\nContent-Type: text/plain; charset=utf-8\n\n");
	for (int i = 0; i < 300; i++)
		str_append_cstr(&text, "\xc3\xa4");
	str_append_cstr(&text, "\n");
	client_append(c, "INBOX", "", str_cstr(&text));
	client_ask(c, "s EXAMINE INBOX\r\n");
	client_expect(c, "a FETCH 1 PREVIEW\r\n",
		      "* 1 FETCH (PREVIEW \"Hello, this is short.\")\na OK Fetch completed.\n");
	client_expect_has(c, "b FETCH 2 (UID PREVIEW (LAZY) FLAGS)\r\n",
			  "(UID 2 PREVIEW {14}\nGr\xc3\xbc\xc3\x9f"
			  "e & mehr FLAGS (\\Recent))");
	client_expect_has(c, "c FETCH 3 PREVIEW\r\n", "PREVIEW \"\")");
	client_expect_has(c, "d FETCH 4 PREVIEW\r\n", "PREVIEW {400}\n\xc3\xa4");
	client_expect_has(c, "e FETCH 1 PREVIEW (NOPE)\r\n", "e BAD");
	str_free(&text);
}

/* ---- OBJECTID ---- */

static void object_ids(struct imap_client *c)
{
	char first[64], id[64];

	client_append(c, "INBOX", "", MESSAGE);
	client_expect_has(c, "a CREATE foo\r\n", "a OK [MAILBOXID (F");
	snprintf(first, sizeof(first), "%.18s", strstr(c->answer.data, "(F"));
	client_expect_has(c, "b STATUS foo (MAILBOXID)\r\n", first);
	client_ask(c, "c RENAME foo renamed\r\n");
	client_expect_has(c, "d STATUS renamed (MAILBOXID MESSAGES)\r\n", first);
	client_expect_has(c, "e SELECT renamed\r\n", first);
	client_expect_lacks(c, "f SELECT INBOX\r\n", first);
	client_ask(c, "g FETCH 1 (EMAILID THREADID)\r\n");
	assert_non_null(strstr(c->answer.data, "THREADID NIL)"));
	snprintf(id, sizeof(id), "%.35s", strstr(c->answer.data, "(M"));
	client_ask(c, "h COPY 1 renamed\r\n");
	client_ask(c, "i SELECT renamed\r\n");
	client_expect_has(c, "j FETCH 1 EMAILID\r\n", id);
	memmove(id, id + 1, strlen(id));
	id[strcspn(id, ")")] = '\0';
	{
		char command[100];

		snprintf(command, sizeof(command), "k SEARCH EMAILID %s\r\n", id);
		client_expect(c, command, "* SEARCH 1\nk OK Search completed.\n");
	}
	client_expect(c, "l SEARCH OR EMAILID Mnone THREADID Tnone\r\n",
		      "* SEARCH\nl OK Search completed.\n");
}

/* ---- SAVEDATE ---- */

struct set_saved {
	uint32_t uid;
	int64_t saved;
};

static int set_saved_work(struct tx *tx, void *argument)
{
	const struct set_saved *work = argument;
	struct folder folder;
	struct mail mail;

	assert_int_equal(folder_find(tx, VIEW("INBOX"), &folder), 0);
	assert_int_equal(mail_load(tx, folder.r.id, work->uid, &mail), 0);
	mail.r.saved = work->saved;
	return mail_save(tx, folder.r.id, work->uid, &mail.r);
}

/* As if it had come then; 0: as an index has it that did not note it. */
static void set_saved(uint32_t uid, int64_t saved)
{
	struct set_saved work = { uid, saved };

	assert_int_equal(store_write(client_store(), WRITE_LAZY, set_saved_work, &work), 0);
}

static void savedate(struct imap_client *c)
{
	for (int i = 0; i < 3; i++)
		client_append(c, "INBOX", "\"02-Feb-2013 10:00:00 +0000\" ", MESSAGE);
	set_saved(1, 1420134653);
	set_saved(2, 0);
	client_ask(c, "r CREATE Trash\r\ns SELECT INBOX\r\n");
	/* RFC 8514 4.2 and 4.3. */
	client_expect(c, "a FETCH 1 (SAVEDATE)\r\n",
		      "* 1 FETCH (SAVEDATE \"01-Jan-2015 17:50:53 +0000\")\na OK Fetch "
		      "completed.\n");
	client_expect(c, "b SEARCH SAVEDON 1-Jan-2015\r\n", "* SEARCH 1\nb OK Search completed.\n");
	client_expect(c, "c SEARCH SAVEDSINCE 01-Jan-2015\r\n",
		      "* SEARCH 1 3\nc OK Search completed.\n");
	client_expect(c, "d SEARCH SAVEDBEFORE 2-Jan-2015\r\n",
		      "* SEARCH 1 2\nd OK Search completed.\n");
	/* Of the second it is not known: the other date stands for it. */
	client_expect(c, "e FETCH 2 SAVEDATE\r\n",
		      "* 2 FETCH (SAVEDATE NIL)\ne OK Fetch completed.\n");
	client_expect(c, "f SEARCH SAVEDON 2-Feb-2013\r\n", "* SEARCH 2\nf OK Search completed.\n");
	client_expect(c, "g SEARCH SAVEDATESUPPORTED\r\n",
		      "* SEARCH 1 3\ng OK Search completed.\n");
	/* Flags leave it as it is, a copy and a move have one of their own. */
	client_ask(c, "h STORE 1 +FLAGS (\\Seen)\r\n");
	store_settle(client_store(), STORE_SETTLE_BATCH);
	client_expect_has(c, "i FETCH 1 SAVEDATE\r\n", "01-Jan-2015");
	client_expect_has(c, "j COPY 1 Trash\r\n", "j OK");
	client_expect_has(c, "k FETCH 1 SAVEDATE\r\n", "01-Jan-2015");
	client_expect_has(c, "l MOVE 1 Trash\r\n", "l OK");
	client_ask(c, "m SELECT Trash\r\n");
	client_expect(c, "n SEARCH SAVEDSINCE 1-Jan-2020 SENTBEFORE 1-Jan-2000\r\n",
		      "* SEARCH\nn OK Search completed.\n");
	client_expect(c, "o SEARCH SAVEDSINCE 1-Jan-2020 BEFORE 1-Jan-2014 SAVEDATESUPPORTED\r\n",
		      "* SEARCH 1 2\no OK Search completed.\n");
	client_expect_has(c, "p SEARCH SAVEDON\r\n", "p BAD");
}

/* What is delivered has one, and an index that is made anew too: never too early. */
static void savedate_of_files(struct imap_client *c)
{
	client_deliver(c, "INBOX", MESSAGE);
	client_append(c, "INBOX", "\"02-Feb-2013 10:00:00 +0000\" ", MESSAGE);
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect(c, "a SEARCH SAVEDSINCE 1-Jan-2020 SAVEDATESUPPORTED\r\n",
		      "* SEARCH 1 2\na OK Search completed.\n");
	set_saved(1, 0);
	set_saved(2, 0);
	client_expect(c, "b SEARCH SAVEDATESUPPORTED\r\n", "* SEARCH\nb OK Search completed.\n");
	client_delete_index(c);
	client_ask(c, "n NOOP\r\n");
	client_expect(c, "c SEARCH SAVEDSINCE 1-Jan-2020 SAVEDATESUPPORTED\r\n",
		      "* SEARCH 1 2\nc OK Search completed.\n");
}

/* ---- CREATE-SPECIAL-USE ---- */

static void special_use(struct imap_client *c)
{
	client_expect_has(c, "a CREATE MySpecial (USE (\\Drafts \\Sent))\r\n", "a OK ");
	client_expect_has(c, "b CREATE Everything (USE (\\All))\r\n", "b NO [USEATTR]");
	client_expect_has(c, "c CREATE x (USE ())\r\n", "c OK");
	/* It outlasts the index. */
	client_delete_index(c);
	client_expect_has(c, "d LIST (SPECIAL-USE) \"\" *\r\n",
			  "\\HasNoChildren \\Drafts \\Sent) \".\" \"MySpecial\"");
}

/* ---- UTF8=ACCEPT (RFC 6855) ---- */

static void utf8_names(struct imap_client *c)
{
	client_ask(c, "a CREATE \"Entw&APw-rfe\"\r\n");
	client_expect_has(c, "b LIST \"\" E*\r\n", "\"Entw&APw-rfe\"\n");
	client_expect_has(c, "c CREATE \"R\xc3\xa4ume\"\r\n", "c NO [CANNOT]");
	client_expect(c, "d ENABLE UTF8=ACCEPT\r\n", "* ENABLED UTF8=ACCEPT\nd OK Enabled.\n");
	client_expect_has(c, "e LIST \"\" \"Entw\xc3\xbc*\"\r\n", "\"Entw\xc3\xbcrfe\"\n");
	client_expect_has(c, "f CREATE \"R\xc3\xa4ume & \xe6\x97\xa5\"\r\n", "f OK");
	client_expect_has(c, "g STATUS \"R\xc3\xa4ume & \xe6\x97\xa5\" (MESSAGES)\r\n",
			  "* STATUS \"R\xc3\xa4ume & \xe6\x97\xa5\" (MESSAGES 0)");
	client_expect_has(c, "h LIST \"R\xc3\xa4\" %\r\n", "\"R\xc3\xa4ume & \xe6\x97\xa5\"\n");
	client_expect_has(c, "i SELECT \"\xff\"\r\n", "i NO [CANNOT]");
	/* What Thunderbird sends. */
	client_send(c, "j APPEND \"Entw\xc3\xbcrfe\" (\\Seen) UTF8 (~{21+}\r\nSubject: "
		       "\xc3\xa4\r\n\r\nbody\r\n)\r\n");
	assert_non_null(strstr(client_read_until(c, "j "), "j OK [APPENDUID "));
	client_expect_has(c, "k APPEND INBOX UTF8 ({1+}\r\nx\r\n", "k BAD");
}

/* ---- IMAP4rev2 (RFC 9051) ---- */

static void rev2(struct imap_client *c)
{
	client_append(c, "INBOX", "", MESSAGE);
	client_expect_has(c, "a CAPABILITY\r\n", "* CAPABILITY IMAP4rev1 IMAP4rev2 ");
	client_expect(c, "b ENABLE IMAP4rev2\r\n", "* ENABLED IMAP4rev2\nb OK Enabled.\n");
	client_ask(c, "c SELECT inbox\r\n");
	assert_non_null(strstr(c->answer.data,
			       "* 1 EXISTS\n* LIST () \".\" \"INBOX\"\n* OK [UIDVALIDITY "));
	assert_null(strstr(c->answer.data, "RECENT"));
	client_expect(c, "d FETCH 1 FLAGS\r\n", "* 1 FETCH (FLAGS ())\nd OK Fetch completed.\n");
	client_expect(c, "e SEARCH ALL\r\n",
		      "* ESEARCH (TAG \"e\") ALL 1\ne OK Search completed.\n");
	client_expect(c, "f UID SEARCH SEEN\r\n",
		      "* ESEARCH (TAG \"f\") UID\nf OK Search completed.\n");
	client_append(c, "INBOX", "", MESSAGE);
	assert_null(strstr(c->answer.data, "RECENT"));
	client_ask(c, "g CREATE \"\xc3\xa4\"\r\n");
	client_expect_has(c, "h LIST \"\" *\r\n", "\"\xc3\xa4\"\n");
}

/* ---- UIDONLY (RFC 9586) ---- */

static void uidonly(struct imap_client *c)
{
	struct imap_client other;

	for (int i = 0; i < 3; i++)
		client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "s SELECT INBOX\r\n");
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect(c, "a ENABLE UIDONLY\r\n", "* ENABLED UIDONLY\na OK Enabled.\n");
	client_expect_has(c, "b FETCH 1 FLAGS\r\n", "b BAD [UIDREQUIRED]");
	client_expect_has(c, "c STORE 1 FLAGS ()\r\n", "c BAD [UIDREQUIRED]");
	client_expect_has(c, "d SEARCH ALL\r\n", "d BAD [UIDREQUIRED]");
	client_expect(c, "e UID FETCH 2 (FLAGS UID)\r\n",
		      "* 2 UIDFETCH (FLAGS () UID 2)\ne OK Fetch completed.\n");
	client_expect(c, "f UID STORE 1,3 +FLAGS (\\Deleted)\r\n",
		      "* 1 UIDFETCH (FLAGS (\\Deleted))\n* 3 UIDFETCH (FLAGS (\\Deleted))\nf OK "
		      "Store completed.\n");
	client_expect_has(c, "g UID SEARCH 1\r\n", "g BAD [UIDREQUIRED]");
	client_expect_has(c, "g UID SORT (DATE) UTF-8 1\r\n", "g BAD [UIDREQUIRED]");
	client_expect_has(c, "g UID THREAD REFERENCES UTF-8 1\r\n", "g BAD [UIDREQUIRED]");
	client_expect(c, "g UID SORT (ARRIVAL) UTF-8 UID 1\r\n",
		      "* SORT 1\ng OK Sort completed.\n");
	client_expect(c, "h UID EXPUNGE 1\r\n", "* VANISHED 1\nh OK Expunge completed.\n");
	client_connect(&other, c->maildir);
	client_ask(&other, "s SELECT INBOX\r\n");
	client_ask(&other, "a UID STORE 2 +FLAGS (\\Seen)\r\n");
	client_expect(c, "i NOOP\r\n", "* 2 UIDFETCH (FLAGS (\\Seen))\ni OK NOOP completed.\n");
	client_expect(c, "j EXPUNGE\r\n", "* VANISHED 3\nj OK Expunge completed.\n");
	client_disconnect(&other);
}

#define TEST(name)                                                                                 \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		client_run_both(name);                                                             \
	}
TEST(compressed)
TEST(idle_lets_go)
/* The rest of what is broken would find the connection closed. */
/* A client that took an empty list for the whole would forget all of its folders. */
static void a_list_that_cannot_be_had(struct imap_client *c)
{
	_cleanup_(str_free) struct str aside = STR_EMPTY;

	client_ask(c, "a CREATE One\r\n");
	str_printf(&aside, "%s.aside", c->maildir);
	assert_int_equal(rename(c->maildir, str_cstr(&aside)), 0);
	client_expect_lacks(c, "b LIST \"\" *\r\n", "b OK");
	client_expect_lacks(c, "c LSUB \"\" *\r\n", "c OK");
	client_expect_lacks(c, "d LIST (RECURSIVEMATCH SUBSCRIBED) \"\" *\r\n", "d OK");
	assert_int_equal(rename(str_cstr(&aside), c->maildir), 0);
	client_expect_has(c, "e LIST \"\" *\r\n", "e OK");
	client_expect_has(c, "f LIST \"\" *\r\n", "One");
}

static void test_compress_early_and_broken(void **state)
{
	(void)state;
	client_run(compress_early_and_broken);
}
TEST(a_list_that_cannot_be_had)
TEST(multiappend)
TEST(multiappend_fails_whole)
TEST(appendlimit)
TEST(metadata)
TEST(replace)
TEST(binary)
TEST(preview)
TEST(object_ids)
TEST(savedate)
TEST(savedate_of_files)
TEST(special_use)
TEST(utf8_names)
TEST(rev2)
TEST(uidonly)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_idle_lets_go),
		cmocka_unit_test(test_compress_early_and_broken),
		cmocka_unit_test(test_a_list_that_cannot_be_had),
		cmocka_unit_test(test_multiappend),
		cmocka_unit_test(test_multiappend_fails_whole),
		cmocka_unit_test(test_appendlimit),
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_preview),
		cmocka_unit_test(test_object_ids),
		cmocka_unit_test(test_savedate),
		cmocka_unit_test(test_savedate_of_files),
		cmocka_unit_test(test_special_use),
		cmocka_unit_test(test_utf8_names),
		cmocka_unit_test(test_rev2),
		cmocka_unit_test(test_uidonly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
