/*
 * Commands and tests of Sieve as a table: what arguments each takes, and what it does. A new one is
 * its function and its row. Of lib/sieve only.
 */
#ifndef SIEVE_OPERATION_H
#define SIEVE_OPERATION_H

#include "sieve/script.h"

struct sieve_run;

enum sieve_value { VALUE_NONE, VALUE_NUMBER, VALUE_STRING, VALUE_STRINGS };

struct sieve_tag_spec {
	const char *name;
	enum sieve_value value; /* of the argument after it */
	enum sieve_extension extension;
};

enum {
	TAKES_MATCH = 1,     /* :is and so on, and :comparator */
	TAKES_PART = 2,	     /* :all, :localpart ... */
	TAKES_INDEX = 4,     /* :index and :last, of `index` */
	TAKES_TEST = 8,	     /* one */
	TAKES_TESTS = 16,    /* several */
	TAKES_BLOCK = 32,    /* a block and no ";" */
	OPTIONAL_FIRST = 64, /* the first positional argument may be left out */
	IS_TEST = 128,
	AFTER_IF = 256,	      /* elsif, else */
	IS_FIRST = 512,	      /* require */
	OPTIONAL_LAST = 1024, /* the last positional argument may be left out */
	IS_LOOP = 2048,
	IN_LOOP = 4096, /* stands in the block of one only */
};

enum sieve_flow { FLOW_ON, FLOW_BREAK, FLOW_RETURN, FLOW_STOP, FLOW_FAILED };

struct sieve_operation {
	const char *name;
	enum sieve_extension extension;
	unsigned takes;
	enum sieve_value positional[SIEVE_POSITIONAL_MAX]; /* VALUE_NONE ends them */
	const struct sieve_tag_spec *tags; /* ended by one without a name, or NULL */
	/* One of the two; NULL: run.c knows it (if, stop, not, allof ...). */
	enum sieve_flow (*act)(struct sieve_run *run, const struct sieve_node *node);
	bool (*test)(struct sieve_run *run, const struct sieve_node *node);
};

extern const struct sieve_operation sieve_operations[];
extern const size_t sieve_operation_count;

struct sieve_extension_name {
	const char *name;
	enum sieve_extension extension;
};
extern const struct sieve_extension_name sieve_extension_names[];
extern const size_t sieve_extension_count;
/* NULL: there is none of that name here. */
const struct sieve_extension_name *sieve_extension_find(struct view name);

#endif
