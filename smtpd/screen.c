/* The way of a client from the connection to a session, or to its end without one. */
#include "screen.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "server.h"
#include "table/table.h"
#include "task/task.h"

#define LOOK_TIME   ((msec_t)200) /* between two looks at scores that are not complete */
#define WORDS_SHOWN 100

#define AT_THE_DOOR "tests before SMTP handshake"

enum access { ACCESS_DUNNO, ACCESS_PERMIT, ACCESS_REJECT };

#define ACCESS_ROWS_MAX 100

static struct screen_rules {
	/* Of postscreen_access_list: a table, or mynetworks, or a word that decides for all. */
	struct access_row {
		struct tables *tables;
		struct matchlist *networks;
		enum access word;
	} rows[ACCESS_ROWS_MAX];
	size_t row_count;
	struct matchlist *interfaces;
	size_t under_test;
	const char *service; /* as anvil counts by */
} rules;

/* ---- settings ---- */

static bool access_read(struct view word, enum access *access)
{
	if (view_is_nocase(word, "permit"))
		*access = ACCESS_PERMIT;
	else if (view_is_nocase(word, "reject"))
		*access = ACCESS_REJECT;
	else if (view_is_nocase(word, "dunno"))
		*access = ACCESS_DUNNO;
	else
		return false;
	return true;
}

static int access_add(struct view text, struct error *err)
{
	struct access_row *row = &rules.rows[rules.row_count];
	_cleanup_free_ char *name = mem_strndup(text.data, text.len);

	if (rules.row_count == ACCESS_ROWS_MAX)
		return error_set(err, -E2BIG, "more than %d elements", ACCESS_ROWS_MAX);
	*row = (struct access_row){ 0 };
	rules.row_count++;
	if (access_read(text, &row->word))
		return 0;
	if (view_is_nocase(text, "permit_mynetworks")) {
		row->networks = matchlist_open(param.mynetworks, MATCH_ADDRESSES, false, err);
		return row->networks != NULL ? 0 : -EINVAL;
	}
	if (view_find_byte(text, ':') == VIEW_NOT_FOUND)
		return error_set(err, -EINVAL, "expected permit_mynetworks or type:table, not %s",
				 name);
	row->tables = tables_open(name, 0, err);
	return row->tables != NULL ? 0 : -EINVAL;
}

static int access_open(struct error *err)
{
	struct view rest = view_of(param.postscreen_access_list), text;
	int r = 0;

	while (r == 0 && conf_next_element(&rest, &text))
		r = access_add(text, err);
	if (r < 0)
		error_prefix(err, "postscreen_access_list");
	return r;
}

int screen_open(struct error *err)
{
	if (!param.postscreen_enable)
		return 0;
	if (param.smtpd_tls_wrappermode)
		return error_set(err, -EINVAL,
				 "postscreen_enable and smtpd_tls_wrappermode: a client that waits "
				 "for TLS cannot be greeted");
	rules.service = "postscreen";
	if (access_open(err) < 0)
		return -EINVAL;
	rules.interfaces =
		matchlist_open(param.postscreen_allowlist_interfaces, MATCH_ADDRESSES, false, err);
	if (rules.interfaces == NULL) {
		error_prefix(err, "postscreen_allowlist_interfaces");
		return -EINVAL;
	}
	return dnsbl_open(err) < 0 || decoy_open(err) < 0 ? -EINVAL : 0;
}

void screen_close(void)
{
	for (size_t i = 0; i < rules.row_count; i++) {
		tables_close(rules.rows[i].tables);
		matchlist_close(rules.rows[i].networks);
	}
	rules.row_count = 0;
	matchlist_close(TAKE(rules.interfaces));
	dnsbl_close();
	decoy_close();
}

/* ---- whom we know ---- */

