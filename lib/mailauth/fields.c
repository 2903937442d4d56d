/* Header fields by name. Their order and their bytes stay as they came. */
#include "mailauth/fields.h"

#include "base/mem.h"

static struct field_name *field_set_name(struct field_set *set, struct view name)
{
	_cleanup_(str_free) struct str lower = STR_EMPTY;
	struct field_name *known;

	str_append_lower(&lower, name);
	known = map_get(set->names, str_view(&lower));
	if (known == NULL) {
		known = mem_new(struct field_name);
		map_put(set->names, str_view(&lower), known);
	}
	return known;
}

struct field_set *field_set_new(struct view header)
{
	struct field_set *set = mem_new(struct field_set);
	struct header_field field;
	struct view rest;

	str_append(&set->text, header);
	set->names = map_new();
	rest = str_view(&set->text);
	while (header_next(&rest, &field) > 0) {
		struct field_name *name = field_set_name(set, field.name);

		array_grow(set->items, set->count);
		array_grow(name->at, name->count);
		name->at[name->count++] = set->count;
		set->items[set->count++] = field;
	}
	return set;
}

void field_set_free(struct field_set *set)
{
	if (set == NULL)
		return;
	map_for_each (set->names, i) {
		struct field_name *name = map_value_at(set->names, i);

		free(name->at);
		free(name);
	}
	map_free(set->names);
	free(set->items);
	str_free(&set->text);
	free(set);
}

void field_set_freep(struct field_set **set)
{
	field_set_free(*set);
}

struct field_name *field_set_find(const struct field_set *set, struct view name)
{
	_cleanup_(str_free) struct str lower = STR_EMPTY;

	str_append_lower(&lower, name);
	return map_get(set->names, str_view(&lower));
}

void field_set_start(struct field_set *set)
{
	map_for_each (set->names, i) {
		struct field_name *name = map_value_at(set->names, i);

		name->used = 0;
	}
}

const struct header_field *field_set_take(struct field_set *set, struct view name)
{
	struct field_name *known = field_set_find(set, name);

	if (known == NULL || known->used == known->count)
		return NULL;
	known->used++;
	return &set->items[known->at[known->count - known->used]];
}
