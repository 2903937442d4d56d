/*
 * The parts of the message at work, and which of them a test means. A tree belongs to the content that
 * it was made of: what a script changes in a loop is seen after it, but for the message's own header.
 */
#include "sieve/parts.h"

void sieve_parts_open(struct sieve_run *run, struct sieve_parts *parts, bool copy)
{
	*parts = (struct sieve_parts){ .content = view_make(run->header.data,
							    run->header.len + run->body.len) };
	sieve_cost(run, parts->content.len);
	if (copy && run->result->content.len > 0) {
		str_append(&parts->copy, parts->content);
		parts->content = str_view(&parts->copy);
	}
	mime_tree_parse(parts->content, &parts->tree);
}

void sieve_parts_close(struct sieve_parts *parts)
{
	mime_tree_free(&parts->tree);
	str_free(&parts->copy);
}

bool sieve_part_is_within(const struct sieve_parts *parts, size_t index, size_t outer)
{
	/* They stand in the order of the message: those within it follow at once. */
	return index > outer && index < parts->tree.count &&
	       parts->tree.parts[index].depth > parts->tree.parts[outer].depth;
}

struct view sieve_part_header(const struct sieve_run *run, const struct sieve_parts *parts,
			      size_t index)
{
	const struct mime_part *part = &parts->tree.parts[index];

	return index == 0 ? run->header
			  : view_make(parts->content.data + part->header_start,
				      part->body_start - part->header_start);
}

struct view sieve_part_body(const struct sieve_parts *parts, size_t index)
{
	const struct mime_part *part = &parts->tree.parts[index];

	return view_make(parts->content.data + part->body_start, part->body_end - part->body_start);
}

static bool parts_walk(struct sieve_run *run, const struct sieve_node *node,
		       const struct sieve_parts *parts, sieve_each_part *each, void *argument)
{
	size_t i = parts->current;
	bool found = each(run, node, sieve_part_header(run, parts, i), argument);

	if (sieve_tag(node, "anychild", NULL) == NULL)
		return found;
	while (!found && sieve_part_is_within(parts, ++i, parts->current) && sieve_step(run))
		found = each(run, node, sieve_part_header(run, parts, i), argument);
	return found;
}

bool sieve_parts_of(struct sieve_run *run, const struct sieve_node *node, sieve_each_part *each,
		    void *argument)
{
	struct sieve_parts parts;
	bool found;

	if (sieve_tag(node, "mime", NULL) == NULL)
		return each(run, node, run->header, argument);
	if (run->parts != NULL)
		return parts_walk(run, node, run->parts, each, argument);
	if (sieve_tag(node, "anychild", NULL) == NULL)
		return each(run, node, run->header, argument);
	sieve_parts_open(run, &parts, false);
	found = parts_walk(run, node, &parts, each, argument);
	sieve_parts_close(&parts);
	return found;
}
