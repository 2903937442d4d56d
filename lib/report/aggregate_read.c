/*
 * Aggregate reports of others. Which element is which goes by its path below the root, in a table; what is
 * not in it is passed over.
 */
#include <errno.h>
#include <expat.h>
#include <stddef.h>

#include "base/mem.h"
#include "report/aggregate.h"

#define PATH_MAX_BYTES 512
#define NAMESPACE_MARK '\n' /* no name has it */

enum aggregate_place { OF_REPORT, OF_ROW, OF_RESULT, NUMBER_OF_REPORT, NUMBER_OF_ROW };

/* One dkim or spf element of auth_results. */
struct aggregate_result {
	struct str domain, selector, scope, result;
};

static const struct {
	const char *path;
	enum aggregate_place place;
	size_t offset;
} aggregate_elements[] = {
#define REPORT(path, field)                                                                        \
	{                                                                                          \
		path, OF_REPORT, offsetof(struct aggregate_report, field)                          \
	}
#define ROW(path, field)                                                                           \
	{                                                                                          \
		"/record" path, OF_ROW, offsetof(struct aggregate_row, field)                      \
	}
#define RESULT(path, field)                                                                        \
	{                                                                                          \
		"/record/auth_results" path, OF_RESULT, offsetof(struct aggregate_result, field)   \
	}
	REPORT("/report_metadata/org_name", organization),
	REPORT("/report_metadata/email", email),
	REPORT("/report_metadata/report_id", id),
	REPORT("/policy_published/domain", domain),
	REPORT("/policy_published/p", p),
	REPORT("/policy_published/sp", sp),
	REPORT("/policy_published/np", np),
	REPORT("/policy_published/adkim", adkim),
	REPORT("/policy_published/aspf", aspf),
	{ "/report_metadata/date_range/begin", NUMBER_OF_REPORT,
	  offsetof(struct aggregate_report, begin) },
	{ "/report_metadata/date_range/end", NUMBER_OF_REPORT,
	  offsetof(struct aggregate_report, end) },
	ROW("/row/source_ip", source),
	ROW("/row/policy_evaluated/disposition", disposition),
	ROW("/row/policy_evaluated/dkim", dkim),
	ROW("/row/policy_evaluated/spf", spf),
	ROW("/row/policy_evaluated/reason/type", reason),
	ROW("/row/policy_evaluated/reason/comment", comment),
	ROW("/identifiers/header_from", header_from),
	ROW("/identifiers/envelope_from", envelope_from),
	ROW("/identifiers/envelope_to", envelope_to),
	{ "/record/row/count", NUMBER_OF_ROW, offsetof(struct aggregate_row, count) },
	RESULT("/dkim/domain", domain),
	RESULT("/dkim/selector", selector),
	RESULT("/dkim/result", result),
	RESULT("/spf/domain", domain),
	RESULT("/spf/scope", scope),
	RESULT("/spf/result", result),
#undef REPORT
#undef ROW
#undef RESULT
};

struct aggregate_reader {
	XML_Parser parser;
	struct aggregate_report *report;
	struct aggregate_row *row; /* the one at work; NULL: none */
	struct aggregate_result result;
	struct str path; /* below the root: "/record/row/count" */
	struct str text; /* of the innermost element */
	size_t lengths[AGGREGATE_DEPTH_MAX], depth;
	int problem;
	const char *why;
};

static void reader_stop(struct aggregate_reader *reader, int problem, const char *why)
{
	if (reader->problem == 0) {
		reader->problem = problem;
		reader->why = why;
	}
	XML_StopParser(reader->parser, XML_FALSE);
}

/* ---- rows and results ---- */

static void row_free(struct aggregate_row *row)
{
	struct str *const texts[] = { &row->source,	 &row->header_from, &row->envelope_from,
				      &row->envelope_to, &row->disposition, &row->dkim,
				      &row->spf,	 &row->reason,	    &row->comment,
				      &row->results };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		str_free(texts[i]);
}

void aggregate_report_free(struct aggregate_report *report)
{
	struct str *const texts[] = { &report->organization, &report->email, &report->id,
				      &report->domain,	     &report->p,     &report->sp,
				      &report->np,	     &report->adkim, &report->aspf };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		str_free(texts[i]);
	for (size_t i = 0; i < report->count; i++)
		row_free(&report->rows[i]);
	free(report->rows);
	*report = (struct aggregate_report){ .rows = NULL };
}

static void row_begin(struct aggregate_reader *reader)
{
	struct aggregate_report *report = reader->report;

	if (report->count >= AGGREGATE_ROWS_MAX) {
		reader_stop(reader, -EFBIG, "it has too many rows");
		return;
	}
	array_grow(report->rows, report->count);
	reader->row = &report->rows[report->count++];
	*reader->row = (struct aggregate_row){ .count = 0 };
}

static void result_clear(struct aggregate_result *result)
{
	str_clear(&result->domain);
	str_clear(&result->selector);
	str_clear(&result->scope);
	str_clear(&result->result);
}

static void result_end(struct aggregate_reader *reader, bool dkim)
{
	const struct aggregate_result *result = &reader->result;
	_cleanup_(str_free) struct str line = STR_EMPTY;
	struct str *results = &reader->row->results;

	if (dkim)
		str_printf(&line, "dkim\t%s\t%s\t%s\n", str_cstr(&result->domain),
			   str_cstr(&result->selector), str_cstr(&result->result));
	else
		str_printf(&line, "spf\t%s\t%s\t%s\n",
			   result->scope.len > 0 ? str_cstr(&result->scope) : "mfrom",
			   str_cstr(&result->domain), str_cstr(&result->result));
	if (results->len + line.len <= AGGREGATE_RESULTS_MAX)
		str_append(results, str_view(&line));
	result_clear(&reader->result);
}

