/* What the claims of a token, or of an introspection's answer (RFC 7662), must say. */
#include "base/mem.h"
#include "conf/conf.h"
#include "oauth.h"

static bool claim_is(const json_t *value, struct view wanted)
{
	return json_is_string(value) &&
	       view_eq(view_make(json_string_value(value), json_string_length(value)), wanted);
}

static bool list_names(const char *list, const json_t *value)
{
	struct view rest = view_of(list), word;

	while (conf_next_element(&rest, &word))
		if (claim_is(value, word))
			return true;
	return false;
}

/* One of ours among its audiences: a string, or a list of them (RFC 7519 4.1.3). */
static bool audience_is_ours(const char *ours, const json_t *audience)
{
	if (list_names(ours, audience))
		return true;
	for (size_t i = 0; i < json_array_size(audience); i++)
		if (list_names(ours, json_array_get(audience, i)))
			return true;
	return false;
}

/* All that we ask for; words in a string (RFC 8693 4.2). */
static bool scope_suffices(const char *wanted, const json_t *scope)
{
	struct view rest = view_of(wanted), word;

	while (conf_next_element(&rest, &word)) {
		struct view given =
			json_is_string(scope) ? view_of(json_string_value(scope)) : VIEW_NONE;
		struct view one;
		bool found = false;

		while (!found && view_next_word(&given, " ", &one))
			found = view_eq(one, word);
		if (!found)
			return false;
	}
	return true;
}

/* Seconds; some servers send fractions. */
static bool time_of(const json_t *value, int64_t *seconds)
{
	double number = json_number_value(value);

	if (!json_is_number(value) || !(number >= 0 && number < 1e15))
		return false;
	*seconds = (int64_t)number;
	return true;
}

static const char *time_problem(const struct token_rules *rules, const json_t *claims, int64_t now)
{
	const json_t *expires = json_object_get(claims, "exp");
	static const char *const begins[] = { "nbf", "iat" };
	int64_t at;

	if (expires == NULL && rules->must_expire)
		return "the token has no end (exp)";
	if (expires != NULL && (!time_of(expires, &at) || at + OAUTH_LEEWAY <= now))
		return "the token has expired";
	for (size_t i = 0; i < ARRAY_SIZE(begins); i++) {
		const json_t *begin = json_object_get(claims, begins[i]);

		if (begin != NULL && (!time_of(begin, &at) || at - OAUTH_LEEWAY > now))
			return "the token is not valid yet";
	}
	return NULL;
}

static const char *claims_problem(const struct token_rules *rules, const json_t *claims,
				  int64_t now)
{
	if (rules->issuer[0] != '\0' &&
	    !claim_is(json_object_get(claims, "iss"), view_of(rules->issuer)))
		return "the token is of another issuer";
	if (rules->audience[0] != '\0' &&
	    !audience_is_ours(rules->audience, json_object_get(claims, "aud")))
		return "the token is for another audience";
	if (!scope_suffices(rules->scope, json_object_get(claims, "scope")))
		return "the token's scope does not suffice";
	if (json_is_false(json_object_get(claims, "email_verified")))
		return "the address in the token is not verified";
	return time_problem(rules, claims, now);
}

int rules_check(const struct token_rules *rules, const json_t *claims, int64_t now,
		struct str *user, struct error *err)
{
	const json_t *name = json_object_get(claims, rules->user_claim);
	const char *problem = claims_problem(rules, claims, now);

	if (problem == NULL && (!json_is_string(name) || json_string_length(name) == 0))
		problem = "the token names no user";
	if (problem != NULL) {
		error_set(err, 0, "%s", problem);
		return 0;
	}
	str_set(user, view_make(json_string_value(name), json_string_length(name)));
	return 1;
}
