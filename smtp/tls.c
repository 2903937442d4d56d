/* TLS with a server: what its host needs by the policy and by TLSA records, and the handshake. */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "services/clients.h"
#include "session.h"
#include "settings.h"
#include "table/table.h"
#include "tls/tls.h"

#define MATCH_NAMES_MAX	  16
#define TLSA_RECORDS_MAX  32 /* of one host that are looked at */
#define TLSA_HEAD	  3  /* usage, selector, matching type */
#define MATCHING_TYPE_MAX 2  /* SHA2-512 */

/* The program's state. */
static struct tls_context *context;

static const char *tls_setting_or_null(const char *value)
{
	return *value != '\0' ? value : NULL;
}

int session_tls_prepare(struct error *err)
{
	int r = tls_policy_prepare(err);

	if (r < 0)
		return r;
	if (settings.tls_wrappermode && tls_policy_usual_level() < TLS_ENCRYPT)
		return error_set(err, -EINVAL,
				 "smtp_tls_wrappermode needs smtp_tls_security_level = encrypt");
	if (!tls_policy_may_need_tls())
		return 0;

	struct tls_options options = {
		.chain_files = tls_setting_or_null(settings.tls_chain_files),
		.cert_file = tls_setting_or_null(settings.tls_cert_file),
		.key_file = tls_setting_or_null(settings.tls_key_file),
		.ec_cert_file = tls_setting_or_null(settings.tls_eccert_file),
		.ec_key_file = tls_setting_or_null(settings.tls_eckey_file),
		.sign = keys_sign_as_client,
		.ca_file = tls_setting_or_null(settings.tls_CAfile),
		.ca_path = tls_setting_or_null(settings.tls_CApath),
		.protocols = settings.tls_mandatory_protocols,
	};

	/* Versions and ciphers are those of each destination's policy. */
	r = tls_site_ciphers(&options, settings.tls_mandatory_ciphers, NULL, NULL, err);
	if (r < 0)
		return r;
	context = tls_context_new(&options, err);
	return context == NULL ? -EINVAL
			       : table_watch_files(TLS_FILES(&options), TLS_CERTIFICATE_FILES, err);
}

/* ---- DANE ---- */

/* What may be used of usage, selector and matching type (RFC 7672 3.1). */
static bool tlsa_is_usable(struct view data)
{
	const unsigned char *bytes = (const unsigned char *)data.data;

	return data.len > TLSA_HEAD && (bytes[0] == 2 || bytes[0] == 3) && bytes[1] <= 1 &&
	       bytes[2] <= MATCHING_TYPE_MAX;
}

static bool any_is_usable(const struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		if (tlsa_is_usable(str_view(&answer->records[i].data)))
			return true;
	return false;
}

/* TLSA records of a name, into s->tlsa. 1 there are some, 0 none, -1 with the failure. */
static int ask_for_tlsa(struct session *s, const struct str *base, uint16_t port,
			struct outcome *failure)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	int r;

	str_printf(&name, "_%u._tcp.%s", port, str_cstr(base));
	r = dns_query(str_view(&name), DNS_TLSA, &s->tlsa);
	if (r < 0 || s->tlsa.outcome == RESOLVE_TEMPORARY || s->tlsa.outcome == RESOLVE_BOGUS) {
		dns_answer_free(&s->tlsa);
		outcome_set(failure, OUTCOME_DEFERRED, "4.7.5", str_view(&s->relay),
			    "TLSA lookup error for %s:%u", str_cstr(base), port);
		failure->cause = CAUSE_TLS;
		return -1;
	}
	if (!s->tlsa.secure || s->tlsa.count == 0) {
		dns_answer_free(&s->tlsa);
		return 0;
	}
	str_append(&s->tlsa_base, str_view(base));
	return 1;
}

/* The same of a host: of what its alias leads to, and else of its own name (RFC 7672 2.2.2). */
static int find_tlsa(struct session *s, const struct host *host, uint16_t port,
		     struct outcome *failure)
{
	int r = 0;

