/*
 * The table of all restriction words, and how each is asked. Evaluating a list of them is in
 * lists.c and policy.c.
 */
#include "policy/internal.h"
#include "services/clients.h"

/* Every restriction of Postfix; what has no function is known by name only. */
const struct element policy_elements[] = {
	{ "permit", NO_ARGUMENT, policy_permit, 0 },
	{ "reject", NO_ARGUMENT, policy_reject, 0 },
	{ "defer", NO_ARGUMENT, policy_defer, 0 },
	{ "defer_if_permit", NO_ARGUMENT, policy_do_defer_if_permit, 0 },
	{ "defer_if_reject", NO_ARGUMENT, policy_do_defer_if_reject, 0 },
	{ "warn_if_reject", NO_ARGUMENT, policy_warn_if_reject, 0 },
	{ "sleep", TIME_ARGUMENT, policy_sleep, 0 },
	{ "permit_mynetworks", NO_ARGUMENT, policy_permit_mynetworks, 0 },
	{ "permit_sasl_authenticated", NO_ARGUMENT, policy_permit_sasl, 0 },
	{ "permit_inet_interfaces", NO_ARGUMENT, policy_permit_interfaces, 0 },
	{ "reject_plaintext_session", NO_ARGUMENT, policy_reject_plaintext, 0 },
	{ "reject_unauth_pipelining", NO_ARGUMENT, policy_reject_pipelining, 0 },
	{ "reject_unknown_client_hostname", NO_ARGUMENT, policy_unknown_client, 0 },
	{ "reject_unknown_client", NO_ARGUMENT, policy_unknown_client, 0 },
	{ "reject_unknown_reverse_client_hostname", NO_ARGUMENT, policy_unknown_reverse_client, 0 },
	{ "reject_invalid_helo_hostname", NO_ARGUMENT, policy_invalid_helo, 0 },
	{ "reject_invalid_hostname", NO_ARGUMENT, policy_invalid_helo, 0 },
	{ "reject_non_fqdn_helo_hostname", NO_ARGUMENT, policy_non_fqdn_helo, 0 },
	{ "reject_non_fqdn_hostname", NO_ARGUMENT, policy_non_fqdn_helo, 0 },
	{ "permit_auth_destination", NO_ARGUMENT, policy_permit_auth_destination, 0 },
	{ "reject_unauth_destination", NO_ARGUMENT, policy_reject_unauth_destination, 0 },
	{ "defer_unauth_destination", NO_ARGUMENT, policy_defer_unauth_destination, 0 },
	{ "reject_unlisted_sender", NO_ARGUMENT, policy_unlisted_sender, 0 },
	{ "reject_unlisted_recipient", NO_ARGUMENT, policy_unlisted_recipient, 0 },
	{ "check_recipient_maps", NO_ARGUMENT, policy_unlisted_recipient, 0 },
	{ "reject_non_fqdn_sender", NO_ARGUMENT, policy_non_fqdn_sender, 0 },
	{ "reject_non_fqdn_recipient", NO_ARGUMENT, policy_non_fqdn_recipient, 0 },
	{ "reject_unknown_sender_domain", NO_ARGUMENT, policy_unknown_sender_domain, 0 },
	{ "reject_unknown_address", NO_ARGUMENT, policy_unknown_sender_domain, 0 },
	{ "reject_unknown_recipient_domain", NO_ARGUMENT, policy_unknown_recipient_domain, 0 },
	{ "reject_multi_recipient_bounce", NO_ARGUMENT, policy_multi_recipient_bounce, 0 },
	{ "reject_sender_login_mismatch", NO_ARGUMENT, policy_login_mismatch, 0 },
	{ "reject_authenticated_sender_login_mismatch", NO_ARGUMENT,
	  policy_login_mismatch_authenticated, 0 },
	{ "reject_unauthenticated_sender_login_mismatch", NO_ARGUMENT,
	  policy_login_mismatch_unknown, 0 },
	{ "check_client_access", TABLE_ARGUMENT, policy_check_client_access, 0 },
	{ "check_helo_access", TABLE_ARGUMENT, policy_check_helo_access, 0 },
	{ "check_sender_access", TABLE_ARGUMENT, policy_check_sender_access, 0 },
	{ "check_recipient_access", TABLE_ARGUMENT, policy_check_recipient_access, 0 },
	{ "check_policy_service", SERVICE_ARGUMENT, policy_check_service, 0 },
	{ "reject_rbl_client", RBL_ARGUMENT, policy_rbl_client, 0 },
	{ "reject_rbl", RBL_ARGUMENT, policy_rbl_client, 0 },
	{ "reject_rhsbl_client", RBL_ARGUMENT, policy_rhsbl_client, 0 },
	{ "reject_rhsbl_reverse_client", RBL_ARGUMENT, policy_rhsbl_reverse, 0 },
	{ "reject_rhsbl_helo", RBL_ARGUMENT, policy_rhsbl_helo, 0 },
	{ "reject_rhsbl_sender", RBL_ARGUMENT, policy_rhsbl_sender, 0 },
	{ "reject_rhsbl_recipient", RBL_ARGUMENT, policy_rhsbl_recipient, 0 },
	/* Of Posta. */
	{ "reject_spf_fail", NO_ARGUMENT, policy_reject_spf_fail, 0 },
	{ "check_spf_access", TABLE_ARGUMENT, policy_check_spf_access, 0 },
	{ "reject_greylisted", NO_ARGUMENT, policy_reject_greylisted, 0 },

	{ "check_sasl_access", TABLE_ARGUMENT, policy_check_sasl_access, 0 },
	{ "check_ccert_access", TABLE_ARGUMENT, policy_check_certificate_access, 0 },
	{ "check_etrn_access", TABLE_ARGUMENT, policy_check_etrn_access, 0 },
	{ "check_reverse_client_hostname_access", TABLE_ARGUMENT,
	  policy_check_reverse_client_access, 0 },
	{ "check_client_a_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_CLIENT | DNS_A },
	{ "check_client_mx_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_CLIENT | DNS_MX },
	{ "check_client_ns_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_CLIENT | DNS_NS },
	{ "check_reverse_client_hostname_a_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_REVERSE_CLIENT | DNS_A },
	{ "check_reverse_client_hostname_mx_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_REVERSE_CLIENT | DNS_MX },
	{ "check_reverse_client_hostname_ns_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_REVERSE_CLIENT | DNS_NS },
	{ "check_helo_a_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_HELO | DNS_A },
	{ "check_helo_mx_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_HELO | DNS_MX },
	{ "check_helo_ns_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_HELO | DNS_NS },
	{ "check_sender_a_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_SENDER | DNS_A },
	{ "check_sender_mx_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_SENDER | DNS_MX },
	{ "check_sender_ns_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_SENDER | DNS_NS },
	{ "check_recipient_a_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_RECIPIENT | DNS_A },
	{ "check_recipient_mx_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_RECIPIENT | DNS_MX },
	{ "check_recipient_ns_access", TABLE_ARGUMENT, policy_check_server_access,
	  SERVER_OF_RECIPIENT | DNS_NS },
	{ "permit_dnswl_client", RBL_ARGUMENT, policy_dnswl_client, 0 },
	{ "permit_rhswl_client", RBL_ARGUMENT, policy_rhswl_client, 0 },
	{ "permit_mx_backup", NO_ARGUMENT, policy_permit_mx_backup, 0 },
	{ "permit_tls_clientcerts", NO_ARGUMENT, policy_permit_certificate, 0 },
	{ "permit_tls_all_clientcerts", NO_ARGUMENT, policy_permit_any_certificate, 0 },
	{ "reject_known_sender_login_mismatch", NO_ARGUMENT, policy_login_mismatch_known, 0 },
	{ "reject_unknown_forward_client_hostname", NO_ARGUMENT, policy_unknown_forward_client, 0 },
	{ "reject_unknown_helo_hostname", NO_ARGUMENT, policy_unknown_helo, 0 },
	{ "reject_unknown_hostname", NO_ARGUMENT, policy_unknown_helo, 0 },

	{ "reject_unverified_recipient", NO_ARGUMENT, policy_unverified_recipient, 0 },
	{ "reject_unverified_sender", NO_ARGUMENT, policy_unverified_sender, 0 },

	{ "check_relay_domains", NO_ARGUMENT, NULL, 0 },
	{ "permit_naked_ip_address", NO_ARGUMENT, NULL, 0 },
	{ "reject_maps_rbl", NO_ARGUMENT, NULL, 0 },
	{ NULL, NO_ARGUMENT, NULL, 0 },
};

const char *policy_element_name(size_t index)
{
	size_t n = 0;

	for (const struct element *e = policy_elements; e->name != NULL; e++) {
		if (e->check != NULL && n++ == index)
			return e->name;
	}
	return NULL;
}
