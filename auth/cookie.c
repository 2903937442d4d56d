/*
 * Short-lived words that say "this login was checked", for a second program to redeem. Each counts
 * once, and a restart forgets all.
 */
#include "auth.h"

#include <errno.h>

#include "base/encode.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "conf/conf.h"

/* Logins that were not yet redeemed; beyond it the oldest are forgotten. */
#define COOKIES_MAX  20000
#define COOKIE_BYTES 32

struct cookie {
	struct list link; /* oldest first, so the first to expire is at the front */
	msec_t expires;
	struct str text, service, user, session;
};

static struct {
	struct map *by_text;
	struct list order;
} cookies;

static void cookie_forget(struct cookie *cookie)
{
	map_remove(cookies.by_text, str_view(&cookie->text));
	list_remove(&cookie->link);
	mem_wipe(cookie->text.data, cookie->text.len);
	str_free(&cookie->text);
	str_free(&cookie->service);
	str_free(&cookie->user);
	str_free(&cookie->session);
	free(cookie);
}

static void forget_expired(void)
{
	struct cookie *oldest;

	while ((oldest = LIST_FIRST(&cookies.order, struct cookie, link)) != NULL &&
	       (oldest->expires <= clock_now() || map_count(cookies.by_text) >= COOKIES_MAX))
		cookie_forget(oldest);
}

void cookie_make(struct view service, struct view user, struct view session, struct str *text)
{
	struct cookie *cookie = mem_new(struct cookie);
	unsigned char bytes[COOKIE_BYTES];

	if (cookies.by_text == NULL) {
		cookies.by_text = map_new();
		list_init(&cookies.order);
	}
	forget_expired();
	random_bytes(bytes, sizeof(bytes));
	hex_encode(&cookie->text, view_make(bytes, sizeof(bytes)));
	mem_wipe(bytes, sizeof(bytes));
	str_append(&cookie->service, service);
	str_append(&cookie->user, user);
	str_append(&cookie->session, session);
	cookie->expires = clock_after(param.auth_cookie_lifetime);
	map_put(cookies.by_text, str_view(&cookie->text), cookie);
	list_push_back(&cookies.order, &cookie->link);
	str_set(text, str_view(&cookie->text));
}

int cookie_redeem(struct view text, struct view service, struct str *user, struct str *session)
{
	struct cookie *cookie;
	int r = -EACCES;

	if (cookies.by_text == NULL)
		return r;
	cookie = map_get(cookies.by_text, text);
	if (cookie == NULL)
		return r;
	if (cookie->expires > clock_now() && view_eq(str_view(&cookie->service), service)) {
		str_set(user, str_view(&cookie->user));
		str_set(session, str_view(&cookie->session));
		r = 0;
	}
	cookie_forget(cookie);
	return r;
}
