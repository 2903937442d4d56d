/*
 * What main.cf says about ciphers and curves of TLS, for servers and for clients. Certificates,
 * versions and levels are each program's own.
 */
#include <errno.h>

#include "conf/conf.h"
#include "services/clients.h"

/* NULL: no such grade. "low" and "export" mean medium since OpenSSL has nothing below it. */
static const char *cipher_list_of(struct view grade)
{
	if (view_is_nocase(grade, "high"))
		return param.tls_high_cipherlist;
	if (view_is_nocase(grade, "null"))
		return param.tls_null_cipherlist;
	if (view_is_nocase(grade, "medium") || view_is_nocase(grade, "low") ||
	    view_is_nocase(grade, "export"))
		return param.tls_medium_cipherlist;
	return NULL;
}

int tls_site_ciphers(struct tls_options *options, const char *grade, const char *exclude,
		     const char *mandatory_exclude, struct error *err)
{
	options->cipher_list = cipher_list_of(view_of(grade));
	if (options->cipher_list == NULL)
		return error_set(err, -EINVAL,
				 "TLS ciphers: expected high, medium, low, export or null, not %s",
				 grade);
	options->exclude_ciphers[0] = exclude;
	options->exclude_ciphers[1] = mandatory_exclude;
	options->curves = param.tls_eecdh_auto_curves;
	options->ssl_options = param.tls_ssl_options;
	return 0;
}

int tls_site_server(struct tls_options *options, bool mandatory, struct error *err)
{
	struct view grade = view_of(param.smtpd_tls_eecdh_grade);
	int r = tls_site_ciphers(
		options, mandatory ? param.smtpd_tls_mandatory_ciphers : param.smtpd_tls_ciphers,
		param.smtpd_tls_exclude_ciphers,
		mandatory ? param.smtpd_tls_mandatory_exclude_ciphers : NULL, err);

	if (r < 0)
		return r;
	options->own_order = param.tls_preempt_cipherlist;
	if (view_is_nocase(grade, "strong"))
		options->curves = param.tls_eecdh_strong_curve;
	else if (view_is_nocase(grade, "ultra"))
		options->curves = param.tls_eecdh_ultra_curve;
	return 0;
}
