/* Whole conversations with a session and a real store. */
#include "client.h"

#include <sys/wait.h>
#include <unistd.h>

#include "conf/conf.h"

#define MESSAGE                                                                                    \
	"From: Alice <alice@example.test>\n"                                                       \
	"To: bob@example.test\n"                                                                   \
	"Subject: First\n"                                                                         \
	"Date: Sat, 21 Nov 2026 23:58:21 +0100\n"                                                  \
	"\n"                                                                                       \
	"Hello.\n"

static void simple_commands(struct imap_client *c)
{
	client_expect_has(c, "a CAPABILITY\r\n", "* CAPABILITY IMAP4rev1 ");
	client_expect(c, "b noop\r\n", "b OK NOOP completed.\n");
	client_expect_has(c, "c ID (\"name\" \"x\" \"version\" NIL)\r\n", "* ID (\"name\" \"");
	client_expect(c, "d ENABLE X Y\r\n", "* ENABLED\nd OK Enabled.\n");
	client_expect(c, "e NAMESPACE\r\n",
		      "* NAMESPACE ((\"\" \".\")) NIL NIL\ne OK Namespace completed.\n");
	client_expect(c, "f FETCH 1 FLAGS\r\n", "f BAD Select a mailbox first.\n");
	client_expect(c, "g UID NOOP\r\n", "g BAD Unknown command.\n");
	client_expect(c, "h NOOP x\r\n", "h BAD Too many arguments.\n");
	client_expect(c, "i LOGIN a b\r\n", "i BAD Already logged in.\n");
	client_send(c, "\r\n");
	client_read_until(c, "* BAD Invalid tag.");
	client_expect(c, "j LOGOUT\r\nk NOOP\r\n", "* BYE Logging out\nj OK Logout completed.\n");
}

static void too_many_bad_commands(struct imap_client *c)
{
	for (int i = 0; i < IMAP_BAD_COMMANDS_MAX - 1; i++)
		client_expect(c, "a NOPE\r\n", "a BAD Unknown command.\n");
	client_expect(c, "a NOOP\r\n", "a OK NOOP completed.\n");
	for (int i = 0; i < IMAP_BAD_COMMANDS_MAX - 1; i++)
		client_expect(c, "a NOPE\r\n", "a BAD Unknown command.\n");
	client_expect(c, "x NOPE\r\n", "x BAD Unknown command.\n");
	assert_string_equal(client_read_until(c, "never"), "* BYE Too many invalid commands.\n");
}

static void folders(struct imap_client *c)
{
	client_expect(c, "a LIST \"\" \"\"\r\n",
		      "* LIST (\\Noselect) \".\" \"\"\na OK LIST completed.\n");
	client_expect(c, "b LIST \"\" *\r\n",
		      "* LIST (\\HasNoChildren) \".\" \"INBOX\"\nb OK LIST completed.\n");
	client_expect_has(c, "c create \"Work.2026.\"\r\n", "c OK [MAILBOXID (F");
	client_expect_has(c, "d CREATE work.2026\r\n", "Create completed.\n");
	client_expect_has(c, "e CREATE Work.2026\r\n", "e NO [ALREADYEXISTS]");
	client_expect_has(c, "f CREATE inbox\r\n", "f NO [ALREADYEXISTS]");
	client_expect_has(c, "g CREATE \"../../etc\"\r\n", "g NO [CANNOT]");
	client_expect_has(c, "h CREATE \"\"\r\n", "h NO [CANNOT]");
	client_expect_has(c, "h CREATE {4+}\r\na\r\nb\r\n", "h NO [CANNOT]");
	client_expect_has(c, "h CREATE \"gr\xc3\xbc\xc3\x9f\"\r\n", "h NO [CANNOT]");
	client_expect(c, "i LIST \"\" %\r\n",
		      "* LIST (\\HasNoChildren) \".\" \"INBOX\"\n"
		      "* LIST (\\Noselect \\HasChildren) \".\" \"Work\"\n"
		      "* LIST (\\Noselect \\HasChildren) \".\" \"work\"\n"
		      "i OK LIST completed.\n");
	client_expect(c, "j LIST \"Work.\" \"%\"\r\n",
		      "* LIST (\\HasNoChildren) \".\" \"Work.2026\"\nj OK LIST completed.\n");
	client_expect(c, "k DELETE work.2026\r\n", "k OK Delete completed.\n");
	client_expect_has(c, "l DELETE work.2026\r\n", "l NO [NONEXISTENT]");
	client_expect_has(c, "m DELETE INBOX\r\n", "m NO [CANNOT]");
	client_expect(c, "n RENAME Work.2026 Done\r\n", "n OK Rename completed.\n");
	client_expect_has(c, "o SELECT Work.2026\r\n", "o NO [NONEXISTENT]");
	client_expect_has(c, "p CREATE Sent (USE (\\Sent))\r\n", "p OK");
	client_expect_has(c, "q list \"\" \"sEnT\"\r\n", "q OK");
	client_expect(c, "r list (special-use) \"\" \"*\"\r\n",
		      "* LIST (\\HasNoChildren \\Sent) \".\" \"Sent\"\nr OK LIST completed.\n");
	client_expect_has(c, "s CREATE Trash (USE (\\Trash \\Nope)\r\n", "s BAD Expected ))");
}

