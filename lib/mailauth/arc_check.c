/* ARC chains verified (RFC 8617 section 5.2). */
#include "base/mem.h"
#include "mail/lex.h"
#include "mailauth/arc.h"

#define FIELD_RESULTS "ARC-Authentication-Results"
#define FIELD_MESSAGE "ARC-Message-Signature"
#define FIELD_SEAL    "ARC-Seal"

struct arc_set {
	const struct header_field *results;
	struct view results_text;
	struct signature message, seal;
	bool has_message, has_seal;
};
struct arc_check {
	struct field_set *fields;
	struct arc_set *sets; /* set i is sets[i - 1] */
	uint32_t count, oldest_pass;
	enum proof result;
	const char *reason;
	bool is_over;
	struct str reason_text; /* "set 2: ..." */
};

static bool arc_fail(struct arc_check *check, const char *reason)
{
	check->result = PROOF_FAIL;
	check->reason = reason;
	return false;
}

static bool arc_fail_set(struct arc_check *check, size_t index, const char *what,
			 const struct signature *s)
{
	str_clear(&check->reason_text);
	str_printf(&check->reason_text, "%s %zu: %s", what, index + 1, str_cstr(&s->reason));
	arc_fail(check, str_cstr(&check->reason_text));
	/*
	 * RFC 8617 section 5.2.1 lets no answer of the DNS break a chain for ever. That is for who has to
	 * say pass or fail at once; those who seal later would make it true for everybody after them.
	 */
	if (s->result == PROOF_TEMPERROR)
		check->result = PROOF_TEMPERROR;
	return false;
}

bool arc_read_instance(struct view body, uint32_t *instance, struct view *rest)
{
	size_t at = 0, from;

	lex_skip_space(body, &at, NULL);
	if (at == body.len || ascii_lower(body.data[at++]) != 'i')
		return false;
	lex_skip_space(body, &at, NULL);
	if (at == body.len || body.data[at++] != '=')
		return false;
	lex_skip_space(body, &at, NULL);
	from = at;
	while (at < body.len && ascii_is_digit(body.data[at]))
		at++;
	if (at == from || body.data[from] == '0' ||
	    view_parse_u32(view_make(body.data + from, at - from), ARC_SETS_MAX, instance) < 0)
		return false;
	lex_skip_space(body, &at, NULL);
	if (at == body.len || body.data[at++] != ';')
		return false;
	*rest = view_trim(view_from(body, at));
	return true;
}

/* ---- which sets ---- */

static size_t count_fields(const struct field_set *fields, const char *name)
{
	const struct field_name *known = field_set_find(fields, view_of(name));

	return known != NULL ? known->count : 0;
}

/* The set of that number, if its place is free. */
static struct arc_set *arc_place(struct arc_check *check, uint32_t instance)
{
	return instance >= 1 && instance <= check->count ? &check->sets[instance - 1] : NULL;
}

static bool arc_take_results(struct arc_check *check, const struct header_field *field)
{
	uint32_t instance;
	struct view text;
	struct arc_set *set;

	if (!arc_read_instance(field->body, &instance, &text))
		return false;
	set = arc_place(check, instance);
	if (set == NULL || set->results != NULL)
		return false;
	set->results = field;
	set->results_text = text;
	return true;
}

/* A signature goes where its i= says, with whatever else is wrong with it. */
static bool arc_take_signature(struct arc_check *check, enum signature_kind kind,
			       const struct header_field *field)
{
	struct signature s;
	struct arc_set *set;
	bool *has;

	(void)signature_read(kind, field, &s);
	set = arc_place(check, s.instance);
	has = set == NULL ? NULL : kind == SIGNATURE_ARC_SEAL ? &set->has_seal : &set->has_message;
	if (has == NULL || *has) {
		signature_free(&s);
		return false;
	}
	*has = true;
	*(kind == SIGNATURE_ARC_SEAL ? &set->seal : &set->message) = s;
	return true;
}

static bool arc_take(struct arc_check *check)
{
	for (size_t i = 0; i < check->fields->count; i++) {
		const struct header_field *field = &check->fields->items[i];
		bool good = true;

		if (view_is_nocase(field->name, FIELD_RESULTS))
			good = arc_take_results(check, field);
		else if (view_is_nocase(field->name, FIELD_MESSAGE))
			good = arc_take_signature(check, SIGNATURE_ARC_MESSAGE, field);
		else if (view_is_nocase(field->name, FIELD_SEAL))
			good = arc_take_signature(check, SIGNATURE_ARC_SEAL, field);
		if (!good)
			return arc_fail(check, "the sets are not numbered from 1 without a gap");
	}
	return true;
}

/* Steps 2 and 3 of section 5.2: all that can be said without the DNS. */
static bool arc_check_sets(struct arc_check *check)
{
	const struct signature *newest = &check->sets[check->count - 1].seal;

	if (newest->result == PROOF_NONE && newest->chain == PROOF_FAIL) {
		check->is_over = true;
		return arc_fail(check, "the chain was broken before (cv=fail)");
	}
	for (uint32_t i = 0; i < check->count; i++) {
		const struct arc_set *set = &check->sets[i];

		if (set->seal.result != PROOF_NONE)
			return arc_fail_set(check, i, "seal", &set->seal);
		if (set->message.result != PROOF_NONE)
			return arc_fail_set(check, i, "signature", &set->message);
		if (set->seal.chain != (i == 0 ? PROOF_NONE : PROOF_PASS))
			return arc_fail(check, "a cv= that cannot be");
	}
	return true;
}

