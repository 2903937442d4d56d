/* posta status: until when the certificates are good that the services show to their clients. */
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "tools/certificate.h"
#include "tools/status.h"
#include "tools/tool.h"

#define SOON_DAYS 14

static void certificate_tell(const char *path, struct str *lines, struct str *ill)
{
	struct certificate c;

	if (!certificate_read(path, param.myhostname, &c)) {
		status_complain(ill, "the certificate in %s cannot be read", path);
		return;
	}
	str_printf(lines, "%s until %s (%d days), %s\n", c.name, c.until, c.days_left, path);
	if (c.expired)
		status_complain(ill, "the certificate in %s has expired", path);
	else if (c.not_yet_valid)
		status_complain(ill, "the certificate in %s is not valid yet", path);
	else if (c.days_left < SOON_DAYS)
		status_complain(ill, "the certificate in %s expires in %d days", path, c.days_left);
}

static void certificates_of(const char *list, struct map *seen, struct str *lines, struct str *ill)
{
	struct view rest = view_of(list), path;

	while (conf_next_element(&rest, &path)) {
		_cleanup_free_ char *name = mem_strndup(path.data, path.len);

		if (strcmp(name, "none") == 0 || map_get(seen, path) != NULL)
			continue;
		map_put(seen, path, seen);
		certificate_tell(name, lines, ill);
	}
}

/* With its own -o a service may have others. Leaves `param` as main.cf has it. */
void status_certificates(struct str *lines, struct str *ill)
{
	static const char *const with_tls[] = { "smtpd", "imapd", "pop3d", "managesieved" };
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct services services = { 0 };
	struct map *seen = map_new();

	(void)services_load(tool_directory(), &services, &report);
	for (size_t i = 0; i < services.count; i++) {
		const struct service *s = &services.items[i];

		for (size_t p = 0; p < ARRAY_SIZE(with_tls); p++) {
			if (s->type != SERVICE_INET || strcmp(s->program, with_tls[p]) != 0 ||
			    conf_load(tool_directory(), s->overrides, s->override_count, &report) <
				    0)
				continue;
			certificates_of(param.smtpd_tls_chain_files, seen, lines, ill);
			certificates_of(param.smtpd_tls_cert_file, seen, lines, ill);
			certificates_of(param.smtpd_tls_eccert_file, seen, lines, ill);
		}
	}
	(void)conf_load(tool_directory(), NULL, 0, &report);
	services_free(&services);
	map_free(seen);
}
