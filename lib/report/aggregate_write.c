/*
 * Aggregate reports as XML. All text in them comes from strangers, and is escaped; what is no printable
 * ASCII becomes "?": names in the DNS have nothing else.
 */
#include <arpa/inet.h>

#include "base/mem.h"
#include "report/aggregate.h"

static void xml_text(struct str *out, struct view text)
{
	_cleanup_(str_free) struct str printable = STR_EMPTY;

	str_append_printable(&printable, text);
	for (size_t i = 0; i < printable.len; i++) {
		char c = printable.data[i];

		if (c == '&')
			str_append_cstr(out, "&amp;");
		else if (c == '<')
			str_append_cstr(out, "&lt;");
		else if (c == '>')
			str_append_cstr(out, "&gt;");
		else
			str_append_byte(out, (unsigned char)c < 0x80 ? c : '?');
	}
}

static void xml_element(struct str *out, const char *name, struct view text)
{
	str_printf(out, "<%s>", name);
	xml_text(out, text);
	str_printf(out, "</%s>\n", name);
}

static void xml_number(struct str *out, const char *name, int64_t number)
{
	str_printf(out, "<%s>%lld</%s>\n", name, (long long)number, name);
}

/* ---- the policy ---- */

/* The value of a tag where it is one of the words (in small letters), else `otherwise`. */
static void policy_tag(struct str *out, const char *element, const struct tag_list *tags,
		       const char *name, const char *words, const char *otherwise)
{
	struct view value = tag_list_get(tags, name), rest = view_of(words), word;

	while (view_next(&rest, '|', &word))
		if (view_eq_nocase(value, word))
			return xml_element(out, element, word);
	if (otherwise != NULL)
		xml_element(out, element, view_of(otherwise));
}

#define POLICY_WORDS "none|quarantine|reject"

/* RFC 7489's schema asks for more than is optional in a record: sp is p, pct 100, fo 0. */
static void write_policy(struct str *out, enum aggregate_schema schema,
			 const struct aggregate_head *head)
{
	bool old = schema == AGGREGATE_RFC7489;
	struct dmarc_record record;
	struct tag_list tags;
	const char *problem;
	bool usable = dmarc_record_parse(head->record, &record);

	if (tag_list_parse(head->record, TAGS_FORGIVING, &tags, &problem) < 0)
		tags.count = 0;
	str_append_cstr(out, "<policy_published>\n");
	xml_element(out, "domain", head->domain);
	policy_tag(out, "adkim", &tags, "adkim", "r|s", "r");
	policy_tag(out, "aspf", &tags, "aspf", "r|s", "r");
	xml_element(out, "p", view_of(dmarc_policy_word(usable ? record.p : DMARC_P_NONE)));
	policy_tag(out, "sp", &tags, "sp", POLICY_WORDS,
		   old ? dmarc_policy_word(usable ? record.p : DMARC_P_NONE) : NULL);
	if (old) {
		uint32_t percent = 100;

		if (view_parse_u32(tag_list_get(&tags, "pct"), 100, &percent) < 0)
			percent = 100;
		xml_number(out, "pct", percent);
	} else {
		policy_tag(out, "np", &tags, "np", POLICY_WORDS, NULL);
		policy_tag(out, "testing", &tags, "t", "y|n", "n");
		xml_element(out, "discovery_method", VIEW("treewalk"));
	}
	if (old || tag_list_get(&tags, "fo").len > 0)
		xml_element(out, "fo",
			    tag_list_get(&tags, "fo").len > 0 ? tag_list_get(&tags, "fo")
							      : VIEW("0"));
	str_append_cstr(out, "</policy_published>\n");
	dmarc_record_free(&record);
}

