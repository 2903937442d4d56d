/* pipe(8)'s macros: the words of a command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "pipes.h"

static const char recipients[] = "Bob+List@Example.ORG\0bob@old.test\0a b@x.test\0a b@x.test";

static struct msg_pipe_deliver request(void)
{
	return (struct msg_pipe_deliver){
		.queue_id = VIEW("4XyZ"),
		.service = VIEW("maildrop"),
		.nexthop = VIEW("Next.test"),
		.sender = VIEW("Al ice@From.test"),
		.client_address = VIEW("192.0.2.1"),
		.client_name = VIEW("client.test"),
		.client_helo = VIEW("helo"),
		.client_protocol = VIEW("ESMTP"),
		.login = VIEW("user"),
		.recipients = view_make(recipients, sizeof(recipients)),
		.content_size = 42,
	};
}

/* The words with '|' after each. */
static void expand(const char *flags, const char *const *words, const struct msg_pipe_deliver *m,
		   const char *expected)
{
	_cleanup_(str_free) struct str argv = STR_EMPTY;
	struct service_command command;
	struct error err = ERROR_NONE;
	const char *arguments[20] = { "user=a", flags };

	for (size_t i = 0; words[i] != NULL; i++)
		arguments[2 + i] = words[i];
	if (service_command_parse("pipe", arguments, &command, &err) < 0 ||
	    pipe_expand(&command, m, &argv, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < argv.len; i++)
		if (argv.data[i] == '\0')
			argv.data[i] = '|';
	if (strcmp(str_cstr(&argv), expected) != 0)
		fail_msg("%s: \"%s\", not \"%s\"", flags, str_cstr(&argv), expected);
	service_command_free(&command);
}
#define EXPAND(flags, m, expected, ...)                                                            \
	expand(flags, (const char *const[]){ "argv=cmd", __VA_ARGS__, NULL }, m, expected)

static void words(void **unused)
{
	struct msg_pipe_deliver m = request();

	(void)unused;
	EXPAND("flags=", &m, "cmd|-d|Bob+List@Example.ORG|a b@x.test|", "-d", "${recipient}");
	EXPAND("flags=q", &m, "cmd|Bob+List@Example.ORG|\"a b\"@x.test|", "$recipient");
	EXPAND("flags=h", &m, "cmd|Bob+List@example.org|a b@x.test|next.test|", "$recipient",
	       "$nexthop");
	EXPAND("flags=u", &m, "cmd|bob+list@Example.ORG|a b@x.test|Next.test|", "$(recipient)",
	       "$nexthop");
	EXPAND("flags=hu", &m, "cmd|bob@old.test|a b@x.test|", "${original_recipient}");
	EXPAND("flags=hu", &m, "cmd|bob|a b|list||bob+list|a b|example.org|x.test|", "${user}",
	       "${extension}", "${mailbox}", "${domain}");
	EXPAND("flags=", &m, "cmd|Bob@Next.test|a b@Next.test|", "${user}@${nexthop}");
	EXPAND("flags=q", &m, "cmd|-f\"Al ice\"@From.test|", "-f$sender");
	EXPAND("flags=", &m, "cmd|42|4XyZ|192.0.2.1 client.test helo ESMTP user|$|", "$size",
	       "$queue_id",
	       "$client_address $client_hostname $client_helo $client_protocol $sasl_username",
	       "$$");
	EXPAND("flags=", &m, "cmd|Next.test!rmail|(Bob+List@Example.ORG)|(a b@x.test)|",
	       "$nexthop!rmail", "($recipient)");
	EXPAND("flags=", &m, "cmd|-m|list||", "-m", "${envid?x}${extension?list}");
}

static void null_sender(void **unused)
{
	struct msg_pipe_deliver m = request();

	(void)unused;
	m.sender = VIEW_NONE;
	EXPAND("flags=q", &m, "cmd|MAILER-DAEMON|", "$sender");
	EXPAND("null_sender=", &m, "cmd||", "$sender");
	EXPAND("null_sender=x y", &m, "cmd|x y|", "$sender");
}

/* What an address holds means nothing to whoever expands. */
static void hostile_addresses(void **unused)
{
	static const char hostile[] = "$sender${user}$$@x.test\0;`id`@x.test";
	static const char nobody[] = "@x.test\0";
	struct msg_pipe_deliver m = request();

	(void)unused;
	m.recipients = view_make(hostile, sizeof(hostile));
	EXPAND("flags=", &m, "cmd|$sender${user}$$@x.test|;`id`@x.test|", "$recipient",
	       "$original_recipient");
	/* No user: no word. */
	m.recipients = view_make(nobody, sizeof(nobody));
	EXPAND("flags=", &m, "cmd|-d|", "-d", "$user");
}

static void too_long(void **unused)
{
	_cleanup_(str_free) struct str many = STR_EMPTY, argv = STR_EMPTY;
	const char *arguments[] = { "user=a", "argv=cmd", "$recipient$recipient$recipient", NULL };
	struct msg_pipe_deliver m = request();
	struct service_command command;
	struct error err = ERROR_NONE;

	(void)unused;
	for (int i = 0; i < 700; i++) {
		str_append_cstr(&many, "a-long-local-part-of-somebody@some.domain.test");
		str_append_byte(&many, '\0');
		str_append_byte(&many, '\0');
	}
	m.recipients = str_view(&many);
	assert_int_equal(service_command_parse("pipe", arguments, &command, &err), 0);
	assert_int_equal(pipe_expand(&command, &m, &argv, &err), -E2BIG);
	assert_non_null(strstr(err.text, "maildrop_destination_recipient_limit"));
	service_command_free(&command);
}

static int set_up(void **unused)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;

	(void)unused;
	return conf_load_text(VIEW("recipient_delimiter = +\n"), "/nonexistent", NULL, 0, &report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(null_sender),
		cmocka_unit_test(hostile_addresses),
		cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