/* ---- elements ---- */

static void element_set_number(struct aggregate_reader *reader, enum aggregate_place place,
			       size_t offset, struct view text)
{
	uint64_t number;

	if (view_parse_u64(text, INT64_MAX, &number) < 0)
		reader_stop(reader, -EBADMSG, "a number in it is none");
	else if (place == NUMBER_OF_REPORT)
		memcpy((char *)reader->report + offset, &number, sizeof(number));
	else if (reader->row != NULL)
		memcpy((char *)reader->row + offset, &number, sizeof(number));
}

static void element_set(struct aggregate_reader *reader, size_t which)
{
	enum aggregate_place place = aggregate_elements[which].place;
	size_t offset = aggregate_elements[which].offset;
	struct view text = view_trim(str_view(&reader->text));
	char *base = place == OF_REPORT ? (char *)reader->report
		     : place == OF_ROW	? (char *)reader->row
					: (char *)&reader->result;

	if (place == NUMBER_OF_REPORT || place == NUMBER_OF_ROW) {
		element_set_number(reader, place, offset, text);
	} else if (base != NULL) {
		struct str *field = (struct str *)(void *)(base + offset);

		str_clear(field);
		str_append_printable(field, text);
	}
}

/* "uri\nname": the name alone. */
static struct view element_name(const char *name)
{
	struct view all = view_of(name);
	size_t mark = view_find_last_byte(all, NAMESPACE_MARK);

	return mark != VIEW_NOT_FOUND ? view_from(all, mark + 1) : all;
}

static void XMLCALL element_start(void *argument, const XML_Char *name, const XML_Char **unused)
{
	struct aggregate_reader *reader = argument;
	struct view word = element_name(name);

	(void)unused;
	if (reader->depth == AGGREGATE_DEPTH_MAX ||
	    reader->path.len + word.len + 1 > PATH_MAX_BYTES) {
		reader_stop(reader, -EBADMSG, "its elements are too deep");
		return;
	}
	reader->lengths[reader->depth++] = reader->path.len;
	str_clear(&reader->text);
	if (reader->depth == 1) {
		if (!view_is(word, "feedback"))
			reader_stop(reader, -EBADMSG, "it is no DMARC report");
		return;
	}
	str_append_byte(&reader->path, '/');
	str_append(&reader->path, word);
	if (view_is(str_view(&reader->path), "/record"))
		row_begin(reader);
}

static void XMLCALL element_end(void *argument, const XML_Char *unused)
{
	struct aggregate_reader *reader = argument;
	struct view path = str_view(&reader->path);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(aggregate_elements); i++)
		if (view_is(path, aggregate_elements[i].path))
			element_set(reader, i);
	if (reader->row != NULL && view_is(path, "/record/auth_results/dkim"))
		result_end(reader, true);
	else if (reader->row != NULL && view_is(path, "/record/auth_results/spf"))
		result_end(reader, false);
	else if (view_is(path, "/record"))
		reader->row = NULL;
	str_clear(&reader->text);
	str_truncate(&reader->path, reader->lengths[--reader->depth]);
}

static void XMLCALL element_text(void *argument, const XML_Char *text, int length)
{
	struct aggregate_reader *reader = argument;
	size_t room = AGGREGATE_TEXT_MAX - reader->text.len;

	str_append(&reader->text, view_make(text, MIN((size_t)length, room)));
}

/* Nobody writes one in a report, but for those who want its entities to be expanded. */
static void XMLCALL doctype_start(void *argument, const XML_Char *a, const XML_Char *b,
				  const XML_Char *c, int d)
{
	(void)a, (void)b, (void)c, (void)d;
	reader_stop(argument, -EBADMSG, "it has a document type");
}

int aggregate_read(struct view xml, struct aggregate_report *report, struct error *err)
{
	struct aggregate_reader reader = { .report = report };
	enum XML_Status status;

	*report = (struct aggregate_report){ .rows = NULL };
	reader.parser = XML_ParserCreateNS(NULL, NAMESPACE_MARK);
	if (reader.parser == NULL)
		mem_exhausted();
	XML_SetUserData(reader.parser, &reader);
	XML_SetElementHandler(reader.parser, element_start, element_end);
	XML_SetCharacterDataHandler(reader.parser, element_text);
	XML_SetStartDoctypeDeclHandler(reader.parser, doctype_start);
	status = XML_Parse(reader.parser, xml.data, (int)MIN(xml.len, (size_t)INT32_MAX), 1);
	if (status != XML_STATUS_OK && reader.problem == 0) {
		reader.problem = -EBADMSG;
		reader.why = XML_ErrorString(XML_GetErrorCode(reader.parser));
	}
	XML_ParserFree(reader.parser);
	str_free(&reader.path);
	str_free(&reader.text);
	str_free(&reader.result.domain);
	str_free(&reader.result.selector);
	str_free(&reader.result.scope);
	str_free(&reader.result.result);
	if (reader.problem == 0 && (report->domain.len == 0 || report->id.len == 0)) {
		reader.problem = -EBADMSG;
		reader.why = "it does not say about which domain it is, or its id";
	}
	return reader.problem < 0 ? error_set(err, reader.problem, "%s", reader.why) : 0;
}
