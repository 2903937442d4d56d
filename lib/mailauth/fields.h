/* A message's header fields, found by name from the bottom, as signatures count them. */
#ifndef MAILAUTH_FIELDS_H
#define MAILAUTH_FIELDS_H

#include "base/map.h"
#include "mail/header.h"

struct field_set {
	struct str text;
	struct header_field *items; /* from the top */
	size_t count;
	struct map *names; /* lower-case name to struct field_name */
};
struct field_name {
	size_t *at; /* places in `items`, from the top */
	size_t count;
	size_t used; /* by the signature at work, from the bottom */
};

/* A copy of the header block; what stands in it and is no field is not part of it. */
struct field_set *field_set_new(struct view header);
void field_set_free(struct field_set *set);
void field_set_freep(struct field_set **set);
/* NULL: there is none of that name, whose case does not matter. */
struct field_name *field_set_find(const struct field_set *set, struct view name);
/* Nothing is used yet. */
void field_set_start(struct field_set *set);
/* The lowest one of that name that is not used yet, which is used then; NULL: there is none. */
const struct header_field *field_set_take(struct field_set *set, struct view name);

#endif
