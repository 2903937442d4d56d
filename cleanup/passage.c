/*
 * The mark of a stranger's message that goes to a content filter: by it cleanup knows the message
 * again when it comes back, also from a filter that knows no XFORWARD. It says that the message was
 * in our queue, that a stranger sent it, and that the results in it are those that we wrote.
 *
 *	X-Posta-Passage: t=1764438000; h=<MAC of that, From and the results>
 *
 * Only a client that is none of the strangers can bring it. Results are believed for the queue's
 * lifetime; that a stranger sent it stays true. No message that leaves the filter by us still has it.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/junk.h"
#include "mailauth/authres.h"
#include "mailauth/canon.h"
#include "proofs.h"
#include "services/clients.h"

#define PASSAGE_FIELD "X-Posta-Passage"
#define PASSAGE_ROOM  ((size_t)256)
#define PASSAGE_MAC   32  /* bytes of a MAC */
#define CLOCK_DRIFT   300 /* seconds, between hosts of a site */

/* ---- what the mark is of ---- */

static bool passage_covers(const struct header_field *field)
{
	if (view_is_nocase(field->name, "Authentication-Results"))
		return authres_is_ours(field->body, view_of(param.authserv_id));
	return view_is_nocase(field->name, "From") || view_is_nocase(field->name, VERDICT_FIELD);
}

/* "t=1764438000; " and the digest. */
static void passage_text(int64_t when, struct view covered, struct str *text)
{
	unsigned char digest[CANON_DIGEST_SIZE];

	canon_digest(covered, digest);
	str_printf(text, "t=%lld; ", (long long)when);
	str_append(text, view_make((const char *)digest, sizeof(digest)));
}

/* ---- on the way to the filter ---- */

/* Where nothing follows from who has sent it, nobody needs to know. */
static bool passage_begins(const struct intake *in)
{
	bool counts = param.mail_verification || param.dkim_signing_table[0] != '\0' ||
		      param.arc_sealing_key[0] != '\0' || param.srs_domain[0] != '\0';

	return counts && in->filter.len > 0 && in->redirect.len == 0 &&
	       (in->flags & MAIL_FLAG_REMOTE) && !(in->flags & MAIL_FLAG_INTERNAL) &&
	       in->login.len == 0;
}

int passage_reserve(struct intake *in)
{
	return passage_begins(in) ? queue_writer_reserve(in->writer, PASSAGE_ROOM) : 0;
}

/* The header as it stands in the queue: fields that the mark covers. 0 or a negative errno. */
static int passage_collect(struct intake *in, struct str *covered)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;
	struct header_field field;
	struct view rest;
	size_t end = VIEW_NOT_FOUND;
	char piece[2048];
	ssize_t n;

	while (end == VIEW_NOT_FOUND &&
	       (n = queue_writer_read(in->writer, header.len, piece, sizeof(piece))) != 0) {
		size_t from = header.len;

		if (n < 0)
			return (int)n;
		str_append(&header, view_make(piece, (size_t)n));
		from = view_find_last_byte(view_first(str_view(&header), from), '\n');
		end = header_find_end(str_view(&header), from == VIEW_NOT_FOUND ? 0 : from + 1);
	}
	rest = view_first(str_view(&header), end == VIEW_NOT_FOUND ? header.len : end);
	while (header_next(&rest, &field) > 0)
		if (passage_covers(&field))
			canon_field(CANON_RELAXED, field.whole, covered);
	return 0;
}

int passage_mark(struct intake *in)
{
	_cleanup_(str_free) struct str covered = STR_EMPTY, text = STR_EMPTY, macs = STR_EMPTY;
	_cleanup_(str_free) struct str field = STR_EMPTY;
	int64_t now = clock_wall();
	int r = passage_begins(in) ? passage_collect(in, &covered) : -ENOKEY;

	if (r == 0) {
		passage_text(now, str_view(&covered), &text);
		r = keys_mac(MAC_PASSAGE, str_view(&text), &macs);
	}
	if (r == -ENOKEY)
		return 0;
	if (r == 0 && macs.len < PASSAGE_MAC)
		r = -EBADMSG;
	if (r == 0) {
		str_printf(&field, PASSAGE_FIELD ": t=%lld; h=", (long long)now);
		base64_encode(&field, view_first(str_view(&macs), PASSAGE_MAC));
		str_append_cstr(&field, "\r\n");
		r = queue_writer_fill(in->writer, str_view(&field));
	}
	return r < 0 ? intake_fail_temporarily(in, "mark the message for its filter", r) : 0;
}

