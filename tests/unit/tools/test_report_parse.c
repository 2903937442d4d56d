/* Reports that are read in a process of its own: mail that is kept packed, and a process that does not come to an end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "tools/report.h"

#define LONG_TIME ((msec_t)600 * 1000)

static const char mail[] = "From: d@other.test\r\nContent-Type: application/xml\r\n\r\n"
			   "<?xml version='1.0'?><feedback><report_metadata>"
			   "<org_name>other.test</org_name><email>d@other.test</email>"
			   "<report_id>r1</report_id><date_range><begin>1795000000</begin>"
			   "<end>1795086399</end></date_range></report_metadata>"
			   "<policy_published><domain>two.test</domain><p>none</p>"
			   "</policy_published><record><row><source_ip>192.0.2.1</source_ip>"
			   "<count>7</count><policy_evaluated><disposition>none</disposition>"
			   "<dkim>pass</dkim><spf>pass</spf></policy_evaluated></row>"
			   "<identifiers><header_from>two.test</header_from></identifiers>"
			   "</record></feedback>\r\n";

/* What becomes of the process that reads: it inherits it. */
static enum { READS, HANGS, CLOSES_AND_HANGS } fate;

int __real_report_mail_read(struct view bytes, const struct report_reader *reader,
			    struct error *err);
int __wrap_report_mail_read(struct view bytes, const struct report_reader *reader,
			    struct error *err);

int __wrap_report_mail_read(struct view bytes, const struct report_reader *reader,
			    struct error *err)
{
	volatile bool for_ever = fate != READS;

	if (fate == CLOSES_AND_HANGS)
		for (int fd = 0; fd < 64; fd++)
			(void)close(fd);
	while (for_ever)
		;
	return __real_report_mail_read(bytes, reader, err);
}

static int aggregate_count(void *argument, const struct aggregate_report *report)
{
	uint64_t *messages = argument;

	assert_int_equal(report->count, 1);
	assert_string_equal(str_cstr(&report->rows[0].source), "192.0.2.1");
	*messages += report->rows[0].count;
	return 1;
}

static int feedback_none(void *argument, const struct feedback_report *report)
{
	(void)argument, (void)report;
	fail();
	return 0;
}

static int parse(struct view bytes, msec_t time, uint64_t *messages, struct error *err)
{
	const struct report_reader reader = { aggregate_count, feedback_none, messages,
					      VIEW("mx.two.test") };

	*messages = 0;
	param.report_owner = "nobody";
	return report_parse(bytes, &reader, time, err);
}

static size_t pack_zstd(char *packed, size_t size)
{
	size_t len = ZSTD_compress(packed, size, mail, sizeof(mail) - 1, 3);

	assert_false(ZSTD_isError(len));
	return len;
}

static size_t pack_gzip(char *packed, size_t size)
{
	z_stream z = { .next_in = (z_const Bytef *)(uintptr_t)mail,
		       .avail_in = sizeof(mail) - 1,
		       .next_out = (Bytef *)packed,
		       .avail_out = (uInt)size };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(deflateEnd(&z), Z_OK);
	return size - z.avail_out;
}

static void mail_that_is_kept_packed(void **unused)
{
	struct error err = ERROR_NONE;
	uint64_t messages;
	char packed[4096];
	size_t len;

	(void)unused;
	fate = READS;
	assert_int_equal(parse(view_of(mail), LONG_TIME, &messages, &err), 1);
	assert_int_equal(messages, 7);
	len = pack_gzip(packed, sizeof(packed));
	assert_int_equal(parse(view_make(packed, len), LONG_TIME, &messages, &err), 1);
	assert_int_equal(messages, 7);
	len = pack_zstd(packed, sizeof(packed));
	assert_int_equal(parse(view_make(packed, len), LONG_TIME, &messages, &err), 1);
	assert_int_equal(messages, 7);
	/* Half of it is no mail without a report. */
	assert_int_equal(parse(view_make(packed, len / 2), LONG_TIME, &messages, &err), -EBADMSG);
	assert_string_equal(err.text, "what it is packed in is damaged");
	assert_int_equal(messages, 0);
}

/* The largest mail of zeros is a few bytes. */
static void more_than_a_mail_is_packed(void **unused)
{
	size_t size = REPORT_MAIL_MAX + 1, room = ZSTD_compressBound(size), len;
	_cleanup_free_ char *zeros = mem_new_bytes(size), *packed = mem_new_bytes(room);
	struct error err = ERROR_NONE;
	uint64_t messages;

	(void)unused;
	fate = READS;
	memset(zeros, 0, size);
	len = ZSTD_compress(packed, room, zeros, size, 1);
	assert_false(ZSTD_isError(len));
	assert_int_equal(parse(view_make(packed, len), LONG_TIME, &messages, &err), -EBADMSG);
	assert_string_equal(err.text, "more than 67108864 bytes are packed in it");
}

static void a_process_that_does_not_end(void **unused)
{
	struct error err = ERROR_NONE;
	uint64_t messages;

	(void)unused;
	fate = HANGS;
	assert_int_equal(parse(view_of(mail), 100, &messages, &err), -EBADMSG);
	assert_string_equal(err.text, "it takes too long to be read");
	fate = CLOSES_AND_HANGS;
	assert_int_equal(parse(view_of(mail), LONG_TIME, &messages, &err), -EBADMSG);
	assert_string_equal(err.text, "the process that reads reports has died");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_that_is_kept_packed),
		cmocka_unit_test(more_than_a_mail_is_packed),
		cmocka_unit_test(a_process_that_does_not_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
