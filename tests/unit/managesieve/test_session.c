/* ManageSieve after the login, as a client sees it: all its commands, pipelined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../managesieved/session.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "sieve/scripts.h"

static struct {
	char path[64];
	const char *tag;
	struct str commands;
	bool slowly;
	struct str answer;
} fixture;

static int setup(void **state)
{
	(void)state;
	snprintf(fixture.path, sizeof(fixture.path), "%s/posta-managesieve-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(fixture.path));
	log_set_level(LOG_FATAL_LEVEL);
	fixture.tag = "";
	fixture.slowly = false;
	param.managesieve_timeout = 5000;
	param.managesieve_bad_commands_max = 20;
	param.sieve_max_script_size = 1000;
	param.sieve_max_redirects = 4;
	param.sieve_quota_max_scripts = 3;
	param.sieve_quota_max_storage = 1500;
	param.sieve_vacation_min_period = 86400000;
	param.sieve_vacation_max_period = 7776000000;
	param.mail_name = "Posta";
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	str_free(&fixture.answer);
	str_free(&fixture.commands);
	snprintf(command, sizeof(command), "rm -rf %s", fixture.path);
	return system(command);
}

static void serve(void *argument)
{
	struct stream *io = argument;
	struct session_user user = { "alice@example.test", fixture.path, "", "" };
	struct session_client client = { .user = &user,
					 .tag = view_of(fixture.tag),
					 .address = VIEW("192.0.2.1") };

	managesieve_session_serve(io, &client);
	stream_close(io);
}

static void talk(void *unused)
{
	struct stream *client;
	struct view bytes;
	int pair[2];

	(void)unused;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	task_spawn("server", serve, stream_new(pair[0]));
	client = stream_new(pair[1]);
	stream_set_timeout(client, 5000);
	for (size_t at = 0; at < fixture.commands.len;) {
		size_t len = fixture.slowly ? 1 : fixture.commands.len;

		/* After LOGOUT nobody reads any more. */
		if (stream_write(client, view_make(fixture.commands.data + at, len)) < 0 ||
		    stream_flush(client) < 0)
			break;
		at += len;
		if (fixture.slowly)
			task_yield();
	}
	shutdown(pair[1], SHUT_WR);
	while (stream_peek(client, &bytes) >= 0) {
		str_append(&fixture.answer, bytes);
		stream_consume(client, bytes.len);
	}
	stream_free(client);
}

static const char *say(const char *commands)
{
	str_set(&fixture.commands, view_of(commands));
	str_clear(&fixture.answer);
	task_run(talk, NULL);
	return str_cstr(&fixture.answer);
}

#define LOGGED_IN "OK \"Logged in.\"\r\n"
#define STORED	  "OK \"The script is stored.\"\r\n"

/* What the RFC's examples do, and what comes of it; at once, and byte by byte. */
static void a_life(void **state)
{
	static const char commands[] = "putscript \"a\" {5+}\r\nkeep;\r\n"
				       "PUTSCRIPT {3+}\r\nb\"\\ {8+}\r\ndiscard;\r\n"
				       "SETACTIVE \"a\"\r\n"
				       "DELETESCRIPT \"a\"\r\n"
				       "RENAMESCRIPT \"a\" \"c\"\r\n"
				       "LISTSCRIPTS\r\n"
				       "GETSCRIPT \"b\\\"\\\\\"\r\n"
				       "SETACTIVE \"\"\r\n"
				       "DELETESCRIPT \"c\"\r\n"
				       "DELETESCRIPT \"c\"\r\n"
				       "DELETESCRIPT {3+}\r\nb\"\\\r\n"
				       "LISTSCRIPTS\r\n"
				       "NOOP\r\nNOOP \"x\\\"y\"\r\nLOGOUT\r\nNOOP\r\n";

	(void)state;
	for (int slowly = 0; slowly < 2; slowly++) {
		fixture.slowly = slowly != 0;
		say(commands);

		char *answer = str_take(&fixture.answer);
		const char *list = strstr(answer, "renamed.\"\r\n") + strlen("renamed.\"\r\n");
		const char *rest = strstr(list, "{8}");

		/* A folder has no order. */
		assert_non_null(strstr(list, "\"c\" ACTIVE\r\n"));
		assert_non_null(strstr(list, "\"b\\\"\\\\\"\r\n"));
		assert_string_equal(rest,
				    "{8}\r\ndiscard;\r\nOK \"Getscript completed.\"\r\n"
				    "OK \"No script is active.\"\r\n"
				    "OK \"The script is deleted.\"\r\n"
				    "NO (NONEXISTENT) \"There is no script of that name.\"\r\n"
				    "OK \"The script is deleted.\"\r\n"
				    "OK \"Listscripts completed.\"\r\n"
				    "OK \"Done.\"\r\nOK (TAG \"x\\\"y\") \"Done.\"\r\n"
				    "OK \"Logging out.\"\r\n");
		assert_true(strncmp(answer,
				    LOGGED_IN STORED STORED
				    "OK \"The script is active.\"\r\n"
				    "NO (ACTIVE) \"The active script stays.\"\r\n"
				    "OK \"The script is renamed.\"\r\n",
				    (size_t)(list - answer)) == 0);
		free(answer);
	}
}

