/*
 * The table of all restriction words, and how each is asked. Evaluating a list of them is in
 * lists.c and policy.c.
 */
#include "policy/internal.h"

/* Every restriction of Postfix; what has no function is known by name only. */
const struct element policy_elements[] = {
	{ "permit", NO_ARGUMENT, policy_permit },
	{ "reject", NO_ARGUMENT, policy_reject },
	{ "defer", NO_ARGUMENT, policy_defer },
	{ "defer_if_permit", NO_ARGUMENT, policy_do_defer_if_permit },
	{ "defer_if_reject", NO_ARGUMENT, policy_do_defer_if_reject },
	{ "warn_if_reject", NO_ARGUMENT, policy_warn_if_reject },
	{ "sleep", TIME_ARGUMENT, policy_sleep },
	{ "permit_mynetworks", NO_ARGUMENT, policy_permit_mynetworks },
	{ "permit_sasl_authenticated", NO_ARGUMENT, policy_permit_sasl },
	{ "permit_inet_interfaces", NO_ARGUMENT, policy_permit_interfaces },
	{ "reject_plaintext_session", NO_ARGUMENT, policy_reject_plaintext },
	{ "reject_unauth_pipelining", NO_ARGUMENT, policy_reject_pipelining },
	{ "reject_unknown_client_hostname", NO_ARGUMENT, policy_unknown_client },
	{ "reject_unknown_client", NO_ARGUMENT, policy_unknown_client },
	{ "reject_unknown_reverse_client_hostname", NO_ARGUMENT, policy_unknown_reverse_client },
	{ "reject_invalid_helo_hostname", NO_ARGUMENT, policy_invalid_helo },
	{ "reject_invalid_hostname", NO_ARGUMENT, policy_invalid_helo },
	{ "reject_non_fqdn_helo_hostname", NO_ARGUMENT, policy_non_fqdn_helo },
	{ "reject_non_fqdn_hostname", NO_ARGUMENT, policy_non_fqdn_helo },
	{ "permit_auth_destination", NO_ARGUMENT, policy_permit_auth_destination },
	{ "reject_unauth_destination", NO_ARGUMENT, policy_reject_unauth_destination },
	{ "defer_unauth_destination", NO_ARGUMENT, policy_defer_unauth_destination },
	{ "reject_unlisted_sender", NO_ARGUMENT, policy_unlisted_sender },
	{ "reject_unlisted_recipient", NO_ARGUMENT, policy_unlisted_recipient },
	{ "check_recipient_maps", NO_ARGUMENT, policy_unlisted_recipient },
	{ "reject_non_fqdn_sender", NO_ARGUMENT, policy_non_fqdn_sender },
	{ "reject_non_fqdn_recipient", NO_ARGUMENT, policy_non_fqdn_recipient },
	{ "reject_unknown_sender_domain", NO_ARGUMENT, policy_unknown_sender_domain },
	{ "reject_unknown_address", NO_ARGUMENT, policy_unknown_sender_domain },
	{ "reject_unknown_recipient_domain", NO_ARGUMENT, policy_unknown_recipient_domain },
	{ "reject_multi_recipient_bounce", NO_ARGUMENT, policy_multi_recipient_bounce },
	{ "reject_sender_login_mismatch", NO_ARGUMENT, policy_login_mismatch },
	{ "reject_authenticated_sender_login_mismatch", NO_ARGUMENT, policy_login_mismatch_known },
	{ "reject_unauthenticated_sender_login_mismatch", NO_ARGUMENT,
	  policy_login_mismatch_unknown },
	{ "check_client_access", TABLE_ARGUMENT, policy_check_client_access },
	{ "check_helo_access", TABLE_ARGUMENT, policy_check_helo_access },
	{ "check_sender_access", TABLE_ARGUMENT, policy_check_sender_access },
	{ "check_recipient_access", TABLE_ARGUMENT, policy_check_recipient_access },
	{ "check_policy_service", SERVICE_ARGUMENT, policy_check_service },
	{ "reject_rbl_client", RBL_ARGUMENT, policy_rbl_client },
	{ "reject_rbl", RBL_ARGUMENT, policy_rbl_client },
	{ "reject_rhsbl_client", RBL_ARGUMENT, policy_rhsbl_client },
	{ "reject_rhsbl_reverse_client", RBL_ARGUMENT, policy_rhsbl_reverse },
	{ "reject_rhsbl_helo", RBL_ARGUMENT, policy_rhsbl_helo },
	{ "reject_rhsbl_sender", RBL_ARGUMENT, policy_rhsbl_sender },
	{ "reject_rhsbl_recipient", RBL_ARGUMENT, policy_rhsbl_recipient },

	{ "check_ccert_access", TABLE_ARGUMENT, NULL },
	{ "check_client_a_access", TABLE_ARGUMENT, NULL },
	{ "check_client_mx_access", TABLE_ARGUMENT, NULL },
	{ "check_client_ns_access", TABLE_ARGUMENT, NULL },
	{ "check_etrn_access", TABLE_ARGUMENT, NULL },
	{ "check_helo_a_access", TABLE_ARGUMENT, NULL },
	{ "check_helo_mx_access", TABLE_ARGUMENT, NULL },
	{ "check_helo_ns_access", TABLE_ARGUMENT, NULL },
	{ "check_recipient_a_access", TABLE_ARGUMENT, NULL },
	{ "check_recipient_mx_access", TABLE_ARGUMENT, NULL },
	{ "check_recipient_ns_access", TABLE_ARGUMENT, NULL },
	{ "check_relay_domains", NO_ARGUMENT, NULL },
	{ "check_reverse_client_hostname_access", TABLE_ARGUMENT, NULL },
	{ "check_reverse_client_hostname_a_access", TABLE_ARGUMENT, NULL },
	{ "check_reverse_client_hostname_mx_access", TABLE_ARGUMENT, NULL },
	{ "check_reverse_client_hostname_ns_access", TABLE_ARGUMENT, NULL },
	{ "check_sasl_access", TABLE_ARGUMENT, NULL },
	{ "check_sender_a_access", TABLE_ARGUMENT, NULL },
	{ "check_sender_mx_access", TABLE_ARGUMENT, NULL },
	{ "check_sender_ns_access", TABLE_ARGUMENT, NULL },
	{ "permit_dnswl_client", RBL_ARGUMENT, NULL },
	{ "permit_mx_backup", NO_ARGUMENT, NULL },
	{ "permit_naked_ip_address", NO_ARGUMENT, NULL },
	{ "permit_rhswl_client", RBL_ARGUMENT, NULL },
	{ "permit_tls_all_clientcerts", NO_ARGUMENT, NULL },
	{ "permit_tls_clientcerts", NO_ARGUMENT, NULL },
	{ "reject_known_sender_login_mismatch", NO_ARGUMENT, NULL },
	{ "reject_maps_rbl", NO_ARGUMENT, NULL },
	{ "reject_unknown_forward_client_hostname", NO_ARGUMENT, NULL },
	{ "reject_unknown_helo_hostname", NO_ARGUMENT, NULL },
	{ "reject_unknown_hostname", NO_ARGUMENT, NULL },
	{ "reject_unverified_recipient", NO_ARGUMENT, NULL },
	{ "reject_unverified_sender", NO_ARGUMENT, NULL },
	{ NULL, NO_ARGUMENT, NULL },
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
