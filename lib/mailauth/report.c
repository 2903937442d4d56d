/* Results put into words, for fields and for people. */
#include "mailauth/report.h"

#include "base/mem.h"

#define SIGNATURE_START 8 /* characters of b= that tell signatures apart (RFC 6008) */

static void report_signature(const struct signature *s, struct authres *results)
{
	_cleanup_(str_free) struct str comment = STR_EMPTY, start = STR_EMPTY;

	if (s->key_bits > 0)
		str_printf(&comment, "%u-bit key", s->key_bits);
	if (s->testing)
		str_printf(&comment, "%stest mode", comment.len > 0 ? "; " : "");
	authres_method(results, "dkim", proof_word(s->result), str_view(&comment));
	authres_reason(results, str_view(&s->reason));
	if (s->domain.len == 0)
		return;
	authres_property(results, "header.d", str_view(&s->domain));
	if (s->identity.len > 0)
		authres_property(results, "header.i", str_view(&s->identity));
	if (s->selector.len > 0)
		authres_property(results, "header.s", str_view(&s->selector));
	if (s->bytes.len > 0)
		authres_property(results, "header.a",
				 view_of(signature_algorithm_name(s->algorithm)));
	tag_squeeze(&start, tag_list_get(&s->tags, "b"));
	if (start.len > 0)
		authres_property(results, "header.b",
				 view_first(str_view(&start), SIGNATURE_START));
}

void report_dkim(const struct dkim_check *check, struct authres *results)
{
	if (dkim_check_count(check) == 0)
		authres_method(results, "dkim", "none", VIEW_NONE);
	for (size_t i = 0; i < dkim_check_count(check); i++)
		report_signature(dkim_check_at(check, i), results);
}

static void append_signature_step(struct str *out, const struct signature *s)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_printf(&line, "dkim: %s._domainkey.%s %s: %s", str_cstr(&s->selector),
		   str_cstr(&s->domain), signature_algorithm_name(s->algorithm),
		   proof_word(s->result));
	if (s->reason.len > 0)
		str_printf(&line, ": %s", str_cstr(&s->reason));
	str_append_printable(out, str_view(&line));
	str_append_byte(out, '\n');
	if (s->record.len == 0)
		return;
	str_append_cstr(out, "  key: ");
	str_append_printable(out, str_view(&s->record));
	str_append_byte(out, '\n');
}

void report_dkim_steps(const struct dkim_check *check, struct str *out)
{
	if (dkim_check_count(check) == 0)
		str_append_cstr(out, "dkim: there is no signature\n");
	for (size_t i = 0; i < dkim_check_count(check); i++)
		append_signature_step(out, dkim_check_at(check, i));
	if (dkim_check_passed_over(check) > 0)
		str_printf(out, "dkim: %zu more signatures were not looked at\n",
			   dkim_check_passed_over(check));
}
