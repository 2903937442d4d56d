/*
 * The tests of a message: header fields, addresses, envelope, size, body, flags, and what the
 * script runs in.
 */
#include "base/mem.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "sieve/run.h"
#include "sieve/words.h"

/* A test that compares values with keys, or counts them. */
struct comparing {
	const struct sieve_argument *keys;
	size_t count;
};

static bool compare_value(struct sieve_run *run, const struct sieve_node *node, struct view value,
			  void *argument)
{
	struct comparing *c = argument;

	c->count++;
	return node->match != MATCH_COUNT && sieve_match_keys(run, node, value, c->keys);
}

static bool compare_count(struct sieve_run *run, const struct sieve_node *node,
			  const struct comparing *c)
{
	return node->match == MATCH_COUNT && sieve_match_count(run, node, c->count, c->keys);
}

/* The parameters that :param names. */
static bool compare_parameters(struct sieve_run *run, const struct sieve_node *node,
			       const struct mime_value *value, const struct sieve_argument *names,
			       struct comparing *c)
{
	for (size_t i = 0; i < names->strings.count && sieve_step(run); i++) {
		_cleanup_(str_free) struct str name = STR_EMPTY;
		const struct str *parameter;

		sieve_expand(run, str_view(&names->strings.items[i]), &name);
		parameter = mime_parameter_get(value, str_cstr(&name));
		if (parameter != NULL && compare_value(run, node, str_view(parameter), c))
			return true;
	}
	return false;
}

/* What of a field like Content-Type is meant (RFC 5703, 4.1). One without a type says nothing. */
static bool compare_mime(struct sieve_run *run, const struct sieve_node *node, struct view text,
			 void *argument)
{
	_cleanup_free_ struct mime_value *value = mem_new(struct mime_value);
	const struct sieve_argument *names = NULL;
	_cleanup_(str_free) struct str whole = STR_EMPTY;
	bool found = false;

	if (mime_value_parse(text, value) == 0) {
		if (sieve_tag(node, "type", NULL) != NULL)
			str_append(&whole, str_view(&value->type));
		else if (sieve_tag(node, "subtype", NULL) != NULL)
			str_append(&whole, str_view(&value->subtype));
		else
			str_printf(&whole, "%s/%s", str_cstr(&value->type),
				   str_cstr(&value->subtype));
		found = sieve_tag(node, "param", &names) != NULL
				? compare_parameters(run, node, value, names, argument)
				: compare_value(run, node, str_view(&whole), argument);
	}
	mime_value_free(value);
	return found;
}

bool sieve_test_header(struct sieve_run *run, const struct sieve_node *node)
{
	static const char *const options[] = { "type", "subtype", "contenttype", "param" };
	struct comparing c = { .keys = node->positional[1] };
	sieve_each *compare = compare_value;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (sieve_tag(node, options[i], NULL) != NULL)
			compare = compare_mime;
	return sieve_each_header(run, node, node->positional[0], compare, &c) ||
	       compare_count(run, node, &c);
}

/* ---- addresses ---- */

struct address_walk {
	struct sieve_run *run;
	const struct sieve_node *node;
	struct comparing *c;
};

static bool compare_address(struct sieve_run *run, const struct sieve_node *node,
			    struct view address, struct comparing *c)
{
	_cleanup_(str_free) struct str part = STR_EMPTY;

	return sieve_address_part(run, node, address, &part) &&
	       compare_value(run, node, str_view(&part), c);
}

static int tests_take_address(void *argument, const struct header_address *address)
{
	struct address_walk *walk = argument;
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (address->group_start || address->group_end || !sieve_step(walk->run))
		return 0;
	str_append(&text, address->local);
	if (address->domain.len > 0) {
		str_append_byte(&text, '@');
		str_append(&text, address->domain);
	}
	return compare_address(walk->run, walk->node, str_view(&text), walk->c);
}

static bool compare_addresses(struct sieve_run *run, const struct sieve_node *node,
			      struct view value, void *argument)
{
	struct address_walk walk = { .run = run, .node = node, .c = argument };

