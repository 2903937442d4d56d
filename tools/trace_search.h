/*
 * posta trace by sender, recipient and time: which messages the log has, in a line each, with what
 * became of their recipients; and what was refused before it was a message.
 *
 *	search = trace_search_new(&wish);
 *	for each line of the log: trace_search_take(search, &line);
 *	count = trace_search_print(search, as_json);	or trace_search_ids
 *	trace_search_free(search);
 */
#ifndef TOOLS_TRACE_SEARCH_H
#define TOOLS_TRACE_SEARCH_H

#include "tools/trace_line.h"

struct trace_wish {
	const char *from, *to; /* NULL: any; see address_wish.h */
	int64_t since, until;  /* seconds; 0: any */
	int64_t now;
};
struct trace_search;
struct trace_search *trace_search_new(const struct trace_wish *wish);
void trace_search_free(struct trace_search *search);
void trace_search_take(struct trace_search *search, const struct trace_line *line);
/* Prints what was found, in the order of the log. How much that was. */
size_t trace_search_print(const struct trace_search *search, bool as_json);
/* The messages' queue IDs alone. */
void trace_search_ids(const struct trace_search *search,
		      void (*each)(void *argument, struct view id), void *argument);
/* More came than was kept. */
bool trace_search_is_cut(const struct trace_search *search);

#endif
