/* Canonical header fields and bodies (RFC 6376 section 3.4). Line ends are CR LF already. */
#include "mailauth/canon.h"

#include <openssl/evp.h>

#include "base/mem.h"

#define CANON_GATHER 2048

struct canon_body {
	enum canon canon;
	uint64_t limit, length;
	EVP_MD_CTX *hash;
	unsigned char digest[CANON_DIGEST_SIZE];
	/* What has come and counts only if more follows. */
	bool cr, blank;
	uint64_t line_ends;
	/* Words and blanks, until there are enough of them for a call. */
	size_t gathered;
	char gather[CANON_GATHER];
};

/* ---- fields ---- */

static bool canon_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Unfolded, runs of blanks one blank, none at the ends. */
static void append_relaxed_value(struct str *out, struct view value)
{
	bool blank = false, any = false;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];

		if (ascii_is_space(c)) {
			blank = true;
			continue;
		}
		if (blank && any)
			str_append_byte(out, ' ');
		str_append_byte(out, c);
		blank = false;
		any = true;
	}
}

static void canon_append_field(enum canon canon, struct view whole, struct str *out)
{
	size_t colon = view_find_byte(whole, ':');
	struct view name;

	if (canon == CANON_SIMPLE || colon == VIEW_NOT_FOUND) {
		str_append(out, whole);
		return;
	}
	name = view_first(whole, colon);
	while (name.len > 0 && canon_is_blank(name.data[name.len - 1]))
		name.len--;
	str_append_lower(out, name);
	str_append_byte(out, ':');
	append_relaxed_value(out, view_from(whole, colon + 1));
}

static struct view without_line_end(struct view whole)
{
	if (view_ends(whole, VIEW("\n")))
		whole.len--;
	if (view_ends(whole, VIEW("\r")))
		whole.len--;
	return whole;
}

void canon_field(enum canon canon, struct view whole, struct str *out)
{
	canon_append_field(canon, without_line_end(whole), out);
	str_append(out, VIEW("\r\n"));
}

void canon_signature(enum canon canon, struct view whole, struct view removed, struct str *out)
{
	_cleanup_(str_free) struct str emptied = STR_EMPTY;
	size_t from = (size_t)(removed.data - whole.data);

	str_append(&emptied, view_first(whole, from));
	str_append(&emptied, view_from(whole, from + removed.len));
	canon_append_field(canon, without_line_end(str_view(&emptied)), out);
}

void canon_digest(struct view text, unsigned char digest[CANON_DIGEST_SIZE])
{
	if (EVP_Digest(text.len > 0 ? text.data : "", text.len, digest, NULL, EVP_sha256(), NULL) !=
	    1)
		mem_exhausted();
}

/* ---- bodies ---- */

struct canon_body *canon_body_new(enum canon canon, uint64_t limit)
{
	struct canon_body *body = mem_new(struct canon_body);

	body->canon = canon;
	body->limit = limit;
	body->hash = EVP_MD_CTX_new();
	if (body->hash == NULL || EVP_DigestInit_ex(body->hash, EVP_sha256(), NULL) != 1)
		mem_exhausted();
	return body;
}

void canon_body_free(struct canon_body *body)
{
	if (body == NULL)
		return;
	EVP_MD_CTX_free(body->hash);
	free(body);
}

static void body_hash(struct canon_body *body, const char *data, size_t len)
{
	if (len > 0 && EVP_DigestUpdate(body->hash, data, len) != 1)
		mem_exhausted();
}

static void body_emit(struct canon_body *body, const char *data, size_t len)
{
	uint64_t left = body->limit > body->length ? body->limit - body->length : 0;

	body->length += len;
	len = MIN(len, left);
	if (len > sizeof(body->gather) - body->gathered) {
		body_hash(body, body->gather, body->gathered);
		body->gathered = 0;
	}
	if (len > sizeof(body->gather)) {
		body_hash(body, data, len);
	} else if (len > 0) {
		memcpy(body->gather + body->gathered, data, len);
		body->gathered += len;
	}
}

/* Something follows: the empty lines and blanks before it count. */
static void body_emit_text(struct canon_body *body, const char *data, size_t len)
{
	static const char ends[] = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";

	while (body->line_ends > 0) {
		uint64_t now = MIN(body->line_ends, (sizeof(ends) - 1) / 2);

		body_emit(body, ends, now * 2);
		body->line_ends -= now;
	}
	if (body->blank)
		body_emit(body, " ", 1);
	body->blank = false;
	body_emit(body, data, len);
}

void canon_body_feed(struct canon_body *body, struct view bytes)
{
	bool relaxed = body->canon == CANON_RELAXED;
	size_t at = 0;

	while (at < bytes.len) {
		size_t from = at;

		if (body->cr) {
			body->cr = false;
			if (bytes.data[at] == '\n') {
				body->blank = false;
				body->line_ends++;
				at++;
				continue;
			}
			body_emit_text(body, "\r", 1);
		}
		while (at < bytes.len && bytes.data[at] != '\r' &&
		       !(relaxed && canon_is_blank(bytes.data[at])))
			at++;
		if (at > from)
			body_emit_text(body, bytes.data + from, at - from);
		if (at == bytes.len)
			break;
		if (bytes.data[at] == '\r')
			body->cr = true;
		else
			body->blank = true;
		at++;
	}
}

void canon_body_end(struct canon_body *body)
{
	if (body->cr)
		body_emit_text(body, "\r", 1);
	/* 3.4.3: an empty body is one line end; 3.4.4: it is nothing. */
	if (body->canon == CANON_SIMPLE || body->length > 0)
		body_emit(body, "\r\n", 2);
	body_hash(body, body->gather, body->gathered);
	if (EVP_DigestFinal_ex(body->hash, body->digest, NULL) != 1)
		mem_exhausted();
}

struct view canon_body_digest(const struct canon_body *body)
{
	return view_make(body->digest, sizeof(body->digest));
}

uint64_t canon_body_length(const struct canon_body *body)
{
	return body->length;
}

/* ---- several of them ---- */

struct canon_body *canon_bodies_need(struct canon_bodies *bodies, enum canon canon, uint64_t limit)
{
	for (size_t i = 0; i < bodies->count; i++)
		if (bodies->items[i]->canon == canon && bodies->items[i]->limit == limit)
			return bodies->items[i];
	if (bodies->count == CANON_BODIES_MAX)
		return NULL;
	return bodies->items[bodies->count++] = canon_body_new(canon, limit);
}

void canon_bodies_feed(struct canon_bodies *bodies, struct view bytes)
{
	for (size_t i = 0; i < bodies->count; i++)
		canon_body_feed(bodies->items[i], bytes);
}

void canon_bodies_end(struct canon_bodies *bodies)
{
	for (size_t i = 0; i < bodies->count; i++)
		canon_body_end(bodies->items[i]);
}

void canon_bodies_free(struct canon_bodies *bodies)
{
	for (size_t i = 0; i < bodies->count; i++)
		canon_body_free(bodies->items[i]);
	bodies->count = 0;
}