static void subscriptions(struct imap_client *c)
{
	client_ask(c, "a CREATE A\r\nb CREATE A.B\r\nc CREATE A.B.C\r\n");
	client_expect(c, "a SUBSCRIBE A.B.C\r\n", "a OK Subscribe completed.\n");
	client_expect_has(c, "b SUBSCRIBE gone\r\n", "b OK");
	client_expect(c, "c LSUB \"\" \"*\"\r\n",
		      "* LSUB (\\HasNoChildren) \".\" \"A.B.C\"\n"
		      "* LSUB (\\Noselect \\HasNoChildren) \".\" \"gone\"\n"
		      "c OK LSUB completed.\n");
	client_expect(c, "d LSUB \"\" \"%\"\r\n",
		      "* LSUB (\\Noselect \\HasChildren) \".\" \"A\"\n"
		      "* LSUB (\\Noselect \\HasNoChildren) \".\" \"gone\"\n"
		      "d OK LSUB completed.\n");
	client_expect(c, "e list (subscribed) \"\" \"*\" return (special-use)\r\n",
		      "* LIST (\\Subscribed \\HasNoChildren) \".\" \"A.B.C\"\n"
		      "* LIST (\\NonExistent \\Subscribed \\HasNoChildren) \".\" \"gone\"\n"
		      "e OK LIST completed.\n");
	client_expect(c, "f UNSUBSCRIBE gone\r\n", "f OK Unsubscribe completed.\n");
	client_expect_lacks(c, "g LSUB \"\" \"*\"\r\n", "gone");
	client_expect(c, "h LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"%\"\r\n",
		      "* LIST (\\HasChildren) \".\" \"A\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\n"
		      "h OK LIST completed.\n");
	client_expect_has(c, "i LIST (RECURSIVEMATCH) \"\" \"%\"\r\n", "i BAD");
	client_expect_has(c, "j LIST \"\" (A INBOX) RETURN (CHILDREN STATUS (MESSAGES UNSEEN))\r\n",
			  "* STATUS \"A\" (MESSAGES 0 UNSEEN 0)\n");
}

static void select_and_status(struct imap_client *c)
{
	client_append(c, "INBOX", "(\\Seen) ", MESSAGE);
	client_append(c, "inbox", "", MESSAGE);
	client_expect_has(c, "a STATUS INBOX (MESSAGES RECENT UIDNEXT UNSEEN)\r\n",
			  "* STATUS \"INBOX\" (MESSAGES 2 RECENT 2 UIDNEXT 3 UNSEEN 1)\na OK");
	client_expect_has(c, "b STATUS nope (MESSAGES)\r\n", "b NO [NONEXISTENT]");
	client_expect_has(c, "c STATUS INBOX ()\r\n", "c BAD");
	client_expect_has(
		c, "d select \"INBOX\"\r\n",
		"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\n"
		"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] "
		"Flags permitted.\n"
		"* 2 EXISTS\n"
		"* 2 RECENT\n"
		"* OK [UNSEEN 2] First unseen.\n"
		"* OK [UIDVALIDITY ");
	client_expect_has(
		c, "e FETCH 1:* FLAGS\r\n",
		"* 1 FETCH (FLAGS (\\Seen \\Recent))\n* 2 FETCH (FLAGS (\\Recent))\ne OK");
	client_expect_has(c, "f EXAMINE INBOX\r\n", "* 0 RECENT\n");
	client_expect_has(c, "g STORE 1 +FLAGS (\\Deleted)\r\n", "g NO [CANNOT]");
	client_expect_has(c, "h EXPUNGE\r\n", "h NO [CANNOT]");
	client_expect_has(c, "i MOVE 1 INBOX\r\n", "i NO [CANNOT]");
	client_expect(c, "i CLOSE\r\n", "i OK Close completed.\n");
	client_expect_has(c, "j CHECK\r\n", "j BAD");
	client_ask(c, "k SELECT INBOX\r\n");
	client_expect_has(c, "l SELECT nope\r\n", "l NO [NONEXISTENT]");
	client_expect_has(c, "m CHECK\r\n", "m BAD");
	/* The sequence of Thunderbird. */
	client_ask(c, "n select \"INBOX\"\r\n");
	client_expect_has(c, "o UID fetch 1:* (FLAGS)\r\n",
			  "* 2 FETCH (UID 2 FLAGS ())\no OK Fetch completed.\n");
	client_expect_has(
		c,
		"p UID fetch 2 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From "
		"Subject)])\r\n",
		"* 2 FETCH (UID 2 RFC822.SIZE 121 FLAGS () BODY[HEADER.FIELDS (From Subject)] "
		"{52}\nFrom: Alice <alice@example.test>\nSubject: First\n\n)\np OK");
	client_expect_has(c, "q getquotaroot \"INBOX\"\r\n", "q OK");
	client_expect(c, "r UNSELECT\r\n", "r OK Unselect completed.\n");
}

