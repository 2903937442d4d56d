/* Which servers and sockets of other software the configuration names, and which it does not. */
#include "../conf_folder.h"

#include "services/configured.h"

static void set_up(const char *main_cf, const char *master_cf)
{
	struct error err = ERROR_NONE;

	conf_folder_load(main_cf, master_cf);
	if (configured_load(&err) < 0)
		fail_msg("%s", err.text);
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
	{ "/var/run/cyrus/socket/lmtp", true },
	{ "/var/run/cyrus/socket/lmt", false },
	{ "private/auth", false },
	{ "", false },
	{ "/", false },
	{ "/q/", false },
};

static void test_sockets(void **state)
{
	(void)state;
	set_up("queue_directory = /q\nsmtpd_milters = unix:/run/opendkim/opendkim.sock, "
	       "{ unix:rspamd/milter, default_action=accept }\nsmtpd_sasl_path = private/auth\n"
	       "mailbox_transport = lmtp:unix:/var/run/cyrus/socket/lmtp\n",
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

	return cmocka_run_group_tests(tests, conf_folder_make, conf_folder_remove);
}
