/*
 * What all sessions of one smtpd share: tables, restrictions, mechanisms. Opened once, before the
 * first client.
 */
#include "server.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "services/clients.h"
#include "table/dns_filter.h"

#define MECHANISMS_KEPT ((msec_t)60 * 1000)

struct server server;

static int read_tls_level(struct error *err)
{
	struct view level = view_of(param.smtpd_tls_security_level);

	if (level.len == 0)
		server.tls_level = param.smtpd_enforce_tls ? TLS_ENCRYPT
				   : param.smtpd_use_tls   ? TLS_MAY
							   : TLS_NONE;
	else if (view_is_nocase(level, "none"))
		server.tls_level = TLS_NONE;
	else if (view_is_nocase(level, "may"))
		server.tls_level = TLS_MAY;
	else if (view_is_nocase(level, "encrypt"))
		server.tls_level = TLS_ENCRYPT;
	else
		return error_set(err, -EINVAL,
				 "smtpd_tls_security_level: expected none, may or encrypt, not %s",
				 param.smtpd_tls_security_level);
	if (param.smtpd_tls_wrappermode)
		server.tls_level = TLS_ENCRYPT;
	return 0;
}

static const char *none_if_empty(const char *text)
{
	return text[0] == '\0' ? NULL : text;
}

static int open_tls(struct error *err)
{
	struct tls_options options = {
		.server = true,
		.chain_files = none_if_empty(param.smtpd_tls_chain_files),
		.cert_file = none_if_empty(param.smtpd_tls_cert_file),
		.key_file = none_if_empty(param.smtpd_tls_key_file),
		.ec_cert_file = none_if_empty(param.smtpd_tls_eccert_file),
		.ec_key_file = none_if_empty(param.smtpd_tls_eckey_file),
		.sign = keys_sign_as_server,
		.sni_maps = param.tls_server_sni_maps,
		.find_chain = keys_find_chain,
		.ask_certificate = param.smtpd_tls_ask_ccert || param.smtpd_tls_req_ccert,
		.ca_file = none_if_empty(param.smtpd_tls_CAfile),
		.ca_path = none_if_empty(param.smtpd_tls_CApath),
		.protocols = none_if_empty(server.tls_level == TLS_ENCRYPT
						   ? param.smtpd_tls_mandatory_protocols
						   : param.smtpd_tls_protocols),
		.alpn = "smtp",
	};

	if (server.tls_level == TLS_NONE)
		return 0;
	if (options.chain_files == NULL && options.cert_file == NULL) {
		if (server.tls_level == TLS_ENCRYPT)
			return error_set(err, -EINVAL,
					 "TLS is required here, but smtpd_tls_chain_files and "
					 "smtpd_tls_cert_file are empty");
		log_warning("no STARTTLS: smtpd_tls_chain_files and smtpd_tls_cert_file are empty");
		server.tls_level = TLS_NONE;
		return 0;
	}
	if (auth_tls_prepare(err) < 0 ||
	    tls_site_server(&options, server.tls_level == TLS_ENCRYPT, err) < 0)
		return -EINVAL;
	options.ask_certificate = options.ask_certificate || auth_tls_asks();
	server.tls = tls_context_new(&options, err);
	return server.tls == NULL
		       ? -EINVAL
		       : table_watch_files(TLS_FILES(&options), TLS_CERTIFICATE_FILES, err);
}

static int read_bare_newline(struct error *err)
{
	static const struct {
		const char *word;
		enum bare_newline value;
	} words[] = { { "no", BARE_NEWLINE_NO },
		      { "yes", BARE_NEWLINE_NORMALIZE },
		      { "normalize", BARE_NEWLINE_NORMALIZE },
		      { "note", BARE_NEWLINE_NOTE },
		      { "reject", BARE_NEWLINE_REJECT } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (view_is_nocase(view_of(param.smtpd_forbid_bare_newline), words[i].word)) {
			server.bare_newline = words[i].value;
			return 0;
		}
	}
	return error_set(err, -EINVAL,
			 "smtpd_forbid_bare_newline: expected normalize, note, reject, yes or no, "
			 "not %s",
			 param.smtpd_forbid_bare_newline);
}

static int open_list(struct matchlist **list, const char *name, const char *value,
		     enum matchlist_kind kind, struct error *err)
{
	*list = matchlist_open(value, kind, false, err);
	if (*list != NULL)
		return 0;
	error_prefix(err, "%s", name);
	return -EINVAL;
}