static void store_and_expunge(struct imap_client *c)
{
	for (int i = 0; i < 5; i++)
		client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "s SELECT INBOX\r\n");
	client_ask(c, "s SELECT INBOX\r\n"); /* nothing is \Recent any more */
	client_expect(
		c, "a STORE 1:2 +FLAGS (\\Deleted $Work)\r\n",
		"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)\n"
		"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work \\*)] "
		"Flags permitted.\n"
		"* 1 FETCH (FLAGS (\\Deleted $Work))\n"
		"* 2 FETCH (FLAGS (\\Deleted $Work))\n"
		"a OK Store completed.\n");
	client_expect(c, "b UID STORE 2 -FLAGS.SILENT $Work\r\n", "b OK Store completed.\n");
	client_expect(c, "c UID STORE 2 FLAGS \\Deleted\r\n",
		      "* 2 FETCH (UID 2 FLAGS (\\Deleted))\nc OK Store completed.\n");
	client_expect(c, "d STORE 9 FLAGS ()\r\n", "d BAD Invalid message sequence number.\n");
	client_expect_has(c, "e STORE 1 FLAGS (\\Nope)\r\n", "e BAD Unknown system flag.");
	client_expect_has(c, "e STORE 1 FLAGS \\Nope(\r\n", "e BAD");
	client_expect(c, "f STORE 3 +FLAGS (\\Recent)\r\n",
		      "* 3 FETCH (FLAGS ())\nf OK Store completed.\n");
	client_expect(c, "g UID EXPUNGE 2:5\r\n", "* 2 EXPUNGE\ng OK Expunge completed.\n");
	client_expect_has(c, "g UID EXPUNGE\r\n", "g BAD");
	client_expect(c, "h UID FETCH 1:* (FLAGS)\r\n",
		      "* 1 FETCH (UID 1 FLAGS (\\Deleted $Work))\n"
		      "* 2 FETCH (UID 3 FLAGS ())\n"
		      "* 3 FETCH (UID 4 FLAGS ())\n"
		      "* 4 FETCH (UID 5 FLAGS ())\n"
		      "h OK Fetch completed.\n");
	client_ask(c, "i STORE 3:4 +FLAGS.SILENT (\\Deleted)\r\n");
	client_expect(c, "j EXPUNGE\r\n",
		      "* 4 EXPUNGE\n* 3 EXPUNGE\n* 1 EXPUNGE\nj OK Expunge completed.\n");
	client_ask(c, "k STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
	client_expect(c, "l CLOSE\r\n", "l OK Close completed.\n");
	client_expect_has(c, "m STATUS INBOX (MESSAGES)\r\n", "(MESSAGES 0)");
}

