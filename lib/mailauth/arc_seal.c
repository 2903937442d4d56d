/* Sealing (RFC 8617 section 5.1): one more set on top of the chain. */
#include <errno.h>

#include "base/encode.h"
#include "base/mem.h"
#include "mailauth/arc.h"

/* The fields of the sets there are, by instance. */
struct sealed {
	const struct header_field *fields[ARC_SETS_MAX + 1][3];
	uint32_t count;
};

static const char *const set_fields[] = { "ARC-Authentication-Results", "ARC-Message-Signature",
					  "ARC-Seal" };

static uint32_t instance_of(const struct header_field *field, size_t kind)
{
	struct tag_list tags;
	const char *problem;
	uint32_t instance = 0;
	struct view rest;

	if (kind == 0)
		return arc_read_instance(field->body, &instance, &rest) ? instance : 0;
	if (tag_list_parse(field->body, TAGS_STRICT, &tags, &problem) < 0 ||
	    view_parse_u32(tag_list_get(&tags, "i"), ARC_SETS_MAX, &instance) < 0)
		return 0;
	return instance;
}

static bool seal_ends_chain(const struct header_field *field)
{
	struct tag_list tags;
	const char *problem;

	return tag_list_parse(field->body, TAGS_STRICT, &tags, &problem) == 0 &&
	       view_is_nocase(tag_list_get(&tags, "cv"), "fail");
}

/* -EALREADY: nothing can be sealed on top of these. */
static int find_sets(const struct field_set *fields, struct sealed *sets)
{
	for (size_t i = 0; i < fields->count; i++) {
		for (size_t kind = 0; kind < ARRAY_SIZE(set_fields); kind++) {
			const struct header_field *field = &fields->items[i];
			uint32_t instance;

			if (!view_is_nocase(field->name, set_fields[kind]))
				continue;
			instance = instance_of(field, kind);
			if (instance == 0)
				continue;
			if (kind == 2 && seal_ends_chain(field))
				return -EALREADY;
			sets->fields[instance][kind] = field;
			sets->count = MAX(sets->count, instance);
		}
	}
	return sets->count < ARC_SETS_MAX ? 0 : -EALREADY;
}

/* What is signed of the header: as DKIM does, and the signatures that are there. */
static int message_names(const struct field_set *fields, struct str *names)
{
	const struct field_name *known = field_set_find(fields, VIEW("DKIM-Signature"));
	int r = signing_names(fields, names);

	if (r < 0)
		return r;
	for (size_t i = 0; known != NULL && i < known->count; i++) {
		if (i == SIGNING_NAMES_MAX)
			return -E2BIG;
		str_append_cstr(names, ":dkim-signature");
	}
	return 0;
}

static int seal_sign_message(const struct signing *signing, struct field_set *fields,
			     struct view body_digest, uint32_t instance, struct str *field)
{
	_cleanup_(str_free) struct str names = STR_EMPTY, text = STR_EMPTY, digest = STR_EMPTY;
	int r = message_names(fields, &names);

	if (r < 0)
		return r;
	str_printf(field, "%s: i=%u; a=%s; c=relaxed/relaxed;\r\n\td=%.*s; s=%.*s; t=%lld;",
		   set_fields[1], instance, signature_algorithm_name(signing->algorithm),
		   VIEW_ARG(signing->domain), VIEW_ARG(signing->selector),
		   (long long)signing->time);
	str_append_cstr(field, "\r\n\th=");
	signing_append_folded(field, str_view(&names), ':');
	base64_encode(&digest, body_digest);
	str_printf(field, ";\r\n\tbh=%s;\r\n\tb=", str_cstr(&digest));
	signing_header(fields, str_view(&names), CANON_RELAXED, &text);
	return signing_finish(signing, CANON_RELAXED, &text, field);
}

static int sign_seal(const struct signing *signing, const struct sealed *sets,
		     const struct str *results, const struct str *message, enum proof chain,
		     struct str *field)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(field,
		   "%s: i=%u; a=%s; t=%lld; cv=%s;\r\n\td=%.*s; s=%.*s;\r\n\tb=", set_fields[2],
		   sets->count + 1, signature_algorithm_name(signing->algorithm),
		   (long long)signing->time, proof_word(chain), VIEW_ARG(signing->domain),
		   VIEW_ARG(signing->selector));
	/* Section 5.1.2: of a broken chain the new set alone. */
	for (uint32_t i = 1; chain != PROOF_FAIL && i <= sets->count; i++)
		for (size_t kind = 0; kind < ARRAY_SIZE(set_fields); kind++)
			if (sets->fields[i][kind] != NULL)
				canon_field(CANON_RELAXED, sets->fields[i][kind]->whole, &text);
	canon_field(CANON_RELAXED, str_view(results), &text);
	canon_field(CANON_RELAXED, str_view(message), &text);
	return signing_finish(signing, CANON_RELAXED, &text, field);
}

int arc_seal(const struct signing *signing, struct field_set *fields, struct view body_digest,
	     struct view results, enum proof chain, struct str *out)
{
	_cleanup_(str_free) struct str found = STR_EMPTY, message = STR_EMPTY, seal = STR_EMPTY;
	struct sealed sets = { .count = 0 };
	int r = find_sets(fields, &sets);

	if (r < 0)
		return r;
	if (chain != PROOF_NONE && chain != PROOF_PASS && chain != PROOF_FAIL)
		return -EAGAIN;
	str_printf(&found, "%s: i=%u; ", set_fields[0], sets.count + 1);
	str_append(&found, results);
	str_append(&found, VIEW("\r\n"));
	r = seal_sign_message(signing, fields, body_digest, sets.count + 1, &message);
	if (r == 0)
		r = sign_seal(signing, &sets, &found, &message, chain, &seal);
	if (r < 0)
		return r;
	str_append(out, str_view(&seal));
	str_append(out, str_view(&message));
	str_append(out, str_view(&found));
	return 0;
}
