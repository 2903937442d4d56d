/* posta queue list: mailq's form, or JSON. */
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "tools/json.h"
#include "tools/tool.h"
#include "tools/verb_queue.h"

#define ID_WIDTH      20
#define OUTPUT_BUFFER ((size_t)64 * 1024) /* what a pipe holds */
#define TIME_WIDTH    20

static struct {
	uint64_t messages, bytes;
	bool json;
	struct json object;
	bool in_item; /* its recipients may come */
	struct str clean;
	/* Messages come in bursts: many have the time of the one before. */
	int64_t arrival;
	char when[TIME_WIDTH + 1];
} listing;

static const char *queue_name(uint8_t state)
{
	static const char *const names[] = { "incoming", "active", "deferred", "hold" };

	return names[state <= QUEUE_STATE_HOLD ? state : QUEUE_STATE_DEFERRED];
}

static void print_clean(struct view text)
{
	str_clear(&listing.clean);
	str_append_printable(&listing.clean, text);
	fwrite(listing.clean.data, 1, listing.clean.len, stdout);
}

static const char *time_text(int64_t arrival)
{
	time_t t = (time_t)arrival;
	struct tm tm;

	if (listing.when[0] == '\0' || listing.arrival != arrival) {
		localtime_r(&t, &tm);
		strftime(listing.when, sizeof(listing.when), "%a %b %d %H:%M:%S", &tm);
		listing.arrival = arrival;
	}
	return listing.when;
}

static void end_item(void)
{
	if (!listing.in_item)
		return;
	listing.in_item = false;
	if (listing.json) {
		json_end(&listing.object);
		json_end(&listing.object);
		json_print(&listing.object);
	} else {
		putchar('\n');
	}
}

static void show_item(const struct msg_queue_item *item)
{
	char id[64];

	end_item();
	listing.in_item = true;
	if (listing.messages++ == 0 && !listing.json)
		printf("%-*s --Size-- ----Arrival Time---- -Sender/Recipient-------\n",
		       ID_WIDTH + 1, "-Queue ID-");
	listing.bytes += item->size;
	if (listing.json) {
		listing.object = JSON_START;
		json_object(&listing.object, NULL);
		json_string(&listing.object, "queue_name", view_of(queue_name(item->state)));
		json_string(&listing.object, "queue_id", item->queue_id);
		json_number(&listing.object, "arrival_time", item->arrival);
		json_number(&listing.object, "message_size", (int64_t)item->size);
		json_number(&listing.object, "next_attempt", item->next);
		json_string(&listing.object, "sender", item->sender);
		json_array(&listing.object, "recipients");
	} else {
		snprintf(id, sizeof(id), "%.*s%s", VIEW_ARG(item->queue_id),
			 item->state == QUEUE_STATE_ACTIVE ? "*"
			 : item->state == QUEUE_STATE_HOLD ? "!"
							   : "");
		printf("%-*s %8llu %*s  ", ID_WIDTH + 1, id, (unsigned long long)item->size,
		       TIME_WIDTH, time_text(item->arrival));
		print_clean(item->sender.len > 0 ? item->sender : VIEW("MAILER-DAEMON"));
		putchar('\n');
	}
}

static void list_show_recipient(const struct msg_queue_item_rcpt *rcpt)
{
	if (listing.json) {
		json_object(&listing.object, NULL);
		json_string(&listing.object, "address", rcpt->address);
		if (rcpt->reason.len > 0)
			json_string(&listing.object, "delay_reason", rcpt->reason);
		json_end(&listing.object);
	} else {
		if (rcpt->reason.len > 0) {
			printf("%*s(", MAX(0, ID_WIDTH + 32 - (int)MIN(rcpt->reason.len, 1000u)),
			       "");
			print_clean(rcpt->reason);
			puts(")");
		}
		printf("%*s", ID_WIDTH + 33, "");
		print_clean(rcpt->address);
		putchar('\n');
	}
}

static void show_total(void)
{
	end_item();
	if (listing.json)
		return;
	if (listing.messages == 0)
		puts("Mail queue is empty");
	else
		printf("-- %llu Kbytes in %llu Request%s.\n",
		       (unsigned long long)(listing.bytes + 1023) / 1024,
		       (unsigned long long)listing.messages, listing.messages == 1 ? "" : "s");
}

int queue_list(struct ipc *ipc, const char *id, bool as_json)
{
	struct message m;
	int r = ipc_send(ipc, queue_list, .queue_id = view_of(id));

	setvbuf(stdout, NULL, _IOFBF, OUTPUT_BUFFER);
	listing.json = as_json;
	listing.messages = listing.bytes = 0;
	listing.in_item = false;
	while (r == 0 && (r = ipc_receive(ipc, &m)) == 0) {
		if (m.type == MSG_queue_item) {
			show_item(&m.queue_item);
		} else if (m.type == MSG_queue_item_rcpt && listing.in_item) {
			list_show_recipient(&m.queue_item_rcpt);
		} else if (m.type == MSG_done) {
			if (id != NULL && listing.messages == 0)
				return tool_fail("queue", "%s: there is no such message", id);
			show_total();
			return TOOL_DONE;
		} else {
			break;
		}
	}
	end_item();
	return queue_failure(r, &m);
}
