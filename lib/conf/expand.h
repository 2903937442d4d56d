/*
 * The expansion of $name and its forms, apart from where the values come from.
 *
 *	$name ${name} $(name)       the value, itself expanded
 *	${name?text} ${name?{text}} text if the value is not empty
 *	${name:text} ${name:{text}} text if it is empty or not set
 *	${name?{a}:{b}}             one or the other
 *	${{a} == {b} ? {x} : {y}}   == != < <= > >=; as numbers if both are, else as text;
 *	                            <level and so on compare 3.10 with 3.9 by their parts
 *	$$                          a dollar sign
 */
#ifndef CONF_EXPAND_H
#define CONF_EXPAND_H

#include "base/error.h"
#include "base/str.h"

enum {
	EXPAND_DEPTH_MAX = 100,	     /* values within values */
	EXPAND_STEPS_MAX = 20000,    /* pieces looked at for one value */
	EXPAND_OUTPUT_MAX = 1 << 20, /* bytes of the result */
};

/* Unexpanded value, or NULL if there is none. */
typedef const char *expand_lookup(void *argument, struct view name);

/* Appends to *out. 0, or -EINVAL with the reason. */
int value_expand(struct view text, expand_lookup *lookup, void *argument, struct str *out,
		 struct error *err);
/* Calls `found` for each name that the text refers to, also in branches that are not taken. */
void expand_names(struct view text, void (*found)(void *argument, struct view name),
		  void *argument);

#endif
