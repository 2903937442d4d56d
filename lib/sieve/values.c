/*
 * What of a message tests look at: values of header fields, and parts of addresses.
 */
#include "base/mem.h"
#include "mail/address.h"
#include "mail/header.h"
#include "sieve/parts.h"
#include "sieve/run.h"
#include "sieve/words.h"

/* Of the fields of one name: how many, and which :index and :last mean (0: all). */
static size_t fields_wanted(struct view header, const struct sieve_node *node, struct view name)
{
	const struct sieve_argument *value = NULL;
	struct view rest = header;
	struct header_field field;
	size_t count = 0;

	if (sieve_tag(node, "index", &value) == NULL)
		return 0;
	while (header_next(&rest, &field) == 1)
		count += view_eq_nocase(field.name, name);
	if (sieve_tag(node, "last", NULL) == NULL)
		return (size_t)value->number > 0 ? (size_t)value->number : SIZE_MAX;
	return value->number > 0 && value->number <= count ? count + 1 - (size_t)value->number
							   : SIZE_MAX;
}

static bool each_of_name(struct sieve_run *run, const struct sieve_node *node, struct view header,
			 struct view name, sieve_each *each, void *argument)
{
	size_t wanted = fields_wanted(header, node, name), number = 0;
	struct view rest = header;
	struct header_field field;

	while (header_next(&rest, &field) == 1 && sieve_step(run)) {
		_cleanup_(str_free) struct str text = STR_EMPTY, value = STR_EMPTY;

		if (!view_eq_nocase(field.name, name) || (++number != wanted && wanted != 0))
			continue;
		header_unfold(&text, field.body);
		sieve_decode_words(&value, view_trim(str_view(&text)));
		if (each(run, node, str_view(&value), argument))
			return true;
	}
	return false;
}

struct header_search {
	const struct sieve_argument *names;
	sieve_each *each;
	void *argument;
};

static bool search_header(struct sieve_run *run, const struct sieve_node *node, struct view header,
			  void *argument)
{
	const struct header_search *search = argument;
	const struct sieve_argument *names = search->names;

	for (size_t i = 0; i < names->strings.count && sieve_step(run); i++) {
		_cleanup_(str_free) struct str name = STR_EMPTY;

		sieve_expand(run, str_view(&names->strings.items[i]), &name);
		if (each_of_name(run, node, header, str_view(&name), search->each,
				 search->argument))
			return true;
	}
	return false;
}

bool sieve_each_header(struct sieve_run *run, const struct sieve_node *node,
		       const struct sieve_argument *names, sieve_each *each, void *argument)
{
	struct header_search search = { names, each, argument };

	return sieve_parts_of(run, node, search_header, &search);
}

bool sieve_address_part(const struct sieve_run *run, const struct sieve_node *node,
			struct view address, struct str *part)
{
	struct view local, domain, user, detail;
	bool has_detail;

	address_split(address, &local, &domain);
	user = local;
	has_detail = address_split_extension(local, run->message->delimiters, &user, &detail);
	if (node->part == PART_LOCAL)
		str_append(part, local);
	else if (node->part == PART_DOMAIN)
		str_append(part, domain);
	else if (node->part == PART_USER)
		str_append(part, has_detail ? user : local);
	else if (node->part == PART_ALL)
		str_append(part, address);
	else if (has_detail)
		str_append(part, detail);
	return node->part != PART_DETAIL || has_detail;
}