static void sets_that_are_odd(struct imap_client *c)
{
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect(c, "a FETCH 1:* FLAGS\r\n", "a OK Fetch completed.\n");
	client_expect(c, "b UID FETCH * FLAGS\r\n", "b OK Fetch completed.\n");
	client_append(c, "INBOX", "", MESSAGE);
	client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "c NOOP\r\n");
	client_expect_has(c, "d FETCH 0 FLAGS\r\n", "d BAD");
	client_expect_has(c, "e FETCH 4294967296 FLAGS\r\n", "e BAD");
	client_expect_has(c, "e FETCH 1, FLAGS\r\n", "e BAD");
	client_expect_has(c, "e FETCH 1:2:3 FLAGS\r\n", "e BAD");
	client_expect_has(c, "f FETCH 4294967295 UID\r\n", "f BAD Invalid message seq");
	client_expect(c, "f UID FETCH 4294967295 UID\r\n", "f OK Fetch completed.\n");
	client_expect(c, "g UID FETCH 4294967295 UID\r\n", "g OK Fetch completed.\n");
	client_expect(c, "h UID FETCH 4294967295:* UID\r\n",
		      "* 2 FETCH (UID 2)\nh OK Fetch completed.\n");
	client_expect(c, "i FETCH 4294967295:* UID\r\n",
		      "* 2 FETCH (UID 2)\ni OK Fetch completed.\n");
	client_expect(c, "j FETCH 2,1,1:2 UID\r\n",
		      "* 1 FETCH (UID 1)\n* 2 FETCH (UID 2)\nj OK Fetch completed.\n");
	client_expect(c, "k FETCH *:1 UID\r\n",
		      "* 1 FETCH (UID 1)\n* 2 FETCH (UID 2)\nk OK Fetch completed.\n");
	client_expect(c, "l FETCH 1:4294967295 UID\r\n",
		      "* 1 FETCH (UID 1)\n* 2 FETCH (UID 2)\nl OK Fetch completed.\n");
}

static void copy_and_move(struct imap_client *c)
{
	for (int i = 0; i < 3; i++)
		client_append(c, "INBOX", "(\\Flagged) ", MESSAGE);
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect_has(c, "a COPY 1 nope\r\n", "a NO [TRYCREATE]");
	client_expect_has(c, "a UID COPY 99 nope\r\n", "a NO [TRYCREATE]");
	client_ask(c, "b CREATE Other\r\n");
	client_expect_has(c, "c COPY 1,3 Other\r\n", "c OK [COPYUID ");
	client_expect_has(c, "c COPY 1,3 Other\r\n", " 1,3 3:4] Copy completed.");
	client_expect(c, "d UID COPY 99 Other\r\n", "d OK Copy completed.\n");
	client_expect_has(c, "e UID MOVE 2:3 Other\r\n",
			  " 2:3 5:6] Moved.\n* 3 EXPUNGE\n* 2 EXPUNGE\n");
	client_expect_has(c, "f STATUS Other (MESSAGES)\r\n", "(MESSAGES 6)");
	client_ask(c, "g SELECT Other\r\n");
	client_expect(c, "h FETCH 6 (UID FLAGS)\r\n",
		      "* 6 FETCH (UID 6 FLAGS (\\Flagged \\Recent))\nh OK Fetch completed.\n");
	client_expect(c, "i RENAME Other There\r\n", "i OK Rename completed.\n");
	client_expect(c, "j DELETE There\r\n", "j OK Delete completed.\n");
	client_expect(c, "k CHECK\r\n", "k BAD Select a mailbox first.\n");
}

static void append(struct imap_client *c)
{
	/* Synchronizing: the client waits. */
	client_send(c, "a APPEND INBOX (\\Seen $X) \"21-Nov-2026 10:00:00 +0100\" {5}\r\n");
	client_read_until(c, "+ ");
	client_expect_has(c, "a\nb\rc\r\na NOOP\r\n", "a OK [APPENDUID ");
	client_read_until(c, "a OK NOOP");
	client_ask(c, "b SELECT INBOX\r\n");
	client_expect(
		c, "c FETCH 1 (INTERNALDATE RFC822.SIZE BODY.PEEK[])\r\n",
		"* 1 FETCH (INTERNALDATE \"21-Nov-2026 09:00:00 +0000\" RFC822.SIZE 6 BODY[] {6}\n"
		"a\nbc)\nc OK Fetch completed.\n");
	client_expect_has(c, "d APPEND nope {999}\r\n", "d NO [TRYCREATE]");
	client_expect_has(c, "e APPEND INBOX {999999999999}\r\n", "e NO [");
	client_expect_has(c, "f APPEND INBOX (\\Bogus(\r\n", "f BAD");
	client_expect_has(c, "g APPEND INBOX \"yesterday\" {1+}\r\nx\r\n", "g BAD Invalid date.");
	client_expect_has(c, "h APPEND INBOX {1+}\r\nx junk\r\n", "h BAD");
	client_expect_has(c, "i APPEND nope {4+}\r\nX Y\n\r\n", "i NO [TRYCREATE]");
	client_expect_has(c, "j APPEND INBOX {0+}\r\n\r\n", "j ");
	/* In the selected mailbox it is told at once. */
	client_expect_has(c, "k APPEND INBOX {3+}\r\nx\r\n\r\n", " EXISTS\n");
}

