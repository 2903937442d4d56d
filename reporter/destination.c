/*
 * Where reports go. A record is a stranger's, so whoever it names must want them: an address that is not of
 * the domain's own organization has to say so in the DNS (RFC 7489 section 7.1, RFC 9990 section 4),
 * or anybody could have reports sent to anybody.
 */
#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "reporter.h"

#define URIS_LOOKED_AT 10

/* "10m". False: no number. */
static bool uri_limit(struct view text, uint64_t *limit)
{
	static const char units[] = "kmgt";
	unsigned shift = 0;

	if (text.len > 0 && ascii_is_alpha(text.data[text.len - 1])) {
		const char *unit = strchr(units, ascii_lower(text.data[text.len - 1]));

		if (unit == NULL)
			return false;
		shift = 10 * (unsigned)(unit - units + 1);
		text.len--;
	}
	if (view_parse_u64(text, UINT64_MAX >> shift, limit) < 0)
		return false;
	*limit <<= shift;
	return true;
}

/* "mailto:a@b!10m" (RFC 7489 section 6.2). */
static bool uri_read(struct view uri, struct str *address, uint64_t *limit)
{
	_cleanup_(str_free) struct str decoded = STR_EMPTY;
	size_t mark = view_find_byte(uri, '!');
	struct view path, local, domain;
	const char *problem;

	*limit = UINT64_MAX;
	if (!view_starts_nocase(uri, VIEW("mailto:")) ||
	    (mark != VIEW_NOT_FOUND && !uri_limit(view_from(uri, mark + 1), limit)))
		return false;
	path = view_from(view_first(uri, MIN(mark, uri.len)), sizeof("mailto:") - 1);
	path = view_first(path, MIN(view_find_byte(path, '?'), path.len));
	if (percent_decode(&decoded, path) < 0 || view_has_control(str_view(&decoded)))
		return false;
	path = str_view(&decoded);
	if (address_parse_path(&path, false, false, address, &problem) < 0 || path.len > 0)
		return false;
	address_split(str_view(address), &local, &domain);
	return local.len > 0 && address->len <= ADDRESS_MAX && domain_is_valid(domain, false);
}

static struct view record_rua(struct view record, struct tag_list *tags)
{
	const char *problem;

	return tag_list_parse(record, TAGS_FORGIVING, tags, &problem) == 0
		       ? tag_list_get(tags, "rua")
		       : VIEW_NONE;
}

bool destination_is_named(struct view record)
{
	struct tag_list tags;
	struct view rest = record_rua(record, &tags), uri;

	for (int i = 0; i < URIS_LOOKED_AT && tag_next_element(&rest, ',', &uri); i++) {
		_cleanup_(str_free) struct str address = STR_EMPTY;
		uint64_t limit;

		if (uri_read(uri, &address, &limit))
			return true;
	}
	return false;
}

/* ---- who wants them ---- */

struct destination_search {
	struct view owner;
	const struct dns_source *source;
	msec_t deadline;
	struct dns_source dns; /* the source, until the deadline */
	struct dmarc_tree tree;
	struct destinations *found;
};

/* Name servers that do not answer, or slowly, would have all other domains wait for this one. */
static void search_ask(void *context, struct view name, enum record_type type,
		       struct records *records)
{
	const struct destination_search *search = context;

	records->outcome = RECORDS_FAILED;
	if (clock_now() < search->deadline)
		search->source->ask(search->source->context, name, type, records);
}

static bool is_of_organization(struct destination_search *search, struct view host)
{
	struct dmarc_walk own, other;
	bool same;

	if (view_eq_nocase(host, search->owner))
		return true;
	dmarc_tree_walk(&search->tree, search->owner, &own);
	dmarc_tree_walk(&search->tree, host, &other);
	same = view_eq_nocase(str_view(&own.organization), str_view(&other.organization));
	if (!same && (own.failed || other.failed))
		search->found->unsure = true;
	dmarc_walk_free(&own);
	dmarc_walk_free(&other);
	return same;
}

/* Another address there may be named, at the same host. */
static void destination_replace(struct view record, struct view host, struct str *address,
				uint64_t *limit)
{
	_cleanup_(str_free) struct str other = STR_EMPTY;
	struct tag_list tags;
	struct view rest = record_rua(record, &tags), uri, local, domain;
	uint64_t other_limit;

	if (!tag_next_element(&rest, ',', &uri) || !uri_read(uri, &other, &other_limit))
		return;
	address_split(str_view(&other), &local, &domain);
	if (!view_eq_nocase(domain, host))
		return;
	str_set(address, str_view(&other));
	*limit = MIN(*limit, other_limit);
}

static bool is_wanted(struct destination_search *search, struct view host, struct str *address,
		      uint64_t *limit)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, at = STR_EMPTY;
	struct records records;
	bool wanted = false;

	str_append(&at, host);
	str_printf(&name, "%.*s._report._dmarc.%s", VIEW_ARG(search->owner), str_cstr(&at));
	records_ask(&search->dns, str_view(&name), RECORD_TXT, &records);
	search->found->unsure = search->found->unsure || records.outcome == RECORDS_FAILED;
	for (size_t i = 0; i < records.count && !wanted; i++) {
		wanted = dmarc_record_is(str_view(&records.values[i]));
		if (wanted)
			destination_replace(str_view(&records.values[i]), str_view(&at), address,
					    limit);
	}
	records_free(&records);
	return wanted;
}

static void destination_add(struct destination_search *search, struct view uri)
{
	struct destinations *found = search->found;
	_cleanup_(str_free) struct str address = STR_EMPTY;
	struct view local, host;
	uint64_t limit;

	if (!uri_read(uri, &address, &limit))
		return;
	address_split(str_view(&address), &local, &host);
	if (!is_of_organization(search, host) && !is_wanted(search, host, &address, &limit)) {
		log_info("dmarc report: %.*s: <%s> does not say that it wants them",
			 VIEW_ARG(search->owner), str_cstr(&address));
		return;
	}
	for (size_t i = 0; i < found->count; i++)
		if (view_eq_nocase(str_view(&found->items[i].address), str_view(&address)))
			return;
	found->items[found->count].address = address;
	found->items[found->count++].limit = limit;
	address = STR_EMPTY;
}

void destinations_find(struct view owner, struct view record, const struct dns_source *dns,
		       msec_t deadline, struct destinations *found)
{
	struct destination_search search = {
		.owner = owner,
		.source = dns,
		.deadline = deadline,
		.dns = { search_ask, &search },
		.tree = { .dns = &search.dns },
		.found = found,
	};
	struct tag_list tags;
	struct view rest, uri;

	*found = (struct destinations){ .count = 0 };
	rest = record_rua(record, &tags);
	for (int i = 0; i < URIS_LOOKED_AT && found->count < DESTINATIONS_MAX &&
			tag_next_element(&rest, ',', &uri);
	     i++)
		destination_add(&search, uri);
	dmarc_tree_free(&search.tree);
}

void destinations_free(struct destinations *found)
{
	for (size_t i = 0; i < found->count; i++)
		str_free(&found->items[i].address);
	found->count = 0;
}
