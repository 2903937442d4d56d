/*
 * What a login sends is counted, and once it is too much its mail is put on hold and its next login
 * refused. anvil counts and remembers; who is exempt is asked here.
 */
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "server.h"
#include "session.h"

static bool sender_is_exempt(struct view login)
{
	int r = matchlist_match(server.login_exceptions, login, NULL);

	/* A table that cannot answer stops nobody. */
	return r != 0;
}

bool sender_is_stopped(struct view login)
{
	_cleanup_(str_free) struct str reason = STR_EMPTY;

	return !sender_is_exempt(login) &&
	       anvil_sent(login, 0, VIEW_NONE, &reason) == ANVIL_SENDER_STOPPED;
}

bool sender_permitted(struct session *s, int *result)
{
	struct transaction *t = &s->transaction;
	_cleanup_(str_free) struct str digests = STR_EMPTY, reason = STR_EMPTY;
	int state;

	if (s->login.len == 0 || t->discard || sender_is_exempt(str_view(&s->login)))
		return true;
	for (size_t i = 0; i < t->count; i++) {
		unsigned char digest[SENDER_DIGEST_SIZE];

		sender_digest(str_view(&t->recipients[i].address), digest);
		str_append(&digests, view_make(digest, sizeof(digest)));
	}
	state = anvil_sent(str_view(&s->login), 1, str_view(&digests), &reason);
	if (state <= ANVIL_SENDER_FREE)
		return true;
	if (state == ANVIL_SENDER_STOPS)
		(void)sender_notice(str_view(&s->login), str_view(&reason));
	/* A filter before the queue would let go what is to stay. */
	if (param.smtpd_proxy_filter[0] != '\0') {
		*result = reply(s, "451 4.7.1 " SENDER_STOPPED_TEXT);
		return false;
	}
	t->hold = true;
	str_set(&t->held, VIEW("login: "));
	str_append(&t->held, str_view(&reason));
	log_warning("%.*s: hold: login <%s> is stopped: %s", VIEW_ARG(transaction_reserve_id(s)),
		    str_cstr(&s->login), str_cstr(&reason));
	return true;
}
