/*
 * Sleep: what of a connection is kept while its user has no process, and how it comes back. imapd answers what
 * needs no mailbox meanwhile (keeper.h); nothing that is said to the client may depend on whether it slept.
 *
 * The state is a line of numbers, the saved search, the selected mailbox (mailbox_save), and then, if COMPRESS is
 * on, what the client's next bytes may refer to:
 *
 *	1 FLAGS IN OUT COUNT\n		FLAGS: STATE_CONDSTORE ...; COUNT: of the saved search
 *	3:5,9\n				or empty
 *	1 12 1764000000 ...\n		or empty
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "fetch.h"
#include "hibernate.h"

/* Rounds of owed work before a sleep; a mailbox that owes more stays awake. */
#define TIDY_ROUNDS 20
/* Bytes of a saved search as text. */
#define SAVED_TEXT_MAX ((size_t)8192)
/* Messages in it; it is the user's own, but memory is everybody's. */
#define SAVED_COUNT_MAX 10000000

enum {
	STATE_CONDSTORE = 1,
	STATE_QRESYNC = 2,
	STATE_UTF8 = 4,
	STATE_REV2 = 8,
	STATE_UIDONLY = 16,
	STATE_COMPRESSED = 32
};

/* ---- at rest ---- */

int imap_await_client(struct imap_session *s, enum imap_rest kind)
{
	int r;

	if (stream_buffered(s->io).len > 0)
		return 0;
	/* While it slept, it was silent as well. */
	if (s->quiet > 0)
		stream_set_timeout(s->io, MAX(param.imap_idle_timeout - s->quiet, (msec_t)1));
	s->rest = kind;
	s->rest_since = clock_now();
	s->heard = s->rest_since - s->quiet;
	r = stream_wait(s->io, MSEC_FOREVER);
	s->rest = IMAP_BUSY;
	if (s->quiet > 0)
		stream_set_timeout(s->io, param.imap_idle_timeout);
	s->quiet = 0;
	return r;
}

/*
 * Whether this connection can sleep. What has a state that is not kept in hibernate_write() is to be asked here
 * too.
 */
static bool hibernate_can_sleep(const struct imap_session *s)
{
	return s->rest != IMAP_BUSY && !s->gives_way && stream_is_settled(s->io) &&
	       s->context_count == 0 && s->notify == NULL &&
	       !(s->rest == IMAP_IDLING && s->mail_came) && imap_compress_can_sleep(s->io);
}

static void state_line(struct view *state, struct view *line)
{
	size_t end = view_find_byte(*state, '\n');

	*line = view_first(*state, end == VIEW_NOT_FOUND ? state->len : end);
	*state = view_from(*state, end == VIEW_NOT_FOUND ? state->len : end + 1);
}

static void folder_directory_name(const struct imap_session *s, struct str *out)
{
	struct view name = VIEW_NONE, rest = str_view(&s->slept);

	if (s->mailbox != NULL) {
		name = view_of(mailbox_name(s->mailbox));
	} else if (rest.len > 0) {
		for (int i = 0; i < 3; i++)
			state_line(&rest, &name);
		name = view_from(name, view_find_last_byte(name, ' ') + 1);
	}
	if (name.len > 0)
		str_printf(out, ".%.*s/", VIEW_ARG(view_is(name, "INBOX") ? VIEW_NONE : name));
}

static bool has_folder(struct view folders, struct view folder)
{
	struct view one;

	while (view_next_word(&folders, "/", &one))
		if (view_eq(one, view_first(folder, folder.len - 1)))
			return true;
	return folder.len == 0;
}

msec_t imap_sessions_resting(struct str *folders)
{
	msec_t since = 0;

	imap_sessions_each(s)
	{
		_cleanup_(str_free) struct str folder = STR_EMPTY;

		if (!hibernate_can_sleep(s))
			return MSEC_FOREVER;
		since = MAX(since, s->rest_since);
		folder_directory_name(s, &folder);
		if (!has_folder(str_view(folders), str_view(&folder)))
			str_append(folders, str_view(&folder));
	}
	/* Nobody has begun yet. */
	return since > 0 ? since : MSEC_FOREVER;
}

void imap_sessions_tidy_up(void)
{
	imap_sessions_each(s)
	{
		opened_message_close(s->message);
		(void)store_commit(s->store);
		if (s->mailbox != NULL)
			(void)mailbox_flush_cache(s->mailbox);
		for (int i = 0; i < TIDY_ROUNDS; i++)
			if (store_settle(s->store, STORE_SETTLE_BATCH) <= 0)
				break;
	}
}

bool imap_session_give_way(const struct stream *io)
{
	imap_sessions_each(s)
	{
		if (s->io != io || s->rest != IMAP_IDLING || s->gives_way)
			continue;
		s->gives_way = true;
		shutdown(stream_fd(s->io), SHUT_RD);
		return true;
	}
	return false;
}

/* ---- falling asleep ---- */

