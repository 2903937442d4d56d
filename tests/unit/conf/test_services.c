#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conf/conf.h"

static const char stock[] =
	"# service type  private unpriv  chroot  wakeup  maxproc command + args\n"
	"smtp      inet  n       -       y       -       -       smtpd\n"
	"#smtp      inet  n       -       y       -       1       postscreen\n"
	"submission inet n       -       y       -       -       smtpd\n"
	"  -o syslog_name=postfix/submission\n"
	"#  comment between\n"
	"  -o smtpd_tls_security_level=encrypt\n"
	"  -o { smtpd_recipient_restrictions = permit_sasl_authenticated, reject }\n"
	"127.0.0.1:10025 inet n - n - 10 smtpd -v -o content_filter=\n"
	"pickup    unix  n       -       y       60      1       pickup\n"
	"tlsmgr    unix  -       -       y       1000?   1       tlsmgr\n"
	"postlog   unix-dgram n  -       n       -       1       postlogd\n"
	"virtual   unix  -       n       n       -       0       virtual\n"
	"maildrop  unix  -       n       n       -       -       pipe\n"
	"  flags=DRXhu user=vmail argv=/usr/bin/maildrop -o x -d ${recipient} {two words}\n";

static void test_stock(void **state)
{
	struct services services;
	struct str report = STR_EMPTY;
	const struct service *s;

	(void)state;
	services_parse(view_of(stock), "master.cf", &services, &report);
	assert_string_equal(str_cstr(&report), "");
	assert_int_equal(services.count, 8);

	s = &services.items[0];
	assert_string_equal(s->name, "smtp");
	assert_int_equal(s->type, SERVICE_INET);
	assert_string_equal(s->program, "smtpd");
	assert_int_equal(s->processes, -1);
	assert_false(s->private_socket);
	assert_true(s->chroot);
	assert_false(s->privileged);
	assert_int_equal(s->line, 2);

	s = &services.items[1];
	assert_int_equal(s->override_count, 3);
	assert_string_equal(s->overrides[0].name, "syslog_name");
	assert_string_equal(s->overrides[2].value, "permit_sasl_authenticated, reject");
	assert_null(s->arguments[0]);

	s = &services.items[2];
	assert_string_equal(s->name, "127.0.0.1:10025");
	assert_int_equal(s->processes, 10);
	assert_string_equal(s->arguments[0], "-v");
	assert_string_equal(s->overrides[0].value, "");

	assert_int_equal(services.items[4].wakeup, 1000);
	assert_int_equal(services.items[5].type, SERVICE_DATAGRAM);
	assert_true(services.items[6].privileged);
	assert_int_equal(services.items[6].processes, 0);
	assert_true(services.items[6].private_socket);

	/* What stands after the first argument that is no option is the command's own. */
	s = &services.items[7];
	assert_int_equal(s->override_count, 0);
	assert_string_equal(s->arguments[3], "-o");
	assert_string_equal(s->arguments[6], "${recipient}");
	assert_string_equal(s->arguments[7], "two words");
	assert_null(s->arguments[8]);
	services_free(&services);
	str_free(&report);
}

static void test_errors(void **state)
{
	struct services services;
	struct str report = STR_EMPTY;

	(void)state;
	services_parse(
		VIEW("smtp inet n - y - - smtpd\nsmtp inet n - y - - smtpd\n"
		     "short inet n\nx tcp n - y - - x\nx unix maybe - y - - x\n"
		     "x unix n - y soon - x\nx unix n - y - many x\nx unix n - y - - /bin/sh\n"
		     "y unix n - y - - x -o\nz unix n - y - - x -o nothing\n"
		     "w unix n - y - - x {open\n../w unix n - y - - x\n"),
		"master.cf", &services, &report);
	static const char *const expected[] = {
		"line 3: expected 8 columns",
		"line 4: column \"type\": expected",
		"line 5: column \"private\": expected y, n or -, not \"maybe\"",
		"line 6: column \"wakeup\": expected a number or -, not \"soon\"",
		"line 7: column \"maxproc\"",
		"line 8: column \"command\": expected a program's name",
		"line 9: nothing after -o",
		"line 10: expected name=value after -o, not \"nothing\"",
		"line 11: \"{\" without \"}\"",
		"line 12: not a service's name",
	};
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		if (strstr(str_cstr(&report), expected[i]) == NULL)
			fail_msg("missing: %s\nin:\n%s", expected[i], str_cstr(&report));
	assert_int_equal(services.count, 1);
	services_free(&services);
	str_free(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stock),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
