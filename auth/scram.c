/*
 * SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, 7677), and both with channel binding (-PLUS): the password
 * does not travel, and what is stored does not suffice to log in elsewhere. The grammar and the proofs
 * are libgsasl's, who the user is, what is stored and what TLS knows are ours.
 */
#include <errno.h>
#include <gsasl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth.h"
#include "base/encode.h"
#include "base/mem.h"
#include "base/random.h"

#define KEY_SIZE 32
/* client-first, client-final: more rounds are no SCRAM. */
#define ROUNDS_MAX 3

/* What a step of libgsasl asks for, by its callback. */
struct scram {
	struct exchange *x;
	const struct scram_variant *variant;
	struct scram_keys keys;
	bool looked_up, known;
};

static const struct scram_variant {
	const char *name;
	enum scram_hash hash;
	size_t key_size;
	const char *plus; /* the mechanism that binds the channel; NULL: this one does */
} scram_variants[] = {
	{ "SCRAM-SHA-256-PLUS", SCRAM_SHA_256, 32, NULL },
	{ "SCRAM-SHA-256", SCRAM_SHA_256, 32, "SCRAM-SHA-256-PLUS" },
	{ "SCRAM-SHA-1-PLUS", SCRAM_SHA_1, 20, NULL },
	{ "SCRAM-SHA-1", SCRAM_SHA_1, 20, "SCRAM-SHA-1-PLUS" },
};

static Gsasl *library;
static unsigned char salt_secret[KEY_SIZE];

/*
 * While the program runs, the salt of a name whose keys are not stored is always the same, however
 * the name is written: so it is with stored ones, and nobody is to learn which users there are.
 */
static struct view scram_salt(struct view name, unsigned char digest[EVP_MAX_MD_SIZE])
{
	_cleanup_(str_free) struct str account = STR_EMPTY;
	unsigned len = 0;

	turn_account_of(name, &account);
	if (HMAC(EVP_sha256(), salt_secret, (int)sizeof(salt_secret), (const void *)account.data,
		 account.len, digest, &len) == NULL)
		mem_exhausted();
	return view_make(digest, SCRAM_SALT_SIZE);
}

/* Keys that no password has. */
static void scram_fake_keys(size_t size, struct view salt, struct scram_keys *keys)
{
	unsigned char key[KEY_SIZE];

	scram_keys_free(keys);
	*keys = (struct scram_keys){ .iterations = SCRAM_ITERATIONS };
	base64_encode(&keys->salt, salt);
	random_bytes(key, sizeof(key));
	base64_encode(&keys->stored_key, view_make(key, size));
	base64_encode(&keys->server_key, view_make(key, size));
}

static void scram_look_up(struct scram *s, struct view name)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct view salt = scram_salt(name, digest);
	struct exchange *x = s->x;

	s->looked_up = true;
	str_set(&x->name, name);
	x->verdict = verify_scram_keys(x->attempt, s->variant->hash, name, salt, &s->keys, &x->user,
				       &x->why);
	s->known = x->verdict == LOGIN_RIGHT || x->verdict == LOGIN_DISABLED;
	if (!s->known)
		scram_fake_keys(s->variant->key_size, salt, &s->keys);
}

/* A binding that this connection has. */
static int scram_bind(const struct scram *s, Gsasl_session *session, Gsasl_property property)
{
	const struct attempt *attempt = s->x->attempt;
	const struct str *binding =
		property == GSASL_CB_TLS_EXPORTER ? &attempt->tls_exporter : &attempt->tls_unique;

	if (s->variant->plus != NULL || binding->len == 0)
		return GSASL_NO_CALLBACK;
	return gsasl_property_set(session, property, str_cstr(binding));
}

static int scram_callback(Gsasl *context, Gsasl_session *session, Gsasl_property property)
{
	/* While a session is made it has no hook of its own yet, and no other task runs. */
	struct scram *s = gsasl_session_hook_get(session);
	const char *name = gsasl_property_fast(session, GSASL_AUTHID);
	char number[16];

	if (s == NULL)
		s = gsasl_callback_hook_get(context);
	if (property == GSASL_CB_TLS_EXPORTER || property == GSASL_CB_TLS_UNIQUE)
		return scram_bind(s, session, property);
	if (property != GSASL_SCRAM_ITER && property != GSASL_SCRAM_SALT &&
	    property != GSASL_SCRAM_STOREDKEY && property != GSASL_SCRAM_SERVERKEY)
		return GSASL_NO_CALLBACK;
	if (!s->looked_up)
		scram_look_up(s, view_of(name != NULL ? name : ""));
	if (property == GSASL_SCRAM_ITER) {
		snprintf(number, sizeof(number), "%u", s->keys.iterations);
		return gsasl_property_set(session, property, number);
	}
	return gsasl_property_set(session, property,
				  str_cstr(property == GSASL_SCRAM_SALT ? &s->keys.salt
					   : property == GSASL_SCRAM_STOREDKEY
						   ? &s->keys.stored_key
						   : &s->keys.server_key));
}