static void checks(void **state)
{
	(void)state;
	assert_string_equal(
		say("CHECKSCRIPT \"keep;\"\r\nCHECKSCRIPT \"\"\r\n"
		    "CHECKSCRIPT {18+}\r\nkeep;\r\n  kept \"x\";\r\nPUTSCRIPT \"x\" "
		    "\"fileinto\"\r\n"
		    "PUTSCRIPT \"x\" {12+}\r\n# \xff\r\nkeep; \r\nLISTSCRIPTS\r\n"),
		LOGGED_IN
		"OK \"The script is right.\"\r\nOK \"The script is right.\"\r\n"
		"NO \"line 2, column 3: there is no kept among the commands\"\r\n"
		"NO \"line 1, column 9: expected \\\";\\\" or a block, but the script ends\"\r\n"
		"NO \"line 1, column 1: the script is not UTF-8 text\"\r\n"
		"OK \"Listscripts completed.\"\r\n");
}

static void warnings(void **state)
{
	(void)state;
	assert_string_equal(
		say("PUTSCRIPT \"w\" {83+}\r\n"
		    "require \"include\";\r\ninclude \"x\";\r\nif true { stop; keep; }\r\n"
		    "redirect \"nobody\";    \r\n\r\nLISTSCRIPTS\r\n"
		    "CHECKSCRIPT {54+}\r\nrequire \"vacation\";\r\nvacation :days 365 \"I am "
		    "away.\";"
		    "\r\nCHECKSCRIPT \"redirect \\\"a@b.c\\\"; redirect \\\"b@b.c\\\"; redirect "
		    "\\\"c@b.c\\\"; "
		    "redirect \\\"d@b.c\\\"; redirect \\\"e@b.c\\\";\"\r\n"),
		LOGGED_IN "OK (WARNINGS) {121}\r\nline 2: there is no script \"x\" yet\r\n"
			  "line 3: this is never reached\r\n"
			  "line 4: \"nobody\" is no address, which will be an error\r\n"
			  "\"w\"\r\nOK \"Listscripts completed.\"\r\n"
			  "OK (WARNINGS) \"line 2: the same sender is answered again after 7776000 "
			  "seconds\"\r\n"
			  "OK (WARNINGS) \"line 1: a message can be redirected to 4 addresses at "
			  "most, more than that are an error\"\r\n");
}

static void limits(void **state)
{
	_cleanup_(str_free) struct str commands = STR_EMPTY;

	(void)state;
	str_append(&commands, VIEW("PUTSCRIPT \"a\" {1001+}\r\n#"));
	for (int i = 0; i < 998; i++)
		str_append_byte(&commands, 'x');
	str_append(&commands, VIEW("\r\n\r\nHAVESPACE \"a\" 1001\r\nHAVESPACE \"a\" 1000\r\n"
				   "PUTSCRIPT \"a\" {900+}\r\n#"));
	for (int i = 0; i < 897; i++)
		str_append_byte(&commands, 'x');
	str_append(&commands, VIEW("\r\n\r\nHAVESPACE \"b\" 601\r\nHAVESPACE \"a\" 1000\r\n"
				   "PUTSCRIPT \"b\" \"keep;\"\r\nPUTSCRIPT \"c\" \"keep;\"\r\n"
				   "PUTSCRIPT \"d\" \"keep;\"\r\nPUTSCRIPT \"c\" "
				   "\"keep;\"\r\nHAVESPACE \"d\" 1\r\n"
				   "HAVESPACE \"../d\" 1\r\nPUTSCRIPT \"a/b\" \"keep;\"\r\n"
				   "PUTSCRIPT \".\" \"keep;\"\r\nGETSCRIPT \"../../etc/passwd\"\r\n"
				   "PUTSCRIPT {1+}\r\n\xff \"keep;\"\r\nRENAMESCRIPT \"a\" "
				   "\"b\"\r\nRENAMESCRIPT \"x\" \"y\"\r\n"
				   "SETACTIVE \"x\"\r\nGETSCRIPT \"x\"\r\nHAVESPACE \"x\" -1\r\n"));
	assert_string_equal(say(str_cstr(&commands)), LOGGED_IN
			    "NO (QUOTA/MAXSIZE) \"The script is larger than a script may be.\"\r\n"
			    "NO (QUOTA/MAXSIZE) \"The script is larger than a script may be.\"\r\n"
			    "OK \"There is room.\"\r\n" STORED
			    "NO (QUOTA) \"Your scripts are too large together.\"\r\n"
			    "OK \"There is room.\"\r\n" STORED STORED
			    "NO (QUOTA/MAXSCRIPTS) \"You have too many scripts.\"\r\n" STORED
			    "NO (QUOTA/MAXSCRIPTS) \"You have too many scripts.\"\r\n"
			    "NO \"That cannot be a script's name.\"\r\n"
			    "NO \"That cannot be a script's name.\"\r\n"
			    "NO \"That cannot be a script's name.\"\r\n"
			    "NO \"That cannot be a script's name.\"\r\n"
			    "NO \"That cannot be a script's name.\"\r\n"
			    "NO (ALREADYEXISTS) \"There is a script of that name.\"\r\n"
			    "NO (NONEXISTENT) \"There is no script of that name.\"\r\n"
			    "NO (NONEXISTENT) \"There is no script of that name.\"\r\n"
			    "NO (NONEXISTENT) \"There is no script of that name.\"\r\n"
			    "NO \"A number is needed.\"\r\n");
}

