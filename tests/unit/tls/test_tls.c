/* TLS on streams: handshakes, names, application protocols, versions, DANE, and how deep it goes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <openssl/sha.h>

#include <cmocka.h>

#include "base/mem.h"
#include "certificate.h"
#include "task/stream.h"
#include "task/task.h"
#include "tls/tls.h"

static char folder[] = "/tmp/test_tlsXXXXXX";
static char ca_file[64], chain_file[64], key_file[64], cert_file[64], both_file[64];
static struct identity authority, server_identity;

/* ---- how deep a handshake goes ---- */

#define PAINT 0xa5

static size_t deepest;

/* Paints what is free of the stack, but for the room that this and others need now. */
static void paint_stack(void)
{
	volatile char room[TASK_STACK_SIZE - 24 * 1024];

	memset((char *)(uintptr_t)room, PAINT, sizeof(room));
}

#ifndef POSTA_SANITIZE
/*
 * In place of libc's: task_trim_stack() calls it at the end of a handshake for the part of the
 * stack below, where the paint shows how far down the handshake went.
 */
int madvise(void *start, size_t len, int advice)
{
	const unsigned char *at = start;
	size_t free_bytes = 0;

	/* The first bytes may lie below the paint. */
	while (free_bytes < len && at[free_bytes] == 0)
		free_bytes++;
	while (free_bytes < len && at[free_bytes] == PAINT)
		free_bytes++;
	deepest = MAX(deepest, TASK_STACK_SIZE - free_bytes);
	return (int)syscall(SYS_madvise, start, len, advice);
}
#endif

/* ---- a server ---- */

struct scene {
	struct tls_options server, client;
	struct tls_peer_check *check;
	/* what came out */
	int server_result, client_result;
	char client_error[256], server_error[256];
	struct tls_info server_info, client_info;
	char servername[64];
	struct tls_certificate certificate; /* that the client showed */
	bool shown;
};

static struct scene *scene;
static struct tls_context *server_tls, *client_tls;
static struct stream *server_end;

static void echo(void *unused)
{
	_cleanup_(stream_freep) struct stream *io = server_end;
	struct view line;

	(void)unused;
	assert_int_equal(stream_write(io, VIEW("220 ready\r\n")), 0);
	paint_stack();
	scene->server_result = stream_start_tls_server(io, server_tls);
	if (scene->server_result < 0) {
		snprintf(scene->server_error, sizeof(scene->server_error), "%s", stream_error(io));
		return;
	}
	assert_true(stream_tls_info(io, &scene->server_info));
	snprintf(scene->servername, sizeof(scene->servername), "%s",
		 scene->server_info.servername ? scene->server_info.servername : "");
	scene->shown = stream_tls_certificate(io, "sha256", &scene->certificate);
	while (stream_read_line(io, &line, 1000000) == 0)
		if (stream_write(io, line) < 0 || stream_write(io, VIEW("\r\n")) < 0)
			return;
	assert_int_equal(stream_close(TAKE(io)), 0);
}

#define LONG_LINE 300000

static void talk(struct stream *io)
{
	_cleanup_free_ char *text = mem_new_bytes(LONG_LINE);
	struct view line;

	memset(text, 'x', LONG_LINE);
	assert_int_equal(stream_printf(io, "hello\r\nworld\r\n"), 0);
	assert_int_equal(stream_read_line(io, &line, 100), 0);
	assert_true(view_is(line, "hello"));
	assert_int_equal(stream_wait(io, clock_after(20000)), 0);
	assert_int_equal(stream_read_line(io, &line, 100), 0);
	assert_true(view_is(line, "world"));
	assert_int_equal(stream_wait(io, clock_after(5)), -ETIMEDOUT);
	assert_int_equal(stream_write(io, view_make(text, LONG_LINE)), 0);
	assert_int_equal(stream_write(io, VIEW("\n")), 0);
	assert_int_equal(stream_read_line(io, &line, LONG_LINE), 0);
	assert_int_equal(line.len, LONG_LINE);
	assert_int_equal(stream_detach(io), -EINVAL);
}

