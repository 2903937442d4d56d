/*
 * One line of the log, in any of the forms in which it is found:
 *
 *	Nov 21 23:58:21 mx posta/smtpd[123]: 4XyZ...: client=...	ours, and most syslog daemons
 *	2026-11-21T23:58:21.123456+01:00 mx posta/smtpd[123]: ...	rsyslog
 *	{"time":"...","host":"mx","program":"posta/smtpd",...}		log_format = json
 *
 *	struct trace_line line = { 0 };
 *	while (... next ...)
 *		if (trace_line_parse(text, &line))
 *			... line.id, line.text ...
 *	trace_line_free(&line);
 *
 * The views are good until the next call; those that the form lacks are empty.
 */
#ifndef TOOLS_TRACE_LINE_H
#define TOOLS_TRACE_LINE_H

#include "base/str.h"

struct trace_line {
	struct view time, host, program, pid, level;
	struct view id;	  /* the queue ID that the line is about; empty: none */
	struct view text; /* without level and queue ID */
	struct str plain; /* what a JSON line says, with its escapes resolved */
};

/* False: no line of a program's log. */
bool trace_line_parse(struct view text, struct trace_line *line);
void trace_line_free(struct trace_line *line);

/*
 * The queue ID of another message that this one becomes or causes, as the line says, or an empty
 * view. *how is in words what the other is to this one.
 */
struct view trace_line_leads_to(const struct trace_line *line, const char **how);

/*
 * The recipient that the line has the result of, and the result: "sent", "deferred", "bounced" ...
 * False: it has none. What another server said, and quoted addresses, are not taken for it.
 */
bool trace_line_result(const struct trace_line *line, struct view *recipient, struct view *status);

/*
 * Where the mark stands outside of double quotes, which only our own words do; VIEW_NOT_FOUND. With
 * trace_line_address what follows it up to the ">" that ends the address.
 */
size_t trace_line_find_mark(struct view text, struct view mark);
bool trace_line_address(struct view text, struct view mark, struct view *address);

#endif
