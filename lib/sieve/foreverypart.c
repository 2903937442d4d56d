/* Loops over the parts of a message, and the text of one (RFC 5703). */
#include "base/mem.h"
#include "sieve/compose.h"
#include "sieve/parts.h"
#include "sieve/words.h"

/* ---- loops ---- */

/* A loop's or a break's :name, as it stands. */
static struct view loop_name(const struct sieve_node *node)
{
	const struct sieve_argument *value = NULL;

	return sieve_tag(node, "name", &value) != NULL ? str_view(&value->strings.items[0])
						       : VIEW_NONE;
}

enum sieve_flow sieve_act_break(struct sieve_run *run, const struct sieve_node *node)
{
	run->break_name = loop_name(node);
	return FLOW_BREAK;
}

/* Of all parts, or in a loop of those within its part. */
static enum sieve_flow loop_run(struct sieve_run *run, const struct sieve_node *node, bool within)
{
	struct sieve_parts *parts = run->parts;
	size_t outer = parts->current;
	enum sieve_flow flow = FLOW_ON;

	for (size_t i = within ? outer + 1 : 0; flow == FLOW_ON && i < parts->tree.count; i++) {
		if ((within && !sieve_part_is_within(parts, i, outer)) || !sieve_step(run))
			break;
		parts->current = i;
		flow = sieve_run_commands(run, node->block);
	}
	parts->current = outer;
	if (flow == FLOW_BREAK &&
	    (run->break_name.len == 0 || view_eq(run->break_name, loop_name(node))))
		flow = FLOW_ON;
	return run->failed ? FLOW_FAILED : flow;
}

enum sieve_flow sieve_act_foreverypart(struct sieve_run *run, const struct sieve_node *node)
{
	struct sieve_parts parts;
	enum sieve_flow flow;

	if (run->parts != NULL)
		return loop_run(run, node, true);
	sieve_parts_open(run, &parts, true);
	run->parts = &parts;
	flow = loop_run(run, node, false);
	run->parts = NULL;
	sieve_parts_close(&parts);
	return flow;
}

/* ---- extracttext ---- */

/* The charset of a text; false: the part is none. */
static bool part_is_text(struct view header, struct str *charset)
{
	_cleanup_free_ struct mime_value *type = mem_new(struct mime_value);
	const struct str *parameter = NULL;
	struct header_field field;
	bool is_text = true;

	if (header_find(header, "Content-Type", &field) &&
	    mime_value_parse(field.body, type) == 0) {
		is_text = view_is(str_view(&type->type), "text");
		parameter = mime_parameter_get(type, "charset");
	}
	str_append(charset, parameter != NULL ? str_view(parameter) : VIEW("us-ascii"));
	mime_value_free(type);
	return is_text;
}

/* In UTF-8: what cannot be told in it is a question mark. */
static void part_take_text(struct view header, struct view body, struct str *text)
{
	_cleanup_(str_free) struct str charset = STR_EMPTY, bytes = STR_EMPTY;
	struct view plain;

	if (!part_is_text(header, &charset))
		return;
	sieve_decode_body(header, body, &bytes);
	plain = sieve_first_characters(str_view(&bytes), SIEVE_VALUE_MAX);
	if (sieve_charset_to_utf8(str_view(&charset), plain, text))
		return;
	for (size_t i = 0; i < plain.len; i++)
		str_append_byte(text, (unsigned char)plain.data[i] < 0x80 ? plain.data[i] : '?');
}

static void keep_first(struct str *text, uint64_t characters)
{
	size_t at = 0;

	while (at < text->len) {
		if (((unsigned char)text->data[at] & 0xc0) != 0x80 && characters-- == 0)
			break;
		at++;
	}
	str_truncate(text, at);
}

enum sieve_flow sieve_act_extracttext(struct sieve_run *run, const struct sieve_node *node)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, text = STR_EMPTY;
	const struct sieve_parts *parts = run->parts;
	const struct sieve_argument *first = NULL;
	const struct mime_part *part;

	sieve_string(run, node->positional[0], &name);
	if (parts == NULL)
		return FLOW_FAILED;
	part = &parts->tree.parts[parts->current];
	sieve_cost(run, part->body_end - part->body_start);
	if (!run->failed && !part->is_multipart && !part->is_message)
		part_take_text(sieve_part_header(run, parts, parts->current),
			       sieve_part_body(parts, parts->current), &text);
	if (sieve_tag(node, "first", &first) != NULL)
		keep_first(&text, first->number);
	sieve_set_modified(run, node, str_view(&name), &text);
	return run->failed ? FLOW_FAILED : FLOW_ON;
}