static int hibernate_write(const struct imap_session *s, struct str *out)
{
	unsigned flags = (s->condstore ? STATE_CONDSTORE : 0) | (s->qresync ? STATE_QRESYNC : 0) |
			 (s->utf8 ? STATE_UTF8 : 0) | (s->rev2 ? STATE_REV2 : 0) |
			 (s->uidonly ? STATE_UIDONLY : 0) |
			 (imap_compress_is_on(s->io) ? STATE_COMPRESSED : 0);
	size_t before;
	int r = 0;

	str_printf(out, "1 %u %llu %llu %zu\n", flags,
		   (unsigned long long)(s->before.in + stream_bytes_in(s->io)),
		   (unsigned long long)(s->before.out + stream_bytes_out(s->io)), s->saved.count);
	before = out->len;
	imap_append_set(out, s->saved.uids, s->saved.count);
	if (out->len - before > SAVED_TEXT_MAX)
		return -E2BIG;
	str_append_byte(out, '\n');
	if (s->mailbox != NULL)
		r = mailbox_save(s->mailbox, out);
	str_append_byte(out, '\n');
	if (r == 0 && imap_compress_is_on(s->io))
		r = imap_compress_save(s->io, out);
	return r < 0 ? r : 0;
}

static int hibernate_lay_down(struct imap_session *s, struct session_bed *bed)
{
	int news = 0;

	if (!hibernate_can_sleep(s) || !store_is_committed(s->store) || store_owes(s->store))
		return -EBUSY;
	/* It has slept, and nothing has come since: what has changed meanwhile is still to be told. */
	if (s->slept.len > 0) {
		str_append(&bed->state, str_view(&s->slept));
		bed->flags = SLEEPER_OPAQUE;
	} else {
		int r;

		news = s->mailbox != NULL ? mailbox_has_news(s->mailbox) : 0;
		if (news < 0)
			return news;
		r = hibernate_write(s, &bed->state);
		if (r < 0)
			return r;
	}
	/* The teller has not heard of it yet. */
	if (news > 0 && s->rest == IMAP_IDLING) {
		s->mail_came = true;
		wake_all(&s->new_mail);
		return -EAGAIN;
	}
	if (news > 0)
		bed->flags |= SLEEPER_OPAQUE;
	if (imap_compress_is_on(s->io))
		bed->flags |= SLEEPER_COMPRESSED | SLEEPER_OPAQUE;
	if (s->rest == IMAP_IDLING)
		str_append(&bed->tag, imap_command_tag(s->parser));
	bed->quiet = clock_now() - s->heard;
	return bed->state.len <= IPC_STATE_MAX ? 0 : -E2BIG;
}

int imap_session_lay_down(const struct stream *io, struct session_bed *bed)
{
	imap_sessions_each(s) if (s->io == io) return hibernate_lay_down(s, bed);
	return -ENOENT;
}

/* ---- waking up ---- */

int imap_wake_up(struct imap_session *s)
{
	struct view state = s->client->state, line, word;
	uint64_t numbers[5];

	state_line(&state, &line);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!view_next_word(&line, " ", &word) ||
		    view_parse_u64(word, UINT64_MAX, &numbers[i]) < 0)
			return -EBADMSG;
	if (numbers[0] != 1)
		return -EBADMSG;
	s->condstore = numbers[1] & STATE_CONDSTORE;
	s->qresync = numbers[1] & STATE_QRESYNC;
	s->utf8 = numbers[1] & STATE_UTF8;
	s->rev2 = numbers[1] & STATE_REV2;
	s->uidonly = numbers[1] & STATE_UIDONLY;
	s->before.in = numbers[2];
	s->before.out = numbers[3];
	s->quiet = s->client->quiet;
	str_append(&s->slept, s->client->state);
	if (!(numbers[1] & STATE_COMPRESSED))
		return 0;
	state_line(&state, &line);
	state_line(&state, &line);
	return imap_compress_resume(s->io, state);
}

/* "$" again. */
static int restore_saved(struct imap_session *s, struct view text, uint64_t count)
{
	struct imap_set set = { 0 };
	int r;

	if (count == 0)
		return 0;
	if (count > SAVED_COUNT_MAX)
		return -EBADMSG;
	r = imap_set_parse(text, &set);
	s->saved.uids = mem_new_array(uint32_t, count);
	for (size_t i = 0; r == 0 && i < set.count; i++)
		for (uint64_t uid = set.ranges[i].first; uid <= set.ranges[i].last; uid++) {
			if (s->saved.count == count)
				break;
			s->saved.uids[s->saved.count++] = (uint32_t)uid;
		}
	imap_set_free(&set);
	return r < 0 ? -EBADMSG : 0;
}

int imap_restore(struct imap_session *s)
{
	_cleanup_(str_free) struct str slept = STR_EMPTY;
	struct view state, line, mailbox, word = VIEW_NONE;
	uint64_t count = 0;
	int r;

	if (s->slept.len == 0)
		return 0;
	str_append(&slept, str_view(&s->slept));
	str_free(&s->slept);
	state = str_view(&slept);
	state_line(&state, &line);
	while (view_next_word(&line, " ", &word))
		if (view_parse_u64(word, UINT64_MAX, &count) < 0)
			return -EBADMSG;
	state_line(&state, &line);
	state_line(&state, &mailbox);
	if (mailbox.len == 0)
		return 0;
	r = mailbox_restore(s->store, mailbox, &s->mailbox);
	return r < 0 ? r : restore_saved(s, line, count);
}
