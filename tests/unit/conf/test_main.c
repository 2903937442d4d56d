#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"

static void load(const char *text, struct str *report)
{
	str_clear(report);
	conf_load_text(view_of(text), "/etc/posta", NULL, 0, report);
}

static void test_types(void **state)
{
	struct str report = STR_EMPTY;

	(void)state;
	load("default_process_limit = 7\nipc_timeout = 2m\nmyhostname = mx.example.test\n"
	     "half = 5\nservice_throttle_time = ${half}\nappend_dot_mydomain = YES\n",
	     &report);
	assert_string_equal(str_cstr(&report), "");
	assert_int_equal(param.default_process_limit, 7);
	assert_int_equal(param.ipc_timeout, 120000);
	assert_int_equal(param.service_throttle_time, 5000);
	assert_true(param.append_dot_mydomain);
	assert_string_equal(param.mydomain, "example.test");
	assert_string_equal(param.mydestination,
			    "mx.example.test, localhost.example.test, localhost");
	assert_string_equal(conf_get("config_directory"), "/etc/posta");
	assert_string_equal(conf_get("half"), "5");
	assert_null(conf_get("nobody_knows_this"));
	str_free(&report);
}

static void test_all_errors_at_once(void **state)
{
	struct str report = STR_EMPTY;

	(void)state;
	load("  stray\ndefault_process_limit = many\nno equals sign\nipc_timeout = 5x\n"
	     "append_dot_mydomain = maybe\n\nmine = ${open\nbad name = x\n"
	     "queue_directory = $queue_directory\n",
	     &report);
	static const char *const expected[] = {
		"main.cf, line 1: begins with white space",
		"main.cf, line 2: default_process_limit: expected a number from 1 to 100000, not "
		"\"many\"",
		"main.cf, line 3: expected name = value, not \"no equals sign\"",
		"main.cf, line 4: ipc_timeout: expected a time",
		"main.cf, line 5: append_dot_mydomain: expected yes or no, not \"maybe\"",
		"main.cf, line 7: mine: \"${\" without its end",
		"main.cf, line 8: not a parameter's name: \"bad name\"",
		"main.cf, line 9: queue_directory: values within values",
	};
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		if (strstr(str_cstr(&report), expected[i]) == NULL)
			fail_msg("missing: %s\nin:\n%s", expected[i], str_cstr(&report));
	str_free(&report);
}

static void test_overrides(void **state)
{
	struct str report = STR_EMPTY;
	struct conf_override overrides[] = { { "syslog_name", "posta/submission" },
					     { "default_process_limit", "$limit" } };

	(void)state;
	assert_int_equal(
		conf_load_text(VIEW("syslog_name = x\nlimit = 3\n"), "/c", overrides, 2, &report),
		0);
	assert_string_equal(param.syslog_name, "posta/submission");
	assert_int_equal(param.default_process_limit, 3);
	overrides[1].value = "0";
	assert_true(conf_load_text(VIEW(""), "/c", overrides, 2, &report) < 0);
	assert_non_null(strstr(str_cstr(&report), "-o default_process_limit=0: "));
	str_free(&report);
}

static void test_unused(void **state)
{
	struct str report = STR_EMPTY;

	(void)state;
	load("mydestnation = x\nmine = 1\ntheirs = $mine\nqueue_directory = /q$theirs\n"
	     "smtpd_restriction_classes = strict, loose\nstrict = reject\nldapone_server_host = h\n"
	     "virtual_alias_maps = proxy:ldap:ldapone\nmydomain = a\nmydomain = b\n"
	     "zzz_utterly_unknown = $undefined_thing\npostscreen_blacklist_action = drop\n",
	     &report);
	assert_string_equal(str_cstr(&report), "");
	conf_unused(&report);
	assert_string_equal(
		str_cstr(&report),
		"main.cf, line 1: unused parameter: mydestnation (did you mean mydestination?)\n"
		"main.cf, line 9: mydomain is set again in line 10, which is in force\n"
		"main.cf, line 11: unused parameter: zzz_utterly_unknown\n"
		"main.cf, line 11: zzz_utterly_unknown: undefined parameter: $undefined_thing\n");
	str_free(&report);
}

static void test_not_in_force(void **state)
{
	struct str report = STR_EMPTY, trifles = STR_EMPTY;

	(void)state;
	load("qmqpd_timeout = 400s\nmydomain = a.test\n", &report);
	assert_string_equal(str_cstr(&report), "");
	conf_not_in_force(NULL, &report, NULL);
	assert_string_equal(str_cstr(&report),
			    "main.cf, line 1: qmqpd_timeout is known but not yet in force\n");
	/* Of a transport, and what nobody needs. */
	load("slow_delivery_slot_cost = 3\nslow_destination_concurrency_limit = 3\n"
	     "readme_directory = no\n",
	     &report);
	conf_not_in_force(&report, &report, &trifles);
	assert_string_equal(
		str_cstr(&report),
		"main.cf, line 1: slow_delivery_slot_cost is known but not yet in force\n");
	assert_string_equal(str_cstr(&trifles),
			    "main.cf, line 3: readme_directory is known but not yet in force\n");
	str_free(&report);
	str_free(&trifles);
}

