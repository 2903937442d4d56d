/*
 * unionmap:{a, b}: what all tables say, joined by commas. pipemap:{a, b}: b is asked a's answer.
 * randmap:{x, y}: one of these values, whatever the key.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/random.h"
#include "conf/conf.h"
#include "table/internal.h"

struct combination {
	struct table *parts[TABLE_NEST_MAX * 10];
	size_t count;
};

static void close_combination(struct table *table)
{
	struct combination *c = table->data;

	for (size_t i = 0; c != NULL && i < c->count; i++)
		table_close(c->parts[i]);
	free(c);
}

static int open_combination(struct table *table, struct view name, struct error *err)
{
	struct combination *c = table->data = mem_new(struct combination);
	struct view rest = view_trim(name), element;

	if (rest.len < 2 || rest.data[0] != '{' || rest.data[rest.len - 1] != '}')
		return error_set(err, -EINVAL, "expected { type:name, type:name... }");
	rest = view_first(view_from(rest, 1), rest.len - 2);
	while (conf_next_element(&rest, &element)) {
		if (c->count == ARRAY_SIZE(c->parts))
			return error_set(err, -EINVAL, "more than %zu tables",
					 ARRAY_SIZE(c->parts));
		c->parts[c->count] =
			table_open_nested(element, table->flags, table->depth + 1, err);
		if (c->parts[c->count] == NULL)
			return -EINVAL;
		c->count++;
	}
	return c->count > 0 ? 0 : error_set(err, -EINVAL, "no tables in it");
}

static int lookup_union(struct table *table, struct view key, struct str *value, struct error *err)
{
	struct combination *c = table->data;
	_cleanup_(str_free) struct str part = STR_EMPTY;
	int found = 0;

	for (size_t i = 0; i < c->count; i++) {
		int r = table_lookup(c->parts[i], key, &part, err);

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		str_append(value, found ? VIEW(",") : VIEW(""));
		str_append(value, str_view(&part));
		found = 1;
	}
	return found;
}

static int lookup_pipe(struct table *table, struct view key, struct str *value, struct error *err)
{
	struct combination *c = table->data;
	_cleanup_(str_free) struct str asked = STR_EMPTY;

	str_append(value, key);
	for (size_t i = 0; i < c->count; i++) {
		str_set(&asked, str_view(value));

		int r = table_lookup(c->parts[i], str_view(&asked), value, err);

		if (r <= 0)
			return r;
	}
	return 1;
}

/* ---- randmap ---- */

struct choice {
	struct str values; /* NUL after each */
	struct view list[TABLE_LIST_MAX];
	size_t count;
};

static void close_choice(struct table *table)
{
	struct choice *c = table->data;

	if (c != NULL)
		str_free(&c->values);
	free(c);
}

static int open_choice(struct table *table, struct view name, struct error *err)
{
	struct choice *c = table->data = mem_new(struct choice);
	struct view rest = view_trim(name), element, values;

	if (rest.len < 2 || rest.data[0] != '{' || rest.data[rest.len - 1] != '}')
		return error_set(err, -EINVAL, "expected { value, value... }");
	rest = view_first(view_from(rest, 1), rest.len - 2);
	while (conf_next_element(&rest, &element)) {
		if (c->count++ == ARRAY_SIZE(c->list))
			return error_set(err, -EINVAL, "more than %d values", TABLE_LIST_MAX);
		str_append(&c->values, element);
		str_append_byte(&c->values, '\0');
	}
	values = str_view(&c->values);
	for (size_t i = 0; i < c->count; i++)
		view_next(&values, '\0', &c->list[i]);
	return c->count > 0 ? 0 : error_set(err, -EINVAL, "no values in it");
}

static int lookup_choice(struct table *table, struct view key, struct str *value, struct error *err)
{
	const struct choice *c = table->data;

	(void)key;
	(void)err;
	str_append(value, c->list[random_u64() % c->count]);
	return 1;
}

const struct table_type table_type_randmap = {
	.name = "randmap",
	.whole = true,
	.open = open_choice,
	.lookup = lookup_choice,
	.close = close_choice,
};

const struct table_type table_type_unionmap = {
	.name = "unionmap",
	.open = open_combination,
	.lookup = lookup_union,
	.close = close_combination,
};
const struct table_type table_type_pipemap = {
	.name = "pipemap",
	.open = open_combination,
	.lookup = lookup_pipe,
	.close = close_combination,
};
