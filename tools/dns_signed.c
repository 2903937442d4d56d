/*
 * posta dns --check: what DNSSEC says of the domain's and the host's names. The suite's resolver is
 * asked, which validates; the other checks ask any server, and believe it.
 */
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "services/clients.h"
#include "tools/dns.h"

bool dns_signed_can_be_asked(void)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/private/resolver", param.queue_directory);
	if (strcmp(param.dnssec_validation, "no") == 0 || access(str_cstr(&path), W_OK) < 0)
		return false;
	ipc_set_root(param.queue_directory);
	return true;
}

static enum dns_signed signed_ask(const char *owner, uint32_t type, struct str *reason)
{
	struct dns_answer answer;
	enum dns_signed found;

	if (dns_query(view_of(owner), type, &answer) < 0 || answer.outcome == RESOLVE_TEMPORARY)
		found = DNS_SIGNED_UNKNOWN;
	else if (answer.outcome == RESOLVE_BOGUS)
		found = DNS_BOGUS;
	else if (answer.count == 0)
		found = DNS_SIGNED_ABSENT;
	else
		found = answer.secure ? DNS_SIGNED : DNS_UNSIGNED;
	str_append(reason, str_view(&answer.reason));
	dns_answer_free(&answer);
	return found;
}

/* One kind of record of one name. What is not there is no matter of DNSSEC. */
static enum dns_signed signed_check(const char *owner, const char *type_name, uint32_t type,
				    dns_signed_taker *each)
{
	_cleanup_(str_free) struct str reason = STR_EMPTY, what = STR_EMPTY;
	enum dns_signed found = signed_ask(owner, type, &reason);

	if (found == DNS_SIGNED_ABSENT)
		return found;
	str_printf(&what, "%s %s", type_name,
		   found == DNS_SIGNED	   ? "is signed (DNSSEC)"
		   : found == DNS_UNSIGNED ? "is not signed (DNSSEC)"
					   : str_cstr(&reason));
	each(found, owner, str_cstr(&what));
	return found;
}

/* TLSA records count where they, the host's addresses and the domain's MX are signed (RFC 7672 2). */
static void signed_check_tlsa(bool rest_is_signed, dns_signed_taker *each)
{
	_cleanup_(str_free) struct str owner = STR_EMPTY;
	enum dns_signed found;

	str_printf(&owner, "_25._tcp.%s", param.myhostname);
	found = signed_check(str_cstr(&owner), "TLSA", DNS_TLSA, each);
	if (found == DNS_UNSIGNED || (found == DNS_SIGNED && !rest_is_signed))
		each(DNS_UNSIGNED, str_cstr(&owner),
		     "TLSA is believed by nobody (DANE): it, the MX and the host's addresses must "
		     "be "
		     "signed");
}

void dns_check_signed(const char *domain, bool host, dns_signed_taker *each)
{
	bool is_signed = signed_check(domain, "MX", DNS_MX, each) == DNS_SIGNED;
	enum dns_signed v4, v6;

	if (!host)
		return;
	v4 = signed_check(param.myhostname, "A", DNS_A, each);
	v6 = signed_check(param.myhostname, "AAAA", DNS_AAAA, each);
	is_signed = is_signed && (v4 == DNS_SIGNED || v4 == DNS_SIGNED_ABSENT) &&
		    (v6 == DNS_SIGNED || v6 == DNS_SIGNED_ABSENT);
	signed_check_tlsa(is_signed, each);
}
