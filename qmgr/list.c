/*
 * Listing, a page at a time: a page is made when somebody who can take it asks for it, so that what
 * is not read costs nothing here. Messages of which there is no summary are read in a worker thread,
 * so that neither a long queue nor a cold cache keeps deliveries waiting.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "control.h"

#define PAGE_MESSAGES 256
/* Packed; one more record may come on top. */
#define PAGE_BYTES    (IPC_FRAME_MAX - 2 * (IPC_ADDRESS_MAX + IPC_TEXT_MAX))
#define PAGES_AT_ONCE 4
/*
 * A new listing begins with an order made for it, so that what was accepted before it is in it; only
 * where many messages make that take long may it begin with one that is so many times as old.
 */
#define ORDER_AGE 10

/* The ids of all messages, the oldest first; shared by all listings. */
static struct {
	struct queue_id *ids;
	size_t count;
	msec_t fresh_until;
	bool sorting;
	size_t pages; /* being made */
	struct waitlist changed;
} order = { .changed = WAITLIST_START(order.changed) };

struct page {
	struct {
		struct queue_id id;
		struct queue_place place;
		uint8_t state;
		size_t packed; /* so much of `summaries`; 0: the file is to be read */
	} messages[PAGE_MESSAGES];
	size_t count, next;
	struct str summaries;
	size_t summaries_used;
	struct queue_file *file; /* whose recipients are being read, or NULL */
	struct queue_cursor cursor;
	bool continued; /* the first message: its head was in the page before */
	struct str address, bytes;
};

/* ---- in worker threads ---- */

/* One recipient. After the last the file is closed. */
static int pack_recipient(struct page *page)
{
	struct queue_reason reason = { 0 };
	struct queue_recipient r;

	if (queue_file_next_recipient(page->file, &page->cursor, &r) <= 0) {
		queue_file_close(TAKE(page->file));
		page->next++;
		return 0;
	}
	if (!queue_recipient_is_unfinished(&r))
		return 0;
	/* Looking up the reason ends the recipient's views. */
	str_set(&page->address, r.address);
	if (r.reason != 0)
		queue_file_reason(page->file, r.reason, &reason);
	return ipc_pack(&page->bytes, queue_item_rcpt, .address = str_view(&page->address),
			.reason = reason.diagnostic);
}

static int open_message_file(const struct queue_id *id, const struct queue_place *place,
			     struct queue_file **file)
{
	struct view name = view_of(id->text);
	int r = queue_file_open(qmgr.queue, name, place, 0, file, NULL);

	/* It has got a file of its own meanwhile. */
	if (r == -ENOENT && place->segment != 0)
		r = queue_file_open(qmgr.queue, name, &QUEUE_OWN_FILE, 0, file, NULL);
	return r;
}

/* The message, and then its recipients from the page's cursor on. */
static int pack_message(struct page *page)
{
	const size_t which = page->next;
	size_t packed = page->messages[which].packed;
	struct queue_file *f;

	if (packed > 0) {
		str_append(&page->bytes,
			   view_make(page->summaries.data + page->summaries_used, packed));
		page->summaries_used += packed;
		page->next++;
		return 0;
	}
	if (open_message_file(&page->messages[which].id, &page->messages[which].place, &f) < 0) {
		page->next++; /* gone, or as good as that */
		return 0;
	}
	const struct queue_envelope *e = queue_file_envelope(f);

	page->file = f;
	if (!queue_file_has_cursor(f, &page->cursor))
		return -EBADMSG;
	if (page->continued && which == 0)
		return 0;
	return ipc_pack(&page->bytes, queue_item, .queue_id = view_of(queue_file_id(f)),
			.state = page->messages[which].state, .size = queue_file_content_size(f),
			.arrival = e->arrival / 1000000, .next = queue_file_next_attempt(f),
			.expired = (queue_file_flags(f) & QUEUE_FLAG_EXPIRED) != 0,
			.sender = e->sender);
}

static int read_page(void *argument)
{
	struct page *page = argument;
	int r = 0;

	while (r == 0 && page->bytes.len < PAGE_BYTES && page->next < page->count) {
		r = page->file != NULL ? pack_recipient(page) : pack_message(page);
		if (page->file == NULL)
			page->cursor = (struct queue_cursor){ 0 };
	}
	return r;
}

