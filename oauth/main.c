/*
 * Judging tokens: signed ones by keys that are here or fetched, others by asking the server
 * (introspection, RFC 7662). It keeps no token.
 */
#include <errno.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "oauth.h"
#include "table/table.h"
#include "task/task.h"

#define CREDENTIALS_MAX ((size_t)1024)
#define FORM_START	"token_type_hint=access_token&token="
/* Unknown keys make us ask for new ones, but not more often. */
#define REFETCH_PAUSE ((msec_t)60 * 1000)

static struct {
	bool by_url;
	struct token_keys keys;
	msec_t fetched, tried; /* 0: never */
	bool fetching;
	struct waitlist fetched_wait;
	struct str credentials; /* for introspection */
} oauth;

static bool keys_are_configured(void)
{
	return param.oauth_keys[0] != '\0';
}

static bool introspection_is_configured(void)
{
	return param.oauth_introspection_url[0] != '\0';
}

/* ---- keys ---- */

static int keys_load_file(struct error *err)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	const char *const files[] = { param.oauth_keys };
	int r = io_read_file(param.oauth_keys, FETCH_MAX, &text, err);

	if (r == 0)
		r = token_keys_read(&oauth.keys, str_view(&text), err);
	if (r < 0)
		error_prefix(err, "oauth_keys");
	return r < 0 ? r : table_watch_files(files, 1, err);
}

static void keys_fetch(void)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct token_keys *fresh = mem_new(struct token_keys);
	struct error err = ERROR_NONE;
	int r;

	oauth.fetching = true;
	oauth.tried = clock_now();
	r = fetch(param.oauth_keys, NULL, NULL, &text, &err);
	if (r == 0)
		r = token_keys_read(fresh, str_view(&text), &err);
	if (r == 0) {
		token_keys_free(&oauth.keys);
		oauth.keys = *fresh;
		oauth.fetched = clock_now();
	} else {
		log_warning("oauth_keys: %s%s", err.text,
			    oauth.keys.count > 0 ? "; the old keys stay in use" : "");
		token_keys_free(fresh);
	}
	free(fresh);
	oauth.fetching = false;
	wake_all(&oauth.fetched_wait);
}

/* Keys that are not too old. `unknown`: a token has one that is not among them. */
static void keys_refresh(bool unknown)
{
	bool old = oauth.fetched == 0 || clock_now() - oauth.fetched >= param.oauth_keys_time;

	if (!oauth.by_url || (!old && !unknown))
		return;
	if (oauth.fetching)
		wait_on(&oauth.fetched_wait, clock_after(param.oauth_timeout));
	else if (oauth.tried == 0 || clock_now() - oauth.tried >= REFETCH_PAUSE)
		keys_fetch();
}

/* ---- judging ---- */

static struct token_rules rules_of(bool signed_token)
{
	return (struct token_rules){ .issuer = param.oauth_issuer,
				     .audience = param.oauth_audience,
				     .scope = param.oauth_scope,
				     .user_claim = param.oauth_user_claim,
				     .must_expire = signed_token };
}

/* 1, 0, or a negative errno. */
static int judge_signed(struct view token, struct str *user, struct error *err)
{
	struct token_rules rules = rules_of(true);
	int r;

	keys_refresh(false);
	if (oauth.keys.count == 0)
		return error_set(err, -EAGAIN, "there are no keys");
	r = token_check(token, &oauth.keys, &rules, clock_wall(), user, err);
	if (r != -ENOKEY)
		return r;
	keys_refresh(true);
	*err = ERROR_NONE;
	r = token_check(token, &oauth.keys, &rules, clock_wall(), user, err);
	return r == -ENOKEY ? 0 : r;
}

static void form_encode(struct str *body, struct view text)
{
	for (size_t i = 0; i < text.len; i++)
		if (ascii_is_alnum(text.data[i]) || strchr("-._~", text.data[i]) != NULL)
			str_append_byte(body, text.data[i]);
		else
			str_printf(body, "%%%02X", (unsigned char)text.data[i]);
}

static int introspection_read(struct view answer, struct str *user, struct error *err)
{
	struct token_rules rules = rules_of(false);
	json_t *json = oauth_json_object(answer, err);
	int r = 0;

	if (json == NULL)
		return -EBADMSG;
	if (json_is_true(json_object_get(json, "active")))
		r = rules_check(&rules, json, clock_wall(), user, err);
	else
		error_set(err, 0, "the server says that the token is not active");
	json_decref(json);
	return r;
}

