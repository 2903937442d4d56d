/*
 * Which private keys there are: those of every service that may need one, as main.cf and the -o of
 * its line in master.cf name them.
 */
#include <errno.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "keys.h"
#include "table/table.h"

/* Nobody is to believe that it is one. */
int keys_check_file(const char *path, struct error *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return error_errno(err, "read the key %s", path);
	if (st.st_mode & (S_IROTH | S_IWOTH))
		return error_set(err, -EACCES, "%s: others may read or write this key (chmod o-rw)",
				 path);
	return 0;
}

/* ---- what a service's line says ---- */

/* The value in force for that service, expanded. */
static char *service_setting(const struct service *service, const char *prefix, const char *suffix)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, value = STR_EMPTY;
	const char *set = NULL;

	str_printf(&name, "%s_%s", prefix, suffix);
	for (size_t i = 0; i < service->override_count; i++)
		if (strcmp(service->overrides[i].name, name.data) == 0)
			set = service->overrides[i].value;
	if (set == NULL)
		set = conf_get(name.data);
	else if (conf_expand(view_of(set), &value, NULL) == 0)
		set = str_cstr(&value);
	return mem_strdup(set != NULL ? set : "");
}

/* The default of a key's file is the certificate's: that of this service. */
static char *service_key_file(const struct service *service, const char *prefix,
			      const char *cert_suffix, const char *key_suffix)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	bool set;

	str_printf(&name, "%s_%s", prefix, key_suffix);
	set = conf_setting(name.data) != NULL;
	for (size_t i = 0; i < service->override_count; i++)
		set = set || strcmp(service->overrides[i].name, name.data) == 0;
	return service_setting(service, prefix, set ? key_suffix : cert_suffix);
}

static bool service_is_yes(const struct service *service, const char *prefix, const char *suffix)
{
	_cleanup_free_ char *value = service_setting(service, prefix, suffix);

	return view_is_nocase(view_of(value), "yes");
}

static bool service_has_tls(const struct service *service, const char *prefix)
{
	_cleanup_free_ char *level = service_setting(service, prefix, "tls_security_level");

	if (service_is_yes(service, prefix, "tls_wrappermode"))
		return true;
	if (level[0] == '\0' && strcmp(prefix, "smtpd") == 0)
		return service_is_yes(service, prefix, "use_tls") ||
		       service_is_yes(service, prefix, "enforce_tls");
	return level[0] != '\0' && !view_is_nocase(view_of(level), "none");
}

/* ---- reading ---- */

static void load_take(void *argument, struct tls_key *key)
{
	keys_hold(key, *(const unsigned *)argument);
}

static const char *load_or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static int load_set(const struct service *service, const char *prefix, unsigned use,
		    struct error *err)
{
	_cleanup_free_ char *chain = service_setting(service, prefix, "tls_chain_files");
	_cleanup_free_ char *cert = service_setting(service, prefix, "tls_cert_file");
	_cleanup_free_ char *key =
		service_key_file(service, prefix, "tls_cert_file", "tls_key_file");
	_cleanup_free_ char *ec_cert = service_setting(service, prefix, "tls_eccert_file");
	_cleanup_free_ char *ec_key =
		service_key_file(service, prefix, "tls_eccert_file", "tls_eckey_file");
	const struct tls_options options = {
		.chain_files = load_or_null(chain),
		.cert_file = load_or_null(cert),
		.key_file = load_or_null(key),
		.ec_cert_file = load_or_null(ec_cert),
		.ec_key_file = load_or_null(ec_key),
	};
	struct error problem = ERROR_NONE;
	int r;

	/* Without its certificate the service itself does not start, and the others have theirs. */
	if (tls_certificates_try(&options, &problem) < 0) {
		log_warning("master.cf, line %d: no key for service %s: %s", service->line,
			    service->name, problem.text);
		return 0;
	}
	r = tls_keys_read(&options, load_take, &use, err);

	if (r == 0)
		r = table_watch_files(TLS_FILES(&options), TLS_ALL_FILES, err);
	return r;
}

static int load_server(const struct service *service, struct error *err)
{
	_cleanup_free_ char *maps = service_setting(service, "tls_server", "sni_maps");
	int r = load_set(service, "smtpd", KEY_FOR_SERVERS, err);

	return r < 0 ? r : sni_load(maps, err);
}

static int load_service(const struct service *service, struct error *err)
{
	int r = 0;

	if (strcmp(service->program, "imapd") == 0 || strcmp(service->program, "pop3d") == 0 ||
	    strcmp(service->program, "managesieved") == 0 ||
	    (strcmp(service->program, "smtpd") == 0 && service_has_tls(service, "smtpd")))
		r = load_server(service, err);
	else if (strcmp(service->program, "smtp") == 0 || strcmp(service->program, "lmtp") == 0) {
		if (service_has_tls(service, "smtp"))
			r = load_set(service, "smtp", KEY_FOR_CLIENTS, err);
		if (r == 0 && service_has_tls(service, "lmtp"))
			r = load_set(service, "lmtp", KEY_FOR_CLIENTS, err);
	}
	return r;
}

int keys_load(const char *config_directory, struct error *err)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct services services;
	int r = services_load(config_directory, &services, &report);

	if (r < 0)
		error_set(err, r, "%.*s", VIEW_ARG(view_trim(str_view(&report))));
	for (size_t i = 0; r == 0 && i < services.count; i++)
		r = load_service(&services.items[i], err);
	services_free(&services);
	return r;
}

void keys_unload(void)
{
	sni_unload();
	keys_drop();
}