static int compare_message_ids(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int sort_order(void *unused)
{
	(void)unused;
	qsort(order.ids, order.count, sizeof(*order.ids), compare_message_ids);
	return 0;
}

/* ---- the order ---- */

static void order_make(void)
{
	msec_t began = clock_now();

	while (order.sorting)
		wait_on(&order.changed, MSEC_FOREVER);
	if (order.ids != NULL && clock_now() < order.fresh_until)
		return;
	order.sorting = true;
	free(order.ids);
	order.ids = message_ids(&order.count);
	if (order.count > 1)
		task_blocking(sort_order, NULL);
	order.sorting = false;
	order.fresh_until = clock_after(ORDER_AGE * (clock_now() - began));
	wake_all(&order.changed);
}

/* The first that is not before `id`; or, `beyond`, that is after it. */
static size_t order_find(struct view id, bool beyond)
{
	size_t low = 0, high = order.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = view_compare(view_of(order.ids[middle].text), id);

		if (c < 0 || (c == 0 && beyond))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- in tasks ---- */

static int page_take_message(struct page *page, const struct queued *m)
{
	size_t before = page->summaries.len;
	int r = summary_pack(m, message_queue_state(m), &page->summaries);

	memcpy(page->messages[page->count].id.text, m->id, sizeof(m->id));
	page->messages[page->count].place = m->place;
	page->messages[page->count].state = message_queue_state(m);
	page->messages[page->count].packed = page->summaries.len - before;
	page->count++;
	return r;
}

/* Which messages the page is about. Nothing here waits. */
static int page_take(struct page *page, const struct msg_queue_page *request)
{
	int r = 0;

	if (request->queue_id.len > 0) {
		const struct queued *m = scan_find(request->queue_id);

		r = m != NULL ? page_take_message(page, m) : 0;
	} else {
		for (size_t i = order_find(request->after, !request->within);
		     r == 0 && i < order.count && page->count < PAGE_MESSAGES; i++) {
			const struct queued *m = message_find(view_of(order.ids[i].text));

			if (m != NULL && m->state != MESSAGE_REMOVING)
				r = page_take_message(page, m);
		}
	}
	/* If it is gone, or has a summary now, all of it was told or the next one begins. */
	if (request->within && page->count > 0 && page->messages[0].packed == 0 &&
	    view_eq(view_of(page->messages[0].id.text), request->after)) {
		page->continued = true;
		page->cursor =
			(struct queue_cursor){ .offset = request->offset, .index = request->index };
	}
	return r;
}

static int page_send(struct ipc *ipc, const struct page *page, bool one)
{
	bool within = page->file != NULL;
	bool more = page->next < page->count || (!one && page->count == PAGE_MESSAGES);
	size_t last = within ? page->next : page->next - 1;
	const char *missing = more || (one && page->count > 0) ? NULL : scan_what_is_missing();

	return ipc_send(ipc, queue_listed, .bytes = str_view(&page->bytes), .more = more,
			.after = page->count > 0 && more ? view_of(page->messages[last].id.text)
							 : VIEW_NONE,
			.within = within, .offset = within ? page->cursor.offset : 0,
			.index = within ? page->cursor.index : 0,
			/* 451: ask again soon; that does not help while some are left on disk. */
			.code = missing == NULL	  ? 250
				: scan_is_first() ? 451
						  : 450,
			.missing = view_of(missing));
}

static void page_free(struct page *page)
{
	queue_file_close(page->file);
	str_free(&page->summaries);
	str_free(&page->address);
	str_free(&page->bytes);
	free(page);
}

int list_page(struct ipc *ipc, const struct msg_queue_page *request)
{
	struct page *page;
	bool one = request->queue_id.len > 0;
	int r;

	while (order.pages >= PAGES_AT_ONCE)
		wait_on(&order.changed, MSEC_FOREVER);
	order.pages++;
	if (!one && (request->after.len == 0 || order.ids == NULL))
		order_make();
	while (order.sorting)
		wait_on(&order.changed, MSEC_FOREVER);
	page = mem_new(struct page);
	r = page_take(page, request);
	if (r == 0)
		r = task_blocking(read_page, page);
	if (r == 0)
		r = page_send(ipc, page, one);
	page_free(page);
	order.pages--;
	wake_all(&order.changed);
	return r;
}