/* What would filter, restrict or encrypt keeps its program from starting, and only that. */
static void test_guards(void **state)
{
	static const char text[] = "qmqpd_authorized_clients = 127.0.0.1\n"
				   "strict_7bit_headers = no\nsmtp_tls_per_site = hash:/x\n";
	struct services services;
	struct str report = STR_EMPTY;

	(void)state;
	conf_read_for("smtp");
	load(text, &report);
	assert_string_equal(str_cstr(&report), "main.cf, line 3: smtp_tls_per_site is not yet in "
					       "force, and mail must not go without it\n");
	load("smtp_tls_per_site =\n", &report);
	assert_string_equal(str_cstr(&report), "");
	conf_read_for("bounce");
	load(text, &report);
	assert_string_equal(str_cstr(&report), "");
	conf_read_for(NULL);
	load(text, &report);
	assert_string_equal(str_cstr(&report), "");
	conf_not_in_force(&report, NULL, NULL);
	assert_string_equal(
		str_cstr(&report),
		"main.cf, line 3: smtp_tls_per_site is known but not yet in force: what "
		"it is for does not start (smtp)\n");
	str_clear(&report);
	assert_int_equal(
		services_parse(VIEW("x unix - - - - - cleanup\n -o strict_7bit_headers=yes\n"
				    "y unix - - - - - cleanup -o strict_7bit_headers=no\n"),
			       "master.cf", &services, &report),
		0);
	services_not_in_force(&services, &report, NULL, NULL);
	assert_string_equal(
		str_cstr(&report),
		"master.cf, line 1: service x: -o strict_7bit_headers=yes: strict_7bit_headers "
		"is known but not yet in force: what it is for does not start (cleanup)\n");
	services_free(&services);
	str_free(&report);
}

/* It is not in force where the service that does it is not run. */
static void test_no_reporter(void **state)
{
	static const char *const lines[] = { "cleanup unix - - - - - cleanup\n",
					     "cleanup unix - - - - - cleanup\n"
					     "reporter unix - - - - 1 reporter\n" };
	static const char both[] =
		"main.cf, line 1: dmarc_reports: master.cf has no service reporter: no report is "
		"sent\nmain.cf, line 2: dnsbl_watch: master.cf has no service reporter: no list is "
		"asked\n";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_(str_free) struct str report = STR_EMPTY, none = STR_EMPTY;
		struct services services;

		assert_int_equal(services_parse(view_of(lines[i]), "master.cf", &services, &report),
				 0);
		load("dmarc_reports = yes\ndnsbl_watch = list.test\n", &report);
		assert_string_equal(str_cstr(&report), "");
		services_not_in_force(&services, NULL, &report, NULL);
		assert_string_equal(str_cstr(&report), i == 0 ? both : "");
		load("dmarc_reports = no\n", &none);
		services_not_in_force(&services, NULL, &none, NULL);
		assert_string_equal(str_cstr(&none), "");
		services_free(&services);
	}
}

/* A mistake stops who reads it. */
static void test_readers(void **state)
{
	struct str report = STR_EMPTY;

	(void)state;
	conf_read_for("smtp");
	load("mailbox_size_limit = 0 # none\nipc_timeout = 5s\n", &report);
	assert_string_equal(str_cstr(&report), "");
	assert_string_equal(conf_mistakes_of_others(),
			    "main.cf, line 1: mailbox_size_limit: expected a number from 0 to "
			    "9223372036854775807, not \"0 # none\"\n");
	assert_int_equal(param.mailbox_size_limit, 51200000);
	conf_read_for("local-deliver");
	load("mailbox_size_limit = 0 # none\n", &report);
	assert_non_null(strstr(str_cstr(&report), "main.cf, line 1: mailbox_size_limit"));
	conf_read_for("smtp");
	load("ipc_timeout = soon\n", &report); /* everybody does */
	assert_non_null(strstr(str_cstr(&report), "main.cf, line 1: ipc_timeout"));
	conf_read_for(NULL);
	str_free(&report);
}

static void test_words(void **state)
{
	struct str report = STR_EMPTY;

	(void)state;
	load("smtpd_tls_security_level = sometimes\nlog_format = xml\ninet_protocols = ipv4, ipv9\n"
	     "smtp_tls_security_level = Encrypt\nallow_mail_to_files =\n",
	     &report);
	assert_string_equal(
		str_cstr(&report),
		"main.cf, line 2: log_format: expected text|json, not \"xml\"\n"
		"main.cf, line 3: inet_protocols: \"ipv9\" is none of all|ipv4|ipv6\n"
		"main.cf, line 1: smtpd_tls_security_level: expected none|may|encrypt, not "
		"\"sometimes\"\n"
		"default: postscreen_tls_security_level: expected none|may|encrypt, not "
		"\"sometimes\"\n");
	assert_string_equal(param.smtp_tls_security_level, "encrypt");
	load("smtpd_tls_security_level =\nmynetworks =\n", &report);
	assert_string_equal(str_cstr(&report), "");
	/* Nobody; not set, it would be this host's own. */
	assert_string_equal(param.mynetworks, "");
	load("", &report);
	assert_true(param.mynetworks[0] != '\0');
	str_free(&report);
}

