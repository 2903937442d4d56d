/*
 * Listing: messages of which there is no summary are read in worker threads, a page of them at a time
 * and some pages at once, so that neither a long queue nor a cold cache keeps deliveries waiting. The
 * pages are sent in turn.
 */
#include <errno.h>

#include "base/mem.h"
#include "control.h"

#define PAGE_MESSAGES 256
#define PAGE_BYTES    ((size_t)64 * 1024) /* packed; what is longer goes in several parts */
#define PAGES_AT_ONCE 4

struct listing {
	struct ipc *ipc;
	const struct message_id *ids;
	size_t count, next; /* of the ids */
	size_t pages, turn; /* pages taken, and those of them that were sent */
	size_t tasks;
	int result;
	struct waitlist progress;
};

struct page {
	size_t number;
	struct {
		const struct message_id *id;
		struct queue_place place;
		uint8_t state;
		size_t packed; /* so much of `summaries`; 0: the file is to be read */
	} messages[PAGE_MESSAGES];
	size_t count, next;
	struct str summaries;
	size_t summaries_used;
	struct queue_file *file; /* whose recipients are being read, or NULL */
	struct queue_cursor cursor;
	struct str address, bytes;
};

/* ---- in worker threads ---- */

/* One recipient. Behind the last the file is closed. */
static int pack_recipient(struct page *page)
{
	struct queue_reason reason = { 0 };
	struct queue_recipient r;

	if (queue_file_next_recipient(page->file, &page->cursor, &r) <= 0) {
		queue_file_close(TAKE(page->file));
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

static int pack_message(struct page *page, size_t which)
{
	size_t packed = page->messages[which].packed;

	if (packed > 0) {
		str_append(&page->bytes,
			   view_make(page->summaries.data + page->summaries_used, packed));
		page->summaries_used += packed;
		return 0;
	}
	struct view id = view_of(page->messages[which].id->text);
	const struct queue_place *place = &page->messages[which].place;
	struct queue_file *f;
	int r = queue_file_open(qmgr.queue, id, place, 0, &f, NULL);

	/* It has got a file of its own meanwhile. */
	if (r == -ENOENT && place->segment != 0)
		r = queue_file_open(qmgr.queue, id, &QUEUE_OWN_FILE, 0, &f, NULL);
	if (r < 0)
		return 0; /* gone, or as good as that */
	const struct queue_envelope *e = queue_file_envelope(f);

	page->file = f;
	page->cursor = (struct queue_cursor){ 0 };
	return ipc_pack(&page->bytes, queue_item, .queue_id = id,
			.state = page->messages[which].state, .size = queue_file_content_size(f),
			.arrival = e->arrival / 1000000, .next = queue_file_next_attempt(f),
			.sender = e->sender);
}

static bool is_at_end(const struct page *page)
{
	return page->file == NULL && page->next == page->count;
}

/* The next part of the page. */
static int read_page(void *argument)
{
	struct page *page = argument;
	int r = 0;

	str_clear(&page->bytes);
	while (r == 0 && page->bytes.len < PAGE_BYTES && !is_at_end(page))
		r = page->file != NULL ? pack_recipient(page) : pack_message(page, page->next++);
	return r;
}

/* ---- in tasks ---- */

static uint8_t state_of(const struct mail *m)
{
	switch (m->state) {
	case MESSAGE_ACTIVE:
	case MESSAGE_PARKED:
		return QUEUE_STATE_ACTIVE;
	case MESSAGE_HELD:
		return QUEUE_STATE_HOLD;
	default:
		return m->deferred ? QUEUE_STATE_DEFERRED : QUEUE_STATE_INCOMING;
	}
}

/* False: none is left, or it has failed. */
static bool take_page(struct listing *l, struct page *page)
{
	if (l->next == l->count || l->result != 0)
		return false;
	page->count = page->next = 0;
	page->summaries_used = 0;
	str_clear(&page->summaries);
	while (l->next < l->count && page->count < PAGE_MESSAGES) {
		const struct message_id *id = &l->ids[l->next++];
		const struct mail *m = message_find(view_of(id->text));

		if (m == NULL || m->state == MESSAGE_REMOVING)
			continue;
		size_t before = page->summaries.len;

		l->result = summary_pack(m, state_of(m), &page->summaries);
		if (l->result < 0)
			return false;
		page->messages[page->count].id = id;
		page->messages[page->count].place = m->place;
		page->messages[page->count].state = state_of(m);
		page->messages[page->count].packed = page->summaries.len - before;
		page->count++;
	}
	page->number = l->pages++;
	return true;
}

static void send_pages(void *argument)
{
	struct listing *l = argument;
	struct page *page = mem_new(struct page);

	while (take_page(l, page)) {
		do {
			int r = task_blocking(read_page, page);

			while (l->turn != page->number)
				wait_on(&l->progress, MSEC_FOREVER);
			if (r == 0 && l->result == 0)
				r = ipc_send_bytes(l->ipc, str_view(&page->bytes));
			if (r < 0)
				l->result = r;
		} while (l->result == 0 && !is_at_end(page));
		l->turn++;
		wake_all(&l->progress);
	}
	queue_file_close(page->file);
	str_free(&page->summaries);
	str_free(&page->address);
	str_free(&page->bytes);
	free(page);
	l->tasks--;
	wake_all(&l->progress);
}

int list_messages(struct ipc *ipc, const struct message_id *ids, size_t count)
{
	struct listing *l = mem_new(struct listing); /* on the heap: the tasks use it */
	int r;

	*l = (struct listing){ .ipc = ipc, .ids = ids, .count = count };
	WAITLIST_INIT(&l->progress);
	for (; l->tasks < PAGES_AT_ONCE; l->tasks++)
		task_spawn("a listing", send_pages, l);
	while (l->tasks > 0)
		wait_on(&l->progress, MSEC_FOREVER);
	r = l->result;
	free(l);
	return r;
}
