/*
 * STARTTLS as a client, and whom we are then speaking with. Whether that is good enough is the
 * policy's word.
 */
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

#define MATCH_NAMES_MAX 16

/* The program's state. */
enum tls_level tls_level;
static struct tls_context *context;

static int read_level(struct error *err)
{
	static const struct {
		const char *name;
		enum tls_level level;
	} levels[] = {
		{ "none", TLS_NONE },	  { "may", TLS_MAY },	    { "encrypt", TLS_ENCRYPT },
		{ "verify", TLS_VERIFY }, { "secure", TLS_SECURE }, { "dane", TLS_MAY },
	};
	struct view name = view_of(settings.tls_security_level);

	/* The old way to say it, where the new one says nothing. */
	if (name.len == 0) {
		tls_level = settings.enforce_tls
				    ? (settings.tls_enforce_peername ? TLS_VERIFY : TLS_ENCRYPT)
			    : settings.use_tls ? TLS_MAY
					       : TLS_NONE;
		return 0;
	}

	if (view_is_nocase(name, "dane"))
		log_warning("smtp_tls_security_level: dane is not in force yet: as may");
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (view_is_nocase(name, levels[i].name)) {
			tls_level = levels[i].level;
			return 0;
		}
	}
	return error_set(err, -EINVAL,
			 "%s_tls_security_level: expected none, may, encrypt, verify or secure, "
			 "not %.*s",
			 settings.lmtp ? "lmtp" : "smtp", VIEW_ARG(name));
}

static const char *tls_setting_or_null(const char *value)
{
	return *value != '\0' ? value : NULL;
}

int session_tls_prepare(struct error *err)
{
	int r = read_level(err);

	if (r < 0)
		return r;
	if (settings.tls_wrappermode && tls_level < TLS_ENCRYPT)
		return error_set(err, -EINVAL,
				 "smtp_tls_wrappermode needs smtp_tls_security_level = encrypt");
	if (tls_level == TLS_NONE)
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
		.protocols = tls_level >= TLS_ENCRYPT ? settings.tls_mandatory_protocols
						      : settings.tls_protocols,
	};

	r = tls_level >= TLS_ENCRYPT ? tls_site_ciphers(&options, settings.tls_mandatory_ciphers,
							settings.tls_exclude_ciphers,
							settings.tls_mandatory_exclude_ciphers, err)
				     : tls_site_ciphers(&options, settings.tls_ciphers,
							settings.tls_exclude_ciphers, NULL, err);
	if (r < 0)
		return r;
	context = tls_context_new(&options, err);
	return context == NULL ? -EINVAL
			       : table_watch_files(TLS_FILES(&options), TLS_CERTIFICATE_FILES, err);
}

/* smtp_tls_verify_cert_match and its kin: hostname, nexthop, dot-nexthop, or names. */
static size_t names_to_match(const struct session *s, const struct session_wish *wish,
			     const char **names, struct str *storage)
{
	const char *list = tls_level == TLS_SECURE ? settings.tls_secure_cert_match
						   : settings.tls_verify_cert_match;
	struct view rest = view_of(list), element;
	size_t offsets[MATCH_NAMES_MAX], count = 0;

	while (count < MATCH_NAMES_MAX - 1 && view_next_word(&rest, ", :\t", &element)) {
		offsets[count++] = storage->len;
		if (view_is_nocase(element, "hostname"))
			str_append(storage, str_view(&s->host));
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

static const char *server_name(const struct session *s, const struct session_wish *wish)
{
	struct view name = view_of(settings.tls_servername);
	const char *chosen = settings.tls_servername;

	if (view_is_nocase(name, "hostname"))
		chosen = str_cstr(&s->host);
	else if (view_is_nocase(name, "nexthop"))
		chosen = str_cstr(&wish->destination->host);
	/* RFC 6066: no addresses. */
	return domain_is_valid(view_of(chosen), false) ? chosen : NULL;
}

static void log_handshake(const struct session *s)
{
	struct tls_info info;

	if (settings.tls_loglevel < 1 || !stream_tls_info(s->io, &info))
		return;
	log_info("%s TLS connection established to %s: %s with cipher %s (%d/%d bits)",
		 info.verified ? "Verified" : "Untrusted", str_cstr(&s->relay), info.protocol,
		 info.cipher, info.cipher_bits, info.cipher_bits);
}

int session_handshake(struct session *s, const struct session_wish *wish, struct outcome *failure)
{
	const char *names[MATCH_NAMES_MAX];
	_cleanup_(str_free) struct str storage = STR_EMPTY;
	struct tls_peer_check check = {
		.servername = server_name(s, wish),
		.verify = tls_level >= TLS_VERIFY,
		.names = names,
	};
	int r;

	if (names_to_match(s, wish, names, &storage) == 0)
		check.names = NULL;
	s->doing = "performing the TLS handshake";
	stream_set_deadline(s->io, clock_after(settings.starttls_timeout));
	r = stream_start_tls_client(s->io, context, &check);
	if (r < 0) {
		s->unusable = true;
		outcome_set(failure, OUTCOME_DEFERRED, "4.7.5", str_view(&s->relay),
			    "Cannot start TLS with %s: %s", str_cstr(&s->who),
			    r == -EPROTO ? stream_error(s->io) : "handshake failure");
		failure->cause = CAUSE_TLS;
		log_info("SSL_connect error to %s: %s", str_cstr(&s->relay), stream_error(s->io));
		return -1;
	}
	s->secured = true;
	log_handshake(s);
	return 0;
}
