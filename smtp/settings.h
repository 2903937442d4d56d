/* The parameters of the client in either protocol: smtp_name, or lmtp_name where this is LMTP. */
#ifndef SMTP_SETTINGS_H
#define SMTP_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* TYPE, name here, parameter for SMTP, parameter for LMTP */
#define SETTINGS(X)                                                                                \
	X(const char *, helo_name, smtp_helo_name, lmtp_lhlo_name)                                 \
	X(const char *, tcp_port, smtp_tcp_port, lmtp_tcp_port)                                    \
	X(msec_t, connect_timeout, smtp_connect_timeout, lmtp_connect_timeout)                     \
	X(msec_t, helo_timeout, smtp_helo_timeout, lmtp_lhlo_timeout)                              \
	X(msec_t, mail_timeout, smtp_mail_timeout, lmtp_mail_timeout)                              \
	X(msec_t, rcpt_timeout, smtp_rcpt_timeout, lmtp_rcpt_timeout)                              \
	X(msec_t, data_init_timeout, smtp_data_init_timeout, lmtp_data_init_timeout)               \
	X(msec_t, data_xfer_timeout, smtp_data_xfer_timeout, lmtp_data_xfer_timeout)               \
	X(msec_t, data_done_timeout, smtp_data_done_timeout, lmtp_data_done_timeout)               \
	X(msec_t, rset_timeout, smtp_rset_timeout, lmtp_rset_timeout)                              \
	X(msec_t, starttls_timeout, smtp_starttls_timeout, lmtp_starttls_timeout)                  \
	X(int64_t, line_length_limit, smtp_line_length_limit, lmtp_line_length_limit)              \
	X(int64_t, min_data_rate, smtp_min_data_rate, lmtp_min_data_rate)                          \
	X(int64_t, mx_address_limit, smtp_mx_address_limit, lmtp_mx_address_limit)                 \
	X(int64_t, mx_session_limit, smtp_mx_session_limit, lmtp_mx_session_limit)                 \
	X(bool, defer_if_no_mx_address_found, smtp_defer_if_no_mx_address_found,                   \
	  lmtp_defer_if_no_mx_address_found)                                                       \
	X(const char *, dns_support_level, smtp_dns_support_level, lmtp_dns_support_level)         \
	X(bool, disable_dns_lookups, disable_dns_lookups, disable_dns_lookups)                     \
	X(bool, disable_mime_output_conversion, disable_mime_output_conversion,                    \
	  disable_mime_output_conversion)                                                          \
	X(bool, tls_force_insecure_host_tlsa_lookup, smtp_tls_force_insecure_host_tlsa_lookup,     \
	  lmtp_tls_force_insecure_host_tlsa_lookup)                                                \
	X(const char *, host_lookup, smtp_host_lookup, lmtp_host_lookup)                           \
	X(bool, balance_inet_protocols, smtp_balance_inet_protocols, lmtp_balance_inet_protocols)  \
	X(bool, ignore_mx_lookup_error, ignore_mx_lookup_error, ignore_mx_lookup_error)            \
	X(const char *, discard_address_maps, smtp_discard_ehlo_keyword_address_maps,              \
	  lmtp_discard_lhlo_keyword_address_maps)                                                  \
	X(bool, always_send_ehlo, smtp_always_send_ehlo, smtp_always_send_ehlo)                    \
	X(bool, never_send_ehlo, smtp_never_send_ehlo, smtp_never_send_ehlo)                       \
	X(bool, send_dummy_mail_auth, smtp_send_dummy_mail_auth, lmtp_send_dummy_mail_auth)        \
	X(bool, assume_final, lmtp_assume_final, lmtp_assume_final)                                \
	X(const char *, address_preference, smtp_address_preference, lmtp_address_preference)      \
	X(bool, randomize_addresses, smtp_randomize_addresses, lmtp_randomize_addresses)           \
	X(const char *, bind_address, smtp_bind_address, lmtp_bind_address)                        \
	X(const char *, bind_address6, smtp_bind_address6, lmtp_bind_address6)                     \
	X(bool, bind_address_enforce, smtp_bind_address_enforce, lmtp_bind_address_enforce)        \
	X(const char *, fallback_relay, smtp_fallback_relay, lmtp_fallback_relay)                  \
	X(bool, skip_5xx_greeting, smtp_skip_5xx_greeting, lmtp_skip_5xx_greeting)                 \
	X(const char *, discard_ehlo_keywords, smtp_discard_ehlo_keywords,                         \
	  lmtp_discard_lhlo_keywords)                                                              \
	X(bool, connection_cache_on_demand, smtp_connection_cache_on_demand,                       \
	  lmtp_connection_cache_on_demand)                                                         \
	X(msec_t, connection_cache_time_limit, smtp_connection_cache_time_limit,                   \
	  lmtp_connection_cache_time_limit)                                                        \
	X(msec_t, connection_reuse_time_limit, smtp_connection_reuse_time_limit,                   \
	  lmtp_connection_reuse_time_limit)                                                        \
	X(int64_t, connection_reuse_count_limit, smtp_connection_reuse_count_limit,                \
	  lmtp_connection_reuse_count_limit)                                                       \
	X(bool, sasl_auth_enable, smtp_sasl_auth_enable, lmtp_sasl_auth_enable)                    \
	X(const char *, sasl_password_maps, smtp_sasl_password_maps, lmtp_sasl_password_maps)      \
	X(const char *, sasl_mechanism_filter, smtp_sasl_mechanism_filter,                         \
	  lmtp_sasl_mechanism_filter)                                                              \
	X(bool, use_tls, smtp_use_tls, lmtp_use_tls)                                               \
	X(bool, enforce_tls, smtp_enforce_tls, lmtp_enforce_tls)                                   \
	X(bool, tls_enforce_peername, smtp_tls_enforce_peername, lmtp_tls_enforce_peername)        \
	X(const char *, sasl_security_options, smtp_sasl_security_options,                         \
	  lmtp_sasl_security_options)                                                              \
	X(const char *, sasl_tls_security_options, smtp_sasl_tls_security_options,                 \
	  lmtp_sasl_tls_security_options)                                                          \
	X(bool, sasl_auth_soft_bounce, smtp_sasl_auth_soft_bounce, lmtp_sasl_auth_soft_bounce)     \
	X(bool, sender_dependent_authentication, smtp_sender_dependent_authentication,             \
	  lmtp_sender_dependent_authentication)                                                    \
	X(const char *, tls_security_level, smtp_tls_security_level, lmtp_tls_security_level)      \
	X(const char *, tls_CAfile, smtp_tls_CAfile, lmtp_tls_CAfile)                              \
	X(const char *, tls_CApath, smtp_tls_CApath, lmtp_tls_CApath)                              \
	X(const char *, tls_eccert_file, smtp_tls_eccert_file, lmtp_tls_eccert_file)               \
	X(const char *, tls_eckey_file, smtp_tls_eckey_file, lmtp_tls_eckey_file)                  \
	X(const char *, tls_cert_file, smtp_tls_cert_file, lmtp_tls_cert_file)                     \
	X(const char *, tls_key_file, smtp_tls_key_file, lmtp_tls_key_file)                        \
	X(const char *, tls_chain_files, smtp_tls_chain_files, lmtp_tls_chain_files)               \
	X(const char *, tls_protocols, smtp_tls_protocols, lmtp_tls_protocols)                     \
	X(const char *, tls_mandatory_protocols, smtp_tls_mandatory_protocols,                     \
	  lmtp_tls_mandatory_protocols)                                                            \
	X(const char *, tls_ciphers, smtp_tls_ciphers, lmtp_tls_ciphers)                           \
	X(const char *, tls_mandatory_ciphers, smtp_tls_mandatory_ciphers,                         \
	  lmtp_tls_mandatory_ciphers)                                                              \
	X(const char *, tls_exclude_ciphers, smtp_tls_exclude_ciphers, lmtp_tls_exclude_ciphers)   \
	X(const char *, tls_mandatory_exclude_ciphers, smtp_tls_mandatory_exclude_ciphers,         \
	  lmtp_tls_mandatory_exclude_ciphers)                                                      \
	X(int64_t, tls_loglevel, smtp_tls_loglevel, lmtp_tls_loglevel)                             \
	X(const char *, tls_servername, smtp_tls_servername, lmtp_tls_servername)                  \
	X(const char *, tls_verify_cert_match, smtp_tls_verify_cert_match,                         \
	  lmtp_tls_verify_cert_match)                                                              \
	X(const char *, tls_secure_cert_match, smtp_tls_secure_cert_match,                         \
	  lmtp_tls_secure_cert_match)                                                              \
	X(const char *, tls_policy_maps, smtp_tls_policy_maps, lmtp_tls_policy_maps)               \
	X(const char *, tls_fingerprint_cert_match, smtp_tls_fingerprint_cert_match,               \
	  lmtp_tls_fingerprint_cert_match)                                                         \
	X(const char *, tls_fingerprint_digest, smtp_tls_fingerprint_digest,                       \
	  lmtp_tls_fingerprint_digest)                                                             \
	X(bool, send_xforward_command, smtp_send_xforward_command, lmtp_send_xforward_command)     \
	X(msec_t, xforward_timeout, smtp_xforward_timeout, lmtp_xforward_timeout)                  \
	X(const char *, header_checks, smtp_header_checks, lmtp_header_checks)                     \
	X(const char *, mime_header_checks, smtp_mime_header_checks, lmtp_mime_header_checks)      \
	X(const char *, nested_header_checks, smtp_nested_header_checks,                           \
	  lmtp_nested_header_checks)                                                               \
	X(const char *, body_checks, smtp_body_checks, lmtp_body_checks)                           \
	X(const char *, address_verify_target, smtp_address_verify_target,                         \
	  lmtp_address_verify_target)                                                              \
	X(const char *, delivery_status_filter, smtp_delivery_status_filter,                       \
	  lmtp_delivery_status_filter)                                                             \
	X(const char *, dns_reply_filter, smtp_dns_reply_filter, lmtp_dns_reply_filter)            \
	X(const char *, reply_filter, smtp_reply_filter, lmtp_reply_filter)                        \
	X(const char *, generic_maps, smtp_generic_maps, lmtp_generic_maps)                        \
	X(bool, tls_wrappermode, smtp_tls_wrappermode, lmtp_tls_wrappermode)

struct settings {
	bool lmtp;
#define X(type, name, smtp, lmtp_parameter) type name;
	SETTINGS(X)
#undef X
};
extern struct settings settings;

void settings_choose(bool lmtp);

#endif
