/* Finds messages in the log by sender, recipient and time. One pass; what is kept is bounded. */
#include "tools/trace_search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "tools/address_wish.h"
#include "tools/json.h"
#include "tools/trace_time.h"

enum { FOUND_MAX = 200000, RECIPIENTS_TOLD = 1000 };

/* A recipient, and what the last line about it says. */
struct found_recipient {
	char *address, *status;
};
/* A message, or (without an id) a command that was refused. */
struct found {
	char *id, *time, *sender; /* sender: NULL while it is not known */
	struct found_recipient *recipients;
	size_t count;
	char *refused; /* the reason */
};
struct trace_search {
	struct trace_wish wish;
	struct found **items;
	size_t count;
	struct map *by_id;
	bool cut;
};

struct trace_search *trace_search_new(const struct trace_wish *wish)
{
	struct trace_search *search = mem_new(struct trace_search);

	search->wish = *wish;
	search->by_id = map_new();
	return search;
}

static void found_free(struct found *found)
{
	for (size_t i = 0; i < found->count; i++) {
		free(found->recipients[i].address);
		free(found->recipients[i].status);
	}
	free(found->recipients);
	free(found->id);
	free(found->time);
	free(found->sender);
	free(found->refused);
	free(found);
}

void trace_search_free(struct trace_search *search)
{
	for (size_t i = 0; i < search->count; i++)
		found_free(search->items[i]);
	free(search->items);
	map_free(search->by_id);
	free(search);
}

bool trace_search_is_cut(const struct trace_search *search)
{
	return search->cut;
}

/* ---- taking lines ---- */

static bool is_in_time(const struct trace_search *search, struct view time)
{
	int64_t seconds;

	if (search->wish.since == 0 && search->wish.until == 0)
		return true;
	return trace_time_of_line(time, search->wish.now, &seconds) &&
	       seconds >= search->wish.since &&
	       (search->wish.until == 0 || seconds <= search->wish.until);
}

static struct found *found_new(struct trace_search *search, const struct trace_line *line)
{
	struct found *found;

	if (search->count >= FOUND_MAX) {
		search->cut = true;
		return NULL;
	}
	found = mem_new(struct found);
	found->time = mem_strndup(line->time.data, line->time.len);
	array_grow(search->items, search->count);
	search->items[search->count++] = found;
	return found;
}

/* Times are of a message's first line: what began within them is told to its end. */
static struct found *found_get(struct trace_search *search, const struct trace_line *line)
{
	struct found *found = map_get(search->by_id, line->id);

	if (found != NULL || !is_in_time(search, line->time))
		return found;
	found = found_new(search, line);
	if (found != NULL) {
		found->id = mem_strndup(line->id.data, line->id.len);
		map_put(search->by_id, line->id, found);
	}
	return found;
}

static void found_set_recipient(struct found *found, struct view address, struct view status)
{
	size_t i = 0;

	while (i < found->count && !view_is(address, found->recipients[i].address))
		i++;
	if (i == RECIPIENTS_TOLD)
		return;
	if (i == found->count) {
		array_grow(found->recipients, found->count);
		found->recipients[found->count++] = (struct found_recipient){
			.address = mem_strndup(address.len ? address.data : "", address.len),
		};
	}
	free(found->recipients[i].status);
	found->recipients[i].status = mem_strndup(status.data, status.len);
}

/* "reject: RCPT from host[192.0.2.1]: 550 5.1.1 <x@y>: ...; from=<a@b> to=<x@y> proto=..." */
static void take_refusal(struct trace_search *search, const struct trace_line *line)
{
	struct view from = VIEW_NONE, to = VIEW_NONE;
	size_t end = trace_line_find_mark(line->text, VIEW("; from=<"));
	struct found *found;

	if (!is_in_time(search, line->time))
		return;
	(void)trace_line_address(line->text, VIEW("; from=<"), &from);
	(void)trace_line_address(view_from(line->text, end), VIEW(" to=<"), &to);
	if ((search->wish.from != NULL &&
	     (from.data == NULL || !address_is_wanted(from, search->wish.from))) ||
	    (search->wish.to != NULL && !address_is_wanted(to, search->wish.to)))
		return;
	found = found_new(search, line);
	if (found == NULL)
		return;
	found->sender = mem_strndup(from.len ? from.data : "", from.len);
	found_set_recipient(found, to, VIEW("refused"));
	found->refused = mem_strndup(line->text.data, MIN(end, line->text.len));
}