static void client(void *unused)
{
	_cleanup_(stream_freep) struct stream *io = NULL;
	struct tls_info info;
	struct view line;
	int pair[2];

	(void)unused;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	io = stream_new(pair[0]);
	server_end = stream_new(pair[1]);
	stream_set_timeout(io, 2000);
	stream_set_timeout(server_end, 2000);
	task_spawn("server", echo, NULL);
	assert_int_equal(stream_read_line(io, &line, 100), 0);
	assert_false(stream_tls_info(io, &info));
	paint_stack();
	scene->client_result = stream_start_tls_client(io, client_tls, scene->check);
	snprintf(scene->client_error, sizeof(scene->client_error), "%s", stream_error(io));
	if (scene->client_result < 0) {
		assert_int_equal(stream_write(io, VIEW("x")), scene->client_result);
		return;
	}
	assert_true(stream_tls_info(io, &scene->client_info));
	talk(io);
	assert_int_equal(stream_close(TAKE(io)), 0);
}

static void play(struct scene *s)
{
	struct error err = ERROR_NONE;

	scene = s;
	s->server.server = true;
	if (s->server.cert_file == NULL && s->server.chain_files == NULL)
		s->server.chain_files = both_file;
	server_tls = tls_context_new(&s->server, &err);
	assert_string_equal(err.text, "");
	client_tls = tls_context_new(&s->client, &err);
	assert_string_equal(err.text, "");
	assert_non_null(server_tls);
	assert_non_null(client_tls);
	assert_int_equal(task_run(client, NULL), 0);
	tls_context_free(server_tls);
	tls_context_free(client_tls);
}

/* ---- scenes ---- */

static void test_opportunistic(void **state)
{
	struct scene s = { .server_result = 1 };

	(void)state;
	play(&s);
	assert_int_equal(s.client_result, 0);
	assert_int_equal(s.server_result, 0);
	assert_string_equal(s.client_info.protocol, "TLSv1.3");
	assert_string_equal(s.server_info.protocol, "TLSv1.3");
	assert_string_equal(s.client_info.cipher, s.server_info.cipher);
	assert_true(s.client_info.cipher_bits >= 128);
	assert_false(s.client_info.verified);
	assert_false(s.server_info.resumed);
	assert_string_equal(s.servername, "");
}

static void verify(struct scene *s, const char *servername, const char *const *names, bool fine)
{
	struct tls_peer_check check = { .servername = servername, .verify = true, .names = names };

	s->check = &check;
	play(s);
	assert_int_equal(s->client_result, fine ? 0 : -EPROTO);
	if (fine)
		assert_true(s->client_info.verified);
	/* Not required, only looked at: the connection stands either way. */
	check.verify = false;
	play(s);
	assert_int_equal(s->client_result, 0);
	assert_int_equal(s->client_info.verified, fine);
}

static void test_names(void **state)
{
	const char *const subdomains[] = { "other.test", ".example.org", NULL };
	const char *const others[] = { "other.test", ".mx.example.org", NULL };
	struct scene s = { .client.ca_file = ca_file, .server.chain_files = chain_file };

	(void)state;
	verify(&s, "mx.example.org", NULL, true);
	assert_string_equal(s.servername, "mx.example.org");
	verify(&s, "other.test", NULL, false);
	assert_string_equal(s.client_error, "the server's certificate is not for other.test");
	verify(&s, "other.test", subdomains, true);
	verify(&s, "mx.example.org", others, false);
	verify(&s, "127.0.0.1", NULL, true);
	assert_string_equal(s.servername, ""); /* an address is no server name */
	verify(&s, "127.0.0.2", NULL, false);
	verify(&s, "a.wild.example.org", NULL, true);
	verify(&s, "a.b.wild.example.org", NULL, false);
	verify(&s, NULL, NULL, false);

	s.client.ca_file = NULL;
	verify(&s, "mx.example.org", NULL, false);
	assert_non_null(strstr(s.client_error, "not trusted"));
}

