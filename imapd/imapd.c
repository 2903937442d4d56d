/* imapd: the network side of IMAP. See login.h. */
#include <errno.h>

#include "conf/conf.h"
#include "daemon/daemon.h"
#include "login.h"
#include "services/clients.h"
#include "table/table.h"

static struct tls_context *tls;

static const char *imap_setting_or_null(const char *value)
{
	return value[0] != '\0' ? value : NULL;
}

static int imapd_prepare(struct error *err)
{
	struct tls_options options = {
		.server = true,
		.chain_files = imap_setting_or_null(param.smtpd_tls_chain_files),
		.cert_file = imap_setting_or_null(param.smtpd_tls_cert_file),
		.key_file = imap_setting_or_null(param.smtpd_tls_key_file),
		.ec_cert_file = imap_setting_or_null(param.smtpd_tls_eccert_file),
		.ec_key_file = imap_setting_or_null(param.smtpd_tls_eckey_file),
		.sign = keys_sign_as_server,
		.protocols = imap_setting_or_null(param.smtpd_tls_mandatory_protocols),
		.alpn = "imap",
	};

	if (options.chain_files == NULL && options.cert_file == NULL) {
		if (param.imapd_tls_wrappermode)
			return error_set(err, -EINVAL,
					 "imapd_tls_wrappermode = yes needs smtpd_tls_chain_files");
		return 0;
	}
	tls = tls_context_new(&options, err);
	return tls == NULL ? -EINVAL
			   : table_watch_files(TLS_FILES(&options), TLS_CERTIFICATE_FILES, err);
}

static void imap_client_serve(struct stream *io, const struct peer *peer)
{
	login_serve(io, peer, tls, param.imapd_tls_wrappermode);
}

static void imapd_start(void)
{
	if (tls != NULL)
		keys_connect();
}

static const struct daemon_program program = {
	.name = "imapd",
	.prepare = imapd_prepare,
	.start = imapd_start,
	.serve_client = imap_client_serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
