/* posta sign: signs a message by hand, as the suite does it. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "mailauth/dkim.h"
#include "tools/tool.h"
#include "tools/verify.h"

static const char help[] =
	"usage: posta sign dkim --domain D --selector S --key FILE [--canon C/C] [--algorithm A]\n"
	"\n"
	"Reads a message, and writes it with a DKIM-Signature in front. FILE is a private key in "
	"PEM "
	"form,\n"
	"RSA or Ed25519; the public half is to stand in the DNS at S._domainkey.D.\n"
	"\n"
	"  --canon C/C    how header and body may change on their way: relaxed/relaxed (without "
	"it),\n"
	"                 simple/simple, relaxed/simple, simple/relaxed\n"
	"  --algorithm A  rsa-sha256 or ed25519-sha256; must be the key's\n"
	"  --identity I   i=, an address at D or below\n";

#define KEY_FILE_MAX 65536

static struct {
	const char *domain, *selector, *key, *canon, *algorithm, *identity;
	struct str message;
	bool bare_lf;
} sign;

/* The line ends that the message came with. */
static void sign_print(struct view text)
{
	size_t end;

	while (sign.bare_lf && (end = view_find(text, VIEW("\r\n"))) != VIEW_NOT_FOUND) {
		fwrite(text.data, 1, end, stdout);
		fputc('\n', stdout);
		text = view_from(text, end + 2);
	}
	fwrite(text.len > 0 ? text.data : "", 1, text.len, stdout);
}

static struct private_key *sign_read_key(struct error *err)
{
	_cleanup_(str_wipe) struct str pem = STR_EMPTY;
	struct private_key *key;

	if (io_read_file(sign.key, KEY_FILE_MAX, &pem, err) < 0)
		return NULL;
	key = private_key_read(str_view(&pem), err);
	if (key == NULL)
		error_prefix(err, "%s", sign.key);
	return key;
}

static int sign_dkim(struct private_key *key)
{
	_cleanup_(field_set_freep) struct field_set *fields = NULL;
	_cleanup_(str_free) struct str field = STR_EMPTY;
	struct canon_bodies bodies = { 0 };
	const struct canon_body *body;
	struct signing signing = {
		.domain = view_of(sign.domain),
		.selector = view_of(sign.selector),
		.identity = view_of(sign.identity),
		.algorithm = private_key_algorithm(key),
		.time = clock_wall(),
		.make = private_key_sign,
		.context = key,
	};
	int r;

	if (signature_canon_parse(view_of(sign.canon), &signing.header_canon, &signing.body_canon) <
	    0)
		return tool_usage("sign", "--canon: not understood: %s", sign.canon);
	if (sign.algorithm != NULL &&
	    strcmp(sign.algorithm, signature_algorithm_name(signing.algorithm)) != 0)
		return tool_fail("sign", "%s: the key is not for %s", sign.key, sign.algorithm);
	fields = field_set_new(verify_header(str_view(&sign.message)));
	if (field_set_find(fields, VIEW("From")) == NULL)
		return tool_fail("sign", "the message has no From field");
	body = canon_bodies_need(&bodies, signing.body_canon, UINT64_MAX);
	canon_bodies_feed(&bodies, verify_body(str_view(&sign.message)));
	canon_bodies_end(&bodies);
	r = dkim_sign(&signing, fields, canon_body_digest(body), &field);
	canon_bodies_free(&bodies);
	if (r < 0)
		return tool_fail("sign", "the message cannot be signed: %s", strerror(-r));
	sign_print(str_view(&field));
	sign_print(str_view(&sign.message));
	return fflush(stdout) == 0 ? TOOL_DONE : tool_fail("sign", "cannot write: %m");
}

static int sign_parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "domain", required_argument, NULL, 'd' },
		{ "selector", required_argument, NULL, 's' },
		{ "key", required_argument, NULL, 'k' },
		{ "canon", required_argument, NULL, 'c' },
		{ "algorithm", required_argument, NULL, 'a' },
		{ "identity", required_argument, NULL, 'i' },
		{ 0 },
	};
	static const struct {
		int option;
		const char **value;
	} values[] = {
		{ 'd', &sign.domain }, { 's', &sign.selector },	 { 'k', &sign.key },
		{ 'c', &sign.canon },  { 'a', &sign.algorithm }, { 'i', &sign.identity },
	};
	int option;

	sign.canon = "relaxed/relaxed";
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == '?')
			return tool_usage("sign", "wrong option");
		for (size_t i = 0; i < ARRAY_SIZE(values); i++)
			if (values[i].option == option)
				*values[i].value = optarg;
	}
	if (optind != argc - 1 || strcmp(argv[optind], "dkim") != 0)
		return tool_usage("sign", "expected dkim");
	if (sign.domain == NULL || sign.selector == NULL || sign.key == NULL)
		return tool_usage("sign", "expected --domain, --selector and --key");
	return TOOL_DONE;
}

int verb_sign(int argc, char **argv)
{
	_cleanup_(private_key_freep) struct private_key *key = NULL;
	struct error err = ERROR_NONE;
	int status;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	status = sign_parse_options(argc, argv);
	if (status != TOOL_DONE)
		return status;
	key = sign_read_key(&err);
	if (key == NULL || verify_read_message(&sign.message, &sign.bare_lf, &err) < 0)
		return tool_fail("sign", "%s", err.text);
	status = sign_dkim(key);
	str_free(&sign.message);
	return status;
}