int scram_prepare(struct error *err)
{
	if (gsasl_init(&library) != GSASL_OK)
		return error_set(err, -ENOMEM, "libgsasl cannot be used");
	gsasl_callback_set(library, scram_callback);
	random_bytes(salt_secret, sizeof(salt_secret));
	return 0;
}

/* An authorization identity, if there is one, is the user's own. */
static bool scram_acts_for_itself(Gsasl_session *session)
{
	const char *acts_for = gsasl_property_fast(session, GSASL_AUTHZID);
	const char *name = gsasl_property_fast(session, GSASL_AUTHID);

	return acts_for == NULL || acts_for[0] == '\0' ||
	       (name != NULL && view_eq_nocase(view_of(acts_for), view_of(name)));
}

/* What libgsasl made of the client's last word. */
static enum verdict scram_judge(struct scram *s, Gsasl_session *session, int outcome)
{
	struct exchange *x = s->x;

	if (x->verdict == LOGIN_TEMPORARY && s->looked_up)
		return LOGIN_TEMPORARY;
	if (outcome == GSASL_OK && s->known && scram_acts_for_itself(session))
		return x->verdict;
	if (x->why.text[0] == '\0')
		error_set(&x->why, 0, "%s",
			  outcome == GSASL_OK ? "acting for another user is not supported"
			  : outcome == GSASL_AUTHENTICATION_ERROR ? "wrong password"
								  : gsasl_strerror(outcome));
	return LOGIN_WRONG;
}

/*
 * RFC 5802 6: a client that could bind the channel, and believes that we cannot, was told so by
 * somebody between us.
 */
static bool scram_is_downgraded(const struct scram *s)
{
	const struct attempt *attempt = s->x->attempt;

	return s->variant->plus != NULL && mechanism_is_enabled(s->variant->plus) &&
	       (attempt->tls_exporter.len > 0 || attempt->tls_unique.len > 0) &&
	       s->x->said.len > 0 && s->x->said.data[0] == 'y';
}

/* The rounds. 0 with the verdict in x, EXCHANGE_CANCELLED, or a negative errno. */
static int scram_converse(struct scram *s, Gsasl_session *session)
{
	struct exchange *x = s->x;
	struct turn *turn = NULL;
	int outcome = GSASL_NEEDS_MORE, r = 0;

	if (!x->has_initial)
		r = exchange_ask(x, VIEW_NONE);
	if (r == 0 && scram_is_downgraded(s))
		return error_set(&x->why, 0,
				 "the client believes that there is no channel binding");
	for (int round = 0; r == 0 && outcome == GSASL_NEEDS_MORE && round < ROUNDS_MAX; round++) {
		_cleanup_free_ char *output = NULL;
		size_t len = 0;

		/* The proof is judged by the second step, and so is the turn that it takes. */
		if (round == 1 && turn == NULL) {
			turn = turn_take(str_view(&x->attempt->client_address), str_view(&x->name),
					 &x->why);
			if (turn == NULL) {
				x->verdict = LOGIN_TEMPORARY;
				return 0;
			}
		}
		outcome = gsasl_step(session, x->said.data != NULL ? x->said.data : "", x->said.len,
				     &output, &len);
		if (outcome == GSASL_NEEDS_MORE)
			r = exchange_ask(x, view_make(output, len));
		else if (outcome == GSASL_OK)
			str_set(&x->final, view_make(output, len));
	}
	if (r == 0)
		x->verdict = scram_judge(s, session, outcome);
	turn_end(turn, r == 0 ? x->verdict : LOGIN_WRONG);
	return r;
}

static const struct scram_variant *scram_variant_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(scram_variants); i++)
		if (strcmp(scram_variants[i].name, name) == 0)
			return &scram_variants[i];
	return NULL;
}

int scram_run(struct exchange *x)
{
	struct scram s = { .x = x, .variant = scram_variant_of(x->attempt->mechanism) };
	Gsasl_session *session = NULL;
	int r;

	x->verdict = LOGIN_WRONG;
	gsasl_callback_hook_set(library, &s);
	r = gsasl_server_start(library, x->attempt->mechanism, &session);
	gsasl_callback_hook_set(library, NULL);
	if (r != GSASL_OK) {
		x->verdict = LOGIN_TEMPORARY;
		error_set(&x->why, 0, "%s cannot be begun: %s", x->attempt->mechanism,
			  gsasl_strerror(r));
		return 0;
	}
	gsasl_session_hook_set(session, &s);
	r = scram_converse(&s, session);
	gsasl_finish(session);
	scram_keys_free(&s.keys);
	return r;
}