void trace_search_take(struct trace_search *search, const struct trace_line *line)
{
	struct view address, status;
	struct found *found;

	if (view_starts(line->text, VIEW("NOQUEUE: reject")) ||
	    view_starts(line->text, VIEW("reject: "))) {
		take_refusal(search, line);
		return;
	}
	if (line->id.len == 0)
		return;
	found = found_get(search, line);
	if (found == NULL)
		return;
	if (trace_line_result(line, &address, &status))
		found_set_recipient(found, address, status);
	else if (found->sender == NULL &&
		 (view_starts(line->text, VIEW("from=<")) ||
		  view_starts(line->text, VIEW("uid="))) &&
		 trace_line_address(line->text, VIEW("from=<"), &address))
		found->sender = mem_strndup(address.len ? address.data : "", address.len);
}

/* ---- telling ---- */

static bool is_found(const struct trace_search *search, const struct found *found)
{
	const char *from = search->wish.from, *to = search->wish.to;

	/* Some word that looked like a queue ID. */
	if (found->sender == NULL && found->count == 0)
		return false;
	if (from != NULL &&
	    (found->sender == NULL || !address_is_wanted(view_of(found->sender), from)))
		return false;
	for (size_t i = 0; to != NULL && i < found->count; i++)
		if (address_is_wanted(view_of(found->recipients[i].address), to))
			return true;
	/* Its recipients are not known yet, or nobody asks for one. */
	return to == NULL;
}

static void found_print_json(const struct found *found)
{
	struct json json = JSON_START;

	json_object(&json, NULL);
	json_string(&json, "time", view_of(found->time));
	if (found->id != NULL)
		json_string(&json, "queue_id", view_of(found->id));
	if (found->sender != NULL)
		json_string(&json, "sender", view_of(found->sender));
	json_array(&json, "recipients");
	for (size_t i = 0; i < found->count; i++) {
		json_object(&json, NULL);
		json_string(&json, "address", view_of(found->recipients[i].address));
		json_string(&json, "status", view_of(found->recipients[i].status));
		json_end(&json);
	}
	json_end(&json);
	if (found->refused != NULL)
		json_string(&json, "refused", view_of(found->refused));
	json_end(&json);
	json_print(&json);
}

static void found_print(const struct found *found)
{
	_cleanup_(str_free) struct str line = STR_EMPTY, clean = STR_EMPTY;

	str_printf(&line, "%s  %s  from <%s>", found->time, found->id ? found->id : "refused",
		   found->sender ? found->sender : "?");
	for (size_t i = 0; i < found->count; i++)
		str_printf(&line, "%s <%s>%s%s", i == 0 ? " to" : ",", found->recipients[i].address,
			   found->refused ? "" : " ",
			   found->refused ? "" : found->recipients[i].status);
	if (found->refused != NULL)
		str_printf(&line, ": %s", found->refused);
	/* syslog daemons write what others say, too. */
	str_append_printable(&clean, str_view(&line));
	printf("%s\n", str_cstr(&clean));
}

size_t trace_search_print(const struct trace_search *search, bool as_json)
{
	size_t count = 0;

	for (size_t i = 0; i < search->count; i++) {
		if (!is_found(search, search->items[i]))
			continue;
		count++;
		if (as_json)
			found_print_json(search->items[i]);
		else
			found_print(search->items[i]);
	}
	return count;
}

void trace_search_ids(const struct trace_search *search,
		      void (*each)(void *argument, struct view id), void *argument)
{
	for (size_t i = 0; i < search->count; i++)
		if (search->items[i]->id != NULL && is_found(search, search->items[i]))
			each(argument, view_of(search->items[i]->id));
}
