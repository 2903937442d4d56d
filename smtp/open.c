/*
 * A conversation from the connection to the point where mail can be sent: greeting, EHLO, STARTTLS,
 * AUTH.
 */
#include "session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "services/clients.h"
#include "settings.h"

static int check_bind_address(const char *parameter, const char *text, int family,
			      struct error *err)
{
	if (*text == '\0' || ip_family(view_of(text)) == family)
		return 0;
	return error_set(err, -EINVAL, "%s_%s: expected an IPv%d address, not %s",
			 settings.lmtp ? "lmtp" : "smtp", parameter, family, text);
}

/* The program's state. */
static struct tables *discard_maps;

static int session_open_maps(struct error *err)
{
	discard_maps = tables_open(settings.discard_address_maps, 0, err);
	if (discard_maps == NULL)
		error_prefix(err, settings.lmtp ? "lmtp_discard_lhlo_keyword_address_maps"
						: "smtp_discard_ehlo_keyword_address_maps");
	return discard_maps != NULL ? 0 : -EINVAL;
}

int session_prepare(struct error *err)
{
	int r = check_bind_address("bind_address", settings.bind_address, 4, err);

	if (r == 0)
		r = check_bind_address("bind_address6", settings.bind_address6, 6, err);
	if (r == 0)
		r = session_open_maps(err);
	if (r == 0)
		r = session_tls_prepare(err);
	return r < 0 ? r : session_auth_prepare(err);
}

/* ---- connecting ---- */

static int bind_address(int family, struct sockaddr_storage *local, socklen_t *length)
{
	const char *text = family == AF_INET6 ? settings.bind_address6 : settings.bind_address;
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)local;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)local;

	memset(local, 0, sizeof(*local));
	if (family == AF_INET && *text != '\0' && inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		*length = sizeof(*v4);
		return 1;
	}
	if (family == AF_INET6 && *text != '\0' && inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		*length = sizeof(*v6);
		return 1;
	}
	return 0;
}

static int connect_to(const struct host *host)
{
	const struct sockaddr *to = (const struct sockaddr *)(const void *)&host->address;
	msec_t deadline = clock_after(settings.connect_timeout);
	struct sockaddr_storage local;
	socklen_t length = 0;
	int fd;

	if (to->sa_family == AF_UNIX) {
		const struct sockaddr_un *path = (const struct sockaddr_un *)(const void *)to;

		return foreign_socket_connect(view_of(path->sun_path), deadline);
	}
	if (!bind_address(host->address.ss_family, &local, &length))
		return stream_connect(to, host->address_length, NULL, 0, deadline);
	fd = stream_connect(to, host->address_length, (struct sockaddr *)(void *)&local, length,
			    deadline);
	if (fd == -EADDRNOTAVAIL && !settings.bind_address_enforce) {
		log_warning("smtp_bind_address is no address of this host: used another");
		fd = stream_connect(to, host->address_length, NULL, 0, deadline);
	}
	return fd;
}

static void name_session(struct session *s, const struct host *host, const struct destination *d)
{
	bool is_path = host->address.ss_family == AF_UNIX;
	struct view address = is_path ? str_view(&d->host) : view_of(host->text);

	str_append(&s->nexthop, str_view(&d->text));
	str_append_printable(&s->host, str_view(&host->name));
	str_append(&s->address, view_of(host->text));
	str_printf(&s->who, "%s[%.*s]", str_cstr(&s->host), VIEW_ARG(address));
	str_append(&s->relay, str_view(&s->who));
	if (!is_path)
		str_printf(&s->relay, ":%u", d->port);
	s->own_port = !is_path && d->own_port;
}

/* ---- introductions ---- */

static void session_refuse_all(const struct session *s, struct outcome *failure,
			       const char *command)
{
	outcome_from_reply(failure, &s->reply, str_cstr(&s->who), str_view(&s->relay), command);
}

/* What of this server does not count. False: a table cannot answer now. */
static bool find_discarded(struct session *s, struct outcome *failure)
{
	struct error err = ERROR_NONE;
	int r = discard_maps == NULL || s->address.len == 0
			? 0
			: tables_lookup(discard_maps, str_view(&s->address), &s->discarded, &err);

	if (r == 0)
		str_set(&s->discarded, view_of(settings.discard_ehlo_keywords));
	if (r >= 0)
		return true;
	log_warning("%s: %s", settings.discard_address_maps, err.text);
	outcome_set(failure, OUTCOME_DEFERRED, "4.3.0", str_view(&s->relay),
		    "a table of keywords to discard cannot answer now");
	return false;
}

