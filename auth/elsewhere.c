/* Which servers of other software may be asked. Asks none. */
#include "elsewhere.h"

#include <errno.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"

static struct map *configured;

/* Said at the start, and not only when somebody cannot log in. */
static void saslauthd_check_settings(const struct saslauthd *server, struct view path)
{
	const char *problem = saslauthd_problem(server);

	if (problem != NULL)
		log_warning("smtpd_sasl_type = cyrus, smtpd_sasl_path = %.*s: nobody can log in by "
			    "it: %s",
			    VIEW_ARG(path), problem);
}

static void elsewhere_add(struct view type, struct view path, bool is_used)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct elsewhere *server;

	str_append_lower(&name, type);
	str_append_byte(&name, ':');
	str_append(&name, path);
	if (path.len == 0 || map_get(configured, str_view(&name)) != NULL)
		return;
	server = mem_new(struct elsewhere);
	if (view_is_nocase(type, "dovecot")) {
		server->dovecot = dovecot_server_new(path);
		if (dovecot_server_is_remote(server->dovecot))
			daemon_add_calls(CALLS_NETWORK);
	} else if (view_is_nocase(type, "cyrus")) {
		server->saslauthd = saslauthd_new(path);
		if (is_used)
			saslauthd_check_settings(server->saslauthd, path);
	} else {
		free(server);
		return;
	}
	map_put(configured, str_view(&name), server);
}

static const char *override_of(const struct service *service, const char *name, const char *value)
{
	for (size_t i = 0; i < service->override_count; i++)
		if (strcmp(service->overrides[i].name, name) == 0)
			value = service->overrides[i].value;
	return value;
}

/* What one service of master.cf has, which may differ from main.cf. */
static int elsewhere_add_service(const struct service *service, struct error *err)
{
	_cleanup_(str_free) struct str type = STR_EMPTY, path = STR_EMPTY;
	/* Not set, it is nobody's word where the users are ours. */
	const char *otherwise = conf_sasl_is_elsewhere() ? param.smtpd_sasl_type : "";
	const char *enabled = override_of(service, "smtpd_sasl_auth_enable",
					  param.smtpd_sasl_auth_enable ? "yes" : "no");
	int r = conf_expand(view_of(override_of(service, "smtpd_sasl_type", otherwise)), &type,
			    err);

	if (r == 0)
		r = conf_expand(
			view_of(override_of(service, "smtpd_sasl_path", param.smtpd_sasl_path)),
			&path, err);
	if (r == 0)
		elsewhere_add(str_view(&type), str_view(&path),
			      view_is_nocase(view_of(enabled), "yes"));
	return r;
}

int elsewhere_load(struct error *err)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct services services = { 0 };
	int r = 0;

	configured = map_new();
	if (services_load(conf_directory(), &services, &report) < 0)
		return error_set(err, -EINVAL, "%s", str_cstr(&report));
	for (size_t i = 0; i < services.count && r == 0; i++)
		if (strcmp(services.items[i].program, "smtpd") == 0)
			r = elsewhere_add_service(&services.items[i], err);
	services_free(&services);
	return r;
}

struct elsewhere *elsewhere_find(struct view server)
{
	return map_get(configured, server);
}