static enum access access_of_row(const struct access_row *row, const char *address)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct error err = ERROR_NONE;
	enum access access = ACCESS_DUNNO;
	int r;

	if (row->networks != NULL) {
		r = matchlist_match(row->networks, view_of(address), NULL);
		if (r < 0)
			log_warning("postscreen_access_list: a table cannot answer now");
		return r > 0 ? ACCESS_PERMIT : ACCESS_DUNNO;
	}
	if (row->tables == NULL)
		return row->word;
	r = tables_lookup(row->tables, view_of(address), &value, &err);
	if (r < 0)
		log_warning("postscreen_access_list: %s", err.text);
	else if (r > 0 && !access_read(view_trim(str_view(&value)), &access))
		log_warning("postscreen_access_list: expected permit, reject or dunno for %s, "
			    "not %s",
			    address, str_cstr(&value));
	return access;
}

static enum screen_step screen_by_list(struct screen *s)
{
	enum access access = ACCESS_DUNNO;

	for (size_t i = 0; i < rules.row_count && access == ACCESS_DUNNO; i++)
		access = access_of_row(&rules.rows[i], s->peer->text);
	if (access == ACCESS_PERMIT) {
		screen_log("%sLISTED %s", param.respectful_logging ? "ALLOW" : "WHITE", s->who);
		return SCREEN_PASSED;
	}
	if (access == ACCESS_DUNNO)
		return SCREEN_GOES_ON;
	screen_log("%sLISTED %s", param.respectful_logging ? "DENY" : "BLACK", s->who);
	return screen_fail(s, param.postscreen_denylist_action,
			   "5.3.2 Service currently unavailable");
}

static unsigned tests_in_force(void)
{
	unsigned tests = SCREEN_BIT(SCREEN_PREGREET);

	if (dnsbl_is_used())
		tests |= SCREEN_BIT(SCREEN_DNSBL);
	if (param.postscreen_pipelining_enable)
		tests |= SCREEN_BIT(SCREEN_PIPELINING);
	if (param.postscreen_non_smtp_command_enable)
		tests |= SCREEN_BIT(SCREEN_NON_SMTP);
	if (param.postscreen_bare_newline_enable)
		tests |= SCREEN_BIT(SCREEN_BARE_NEWLINE);
	return tests;
}

/* What it has passed before, and need not show again. */
static void screen_remember(struct screen *s)
{
	struct anvil_screened passed;
	int64_t now = clock_wall();

	s->is_new = anvil_screened_find(view_of(s->peer->text), &passed) <= 0;
	s->until[SCREEN_PREGREET] = passed.pregreet;
	s->until[SCREEN_DNSBL] = passed.dnsbl;
	s->until[SCREEN_PIPELINING] = passed.pipelining;
	s->until[SCREEN_NON_SMTP] = passed.non_smtp;
	s->until[SCREEN_BARE_NEWLINE] = passed.bare_newline;
	s->todo = tests_in_force();
	for (unsigned test = 0; test < SCREEN_TESTS; test++)
		if (s->until[test] > now)
			s->todo &= ~SCREEN_BIT(test);
}

/* Each test counts by itself: who failed another one need not show this again. */
static void screen_keep(struct screen *s)
{
	struct anvil_screened passed = {
		.pregreet = s->until[SCREEN_PREGREET],
		.dnsbl = s->until[SCREEN_DNSBL],
		.pipelining = s->until[SCREEN_PIPELINING],
		.non_smtp = s->until[SCREEN_NON_SMTP],
		.bare_newline = s->until[SCREEN_BARE_NEWLINE],
	};
	int64_t last = 0;

	if (!s->has_new || s->is_vetoed)
		return;
	for (size_t test = 0; test < SCREEN_TESTS; test++)
		last = MAX(last, s->until[test]);
	if (anvil_screened_keep(view_of(s->peer->text), &passed,
				last + param.postscreen_cache_retention_time / 1000) < 0)
		log_warning("anvil does not keep what %s has passed", s->who);
}

/* ---- before the greeting ---- */

enum words { WORDS_NONE, WORDS_SOME, WORDS_GONE };

/* What the client has said so far, without taking it. */
static enum words words_look(const struct screen *s, char *words, size_t size, size_t *len)
{
	ssize_t n = recv(stream_fd(s->io), words, size, MSG_PEEK | MSG_DONTWAIT);

