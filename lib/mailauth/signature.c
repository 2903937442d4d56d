/* The tags of signatures (RFC 6376 section 3.5, RFC 8617 section 4.1), read and judged. */
#include "mailauth/signature.h"

#include <errno.h>

#include "base/encode.h"
#include "base/mem.h"
#include "mail/address.h"

#define REASON_MAX 200

static const char *const algorithm_names[] = {
	[ALGORITHM_RSA_SHA256] = "rsa-sha256",
	[ALGORITHM_ED25519_SHA256] = "ed25519-sha256",
};

const char *signature_algorithm_name(enum signature_algorithm algorithm)
{
	return algorithm_names[algorithm];
}

int signature_algorithm_find(struct view name, enum signature_algorithm *algorithm)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithm_names); i++) {
		if (view_is_nocase(name, algorithm_names[i])) {
			*algorithm = (enum signature_algorithm)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int canon_find(struct view name, enum canon *canon)
{
	*canon = view_is_nocase(name, "relaxed") ? CANON_RELAXED : CANON_SIMPLE;
	return *canon == CANON_RELAXED || view_is_nocase(name, "simple") ? 0 : -EINVAL;
}

int signature_canon_parse(struct view text, enum canon *header, enum canon *body)
{
	size_t slash = view_find_byte(text, '/');
	int r = canon_find(view_first(text, slash == VIEW_NOT_FOUND ? text.len : slash), header);

	*body = CANON_SIMPLE;
	if (r == 0 && slash != VIEW_NOT_FOUND)
		r = canon_find(view_from(text, slash + 1), body);
	return r;
}

bool signature_spoil(struct signature *s, enum proof result, const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	s->result = result;
	str_clear(&s->reason);
	str_append_printable(&s->reason, view_first(str_view(&text), REASON_MAX));
	return false;
}

static bool tag_is_wrong(struct signature *s, const char *name)
{
	return signature_spoil(s, PROOF_PERMERROR, "%s= is %s", name,
			       tag_list_find(&s->tags, name) != NULL ? "wrong" : "missing");
}

/* ---- names ---- */

/* Labels with dots between them; also such that no host could have, like "2026". */
static bool is_dns_name(struct view name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];

		if (!ascii_is_alnum(c) && c != '-' && c != '_' && c != '.' &&
		    (unsigned char)c < 0x80)
			return false;
	}
	return record_name_is_possible(name) && !view_ends(name, VIEW("."));
}

/* A name in A-labels (RFC 8616 section 5), lower case. */
static bool read_name(struct view text, struct str *out)
{
	_cleanup_(str_free) struct str ascii = STR_EMPTY;

	if (text.len > DOMAIN_MAX || !is_dns_name(text) || domain_to_ascii(text, &ascii) < 0 ||
	    !record_name_is_possible(str_view(&ascii)))
		return false;
	str_append_lower(out, str_view(&ascii));
	return true;
}

static bool is_same_or_below(struct view name, struct view domain)
{
	if (view_eq_nocase(name, domain))
		return true;
	return name.len > domain.len && name.data[name.len - domain.len - 1] == '.' &&
	       view_ends_nocase(name, domain);
}

/* i= is at d=, or below it. */
static bool read_identity(struct signature *s)
{
	_cleanup_(str_free) struct str domain = STR_EMPTY;
	const struct tag *tag = tag_list_find(&s->tags, "i");
	size_t at;

	if (tag == NULL) {
		str_append_byte(&s->identity, '@');
		str_append(&s->identity, str_view(&s->domain));
		return true;
	}
	at = view_find_last_byte(tag->value, '@');
	if (at == VIEW_NOT_FOUND || !read_name(view_from(tag->value, at + 1), &domain) ||
	    !is_same_or_below(str_view(&domain), str_view(&s->domain)))
		return signature_spoil(s, PROOF_PERMERROR, "i= is not at d= or below it");
	str_append(&s->identity, tag->value);
	return true;
}

static bool read_who(struct signature *s)
{
	if (!read_name(tag_list_get(&s->tags, "d"), &s->domain))
		return tag_is_wrong(s, "d");
	if (!read_name(tag_list_get(&s->tags, "s"), &s->selector))
		return tag_is_wrong(s, "s");
	return s->kind != SIGNATURE_DKIM || read_identity(s);
}

/* ---- h= ---- */

static bool is_field_name(struct view name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] <= 32 || name.data[i] >= 127)
			return false;
	return name.len > 0;
}

size_t signature_names_field(const struct signature *s, struct view name)
{
	struct view rest = str_view(&s->names), element;
	size_t count = 0;

	while (view_next(&rest, ':', &element))
		count += view_eq_nocase(element, name);
	return count;
}

static bool read_names(struct signature *s)
{
	struct view rest = tag_list_get(&s->tags, "h"), element;
	size_t count = 0;

	while (tag_next_element(&rest, ':', &element)) {
		if (!is_field_name(element))
			return tag_is_wrong(s, "h");
		if (s->kind == SIGNATURE_ARC_MESSAGE &&
		    (view_is_nocase(element, "ARC-Seal") ||
		     view_is_nocase(element, "ARC-Message-Signature") ||
		     view_is_nocase(element, "ARC-Authentication-Results")))
			return signature_spoil(s, PROOF_PERMERROR, "h= names a field of ARC");
		if (++count > SIGNATURE_NAMES_MAX)
			return signature_spoil(s, PROOF_PERMERROR, "h= has more than %d names",
					       SIGNATURE_NAMES_MAX);
		if (s->names.len > 0)
			str_append_byte(&s->names, ':');
		str_append(&s->names, element);
	}
	if (count == 0)
		return tag_is_wrong(s, "h");
	if (signature_names_field(s, VIEW("From")) == 0)
		return signature_spoil(s, PROOF_PERMERROR, "From is not signed");
	return true;
}