struct arc_check *arc_check_new(struct field_set *fields, struct canon_bodies *bodies)
{
	struct arc_check *check = mem_new(struct arc_check);
	size_t count = count_fields(fields, FIELD_SEAL);

	check->fields = fields;
	check->result = PROOF_NONE;
	if (count == 0 && count_fields(fields, FIELD_MESSAGE) == 0 &&
	    count_fields(fields, FIELD_RESULTS) == 0)
		return check;
	if (count > ARC_SETS_MAX) {
		arc_fail(check, "more than 50 sets");
		return check;
	}
	if (count == 0 || count != count_fields(fields, FIELD_MESSAGE) ||
	    count != count_fields(fields, FIELD_RESULTS)) {
		arc_fail(check, "the sets are not complete");
		return check;
	}
	check->sets = mem_new_array(struct arc_set, count);
	check->count = (uint32_t)count;
	if (arc_take(check) && arc_check_sets(check))
		for (uint32_t i = check->count; i-- > 0;) {
			struct signature *s = &check->sets[i].message;

			s->body = canon_bodies_need(bodies, s->body_canon, s->length);
		}
	return check;
}

void arc_check_free(struct arc_check *check)
{
	if (check == NULL)
		return;
	for (uint32_t i = 0; i < check->count; i++) {
		signature_free(&check->sets[i].message);
		signature_free(&check->sets[i].seal);
	}
	free(check->sets);
	str_free(&check->reason_text);
	free(check);
}

/* ---- what comes of them ---- */

static bool arc_check_message_of(struct arc_check *check, size_t index,
				 const struct dns_source *dns, int64_t now)
{
	struct signature *s = &check->sets[index].message;
	unsigned char digest[CANON_DIGEST_SIZE];

	if (s->body == NULL)
		return signature_spoil(s, PROOF_POLICY, "too many forms of the body");
	if (s->expires >= 0 && s->expires < now)
		return signature_spoil(s, PROOF_FAIL, "it has expired");
	if (!signature_check_body(s))
		return false;
	signature_header_digest(s, check->fields, digest);
	return signature_check_key(s, dns, digest);
}

/* What a seal is made over, but for the seal itself. */
static void append_set(const struct arc_set *set, bool whole, struct str *text)
{
	canon_field(CANON_RELAXED, set->results->whole, text);
	canon_field(CANON_RELAXED, set->message.whole, text);
	if (whole)
		canon_field(CANON_RELAXED, set->seal.whole, text);
}

static bool arc_check_seal_of(struct arc_check *check, size_t index, const struct dns_source *dns)
{
	struct signature *s = &check->sets[index].seal;
	_cleanup_(str_free) struct str text = STR_EMPTY;
	unsigned char digest[CANON_DIGEST_SIZE];

	for (size_t i = 0; i <= index; i++)
		append_set(&check->sets[i], i < index, &text);
	canon_signature(CANON_RELAXED, s->whole, tag_list_find(&s->tags, "b")->raw, &text);
	canon_digest(str_view(&text), digest);
	return signature_check_key(s, dns, digest);
}

/* How far down signatures still fit: for people, and for those who weigh chains. */
static uint32_t arc_find_oldest(struct arc_check *check, const struct dns_source *dns, int64_t now)
{
	for (uint32_t i = check->count - 1; i-- > 0;)
		if (!arc_check_message_of(check, i, dns, now))
			return i + 2;
	return 0;
}

void arc_check_finish(struct arc_check *check, const struct dns_source *dns, int64_t now)
{
	size_t newest = check->count - 1;

	if (check->result != PROOF_NONE || check->count == 0)
		return;
	if (!arc_check_message_of(check, newest, dns, now)) {
		arc_fail_set(check, newest, "signature", &check->sets[newest].message);
		return;
	}
	for (uint32_t i = check->count; i-- > 0;) {
		if (!arc_check_seal_of(check, i, dns)) {
			arc_fail_set(check, i, "seal", &check->sets[i].seal);
			return;
		}
	}
	check->result = PROOF_PASS;
	check->oldest_pass = arc_find_oldest(check, dns, now);
}

enum proof arc_check_result(const struct arc_check *check)
{
	return check->result;
}

struct view arc_check_reason(const struct arc_check *check)
{
	return view_of(check->reason);
}

uint32_t arc_check_count(const struct arc_check *check)
{
	return check->count;
}

uint32_t arc_check_oldest_pass(const struct arc_check *check)
{
	return check->oldest_pass;
}

bool arc_check_is_over(const struct arc_check *check)
{
	return check->is_over;
}

const struct signature *arc_check_seal(const struct arc_check *check, uint32_t instance)
{
	return &check->sets[instance - 1].seal;
}

const struct signature *arc_check_message(const struct arc_check *check, uint32_t instance)
{
	return &check->sets[instance - 1].message;
}

struct view arc_check_results(const struct arc_check *check, uint32_t instance)
{
	return check->sets[instance - 1].results_text;
}
