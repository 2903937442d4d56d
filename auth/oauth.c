/*
 * OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's, older): the client sends a token of an OAuth server.
 * The program oauth says whether it is good; whether its user may log in is said here.
 */
#include <errno.h>

#include "auth.h"
#include "base/mem.h"
#include "services/clients.h"

#define TOKEN_REFUSED "{\"status\":\"400\",\"schemes\":\"bearer\",\"scope\":\"\"}"
#define PAIRS_MAX     8
#define KEY_VALUE_END '\x01'

struct bearer {
	struct str name; /* that the client gave; empty: it is the token's */
	struct view token;
};

/* "=2C" and "=3D" in a name, RFC 5801 4. */
static bool bearer_name(struct view text, struct str *name)
{
	while (text.len > 0) {
		size_t take = text.data[0] == '=' ? 3 : 1;

		if (take == 1)
			str_append_byte(name, text.data[0]);
		else if (view_starts(text, VIEW("=2C")) || view_starts(text, VIEW("=3D")))
			str_append_byte(name, text.data[1] == '2' ? ',' : '=');
		else
			return false;
		text = view_from(text, take);
	}
	return true;
}

/* RFC 6750 2.1: "Bearer", blanks, b64token. */
static bool bearer_token(struct view value, struct view *token)
{
	if (!view_starts_nocase(value, VIEW("Bearer ")))
		return false;
	*token = view_trim(view_from(value, strlen("Bearer ")));
	for (size_t i = 0; i < token->len; i++)
		if (!ascii_is_alnum(token->data[i]) && strchr("-._~+/=", token->data[i]) == NULL)
			return false;
	return token->len > 0;
}

/* "auth=Bearer ..." among key=value pairs, each with its end, then one more end. */
static bool bearer_pairs(struct view pairs, struct view *token)
{
	struct view pair;
	bool found = false;

	for (int i = 0; i < PAIRS_MAX; i++) {
		size_t end = view_find_byte(pairs, KEY_VALUE_END);

		if (end == VIEW_NOT_FOUND)
			return false;
		if (end == 0)
			return found && pairs.len == 1;
		pair = view_first(pairs, end);
		pairs = view_from(pairs, end + 1);
		if (!view_starts(pair, VIEW("auth=")))
			continue;
		if (found || !bearer_token(view_from(pair, strlen("auth=")), token))
			return false;
		found = true;
	}
	return false;
}

/* "n,a=user," or "y,,": no channel is bound. Then the pairs. */
static bool bearer_read_oauthbearer(struct view said, struct bearer *bearer)
{
	size_t end = view_find_byte(said, KEY_VALUE_END);
	struct view header, flag, name;

	if (end == VIEW_NOT_FOUND)
		return false;
	header = view_first(said, end);
	if (!view_next(&header, ',', &flag) || (!view_is(flag, "n") && !view_is(flag, "y")) ||
	    header.len == 0 || header.data[header.len - 1] != ',')
		return false;
	name = view_first(header, header.len - 1);
	if (view_find_byte(name, ',') != VIEW_NOT_FOUND)
		return false;
	if (name.len > 0 &&
	    (!view_starts(name, VIEW("a=")) || !bearer_name(view_from(name, 2), &bearer->name)))
		return false;
	return bearer_pairs(view_from(said, end + 1), &bearer->token);
}

static bool bearer_read_xoauth2(struct view said, struct bearer *bearer)
{
	size_t end = view_find_byte(said, KEY_VALUE_END);

	if (!view_starts(said, VIEW("user=")) || end == VIEW_NOT_FOUND)
		return false;
	str_append(&bearer->name, view_from(view_first(said, end), strlen("user=")));
	return bearer->name.len > 0 && bearer_pairs(view_from(said, end + 1), &bearer->token);
}

static enum verdict bearer_judge(struct exchange *x, const struct bearer *bearer)
{
	_cleanup_(str_free) struct str user = STR_EMPTY;
	int r = token_ask(bearer->token, &user, &x->why);

	if (r < 0)
		return LOGIN_TEMPORARY;
	if (r == 0)
		return LOGIN_WRONG;
	if (bearer->name.len > 0 && !view_eq_nocase(str_view(&bearer->name), str_view(&user))) {
		error_set(&x->why, 0, "the token is of another user");
		return LOGIN_WRONG;
	}
	str_set(&x->name, str_view(&user));
	return verify_proven(x->attempt, str_view(&user), &x->user, &x->why);
}

static void bearer_take_turn(struct exchange *x, const struct bearer *bearer)
{
	struct turn *turn;

	str_set(&x->name, str_view(&bearer->name));
	turn = turn_take(str_view(&x->attempt->client_address), str_view(&bearer->name), &x->why);
	x->verdict = turn != NULL ? bearer_judge(x, bearer) : LOGIN_TEMPORARY;
	turn_end(turn, x->verdict);
}

int oauth_run(struct exchange *x)
{
	struct bearer bearer = { .name = STR_EMPTY };
	int r = x->has_initial ? 0 : exchange_ask(x, VIEW_NONE);
	bool good;

	if (r != 0)
		return r;
	good = strcmp(x->attempt->mechanism, "XOAUTH2") == 0
		       ? bearer_read_xoauth2(str_view(&x->said), &bearer)
		       : bearer_read_oauthbearer(str_view(&x->said), &bearer);
	x->verdict = LOGIN_WRONG;
	if (good)
		bearer_take_turn(x, &bearer);
	else
		error_set(&x->why, 0, "malformed response of %s", x->attempt->mechanism);
	str_free(&bearer.name);
	/* RFC 7628 3.2.2: the client is told why, and acknowledges it; then it is over. */
	if (x->verdict == LOGIN_RIGHT || x->verdict == LOGIN_TEMPORARY)
		return 0;
	return exchange_ask(x, VIEW(TOKEN_REFUSED));
}