	/* Servers of zones without DNSSEC often cannot answer such a question (RFC 7672 2.1.1). */
	if (!host->secure && !settings.tls_force_insecure_host_tlsa_lookup)
		return 0;
	if (host->canonical.len > 0)
		r = ask_for_tlsa(s, &host->canonical, port, failure);
	return r == 0 ? ask_for_tlsa(s, &host->name, port, failure) : r;
}

/* Level dane where the records of the mail exchangers themselves were not signed. */
static enum tls_level insecure_mx_level(void)
{
	const char *word = param.smtp_tls_dane_insecure_mx_policy;

	return strcmp(word, "dane") == 0      ? TLS_DANE
	       : strcmp(word, "encrypt") == 0 ? TLS_ENCRYPT
					      : TLS_MAY;
}

static int choose_dane_level(struct session *s, const struct host *host, uint16_t port,
			     enum tls_level wanted, struct outcome *failure)
{
	bool only = wanted == TLS_DANE_ONLY;
	int r = host->secure_mx || !only ? find_tlsa(s, host, port, failure) : 0;

	if (r < 0)
		return -1;
	s->level = TLS_MAY;
	if (r > 0 && !any_is_usable(&s->tlsa)) {
		/* TLS is there, but nobody can say whose it is. */
		dns_answer_free(&s->tlsa);
		s->level = TLS_ENCRYPT;
	} else if (r > 0) {
		s->level = host->secure_mx ? TLS_DANE : insecure_mx_level();
		if (s->level != TLS_DANE)
			dns_answer_free(&s->tlsa);
	}
	if (!only || s->level == TLS_DANE)
		return 0;
	outcome_set(failure, OUTCOME_DEFERRED, "4.7.5", str_view(&s->relay),
		    "TLS with DANE is required, but there are no usable TLSA records for %s:%u",
		    str_cstr(&host->name), port);
	failure->cause = CAUSE_TLS;
	return -1;
}

int session_choose_level(struct session *s, const struct host *host,
			 const struct session_wish *wish, struct outcome *failure)
{
	s->level = wish->policy->level;
	if (s->level != TLS_DANE && s->level != TLS_DANE_ONLY)
		return 0;
	return choose_dane_level(s, host, wish->destination->port, s->level, failure);
}

/* ---- whose certificate ---- */

/* The server's name as certificates are to have it: that of the TLSA records, where they decide. */
static struct view tls_host_name(const struct session *s)
{
	return s->level == TLS_DANE ? str_view(&s->tlsa_base) : str_view(&s->host);
}

/* The policy's match: hostname, nexthop, dot-nexthop, or names. */
static size_t names_to_match(const struct session *s, const struct session_wish *wish,
			     const char **names, struct str *storage)
{
	struct view rest =
		s->level == TLS_DANE ? VIEW("hostname nexthop") : str_view(&wish->policy->match);
	size_t offsets[MATCH_NAMES_MAX], count = 0;
	struct view element;

	while (count < MATCH_NAMES_MAX - 1 && view_next_word(&rest, ", :|\t", &element)) {
		offsets[count++] = storage->len;
		if (view_is_nocase(element, "hostname"))
			str_append(storage, tls_host_name(s));
		else if (view_is_nocase(element, "nexthop"))
			str_append(storage, str_view(&wish->destination->host));
		else if (view_is_nocase(element, "dot-nexthop"))
			str_printf(storage, ".%s", str_cstr(&wish->destination->host));
		else
			str_append(storage, element);
		str_append_byte(storage, '\0');
	}
	for (size_t i = 0; i < count; i++) /* only now does the storage stay where it is */
		names[i] = storage->data + offsets[i];
	names[count] = NULL;
	return count;
}

