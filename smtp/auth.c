/* The client's side of AUTH (RFC 4954): PLAIN, LOGIN, CRAM-MD5. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "session.h"
#include "settings.h"

#define CHALLENGE_MAX 2048

/* The program's state. */
static struct tables *passwords;
static struct matchlist *mechanism_filter;

int session_auth_prepare(struct error *err)
{
	const char *name = "password_maps";

	if (!settings.sasl_auth_enable)
		return 0;
	passwords = tables_open(settings.sasl_password_maps, 0, err);
	if (passwords != NULL) {
		name = "mechanism_filter";
		mechanism_filter =
			matchlist_open(settings.sasl_mechanism_filter, MATCH_STRINGS, false, err);
		if (mechanism_filter != NULL)
			return 0;
	}
	error_prefix(err, "%s_sasl_%s", settings.lmtp ? "lmtp" : "smtp", name);
	return -EINVAL;
}

struct login {
	struct str user, password;
};

static void login_free(struct login *login)
{
	if (login->password.data != NULL)
		mem_wipe(login->password.data, login->password.size);
	str_free(&login->user);
	str_free(&login->password);
}

/* By sender where that is asked for, by host name, by next hop: as Postfix does. 1, 0, errno. */
static int find_login(const struct session *s, const struct session_wish *wish, struct login *login)
{
	const struct view keys[] = {
		settings.sender_dependent_authentication ? wish->sender : VIEW_NONE,
		str_view(&s->host),
		str_view(&s->nexthop),
	};
	_cleanup_(str_free) struct str value = STR_EMPTY;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(keys); i++) {
		struct error err = ERROR_NONE;

		if (keys[i].len == 0)
			continue;
		r = tables_lookup(passwords, keys[i], &value, &err);
		if (r < 0)
			log_warning("smtp_sasl_password_maps: %s", err.text);
	}
	if (r <= 0)
		return r;

	size_t colon = view_find_byte(str_view(&value), ':');

	str_set(&login->user, view_first(str_view(&value), MIN(colon, value.len)));
	if (colon != VIEW_NOT_FOUND)
		str_set(&login->password, view_from(str_view(&value), colon + 1));
	mem_wipe(value.data, value.size);
	return 1;
}

static bool option_is_set(const struct session *s, const char *name)
{
	struct view rest = view_of(s->secured ? settings.sasl_tls_security_options
					      : settings.sasl_security_options);
	struct view element;

	while (conf_next_element(&rest, &element))
		if (view_is_nocase(element, name))
			return true;
	return false;
}

/* By the server, and let through by our filter: a list that cannot be asked lets nothing through. */
static bool smtp_auth_is_offered(const struct session *s, const char *mechanism)
{
	struct view rest = str_view(&s->mechanisms), word;

	while (view_next_word(&rest, " \t", &word))
		if (view_is_nocase(word, mechanism))
			return settings.sasl_mechanism_filter[0] == '\0' ||
			       matchlist_match(mechanism_filter, word, NULL) > 0;
	return false;
}

/* Sends base64 of `secret` after `prefix` and reads the answer. */
static int send_encoded(struct session *s, const char *prefix, struct view secret)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	int r;

	/* All of it at once: what grows leaves pieces behind that nobody wipes. */
	str_reserve(&line, strlen(prefix) + (secret.len + 2) / 3 * 4 + 2);
	str_append_cstr(&line, prefix);
	base64_encode(&line, secret);
	str_append(&line, VIEW("\r\n"));
	s->doing = "performing SASL authentication";
	r = stream_write(s->io, str_view(&line));
	mem_wipe(line.data, line.size);
	return r < 0 ? r : session_receive(s, settings.helo_timeout);
}

static int try_plain(struct session *s, const struct login *login)
{
	_cleanup_(str_free) struct str secret = STR_EMPTY;
	int r;

	str_reserve(&secret, login->user.len + login->password.len + 2);
	str_append_byte(&secret, '\0');
	str_append(&secret, str_view(&login->user));
	str_append_byte(&secret, '\0');
	str_append(&secret, str_view(&login->password));
	r = send_encoded(s, "AUTH PLAIN ", str_view(&secret));
	mem_wipe(secret.data, secret.size);
	return r;
}

