/* Policy records (RFC 9989 section 4.7). A tag that is wrong counts as if it were not there. */
#include "mailauth/dmarc.h"

#include "base/mem.h"

const char *dmarc_policy_word(enum dmarc_policy policy)
{
	static const char *const words[] = {
		[DMARC_NO_POLICY] = "none",
		[DMARC_P_NONE] = "none",
		[DMARC_P_QUARANTINE] = "quarantine",
		[DMARC_P_REJECT] = "reject",
	};

	return words[policy];
}

static enum dmarc_policy policy_of(const struct tag_list *tags, const char *name)
{
	struct view value = tag_list_get(tags, name);

	return view_is_nocase(value, "none")	     ? DMARC_P_NONE
	       : view_is_nocase(value, "quarantine") ? DMARC_P_QUARANTINE
	       : view_is_nocase(value, "reject")     ? DMARC_P_REJECT
						     : DMARC_NO_POLICY;
}

/* Some address that reports could go to. */
static bool has_report_address(const struct tag_list *tags)
{
	struct view rest = tag_list_get(tags, "rua"), uri;

	while (tag_next_element(&rest, ',', &uri))
		if (view_starts_nocase(uri, VIEW("mailto:")) &&
		    view_find_byte(uri, '@') != VIEW_NOT_FOUND)
			return true;
	return false;
}

/* "v=DMARC1" first, in just these letters; blanks round "=" do not matter. */
bool dmarc_record_is(struct view text)
{
	struct tag_list tags;
	const char *problem;
	size_t semicolon = view_find_byte(text, ';');
	struct view first = view_first(text, semicolon != VIEW_NOT_FOUND ? semicolon : text.len);

	return tag_list_parse(first, TAGS_STRICT, &tags, &problem) == 0 &&
	       view_is(tags.tags[0].name, "v") && view_is(tags.tags[0].value, "DMARC1");
}

bool dmarc_record_parse(struct view text, struct dmarc_record *record)
{
	struct tag_list tags;
	const char *problem;
	struct view psd;

	*record = (struct dmarc_record){ .psd = 'u' };
	if (!dmarc_record_is(text) || tag_list_parse(text, TAGS_FORGIVING, &tags, &problem) < 0)
		return false;
	record->p = policy_of(&tags, "p");
	record->sp = policy_of(&tags, "sp");
	record->np = policy_of(&tags, "np");
	record->strict_dkim = view_is_nocase(tag_list_get(&tags, "adkim"), "s");
	record->strict_spf = view_is_nocase(tag_list_get(&tags, "aspf"), "s");
	record->testing = view_is_nocase(tag_list_get(&tags, "t"), "y");
	psd = tag_list_get(&tags, "psd");
	if (view_is_nocase(psd, "y") || view_is_nocase(psd, "n"))
		record->psd = ascii_lower(psd.data[0]);
	/* Section 4.10.1: without a policy the record is for reports alone, or for nothing. */
	if (record->p == DMARC_NO_POLICY) {
		if (!has_report_address(&tags))
			return false;
		record->p = DMARC_P_NONE;
		record->sp = record->np = DMARC_NO_POLICY;
	}
	str_append(&record->text, text);
	return true;
}

void dmarc_record_free(struct dmarc_record *record)
{
	str_free(&record->text);
}