static const char *tls_server_name(const struct session *s, const struct session_wish *wish)
{
	struct view name = str_view(&wish->policy->servername);
	const char *chosen = str_cstr(&wish->policy->servername);

	/* RFC 7672 8.1: the name that the TLSA records are of. */
	if (s->level == TLS_DANE)
		chosen = str_cstr(&s->tlsa_base);
	else if (view_is_nocase(name, "hostname"))
		chosen = str_cstr(&s->host);
	else if (view_is_nocase(name, "nexthop"))
		chosen = str_cstr(&wish->destination->host);
	/* RFC 6066: no addresses. */
	return domain_is_valid(view_of(chosen), false) ? chosen : NULL;
}

/* One of the fingerprints is that of the certificate or of its key. */
static bool fingerprint_matches(const struct session *s, const struct tls_policy *policy)
{
	struct tls_certificate certificate = { 0 };
	struct view rest = str_view(&policy->match), element;
	bool matches = false;

	stream_tls_certificate(s->io, settings.tls_fingerprint_digest, &certificate);
	while (!matches && view_next_word(&rest, ", |\t", &element))
		matches = view_eq_nocase(element, str_view(&certificate.fingerprint)) ||
			  view_eq_nocase(element, str_view(&certificate.key_fingerprint));
	tls_certificate_free(&certificate);
	return matches;
}

static void log_handshake(const struct session *s)
{
	struct tls_info info;

	if (settings.tls_loglevel < 1 || !stream_tls_info(s->io, &info))
		return;
	log_info("%s TLS connection established to %s: %s with cipher %s (%d/%d bits)",
		 info.verified || s->level >= TLS_FINGERPRINT ? "Verified" : "Untrusted",
		 str_cstr(&s->relay), info.protocol, info.cipher, info.cipher_bits,
		 info.cipher_bits);
}

static int fail_handshake(struct session *s, const char *reason, struct outcome *failure)
{
	s->unusable = true;
	outcome_set(failure, OUTCOME_DEFERRED, "4.7.5", str_view(&s->relay),
		    "Cannot start TLS with %s: %s", str_cstr(&s->who), reason);
	failure->cause = CAUSE_TLS;
	log_info("SSL_connect error to %s: %s", str_cstr(&s->relay), reason);
	return -1;
}

/* The records that decide, as the handshake wants them. */
static size_t tlsa_to_check(const struct session *s, struct tls_tlsa *records)
{
	size_t count = 0;

	for (size_t i = 0; s->level == TLS_DANE && i < s->tlsa.count && count < TLSA_RECORDS_MAX;
	     i++) {
		struct view data = str_view(&s->tlsa.records[i].data);

		if (tlsa_is_usable(data))
			records[count++] = (struct tls_tlsa){
				.usage = (uint8_t)data.data[0],
				.selector = (uint8_t)data.data[1],
				.matching_type = (uint8_t)data.data[2],
				.data = view_from(data, TLSA_HEAD),
			};
	}
	return count;
}

int session_handshake(struct session *s, const struct session_wish *wish, struct outcome *failure)
{
	const char *names[MATCH_NAMES_MAX];
	_cleanup_(str_free) struct str storage = STR_EMPTY;
	struct tls_tlsa records[TLSA_RECORDS_MAX];
	struct tls_peer_check check = {
		.servername = tls_server_name(s, wish),
		.verify = s->level >= TLS_VERIFY,
		.names = names,
		.tlsa = records,
		.tlsa_count = tlsa_to_check(s, records),
		.protocols = str_cstr(&wish->policy->protocols),
		.cipher_list =
			wish->policy->ciphers.len > 0 ? str_cstr(&wish->policy->ciphers) : NULL,
	};
	int r;

	if (names_to_match(s, wish, names, &storage) == 0)
		check.names = NULL;
	s->doing = "performing the TLS handshake";
	stream_set_deadline(s->io, clock_after(settings.starttls_timeout));
	r = stream_start_tls_client(s->io, context, &check);
	if (r < 0)
		return fail_handshake(s, r == -EPROTO ? stream_error(s->io) : "handshake failure",
				      failure);
	if (s->level == TLS_FINGERPRINT && !fingerprint_matches(s, wish->policy))
		return fail_handshake(s, "the server's certificate has another fingerprint",
				      failure);
	s->secured = true;
	log_handshake(s);
	return 0;
}
