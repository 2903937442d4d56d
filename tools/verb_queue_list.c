/*
 * posta queue list, mailq, postqueue -p and -j: what waits, in Postfix's forms to the byte, and
 * which of it is asked for.
 */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mail/address.h"
#include "tools/address_wish.h"
#include "tools/tool.h"
#include "tools/verb_queue.h"

/* As Postfix prints long queue IDs. */
#define TEXT_FORMAT  "%-17s %8s %-19s %s\n"
#define WIDTH	     76 /* reasons end here */
#define NULL_SENDER  VIEW("MAILER-DAEMON")
#define OUTPUT_BYTES ((size_t)64 * 1024) /* what a pipe holds */

struct listing {
	const struct queue_filter *filter;
	enum queue_form form;
	uint64_t messages, bytes;
	struct str clean;
};

/* ---- which ---- */

static bool recipient_is_wanted(const struct queue_filter *f, const struct queue_entry *e,
				size_t which)
{
	struct view address = queue_entry_address(e, which), local, domain;

	address_split(address, &local, &domain);
	return (f->recipient == NULL || address_is_wanted(address, f->recipient)) &&
	       (f->site == NULL || view_eq_nocase(domain, view_of(f->site))) &&
	       (f->reason == NULL || view_find_nocase(queue_entry_reason(e, which),
						      view_of(f->reason)) != VIEW_NOT_FOUND);
}

bool queue_filter_takes(const struct queue_filter *f, const struct queue_entry *e)
{
	struct view sender = str_view(&e->sender);

	if ((f->sender != NULL && !address_is_wanted(sender, f->sender)) ||
	    clock_wall() - e->arrival < f->age)
		return false;
	if (f->recipient == NULL && f->site == NULL && f->reason == NULL)
		return true;
	for (size_t i = 0; i < e->count; i++)
		if (recipient_is_wanted(f, e, i))
			return true;
	return false;
}

/* ---- how ---- */

static const char *clean(struct listing *l, struct view text)
{
	str_clear(&l->clean);
	str_append_printable(&l->clean, text);
	return str_cstr(&l->clean);
}

static void list_as_text(struct listing *l, const struct queue_entry *e)
{
	static const struct view none = VIEW("reason unavailable");
	char id[QUEUE_ID_LENGTH_MAX + 2], when[32];
	struct view last = VIEW_NONE;
	time_t arrival = (time_t)e->arrival;
	struct tm tm;

	if (l->messages == 0)
		printf(TEXT_FORMAT, "----Queue ID-----", "--Size--", "---Arrival Time----",
		       "--Sender/Recipient------");
	localtime_r(&arrival, &tm);
	strftime(when, sizeof(when), "%a %b %e %H:%M:%S", &tm);
	snprintf(id, sizeof(id), "%s%s%s", e->id,
		 e->state == QUEUE_STATE_ACTIVE ? "*"
		 : e->state == QUEUE_STATE_HOLD ? "!"
						: "",
		 e->expired ? "#" : "");
	printf("%-17s %8llu %19.19s %s\n", id, (unsigned long long)e->size, when,
	       clean(l, e->sender.len > 0 ? str_view(&e->sender) : NULL_SENDER));
	for (size_t i = 0; i < e->count; i++) {
		struct view reason = queue_entry_reason(e, i);

		/* Once for all that have the same, one after the other. */
		if (!view_eq(reason, last)) {
			const char *text = clean(l, reason.len > 0 ? reason : none);

			printf("%*s(%s)\n", MAX(0, WIDTH - (int)MIN(l->clean.len, (size_t)WIDTH)),
			       "", text);
			last = reason;
		}
		printf(TEXT_FORMAT, "", "", "", clean(l, queue_entry_address(e, i)));
	}
	putchar('\n');
}

static void json_text(struct listing *l, const char *name, struct view text)
{
	printf("\"%s\": \"", name);
	for (const char *at = clean(l, text); *at != '\0'; at++) {
		if (*at == '"' || *at == '\\')
			putchar('\\');
		putchar(*at);
	}
	putchar('"');
}

static void list_as_json(struct listing *l, const struct queue_entry *e)
{
	printf("{\"queue_name\": \"%s\", \"queue_id\": \"%s\", \"arrival_time\": %lld, "
	       "\"message_size\": %llu, \"forced_expire\": %s, ",
	       queue_entry_state_name(e), e->id, (long long)e->arrival, (unsigned long long)e->size,
	       e->expired ? "true" : "false");
	/* What Postfix does not know. */
	if (l->form == QUEUE_AS_OUR_JSON)
		printf("\"next_attempt\": %lld, ", (long long)e->next);
	json_text(l, "sender",
		  e->sender.len > 0 || l->form == QUEUE_AS_OUR_JSON ? str_view(&e->sender)
								    : NULL_SENDER);
	printf(", \"recipients\": [");
	for (size_t i = 0; i < e->count; i++) {
		printf("%s{", i > 0 ? ", " : "");
		json_text(l, "address", queue_entry_address(e, i));
		if (e->recipients[i].reason_size > 0) {
			printf(", ");
			json_text(l, "delay_reason", queue_entry_reason(e, i));
		}
		putchar('}');
	}
	puts("]}");
}

static int list_entry(void *argument, const struct queue_entry *e)
{
	struct listing *l = argument;

	if (!queue_filter_takes(l->filter, e))
		return 0;
	if (l->form == QUEUE_AS_TEXT)
		list_as_text(l, e);
	else
		list_as_json(l, e);
	l->messages++;
	l->bytes += e->size;
	return 0;
}

int queue_list(const struct queue_source *source, const struct queue_filter *filter,
	       enum queue_form form)
{
	struct listing l = { .filter = filter, .form = form };
	int status;

	setvbuf(stdout, NULL, _IOFBF, OUTPUT_BYTES);
	status = queue_entries(source, list_entry, &l);
	if (status == TOOL_DONE && form == QUEUE_AS_TEXT && l.messages == 0)
		puts("Mail queue is empty");
	else if (status == TOOL_DONE && form == QUEUE_AS_TEXT)
		printf("-- %llu Kbytes in %llu Request%s.\n", (unsigned long long)l.bytes / 1024,
		       (unsigned long long)l.messages, l.messages == 1 ? "" : "s");
	str_free(&l.clean);
	return status;
}