	*len = n > 0 ? (size_t)n : 0;
	if (n > 0)
		return WORDS_SOME;
	return n == 0 || (errno != EAGAIN && errno != EINTR) ? WORDS_GONE : WORDS_NONE;
}

static enum screen_step screen_pregreet(struct screen *s, struct view words)
{
	_cleanup_(str_free) struct str time = STR_EMPTY, shown = STR_EMPTY;

	screen_append_time(s, &time);
	for (size_t i = 0; i < MIN(words.len, (size_t)WORDS_SHOWN); i++) {
		if (words.data[i] == '\r')
			str_append_cstr(&shown, "\\r");
		else if (words.data[i] == '\n')
			str_append_cstr(&shown, "\\n");
		else
			str_append_printable(&shown, view_first(view_from(words, i), 1));
	}
	screen_log("PREGREET %zu after %s from %s: %s", words.len, str_cstr(&time), s->who,
		   str_cstr(&shown));
	return screen_fail(s, param.postscreen_greet_action, "5.5.1 Protocol error");
}

static bool score_allows(const struct dnsbl_score *score)
{
	return score != NULL && dnsbl_is_complete(score) &&
	       param.postscreen_dnsbl_allowlist_threshold < 0 &&
	       dnsbl_points(score) <= param.postscreen_dnsbl_allowlist_threshold;
}

/* Until `end`, or until nothing is waited for any more. */
static enum screen_step screen_wait(struct screen *s, const struct dnsbl_score *score, msec_t end)
{
	bool listens = s->todo & SCREEN_BIT(SCREEN_PREGREET), has_spoken = false;
	char words[512];
	size_t len;
	int r;

	while (clock_now() < end) {
		msec_t until = MIN(end, clock_after(score != NULL ? LOOK_TIME : MSEC_FOREVER));

		if (score_allows(score) ||
		    ((has_spoken || !listens) && (score == NULL || dnsbl_is_complete(score))))
			break;
		r = has_spoken ? task_pause(until - clock_now()) : stream_wait(s->io, until);
		if (r == -ESHUTDOWN)
			return screen_end(s, "421 4.3.2 Service shutting down");
		if (r == -ETIMEDOUT || has_spoken)
			continue;
		switch (r < 0 ? WORDS_GONE : words_look(s, words, sizeof(words), &len)) {
		case WORDS_GONE:
			screen_hung_up(s, AT_THE_DOOR);
			return SCREEN_OVER;
		case WORDS_SOME:
			has_spoken = true;
			if (listens && screen_pregreet(s, view_make(words, len)) == SCREEN_OVER)
				return SCREEN_OVER;
			break;
		case WORDS_NONE:
			break;
		}
	}
	if (listens && !has_spoken)
		screen_pass(s, SCREEN_PREGREET,
			    clock_wall() + (score_allows(score)
						    ? dnsbl_ttl(score)
						    : param.postscreen_greet_ttl / 1000));
	return SCREEN_GOES_ON;
}

static enum screen_step screen_by_score(struct screen *s, const struct dnsbl_score *score)
{
	int64_t points = dnsbl_points(score), until = clock_wall() + dnsbl_ttl(score);
	_cleanup_(str_free) struct str name = STR_EMPTY, reply = STR_EMPTY;

	if (points < param.postscreen_dnsbl_threshold) {
		screen_pass(s, SCREEN_DNSBL, until);
		/* So well known that what it does otherwise need not be looked at. */
		for (unsigned test = 0; score_allows(score) && test < SCREEN_TESTS; test++)
			if (s->todo & SCREEN_BIT(test) & SCREEN_DEEP)
				screen_pass(s, test, until);
		return SCREEN_GOES_ON;
	}
	screen_log("DNSBL rank %lld for %s", (long long)points, s->who);
	dnsbl_name(score, &name);
	str_printf(&reply, "5.7.1 Service unavailable; client [%s] blocked using ", s->peer->text);
	str_append_printable(&reply, str_view(&name));
	return screen_fail(s, param.postscreen_dnsbl_action, str_cstr(&reply));
}