/* What one connection does, another that idles tells at once, not when it looks by itself. */
static void idle_tells_of_other_connections(struct imap_client *c)
{
	struct imap_client other;

	client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "s SELECT INBOX\r\n");
	client_connect(&other, c->maildir);
	client_ask(&other, "s SELECT INBOX\r\n");
	client_send(&other, "i IDLE\r\n");
	client_read_until(&other, "+ idling");
	client_append(c, "INBOX", "", MESSAGE);
	client_read_until(&other, "* 2 EXISTS");
	client_ask(c, "a STORE 1 +FLAGS (\\Flagged)\r\n");
	client_read_until(&other, "* 1 FETCH (FLAGS (\\Flagged");
	client_ask(c, "b COPY 1 INBOX\r\n");
	client_read_until(&other, "* 3 EXISTS");
	client_ask(c, "c STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
	client_read_until(&other, "* 1 FETCH (FLAGS (\\Flagged \\Deleted");
	client_ask(c, "d EXPUNGE\r\n");
	client_read_until(&other, "* 1 EXPUNGE");
	client_send(&other, "DONE\r\n");
	client_read_until(&other, "i OK");
	client_disconnect(&other);
}

/* Another process of the user: POP3, the command line. It runs no tasks, and has a store of its own. */
static void in_another_process(struct imap_client *c, int (*change)(struct mailbox *box))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct store *store;
		struct mailbox *box;
		struct error err;
		int r = store_open(c->maildir, &STORE_DEFAULTS, &store, &err);

		if (r == 0)
			r = mailbox_open(store, VIEW("INBOX"), MAILBOX_READ_WRITE, &box);
		_exit(r < 0 || change(box) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int flag_first(struct mailbox *box)
{
	struct flag_change change = { .operation = FLAGS_ADD, .flags = FLAG_FLAGGED };
	struct flag_result result;
	uint32_t seq = 1;

	return mailbox_change_flags(box, &seq, 1, &change, &result);
}

static int remove_first(struct mailbox *box)
{
	uint32_t seq = 1;

	return mailbox_remove(box, &seq, 1);
}

/* Nobody gives a signal: the store is watched while a connection idles. The client waits 5 s at most. */
static void idle_tells_of_other_processes(struct imap_client *c)
{
	client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "s SELECT INBOX\r\n");
	for (int round = 0; round < 2; round++) {
		client_send(c, "i IDLE\r\n");
		client_read_until(c, "+ idling");
		client_deliver(c, "", MESSAGE);
		assert_non_null(strstr(client_read_until(c, "* 2 EXISTS"), "* 2 EXISTS"));
		in_another_process(c, flag_first);
		if (strstr(client_read_until(c, "* 1 FETCH"), "\\Flagged") == NULL)
			fail_msg("%d: %s", round, str_cstr(&c->answer));
		in_another_process(c, remove_first);
		assert_non_null(strstr(client_read_until(c, "* 1 EXPUNGE"), "* 1 EXPUNGE"));
		client_send(c, "DONE \r\n");
		assert_non_null(strstr(client_read_until(c, "i "), "i OK"));
		client_ask(c, "s SELECT INBOX\r\n");
		/* The second time in an index that has been made anew. */
		client_delete_index(c);
	}
}

static void odd_blanks(struct imap_client *c)
{
	client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "a  SELECT  INBOX \r\n");
	client_expect(c, "b FETCH  1  ( UID  FLAGS ) \r\n",
		      "* 1 FETCH (UID 1 FLAGS (\\Recent))\nb OK Fetch completed.\n");
	client_expect_has(c, "c UID  STORE 1  +FLAGS  ( \\Seen  work )\r\n", "work))\nc OK");
	client_expect_has(c, "e SEARCH  ( SEEN  ) \r\n", "* SEARCH 1\ne OK");
	client_expect_has(c, "f STATUS INBOX ( MESSAGES ) \r\n", "(MESSAGES 1)\nf OK");
	client_expect_has(c, "g LIST  \"\"  *  \r\n", "\"INBOX\"\ng OK");
	client_expect_has(c, "h FETCH 1 BODY.PEEK[HEADER.FIELDS ( Subject  To )]\r\n",
			  "Subject: First");
	client_expect_has(c, "i CREATE x \r\n", "i OK");
	client_expect_has(c, "j FETCH 1 \r\n", "j BAD");
}

/* RFC 2971 3.3: 30 fields of 1024 octets; values may be literals. */
static void long_id(struct imap_client *c)
{
	struct str command = STR_EMPTY;

	str_append_cstr(&command, "a ID (");
	for (int i = 0; i < 30; i++) {
		str_printf(&command, "%s\"field%d\" {1024+}\r\n", i > 0 ? " " : "", i);
		for (int k = 0; k < 64; k++)
			str_append_cstr(&command, "0123456789abcdef");
	}
	str_append_cstr(&command, ")\r\n");
	client_send(c, str_cstr(&command));
	assert_non_null(strstr(client_read_until(c, "a "), "* ID ("));
	client_send(c, "b ID (\"name\" {3}\r\n");
	client_read_until(c, "+ ");
	client_send(c, "xyz \"os\" NIL)\r\n");
	assert_non_null(strstr(client_read_until(c, "b "), "b OK"));
	str_free(&command);
}