/* What stands in a literal is never a command, whatever stood before it. */
static void wrong_grammar(void **state)
{
	(void)state;
	assert_string_equal(
		say("XYZZY {8+}\r\nLOGOUT\r\n\r\n"
		    "GETSCRIPT x {8+}\r\nLOGOUT\r\n {8+}\r\nLOGOUT\r\n\r\n"
		    "PUTSCRIPT \"a\" {8}\r\n"
		    "PUTSCRIPT \"a\" {x{3+}\r\nabc\r\n"
		    "PUTSCRIPT \"a\r\nGETSCRIPT \"a\\\r\nGETSCRIPT\r\nLISTSCRIPTS x\r\nSTARTTLS\r\n"
		    "HAVESPACE \"a\" 4294967296\r\nUNAUTHENTICATE\r\n\r\n"),
		LOGGED_IN
		"NO \"Unknown command.\"\r\nNO \"A string is needed.\"\r\n"
		"NO \"A literal is {number+} at the end of the line.\"\r\n"
		"NO \"A literal is {number+} at the end of the line.\"\r\n"
		"NO \"A quoted string has no end.\"\r\nNO \"A quoted string has no end.\"\r\n"
		"NO \"Another argument is needed.\"\r\nNO \"Too many arguments.\"\r\n"
		"NO \"You are logged in already.\"\r\nNO \"A number is needed.\"\r\n"
		"NO \"Unknown command.\"\r\nNO \"Unknown command.\"\r\n");
	/* Nor what follows one that nobody waits for. */
	assert_string_equal(say("GETSCRIPT {16777217+}\r\nLOGOUT\r\n"),
			    LOGGED_IN "BYE \"Literal too large.\"\r\n");
	str_clear(&fixture.commands);
	for (int i = 0; i < MANAGESIEVE_LINE_MAX; i++)
		str_append_byte(&fixture.commands, 'x');
	str_append(&fixture.commands, VIEW("x {8+}\r\nLOGOUT\r\n"));
	str_clear(&fixture.answer);
	task_run(talk, NULL);
	assert_string_equal(str_cstr(&fixture.answer), LOGGED_IN "BYE \"Line too long.\"\r\n");
}

static void nul_bytes(void **state)
{
	static const char commands[] = "GETSCRIPT \"a\0b\"\r\nGETSCRIPT {3+}\r\na\0b\r\nNOOP\r\n";

	(void)state;
	str_set(&fixture.commands, view_make(commands, sizeof(commands) - 1));
	str_clear(&fixture.answer);
	task_run(talk, NULL);
	assert_string_equal(str_cstr(&fixture.answer),
			    LOGGED_IN "NO \"NUL is not allowed.\"\r\nNO \"NUL is not allowed.\"\r\n"
				      "OK \"Done.\"\r\n");
}

static void too_many_bad_commands(void **state)
{
	(void)state;
	param.managesieve_bad_commands_max = 2;
	assert_string_equal(say("X\r\nX\r\nLOGOUT\r\n"),
			    LOGGED_IN "NO \"Unknown command.\"\r\nNO \"Unknown command.\"\r\n"
				      "BYE \"Too many invalid commands.\"\r\n");
}

static void capabilities(void **state)
{
	const char *answer;

	(void)state;
	fixture.tag = "dj1h";
	answer = say("CAPABILITY\r\n");
	assert_true(strncmp(answer,
			    "OK (SASL \"dj1h\") \"Logged in.\"\r\n\"IMPLEMENTATION\" \"Posta\"\r\n",
			    strlen("OK (SASL \"dj1h\") \"Logged in.\"\r\n\"IMPLEMENTATION\" "
				   "\"Posta\"\r\n")) == 0);
	assert_non_null(strstr(answer, "\r\n\"SIEVE\" \""));
	assert_non_null(strstr(answer, "\r\n\"MAXREDIRECTS\" \"4\"\r\n"));
	assert_non_null(strstr(answer, "\r\n\"OWNER\" \"alice@example.test\"\r\n"));
	assert_non_null(strstr(answer, "\r\n\"VERSION\" \"1.0\"\r\nOK "));
	assert_null(strstr(answer, "UNAUTHENTICATE"));
	assert_null(strstr(answer, "STARTTLS"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_life, setup, teardown),
		cmocka_unit_test_setup_teardown(checks, setup, teardown),
		cmocka_unit_test_setup_teardown(warnings, setup, teardown),
		cmocka_unit_test_setup_teardown(limits, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_grammar, setup, teardown),
		cmocka_unit_test_setup_teardown(nul_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_bad_commands, setup, teardown),
		cmocka_unit_test_setup_teardown(capabilities, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
