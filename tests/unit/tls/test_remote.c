/*
 * Keys that somebody else holds: every kind of key signs through the provider, and handshakes that
 * wait for their signatures do not mind what other tasks do with OpenSSL meanwhile.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>

#include <cmocka.h>

#include "base/mem.h"
#include "certificate.h"
#include "task/stream.h"
#include "task/task.h"
#include "tls/keys.h"
#include "tls/tls.h"

#define KINDS 4
static const char *const kinds[KINDS] = { "RSA", "EC", "ED25519", "ED448" };

static char folder[] = "/tmp/test_remoteXXXXXX";
static char files[KINDS][64];
static struct tls_key *keys[KINDS];
static size_t key_count;

/* ---- the one who signs ---- */

static size_t signatures, waiting, waiting_most;
static bool signer_fails;
static enum tls_signed last_form;

static int sign_slowly(struct view name, unsigned code, struct view input, struct str *signature)
{
	const struct tls_scheme *scheme = tls_scheme_of_code(code);

	assert_non_null(scheme);
	last_form = tls_signed_form(input);
	waiting_most = MAX(++waiting, waiting_most);
	task_sleep(5);
	waiting--;
	if (signer_fails)
		return -EACCES;
	for (size_t i = 0; i < key_count; i++) {
		if (!view_eq(tls_key_name(keys[i]), name))
			continue;
		int r = tls_key_sign(keys[i], scheme, input, signature);

		signatures++;
		/* Whatever others leave in the thread's queue of errors. */
		ERR_raise(ERR_LIB_RSA, ERR_R_INTERNAL_ERROR);
		return r;
	}
	return -ENOKEY;
}

static void take_key(void *argument, struct tls_key *key)
{
	(void)argument;
	keys[key_count++] = key;
}

/* ---- both ends ---- */

struct pair {
	struct tls_context *server, *client;
	int fd[2];
	int server_result, client_result;
	struct tls_info info;
};

static size_t running;

static void remote_server(void *argument)
{
	struct pair *p = argument;
	struct stream *io = stream_new(p->fd[1]);
	struct view line;

	stream_set_timeout(io, 20000);
	p->server_result = stream_start_tls_server(io, p->server);
	if (p->server_result == 0 && stream_read_line(io, &line, 100) == 0)
		stream_printf(io, "%.*s\r\n", VIEW_ARG(line));
	stream_close(io);
	running--;
}

static void remote_client(void *argument)
{
	struct pair *p = argument;
	struct stream *io = stream_new(p->fd[0]);
	struct view line;

	stream_set_timeout(io, 20000);
	p->client_result = stream_start_tls_client(io, p->client, NULL);
	if (p->client_result == 0) {
		assert_int_equal(stream_printf(io, "hello\r\n"), 0);
		assert_int_equal(stream_read_line(io, &line, 100), 0);
		assert_true(view_is(line, "hello"));
		assert_true(stream_tls_info(io, &p->info));
	}
	stream_close(io);
	running--;
}

static void pair_start(struct pair *p, struct tls_context *server, struct tls_context *client)
{
	p->server = server;
	p->client = client;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->fd), 0);
	running += 2;
	task_spawn("server", remote_server, p);
	task_spawn("client", remote_client, p);
}

static void pair_wait(void)
{
	while (running > 0)
		task_sleep(1);
}

static struct tls_context *context_of(struct tls_options options)
{
	struct error err = ERROR_NONE;
	struct tls_context *tls = tls_context_new(&options, &err);

	assert_string_equal(err.text, "");
	return tls;
}

static struct tls_context *remote_context(const char *file)
{
	return context_of(
		(struct tls_options){ .server = true, .chain_files = file, .sign = sign_slowly });
}

/* ---- every kind of key ---- */

static void each_kind(void *unused)
{
	static const char *const versions[] = { "TLSv1.3", "TLSv1.2" };

	(void)unused;
	for (size_t i = 0; i < KINDS; i++) {
		struct tls_context *server = remote_context(files[i]);

		for (size_t v = 0; v < ARRAY_SIZE(versions); v++) {
			struct tls_context *client =
				context_of((struct tls_options){ .protocols = versions[v] });
			struct pair p = { 0 };
			size_t before = signatures;

			pair_start(&p, server, client);
			pair_wait();
			if (p.client_result != 0 || p.server_result != 0)
				fail_msg("%s with %s: client %d, server %d", kinds[i], versions[v],
					 p.client_result, p.server_result);
			assert_string_equal(p.info.protocol, versions[v]);
			assert_int_equal(signatures, before + 1);
			assert_int_equal(last_form, v == 0 ? TLS_SIGNED_SERVER_VERIFY
							   : TLS_SIGNED_KEY_EXCHANGE);
			tls_context_free(client);
		}
		tls_context_free(server);
	}
}