	return address_list_parse(value, tests_take_address, &walk) != 0;
}

bool sieve_test_address(struct sieve_run *run, const struct sieve_node *node)
{
	struct comparing c = { .keys = node->positional[1] };

	return sieve_each_header(run, node, node->positional[0], compare_addresses, &c) ||
	       compare_count(run, node, &c);
}

bool sieve_test_envelope(struct sieve_run *run, const struct sieve_node *node)
{
	const struct sieve_argument *parts = node->positional[0];
	struct comparing c = { .keys = node->positional[1] };

	for (size_t i = 0; i < parts->strings.count && sieve_step(run); i++) {
		struct view name = str_view(&parts->strings.items[i]);
		struct view address = view_is_nocase(name, "from") ? run->message->sender
				      : view_is_nocase(name, "to") ? run->message->recipient
								   : VIEW_NONE;

		if (!view_is_nocase(name, "from") && !view_is_nocase(name, "to"))
			continue;
		if (compare_address(run, node, address, &c))
			return true;
	}
	return compare_count(run, node, &c);
}

/* ---- there or not, large or not ---- */

static bool is_there(struct sieve_run *run, const struct sieve_node *node, struct view value,
		     void *unused)
{
	(void)run;
	(void)node;
	(void)value;
	(void)unused;
	return true;
}

bool sieve_test_exists(struct sieve_run *run, const struct sieve_node *node)
{
	const struct sieve_argument *names = node->positional[0];

	for (size_t i = 0; i < names->strings.count; i++) {
		struct sieve_argument one = *names;

		one.strings.items = &names->strings.items[i];
		one.strings.count = 1;
		if (!sieve_each_header(run, node, &one, is_there, NULL))
			return false;
	}
	return true;
}

bool sieve_test_size(struct sieve_run *run, const struct sieve_node *node)
{
	const struct sieve_argument *limit = node->positional[0];

	return sieve_tag(node, "over", NULL) != NULL
		       ? run->header.len + run->body.len > limit->number
		       : run->header.len + run->body.len < limit->number;
}

/* ---- the body ---- */

static bool type_is_wanted(const struct mime_value *type, const struct sieve_argument *wanted)
{
	_cleanup_(str_free) struct str whole = STR_EMPTY;

	str_printf(&whole, "%s/%s", str_cstr(&type->type), str_cstr(&type->subtype));
	for (size_t i = 0; i < wanted->strings.count; i++) {
		struct view want = str_view(&wanted->strings.items[i]);

		if (want.len == 0 || view_eq_nocase(want, str_view(&whole)) ||
		    view_eq_nocase(want, str_view(&type->type)))
			return true;
	}
	return false;
}

/* A part's type is on the heap: it is large. */
static bool part_is_wanted(struct view header, const struct sieve_argument *wanted)
{
	_cleanup_free_ struct mime_value *type = mem_new(struct mime_value);
	struct header_field field;
	bool is;

	if (!header_find(header, "Content-Type", &field) ||
	    mime_value_parse(field.body, type) < 0) {
		mime_value_free(type);
		*type = (struct mime_value){ 0 };
		str_append_cstr(&type->type, "text");
		str_append_cstr(&type->subtype, "plain");
	}
	is = type_is_wanted(type, wanted);
	mime_value_free(type);
	return is;
}

/* Of the leaves of the message; their transfer encoding is taken off for the text that it hides. */
static bool compare_parts(struct sieve_run *run, const struct sieve_node *node,
			  const struct sieve_argument *wanted, struct comparing *c)
{
	struct view content = run->message->content;
	struct mime_tree tree;
	bool found = false;

	sieve_cost(run, content.len);
	mime_tree_parse(content, &tree);
	for (size_t i = 0; !found && i < tree.count && sieve_step(run); i++) {
		const struct mime_part *part = &tree.parts[i];
		struct view header = view_make(content.data + part->header_start,
					       part->body_start - part->header_start);
		_cleanup_(str_free) struct str text = STR_EMPTY;

		if (part->is_multipart || part->is_message || !part_is_wanted(header, wanted))
			continue;
		sieve_decode_body(header,
				  view_make(content.data + part->body_start,
					    part->body_end - part->body_start),
				  &text);
		found = compare_value(run, node, str_view(&text), c);
	}
	mime_tree_free(&tree);
	return found;
}

