/* posta sign: signs a message by hand, as the suite does it. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "tools/sign.h"
#include "tools/tool.h"
#include "tools/verify.h"

static const char help[] =
	"usage: posta sign dkim --domain D --selector S --key FILE [--canon C/C] [--algorithm A]\n"
	"       posta sign arc --authserv-id I --domain D --selector S --key FILE [--dns "
	"HOST:PORT]\n"
	"\n"
	"dkim reads a message, and writes it with a DKIM-Signature in front; arc seals it: in "
	"front\n"
	"come a set with what Authentication-Results of I say, or (if the message has none of I)\n"
	"what a look at it finds. FILE is a private key in "
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

/* With the line ends that the message came with. */
static void sign_print(struct view text)
{
	size_t end;

	while (sign_options.bare_lf && (end = view_find(text, VIEW("\r\n"))) != VIEW_NOT_FOUND) {
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

	if (io_read_file(sign_options.key, KEY_FILE_MAX, &pem, err) < 0)
		return NULL;
	key = private_key_read(str_view(&pem), err);
	if (key == NULL)
		error_prefix(err, "%s", sign_options.key);
	return key;
}

/* Which key, when; the rest is the method's. */
static void sign_begin(struct signing *signing, struct private_key *key)
{
	*signing = (struct signing){
		.domain = view_of(sign_options.domain),
		.selector = view_of(sign_options.selector),
		.identity = view_of(sign_options.identity),
		.algorithm = private_key_algorithm(key),
		.time = clock_wall(),
		.make = private_key_sign,
		.context = key,
	};
}

static int sign_dkim(struct signing *signing, struct field_set *fields, struct str *out)
{
	struct canon_bodies bodies = { 0 };
	const struct canon_body *body = canon_bodies_need(&bodies, signing->body_canon, UINT64_MAX);
	int r;

	canon_bodies_feed(&bodies, verify_message_body(str_view(&sign_options.message)));
	canon_bodies_end(&bodies);
	r = dkim_sign(signing, fields, canon_body_digest(body), out);
	canon_bodies_free(&bodies);
	return r;
}

static int sign_message(struct private_key *key)
{
	_cleanup_(field_set_freep) struct field_set *fields =
		field_set_new(verify_message_header(str_view(&sign_options.message)));
	_cleanup_(str_free) struct str out = STR_EMPTY;
	struct signing signing;
	int r;

	sign_begin(&signing, key);
	if (signature_canon_parse(view_of(sign_options.canon), &signing.header_canon,
				  &signing.body_canon) < 0)
		return tool_usage("sign", "--canon: not understood: %s", sign_options.canon);
	if (sign_options.algorithm != NULL &&
	    strcmp(sign_options.algorithm, signature_algorithm_name(signing.algorithm)) != 0)
		return tool_fail("sign", "%s: the key is not for %s", sign_options.key,
				 sign_options.algorithm);
	if (field_set_find(fields, VIEW("From")) == NULL)
		return tool_fail("sign", "the message has no From field");
	r = sign_options.is_arc ? sign_arc(&signing, fields, &out)
				: sign_dkim(&signing, fields, &out);
	if (r == -EALREADY)
		return tool_fail("sign", "nothing can be sealed on top of this chain of ARC");
	if (r == -EAGAIN) {
		tool_fail("sign", "the DNS gives no answer about this chain of ARC now");
		return TOOL_LATER;
	}
	if (r < 0)
		return tool_fail("sign", "the message cannot be signed: %s", strerror(-r));
	sign_print(str_view(&out));
	sign_print(str_view(&sign_options.message));
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
		{ "authserv-id", required_argument, NULL, 'I' },
		{ "dns", required_argument, NULL, 'D' },
		{ 0 },
	};
	static const struct {
		int option;
		const char **value;
	} values[] = {
		{ 'd', &sign_options.domain },	    { 's', &sign_options.selector },
		{ 'k', &sign_options.key },	    { 'c', &sign_options.canon },
		{ 'a', &sign_options.algorithm },   { 'i', &sign_options.identity },
		{ 'I', &sign_options.authserv_id }, { 'D', &sign_options.dns },
	};
	int option;

	sign_options.canon = "relaxed/relaxed";
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == '?')
			return tool_usage("sign", "wrong option");
		for (size_t i = 0; i < ARRAY_SIZE(values); i++)
			if (values[i].option == option)
				*values[i].value = optarg;
	}
	if (optind != argc - 1 ||
	    (strcmp(argv[optind], "dkim") != 0 && strcmp(argv[optind], "arc") != 0))
		return tool_usage("sign", "expected dkim or arc");
	sign_options.is_arc = strcmp(argv[optind], "arc") == 0;
	if (sign_options.is_arc && sign_options.authserv_id == NULL)
		return tool_usage("sign", "expected --authserv-id");
	if (sign_options.domain == NULL || sign_options.selector == NULL ||
	    sign_options.key == NULL)
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
	if (key == NULL ||
	    verify_read_message(&sign_options.message, &sign_options.bare_lf, &err) < 0)
		return tool_fail("sign", "%s", err.text);
	status = sign_message(key);
	str_free(&sign_options.message);
	return status;
}