static bool greeting_says_esmtp(const struct session *s)
{
	struct view rest = str_view(&s->reply.lines), word;

	while (view_next_word(&rest, " \t\n", &word))
		if (view_is_nocase(word, "ESMTP"))
			return true;
	return false;
}

static int read_greeting(struct session *s, struct outcome *failure)
{
	int r;

	if (!find_discarded(s, failure))
		return -1;
	s->doing = "receiving the initial server greeting";
	r = session_receive(s, settings.helo_timeout);
	if (r < 0) {
		session_describe(s, r, failure);
		return -1;
	}
	if (s->reply.code == 220) {
		s->wants_helo =
			!settings.lmtp && (settings.never_send_ehlo ||
					   (!settings.always_send_ehlo && !greeting_says_esmtp(s)));
		return 0;
	}
	session_refuse_all(s, failure, NULL);
	if (settings.skip_5xx_greeting)
		outcome_soften(failure);
	return -1;
}

static bool keyword_is_discarded(const struct session *s, struct view keyword)
{
	struct view rest = str_view(&s->discarded), element;

	while (conf_next_element(&rest, &element))
		if (view_eq_nocase(element, keyword))
			return true;
	return false;
}

static void read_auth_keyword(struct session *s, struct view rest)
{
	s->can |= CAN_AUTH;
	str_append_byte(&s->mechanisms, ' ');
	str_append(&s->mechanisms, rest);
}

