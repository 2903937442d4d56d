/* Reports that are written and read again, and what is no report. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "report/aggregate.h"

static void write_report(struct str *xml, enum aggregate_schema schema)
{
	const struct aggregate_head head = {
		.organization = VIEW("Two & <Sons>"),
		.email = VIEW("dmarc@two.test"),
		.id = VIEW("1.a@two.test"),
		.begin = 1700000000,
		.end = 1700086399,
		.domain = VIEW("one.test"),
		.record = VIEW("v=DMARC1; p=reject; np=quarantine; adkim=s; t=y; pct=50; fo=1"),
		.left_out = 3,
	};
	const struct aggregate_seen seen = {
		.source = VIEW("2001:db8::1"),
		.header_from = VIEW("one.test"),
		.envelope_from = VIEW(""),
		.disposition = DMARC_P_REJECT,
		.reason = VIEW("policy_test_mode"),
		.results = VIEW("spf\thelo\tclient.test\tnone\ndkim\tone.test\ts<1>\tfail\n"),
		.count = 7,
	};
	const struct aggregate_seen passed = {
		.source = VIEW("192.0.2.1"),
		.header_from = VIEW("one.test"),
		.envelope_from = VIEW("one.test"),
		.disposition = DMARC_P_NONE,
		.spf_aligned = true,
		.results = VIEW("spf\tmfrom\tone.test\tpass\n"),
		.count = 1,
	};
	struct aggregate_seen stopped = passed;

	/* Proven, and refused all the same. */
	stopped.disposition = DMARC_P_REJECT;
	stopped.reason = VIEW("local_policy");
	aggregate_write_head(xml, schema, &head);
	aggregate_write_row(xml, schema, &seen);
	aggregate_write_row(xml, schema, &passed);
	aggregate_write_row(xml, schema, &stopped);
	aggregate_write_end(xml);
}

static void has(const struct str *xml, const char *text)
{
	if (view_find(str_view(xml), view_of(text)) == VIEW_NOT_FOUND)
		fail_msg("no %s in\n%s", text, str_cstr(xml));
}

static void has_not(const struct str *xml, const char *text)
{
	if (view_find(str_view(xml), view_of(text)) != VIEW_NOT_FOUND)
		fail_msg("%s in\n%s", text, str_cstr(xml));
}