/* A keyword is told with FLAGS and PERMANENTFLAGS before the first answer that has it. */
static void keyword_of_another_connection(struct imap_client *c)
{
	struct imap_client other;
	const char *answer;

	client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "s SELECT INBOX\r\n");
	client_connect(&other, c->maildir);
	client_ask(&other, "s SELECT INBOX\r\n");
	client_ask(&other, "a STORE 1 +FLAGS.SILENT (kwnew)\r\n");
	answer = client_ask(c, "b STORE 1 +FLAGS (\\Answered)\r\n");
	if (strstr(answer, "* FLAGS (") == NULL || strstr(answer, "kwnew))") == NULL ||
	    strstr(answer, "kwnew))") < strstr(answer, "* FLAGS ("))
		fail_msg("%s", answer);
	client_ask(&other, "c STORE 1 +FLAGS.SILENT (kwsecond)\r\n");
	answer = client_ask(c, "d FETCH 1 BODY[TEXT]\r\n");
	if (strstr(answer, "* FLAGS (") == NULL || strstr(answer, "kwsecond))") == NULL ||
	    strstr(answer, "kwsecond))") < strstr(answer, "PERMANENTFLAGS"))
		fail_msg("%s", answer);
	answer = client_ask(c, "e STORE 1 +FLAGS (own)\r\n");
	if (strstr(answer, "own))") == NULL || strstr(answer, "* FLAGS (") == NULL ||
	    strstr(answer, "own))") < strstr(answer, "PERMANENTFLAGS"))
		fail_msg("%s", answer);
	client_disconnect(&other);
}

static void append_at_the_epoch(struct imap_client *c)
{
	client_append(c, "INBOX", "\"01-Jan-1970 00:00:00 +0000\" ", MESSAGE);
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect_has(c, "a FETCH 1 INTERNALDATE\r\n", "\"01-Jan-1970 00:00:00 +0000\"");
}

static void messages_that_are_not_there(struct imap_client *c)
{
	struct imap_client other;

	client_ask(c, "s SELECT INBOX\r\n");
	client_expect_has(c, "a FETCH * FLAGS\r\n", "a BAD");
	client_expect_has(c, "b FETCH 1:* FLAGS\r\n", "b OK");
	client_append(c, "INBOX", "", MESSAGE);
	client_expect_has(c, "c FETCH 2 FLAGS\r\n", "c BAD");
	client_expect_has(c, "d COPY 2:3 INBOX\r\n", "d BAD");
	client_expect_has(c, "e FETCH 1:9 UID\r\n", "* 1 FETCH (UID 1)\ne OK");
	client_connect(&other, c->maildir);
	client_ask(&other, "s SELECT INBOX\r\n");
	client_ask(&other, "a STORE 1 FLAGS.SILENT (\\Deleted)\r\n");
	client_ask(&other, "b EXPUNGE\r\n");
	client_expect_has(c, "f FETCH 1 BODY.PEEK[]\r\n", "f NO [EXPUNGEISSUED]");
	client_disconnect(&other);
}

static void append_without_limit(struct imap_client *c)
{
	int64_t before = param.message_size_limit;

	param.message_size_limit = 10;
	client_expect_has(c, "a APPEND INBOX {11+}\r\n12345678901\r\n", "a NO [LIMIT]");
	param.message_size_limit = 0;
	client_append(c, "INBOX", "", "Subject: x\n\nno limit\n");
	param.message_size_limit = before;
}

static void literals(struct imap_client *c)
{
	client_send(c, "a LIST {0}\r\n");
	client_read_until(c, "+ ");
	client_send(c, " {1+}\r\n*\r\n");
	assert_non_null(strstr(client_read_until(c, "a OK"), "* LIST "));
	client_expect_has(c, "b SELECT {4294967296}\r\n", "b BAD");
	client_expect_has(c, "b SELECT {99999999999999999999}\r\n", "b BAD");
	client_expect_has(c, "b SELECT {-1}\r\n", "b BAD");
	client_expect_has(c, "b SELECT {}\r\n", "b BAD");
	client_expect_has(c, "b SELECT {1\r\n", "b BAD");
	client_expect_has(c, "b SELECT {abc}\r\n", "b BAD");
	client_expect_has(c, "c STATUS {5+}\r\ninbox ({8+}\r\nMESSAGES)\r\n", "c BAD");
	client_expect(c, "d NOOP\r\n", "d OK NOOP completed.\n");
}

