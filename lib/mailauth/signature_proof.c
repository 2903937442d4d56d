/* Whether a signature is right: body, header, time, key. */
#include "base/mem.h"
#include "mailauth/signature.h"

void signature_header_digest(const struct signature *s, struct field_set *fields,
			     unsigned char digest[CANON_DIGEST_SIZE])
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	const struct tag *bytes = tag_list_find(&s->tags, "b");
	struct view rest = str_view(&s->names), name;

	field_set_start(fields);
	while (view_next(&rest, ':', &name)) {
		const struct header_field *field = field_set_take(fields, name);

		/* What is missing was signed as missing. */
		if (field != NULL)
			canon_field(s->header_canon, field->whole, &text);
	}
	canon_signature(s->header_canon, s->whole, bytes->raw, &text);
	canon_digest(str_view(&text), digest);
}

bool signature_check_body(struct signature *s)
{
	if (s->length != UINT64_MAX && s->length > canon_body_length(s->body))
		return signature_spoil(s, PROOF_PERMERROR, "l= is more than there is");
	if (!view_eq(canon_body_digest(s->body), str_view(&s->body_hash)))
		return signature_spoil(s, PROOF_FAIL, "the body was changed");
	return true;
}

bool signature_check_time(struct signature *s, int64_t now)
{
	if (s->expires >= 0 && s->expires < now)
		return signature_spoil(s, PROOF_FAIL, "the signature has expired");
	if (s->time >= 0 && s->time > now + SIGNATURE_DRIFT)
		return signature_spoil(s, PROOF_NEUTRAL, "the signature is of the future");
	return true;
}

/* The one record of the key. */
static bool fetch_key(struct signature *s, const struct dns_source *dns)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct records records;
	bool found;

	str_append(&name, str_view(&s->selector));
	str_append_cstr(&name, "._domainkey.");
	str_append(&name, str_view(&s->domain));
	records_ask(dns, str_view(&name), RECORD_TXT, &records);
	if (records.outcome == RECORDS_FAILED)
		signature_spoil(s, PROOF_TEMPERROR, "%s: the DNS gives no answer now",
				str_cstr(&name));
	else if (records.count == 0)
		signature_spoil(s, PROOF_PERMERROR, "%s: there is no key", str_cstr(&name));
	else if (records.count > 1)
		signature_spoil(s, PROOF_PERMERROR, "%s: more than one record", str_cstr(&name));
	else
		str_append(&s->record, str_view(&records.values[0]));
	found = records.count == 1;
	records_free(&records);
	return found;
}

/* Under t=s i= must be at d= itself. */
static bool identity_is_exact(const struct signature *s)
{
	struct view identity = str_view(&s->identity);
	size_t at = view_find_last_byte(identity, '@');

	return s->kind != SIGNATURE_DKIM || tag_list_find(&s->tags, "i") == NULL ||
	       view_from(identity, at + 1).len == tag_list_get(&s->tags, "d").len;
}

static bool check_with_key(struct signature *s, const struct key_record *key,
			   const unsigned char *digest)
{
	s->key_bits = key->bits;
	s->testing = key->testing;
	if (key->algorithm != s->algorithm)
		return signature_spoil(s, PROOF_PERMERROR, "the key is not for %s",
				       signature_algorithm_name(s->algorithm));
	if (key->strict && !identity_is_exact(s))
		return signature_spoil(s, PROOF_PERMERROR,
				       "the key is for d= alone (t=s), and i= is below it");
	if (!key_record_verify(key, digest, str_view(&s->bytes)))
		return signature_spoil(s, PROOF_FAIL, "the signature does not match");
	s->result = PROOF_PASS;
	return true;
}

bool signature_check_key(struct signature *s, const struct dns_source *dns,
			 const unsigned char digest[CANON_DIGEST_SIZE])
{
	struct key_record key;
	const char *reason;
	enum proof result;
	bool good = false;

	if (!fetch_key(s, dns))
		return false;
	result = key_record_parse(str_view(&s->record), &key, &reason);
	s->key_bits = key.bits;
	if (result == PROOF_PASS)
		good = check_with_key(s, &key, digest);
	else
		signature_spoil(s, result, "%s", reason);
	key_record_free(&key);
	return good;
}
