/* The header block, and the stages that look at whole fields. */
#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "intake.h"

void header_block_parse(struct header_block *block, struct view header, struct view *rest)
{
	struct header_field field;

	while (header_next(&header, &field) > 0) {
		if (block->count == block->size) {
			block->size = block->size ? block->size * 2 : 32;
			block->fields =
				mem_resize(block->fields, block->size, sizeof(*block->fields));
		}
		block->fields[block->count++] =
			(struct block_field){ .field = field, .changed = STR_EMPTY };
	}
	*rest = header;
}

void header_block_free(struct header_block *block)
{
	for (size_t i = 0; i < block->count; i++) {
		str_free(&block->fields[i].changed);
		str_free(&block->fields[i].before);
		str_free(&block->fields[i].own);
	}
	free(block->fields);
	str_free(&block->front);
	str_free(&block->added);
}

void header_block_replace(struct block_field *f, struct view text)
{
	struct str own = STR_EMPTY;
	struct view rest;

	str_append(&own, text);
	str_append(&own, VIEW("\r\n"));
	rest = str_view(&own);
	header_next(&rest, &f->field);
	str_free(&f->own);
	f->own = own;
}

const struct block_field *header_block_find(const struct header_block *block, const char *name)
{
	for (size_t i = 0; i < block->count; i++)
		if (!block->fields[i].dropped && view_is_nocase(block->fields[i].field.name, name))
			return &block->fields[i];
	return NULL;
}

static int hops_header(struct stage *stage, struct header_block *block)
{
	int64_t hops = 0;

	for (size_t i = 0; i < block->count; i++)
		if (view_is_nocase(block->fields[i].field.name, "Received"))
			hops++;
	if (hops > param.hopcount_limit)
		return intake_fail(stage->in, 554, "5.4.0", "Error: too many hops");
	return 0;
}

const struct content_stage stage_hops = { .name = "hops", .header = hops_header };

static int drop_header(struct stage *stage, struct header_block *block)
{
	struct view list = view_of(param.message_drop_headers), name;

	(void)stage;
	while (conf_next_element(&list, &name))
		for (size_t i = 0; i < block->count; i++)
			if (view_eq_nocase(block->fields[i].field.name, name))
				block->fields[i].dropped = true;
	return 0;
}

const struct content_stage stage_drop = { .name = "drop", .header = drop_header };
