/* How servers of databases and directories are named, and what a file sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "hosts.h"

static const struct driver mysql = { .name = "mysql", .local_socket = "/run/x" };
static const struct driver ldap = { .name = "ldap" };

static const struct {
	const struct driver *driver;
	const char *text, *name, *path;
	unsigned port;
	bool tls, fails;
} hosts[] = {
	{ &mysql, "localhost", NULL, "/run/x", 7, false, false },
	{ &mysql, "localhost:99", "localhost", NULL, 99, false, false },
	{ &mysql, "db.example", "db.example", NULL, 7, false, false },
	{ &mysql, "inet:db.example:99", "db.example", NULL, 99, false, false },
	{ &mysql, "inet:[2001:db8::1]:99", "2001:db8::1", NULL, 99, false, false },
	{ &mysql, "unix:/run/y", NULL, "/run/y", 7, false, false },
	{ &mysql, "unix:run/y", NULL, NULL, 0, false, true },
	{ &mysql, "db:", NULL, NULL, 0, false, true },
	{ &mysql, "db:0", NULL, NULL, 0, false, true },
	{ &mysql, "db:65536", NULL, NULL, 0, false, true },
	{ &mysql, "[::1", NULL, NULL, 0, false, true },
	{ &mysql, "secret@db.example", NULL, NULL, 0, false, true },
	{ &mysql, "mysql://mail:secret@db.example", NULL, NULL, 0, false, true },
	{ &mysql, "db.example:secret@x", NULL, NULL, 0, false, true },
	{ &ldap, "ldap://mail:secret@d.example", NULL, NULL, 0, false, true },
	{ &ldap, "localhost", "localhost", NULL, 7, false, false },
	{ &ldap, "ldap://d.example", "d.example", NULL, 7, false, false },
	{ &ldap, "ldap://d.example:99/", "d.example", NULL, 99, false, false },
	{ &ldap, "ldaps://d.example", "d.example", NULL, 636, true, false },
	{ &ldap, "ldaps://[::1]:99", "::1", NULL, 99, true, false },
	{ &ldap, "ldapi://%2Frun%2Fslapd", NULL, "/run/slapd", 7, false, false },
	{ &ldap, "ldapi://%2", NULL, NULL, 0, false, true },
	{ &ldap, "ldapi://%00", NULL, NULL, 0, false, true },
	{ &ldap, "http://d.example", NULL, NULL, 0, false, true },
};

static void test_names(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		struct error err = ERROR_NONE;
		struct host host;
		int r = host_parse(view_of(hosts[i].text), hosts[i].driver, 7, &host, &err);

		print_message("%s\n", hosts[i].text);
		assert_int_equal(r < 0, hosts[i].fails);
		assert_null(strstr(err.text, "secret"));
		if (r < 0)
			continue;
		assert_int_equal(host.known.port, hosts[i].port);
		assert_int_equal(host.known.tls, hosts[i].tls);
		if (hosts[i].name != NULL)
			assert_string_equal(host.known.name, hosts[i].name);
		else
			assert_null(host.known.name);
		if (hosts[i].path != NULL)
			assert_string_equal(host.known.path, hosts[i].path);
		host_free(&host);
	}
}

static void test_settings(void **unused)
{
	char path[] = "/tmp/posta-test-settings-XXXXXX";
	struct error err = ERROR_NONE;
	struct settings *settings;
	int fd = mkstemp(path);

	(void)unused;
	assert_true(fd >= 0);
	dprintf(fd, "# a comment\nquery = SELECT a\n  FROM b WHERE c = '%%s'\nnumber=7\nword = x\n"
		    "flag = no\nempty =\n");
	close(fd);
	settings = settings_open(view_of(path), &err);
	assert_non_null(settings);
	assert_string_equal(settings_text(settings, "query", NULL),
			    "SELECT a  FROM b WHERE c = '%s'");
	assert_string_equal(settings_text(settings, "empty", "x"), "");
	assert_null(settings_text(settings, "none", NULL));
	assert_int_equal(settings_number(settings, "number", 1, 0, 10), 7);
	assert_int_equal(settings_number(settings, "number", 1, 0, 5), 1);
	assert_int_equal(settings_number(settings, "word", 1, 0, 5), 1);
	assert_false(settings_flag(settings, "flag", true));
	assert_true(settings_flag(settings, "word", true));
	settings_free(settings);
	unlink(path);
	assert_null(settings_open(view_of(path), &err));
	assert_null(settings_open(VIEW(""), &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
