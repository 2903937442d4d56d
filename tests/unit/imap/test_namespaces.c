/* Names of folders as a site had them before: imap_namespace_prefix and imap_namespace_separator (RFC 2342, 3501 6.3.8). */
#include "client.h"

#include <errno.h>

#include "conf/conf.h"

#define MESSAGE "From: a@example.test\nSubject: x\n\nx\n"

static void set_namespace(const char *prefix, const char *separator)
{
	struct error err = ERROR_NONE;

	param.imap_namespace_prefix = prefix;
	param.imap_namespace_separator = separator;
	if (imap_namespace_prepare(&err) < 0)
		fail_msg("%s", err.text);
}

static void slashes(struct imap_client *c)
{
	set_namespace("", "/");
	client_expect(c, "a NAMESPACE\r\n",
		      "* NAMESPACE ((\"\" \"/\")) NIL NIL\na OK Namespace completed.\n");
	client_expect_has(c, "b LIST \"\" \"\"\r\n", "* LIST (\\Noselect) \"/\" \"\"");
	client_expect_has(c, "c CREATE Lists/posta/\r\n", "c OK");
	client_expect_has(c, "d CREATE inbox/work\r\n", "d OK");
	client_expect_has(c, "e CREATE v1.2\r\n", "e NO [CANNOT] A name cannot have");
	client_expect_has(c, "f STATUS Lists.posta (MESSAGES)\r\n", "f NO [CANNOT]");
	client_append(c, "Lists/posta", "", MESSAGE);
	client_expect(c, "g LIST \"\" *\r\n",
		      "* LIST (\\HasChildren) \"/\" \"INBOX\"\n"
		      "* LIST (\\HasNoChildren) \"/\" \"INBOX/work\"\n"
		      "* LIST (\\Noselect \\HasChildren) \"/\" \"Lists\"\n"
		      "* LIST (\\HasNoChildren) \"/\" \"Lists/posta\"\ng OK LIST completed.\n");
	client_expect(c, "h LIST \"\" %\r\n",
		      "* LIST (\\HasChildren) \"/\" \"INBOX\"\n"
		      "* LIST (\\Noselect \\HasChildren) \"/\" \"Lists\"\nh OK LIST completed.\n");
	client_expect(c, "i LIST Lists/ %\r\n",
		      "* LIST (\\HasNoChildren) \"/\" \"Lists/posta\"\ni OK LIST completed.\n");
	client_expect(c, "j LIST \"\" Lists.%\r\n", "j OK LIST completed.\n");
	client_expect(c, "k STATUS Lists/posta (MESSAGES)\r\n",
		      "* STATUS \"Lists/posta\" (MESSAGES 1)\nk OK Status completed.\n");
	client_ask(c, "l SUBSCRIBE Lists/posta\r\n");
	client_expect(c, "m LSUB \"\" %\r\n",
		      "* LSUB (\\Noselect \\HasChildren) \"/\" \"Lists\"\nm OK LSUB completed.\n");
	client_expect_has(c, "n RENAME Lists/posta Lists/users/posta\r\n", "n OK");
	client_expect_has(c, "o SELECT Lists/users/posta\r\n", "* 1 EXISTS");
	client_expect_has(c, "p COPY 1 INBOX/nowhere\r\n", "p NO [TRYCREATE]");
	client_expect_has(c, "q COPY 1 INBOX/work\r\n", "q OK [COPYUID");
	client_ask(c, "r ENABLE IMAP4rev2\r\n");
	client_expect_has(c, "s SELECT INBOX/work\r\n", "* LIST () \"/\" \"INBOX/work\"");
}

