/* Which servers and sockets of other software the configuration names, and which it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "services/configured.h"

static char folder[] = "/tmp/posta-test-configured-XXXXXX";

static void configured_write(const char *name, const char *text)
{
	char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void set_up(const char *main, const char *master)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct error err = ERROR_NONE;

	configured_write("main.cf", main);
	configured_write("master.cf", master);
	if (conf_load(folder, NULL, 0, &report) < 0 || configured_load(&err) < 0)
		fail_msg("%s%s", str_cstr(&report), err.text);
}

static void tear_down(void)
{
	configured_forget();
	conf_unload();
}

static const struct {
	const char *path;
	bool is_named;
} paths[] = {
	{ "/run/opendkim/opendkim.sock", true },
	{ "/run/opendkim/opendkim.soc", false },
	{ "/run/opendkim/opendkim.sock2", false },
	{ "/q/rspamd/milter", true },
	{ "/q/private/auth", true },
	{ "/q/private/anything", true },
	{ "/q/private/a/b", false },
	{ "/q/private/", true },
	{ "/q/privateer/x", false },
	{ "/q/private/../../etc/x", false },
	{ "/run/dovecot/lmtp", true },
	{ "/run/dovecot/auth-master", false },
	{ "/run/docker.sock", false },
	{ "/run/override", true },
	{ "private/auth", false },
	{ "", false },
	{ "/", false },
	{ "/q/", false },
};

static void test_sockets(void **state)
{
	(void)state;
	set_up("queue_directory = /q\nsmtpd_milters = unix:/run/opendkim/opendkim.sock, "
	       "{ unix:rspamd/milter, default_action=accept }\nsmtpd_sasl_path = private/auth\n",
	       "smtp inet n - - - - smtpd\n -o smtpd_milters=unix:/run/override\n");
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (configured_names_socket(view_of(paths[i].path)) != paths[i].is_named)
			fail_msg("%s", paths[i].path);
	tear_down();
}

static void test_servers(void **state)
{
	(void)state;
	set_up("smtpd_milters = { inet:127.0.0.1:1, default_action=accept }\nempty =\n",
	       "smtp inet n - - - - smtpd\n -o mine=inet:127.0.0.1:2\n");
	assert_true(configured_names(VIEW("inet:127.0.0.1:1")));
	assert_true(configured_names(VIEW("inet:127.0.0.1:2")));
	assert_false(configured_names(VIEW("inet:127.0.0.1:12")));
	assert_false(configured_names(VIEW("inet:127.0.0.1:")));
	assert_true(configured_sets("mine"));
	assert_false(configured_sets("empty"));
	assert_false(configured_sets("smtpd_milter_maps"));
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_servers),
	};
	char command[100];
	int r;

	if (mkdtemp(folder) == NULL)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) == 0 ? r : 1;
}
