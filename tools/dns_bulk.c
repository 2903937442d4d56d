/*
 * posta dns --check: what the large receivers require of those who send much (Google, Yahoo, Microsoft:
 * 5,000 messages a day). It goes beyond what a host needs so that its mail arrives at all.
 */
#include "base/mem.h"
#include "conf/conf.h"
#include "mailauth/dmarc.h"
#include "mailauth/signing_table.h"
#include "tools/dns.h"

#define BULK_RSA_BITS 1024

static enum dns_bulk_verdict bulk_of(bool met, bool unsure)
{
	return met ? DNS_BULK_MET : unsure ? DNS_BULK_UNKNOWN : DNS_BULK_NOT_MET;
}

static enum dns_bulk_verdict bulk_spf(const struct dns_source *dns, const char *domain)
{
	struct records records;
	size_t count = 0;

	records_ask(dns, view_of(domain), RECORD_TXT, &records);
	for (size_t i = 0; i < records.count; i++)
		count += spf_record_is(str_view(&records.values[i]));
	bool unsure = records.outcome == RECORDS_FAILED;

	records_free(&records);
	return bulk_of(count == 1, unsure);
}

/* Whether a key that signs for the domain is published, and long enough. */
static bool bulk_key(const struct dns_source *dns, const struct key_row *key, const char *domain,
		     bool *unsure)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct records records;
	bool good = false;

	str_printf(&name, "%s._domainkey.%s", key->selector, domain);
	records_ask(dns, str_view(&name), RECORD_TXT, &records);
	*unsure = *unsure || records.outcome == RECORDS_FAILED;
	for (size_t i = 0; i < records.count && !good; i++) {
		struct key_record record;
		const char *reason;

		/* Not all of them verify Ed25519: a signature by such a key alone does not count. */
		good = key_record_parse(str_view(&records.values[i]), &record, &reason) ==
			       PROOF_PASS &&
		       record.algorithm == ALGORITHM_RSA_SHA256 && record.bits >= BULK_RSA_BITS;
		key_record_free(&record);
	}
	records_free(&records);
	return good;
}

static enum dns_bulk_verdict bulk_dkim(const struct dns_source *dns, const char *domain)
{
	struct key_table keys = { 0 };
	struct error err = ERROR_NONE;
	bool met = false, unsure = false;

	if (key_table_read(param.dkim_key_table, &keys, &err) == 0)
		for (size_t i = 0; i < keys.count && !met; i++)
			if (strcmp(keys.rows[i].domain, "%") == 0 ||
			    view_is_nocase(view_of(keys.rows[i].domain), domain))
				met = bulk_key(dns, &keys.rows[i], domain, &unsure);
	key_table_free(&keys);
	return bulk_of(met, unsure);
}

/* p=none is enough. */
static enum dns_bulk_verdict bulk_dmarc(const struct dns_source *dns, const char *domain)
{
	struct dmarc_tree tree = { .dns = dns };
	struct dmarc_walk walk;
	enum dns_bulk_verdict verdict;

	dmarc_tree_walk(&tree, view_of(domain), &walk);
	verdict = bulk_of(walk.record != NULL, walk.failed);
	dmarc_walk_free(&walk);
	dmarc_tree_free(&tree);
	return verdict;
}

static bool name_leads_back(const struct dns_source *dns, struct view name, enum record_type type,
			    struct view address, bool *unsure)
{
	struct records records;
	bool back = false;

	records_ask(dns, name, type, &records);
	*unsure = *unsure || records.outcome == RECORDS_FAILED;
	for (size_t i = 0; i < records.count; i++)
		back = back || view_eq_nocase(str_view(&records.values[i]), address);
	records_free(&records);
	return back;
}

/* Each published address has a name that has the address. */
static enum dns_bulk_verdict bulk_names(const struct dns_source *dns)
{
	static const enum record_type types[] = { RECORD_A, RECORD_AAAA };
	bool met = true, unsure = false, any = false;

	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		struct records addresses;

		records_ask(dns, view_of(param.myhostname), types[t], &addresses);
		unsure = unsure || addresses.outcome == RECORDS_FAILED;
		for (size_t i = 0; i < addresses.count; i++) {
			struct records names;
			bool back = false;

			any = true;
			records_ask(dns, str_view(&addresses.values[i]), RECORD_PTR, &names);
			unsure = unsure || names.outcome == RECORDS_FAILED;
			for (size_t n = 0; n < names.count && !back; n++)
				back = name_leads_back(dns, str_view(&names.values[n]), types[t],
						       str_view(&addresses.values[i]), &unsure);
			met = met && back;
			records_free(&names);
		}
		records_free(&addresses);
	}
	return bulk_of(any && met, unsure);
}

void dns_check_bulk(const struct dns_source *dns, const char *domain,
		    void (*each)(enum dns_bulk_verdict verdict, const char *domain,
				 const char *what))
{
	each(bulk_spf(dns, domain), domain, "one SPF record");
	each(bulk_dkim(dns, domain), domain,
	     "DKIM: a key of dkim_key_table for the domain is published, RSA of 1024 bits or more");
	each(bulk_dmarc(dns, domain), domain, "a DMARC policy, p=none at least");
	each(bulk_names(dns), domain, "addresses of this host have names that lead back to them");
	each(param.smtp_tls_security_level[0] != '\0' &&
			     strcmp(param.smtp_tls_security_level, "none") != 0
		     ? DNS_BULK_MET
		     : DNS_BULK_NOT_MET,
	     domain, "TLS when mail is sent (smtp_tls_security_level)");
}