/* As Courier and Cyrus have it. */
static void below_inbox(struct imap_client *c)
{
	set_namespace("INBOX.", ".");
	client_expect(c, "a NAMESPACE\r\n",
		      "* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\na OK Namespace completed.\n");
	client_expect(c, "b LIST \"\" *\r\n",
		      "* LIST (\\HasNoChildren) \".\" \"INBOX\"\nb OK LIST completed.\n");
	client_expect_has(c, "c CREATE INBOX.Sent\r\n", "c OK");
	client_expect_has(c, "d CREATE inbox.Lists.posta\r\n", "d OK");
	client_expect_has(c, "e CREATE Drafts\r\n", "e NO [CANNOT] Folders have names that begin");
	client_expect_has(c, "f CREATE INBOX.inbox\r\n", "f NO [CANNOT]");
	client_expect(
		c, "g LIST \"\" *\r\n",
		"* LIST (\\HasChildren) \".\" \"INBOX\"\n"
		"* LIST (\\Noselect \\HasChildren) \".\" \"INBOX.Lists\"\n"
		"* LIST (\\HasNoChildren) \".\" \"INBOX.Lists.posta\"\n"
		"* LIST (\\HasNoChildren \\Sent) \".\" \"INBOX.Sent\"\ng OK LIST completed.\n");
	client_expect(c, "h LIST \"\" %\r\n",
		      "* LIST (\\HasChildren) \".\" \"INBOX\"\nh OK LIST completed.\n");
	client_expect(
		c, "i LIST inbox. %\r\n",
		"* LIST (\\Noselect \\HasChildren) \".\" \"INBOX.Lists\"\n"
		"* LIST (\\HasNoChildren \\Sent) \".\" \"INBOX.Sent\"\ni OK LIST completed.\n");
	client_ask(c, "j SUBSCRIBE INBOX.Lists.posta\r\n");
	client_expect(c, "k LSUB \"\" %\r\n",
		      "* LSUB (\\Noselect \\HasChildren) \".\" \"INBOX\"\nk OK LSUB completed.\n");
	client_expect(
		c, "l LSUB \"\" *\r\n",
		"* LSUB (\\HasNoChildren) \".\" \"INBOX.Lists.posta\"\nl OK LSUB completed.\n");
	client_expect_has(c, "m LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %\r\n",
			  "\"INBOX\" (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	client_expect_has(c, "n SELECT INBOX\r\n", "n OK");
	client_append(c, "INBOX", "", MESSAGE);
	client_expect_has(c, "o STATUS INBOX (MESSAGES)\r\n", "MESSAGES 1");
	client_expect_has(c, "p MOVE 1 INBOX.Sent\r\n", "* OK [COPYUID");
	client_expect(c, "q STATUS INBOX.Sent (MESSAGES)\r\n",
		      "* STATUS \"INBOX.Sent\" (MESSAGES 1)\nq OK Status completed.\n");
}

static void a_top_of_its_own(struct imap_client *c)
{
	set_namespace("Mail/", "/");
	client_expect_has(c, "a CREATE Mail/a/b\r\n", "a OK");
	client_expect(c, "b LIST \"\" %\r\n",
		      "* LIST (\\Noselect \\HasChildren) \"/\" \"Mail\"\n"
		      "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\nb OK LIST completed.\n");
	client_expect(c, "c LIST \"\" Mail/%\r\n",
		      "* LIST (\\Noselect \\HasChildren) \"/\" \"Mail/a\"\nc OK LIST completed.\n");
	client_expect_has(c, "d SELECT Mail\r\n", "d NO");
	client_expect_has(c, "e SELECT mail/a/b\r\n", "e NO");
	client_expect_has(c, "f SELECT Mail/a/b\r\n", "f OK");
	client_ask(c, "g SUBSCRIBE Mail/a/b\r\n");
	client_expect(c, "h LSUB \"\" %\r\n",
		      "* LSUB (\\Noselect \\HasChildren) \"/\" \"Mail\"\nh OK LSUB completed.\n");
	client_ask(c, "i ENABLE UTF8=ACCEPT\r\n");
	client_expect_has(c, "j CREATE \"Mail/Entw\u00fcrfe\"\r\n", "j OK");
	client_expect_has(c, "k LIST \"\" Mail/E*\r\n", "\"Mail/Entw\u00fcrfe\"");
}

static void test_impossible_prefixes(void **state)
{
	static const char *const prefixes[] = {
		"Mail", ".", "a..", "a*.", "../.", "a/b.", "&AOQ-."
	};

	(void)state;
	param.imap_namespace_separator = ".";
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		struct error err = ERROR_NONE;

		param.imap_namespace_prefix = prefixes[i];
		assert_int_equal(imap_namespace_prepare(&err), -EINVAL);
		assert_non_null(strstr(err.text, "imap_namespace_prefix"));
	}
}

#define TEST(name)                                                                                 \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		client_run_both(name);                                                             \
	}
TEST(slashes)
TEST(below_inbox)
TEST(a_top_of_its_own)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slashes),
		cmocka_unit_test(test_below_inbox),
		cmocka_unit_test(test_a_top_of_its_own),
		cmocka_unit_test(test_impossible_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