/* ---- the rest ---- */

static bool read_base64(struct signature *s, const char *name, struct str *out)
{
	_cleanup_(str_free) struct str squeezed = STR_EMPTY;

	tag_squeeze(&squeezed, tag_list_get(&s->tags, name));
	if (squeezed.len == 0 || base64_decode(out, str_view(&squeezed)) < 0)
		return tag_is_wrong(s, name);
	return true;
}

/* Digits, at most so many (RFC 6376 section 3.5). *value stays where there is no such tag. */
static bool read_number(struct signature *s, const char *name, size_t digits, uint64_t *value)
{
	const struct tag *tag = tag_list_find(&s->tags, name);

	if (tag == NULL)
		return true;
	if (tag->value.len > digits || view_parse_u64(tag->value, UINT64_MAX - 1, value) < 0)
		return tag_is_wrong(s, name);
	return true;
}

static bool read_times(struct signature *s)
{
	uint64_t time = 0, expires = 0;

	if (!read_number(s, "t", 12, &time) || !read_number(s, "x", 12, &expires))
		return false;
	s->time = tag_list_find(&s->tags, "t") != NULL ? (int64_t)time : -1;
	s->expires = tag_list_find(&s->tags, "x") != NULL ? (int64_t)expires : -1;
	if (s->expires >= 0 && s->time >= 0 && s->expires <= s->time)
		return signature_spoil(s, PROOF_PERMERROR, "x= is not after t=");
	return true;
}

static bool read_query(struct signature *s)
{
	const struct tag *tag = tag_list_find(&s->tags, "q");
	struct view rest = tag != NULL ? tag->value : VIEW_NONE, element;

	if (tag == NULL)
		return true;
	while (tag_next_element(&rest, ':', &element))
		if (view_is_nocase(element, "dns/txt"))
			return true;
	return tag_is_wrong(s, "q");
}

static bool read_algorithm(struct signature *s)
{
	struct view name = tag_list_get(&s->tags, "a");

	if (view_is_nocase(name, "rsa-sha1"))
		return signature_spoil(s, PROOF_PERMERROR, "rsa-sha1 proves nothing (RFC 8301)");
	if (signature_algorithm_find(name, &s->algorithm) < 0)
		return tag_is_wrong(s, "a");
	return true;
}

static bool read_canon(struct signature *s)
{
	const struct tag *tag = tag_list_find(&s->tags, "c");

	if (tag != NULL && signature_canon_parse(tag->value, &s->header_canon, &s->body_canon) < 0)
		return tag_is_wrong(s, "c");
	return true;
}

/* What there is of a signature over header and body. */
static bool read_message_tags(struct signature *s)
{
	if (!read_canon(s) || !read_names(s) || !read_base64(s, "bh", &s->body_hash) ||
	    !read_number(s, "l", 76, &s->length) || !read_times(s) || !read_query(s))
		return false;
	if (s->body_hash.len != CANON_DIGEST_SIZE)
		return tag_is_wrong(s, "bh");
	return true;
}

static bool read_instance(struct signature *s)
{
	struct view text = tag_list_get(&s->tags, "i");

	if (text.len == 0 || text.data[0] == '0' ||
	    view_parse_u32(text, ARC_SETS_MAX, &s->instance) < 0)
		return tag_is_wrong(s, "i");
	return true;
}

static bool read_chain(struct signature *s)
{
	struct view text = tag_list_get(&s->tags, "cv");

	if (tag_list_find(&s->tags, "h") != NULL || tag_list_find(&s->tags, "bh") != NULL)
		return signature_spoil(s, PROOF_PERMERROR, "a seal has no h= and no bh=");
	s->chain = view_is_nocase(text, "pass")	  ? PROOF_PASS
		   : view_is_nocase(text, "fail") ? PROOF_FAIL
						  : PROOF_NONE;
	if (s->chain == PROOF_NONE && !view_is_nocase(text, "none"))
		return tag_is_wrong(s, "cv");
	return read_times(s);
}

static bool read_tags(struct signature *s)
{
	if (s->kind == SIGNATURE_DKIM) {
		if (!view_is(tag_list_get(&s->tags, "v"), "1"))
			return tag_is_wrong(s, "v");
	} else if (!read_instance(s)) {
		return false;
	}
	if (!read_who(s) || !read_algorithm(s) || !read_base64(s, "b", &s->bytes))
		return false;
	return s->kind == SIGNATURE_ARC_SEAL ? read_chain(s) : read_message_tags(s);
}

bool signature_read(enum signature_kind kind, const struct header_field *field, struct signature *s)
{
	const char *problem;

	*s = (struct signature){
		.kind = kind,
		.whole = field->whole,
		.length = UINT64_MAX,
		.time = -1,
		.expires = -1,
		.result = PROOF_NONE,
	};
	if (kind == SIGNATURE_ARC_SEAL)
		s->header_canon = CANON_RELAXED;
	if (tag_list_parse(field->body, TAGS_STRICT, &s->tags, &problem) < 0)
		return signature_spoil(s, PROOF_PERMERROR, "%s", problem);
	return read_tags(s);
}

void signature_free(struct signature *s)
{
	str_free(&s->domain);
	str_free(&s->selector);
	str_free(&s->identity);
	str_free(&s->names);
	str_free(&s->body_hash);
	str_free(&s->bytes);
	str_free(&s->reason);
	str_free(&s->record);
}