static int try_login(struct session *s, const struct login *login)
{
	int r = session_send(s, "performing SASL authentication", "AUTH LOGIN");

	if (r == 0)
		r = session_receive(s, settings.helo_timeout);
	if (r == 0 && s->reply.code == 334)
		r = send_encoded(s, "", str_view(&login->user));
	if (r == 0 && s->reply.code == 334)
		r = send_encoded(s, "", str_view(&login->password));
	return r;
}

/* RFC 2195: the user's name and the keyed digest of the challenge. */
static int try_cram_md5(struct session *s, const struct login *login)
{
	_cleanup_(str_free) struct str challenge = STR_EMPTY, answer = STR_EMPTY;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	int r = session_send(s, "performing SASL authentication", "AUTH CRAM-MD5");

	if (r == 0)
		r = session_receive(s, settings.helo_timeout);
	if (r < 0 || s->reply.code != 334)
		return r;
	if (s->reply.lines.len > CHALLENGE_MAX ||
	    base64_decode(&challenge, view_trim(str_view(&s->reply.lines))) < 0)
		return -EBADMSG;
	if (HMAC(EVP_md5(), str_cstr(&login->password), (int)login->password.len,
		 (const unsigned char *)str_cstr(&challenge), challenge.len, digest,
		 &length) == NULL)
		return -EBADMSG;
	str_append(&answer, str_view(&login->user));
	str_append_byte(&answer, ' ');
	hex_encode(&answer, view_make(digest, length));
	return send_encoded(s, "", str_view(&answer));
}

static int smtp_auth_fail(struct session *s, const char *status, struct outcome *failure,
			  const char *why)
{
	outcome_set(failure, OUTCOME_DEFERRED, status, str_view(&s->relay),
		    "SASL authentication failed; cannot authenticate to server %s: %s",
		    str_cstr(&s->who), why);
	return -1;
}

static int smtp_auth_judge(struct session *s, int r, struct outcome *failure)
{
	if (r < 0) {
		session_describe(s, r, failure);
		return -1;
	}
	if (s->reply.code == 235) {
		s->authenticated = true;
		return 0;
	}
	outcome_set(failure,
		    s->reply.code >= 500 && !settings.sasl_auth_soft_bounce ? OUTCOME_FAILED
									    : OUTCOME_DEFERRED,
		    s->reply.code >= 500 && !settings.sasl_auth_soft_bounce ? "5.7.8" : "4.7.8",
		    str_view(&s->relay), "SASL authentication failed; server %s said: %s",
		    str_cstr(&s->who), str_cstr(&s->reply.text));
	return -1;
}

int session_authenticate(struct session *s, const struct session_wish *wish,
			 struct outcome *failure)
{
	_cleanup_(login_free) struct login login = { 0 };
	bool plain_allowed = !option_is_set(s, "noplaintext");
	int r;

	if (!settings.sasl_auth_enable || !(s->can & CAN_AUTH))
		return 0;
	r = find_login(s, wish, &login);
	if (r < 0)
		return smtp_auth_fail(s, "4.3.0", failure, "the password table cannot answer now");
	if (r == 0)
		return 0;
	stream_wipe_output(s->io);
	/* Encrypted, the simple mechanisms are as good and need no password in clear there. */
	if (s->secured && plain_allowed && smtp_auth_is_offered(s, "PLAIN"))
		r = try_plain(s, &login);
	else if (smtp_auth_is_offered(s, "CRAM-MD5"))
		r = try_cram_md5(s, &login);
	else if (plain_allowed && smtp_auth_is_offered(s, "PLAIN"))
		r = try_plain(s, &login);
	else if (plain_allowed && smtp_auth_is_offered(s, "LOGIN"))
		r = try_login(s, &login);
	else
		return smtp_auth_fail(s, "4.7.0", failure,
				      plain_allowed
					      ? "no mechanism available"
					      : "no mechanism available that hides the password");
	return smtp_auth_judge(s, r, failure);
}
