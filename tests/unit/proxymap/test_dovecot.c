/* Files of Dovecot's for SQL and LDAP, as our drivers see them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "dovecot.h"

static const struct {
	const char *theirs, *ours; /* NULL: nothing that we know */
} templates[] = {
	{ "username = '%u'", "username = '%s'" },
	{ "%n@%d", "%u@%d" },
	{ "%Lu %Ln %Ld", "%s %u %d" },
	{ "%{user} %{username} %{domain}", "%s %u %d" },
	{ "%{user | lower}", "%s" },
	{ "LIKE '%%x'", "LIKE '%%x'" },
	{ "disable%Ls = 0", "disable%\001 = 0" },
	{ "%Ls%Lc %{service}%{secured} %{protocol}", "%\001%\002 %\001%\002 %\001" },
	{ "%w", NULL },
	{ "%{client_ip}", NULL },
	{ "%{user", NULL },
	{ "%{user | upper}", NULL },
	{ "%", NULL },
};

static void test_templates(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(templates); i++) {
		_cleanup_(str_free) struct str out = STR_EMPTY;
		struct error err = ERROR_NONE;
		int r = dovecot_template(view_of(templates[i].theirs), &out, &err);

		print_message("%s\n", templates[i].theirs);
		assert_int_equal(r == 0, templates[i].ours != NULL);
		if (r == 0)
			assert_string_equal(str_cstr(&out), templates[i].ours);
	}
}

static struct dovecot_fields fields;

/* A program has them as long as it lives. */
static void fields_forget(void)
{
	for (size_t i = 0; i < fields.map_count; i++) {
		free(fields.map[i].attribute);
		free(fields.map[i].field);
	}
	for (size_t i = 0; i < fields.fixed_count; i++) {
		free(fields.fixed[i].field);
		free(fields.fixed[i].template);
	}
	free(fields.bind_template);
	fields = (struct dovecot_fields){ .map_count = 0 };
}

static struct settings *open_text(const char *text, bool passwords, const char **type,
				  struct error *err)
{
	char path[] = "/tmp/posta-test-dovecot-XXXXXX";
	int fd = mkstemp(path);
	struct settings *settings;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	fields_forget();
	settings = dovecot_settings_open(path, passwords, type, &fields, err);
	unlink(path);
	return settings;
}

static void test_sql(void **unused)
{
	struct error err = ERROR_NONE;
	const char *type = NULL;
	struct settings *settings = open_text(
		"# comment\ndriver = pgsql\nconnect = host=/run/pg host=db.test dbname=m user=u "
		"password=p=q port=99\npassword_query = SELECT a \\\n  FROM b WHERE c='%u'\n",
		true, &type, &err);

	(void)unused;
	assert_non_null(settings);
	assert_string_equal(type, "pgsql");
	assert_string_equal(settings_text(settings, "hosts", ""), "unix:/run/pg db.test");
	assert_string_equal(settings_text(settings, "password", ""), "p=q");
	assert_string_equal(settings_text(settings, "port", ""), "99");
	assert_string_equal(settings_text(settings, "query", ""),
			    "SELECT a     FROM b WHERE c='%s'");
	assert_string_equal(fields.scheme, "CRYPT");
	assert_string_equal(dovecot_field_of(&fields, "anything"), "anything");
	settings_free(settings);
	assert_null(open_text("driver = pgsql\nconnect = host=x\n", true, &type, &err));
	assert_null(
		open_text("driver = x\nconnect = host=x\nuser_query = y\n", false, &type, &err));
	assert_null(open_text("driver = mysql\nconnect = what=x\nuser_query = y\n", false, &type,
			      &err));
}

static void test_ldap(void **unused)
{
	struct error err = ERROR_NONE;
	const char *type = NULL;
	struct settings *settings = open_text(
		"hosts = a.test b.test\ndn = cn=x\ndnpass = \"p\"\nbase = ou=%d,dc=test\n"
		"user_filter = (mail=%u)\nuser_attrs = homeDirectory=home, uidNumber=uid, "
		"=gid=500, =mail=maildir:/v/%d/%n\nscope = onelevel\n",
		false, &type, &err);

	(void)unused;
	assert_non_null(settings);
	assert_string_equal(type, "ldap");
	assert_string_equal(settings_text(settings, "server_host", ""), "a.test b.test");
	assert_string_equal(settings_text(settings, "bind_pw", ""), "p");
	assert_string_equal(settings_text(settings, "scope", ""), "one");
	assert_string_equal(settings_text(settings, "search_base", ""), "ou=%d,dc=test");
	assert_string_equal(settings_text(settings, "result_attribute", ""),
			    "homeDirectory,uidNumber");
	assert_string_equal(dovecot_field_of(&fields, "HOMEDIRECTORY"), "home");
	assert_null(dovecot_field_of(&fields, "other"));
	assert_int_equal(fields.fixed_count, 2);
	assert_string_equal(fields.fixed[1].template, "maildir:/v/%d/%u");
	assert_null(fields.scheme);
	settings_free(settings);
	assert_null(open_text("base = x\nuser_attrs = a=b=c\n", false, &type, &err));
	assert_null(open_text("base = x\nuser_attrs = =x\n", false, &type, &err));
	fields_forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_sql),
		cmocka_unit_test(test_ldap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
