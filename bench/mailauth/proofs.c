/*
 * The CPU time that proofs take for one message, with a DNS that answers at once: verified by all
 * methods (one RSA signature of 2048 bits, SPF, DMARC), signed with RSA 2048 and with Ed25519. What the
 * programs around it cost (questions between them, the queue) is not in it.
 *
 *	bench_mailauth [MESSAGES [BYTES OF A BODY]]
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "mailauth/check.h"

#define HEADER                                                                                     \
	"Received: from client.example.net (client.example.net [192.0.2.1])\r\n"                   \
	"\tby mx.example.com (Posta) with ESMTPS id 4jclMd12fvzf7SpKQYV;\r\n"                      \
	"\tSun, 29 Nov 2026 10:00:00 +0000 (UTC)\r\n"                                              \
	"From: Alice <alice@example.net>\r\nTo: Bob <bob@example.com>\r\n"                         \
	"Subject: A message like many others\r\nDate: Sun, 29 Nov 2026 10:00:00 +0000\r\n"         \
	"Message-ID: <1795951852130457801@example.net>\r\nMIME-Version: 1.0\r\n"                   \
	"Content-Type: text/plain; charset=utf-8\r\n\r\n"

static struct {
	struct str rsa_record, body;
} bench;

static void bench_ask(void *unused, struct view name, enum record_type type,
		      struct records *records)
{
	(void)unused;
	records->outcome = RECORDS_FOUND;
	if (type == RECORD_TXT && view_find(name, VIEW("_domainkey")) != VIEW_NOT_FOUND)
		records_add(records, str_view(&bench.rsa_record));
	else if (type == RECORD_TXT && view_is(name, "_dmarc.example.net"))
		records_add(records, VIEW("v=DMARC1; p=reject"));
	else if (type == RECORD_TXT && view_is(name, "example.net"))
		records_add(records, VIEW("v=spf1 mx ip4:192.0.2.0/24 -all"));
	else if (type == RECORD_MX || type == RECORD_PTR)
		records_add(records, VIEW("client.example.net"));
	else if (type == RECORD_A)
		records_add(records, VIEW("192.0.2.1"));
	else
		records->outcome = RECORDS_NO_NAME;
}

static struct private_key *bench_key(bool rsa)
{
	EVP_PKEY *key = rsa ? EVP_RSA_gen(2048) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *bio = BIO_new(BIO_s_mem());
	struct private_key *made;
	char *text;

	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	long len = BIO_get_mem_data(bio, &text);

	made = private_key_read(view_make(text, (size_t)len), NULL);
	BIO_free(bio);
	EVP_PKEY_free(key);
	return made;
}

static void bench_sign(struct private_key *key, struct str *out)
{
	struct field_set *fields = field_set_new(VIEW(HEADER));
	struct canon_bodies bodies = { 0 };
	struct canon_body *body = canon_bodies_need(&bodies, CANON_RELAXED, UINT64_MAX);
	const struct signing signing = {
		.domain = VIEW("example.net"),
		.selector = VIEW("s"),
		.algorithm = private_key_algorithm(key),
		.header_canon = CANON_RELAXED,
		.body_canon = CANON_RELAXED,
		.time = clock_wall(),
		.make = private_key_sign,
		.context = key,
	};

	canon_bodies_feed(&bodies, str_view(&bench.body));
	canon_bodies_end(&bodies);
	dkim_sign(&signing, fields, canon_body_digest(body), out);
	canon_bodies_free(&bodies);
	field_set_free(fields);
}

static bool bench_verify(struct view header)
{
	static const struct dns_source dns = { bench_ask, NULL };
	const struct mail_question question = {
		.ip = VIEW("192.0.2.1"),
		.helo = VIEW("client.example.net"),
		.sender = VIEW("alice@example.net"),
		.receiver = VIEW("mx.example.com"),
		.dns = &dns,
	};
	struct mail_check *check = mail_check_new(&question, header);
	struct authres results;
	bool good;

	mail_check_feed(check, str_view(&bench.body));
	mail_check_finish(check);
	authres_begin(&results, VIEW("mx.example.com"));
	mail_check_report(check, MAIL_CHECK_ALL, &results);
	authres_free(&results);
	good = check->dmarc.dkim_aligned && check->dmarc.spf_aligned;
	mail_check_free(check);
	return good;
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	uint32_t messages = 2000, size = 4096;
	struct private_key *keys[] = { bench_key(true), bench_key(false) };
	_cleanup_(str_free) struct str signed_header = STR_EMPTY;
	double from;

	if ((argc > 1 &&
	     (view_parse_u32(view_of(argv[1]), INT32_MAX, &messages) < 0 || messages == 0)) ||
	    (argc > 2 && view_parse_u32(view_of(argv[2]), INT32_MAX, &size) < 0)) {
		fprintf(stderr, "usage: bench_mailauth [MESSAGES [BYTES OF A BODY]]\n");
		return 2;
	}
	while (bench.body.len < size)
		str_append_cstr(&bench.body,
				"Words of a message, as long as most are, in lines.\r\n");
	private_key_record(keys[0], &bench.rsa_record);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		from = cpu_seconds();
		for (uint32_t n = 0; n < messages; n++) {
			_cleanup_(str_free) struct str out = STR_EMPTY;

			bench_sign(keys[i], &out);
		}
		printf("sign %s: %.0f us of CPU a message\n",
		       signature_algorithm_name(private_key_algorithm(keys[i])),
		       (cpu_seconds() - from) * 1e6 / messages);
	}
	bench_sign(keys[0], &signed_header);
	str_append_cstr(&signed_header, HEADER);
	from = cpu_seconds();
	for (uint32_t n = 0; n < messages; n++) {
		if (!bench_verify(str_view(&signed_header))) {
			fprintf(stderr, "the message is not proven\n");
			return 1;
		}
	}
	printf("verify (SPF, DKIM rsa-sha256, DMARC, ARC, iprev): %.0f us of CPU a message\n",
	       (cpu_seconds() - from) * 1e6 / messages);
	private_key_free(keys[0]);
	private_key_free(keys[1]);
	str_free(&bench.rsa_record);
	str_free(&bench.body);
	return 0;
}