/* What either side excludes is not used, and the server's order counts if it says so. */
static void test_ciphers(void **state)
{
	struct scene s = {
		.server = { .protocols = "TLSv1.2",
			    .cipher_list = "AES256:AES128",
			    .own_order = true },
		.client.cipher_list = "AES128:AES256",
	};

	(void)state;
	play(&s);
	assert_int_equal(s.client_result, 0);
	assert_non_null(strstr(s.client_info.cipher, "AES256"));
	s.server.own_order = false;
	play(&s);
	assert_non_null(strstr(s.client_info.cipher, "AES128"));
	s.server.exclude_ciphers[0] = "AES128";
	play(&s);
	assert_non_null(strstr(s.client_info.cipher, "AES256"));
	s.client.exclude_ciphers[1] = "MD5, AES256";
	play(&s);
	assert_int_equal(s.client_result, -EPROTO);
}

static void test_curves(void **state)
{
	struct scene s = { .server.curves = "nonsense X25519",
			   .client.curves = "prime256v1:X25519" };

	(void)state;
	play(&s);
	assert_int_equal(s.client_result, 0);
	s.client.curves = "prime256v1";
	play(&s);
	assert_int_equal(s.client_result, -EPROTO);
}

static void test_files(void **state)
{
	struct scene two = { .server = { .cert_file = cert_file, .key_file = key_file } };
	char list[256];
	struct scene split = { .server.chain_files = list };

	(void)state;
	play(&two);
	assert_int_equal(two.client_result, 0);
	snprintf(list, sizeof(list), "%s, %s,%s", key_file, cert_file, both_file);
	play(&split);
	assert_int_equal(split.client_result, 0);
}

