/* Who may say what to whom: every user against every message on every program's sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/programs.h"

#define NO_UID ((uid_t)60999)

#define U(user) (1u << DAEMON_##user)

/* On private sockets: whose requests are taken. What is not named here is root's alone. */
static const struct {
	enum message_type type;
	unsigned users;
} expected[] = {
	{ MSG_mail, U(SMTPD) | U(AGENT) | U(MAIL) | U(REPORT) },
	{ MSG_rcpt, U(SMTPD) | U(AGENT) | U(MAIL) | U(REPORT) },
	{ MSG_data, U(SMTPD) | U(AGENT) | U(MAIL) | U(REPORT) },
	{ MSG_late, U(SMTPD) },
	{ MSG_mac, U(SMTPD) | U(AGENT) | U(MAIL) },
	{ MSG_data_end, U(SMTPD) | U(AGENT) | U(MAIL) | U(REPORT) },
	{ MSG_abort, U(SMTPD) | U(AGENT) | U(MAIL) | U(REPORT) },
	{ MSG_queued, U(MAIL) },
	{ MSG_greylist_ask, U(SMTPD) },
	{ MSG_greylist_written, U(MAIL) },
	{ MSG_dmarc_seen, U(MAIL) },
	{ MSG_queue_page, U(INFO) },
	{ MSG_queue_act, U(INFO) },
	{ MSG_queue_open, U(MAIL) },
	{ MSG_report, U(MAIL) },
	{ MSG_verify_ask, U(SMTPD) },
	{ MSG_probe_result, U(MAIL) },
	{ MSG_deliver, U(MAIL) | U(AGENT) },
	{ MSG_deliver_rcpt, U(MAIL) | U(AGENT) },
	{ MSG_mailbox_deliver, U(AGENT) },
	{ MSG_program_deliver, U(AGENT) },
	{ MSG_source_read, U(AGENT) },
	{ MSG_sieve_sent, U(AGENT) },
	{ MSG_pipe_deliver, U(AGENT) },
	{ MSG_spawn_command, U(AGENT) },
	{ MSG_auth_begin, U(SMTPD) | U(LOGIN) | U(SASL) },
	{ MSG_auth_response, U(SMTPD) | U(LOGIN) | U(SASL) },
	{ MSG_auth_cancel, U(SMTPD) | U(LOGIN) | U(SASL) },
	{ MSG_auth_mechanisms, U(SMTPD) | U(LOGIN) | U(SASL) },
	{ MSG_anvil_sent, U(SMTPD) },
	{ MSG_anvil_bounced, U(MAIL) },
	{ MSG_token_ask, U(AUTH) },
	{ MSG_session, U(LOGIN) },
	{ MSG_resolve,
	  U(SMTPD) | U(AGENT) | U(FILTER) | U(TABLE) | U(AUTH) | U(MAIL) | U(TOKEN) | U(REPORT) },
	{ MSG_sleep_offer, U(LOGIN) },
	{ MSG_sleep_return, U(LOGIN) },
	{ MSG_sleep_over, U(LOGIN) },
	{ MSG_policy_ask, U(SMTPD) },
	{ MSG_endpoint_open, U(SMTPD) },
	{ MSG_filtered, U(SMTPD) },
	{ MSG_socket_ask, U(FILTER) | U(TABLE) | U(AUTH) | U(AGENT) },
	{ MSG_milter_begin, U(SMTPD) | U(MAIL) },
	{ MSG_milter_use, U(SMTPD) | U(MAIL) },
	{ MSG_milter_names, U(SMTPD) | U(MAIL) },
	{ MSG_milter_macro, U(SMTPD) | U(MAIL) },
	{ MSG_milter_event, U(SMTPD) | U(MAIL) },
	{ MSG_milter_reset, U(SMTPD) },
	{ MSG_milter_content, U(SMTPD) },
	{ MSG_milter_message, U(MAIL) },
	{ MSG_milter_header, U(MAIL) },
	{ MSG_milter_body, U(MAIL) },
	{ MSG_milter_end, U(MAIL) },
	{ MSG_screen_ask, U(SMTPD) },
	{ MSG_screen_passed, U(SMTPD) },
	{ MSG_server_sign, U(SMTPD) | U(LOGIN) },
	{ MSG_server_chain, U(SMTPD) | U(LOGIN) },
	{ MSG_client_sign, U(AGENT) },
	{ MSG_dkim_key, U(MAIL) },
	{ MSG_dkim_sign, U(MAIL) },
	{ MSG_table_ask, U(SMTPD) | U(MAIL) | U(AGENT) | U(AUTH) },
	{ MSG_table_verify, U(AUTH) },
	{ MSG_anvil_event, U(SMTPD) | U(LOGIN) },
	{ MSG_anvil_login, U(AUTH) },
	{ MSG_anvil_login_end, U(AUTH) },
	{ MSG_anvil_held_list, U(AUTH) },
	{ MSG_anvil_new_mail, U(AGENT) },
	{ MSG_await, U(SMTPD) },
	{ MSG_awaited, U(SMTPD) },
	{ MSG_await_end, U(SMTPD) },
	{ MSG_anvil_full, U(AGENT) },
	{ MSG_anvil_full_ask, U(SMTPD) },
};