bool sieve_test_body(struct sieve_run *run, const struct sieve_node *node)
{
	struct comparing c = { .keys = node->positional[0] };
	const struct sieve_argument *wanted = NULL;
	struct str text = { .data = (char *)"text", .len = 4 };
	struct sieve_argument texts = { .kind = ARGUMENT_STRINGS, .strings = { &text, 1 } };
	bool found;

	if (sieve_tag(node, "raw", NULL) != NULL)
		found = compare_value(run, node, run->body, &c);
	else if (sieve_tag(node, "content", &wanted) != NULL)
		found = compare_parts(run, node, wanted, &c);
	else
		found = compare_parts(run, node, &texts, &c);
	return found || compare_count(run, node, &c);
}

/* ---- what it runs in ---- */

bool sieve_test_hasflag(struct sieve_run *run, const struct sieve_node *node)
{
	struct comparing c = { .keys = node->positional[1] };
	_cleanup_(str_free) struct str flags = STR_EMPTY;
	struct view rest, flag;

	if (node->positional[0] == NULL)
		str_append(&flags, str_view(&run->flags));
	for (size_t i = 0; node->positional[0] != NULL && i < node->positional[0]->strings.count;
	     i++) {
		str_append(&flags, sieve_variable_get(
					   run, str_view(&node->positional[0]->strings.items[i])));
		str_append_byte(&flags, ' ');
	}
	rest = str_view(&flags);
	while (view_next_word(&rest, " ", &flag) && sieve_step(run))
		if (compare_value(run, node, flag, &c))
			return true;
	return compare_count(run, node, &c);
}

bool sieve_test_string(struct sieve_run *run, const struct sieve_node *node)
{
	const struct sieve_argument *sources = node->positional[0];
	size_t count = 0;

	for (size_t i = 0; i < sources->strings.count && sieve_step(run); i++) {
		_cleanup_(str_free) struct str value = STR_EMPTY;

		sieve_expand(run, str_view(&sources->strings.items[i]), &value);
		count += value.len > 0;
		if (node->match != MATCH_COUNT &&
		    sieve_match_keys(run, node, str_view(&value), node->positional[1]))
			return true;
	}
	return node->match == MATCH_COUNT &&
	       sieve_match_count(run, node, count, node->positional[1]);
}

bool sieve_test_environment(struct sieve_run *run, const struct sieve_node *node)
{
	struct comparing c = { .keys = node->positional[1] };
	_cleanup_(str_free) struct str name = STR_EMPTY;
	const struct {
		const char *name;
		struct view value;
	} known[] = {
		{ "domain", view_from(run->message->host_name,
				      MIN(view_find_byte(run->message->host_name, '.'),
					  run->message->host_name.len - 1) +
					      1) },
		{ "host", run->message->host_name },
		{ "location", VIEW("MDA") },
		{ "name", VIEW("Posta") },
		{ "phase", VIEW("during") },
		{ "remote-host", run->message->client_name },
		{ "remote-ip", run->message->client_address },
		{ "version", VIEW(POSTA_VERSION) },
	};

	sieve_string(run, node->positional[0], &name);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (view_is_nocase(str_view(&name), known[i].name) && known[i].value.len > 0)
			return compare_value(run, node, known[i].value, &c) ||
			       compare_count(run, node, &c);
	return false;
}

bool sieve_test_ihave(struct sieve_run *run, const struct sieve_node *node)
{
	const struct sieve_argument *names = node->positional[0];

	(void)run;
	for (size_t i = 0; i < names->strings.count; i++)
		if (sieve_extension_find(str_view(&names->strings.items[i])) == NULL)
			return false;
	return true;
}