static void refuse(struct tls_options options, const char *text)
{
	struct error err = ERROR_NONE;

	assert_null(tls_context_new(&options, &err));
	if (strstr(err.text, text) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static void test_bad_files(void **state)
{
	char wrong_order[256];

	(void)state;
	refuse((struct tls_options){ .server = true }, "needs a certificate");
	refuse((struct tls_options){ .server = true, .chain_files = "/nonexistent" },
	       "/nonexistent");
	refuse((struct tls_options){ .server = true, .cert_file = "/nonexistent" }, "/nonexistent");
	refuse((struct tls_options){ .server = true, .cert_file = cert_file }, "private key");
	refuse((struct tls_options){ .server = true, .chain_files = key_file },
	       "without a certificate");
	snprintf(wrong_order, sizeof(wrong_order), "%s %s", cert_file, key_file);
	refuse((struct tls_options){ .server = true, .chain_files = wrong_order },
	       "no private key precedes");
	refuse((struct tls_options){ .ca_file = "/nonexistent" }, "/nonexistent");
	refuse((struct tls_options){ .protocols = ">=TLSv9" }, "TLSv9");
	refuse((struct tls_options){ .protocols = "=<TLSv1.2" }, "=<TLSv1.2");
	refuse((struct tls_options){ .cipher_list = "nonsense" }, "nonsense");
	refuse((struct tls_options){ .exclude_ciphers = { "+RC4" } }, "+RC4 is no name");
	refuse((struct tls_options){ .curves = "nonsense, more" }, "none of");
	refuse((struct tls_options){ .ssl_options = "NO_TICKET NO_SENSE" },
	       "NO_SENSE is not known");
	refuse((struct tls_options){ .ssl_options = "0x4z" }, "0x4z is not known");
	refuse((struct tls_options){ .alpn = "" }, "ALPN");
}

static void test_versions(void **state)
{
	static const struct {
		const char *server, *client, *agreed;
	} cases[] = {
		{ NULL, "<=TLSv1.2", "TLSv1.2" },
		{ ">=TLSv1.2, !TLSv1.3", NULL, "TLSv1.2" },
		{ "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1, !TLSv1.2", ">=TLSv1", "TLSv1.3" },
		{ "TLSv1.2", NULL, "TLSv1.2" },
		{ ">=TLSv1.3", "<=TLSv1.2", NULL },
		{ "!TLSv1.3", "TLSv1.3", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scene s = { .server.protocols = cases[i].server,
				   .client.protocols = cases[i].client };

		play(&s);
		assert_int_equal(s.client_result, cases[i].agreed ? 0 : -EPROTO);
		if (cases[i].agreed)
			assert_string_equal(s.client_info.protocol, cases[i].agreed);
		else
			assert_non_null(strstr(s.client_error, "alert"));
	}
}

static void test_application_protocol(void **state)
{
	static const struct {
		const char *server, *client;
		bool fine;
	} cases[] = {
		{ "imap", "imap", true },
		{ "imap", NULL, true },
		{ NULL, "imap", true },
		{ "imap", "http/1.1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scene s = { .server.alpn = cases[i].server, .client.alpn = cases[i].client };

		play(&s);
		assert_int_equal(s.client_result, cases[i].fine ? 0 : -EPROTO);
		assert_int_equal(s.server_result, cases[i].fine ? 0 : -EPROTO);
	}
}

/* ---- DANE ---- */

static void dane(uint8_t usage, uint8_t selector, struct view data, const char *name, bool fine)
{
	const struct tls_tlsa records[] = {
		{ 3, 1, 1, VIEW("not a digest") },
		{ usage, selector, 1, data },
	};
	struct tls_peer_check check = {
		.servername = name, .verify = true, .tlsa = records, .tlsa_count = 2
	};
	struct scene s = { .check = &check, .server.chain_files = chain_file };

	play(&s);
	assert_int_equal(s.client_result, fine ? 0 : -EPROTO);
	if (fine)
		assert_true(s.client_info.verified);
}

static void test_dane(void **state)
{
	unsigned char whole[SHA256_DIGEST_LENGTH], key[SHA256_DIGEST_LENGTH],
		issuer[SHA256_DIGEST_LENGTH];
	unsigned char *spki = NULL;
	int len = i2d_PUBKEY(server_identity.key, &spki);

	(void)state;
	SHA256(spki, (size_t)len, key);
	OPENSSL_free(spki);
	X509_digest(server_identity.cert, EVP_sha256(), whole, NULL);
	X509_digest(authority.cert, EVP_sha256(), issuer, NULL);
	/* The key itself: whatever the certificate's names are. */
	dane(3, 1, view_make(key, sizeof(key)), "other.test", true);
	dane(3, 0, view_make(whole, sizeof(whole)), "mx.example.org", true);
	dane(3, 0, view_make(key, sizeof(key)), "mx.example.org", false);
	/* An authority: the name counts. */
	dane(2, 0, view_make(issuer, sizeof(issuer)), "mx.example.org", true);
	dane(2, 0, view_make(issuer, sizeof(issuer)), "other.test", false);
	/* PKIX-EE is not for SMTP. */
	dane(1, 1, view_make(key, sizeof(key)), "mx.example.org", false);
	dane(3, 1, view_make(key, sizeof(key)), NULL, false);
}

/* ---- peers that do not behave ---- */

static void bad_peers(void *unused)
{
	struct stream *io;
	struct tls_options options = { .server = true, .chain_files = both_file };
	struct tls_context *tls = tls_context_new(&options, NULL);
	int pair[2];

	(void)unused;
	for (int i = 0; i < 4; i++) {
		static const char *const first[] = { "GET / HTTP/1.0\r\n\r\n", "", "\x16\x03", "" };
		static const int expected[] = { -EPROTO, -ENODATA, -ETIMEDOUT, -EPROTO };

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		io = stream_new(pair[0]);
		stream_set_timeout(io, 20);
		assert_int_equal(write(pair[1], first[i], strlen(first[i])), strlen(first[i]));
		if (i == 1)
			shutdown(pair[1], SHUT_WR);
		/* STARTTLS with a command after it in the same packet. */
		if (i == 3)
			stream_push_back(io, VIEW("MAIL FROM:<>\r\n"));
		assert_int_equal(stream_start_tls_server(io, tls), expected[i]);
		if (i == 0)
			assert_string_equal(stream_error(io), "TLS handshake: http request");
		if (i == 3)
			assert_non_null(strstr(stream_error(io), "plain input"));
		assert_int_equal(stream_write(io, VIEW("x")), expected[i]);
		stream_free(io);
		close(pair[1]);
	}
	tls_context_free(tls);
}

/* What a server learns of the client's certificate: trusted only where an authority says so. */
static void test_client_certificate(void **state)
{
	struct scene anonymous = { .server = { .ask_certificate = true, .ca_file = ca_file } };
	struct scene trusted = { .server = { .ask_certificate = true, .ca_file = ca_file },
				 .client = { .cert_file = chain_file, .key_file = key_file } };
	struct scene stranger = { .server = { .ask_certificate = true },
				  .client = { .chain_files = both_file } };
	unsigned char digest[SHA256_DIGEST_LENGTH], *der = NULL;
	_cleanup_(str_free) struct str expected = STR_EMPTY;
	int length = i2d_X509(server_identity.cert, &der);

	play(&anonymous);
	assert_false(anonymous.shown);
	assert_int_equal(anonymous.certificate.fingerprint.len, 0);
	play(&trusted);
	assert_true(trusted.shown);
	assert_true(trusted.certificate.trusted);
	SHA256(der, (size_t)length, digest);
	OPENSSL_free(der);
	for (size_t i = 0; i < sizeof(digest); i++)
		str_printf(&expected, "%s%02X", i > 0 ? ":" : "", digest[i]);
	assert_string_equal(str_cstr(&trusted.certificate.fingerprint), str_cstr(&expected));
	assert_int_equal(trusted.certificate.key_fingerprint.len, expected.len);
	assert_string_not_equal(str_cstr(&trusted.certificate.key_fingerprint),
				str_cstr(&expected));
	play(&stranger);
	assert_true(stranger.shown);
	assert_false(stranger.certificate.trusted);
	tls_certificate_free(&trusted.certificate);
	tls_certificate_free(&stranger.certificate);
	(void)state;
}

static void test_bad_peers(void **state)
{
	(void)state;
	assert_int_equal(task_run(bad_peers, NULL), 0);
}

static void test_stack(void **state)
{
	(void)state;
#ifdef POSTA_SANITIZE
	skip(); /* every frame has another size there */
#endif
	print_message("deepest handshake: %zu of %zu bytes of stack\n", deepest, TASK_STACK_SIZE);
	assert_in_range(deepest, 4096, TASK_STACK_SIZE / 2);
}

/* ---- files ---- */

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(ca_file, sizeof(ca_file), "%s/ca", folder);
	snprintf(chain_file, sizeof(chain_file), "%s/chain", folder);
	snprintf(key_file, sizeof(key_file), "%s/key", folder);
	snprintf(cert_file, sizeof(cert_file), "%s/cert", folder);
	snprintf(both_file, sizeof(both_file), "%s/both", folder);
	authority = identity_make("Test authority", NULL, NULL, false);
	server_identity =
		identity_make("server", "DNS:mx.example.org,DNS:*.wild.example.org,IP:127.0.0.1",
			      &authority, false);
	identity_write(&authority, ca_file, false, true);
	identity_write(&server_identity, chain_file, true, true);
	identity_write(&authority, chain_file, false, true);
	identity_write(&server_identity, key_file, true, false);
	identity_write(&server_identity, cert_file, false, true);

	struct identity rsa = identity_make("rsa", "DNS:rsa.example.org", NULL, true);

	identity_write(&rsa, both_file, true, true);
	identity_free(&rsa);
	return 0;
}

static int tear_down(void **state)
{
	const char *const files[] = { ca_file, chain_file, key_file, cert_file, both_file };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlink(files[i]);
	rmdir(folder);
	identity_free(&authority);
	identity_free(&server_identity);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opportunistic),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_ciphers),
		cmocka_unit_test(test_curves),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_application_protocol),
		cmocka_unit_test(test_dane),
		cmocka_unit_test(test_bad_peers),
		cmocka_unit_test(test_client_certificate),
		cmocka_unit_test(test_stack),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
