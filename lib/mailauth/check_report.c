/* What came of one message, in the order in which readers expect it. */
#include "mailauth/check.h"
#include "mailauth/report.h"

void mail_check_report(const struct mail_check *check, unsigned methods, struct authres *results)
{
	if (check->has_client && (methods & MAIL_CHECK_IPREV)) {
		authres_method(results, "iprev", proof_word(check->iprev),
			       str_view(&check->iprev_name));
		authres_property(results, "policy.iprev", str_view(&check->ip));
	}
	if (check->has_client && (methods & MAIL_CHECK_SPF)) {
		report_spf(&check->spf, str_view(&check->sender), str_view(&check->helo), results);
		if (check->has_helo)
			report_spf_helo(&check->spf_helo, str_view(&check->helo), results);
	}
	if (methods & MAIL_CHECK_DKIM)
		report_dkim(check->dkim, results);
	if (methods & MAIL_CHECK_DMARC)
		report_dmarc(&check->dmarc, results);
	if (methods & MAIL_CHECK_ARC)
		report_arc(check->arc, str_view(&check->ip), results);
}

void mail_check_steps(const struct mail_check *check, unsigned methods, struct str *out)
{
	if (check->has_client && (methods & MAIL_CHECK_IPREV))
		str_printf(out, "iprev: %s: %s %s\n", str_cstr(&check->ip),
			   proof_word(check->iprev), str_cstr(&check->iprev_name));
	if (check->has_client && (methods & MAIL_CHECK_SPF)) {
		str_printf(out, "spf of MAIL FROM: %s\n", proof_word(check->spf.result));
		str_append(out, str_view(&check->spf.steps));
		if (check->has_helo) {
			str_printf(out, "spf of HELO: %s\n", proof_word(check->spf_helo.result));
			str_append(out, str_view(&check->spf_helo.steps));
		}
	}
	if (methods & MAIL_CHECK_DKIM)
		report_dkim_steps(check->dkim, out);
	if (methods & MAIL_CHECK_DMARC)
		str_append(out, str_view(&check->dmarc.steps));
	if (methods & MAIL_CHECK_ARC)
		report_arc_steps(check->arc, out);
}

void mail_check_received_spf(const struct mail_check *check, struct str *out)
{
	if (check->has_client)
		report_received_spf(&check->spf, str_view(&check->ip), str_view(&check->sender),
				    str_view(&check->helo), str_view(&check->receiver), out);
}