static int server_open_lists(struct error *err)
{
	int r = open_list(&server.forbidden_commands, "smtpd_forbidden_commands",
			  param.smtpd_forbidden_commands, MATCH_STRINGS, err);

	if (r == 0)
		r = open_list(&server.event_exceptions, "smtpd_client_event_limit_exceptions",
			      param.smtpd_client_event_limit_exceptions, MATCH_ADDRESSES, err);
	if (r == 0)
		r = open_list(&server.login_exceptions, "smtpd_login_limit_exceptions",
			      param.smtpd_login_limit_exceptions, MATCH_STRINGS, err);
	if (r == 0)
		r = open_list(&server.bare_newline_exclusions,
			      "smtpd_forbid_bare_newline_exclusions",
			      param.smtpd_forbid_bare_newline_exclusions, MATCH_ADDRESSES, err);
	if (r == 0)
		r = open_list(&server.auth_filter, "smtpd_sasl_mechanism_filter",
			      param.smtpd_sasl_mechanism_filter, MATCH_STRINGS, err);
	if (r == 0)
		r = open_list(&server.auth_exceptions, "smtpd_sasl_exceptions_networks",
			      param.smtpd_sasl_exceptions_networks, MATCH_ADDRESSES, err);
	if (r == 0)
		r = open_list(&server.xforward_addresses, "smtpd_authorized_xforward_hosts",
			      param.smtpd_authorized_xforward_hosts, MATCH_ADDRESSES, err);
	if (r == 0)
		r = open_list(&server.xforward_names, "smtpd_authorized_xforward_hosts",
			      param.smtpd_authorized_xforward_hosts, MATCH_DOMAINS, err);
	if (r == 0)
		r = open_list(&server.xclient_addresses, "smtpd_authorized_xclient_hosts",
			      param.smtpd_authorized_xclient_hosts, MATCH_ADDRESSES, err);
	if (r == 0)
		r = open_list(&server.xclient_names, "smtpd_authorized_xclient_hosts",
			      param.smtpd_authorized_xclient_hosts, MATCH_DOMAINS, err);
	if (r == 0)
		r = dns_filter_open("smtpd_dns_reply_filter", param.smtpd_dns_reply_filter, err);
	if (r == 0) {
		server.command_filter = tables_open(param.smtpd_command_filter, 0, err);
		if (server.command_filter == NULL) {
			error_prefix(err, "smtpd_command_filter");
			r = -EINVAL;
		}
	}
	return r;
}

/* The name of a service, and no path. */
static int check_cleanup_name(struct error *err)
{
	struct view name = view_of(param.cleanup_service_name);

	if (name.len > 0 && name.len <= IPC_NAME_MAX && view_find_byte(name, '/') == VIEW_NOT_FOUND)
		return 0;
	return error_set(err, -EINVAL, "cleanup_service_name: expected the name of a service");
}

int server_open(struct error *err)
{
	server.is_lmtp = strcmp(param.smtpd_protocol, "lmtp") == 0;
	if (check_cleanup_name(err) < 0 || read_bare_newline(err) < 0 || read_tls_level(err) < 0 ||
	    open_tls(err) < 0 || server_open_lists(err) < 0)
		return -EINVAL;
	server.routes = routes_open(err);
	if (server.routes == NULL)
		return -EINVAL;
	server.policy = policy_open(server.routes, err);
	return server.policy == NULL ? -EINVAL : 0;
}

void server_close(void)
{
	policy_close(server.policy);
	routes_close(server.routes);
	tls_context_free(server.tls);
	tables_close(server.command_filter);
	matchlist_close(server.forbidden_commands);
	matchlist_close(server.event_exceptions);
	matchlist_close(server.login_exceptions);
	matchlist_close(server.bare_newline_exclusions);
	matchlist_close(server.auth_exceptions);
	matchlist_close(server.xforward_addresses);
	matchlist_close(server.xforward_names);
	matchlist_close(server.xclient_addresses);
	matchlist_close(server.xclient_names);
	matchlist_close(server.auth_filter);
	free(server.auth_server);
	server = (struct server){ 0 };
}

/* "dovecot:private/auth", as auth knows it. */
static char *auth_server_name(void)
{
	struct str name = STR_EMPTY;

	if (conf_sasl_is_elsewhere())
		str_printf(&name, "%s:%s", param.smtpd_sasl_type, param.smtpd_sasl_path);
	else
		str_append_cstr(&name, "");
	return str_take(&name);
}

struct auth_client server_auth_client(bool secured)
{
	if (server.auth_server == NULL)
		server.auth_server = auth_server_name();
	return (struct auth_client){
		.service = server.auth_server[0] != '\0' ? view_of(param.smtpd_sasl_service)
							 : VIEW("smtp"),
		.secured = secured,
		.server = view_of(server.auth_server),
		.refused = view_of(secured ? param.smtpd_sasl_tls_security_options
					   : param.smtpd_sasl_security_options),
		.realm = view_of(param.smtpd_sasl_local_domain),
	};
}

bool server_wants_tls_for_auth(void)
{
	return param.smtpd_tls_auth_only || server.tls_level == TLS_ENCRYPT;
}

bool server_lets_mechanism(struct view name)
{
	return server.auth_filter == NULL || matchlist_match(server.auth_filter, name, NULL) == 1;
}

/* Those that the filter lets pass; the filter may wait. */
static void mechanisms_filter(struct view names, struct str *passed)
{
	struct view name;

	while (view_next_word(&names, " ", &name))
		if (server_lets_mechanism(name))
			str_printf(passed, "%s%.*s", passed->len > 0 ? " " : "", VIEW_ARG(name));
}

struct view server_mechanisms(bool secured)
{
	static struct {
		struct str names;
		msec_t until;
	} kept[2];
	_cleanup_(str_free) struct str fresh = STR_EMPTY;

	if (clock_now() >= kept[secured].until) {
		struct auth_client client = server_auth_client(secured);
		struct str passed = STR_EMPTY;
		int r = auth_mechanisms(&client, &fresh);

		if (r < 0) {
			log_warning("auth does not say which mechanisms there are: %s",
				    strerror(-r));
			/* Who then uses one hears that it cannot be judged now. */
			return str_view(&kept[secured].names);
		}
		mechanisms_filter(str_view(&fresh), &passed);
		str_free(&kept[secured].names);
		kept[secured].names = passed;
		kept[secured].until = clock_after(MECHANISMS_KEPT);
	}
	return str_view(&kept[secured].names);
}