static void idle(struct imap_client *c)
{
	client_ask(c, "s SELECT INBOX\r\n");
	client_send(c, "i IDLE\r\n");
	client_read_until(c, "+ idling");
	client_deliver(c, "", MESSAGE);
	imap_sessions_wake(NULL);
	client_read_until(c, "* 1 EXISTS");
	client_read_until(c, "* 1 RECENT");
	client_expect(c, "DONE\r\nn NOOP\r\n", "i OK Idle completed.\nn OK NOOP completed.\n");
	client_send(c, "j IDLE\r\n");
	client_read_until(c, "+ idling");
	client_expect(c, "nonsense\r\no NOOP\r\n", "j BAD Expected DONE.\no OK NOOP completed.\n");
	/* Without a mailbox, woken by mail: must not keep the process busy. */
	client_ask(c, "k UNSELECT\r\n");
	client_send(c, "l IDLE\r\n");
	client_read_until(c, "+ idling");
	imap_sessions_wake(NULL);
	task_sleep(10);
	client_expect(c, "done\r\nm LOGOUT\r\n",
		      "l OK Idle completed.\n* BYE Logging out\nm OK Logout completed.\n");
}

static void idle_and_gone(struct imap_client *c)
{
	struct imap_client other;

	client_connect(&other, c->maildir);
	client_ask(&other, "s SELECT INBOX\r\n");
	client_send(&other, "i IDLE\r\n");
	client_read_until(&other, "+ idling");
	client_disconnect(&other); /* waits until the session has ended */
	client_expect(c, "a NOOP\r\n", "a OK NOOP completed.\n");
}

static void two_connections(struct imap_client *c)
{
	struct imap_client other;

	for (int i = 0; i < 4; i++)
		client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "s SELECT INBOX\r\n");
	client_connect(&other, c->maildir);
	client_ask(&other, "s SELECT INBOX\r\n");
	client_ask(&other, "a STORE 2 +FLAGS (\\Deleted)\r\n");
	client_expect(c, "a NOOP\r\n",
		      "* 2 FETCH (FLAGS (\\Deleted \\Recent))\na OK NOOP completed.\n");
	client_ask(&other, "b EXPUNGE\r\n");
	/* RFC 3501 7.4.1: not in the answer to FETCH, STORE and SEARCH. */
	client_expect(c, "c FETCH 3 UID\r\n", "* 3 FETCH (UID 3)\nc OK Fetch completed.\n");
	client_expect(c, "d STORE 4 FLAGS.SILENT (\\Seen)\r\n", "d OK Store completed.\n");
	client_expect(c, "d SEARCH UID 3\r\n", "* SEARCH 3\nd OK Search completed.\n");
	client_expect_has(c, "d FETCH 2 BODY.PEEK[HEADER]\r\n", "d NO [EXPUNGEISSUED]");
	client_expect(c, "e NOOP\r\n", "* 2 EXPUNGE\ne OK NOOP completed.\n");
	client_expect(&other, "f NOOP\r\n", "* 3 FETCH (FLAGS (\\Seen))\nf OK NOOP completed.\n");
	/* A mailbox that goes away under a session. */
	client_ask(c, "g CREATE Gone\r\nh SELECT Gone\r\n");
	client_expect(&other, "h DELETE Gone\r\n", "h OK Delete completed.\n");
	client_send(c, "i NOOP\r\n");
	assert_string_equal(client_read_until(c, "never"),
			    "* BYE The selected mailbox was deleted.\n");
	client_disconnect(&other);
}