static void read_keyword(struct session *s, struct view line)
{
	static const struct {
		const char *name;
		unsigned can;
	} keywords[] = {
		{ "PIPELINING", CAN_PIPELINE },
		{ "8BITMIME", CAN_8BITMIME },
		{ "SIZE", CAN_SIZE },
		{ "STARTTLS", CAN_STARTTLS },
		{ "DSN", CAN_DSN },
		{ "SMTPUTF8", CAN_SMTPUTF8 },
	};
	struct view rest = line, keyword, argument;

	if (!view_next_word(&rest, " \t", &keyword) || keyword_is_discarded(s, keyword))
		return;
	if (view_is_nocase(keyword, "AUTH")) {
		read_auth_keyword(s, rest);
		return;
	}
	if (view_is_nocase(keyword, "XFORWARD")) {
		s->can |= CAN_XFORWARD;
		str_append_byte(&s->xforward, ' ');
		str_append(&s->xforward, rest);
		return;
	}
	if (view_starts_nocase(keyword, VIEW("AUTH="))) { /* an old form */
		read_auth_keyword(s, view_from(line, 5));
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
		if (view_is_nocase(keyword, keywords[i].name))
			s->can |= keywords[i].can;
	if (view_is_nocase(keyword, "SIZE") && view_next_word(&rest, " \t", &argument) &&
	    view_parse_u64(argument, UINT64_MAX, &s->size_limit) < 0)
		s->size_limit = 0;
}

/* The first word is the server's name; ours there means that we talk to ourselves. */
static int read_capabilities(struct session *s, struct outcome *failure)
{
	struct view rest = str_view(&s->reply.lines), line, words, name;

	s->can = 0;
	s->size_limit = 0;
	str_clear(&s->mechanisms);
	str_clear(&s->xforward);
	view_next(&rest, '\n', &line);
	words = line;
	if (!settings.lmtp && s->own_port && view_next_word(&words, " \t", &name) &&
	    view_is_nocase(name, param.myhostname)) {
		outcome_set(failure, OUTCOME_FAILED, "5.4.6", str_view(&s->relay),
			    "mail for %s loops back to myself", str_cstr(&s->nexthop));
		failure->cause = CAUSE_LOOP;
		return -1;
	}
	while (view_next(&rest, '\n', &line))
		read_keyword(s, line);
	return 0;
}

/* EHLO (LHLO), or HELO where the server does not know it. */
static int introduce(struct session *s, struct outcome *failure)
{
	const char *verb = settings.lmtp ? "LHLO" : s->wants_helo ? "HELO" : "EHLO";
	int r;

	s->is_esmtp = !s->wants_helo;
	for (;;) {
		r = session_send(s, "performing the EHLO handshake", "%s %s", verb,
				 settings.helo_name);
		if (r == 0)
			r = session_receive(s, settings.helo_timeout);
		if (r < 0) {
			session_describe(s, r, failure);
			return -1;
		}
		if (s->reply.code == 250)
			break;
		if (!s->is_esmtp || settings.lmtp || s->reply.code < 500) {
			session_refuse_all(s, failure, "EHLO");
			return -1;
		}
		verb = "HELO";
		s->is_esmtp = false;
	}
	if (s->is_esmtp)
		return read_capabilities(s, failure);
	s->can = 0;
	return 0;
}

/* Asks for TLS. 1: go ahead with the handshake, 0: go on without, -1 with the failure. */
static int ask_for_tls(struct session *s, struct outcome *failure)
{
	int r;

	if (!(s->can & CAN_STARTTLS)) {
		if (s->level < TLS_ENCRYPT)
			return 0;
		outcome_set(failure, OUTCOME_DEFERRED, "4.7.4", str_view(&s->relay),
			    "TLS is required, but was not offered by host %s", str_cstr(&s->who));
		return -1;
	}
	r = session_send(s, "sending STARTTLS", "STARTTLS");
	if (r == 0)
		r = session_receive(s, settings.starttls_timeout);
	if (r < 0) {
		session_describe(s, r, failure);
		return -1;
	}
	if (s->reply.code != 220) {
		if (s->level < TLS_ENCRYPT && s->reply.code != 421)
			return 0;
		session_refuse_all(s, failure, "STARTTLS");
		outcome_soften(failure);
		return -1;
	}
	/* Whatever came in the clear after the reply was put there by somebody in between. */
	if (stream_buffered(s->io).len > 0) {
		outcome_set(failure, OUTCOME_DEFERRED, "4.7.0", str_view(&s->relay),
			    "%s sent bytes in the clear after its reply to STARTTLS",
			    str_cstr(&s->who));
		s->unusable = true;
		return -1;
	}
	return 1;
}

static int secure(struct session *s, const struct session_wish *wish, struct outcome *failure)
{
	int r;

	if (s->level == TLS_NONE || s->secured || wish->may_give_up_tls)
		return 0;
	r = ask_for_tls(s, failure);
	if (r <= 0)
		return r;
	r = session_handshake(s, wish, failure);
	if (r < 0)
		return r;
	/* What it offered in the clear is worth nothing now (RFC 3207 4.2). */
	return introduce(s, failure);
}

static int conversation_begin(struct session *s, const struct host *host,
			      const struct session_wish *wish, struct outcome *failure)
{
	if (session_choose_level(s, host, wish, failure) < 0)
		return -1;
	if (settings.tls_wrappermode && session_handshake(s, wish, failure) < 0)
		return -1;
	if (read_greeting(s, failure) < 0 || introduce(s, failure) < 0 ||
	    secure(s, wish, failure) < 0)
		return -1;
	return session_authenticate(s, wish, failure);
}

struct session *session_start(struct stream *io, const struct host *host,
			      const struct session_wish *wish, struct outcome *failure)
{
	struct session *s = mem_new(struct session);

	name_session(s, host, wish->destination);
	s->io = io;
	s->opened = clock_now();
	/* A delivery that has begun is brought to its end. */
	stream_finish_first(s->io, true);
	if (conversation_begin(s, host, wish, failure) < 0) {
		session_quit(s);
		return NULL;
	}
	return s;
}

struct session *session_open(const struct host *host, const struct session_wish *wish,
			     struct outcome *failure)
{
	int fd = connect_to(host);

	if (fd < 0) {
		struct session *s = mem_new(struct session);

		name_session(s, host, wish->destination);
		outcome_set(failure, OUTCOME_DEFERRED, "4.4.1", VIEW_NONE, "connect to %s: %s",
			    str_cstr(&s->relay),
			    fd == -ETIMEDOUT ? "Connection timed out" : strerror(-fd));
		session_free(s);
		return NULL;
	}
	return session_start(stream_new(fd), host, wish, failure);
}
