/* pop3d: the network side of POP3. See login.h. */
#include <errno.h>

#include "conf/conf.h"
#include "login.h"
#include "services/clients.h"
#include "table/table.h"

static struct tls_context *tls;

static const char *pop3_setting_or_null(const char *value)
{
	return value[0] != '\0' ? value : NULL;
}

static int pop3d_prepare(struct error *err)
{
	struct tls_options options = {
		.server = true,
		.chain_files = pop3_setting_or_null(param.smtpd_tls_chain_files),
		.cert_file = pop3_setting_or_null(param.smtpd_tls_cert_file),
		.key_file = pop3_setting_or_null(param.smtpd_tls_key_file),
		.ec_cert_file = pop3_setting_or_null(param.smtpd_tls_eccert_file),
		.ec_key_file = pop3_setting_or_null(param.smtpd_tls_eckey_file),
		.sign = keys_sign_as_server,
		.protocols = pop3_setting_or_null(param.smtpd_tls_mandatory_protocols),
		.alpn = "pop3",
	};

	if (options.chain_files == NULL && options.cert_file == NULL) {
		if (param.pop3d_tls_wrappermode)
			return error_set(err, -EINVAL,
					 "pop3d_tls_wrappermode = yes needs smtpd_tls_chain_files");
		return 0;
	}
	tls = tls_context_new(&options, err);
	return tls == NULL ? -EINVAL
			   : table_watch_files(TLS_FILES(&options), TLS_CERTIFICATE_FILES, err);
}

static void pop3_client_serve(struct stream *io, const struct peer *peer)
{
	login_serve(io, peer, tls, param.pop3d_tls_wrappermode);
}

static void pop3d_start(void)
{
	if (tls != NULL)
		keys_connect();
}

static const struct daemon_program program = {
	.name = "pop3d",
	.prepare = pop3d_prepare,
	.start = pop3d_start,
	.serve_client = pop3_client_serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
