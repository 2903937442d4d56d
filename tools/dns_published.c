/* posta dns --check: what is published, compared with what is wanted. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "mailauth/spf.h"
#include "tools/dns.h"

/* What is compared: of SRV the port and target, names without a last dot, small letters. */
static void comparable(const struct dns_wanted *wanted, struct view value, struct str *out)
{
	struct view word;

	if (wanted->type == RECORD_SRV) {
		(void)view_next_word(&value, " ", &word);
		(void)view_next_word(&value, " ", &word);
		value = view_trim(value);
	}
	if (view_ends(value, VIEW(".")))
		value.len--;
	str_append_lower(out, value);
}

static bool dns_published_value_fits(const struct dns_wanted *wanted, struct view value)
{
	_cleanup_(str_free) struct str lower = STR_EMPTY, match = STR_EMPTY;

	if (wanted->certificate != NULL)
		return dns_tlsa_fits(wanted->certificate, value);
	if (wanted->match == NULL)
		return true;
	if (wanted->within) {
		for (size_t i = 0; i < value.len; i++)
			if (!ascii_is_space(value.data[i]))
				str_append_byte(&lower, value.data[i]);
		return view_find(str_view(&lower), view_of(wanted->match)) != VIEW_NOT_FOUND;
	}
	comparable(wanted, value, &lower);
	str_append_lower(&match, view_of(wanted->match));
	return wanted->type == RECORD_TXT ? view_starts(str_view(&lower), str_view(&match))
					  : view_eq(str_view(&lower), str_view(&match));
}

void dns_wanted_check(const struct dns_source *dns, const struct dns_wanted *wanted,
		      struct dns_finding *finding)
{
	struct records records;
	size_t fitting = 0;

	records_ask(dns, view_of(wanted->owner), wanted->type, &records);
	for (size_t i = 0; i < records.count; i++) {
		fitting += dns_published_value_fits(wanted, str_view(&records.values[i]));
		/* Of texts there may be any number that are about something else. */
		if (wanted->type == RECORD_TXT && !wanted->within &&
		    !dns_published_value_fits(wanted, str_view(&records.values[i])))
			continue;
		str_printf(&finding->published, "%s", finding->published.len > 0 ? ", " : "");
		str_append_printable(&finding->published, str_view(&records.values[i]));
	}
	if (records.outcome == RECORDS_FAILED)
		finding->verdict = DNS_UNKNOWN;
	else if (fitting > 1 && wanted->one)
		finding->verdict = DNS_DIFFERENT;
	else if (fitting > 0)
		finding->verdict = DNS_FITS;
	else if (finding->published.len > 0)
		finding->verdict = DNS_DIFFERENT;
	else
		finding->verdict = wanted->if_published ? DNS_NOT_NEEDED : DNS_MISSING;
	records_free(&records);
}

/* ---- SPF ---- */

static void check_spf_of(const struct dns_source *dns, struct view ip, const char *sender,
			 const char *of, struct str *problems)
{
	struct spf_question question = { .ip = ip,
					 .helo = view_of(param.myhostname),
					 .sender = view_of(sender),
					 .receiver = view_of(param.myhostname),
					 .dns = dns };
	struct spf_answer answer;

	spf_check(&question, &answer);
	/* That there is none, or no answer, was said before. */
	if (answer.result != PROOF_PASS && answer.result != PROOF_NONE &&
	    answer.result != PROOF_TEMPERROR)
		str_printf(problems, "mail of %s from %.*s does not pass SPF: %s%s%s\n", of,
			   VIEW_ARG(ip), proof_word(answer.result),
			   answer.explanation.len > 0 ? ", " : "", str_cstr(&answer.explanation));
	spf_answer_free(&answer);
}

void dns_check_spf(const struct dns_source *dns, const char *domain, struct str *problems)
{
	static const enum record_type types[] = { RECORD_A, RECORD_AAAA };
	_cleanup_(str_free) struct str sender = STR_EMPTY;

	str_printf(&sender, "postmaster@%s", domain);
	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		struct records records;

		records_ask(dns, view_of(param.myhostname), types[t], &records);
		for (size_t i = 0; i < records.count; i++) {
			check_spf_of(dns, str_view(&records.values[i]), str_cstr(&sender), domain,
				     problems);
			check_spf_of(dns, str_view(&records.values[i]), "", param.myhostname,
				     problems);
		}
		records_free(&records);
	}
}
