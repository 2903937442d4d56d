/* Results put into words, for fields and for people. */
#include "mailauth/report.h"

#include <stdio.h>

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

static void append_signature_step(struct str *out, const char *what, const struct signature *s)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_printf(&line, "%s: %s._domainkey.%s %s: %s", what, str_cstr(&s->selector),
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
		append_signature_step(out, "dkim", dkim_check_at(check, i));
	if (dkim_check_passed_over(check) > 0)
		str_printf(out, "dkim: %zu more signatures were not looked at\n",
			   dkim_check_passed_over(check));
}

/* ---- SPF ---- */

static void append_mailfrom(struct view sender, struct view helo, struct str *out)
{
	if (sender.len == 0) {
		str_append_cstr(out, "postmaster@");
		str_append(out, helo);
	} else {
		str_append(out, sender);
	}
}

static void report_spf_identity(const struct spf_answer *spf, const char *property,
				struct view identity, struct authres *results)
{
	authres_method(results, "spf", proof_word(spf->result), str_view(&spf->explanation));
	authres_property(results, property, identity);
}

void report_spf(const struct spf_answer *spf, struct view sender, struct view helo,
		struct authres *results)
{
	_cleanup_(str_free) struct str identity = STR_EMPTY;

	append_mailfrom(sender, helo, &identity);
	report_spf_identity(spf, "smtp.mailfrom", str_view(&identity), results);
}

void report_spf_helo(const struct spf_answer *spf, struct view helo, struct authres *results)
{
	report_spf_identity(spf, "smtp.helo", helo, results);
}

/* RFC 7208 section 9.1: a value that is more than a dot-atom is in quotes. */
static void append_pair(struct str *out, const char *key, struct view value)
{
	_cleanup_(str_free) struct str clean = STR_EMPTY;

	str_append_printable(&clean, view_first(value, AUTHRES_VALUE_MAX));
	str_printf(out, "%s=\"", key);
	for (size_t i = 0; i < clean.len; i++) {
		if (clean.data[i] == '"' || clean.data[i] == '\\')
			str_append_byte(out, '\\');
		str_append_byte(out, clean.data[i]);
	}
	str_append_byte(out, '"');
}

void report_received_spf(const struct spf_answer *spf, struct view ip, struct view sender,
			 struct view helo, struct view receiver, struct str *out)
{
	_cleanup_(str_free) struct str identity = STR_EMPTY, comment = STR_EMPTY;

	append_mailfrom(sender, helo, &identity);
	str_append(&comment, receiver);
	str_append_cstr(&comment, ": ");
	str_append(&comment, str_view(&spf->explanation));
	str_printf(out, "Received-SPF: %s", proof_word(spf->result));
	authres_append_comment(out, str_view(&comment));
	str_append_cstr(out, "\r\n\t");
	append_pair(out, "client-ip", ip);
	str_append_cstr(out, "; ");
	append_pair(out, "envelope-from", str_view(&identity));
	str_append_cstr(out, ";\r\n\t");
	append_pair(out, "helo", helo);
	str_append_cstr(out, "; ");
	append_pair(out, "receiver", receiver);
	str_append_cstr(out, "; identity=mailfrom");
	if (spf->mechanism.len > 0) {
		str_append_cstr(out, ";\r\n\t");
		append_pair(out, "mechanism", str_view(&spf->mechanism));
	}
	str_append_cstr(out, "\r\n");
}

/* ---- ARC ---- */

void report_arc(const struct arc_check *check, struct view ip, struct authres *results)
{
	_cleanup_(str_free) struct str comment = STR_EMPTY;
	uint32_t count = arc_check_count(check);
	char number[16];

	if (arc_check_result(check) == PROOF_PASS)
		str_printf(&comment, "i=%u d=%s s=%s", count,
			   str_cstr(&arc_check_seal(check, count)->domain),
			   str_cstr(&arc_check_seal(check, count)->selector));
	authres_method(results, "arc", proof_word(arc_check_result(check)), str_view(&comment));
	authres_reason(results, arc_check_reason(check));
	if (arc_check_result(check) == PROOF_PASS) {
		snprintf(number, sizeof(number), "%u", arc_check_oldest_pass(check));
		authres_property(results, "header.oldest-pass", view_of(number));
	}
	if (arc_check_result(check) != PROOF_NONE && ip.len > 0)
		authres_property(results, "smtp.remote-ip", ip);
}

void report_arc_steps(const struct arc_check *check, struct str *out)
{
	if (arc_check_result(check) == PROOF_NONE) {
		str_append_cstr(out, "arc: there is no set\n");
		return;
	}
	for (uint32_t i = arc_check_count(check); i > 0; i--) {
		str_printf(out, "arc: set %u\n", i);
		append_signature_step(out, "  seal", arc_check_seal(check, i));
		append_signature_step(out, "  signature", arc_check_message(check, i));
	}
	str_printf(out, "arc: %s", proof_word(arc_check_result(check)));
	if (arc_check_reason(check).len > 0) {
		str_append_cstr(out, ": ");
		str_append_printable(out, arc_check_reason(check));
	}
	str_append_byte(out, '\n');
}

/* ---- DMARC ---- */

void report_dmarc(const struct dmarc_answer *dmarc, struct authres *results)
{
	_cleanup_(str_free) struct str comment = STR_EMPTY;

	if (dmarc->policy != DMARC_NO_POLICY)
		str_printf(&comment, "p=%s dis=%s", dmarc_policy_word(dmarc->policy),
			   dmarc_policy_word(dmarc->disposition));
	authres_method(results, "dmarc", proof_word(dmarc->result), str_view(&comment));
	authres_reason(results, str_view(&dmarc->reason));
	if (dmarc->domain.len > 0)
		authres_property(results, "header.from", str_view(&dmarc->domain));
	if (dmarc->policy != DMARC_NO_POLICY)
		authres_property(results, "policy.dmarc",
				 view_of(dmarc_policy_word(dmarc->policy)));
}
