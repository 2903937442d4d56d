/*
 * The header of a message that is in the queue file already, field by field, so that milters see it and
 * change it. Which fields are ours is known: milters are not shown them.
 */
#include "milters.h"

#include "base/mem.h"

static struct judged_field *field_append(struct judged *j)
{
	array_grow(j->fields, j->count);
	j->fields[j->count] = (struct judged_field){ 0 };
	return &j->fields[j->count++];
}

void judged_parse(struct judged *j, struct view header, size_t front, size_t added)
{
	struct view rest = header;
	struct header_field field;

	while (header_next(&rest, &field) > 0) {
		struct judged_field *f = field_append(j);
		size_t at = (size_t)(field.whole.data - header.data);

		str_append(&f->whole, field.whole);
		f->name_length = field.name.len;
		f->is_own = (at >= j->filled && at < j->filled + front) ||
			    at + added + strlen("\r\n") >= header.len;
	}
}

void judged_free(struct judged *j)
{
	for (size_t i = 0; i < j->count; i++)
		str_free(&j->fields[i].whole);
	free(j->fields);
	queue_writer_free(j->body);
}

static void field_set(struct judged_field *f, struct view name, struct view value)
{
	str_clear(&f->whole);
	str_append(&f->whole, name);
	str_append_byte(&f->whole, ':');
	str_append(&f->whole, value);
	str_append(&f->whole, VIEW("\r\n"));
	f->name_length = name.len;
	f->is_own = false;
}

void judged_insert(struct judged *j, size_t at, struct view name, struct view value)
{
	struct judged_field fresh = { 0 };

	field_set(&fresh, name, value);
	field_append(j);
	at = MIN(at, j->count - 1);
	memmove(j->fields + at + 1, j->fields + at, (j->count - 1 - at) * sizeof(*j->fields));
	j->fields[at] = fresh;
	j->is_changed = true;
}

/* The n-th of that name, as the message was received: without our Received field above all. */
static size_t field_find(const struct judged *j, struct view name, uint32_t n)
{
	size_t first = j->count > 0 && j->fields[0].is_own ? 1 : 0;

	n = MAX(n, 1);
	for (size_t i = first; i < j->count; i++) {
		const struct judged_field *f = &j->fields[i];

		if (view_eq_nocase(view_first(str_view(&f->whole), f->name_length), name) &&
		    --n == 0)
			return i;
	}
	return j->count;
}

void judged_change(struct judged *j, uint32_t n, struct view name, struct view value)
{
	size_t at = field_find(j, name, n);

	if (at == j->count && value.len > 0)
		judged_insert(j, j->count, name, value);
	if (at >= j->count)
		return;
	j->is_changed = true;
	if (value.len > 0) {
		field_set(&j->fields[at], name, value);
		return;
	}
	str_free(&j->fields[at].whole);
	j->count--;
	memmove(j->fields + at, j->fields + at + 1, (j->count - at) * sizeof(*j->fields));
}