/* Users that every Debian system has, one for each of ours: uid is what counts. */
static const struct {
	const char *name;
	uid_t uid;
} stand_ins[] = { { "daemon", 1 }, { "bin", 2 },     { "sys", 3 },   { "man", 6 },
		  { "lp", 7 },	   { "mail", 8 },    { "news", 9 },  { "uucp", 10 },
		  { "proxy", 13 }, { "backup", 34 }, { "list", 38 }, { "www-data", 33 },
		  { "games", 5 },  { "irc", 39 } };

static void set_users(void)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct conf_override overrides[DAEMON_USERS];
	struct error err = ERROR_NONE;

	_Static_assert(ARRAY_SIZE(stand_ins) >= DAEMON_USERS, "one for each");
	for (enum daemon_user user = 0; user < DAEMON_USERS; user++)
		overrides[user] = (struct conf_override){ program_user_parameter(user),
							  stand_ins[user].name };
	assert_int_equal(conf_load_text(VIEW("myhostname = a.test\n"), "/", overrides, DAEMON_USERS,
					&report),
			 0);
	if (program_users_find(true, &err) < 0)
		fail_msg("%s", err.text);
}

/* What any program takes on sockets of this kind from that uid. */
static struct message_set all_that(uid_t uid, const char *socket_name)
{
	struct message_set all = { 0 };

	for (size_t i = 0; program_at(i) != NULL; i++) {
		struct message_set one;
		bool admitted = program_admits(program_at(i), socket_name, uid, &one);

		assert_int_equal(admitted,
				 (one.bits[0] | one.bits[1] | one.bits[2] | one.bits[3]) != 0);
		for (size_t j = 0; j < ARRAY_SIZE(all.bits); j++)
			all.bits[j] |= one.bits[j];
	}
	return all;
}

static unsigned expected_users(enum message_type type)
{
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		if (expected[i].type == type)
			return expected[i].users;
	return 0;
}

static void matrix(void **state)
{
	(void)state;
	set_users();
	for (enum daemon_user user = 0; user < DAEMON_USERS; user++) {
		struct message_set said = all_that(stand_ins[user].uid, "private/x");

		for (enum message_type type = MSG_none + 1; type < MSG_COUNT; type++)
			if (message_set_has(&said, type) !=
			    ((expected_users(type) & (1u << user)) != 0))
				fail_msg("%s and %s", program_user_parameter(user),
					 message_name(type));
	}
}

/* A program that nobody may take for another's. */
static void each_by_itself(void **state)
{
	struct message_set may_send;

	(void)state;
	set_users();
	assert_true(program_admits(program_find("auth"), "private/auth",
				   stand_ins[DAEMON_LOGIN].uid, &may_send));
	assert_true(message_set_has(&may_send, MSG_auth_begin));
	assert_false(message_set_has(&may_send, MSG_auth_redeem));
	assert_false(program_admits(program_find("auth"), "private/auth",
				    stand_ins[DAEMON_AGENT].uid, &may_send));
	assert_false(program_admits(program_find("local-deliver"), "private/local-deliver",
				    stand_ins[DAEMON_SMTPD].uid, &may_send));
	assert_true(program_admits(program_find("auth"), "private/auth", 0, &may_send));
	assert_true(message_set_has(&may_send, MSG_auth_redeem));
}

static void strangers(void **state)
{
	static const enum message_type open[] = {
		MSG_mail,	MSG_rcpt,      MSG_data,       MSG_data_end,	 MSG_abort,
		MSG_queue_list, MSG_queue_act, MSG_queue_open, MSG_master_status
	};
	struct message_set said;

	(void)state;
	set_users();
	said = all_that(NO_UID, "private/x");
	for (size_t i = 0; i < ARRAY_SIZE(said.bits); i++)
		assert_int_equal(said.bits[i], 0);
	said = all_that((uid_t)-1, "public/x"); /* nobody knows who it is */
	for (size_t i = 0; i < ARRAY_SIZE(said.bits); i++)
		assert_int_equal(said.bits[i], 0);
	said = all_that(NO_UID, "public/x");
	for (enum message_type type = MSG_none + 1; type < MSG_COUNT; type++) {
		bool is_open = false;

		for (size_t i = 0; i < ARRAY_SIZE(open); i++)
			is_open = is_open || open[i] == type;
		if (message_set_has(&said, type) != is_open)
			fail_msg("anybody and %s", message_name(type));
	}
}

/* Where nothing runs as root all programs are one user, and others are still others. */
static void one_user(void **state)
{
	struct message_set may_send;
	struct error err = ERROR_NONE;

	(void)state;
	assert_int_equal(program_users_find(false, &err), 0);
	assert_true(program_admits(program_find("auth"), "private/auth", geteuid(), &may_send));
	assert_true(message_set_has(&may_send, MSG_auth_redeem));
	assert_false(program_admits(program_find("auth"), "private/auth", NO_UID, &may_send));
}

static void sound_table(void **state)
{
	(void)state;
	for (size_t i = 0; program_at(i) != NULL; i++) {
		const struct program *p = program_at(i);

		assert_ptr_equal(program_find(p->name), p);
		for (const struct program_peer *peer = p->peers; peer->client != NULL; peer++) {
			if (strcmp(peer->client, PEER_ANYBODY) != 0 &&
			    strcmp(peer->client, PEER_ROOT) != 0 &&
			    program_find(peer->client) == NULL)
				fail_msg("%s: there is no program %s", p->name, peer->client);
			assert_int_not_equal(peer->messages[0], MSG_none);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matrix),      cmocka_unit_test(each_by_itself),
		cmocka_unit_test(strangers),   cmocka_unit_test(one_user),
		cmocka_unit_test(sound_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