static void test_transports(void **state)
{
	struct str report = STR_EMPTY;

	(void)state;
	load("slow_destination_concurrency_limit = 1\ndefault_destination_rate_delay = 3s\n",
	     &report);
	assert_int_equal(conf_get_int_for("slow", "destination_concurrency_limit", 9), 1);
	assert_int_equal(conf_get_int_for("fast", "destination_concurrency_limit", 9), 20);
	assert_int_equal(conf_get_int_for("local", "destination_concurrency_limit", 9), 2);
	assert_int_equal(conf_get_int_for("fast", "initial_destination_concurrency", 9), 5);
	assert_int_equal(conf_get_time_for("fast", "destination_rate_delay", 9), 3000);
	assert_int_equal(conf_get_int_for("fast", "no_such_thing", 9), 9);
	str_free(&report);
}

static void test_origin_file(void **state)
{
	char path[] = "/tmp/posta-test-origin-XXXXXX";
	int fd = mkstemp(path);
	struct str report = STR_EMPTY, text = STR_EMPTY;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, "mail.example.test\nsecond\n", 25), 0);
	close(fd);
	str_printf(&text, "myorigin = %s\nmasquerade_domains = $myorigin\n", path);
	load(str_cstr(&text), &report);
	assert_string_equal(str_cstr(&report), "");
	assert_string_equal(param.myorigin, "mail.example.test");
	assert_string_equal(param.masquerade_domains, "mail.example.test");
	unlink(path);
	load(str_cstr(&text), &report);
	assert_non_null(strstr(str_cstr(&report), "main.cf, line 1: myorigin: open /tmp/"));
	str_free(&report);
	str_free(&text);
}

static void test_table_is_sound(void **state)
{
	struct str report = STR_EMPTY;

	(void)state;
	for (size_t i = 0; i < param_table_count; i++) {
		const struct param_info *info = &param_table[i];

		if (param_find(view_of(info->name)) != info)
			fail_msg("%s stands twice in params.def", info->name ? info->name : "?");
		if (info->type == PARAM_TYPE_INT)
			assert_true(info->min <= info->max);
		assert_true(param_is_later(info) || info->help[0] != '\0');
	}
	/* All defaults are valid. */
	load("", &report);
	assert_string_equal(str_cstr(&report), "");
	str_free(&report);
}

static void test_elements(void **state)
{
	static const struct {
		const char *list, *elements;
	} cases[] = {
		{ "", "" },
		{ " a, b\tc,,\n d ", "a|b|c|d|" },
		{ "inline:{ a=b, c=d }, hash:/x", "inline:{ a=b, c=d }|hash:/x|" },
		{ "{ one two }, {a}{b} { {x} }", "one two|{a}{b}|{x}|" },
		{ "a, { open", "a|{ open|" },
		{ "} b", "}|b|" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct view rest = view_of(cases[i].list), element;
		struct str seen = STR_EMPTY;

		while (conf_next_element(&rest, &element))
			str_printf(&seen, "%.*s|", VIEW_ARG(element));
		assert_string_equal(str_cstr(&seen), cases[i].elements);
		str_free(&seen);
	}
}

static void test_times(void **state)
{
	msec_t value;

	(void)state;
	assert_int_equal(conf_parse_time(VIEW("5"), 'm', &value), 0);
	assert_int_equal(value, 300000);
	assert_int_equal(conf_parse_time(VIEW("2W"), 's', &value), 0);
	assert_int_equal(value, 14LL * 86400000);
	assert_true(conf_parse_time(VIEW(""), 's', &value) < 0);
	assert_true(conf_parse_time(VIEW("s"), 's', &value) < 0);
	assert_true(conf_parse_time(VIEW("-5s"), 's', &value) < 0);
	assert_true(conf_parse_time(VIEW("5 s"), 's', &value) < 0);
	assert_true(conf_parse_time(VIEW("99999999999999999999s"), 's', &value) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),	     cmocka_unit_test(test_all_errors_at_once),
		cmocka_unit_test(test_overrides),    cmocka_unit_test(test_unused),
		cmocka_unit_test(test_not_in_force), cmocka_unit_test(test_transports),
		cmocka_unit_test(test_origin_file),  cmocka_unit_test(test_table_is_sound),
		cmocka_unit_test(test_guards),	     cmocka_unit_test(test_readers),
		cmocka_unit_test(test_no_reporter),  cmocka_unit_test(test_words),
		cmocka_unit_test(test_elements),     cmocka_unit_test(test_times),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	conf_unload();
	return failed;
}
