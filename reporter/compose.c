/*
 * A report as a mail: a few words for people, and the XML, compressed, under the name that programs expect
 * (RFC 7489 section 7.2.1.1).
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/mem.h"
#include "base/random.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/date.h"
#include "report/compress.h"
#include "reporter.h"

#define LINE_OF_BASE64 76

static enum aggregate_schema schema_in_use(void)
{
	return strcmp(param.dmarc_report_schema, "rfc9990") == 0 ? AGGREGATE_RFC9990
								 : AGGREGATE_RFC7489;
}

struct row_writer {
	struct gzip_writer *gzip;
	struct str text;
};

static void row_writer_flush(struct row_writer *writer)
{
	gzip_writer_put(writer->gzip, str_view(&writer->text));
	str_clear(&writer->text);
}

static void row_write(void *argument, const struct aggregate_seen *seen)
{
	struct row_writer *writer = argument;

	aggregate_write_row(&writer->text, schema_in_use(), seen);
	row_writer_flush(writer);
}

/* The domain that reports: of the address that they come from. */
static struct view reporting_domain(void)
{
	struct view local, domain;

	address_split(view_of(param.dmarc_report_from), &local, &domain);
	return domain.len > 0 ? domain : view_of(param.mydomain);
}

static int write_attachment(const struct ledger_due *due, struct composed *composed)
{
	const struct aggregate_head head = {
		.organization = view_of(param.dmarc_report_organization),
		.email = view_of(param.dmarc_report_from),
		.id = str_view(&composed->id),
		.begin = due->begin,
		.end = due->end,
		.domain = str_view(&due->owner),
		.record = str_view(&due->record),
		.left_out = due->left_out,
	};
	struct row_writer writer = { .gzip = gzip_writer_new() };
	int r;

	aggregate_write_head(&writer.text, schema_in_use(), &head);
	row_writer_flush(&writer);
	r = ledger_rows(due, row_write, &writer);
	aggregate_write_end(&writer.text);
	row_writer_flush(&writer);
	gzip_writer_end(writer.gzip, &composed->attachment);
	str_free(&writer.text);
	return r;
}

int report_compose(const struct ledger_due *due, struct composed *composed)
{
	struct view reporter = reporting_domain(), owner = str_view(&due->owner);
	char unique[17];

	*composed = (struct composed){ .id = STR_EMPTY };
	snprintf(unique, sizeof(unique), "%016llx", (unsigned long long)random_u64());
	str_printf(&composed->id, "%lld.%s@%.*s", (long long)due->begin, unique,
		   VIEW_ARG(reporter));
	str_printf(&composed->head,
		   "Subject: Report Domain: %.*s\r\n Submitter: %.*s\r\n Report-ID: <%s>\r\n"
		   "From: %s\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nDate: ",
		   VIEW_ARG(owner), VIEW_ARG(reporter), str_cstr(&composed->id),
		   param.dmarc_report_from);
	date_append_rfc5322(&composed->head, clock_wall());
	str_printf(&composed->head,
		   "\r\nContent-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n"
		   "--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
		   "This is a DMARC aggregate report about mail in the name of\r\n"
		   "%.*s\r\nthat came to %.*s.\r\n\r\n"
		   "--%s\r\nContent-Type: application/gzip\r\n"
		   "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n"
		   " filename=\"%.*s!%.*s!%lld!%lld!%s.xml.gz\"\r\n\r\n",
		   unique, unique, VIEW_ARG(owner), VIEW_ARG(reporter), unique, VIEW_ARG(reporter),
		   VIEW_ARG(owner), (long long)due->begin, (long long)due->end, unique);
	str_printf(&composed->tail, "--%s--\r\n", unique);
	return write_attachment(due, composed);
}

void report_write_mail(const struct composed *composed, struct view to, struct str *out)
{
	_cleanup_(str_free) struct str encoded = STR_EMPTY;
	struct view rest;

	str_append_cstr(out, "To: ");
	str_append(out, to);
	str_append_cstr(out, "\r\n");
	str_append(out, str_view(&composed->head));
	base64_encode(&encoded, str_view(&composed->attachment));
	for (rest = str_view(&encoded); rest.len > 0; rest = view_from(rest, LINE_OF_BASE64)) {
		str_append(out, view_first(rest, LINE_OF_BASE64));
		str_append_cstr(out, "\r\n");
	}
	str_append(out, str_view(&composed->tail));
}

void composed_free(struct composed *composed)
{
	str_free(&composed->id);
	str_free(&composed->head);
	str_free(&composed->tail);
	str_free(&composed->attachment);
}
