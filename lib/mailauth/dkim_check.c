/* The DKIM signatures of one message: which are verified, and what comes of each. */
#include "base/mem.h"
#include "mailauth/dkim.h"

struct dkim_check {
	struct field_set *fields;
	struct signature *signatures;
	bool related[DKIM_SIGNATURES_MAX]; /* of a domain that has to do with the author's */
	size_t count, passed_over;
};

/* Fields that there is one of (RFC 5322 section 3.6), or that say how the body is to be read. */
static const char *const single_fields[] = {
	"From",
	"Sender",
	"Reply-To",
	"To",
	"Cc",
	"Subject",
	"Date",
	"Message-ID",
	"In-Reply-To",
	"References",
	"MIME-Version",
	"Content-Type",
	"Content-Transfer-Encoding",
};

/* ---- which ---- */

static bool domains_are_related(struct view a, struct view b)
{
	struct view longer = a.len > b.len ? a : b, shorter = a.len > b.len ? b : a;

	if (shorter.len == 0 || !view_ends_nocase(longer, shorter))
		return false;
	return longer.len == shorter.len || longer.data[longer.len - shorter.len - 1] == '.';
}

static bool is_related(struct view domain, const struct author *author)
{
	for (size_t i = 0; i < author->count; i++)
		if (domains_are_related(domain, str_view(&author->domains[i])))
			return true;
	return false;
}

/* Of the signatures at these places those to be verified, the others become -1. */
static size_t choose(const struct field_set *fields, const struct field_name *name,
		     const struct author *author, bool *chosen)
{
	size_t count = 0;

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < name->count && count < DKIM_SIGNATURES_MAX; i++) {
			struct tag_list tags;
			const char *problem;
			bool related;

			/* What is far too much is not even looked at. */
			if (chosen[i] || (round == 0 && i >= SIGNATURE_NAMES_MAX))
				continue;
			related = round == 0 &&
				  tag_list_parse(fields->items[name->at[i]].body, TAGS_STRICT,
						 &tags, &problem) == 0 &&
				  is_related(tag_list_get(&tags, "d"), author);
			if (related || round == 1) {
				chosen[i] = true;
				count++;
			}
		}
	}
	return count;
}

static void begin_signature(struct signature *s, const struct header_field *field,
			    struct canon_bodies *bodies)
{
	if (!signature_read(SIGNATURE_DKIM, field, s))
		return;
	s->body = canon_bodies_need(bodies, s->body_canon, s->length);
	if (s->body == NULL)
		signature_spoil(s, PROOF_POLICY, "too many signatures over parts of the body");
}

struct dkim_check *dkim_check_new(struct field_set *fields, const struct author *author,
				  struct canon_bodies *bodies)
{
	struct dkim_check *check = mem_new(struct dkim_check);
	struct field_name *name = field_set_find(fields, VIEW("DKIM-Signature"));
	_cleanup_free_ bool *chosen = NULL;
	size_t count;

	check->fields = fields;
	if (name == NULL)
		return check;
	chosen = mem_new_array(bool, name->count);
	count = choose(fields, name, author, chosen);
	check->passed_over = name->count - count;
	check->signatures = mem_new_array(struct signature, count);
	for (size_t i = 0; i < name->count; i++) {
		struct signature *s = &check->signatures[check->count];

		if (!chosen[i])
			continue;
		begin_signature(s, &fields->items[name->at[i]], bodies);
		check->related[check->count++] = is_related(str_view(&s->domain), author);
	}
	return check;
}

void dkim_check_free(struct dkim_check *check)
{
	if (check == NULL)
		return;
	for (size_t i = 0; i < check->count; i++)
		signature_free(&check->signatures[i]);
	free(check->signatures);
	free(check);
}

/* ---- what comes of it ---- */

/*
 * A second Subject above the one that was signed is what many programs show; so is a text after
 * the part that was signed. Neither was the signer's.
 */
static bool check_coverage(struct signature *s, const struct field_set *fields)
{
	for (size_t i = 0; i < ARRAY_SIZE(single_fields); i++) {
		struct view name = view_of(single_fields[i]);
		struct field_name *known = field_set_find(fields, name);
		size_t named = signature_names_field(s, name);

		if (known != NULL && named > 0 && known->count > named)
			return signature_spoil(s, PROOF_POLICY, "a second %s was not signed",
					       single_fields[i]);
	}
	if (s->length < canon_body_length(s->body))
		return signature_spoil(s, PROOF_POLICY, "not all of the body was signed (l=)");
	return true;
}

static void finish_signature(struct signature *s, struct field_set *fields,
			     const struct dns_source *dns, int64_t now)
{
	unsigned char digest[CANON_DIGEST_SIZE];

	if (s->result != PROOF_NONE || !signature_check_time(s, now) || !signature_check_body(s))
		return;
	signature_header_digest(s, fields, digest);
	if (signature_check_key(s, dns, digest))
		check_coverage(s, fields);
}

void dkim_check_finish(struct dkim_check *check, const struct dns_source *dns, int64_t now)
{
	/* The author's first: others' name servers may be slow on purpose. */
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < check->count; i++)
			if (check->related[i] == (round == 0))
				finish_signature(&check->signatures[i], check->fields, dns, now);
}

size_t dkim_check_count(const struct dkim_check *check)
{
	return check->count;
}

const struct signature *dkim_check_at(const struct dkim_check *check, size_t index)
{
	return &check->signatures[index];
}

size_t dkim_check_passed_over(const struct dkim_check *check)
{
	return check->passed_over;
}