/* ---- and back ---- */

/* " t=N; h=MAC" with the MAC decoded. */
static bool passage_parse(struct view body, int64_t *when, struct str *mac)
{
	struct view seconds, rest = view_trim(body);
	uint64_t number;

	if (!view_next(&rest, ';', &seconds) || !view_starts(seconds, VIEW("t=")) ||
	    view_parse_u64(view_from(seconds, 2), INT64_MAX, &number) < 0)
		return false;
	rest = view_trim(rest);
	*when = (int64_t)number;
	return view_starts(rest, VIEW("h=")) && base64_decode(mac, view_from(rest, 2)) >= 0 &&
	       mac->len == PASSAGE_MAC;
}

static bool mac_is_among(struct view macs, struct view mac)
{
	bool found = false;

	for (; macs.len >= mac.len; macs = view_from(macs, mac.len)) {
		unsigned char differs = 0;

		for (size_t i = 0; i < mac.len; i++)
			differs |= (unsigned char)(macs.data[i] ^ mac.data[i]);
		found = found || differs == 0;
	}
	return found;
}

/* How old a mark is whose results are still believed: what was held for long may be older. */
static bool passage_is_fresh(int64_t when)
{
	int64_t age = clock_wall() - when;

	return age >= -CLOCK_DRIFT && age <= param.maximal_queue_lifetime / 1000;
}

/* 1 with its time: it is ours, 0: it is not, or a negative errno. */
static int passage_check(const struct header_block *block, struct view body, int64_t *when)
{
	_cleanup_(str_free) struct str covered = STR_EMPTY, text = STR_EMPTY, macs = STR_EMPTY;
	_cleanup_(str_free) struct str mac = STR_EMPTY;
	int r;

	if (!passage_parse(body, when, &mac))
		return 0;
	for (size_t i = 0; i < block->count; i++)
		if (passage_covers(&block->fields[i].field))
			canon_field(CANON_RELAXED, block->fields[i].field.whole, &covered);
	passage_text(*when, str_view(&covered), &text);
	r = keys_mac(MAC_PASSAGE, str_view(&text), &macs);
	if (r == -ENOKEY)
		return 0;
	return r < 0 ? r : mac_is_among(str_view(&macs), str_view(&mac));
}

/* From now on it is what XFORWARD with IDENT would have made of it; where the mark is old, without IDENT. */
static void passage_take(struct intake *in, bool is_fresh)
{
	log_info("%s: back from its content filter%s", queue_writer_id(in->writer),
		 is_fresh ? "" : " after long: the results of then do not count");
	if (!intake_is_brought_back(in))
		str_set(&in->origin.name, VIEW("unknown"));
	in->origin.was_queued = in->origin.was_queued || is_fresh;
	if (!(in->flags & MAIL_FLAG_REMOTE))
		in->again = true; /* it stands in the envelope */
	in->flags |= MAIL_FLAG_REMOTE;
}

int passage_read(struct intake *in, struct header_block *block)
{
	const struct block_field *mark = header_block_find(block, PASSAGE_FIELD);
	int64_t when = 0;
	int r = 0;

	if (mark == NULL)
		return 0;
	/* Who may say XFORWARD is no stranger. */
	if (in->login.len == 0 && !(in->flags & MAIL_FLAG_INTERNAL) &&
	    (intake_is_brought_back(in) || !verdict_is_stranger(in)))
		r = passage_check(block, mark->field.body, &when);
	if (r < 0)
		return intake_fail_temporarily(in, "know a message again", r);
	if (r > 0)
		passage_take(in, passage_is_fresh(when));
	/* Once the mark has done its work nobody else is to have it. */
	for (size_t i = 0; i < block->count; i++)
		if (view_is_nocase(block->fields[i].field.name, PASSAGE_FIELD))
			block->fields[i].dropped = true;
	return 0;
}
