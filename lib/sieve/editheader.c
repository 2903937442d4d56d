/*
 * addheader and deleteheader (RFC 5293): the message with another header, which the tests after them
 * and all actions see.
 */
#include "base/mem.h"
#include "mail/header.h"
#include "sieve/run.h"
#include "sieve/words.h"

#define HEADER_ADDED_MAX ((size_t)65536) /* bytes that a script may add */

/* What says where a message has been is not to be forged, or lost (RFC 5293, 6). */
static bool field_is_ours(struct view name)
{
	static const char *const names[] = { "Received", "Auto-Submitted", "Delivered-To",
					     "X-Original-To", "Return-Path" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (view_is_nocase(name, names[i]))
			return true;
	return false;
}

static bool field_name_is_valid(struct view name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] <= ' ' || name.data[i] >= 127 || name.data[i] == ':')
			return false;
	return name.len > 0 && name.len <= 76;
}

/* The run goes on with this header in front of the body that it has. */
static void edit_replace(struct sieve_run *run, const struct str *header)
{
	struct str content = STR_EMPTY;
	size_t body = run->body.len;

	sieve_cost(run, header->len + body);
	str_append(&content, str_view(header));
	str_append(&content, run->body);
	str_free(&run->result->content);
	run->result->content = content;
	run->header = view_first(str_view(&run->result->content), header->len);
	run->body = view_from(str_view(&run->result->content), header->len);
}

/* The empty line that ends a header, if there is one. */
static struct view header_end(struct view header)
{
	static const struct view ends[] = { { "\n\r\n", 3 }, { "\n\n", 2 } };

	if (view_is(header, "\r\n") || view_is(header, "\n"))
		return header;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (header.len >= ends[i].len &&
		    view_eq(view_from(header, header.len - ends[i].len), ends[i]))
			return view_from(header, header.len - ends[i].len + 1);
	return VIEW_NONE;
}

enum sieve_flow sieve_act_addheader(struct sieve_run *run, const struct sieve_node *node)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, value = STR_EMPTY, field = STR_EMPTY;
	_cleanup_(str_free) struct str header = STR_EMPTY;
	bool last = sieve_tag(node, "last", NULL) != NULL;
	struct view end;

	sieve_string(run, node->positional[0], &name);
	sieve_string(run, node->positional[1], &value);
	if (!field_name_is_valid(str_view(&name)) || !view_is_utf8(str_view(&value))) {
		sieve_fail(run, "addheader: that is no header field");
		return FLOW_FAILED;
	}
	if (field_is_ours(str_view(&name)))
		return run->failed ? FLOW_FAILED : FLOW_ON;
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.data[i] < ' ')
			value.data[i] = ' ';
	str_printf(&field, "%s: ", str_cstr(&name));
	sieve_encode_words(&field, str_view(&value));
	str_append_cstr(&field, "\r\n");
	run->added += field.len;
	if (run->added > HEADER_ADDED_MAX) {
		sieve_fail(run, "addheader: more than %zu bytes", HEADER_ADDED_MAX);
		return FLOW_FAILED;
	}
	end = header_end(run->header);
	if (!last)
		str_append(&header, str_view(&field));
	str_append(&header, view_first(run->header, run->header.len - end.len));
	if (last)
		str_append(&header, str_view(&field));
	str_append(&header, end);
	edit_replace(run, &header);
	return run->failed ? FLOW_FAILED : FLOW_ON;
}

/* Of the fields of that name: is this one meant? `number` from 1, of `count`. */
static bool is_deleted(struct sieve_run *run, const struct sieve_node *node,
		       const struct header_field *field, size_t number, size_t count)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, value = STR_EMPTY;
	const struct sieve_argument *index = NULL;

	if (sieve_tag(node, "index", &index) != NULL) {
		size_t wanted = (size_t)index->number;

		if (sieve_tag(node, "last", NULL) != NULL)
			wanted = wanted > 0 && wanted <= count ? count + 1 - wanted : 0;
		if (number != wanted)
			return false;
	}
	if (node->positional[1] == NULL)
		return true;
	header_unfold(&text, field->body);
	sieve_decode_words(&value, view_trim(str_view(&text)));
	return sieve_match_keys(run, node, str_view(&value), node->positional[1]);
}

enum sieve_flow sieve_act_deleteheader(struct sieve_run *run, const struct sieve_node *node)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, header = STR_EMPTY;
	struct header_field field;
	struct view rest = run->header, before = run->header;
	size_t count = 0, number = 0;

	sieve_string(run, node->positional[0], &name);
	if (!field_name_is_valid(str_view(&name))) {
		sieve_fail(run, "deleteheader: that is no header field's name");
		return FLOW_FAILED;
	}
	if (field_is_ours(str_view(&name)))
		return run->failed ? FLOW_FAILED : FLOW_ON;
	while (header_next(&rest, &field) == 1)
		count += view_eq_nocase(field.name, str_view(&name));
	for (rest = run->header; header_next(&rest, &field) == 1 && sieve_step(run);) {
		if (!view_eq_nocase(field.name, str_view(&name)) ||
		    !is_deleted(run, node, &field, ++number, count))
			continue;
		str_append(&header,
			   view_make(before.data, (size_t)(field.whole.data - before.data)));
		before = view_from(before,
				   (size_t)(field.whole.data + field.whole.len - before.data));
	}
	if (before.len == run->header.len || run->failed)
		return run->failed ? FLOW_FAILED : FLOW_ON;
	str_append(&header, before);
	edit_replace(run, &header);
	return run->failed ? FLOW_FAILED : FLOW_ON;
}
