/* Scripts that look into the parts of a message (RFC 5703). */
#include "script.h"

#include "base/mem.h"

/* Parts within parts: two texts of one, a message, a file. */
static const char message_m[] = "From: a@outer.test\r\n"
				"Subject: outer\r\n"
				"MIME-Version: 1.0\r\n"
				"Content-Type: multipart/mixed; boundary=one\r\n"
				"\r\n"
				"--one\r\n"
				"Content-Type: multipart/alternative; boundary=two\r\n"
				"\r\n"
				"--two\r\n"
				"Content-Type: text/plain; charset=iso-8859-1\r\n"
				"Content-Transfer-Encoding: quoted-printable\r\n"
				"\r\n"
				"gr=FC=DFe aus K=F6ln\r\n"
				"--two\r\n"
				"Content-Type: TEXT/html\r\n"
				"\r\n"
				"<p>x\x80</p>\r\n"
				"--two--\r\n"
				"--one\r\n"
				"Content-Type: message/rfc822\r\n"
				"\r\n"
				"From: b@inner.test\r\n"
				"Subject: inner\r\n"
				"\r\n"
				"inner text\r\n"
				"--one\r\n"
				"Content-Type: application/zip\r\n"
				"Content-Disposition: attachment; filename=\"evil.exe.zip\"\r\n"
				"X-Part: 1\r\n"
				"\r\n"
				"PK\r\n"
				"--one--\r\n";

/* RFC 5703. */
static void parts(void **unused)
{
#define ALL "\"foreverypart\",\"mime\",\"variables\",\"fileinto\",\"extracttext\""
	(void)unused;
	check(ALL,
	      "foreverypart { if header :mime :contenttype :matches \"Content-Type\" \"*\" "
	      "{ set \"t\" \"${t} ${1}\"; } } fileinto \"${t}\";",
	      message_m,
	      "fileinto  multipart/mixed multipart/alternative text/plain text/html message/rfc822 "
	      "application/zip");
	/* A message without parts is one part. */
	check(ALL,
	      "foreverypart { set \"t\" \"${t}x\"; extracttext :first 4 \"b\"; } fileinto "
	      "\"${t}${b}\";",
	      message_a, "fileinto xLook");
	/* Within a part, those within it. */
	check(ALL,
	      "foreverypart { if header :mime :subtype \"Content-Type\" \"alternative\" { "
	      "foreverypart { "
	      "if header :mime :subtype :matches \"Content-Type\" \"*\" { set \"t\" \"${t} ${1}\"; "
	      "} } } } "
	      "fileinto \"${t}\";",
	      message_m, "fileinto  plain html");
	check(ALL,
	      "foreverypart :name \"a\" { set \"n\" \"${n}a\"; foreverypart { set \"n\" \"${n}b\"; "
	      "if header :mime :type \"Content-Type\" \"text\" { break :name \"a\"; } break; } } "
	      "fileinto \"${n}\";",
	      message_m, "fileinto abab");
	check(ALL, "foreverypart { foreverypart { stop; } } discard;", message_m, "keep");
	/* Without :mime it is the message's field, in a loop too. */
	check(ALL,
	      "foreverypart { if header :mime \"Subject\" \"inner\" { if header \"Subject\" "
	      "\"outer\" "
	      "{ set \"t\" \"both\"; } } } fileinto \"x${t}\";",
	      message_m, "fileinto xboth");
	check_test(ALL, "header :mime \"X-Part\" \"1\"", message_m, false);
	check_test(ALL, "header :mime :anychild \"X-Part\" \"1\"", message_m, true);
	check_test(ALL, "exists :mime :anychild [\"X-Part\", \"From\"]", message_m, true);
	check_test(ALL, "exists :mime [\"X-Part\", \"From\"]", message_m, false);
	check_test(ALL, "address :mime :anychild :domain \"From\" \"inner.test\"", message_m, true);
	check_test(ALL, "address :domain \"From\" \"inner.test\"", message_m, false);
	check_test(ALL,
		   "header :mime :anychild :param [\"name\", \"filename\"] :matches "
		   "\"Content-Disposition\" \"*.exe.*\"",
		   message_m, true);
	check_test(ALL, "header :mime :anychild :type \"Content-Disposition\" \"attachment\"",
		   message_m, true);
	check_test(ALL, "header :mime :type \"Content-Type\" \"text\"", message_m, false);
	check_test(ALL, "header :mime :type :matches \"Empty\" \"*\"", message_c, false);
	check_test("\"mime\",\"relational\",\"comparator-i;ascii-numeric\"",
		   "header :mime :anychild :type :count \"eq\" :comparator \"i;ascii-numeric\" "
		   "\"Content-Type\" \"6\"",
		   message_m, true);
	check(ALL,
	      "foreverypart { if header :mime :type \"Content-Type\" \"text\" "
	      "{ extracttext :upperfirst :first 9 \"b\"; set \"t\" \"${t}|${b}\"; } } fileinto "
	      "\"${t}\";",
	      message_m,
	      "fileinto |Gr\xc3\xbc\xc3\x9f"
	      "e aus|<p>x?</p>");
	check(ALL,
	      "foreverypart { extracttext \"b\"; if header :mime :type \"Content-Type\" "
	      "\"application\" "
	      "{ break; } } fileinto \"x${b}\";",
	      message_m, "fileinto x");
	/* What a script has added meanwhile is in the message's own header. */
	check("\"foreverypart\",\"mime\",\"editheader\",\"fileinto\",\"variables\"",
	      "foreverypart { addheader \"X-N\" \"1\"; if header :mime \"X-N\" \"1\" { set \"t\" "
	      "\"${t}y\"; } "
	      "else { set \"t\" \"${t}n\"; } } fileinto \"${t}\";",
	      message_m, "fileinto ynnnnnn");
	check("\"foreverypart\",\"mime\",\"editheader\",\"fileinto\",\"variables\"",
	      "addheader \"X-N\" \"1\"; foreverypart { addheader \"X-M\" \"1\"; "
	      "if header :mime :subtype :matches \"Content-Type\" \"*\" { set \"t\" \"${t} ${1}\"; "
	      "} } "
	      "fileinto \"${t}\";",
	      message_m, "fileinto  mixed alternative plain html rfc822 zip");
	/* A script within another has its own loops. */
	check("\"foreverypart\",\"include\",\"fileinto\"",
	      "foreverypart { include \"parts\"; } fileinto \"y\";", message_m,
	      "fileinto 7x; fileinto y");
	check("\"foreverypart\"", "foreverypart { foreverypart { discard; } }", message_a, "keep");
#undef ALL
}