static enum screen_step screen_early(struct screen *s)
{
	struct dnsbl_score *score = NULL;
	enum screen_step step;
	msec_t end = clock_after(param.postscreen_greet_wait);

	if (s->todo & SCREEN_BIT(SCREEN_PREGREET) && param.postscreen_greet_banner[0] != '\0') {
		stream_printf(s->io, "220-%s\r\n", param.postscreen_greet_banner);
		(void)stream_flush(s->io);
	}
	if (s->todo & SCREEN_BIT(SCREEN_DNSBL)) {
		score = dnsbl_begin(s->peer->text);
		end = MAX(s->todo & SCREEN_BIT(SCREEN_PREGREET) ? end : 0,
			  MIN(end, clock_after(param.postscreen_dnsbl_timeout)));
	}
	step = screen_wait(s, score, end);
	if (step == SCREEN_GOES_ON && score != NULL)
		step = screen_by_score(s, score);
	dnsbl_end(score);
	return step;
}

/* ---- all of it ---- */

static enum screen_step screen_unknown(struct screen *s)
{
	enum screen_step step = SCREEN_GOES_ON;

	if (rules.under_test >= (size_t)param.postscreen_pre_queue_limit) {
		screen_log("NOQUEUE: reject: CONNECT from %s: all screening ports busy", s->who);
		return screen_end(s, "421 4.3.2 All screening ports are busy");
	}
	rules.under_test++;
	if (s->todo & SCREEN_EARLY)
		step = screen_early(s);
	if (step == SCREEN_GOES_ON &&
	    (s->refusal.len > 0 || s->is_vetoed || s->todo & SCREEN_DEEP)) {
		decoy_serve(s);
		step = SCREEN_OVER;
	}
	rules.under_test--;
	if (step == SCREEN_GOES_ON && s->has_new)
		screen_log("PASS %s %s", s->is_new ? "NEW" : "OLD", s->who);
	screen_keep(s);
	return step == SCREEN_GOES_ON ? SCREEN_PASSED : step;
}

static bool is_too_many(struct screen *s)
{
	int64_t most = param.postscreen_client_connection_count_limit;
	uint32_t connections, rate;

	if (most == 0 || anvil_event(ANVIL_CONNECT, view_of(rules.service), view_of(s->peer->text),
				     &connections, &rate) < 0)
		return false;
	s->is_counted = true;
	return connections > (uint64_t)most;
}

static enum screen_step screen_client(struct screen *s)
{
	enum screen_step step;
	int r;

	screen_log("CONNECT from %s to [%s]:%u", s->who, s->peer->server_text,
		   s->peer->server_port);
	if (is_too_many(s)) {
		screen_log("NOQUEUE: reject: CONNECT from %s: too many connections", s->who);
		return screen_end(s, "421 4.7.0 Error: too many connections");
	}
	step = screen_by_list(s);
	if (step != SCREEN_GOES_ON)
		return step;
	screen_remember(s);
	if (s->todo == 0 && s->refusal.len == 0) {
		screen_log("PASS OLD %s", s->who);
		return SCREEN_PASSED;
	}
	r = matchlist_match(rules.interfaces, view_of(s->peer->server_text), NULL);
	if (r <= 0) {
		screen_log("%sLIST VETO %s", param.respectful_logging ? "ALLOW" : "WHITE", s->who);
		s->is_vetoed = true;
	}
	return screen_unknown(s);
}

bool screen_admit(struct stream *io, const struct peer *peer)
{
	struct screen s = { .io = io, .peer = peer, .begun = clock_now() };
	enum screen_step step;
	uint32_t connections, rate;

	if (!param.postscreen_enable)
		return true;
	snprintf(s.who, sizeof(s.who), "[%s]:%u", peer->text, peer->port);
	stream_set_timeout(io, param.postscreen_command_time_limit);
	step = screen_client(&s);
	if (step != SCREEN_PASSED)
		screen_log("DISCONNECT %s", s.who);
	if (s.is_counted)
		anvil_event(ANVIL_DISCONNECT, view_of(rules.service), view_of(peer->text),
			    &connections, &rate);
	str_free(&s.refusal);
	return step == SCREEN_PASSED;
}