static void test_written(void **state)
{
	_cleanup_(str_free) struct str old = STR_EMPTY, new = STR_EMPTY;

	write_report(&old, AGGREGATE_RFC7489);
	has(&old, "<org_name>Two &amp; &lt;Sons&gt;</org_name>");
	has(&old, "<adkim>s</adkim>\n<aspf>r</aspf>\n<p>reject</p>\n<sp>reject</sp>\n<pct>50</"
		  "pct>\n<fo>1</fo>");
	has(&old, "<source_ip>2001:db8:0:0:0:0:0:1</source_ip>");
	has(&old, "<type>other</type>\n<comment>policy_test_mode</comment>");
	has(&old, "<scope>helo</scope>");
	has(&old, "<selector>s&lt;1&gt;</selector>");
	has(&old, "<error>3 more rows are left out</error>");
	has_not(&old, "<np>");
	write_report(&new, AGGREGATE_RFC9990);
	has(&new, "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">");
	has(&new, "<p>reject</p>\n<np>quarantine</np>\n<testing>y</"
		  "testing>\n<discovery_method>treewalk</discovery_method>");
	has(&new, "<source_ip>2001:db8::1</source_ip>");
	has(&new, "<type>policy_test_mode</type>");
	has(&new, "<disposition>pass</disposition>");
	has(&new, "<scope>mfrom</scope>");
	has_not(&new, "<pct>");
	has_not(&new, "<scope>helo");
	(void)state;
}

static void read_back(enum aggregate_schema schema)
{
	_cleanup_(aggregate_report_free) struct aggregate_report report;
	_cleanup_(str_free) struct str xml = STR_EMPTY;
	struct error err = ERROR_NONE;

	write_report(&xml, schema);
	if (aggregate_read(str_view(&xml), &report, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(str_cstr(&report.organization), "Two & <Sons>");
	assert_string_equal(str_cstr(&report.id), "1.a@two.test");
	assert_string_equal(str_cstr(&report.domain), "one.test");
	assert_string_equal(str_cstr(&report.p), "reject");
	assert_int_equal(report.begin, 1700000000);
	assert_int_equal(report.end, 1700086399);
	assert_int_equal(report.count, 3);
	assert_int_equal(report.rows[0].count, 7);
	assert_string_equal(str_cstr(&report.rows[0].dkim), "fail");
	assert_string_equal(str_cstr(&report.rows[0].envelope_from), "");
	assert_string_equal(str_cstr(&report.rows[1].spf), "pass");
	assert_string_equal(str_cstr(&report.rows[2].disposition), "reject");
	assert_string_equal(str_cstr(&report.rows[1].results), "spf\tmfrom\tone.test\tpass\n");
	assert_memory_equal(str_cstr(&report.rows[0].results), "dkim\tone.test\ts<1>\tfail\n", 24);
}

static void test_read_back(void **state)
{
	read_back(AGGREGATE_RFC7489);
	read_back(AGGREGATE_RFC9990);
	(void)state;
}

/* ---- what is no report ---- */

#define HEAD                                                                                       \
	"<feedback><report_metadata><report_id>1</report_id></report_metadata><policy_published>"  \
	"<domain>d.test</domain></policy_published>"

static void refused(struct view xml, int expected, const char *why)
{
	_cleanup_(aggregate_report_free) struct aggregate_report report;
	struct error err = ERROR_NONE;

	assert_int_equal(aggregate_read(xml, &report, &err), expected);
	if (strstr(err.text, why) == NULL)
		fail_msg("%s is not: %s", err.text, why);
}

static void test_hostile(void **state)
{
	_cleanup_(str_free) struct str deep = STR_EMPTY, many = STR_EMPTY;

	refused(VIEW(""), -EBADMSG, "");
	refused(VIEW("<feedback>"), -EBADMSG, "");
	refused(VIEW("<html></html>"), -EBADMSG, "no DMARC report");
	refused(VIEW("<feedback></feedback>"), -EBADMSG, "about which domain");
	refused(VIEW(HEAD "<record><row><count>-1</count></row></record></feedback>"), -EBADMSG,
		"a number");
	refused(VIEW(HEAD "<record><row><count>99999999999999999999</count></row></record>"
			  "</feedback>"),
		-EBADMSG, "a number");
	/* Entities: of files, and such that grow. */
	refused(VIEW("<?xml version=\"1.0\"?><!DOCTYPE feedback [<!ENTITY x SYSTEM "
		     "\"file:///etc/passwd\">]>" HEAD "<record>&x;</record></feedback>"),
		-EBADMSG, "document type");
	refused(VIEW("<!DOCTYPE f [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>" HEAD
		     "</feedback>"),
		-EBADMSG, "document type");
	refused(VIEW(HEAD "&x;</feedback>"), -EBADMSG, "undefined entity");
	str_append_cstr(&deep, HEAD);
	for (int i = 0; i < 100000; i++)
		str_append_cstr(&deep, "<a>");
	refused(str_view(&deep), -EBADMSG, "too deep");
	str_append_cstr(&many, HEAD);
	for (int i = 0; i < AGGREGATE_ROWS_MAX + 1; i++)
		str_append_cstr(&many, "<record/>");
	refused(str_view(&many), -EFBIG, "too many rows");
	(void)state;
}

/* Long texts are cut off, control characters do not come through. */
static void test_bounded(void **state)
{
	_cleanup_(aggregate_report_free) struct aggregate_report report;
	_cleanup_(str_free) struct str xml = STR_EMPTY;
	struct error err = ERROR_NONE;

	str_append_cstr(&xml, HEAD "<record><row><source_ip>a\tb\nc</source_ip></row><identifiers>"
				   "<header_from>");
	for (int i = 0; i < 5000; i++)
		str_append_cstr(&xml, "x&amp;");
	str_append_cstr(&xml, "</header_from></identifiers><auth_results>");
	for (int i = 0; i < 5000; i++)
		str_append_cstr(&xml, "<dkim><domain>d.test</domain></dkim>");
	str_append_cstr(&xml, "</auth_results></record></feedback>");
	assert_int_equal(aggregate_read(str_view(&xml), &report, &err), 0);
	assert_string_equal(str_cstr(&report.rows[0].source), "a?b?c");
	assert_int_equal(report.rows[0].header_from.len, AGGREGATE_TEXT_MAX);
	assert_true(report.rows[0].results.len <= AGGREGATE_RESULTS_MAX);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