/* An administrator may do that at any time; the client need not know. */
static void index_deleted(struct imap_client *c)
{
	struct imap_client other;
	char selected[512];

	for (int i = 0; i < 3; i++)
		client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "r SELECT INBOX\r\n");
	client_ask(c, "r STORE 2 FLAGS (\\Seen work)\r\n");
	client_ask(c, "r CLOSE\r\n");
	snprintf(selected, sizeof(selected), "%s", client_ask(c, "s SELECT INBOX\r\n"));
	client_connect(&other, c->maildir);
	client_ask(&other, "s SELECT INBOX\r\n");
	client_delete_index(c);
	client_expect(c, "a NOOP\r\n", "a OK NOOP completed.\n");
	client_expect(c, "b FETCH 2 (UID FLAGS)\r\n",
		      "* 2 FETCH (UID 2 FLAGS (\\Seen work))\nb OK Fetch completed.\n");
	client_expect_has(&other, "a STORE 3 +FLAGS (\\Deleted)\r\n", "a OK");
	client_delete_index(c);
	client_expect(c, "c NOOP\r\n", "* 3 FETCH (FLAGS (\\Deleted))\nc OK NOOP completed.\n");
	client_delete_index(c);
	client_expect(&other, "b EXPUNGE\r\n", "* 3 EXPUNGE\nb OK Expunge completed.\n");
	client_delete_index(c);
	client_append(&other, "INBOX", "", MESSAGE);
	client_expect_has(c, "d NOOP\r\n", "* 3 EXPUNGE\n* 3 EXISTS\n");
	client_expect_has(c, "e FETCH 2 BODY[HEADER.FIELDS (SUBJECT)]\r\n", "Subject: ");
	client_delete_index(c);
	/* UIDVALIDITY is the same, and the flags. */
	assert_non_null(strstr(client_ask(c, "s SELECT INBOX\r\n"), "* 3 EXISTS\n"));
	assert_non_null(strstr(selected, "[UIDVALIDITY "));
	client_expect_has(c, "s EXAMINE INBOX\r\n",
			  strtok(strstr(selected, "[UIDVALIDITY "), "\n"));
	client_expect_has(c, "f UID FETCH 1:3 FLAGS\r\n", "* 2 FETCH (UID 2 FLAGS (\\Seen work))");
	client_disconnect(&other);
}

static void rename_inbox(struct imap_client *c)
{
	client_append(c, "INBOX", "", MESSAGE);
	client_ask(c, "s SELECT INBOX\r\n");
	client_expect(c, "a RENAME inbox Old\r\n", "* 1 EXPUNGE\na OK Rename completed.\n");
	client_expect_has(c, "b STATUS Old (MESSAGES)\r\n", "(MESSAGES 1)");
	client_expect_has(c, "c STATUS INBOX (MESSAGES)\r\n", "(MESSAGES 0)");
	client_expect_has(c, "d RENAME Old INBOX\r\n", "d NO [ALREADYEXISTS]");
	client_expect_has(c, "e RENAME Old {2+}\r\n*a\r\n", "e NO");
	client_expect_has(c, "f RENAME INBOX\r\n", "f BAD");
}

static void shut_down(struct imap_client *c)
{
	struct imap_client other;

	client_connect(&other, c->maildir);
	client_ask(&other, "s SELECT INBOX\r\n");
	client_send(&other, "i IDLE\r\n");
	client_read_until(&other, "+ idling");
	stream_finish_first(c->io, true);
	stream_finish_first(other.io, true);
	task_shut_down();
	assert_string_equal(client_read_until(c, "never"), "* BYE Server shutting down.\n");
	assert_string_equal(client_read_until(&other, "never"), "* BYE Server shutting down.\n");
	client_disconnect(&other);
}

#define TEST(name)                                                                                 \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		client_run(name);                                                                  \
	}
TEST(simple_commands)
TEST(too_many_bad_commands)
TEST(folders)
TEST(subscriptions)
TEST(select_and_status)
TEST(store_and_expunge)
TEST(sets_that_are_odd)
TEST(copy_and_move)
TEST(append)
TEST(append_at_the_epoch)
TEST(messages_that_are_not_there)
TEST(idle_tells_of_other_connections)
TEST(idle_tells_of_other_processes)
TEST(odd_blanks)
TEST(long_id)
TEST(keyword_of_another_connection)
TEST(append_without_limit)
TEST(literals)
TEST(idle)
TEST(idle_and_gone)
TEST(two_connections)
TEST(index_deleted)
TEST(rename_inbox)
TEST(shut_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simple_commands),
		cmocka_unit_test(test_too_many_bad_commands),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_subscriptions),
		cmocka_unit_test(test_select_and_status),
		cmocka_unit_test(test_store_and_expunge),
		cmocka_unit_test(test_sets_that_are_odd),
		cmocka_unit_test(test_copy_and_move),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_append_at_the_epoch),
		cmocka_unit_test(test_messages_that_are_not_there),
		cmocka_unit_test(test_idle_tells_of_other_connections),
		cmocka_unit_test(test_idle_tells_of_other_processes),
		cmocka_unit_test(test_odd_blanks),
		cmocka_unit_test(test_long_id),
		cmocka_unit_test(test_keyword_of_another_connection),
		cmocka_unit_test(test_append_without_limit),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_idle_and_gone),
		cmocka_unit_test(test_two_connections),
		cmocka_unit_test(test_index_deleted),
		cmocka_unit_test(test_rename_inbox),
		cmocka_unit_test(test_shut_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
