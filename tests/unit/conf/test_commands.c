/* The attributes of pipe(8) and spawn(8) in a line of master.cf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "conf/commands.h"

/* As services.c hands them over. */
static struct services line_of(const char *program, const char *arguments)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, report = STR_EMPTY;
	struct services services;

	str_printf(&text, "x unix - n n - - %s\n %s\n", program, arguments);
	if (services_parse(str_view(&text), "test", &services, &report) < 0)
		fail_msg("%s", str_cstr(&report));
	return services;
}

static int parse(struct services *services, struct service_command *command, struct error *err)
{
	return service_command_parse(services->items[0].program,
				     (const char *const *)services->items[0].arguments, command,
				     err);
}

static void all_attributes(void **unused)
{
	struct services services = line_of(
		"pipe", "flags=BDFORXhuq.> user=vmail:mail size=1000 eol=\\r\\n null_sender= "
			"directory=/srv chroot=/var/x argv=/bin/a -d ${recipient} { b c }");
	struct service_command command;
	struct error err = ERROR_NONE;

	(void)unused;
	assert_int_equal(parse(&services, &command, &err), 0);
	assert_int_equal(command.flags, (1U << 11) - 1);
	assert_string_equal(command.user, "vmail");
	assert_string_equal(command.group, "mail");
	assert_int_equal(command.size, 1000);
	assert_string_equal(str_cstr(&command.eol), "\r\n");
	assert_string_equal(command.null_sender, "");
	assert_string_equal(command.directory, "/srv");
	assert_string_equal(command.chroot, "/var/x");
	assert_string_equal(service_command_argument(&command, 0), "/bin/a");
	assert_string_equal(service_command_argument(&command, 2), "${recipient}");
	assert_string_equal(service_command_argument(&command, 3), "b c");
	assert_null(service_command_argument(&command, 4));
	service_command_free(&command);
	services_free(&services);
}

static void defaults(void **unused)
{
	struct services services = line_of("spawn", "-v user=nobody argv=/bin/a");
	struct service_command command;
	struct error err = ERROR_NONE;

	(void)unused;
	assert_int_equal(parse(&services, &command, &err), 0);
	assert_int_equal(command.flags, 0);
	assert_null(command.group);
	assert_null(command.directory);
	assert_string_equal(str_cstr(&command.eol), "\n");
	assert_string_equal(command.null_sender, "MAILER-DAEMON");
	service_command_free(&command);
	services_free(&services);
}

/* Lines of real sites. */
static void of_sites(void **unused)
{
	static const char *const lines[] = {
		"flags=Fqhu user=uucp argv=uux -r -n -z -a$sender - $nexthop!rmail ($recipient)",
		"flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}",
		"flags=Fq. user=bsmtp argv=/usr/lib/bsmtp/bsmtp -t$nexthop -f$sender $recipient",
		"flags=DROhu user=vmail:vmail argv=/usr/lib/dovecot/deliver -f ${sender} -a "
		"${recipient} -d ${user}@${nexthop}",
		"user=zeyple argv=/usr/local/zeyple/bin/zeyple.py",
		"user=cyrus argv=/cyrus/bin/deliver -e -r ${sender} -m ${extension} ${user}",
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct services services = line_of("pipe", lines[i]);
		struct service_command command;
		struct error err = ERROR_NONE;

		if (parse(&services, &command, &err) < 0)
			fail_msg("%s: %s", lines[i], err.text);
		service_command_free(&command);
		services_free(&services);
	}
}

static void mistakes(void **unused)
{
	static const struct {
		const char *program, *arguments, *reason;
	} cases[] = {
		{ "pipe", "argv=/bin/a", "user= is missing" },
		{ "pipe", "user=a", "argv= is missing" },
		{ "pipe", "user=a argv=", "argv= is missing" },
		{ "pipe", "user=a: argv=/bin/a", "user:group" },
		{ "pipe", "flags=DZ user=a argv=/bin/a", "no flag \"Z\"" },
		{ "pipe", "size=many user=a argv=/bin/a", "size=" },
		{ "pipe", "directory=x user=a argv=/bin/a", "absolute path" },
		{ "pipe", "colour=red user=a argv=/bin/a", "colour" },
		{ "pipe", "user=a /bin/a", "attribute=value" },
		{ "pipe", "user=a argv=/bin/a ${recipent}", "recipent" },
		{ "pipe", "user=a argv=/bin/a ${recipient", "without its end" },
		{ "pipe", "user=a eol=12345678901234567 argv=/bin/a", "eol=" },
		{ "spawn", "flags=D user=a argv=/bin/a", "flags" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct services services = line_of(cases[i].program, cases[i].arguments);
		struct service_command command;
		struct error err = ERROR_NONE;

		assert_int_equal(parse(&services, &command, &err), -EINVAL);
		if (strstr(err.text, cases[i].reason) == NULL)
			fail_msg("%s: %s", cases[i].arguments, err.text);
		service_command_free(&command);
		services_free(&services);
	}
}

static void line_ends(void **unused)
{
	static const struct {
		const char *text, *bytes;
	} cases[] = { { "eol=\\r\\n", "\r\n" }, { "eol=\\012", "\n" },	 { "eol=x\\", "x\\" },
		      { "eol=\\x", "x" },	{ "eol=\\0111", "\t1" }, { "eol=", "" } };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *arguments[] = { "user=a", cases[i].text, "argv=/bin/a", NULL };
		struct service_command command;
		struct error err = ERROR_NONE;

		assert_int_equal(service_command_parse("pipe", arguments, &command, &err), 0);
		assert_string_equal(str_cstr(&command.eol), cases[i].bytes);
		service_command_free(&command);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_attributes), cmocka_unit_test(defaults),
		cmocka_unit_test(of_sites),	  cmocka_unit_test(mistakes),
		cmocka_unit_test(line_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
