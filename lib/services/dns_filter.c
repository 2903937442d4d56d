/* Which records of the DNS do not count for this program: who says so is the program's own affair. */
#include "base/mem.h"
#include "services/clients.h"

/* The program's state. NULL: all records count. */
static dns_record_filter *record_filter;

void dns_filter_use(dns_record_filter *drops)
{
	record_filter = drops;
}

/* As Postfix writes it. False: it is of a type that is not filtered. */
static bool record_describe(const struct dns_answer *answer, struct view name, uint32_t type,
			    const struct dns_record *record, struct str *text)
{
	struct view owner = answer->canonical.len > 0 ? str_view(&answer->canonical) : name;
	const unsigned char *data = (const unsigned char *)record->data.data;
	static const struct {
		uint32_t type;
		const char *name;
	} types[] = { { DNS_A, "A" },	   { DNS_AAAA, "AAAA" }, { DNS_MX, "MX" },
		      { DNS_NS, "NS" },	   { DNS_TXT, "TXT" },	 { DNS_SRV, "SRV" },
		      { DNS_TLSA, "TLSA" } };
	size_t i = 0;

	while (i < ARRAY_SIZE(types) && types[i].type != type)
		i++;
	if (i == ARRAY_SIZE(types))
		return false;
	str_printf(text, "%.*s. %u IN %s ", VIEW_ARG(owner), answer->ttl, types[i].name);
	if (type == DNS_MX)
		str_printf(text, "%u ", record->preference);
	if (type == DNS_SRV)
		str_printf(text, "%u %u %u ", record->preference, record->weight, record->port);
	if (type == DNS_TXT)
		str_append_printable(text, str_view(&record->data));
	else if (type == DNS_TLSA && record->data.len >= 3)
		str_printf(text, "%u %u %u ", data[0], data[1], data[2]);
	else if (record->name != NULL)
		str_printf(text, "%s%s", record->name,
			   type == DNS_A || type == DNS_AAAA ? "" : ".");
	for (size_t k = 3; type == DNS_TLSA && k < record->data.len; k++)
		str_printf(text, "%02X", data[k]);
	return true;
}

/* The answer is worth nothing: what it would have been is not known. */
static void answer_withhold(struct dns_answer *answer, const char *reason)
{
	dns_answer_free(answer);
	answer->outcome = RESOLVE_TEMPORARY;
	str_append_cstr(&answer->reason, reason);
}

void dns_filter_apply(struct view name, uint32_t type, struct dns_answer *answer)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	size_t kept = 0;
	int r = 0;

	if (record_filter == NULL)
		return;
	for (size_t i = 0; i < answer->count && r >= 0; i++) {
		struct dns_record *record = &answer->records[i], current = *record;

		str_clear(&text);
		r = record_describe(answer, name, type, record, &text)
			    ? record_filter(str_view(&text))
			    : 0;
		if (r != 0)
			continue;
		*record = answer->records[kept];
		answer->records[kept++] = current;
	}
	if (r < 0) {
		answer_withhold(answer, "the DNS reply filter cannot answer now");
		return;
	}
	if (kept == 0) {
		answer_withhold(answer, "DNS reply filter drops all results");
		return;
	}
	for (size_t i = kept; i < answer->count; i++) {
		free(answer->records[i].name);
		str_free(&answer->records[i].data);
	}
	answer->count = kept;
}