/* Loops within loops, over as many parts as a message may have: the steps count. */
static void many_parts(void **unused)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, loops = STR_EMPTY;

	(void)unused;
	str_append_cstr(&text, "Content-Type: multipart/mixed; boundary=x\r\n\r\n");
	for (int i = 0; i < 500; i++)
		str_append_cstr(&text,
				"--x\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n\r\nc\r\n");
	str_append_cstr(&text, "--x--\r\n");
	for (int i = 0; i < 20; i++)
		str_append_cstr(&loops, "foreverypart {");
	str_append_cstr(&loops, "if exists :mime :anychild \"none\" { discard; }");
	for (int i = 0; i < 20; i++)
		str_append_cstr(&loops, "}");
	check("\"foreverypart\",\"mime\"", str_cstr(&loops), str_cstr(&text), "keep");
	str_clear(&loops);
	str_append_cstr(&loops,
			"foreverypart { if exists :mime :anychild \"none\" { discard; } "
			"if header :mime :anychild \"none\" \"x\" { discard; } "
			"foreverypart { if exists :mime :anychild [\"a\",\"b\"] { discard; } } }");
	check("\"foreverypart\",\"mime\"", str_cstr(&loops), str_cstr(&text), "keep");
	str_clear(&loops);
	for (int i = 0; i < 300; i++)
		str_append_cstr(&loops, "if exists :mime :anychild \"none\" { discard; }");
	check("\"mime\"", str_cstr(&loops), str_cstr(&text),
	      "line 2: more than 200000 steps: keep");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts),
		cmocka_unit_test(many_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
