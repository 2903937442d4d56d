/* The parts of the message at work (RFC 5703). Of lib/sieve only. */
#ifndef SIEVE_PARTS_H
#define SIEVE_PARTS_H

#include "mail/mime.h"
#include "sieve/run.h"

struct sieve_parts {
	struct mime_tree tree;
	struct view content; /* that the tree is of */
	struct str copy;     /* the content, if a script can change it meanwhile */
	size_t current;	     /* of the loop at work */
};

void sieve_parts_open(struct sieve_run *run, struct sieve_parts *parts, bool copy);
void sieve_parts_close(struct sieve_parts *parts);
/* Whether `index` is one of the parts within `outer`. */
bool sieve_part_is_within(const struct sieve_parts *parts, size_t index, size_t outer);
struct view sieve_part_header(const struct sieve_run *run, const struct sieve_parts *parts,
			      size_t index);
struct view sieve_part_body(const struct sieve_parts *parts, size_t index);

/*
 * Calls `each` with the headers that the node means, until it returns true (returned): the message's,
 * or with :mime that of the present part, and with :anychild those of the parts within it too.
 */
typedef bool sieve_each_part(struct sieve_run *run, const struct sieve_node *node,
			     struct view header, void *argument);
bool sieve_parts_of(struct sieve_run *run, const struct sieve_node *node, sieve_each_part *each,
		    void *argument);

#endif
