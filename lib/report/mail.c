/* Where in a mail reports are. What is no report in it is passed over; one that cannot be read is an error. */
#include <errno.h>

#include "base/mem.h"
#include "mail/mime.h"
#include "report/archive.h"
#include "report/feedback.h"
#include "sieve/words.h"

struct mail_reading {
	const struct report_reader *reader;
	struct view mail;
	struct mime_tree tree;
	struct error *err;
	int count;
	struct feedback_report feedback;
	bool has_feedback;
};

static struct view part_header(const struct mail_reading *reading, const struct mime_part *part)
{
	return view_make(reading->mail.data + part->header_start,
			 part->body_start - part->header_start);
}

static struct view part_body(const struct mail_reading *reading, const struct mime_part *part)
{
	return view_make(reading->mail.data + part->body_start, part->body_end - part->body_start);
}

/* "application/gzip", small letters; "text/plain" where nothing is said. */
static void part_type(struct view header, struct str *type)
{
	struct mime_value value = { .count = 0 };
	struct header_field field;

	if (header_find(header, "Content-Type", &field) &&
	    mime_value_parse(field.body, &value) == 0)
		str_printf(type, "%s/%s", str_cstr(&value.type), str_cstr(&value.subtype));
	else
		str_append_cstr(type, "text/plain");
	mime_value_free(&value);
}

/* ---- DMARC ---- */

static int aggregate_take(void *argument, struct view xml)
{
	struct mail_reading *reading = argument;
	struct aggregate_report report;
	int r = aggregate_read(xml, &report, reading->err);

	if (r == 0)
		r = reading->reader->aggregate(reading->reader->argument, &report);
	aggregate_report_free(&report);
	reading->count += r == 0;
	return MIN(r, 0);
}

static bool type_is_packed(struct view type)
{
	static const char *const types[] = {
		"application/gzip",
		"application/x-gzip",
		"application/zip",
		"application/x-zip",
		"application/x-zip-compressed",
		"application/octet-stream",
		"text/xml",
		"application/xml",
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (view_is(type, types[i]))
			return true;
	return false;
}

/* By its first bytes: what is neither packed nor XML is somebody's picture or so. */
static bool bytes_are_report(struct view bytes)
{
	struct view text = view_trim(view_first(bytes, 256));

	if (view_starts(text, VIEW("\xef\xbb\xbf")))
		text = view_trim(view_from(text, 3));
	return view_starts(bytes, VIEW("\x1f\x8b")) || view_starts(bytes, VIEW("PK")) ||
	       view_starts(text, VIEW("<?xml")) || view_starts(text, VIEW("<!DOCTYPE")) ||
	       view_starts(text, VIEW("<feedback"));
}

static int part_unpack(struct mail_reading *reading, const struct mime_part *part)
{
	_cleanup_(str_free) struct str bytes = STR_EMPTY;

	sieve_decode_body(part_header(reading, part), part_body(reading, part), &bytes);
	if (!bytes_are_report(str_view(&bytes)))
		return 0;
	return archive_read(str_view(&bytes), aggregate_take, reading, reading->err);
}

/* ---- ARF ---- */

static void feedback_begin(struct mail_reading *reading, const struct mime_part *part)
{
	_cleanup_(str_free) struct str fields = STR_EMPTY;

	if (reading->has_feedback)
		return;
	sieve_decode_body(part_header(reading, part), part_body(reading, part), &fields);
	/* Its fields end with the part. */
	str_append_cstr(&fields, "\r\n\r\n");
	reading->has_feedback = feedback_read(str_view(&fields), &reading->feedback);
	if (!reading->has_feedback)
		feedback_free(&reading->feedback);
}

static void feedback_message(struct mail_reading *reading, const struct mime_part *part)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (!reading->has_feedback)
		return;
	sieve_decode_body(part_header(reading, part), part_body(reading, part), &text);
	str_append_cstr(&text, "\r\n\r\n");
	feedback_read_message(str_view(&text), reading->reader->host, &reading->feedback);
}

static int feedback_end(struct mail_reading *reading)
{
	int r = 0;

	if (!reading->has_feedback)
		return 0;
	r = reading->reader->feedback(reading->reader->argument, &reading->feedback);
	feedback_free(&reading->feedback);
	reading->count += r == 0;
	return MIN(r, 0);
}

/* ---- a mail ---- */

/* Parts of a message that is enclosed are not ours: it may have reports of its own. */
static bool part_is_enclosed(const struct mail_reading *reading, const struct mime_part *part)
{
	for (int p = part->parent; p >= 0; p = reading->tree.parts[p].parent)
		if (reading->tree.parts[p].is_message)
			return true;
	return false;
}

static int part_read(struct mail_reading *reading, const struct mime_part *part)
{
	_cleanup_(str_free) struct str type = STR_EMPTY;
	struct view word;

	if (part->is_multipart || part_is_enclosed(reading, part))
		return 0;
	part_type(part_header(reading, part), &type);
	word = str_view(&type);
	if (view_is(word, "message/feedback-report"))
		feedback_begin(reading, part);
	else if (view_is(word, "message/rfc822") || view_is(word, "text/rfc822-headers") ||
		 view_is(word, "message/rfc822-headers"))
		feedback_message(reading, part);
	else if (type_is_packed(word))
		return part_unpack(reading, part);
	return 0;
}

int report_mail_read(struct view mail, const struct report_reader *reader, struct error *err)
{
	struct mail_reading reading = { .reader = reader, .mail = mail, .err = err };
	int r = 0;

	if (bytes_are_report(mail)) {
		r = archive_read(mail, aggregate_take, &reading, err);
		return r < 0 ? r : reading.count;
	}
	mime_tree_parse(mail, &reading.tree);
	for (size_t i = 0; i < reading.tree.count && r == 0; i++)
		r = part_read(&reading, &reading.tree.parts[i]);
	mime_tree_free(&reading.tree);
	if (r < 0) {
		if (reading.has_feedback)
			feedback_free(&reading.feedback);
		return r;
	}
	r = feedback_end(&reading);
	return r < 0 ? r : reading.count;
}
