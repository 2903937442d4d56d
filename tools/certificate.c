/* Reads when the first certificate of a file ends, and for which host it is. */
#include "tools/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void certificate_find_name(X509 *x509, struct certificate *c)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);

	c->name[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && c->name[0] == '\0'; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			snprintf(c->name, sizeof(c->name), "%.*s",
				 ASN1_STRING_length(name->d.dNSName),
				 (const char *)ASN1_STRING_get0_data(name->d.dNSName));
	}
	GENERAL_NAMES_free(names);
	if (c->name[0] == '\0' &&
	    X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, c->name,
				      sizeof(c->name)) < 0)
		snprintf(c->name, sizeof(c->name), "nobody");
	/* It is printed. */
	for (char *at = c->name; *at != '\0'; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
}

bool certificate_read(const char *path, const char *host, struct certificate *c)
{
	FILE *file = fopen(path, "re");
	X509 *x509 = file != NULL ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
	struct tm end = { 0 };
	int days = 0, seconds = 0;

	*c = (struct certificate){ 0 };
	if (file != NULL)
		fclose(file);
	if (x509 == NULL)
		return false;
	if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x509)) || days < 0 ||
	    seconds < 0)
		c->expired = true;
	c->days_left = c->expired ? days - (seconds < 0) : days;
	c->not_yet_valid = X509_cmp_current_time(X509_get0_notBefore(x509)) > 0;
	c->fits = X509_check_host(x509, host, 0, 0, NULL) == 1;
	if (ASN1_TIME_to_tm(X509_get0_notAfter(x509), &end))
		strftime(c->until, sizeof(c->until), "%Y-%m-%d", &end);
	certificate_find_name(x509, c);
	X509_free(x509);
	return true;
}