void aggregate_write_head(struct str *out, enum aggregate_schema schema,
			  const struct aggregate_head *head)
{
	str_append_cstr(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
	str_append_cstr(out, schema == AGGREGATE_RFC7489
				     ? "<feedback>\n"
				     : "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">\n");
	str_append_cstr(out, "<version>1.0</version>\n<report_metadata>\n");
	xml_element(out, "org_name", head->organization);
	xml_element(out, "email", head->email);
	xml_element(out, "report_id", head->id);
	str_append_cstr(out, "<date_range>\n");
	xml_number(out, "begin", head->begin);
	xml_number(out, "end", head->end);
	str_append_cstr(out, "</date_range>\n");
	if (head->left_out > 0)
		str_printf(out, "<error>%llu more rows are left out</error>\n",
			   (unsigned long long)head->left_out);
	if (schema == AGGREGATE_RFC9990)
		xml_element(out, "generator", VIEW("Posta " POSTA_VERSION));
	str_append_cstr(out, "</report_metadata>\n");
	write_policy(out, schema, head);
}

/* ---- rows ---- */

/* RFC 7489's schema knows IPv6 addresses of eight groups only. */
static void write_source(struct str *out, enum aggregate_schema schema, struct view source)
{
	_cleanup_free_ char *text = mem_strndup(source.data, source.len);
	unsigned char bytes[16];

	if (schema != AGGREGATE_RFC7489 || inet_pton(AF_INET6, text, bytes) != 1) {
		xml_element(out, "source_ip", source);
		return;
	}
	str_append_cstr(out, "<source_ip>");
	for (size_t i = 0; i < sizeof(bytes); i += 2)
		str_printf(out, "%s%x", i > 0 ? ":" : "", bytes[i] << 8 | bytes[i + 1]);
	str_append_cstr(out, "</source_ip>\n");
}

/* The words of RFC 9990 that RFC 7489 does not have are "other" there. */
static void write_reason(struct str *out, enum aggregate_schema schema,
			 const struct aggregate_seen *seen)
{
	struct view type = seen->reason, comment = seen->comment;

	if (type.len == 0)
		return;
	if (schema == AGGREGATE_RFC7489 && view_is(type, "policy_test_mode")) {
		comment = comment.len > 0 ? comment : type;
		type = VIEW("other");
	}
	str_append_cstr(out, "<reason>\n");
	xml_element(out, "type", type);
	if (comment.len > 0)
		xml_element(out, "comment", comment);
	str_append_cstr(out, "</reason>\n");
}

static void write_evaluated(struct str *out, enum aggregate_schema schema,
			    const struct aggregate_seen *seen)
{
	bool passed =
		(seen->dkim_aligned || seen->spf_aligned) && seen->disposition <= DMARC_P_NONE;
	const char *disposition = schema == AGGREGATE_RFC9990 && passed
					  ? "pass"
					  : dmarc_policy_word(seen->disposition);

	str_append_cstr(out, "<policy_evaluated>\n");
	xml_element(out, "disposition", view_of(disposition));
	xml_element(out, "dkim", seen->dkim_aligned ? VIEW("pass") : VIEW("fail"));
	xml_element(out, "spf", seen->spf_aligned ? VIEW("pass") : VIEW("fail"));
	write_reason(out, schema, seen);
	str_append_cstr(out, "</policy_evaluated>\n");
}

/* The lines of this method: dkim before spf, as the schemas want it. Only the older one knows the scope helo. */
static void write_results(struct str *out, enum aggregate_schema schema, struct view results,
			  const char *method)
{
	struct view line, words[4];

	while (view_next(&results, '\n', &line)) {
		size_t count = 0;

		while (count < ARRAY_SIZE(words) && view_next(&line, '\t', &words[count]))
			count++;
		if (count != ARRAY_SIZE(words) || !view_is(words[0], method))
			continue;
		bool dkim = view_is(words[0], "dkim");

		str_printf(out, "<%s>\n", method);
		xml_element(out, "domain", words[dkim ? 1 : 2]);
		if (dkim)
			xml_element(out, "selector", words[2]);
		else
			xml_element(out, "scope",
				    schema == AGGREGATE_RFC9990 ? VIEW("mfrom") : words[1]);
		xml_element(out, "result", words[3]);
		str_printf(out, "</%s>\n", method);
	}
}

void aggregate_write_row(struct str *out, enum aggregate_schema schema,
			 const struct aggregate_seen *seen)
{
	str_append_cstr(out, "<record>\n<row>\n");
	write_source(out, schema, seen->source);
	xml_number(out, "count", (int64_t)seen->count);
	write_evaluated(out, schema, seen);
	str_append_cstr(out, "</row>\n<identifiers>\n");
	xml_element(out, "envelope_from", seen->envelope_from);
	xml_element(out, "header_from", seen->header_from);
	str_append_cstr(out, "</identifiers>\n<auth_results>\n");
	write_results(out, schema, seen->results, "dkim");
	write_results(out, schema, seen->results, "spf");
	str_append_cstr(out, "</auth_results>\n</record>\n");
}

void aggregate_write_end(struct str *out)
{
	str_append_cstr(out, "</feedback>\n");
}