static int judge_by_asking(struct view token, struct str *user, struct error *err)
{
	_cleanup_(str_wipe) struct str body = STR_EMPTY;
	_cleanup_(str_free) struct str answer = STR_EMPTY;
	int r;

	/* Room at once: growing would leave copies of the token. */
	str_reserve(&body, sizeof(FORM_START) + 3 * token.len);
	str_append_cstr(&body, FORM_START);
	form_encode(&body, token);
	r = fetch(param.oauth_introspection_url, str_cstr(&body),
		  oauth.credentials.len > 0 ? str_cstr(&oauth.credentials) : NULL, &answer, err);
	return r < 0 ? r : introspection_read(str_view(&answer), user, err);
}

static int token_judge(struct view token, struct str *user, struct error *err)
{
	if (keys_are_configured() && token_is_signed(token))
		return judge_signed(token, user, err);
	if (introspection_is_configured())
		return judge_by_asking(token, user, err);
	if (keys_are_configured()) {
		error_set(err, 0, "no signed token");
		return 0;
	}
	return error_set(err, -ENOTSUP, "oauth_keys and oauth_introspection_url are empty");
}

static int token_answer(struct ipc *ipc, const struct msg_token_ask *m)
{
	_cleanup_(str_wipe) struct str token = STR_EMPTY;
	_cleanup_(str_free) struct str user = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r;

	str_append(&token, m->token);
	mem_wipe((void *)(uintptr_t)m->token.data, m->token.len);
	r = token_judge(str_view(&token), &user, &err);
	if (r > 0 && (user.len > IPC_ADDRESS_MAX || view_has_control(str_view(&user))))
		r = error_set(&err, 0, "the token's user is no name");
	return ipc_send(ipc, token_judged,
			.outcome = r > 0    ? TOKEN_RIGHT
				   : r == 0 ? TOKEN_WRONG
					    : TOKEN_FAILED,
			.user = r > 0 ? str_view(&user) : VIEW_NONE, .reason = view_of(err.text));
}

static void oauth_serve(struct ipc *ipc)
{
	struct message m;

	while (ipc_next_request(ipc, &m) == 0) {
		int r = -EBADMSG;

		if (m.type == MSG_token_ask)
			r = token_answer(ipc, &m.token_ask);
		else
			message_close_fd(&m);
		if (r < 0)
			break;
	}
}

/* ---- the start ---- */

static int oauth_check_settings(struct error *err)
{
	if (!keys_are_configured())
		return 0;
	/* Without them a token for anybody else's service would do. */
	if (param.oauth_issuer[0] == '\0' || param.oauth_audience[0] == '\0')
		return error_set(err, -EINVAL, "oauth_keys needs oauth_issuer and oauth_audience");
	oauth.by_url = strstr(param.oauth_keys, "://") != NULL;
	return oauth.by_url ? fetch_check_url(param.oauth_keys, err) : keys_load_file(err);
}

static int oauth_read_credentials(struct error *err)
{
	struct view text;
	int r = fetch_check_url(param.oauth_introspection_url, err);

	if (r < 0 || param.oauth_introspection_password_file[0] == '\0')
		return r;
	r = io_read_file(param.oauth_introspection_password_file, CREDENTIALS_MAX,
			 &oauth.credentials, err);
	if (r < 0)
		return r;
	text = view_trim(str_view(&oauth.credentials));
	if (view_find_byte(text, ':') == VIEW_NOT_FOUND || view_has_control(text))
		return error_set(err, -EINVAL,
				 "oauth_introspection_password_file: expected name:password");
	str_truncate(&oauth.credentials, text.len);
	return 0;
}

static int oauth_prepare(struct error *err)
{
	int r;

	WAITLIST_INIT(&oauth.fetched_wait);
	if (!keys_are_configured() && !introspection_is_configured())
		return 0;
	r = fetch_prepare(param.oauth_CAfile, err);
	if (r == 0)
		r = oauth_check_settings(err);
	if (r == 0 && introspection_is_configured())
		r = oauth_read_credentials(err);
	return r;
}

int main(int argc, char **argv)
{
	static const struct daemon_program program = {
		.name = "oauth",
		.prepare = oauth_prepare,
		.serve_ipc = oauth_serve,
	};

	return daemon_main(argc, argv, &program);
}
