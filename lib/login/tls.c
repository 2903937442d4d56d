/* TLS of IMAP, POP3 and ManageSieve: one context for the program, made before it is confined. */
#include <errno.h>

#include "base/log.h"
#include "conf/conf.h"
#include "login/internal.h"
#include "services/clients.h"
#include "table/table.h"

static struct tls_context *tls;

static const char *set_or_null(const char *value)
{
	return value[0] != '\0' ? value : NULL;
}

int login_tls_prepare(const struct login_protocol *protocol, struct error *err)
{
	struct tls_options options = {
		.server = true,
		.chain_files = set_or_null(param.smtpd_tls_chain_files),
		.cert_file = set_or_null(param.smtpd_tls_cert_file),
		.key_file = set_or_null(param.smtpd_tls_key_file),
		.ec_cert_file = set_or_null(param.smtpd_tls_eccert_file),
		.ec_key_file = set_or_null(param.smtpd_tls_eckey_file),
		.sign = keys_sign_as_server,
		.sni_maps = param.tls_server_sni_maps,
		.find_chain = keys_find_chain,
		.protocols = set_or_null(param.smtpd_tls_mandatory_protocols),
		.alpn = protocol->alpn,
	};

	if (options.chain_files == NULL && options.cert_file == NULL) {
		if (protocol->tls_comes_first())
			return error_set(err, -EINVAL,
					 "%sd_tls_wrappermode = yes needs smtpd_tls_chain_files",
					 protocol->service);
		return 0;
	}
	if (auth_tls_prepare(err) < 0 || tls_site_server(&options, true, err) < 0)
		return -EINVAL;
	options.ask_certificate = auth_tls_asks();
	tls = tls_context_new(&options, err);
	return tls == NULL ? -EINVAL
			   : table_watch_files(TLS_FILES(&options), TLS_CERTIFICATE_FILES, err);
}

/* The program that has the key is asked for each handshake. */
void login_start(void)
{
	if (tls != NULL)
		keys_connect();
}

bool login_offers_tls(const struct login *l)
{
	return tls != NULL && !l->secured;
}

bool login_is_private(const struct login *l)
{
	return l->secured || strcmp(l->peer->text, l->peer->server_text) == 0 ||
	       networks_have(view_of(param.login_trusted_networks), view_of(l->peer->text));
}

bool login_may_send_password(const struct login *l)
{
	return login_is_private(l) || !param.disable_plaintext_auth;
}

int login_start_tls(struct login *l)
{
	int r = stream_flush(l->io);

	if (r < 0)
		return r;
	/* What came in the clear after the command was not written by whom TLS will prove. */
	if (stream_buffered(l->io).len > 0)
		log_warning("input after the command to start TLS dropped, rip=%s", l->peer->text);
	stream_discard_input(l->io);
	r = stream_start_tls_server(l->io, tls);
	if (r == 0)
		l->secured = true;
	return r;
}
