/* What postconf tells of the software, and the names that parameters have for each transport. */
#include "tools/conf_about.h"

#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "table/table.h"
#include "tools/tool.h"

static int about_tls(const char *mode)
{
	if (strcmp(mode, "compile-version") == 0)
		printf("%s\n", OPENSSL_VERSION_TEXT);
	else if (strcmp(mode, "run-version") == 0)
		printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
	else if (strcmp(mode, "public-key-algorithms") == 0)
		printf("rsa\necdsa\ned25519\ned448\n"); /* what lib/tls signs with */
	else
		return tool_usage("conf",
				  "-T: compile-version, run-version or "
				  "public-key-algorithms, not %s",
				  mode);
	return TOOL_DONE;
}

int conf_about(int option, const char *mode)
{
	switch (option) {
	case 'a': /* of smtpd_sasl_type */
		printf("cyrus\ndovecot\nposta\n");
		break;
	case 'A': /* what the client speaks is its own, and no plug-in */
		printf("posta\n");
		break;
	case 'l':
		printf("flock\nfcntl\ndotlock\n");
		break;
	case 'm':
		for (const char *const *type = table_types(); *type != NULL; type++)
			printf("%s\n", *type);
		break;
	case 'b':
	case 't':
		fprintf(stderr, "posta conf: reports are not made from templates here: there is "
				"none to show\n");
		break;
	default:
		return about_tls(mode);
	}
	return TOOL_DONE;
}

/* ---- transports ---- */

/* Which of Postfix's programs deliver, whether we have them or not. */
static bool about_is_transport(const char *program)
{
	static const char *const names[] = { "smtp", "lmtp",  "local",	 "virtual",
					     "pipe", "error", "discard", "spawn" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(program, names[i]) == 0)
			return true;
	return false;
}

/* Only what runs commands has a time limit; and what is no agent of qmgr's, nothing else. */
static bool transport_has(const char *program, const char *suffix)
{
	bool is_limit = strcmp(suffix, "_time_limit") == 0;

	if (strcmp(program, "spawn") == 0)
		return is_limit;
	return !is_limit || strcmp(program, "pipe") == 0;
}

char **conf_transport_names(size_t *count)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct services services = { 0 };
	char **names = NULL;

	*count = 0;
	(void)services_load(tool_directory(), &services, &report);
	for (size_t i = 0; i < services.count; i++) {
		const struct service *s = &services.items[i];

		if (s->type != SERVICE_UNIX || !about_is_transport(s->program))
			continue;
		for (size_t n = 0; conf_transport_suffix(n) != NULL; n++) {
			_cleanup_(str_free) struct str name = STR_EMPTY;

			if (!transport_has(s->program, conf_transport_suffix(n)))
				continue;
			str_printf(&name, "%s%s", s->name, conf_transport_suffix(n));
			if (param_find(str_view(&name)) != NULL)
				continue; /* one with a default of its own */
			array_grow(names, *count);
			names[(*count)++] = str_take(&name);
		}
	}
	services_free(&services);
	array_grow(names, *count);
	names[*count] = NULL;
	return names;
}

void conf_transport_names_free(char **names)
{
	for (char **name = names; name != NULL && *name != NULL; name++)
		free(*name);
	free(names);
}