static void test_each_kind(void **state)
{
	(void)state;
	assert_int_equal(task_run(each_kind, NULL), 0);
}

/* ---- the client's certificate ---- */

/* A client's key signs in TLS 1.3 its own words, in TLS 1.2 all messages until then. */
static void client_forms(void *unused)
{
	static const char *const versions[] = { "TLSv1.3", "TLSv1.2" };

	(void)unused;
	for (size_t v = 0; v < ARRAY_SIZE(versions); v++) {
		struct tls_context *server = context_of((struct tls_options){
			.server = true, .chain_files = files[1], .ask_certificate = true });
		struct tls_context *client = context_of((struct tls_options){
			.chain_files = files[0], .protocols = versions[v], .sign = sign_slowly });
		struct pair p = { 0 };
		size_t before = signatures;

		pair_start(&p, server, client);
		pair_wait();
		assert_int_equal(p.client_result, 0);
		assert_int_equal(p.server_result, 0);
		assert_int_equal(signatures, before + 1);
		assert_int_equal(last_form,
				 v == 0 ? TLS_SIGNED_CLIENT_VERIFY : TLS_SIGNED_CLIENT_MESSAGES);
		tls_context_free(client);
		tls_context_free(server);
	}
}

static void test_client(void **state)
{
	(void)state;
	assert_int_equal(task_run(client_forms, NULL), 0);
}

/* ---- many at a time ---- */

#define MANY 40

static void many(void *unused)
{
	static struct pair pairs[MANY];
	struct tls_context *server[KINDS], *client = context_of((struct tls_options){ 0 });

	(void)unused;
	for (size_t i = 0; i < KINDS; i++)
		server[i] = remote_context(files[i]);
	for (size_t i = 0; i < MANY; i++) {
		pair_start(&pairs[i], server[i % KINDS], client);
		/* Some are strangers that speak no TLS: their errors are not those of the others. */
		if (i % 5 == 4) {
			assert_true(write(pairs[i].fd[0], "GET / HTTP/1.0\r\n\r\n", 18) == 18);
			task_yield();
		}
	}
	pair_wait();
	for (size_t i = 0; i < MANY; i++) {
		bool stranger = i % 5 == 4;

		if (stranger ? pairs[i].server_result >= 0 : pairs[i].server_result != 0)
			fail_msg("handshake %zu: server %d, client %d", i, pairs[i].server_result,
				 pairs[i].client_result);
	}
	/* One does not hold up the others; how many meet there is a matter of time. */
	assert_true(waiting_most > 1);
	for (size_t i = 0; i < KINDS; i++)
		tls_context_free(server[i]);
	tls_context_free(client);
}

static void test_many(void **state)
{
	(void)state;
	waiting_most = 0;
	assert_int_equal(task_run(many, NULL), 0);
}

/* ---- nobody signs ---- */

static void refusal(void *unused)
{
	struct tls_context *server = remote_context(files[0]);
	struct tls_context *client = context_of((struct tls_options){ 0 });
	struct pair p = { 0 };

	(void)unused;
	signer_fails = true;
	pair_start(&p, server, client);
	pair_wait();
	signer_fails = false;
	assert_int_equal(p.server_result, -EPROTO);
	assert_true(p.client_result < 0);
	/* The next one is well again. */
	p = (struct pair){ 0 };
	pair_start(&p, server, client);
	pair_wait();
	assert_int_equal(p.server_result, 0);
	assert_int_equal(p.client_result, 0);
	tls_context_free(server);
	tls_context_free(client);
}

static void test_refusal(void **state)
{
	(void)state;
	assert_int_equal(task_run(refusal, NULL), 0);
}

/* Verifying what peers show, and everything else, stays with OpenSSL's own provider. */
static void test_only_signs(void **state)
{
	EVP_SIGNATURE *signature = EVP_SIGNATURE_fetch(NULL, "RSA", NULL);
	EVP_KEYMGMT *keymgmt = EVP_KEYMGMT_fetch(NULL, "EC", NULL);

	(void)state;
	assert_string_equal(OSSL_PROVIDER_get0_name(EVP_SIGNATURE_get0_provider(signature)),
			    "default");
	assert_string_equal(OSSL_PROVIDER_get0_name(EVP_KEYMGMT_get0_provider(keymgmt)), "default");
	EVP_SIGNATURE_free(signature);
	EVP_KEYMGMT_free(keymgmt);
}

/* ---- forms ---- */

static void form(struct view input, enum tls_signed expected)
{
	assert_int_equal(tls_signed_form(input), expected);
}

static void test_forms(void **state)
{
	_cleanup_(str_free) struct str s = STR_EMPTY;
	char zeros[128] = { 0 };

	(void)state;
	form(VIEW_NONE, TLS_SIGNED_NOTHING);
	form(VIEW("From: a@example.org\r\n"), TLS_SIGNED_NOTHING);
	for (int i = 0; i < 64; i++)
		str_append_byte(&s, ' ');
	str_append(&s, VIEW("TLS 1.3, server CertificateVerify"));
	str_append_byte(&s, '\0');
	form(str_view(&s), TLS_SIGNED_NOTHING);
	str_append(&s, view_make(zeros, 31));
	form(str_view(&s), TLS_SIGNED_NOTHING);
	str_append_byte(&s, 'x');
	form(str_view(&s), TLS_SIGNED_SERVER_VERIFY);
	str_append_byte(&s, 'x');
	form(str_view(&s), TLS_SIGNED_NOTHING);
	str_append(&s, view_make(zeros, 15));
	form(str_view(&s), TLS_SIGNED_SERVER_VERIFY);
	s.data[3] = 'x';
	form(str_view(&s), TLS_SIGNED_NOTHING);

	str_truncate(&s, 0);
	str_append(&s, view_make(zeros, 64));
	str_append(&s, view_make("\x03\x00\x1d\x04"
				 "abcd",
				 8));
	form(str_view(&s), TLS_SIGNED_KEY_EXCHANGE);
	str_append_byte(&s, 'e');
	form(str_view(&s), TLS_SIGNED_NOTHING);
	str_truncate(&s, 71);
	form(str_view(&s), TLS_SIGNED_NOTHING);
	str_truncate(&s, 64);
	str_append(&s, view_make("\0\x01p\0\x01g\0\x02yy", 10));
	form(str_view(&s), TLS_SIGNED_KEY_EXCHANGE);

	/* A ClientHello of two bytes and a ClientKeyExchange of one. */
	form(view_make("\x01\0\0\x02hh\x10\0\0\x01k", 11), TLS_SIGNED_CLIENT_MESSAGES);
	form(view_make("\x02\0\0\x02hh\x10\0\0\x01k", 11), TLS_SIGNED_NOTHING);
	form(view_make("\x01\0\0\x02hh\x10\0\0\x02k", 11), TLS_SIGNED_NOTHING);
	form(view_make("\x01\0\0\x02hh", 6), TLS_SIGNED_NOTHING);
}

/* ---- files ---- */

static void write_identity(const char *kind, const char *path)
{
	struct identity id = { 0 };
	FILE *file = fopen(path, "w");

	if (strcmp(kind, "RSA") == 0 || strcmp(kind, "EC") == 0)
		id = identity_make("server", "DNS:mx.example.org", NULL, kind[0] == 'R');
	else
		id = identity_make_of(EVP_PKEY_Q_keygen(NULL, NULL, kind), "server",
				      "DNS:mx.example.org");
	assert_non_null(file);
	fclose(file);
	identity_write(&id, path, true, true);
	identity_free(&id);
}

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	for (size_t i = 0; i < KINDS; i++) {
		struct tls_options options = { .chain_files = files[i] };
		struct error err = ERROR_NONE;

		snprintf(files[i], sizeof(files[i]), "%s/%s", folder, kinds[i]);
		write_identity(kinds[i], files[i]);
		if (tls_keys_read(&options, take_key, NULL, &err) < 0)
			return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		unlink(files[i]);
		tls_key_free(keys[i]);
	}
	rmdir(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_kind),  cmocka_unit_test(test_client),
		cmocka_unit_test(test_many),	   cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_only_signs), cmocka_unit_test(test_forms),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
