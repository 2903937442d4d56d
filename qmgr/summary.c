/*
 * What `posta queue list` is told of a message that waits, kept in memory so that its file need not
 * be opened. Of most, that is: those with one recipient. Of the others the file is read.
 */
#include "base/mem.h"
#include "base/slab.h"
#include "qmgr.h"

/* Sizes are rounded up to a multiple of this; each has a slab. What is larger is not kept. */
#define SIZE_STEP ((size_t)32)
#define SIZES	  ((size_t)16)

/* Many messages wait for the same reason; it is kept once. */
struct reason {
	size_t users;
	struct view text; /* after it */
};

struct summary {
	int64_t arrival, next; /* seconds */
	uint64_t size;
	struct reason *reason;
	uint16_t sender, address; /* how long they are */
	bool expired;
	char text[];
};

static struct {
	struct slab slabs[SIZES];
	struct map *reasons; /* by their text */
} kept;

void summaries_init(void)
{
	for (size_t i = 0; i < SIZES; i++)
		slab_init(&kept.slabs[i], (i + 1) * SIZE_STEP);
	kept.reasons = map_new();
}

/* Returns where it ends. */
static char *summary_copy(char *to, struct view v)
{
	if (v.len > 0)
		memcpy(to, v.data, v.len);
	return to + v.len;
}

static struct reason *reason_use(struct view text)
{
	struct reason *reason = map_get(kept.reasons, text);

	if (reason == NULL) {
		reason = mem_new_bytes(sizeof(*reason) + text.len);
		reason->text = view_make(reason + 1, text.len);
		summary_copy((char *)(reason + 1), text);
		map_put_borrowed(kept.reasons, reason->text, reason);
	}
	reason->users++;
	return reason;
}

static void reason_leave(struct reason *reason)
{
	if (--reason->users > 0)
		return;
	map_remove(kept.reasons, reason->text);
	free(reason);
}

/* Of a summary with so many bytes of text; NULL: too many. */
static struct slab *slab_for(size_t text)
{
	size_t which = (offsetof(struct summary, text) + text - 1) / SIZE_STEP;

	return which < SIZES ? &kept.slabs[which] : NULL;
}

void summary_drop(struct queued *m)
{
	struct summary *s = TAKE(m->summary);

	if (s == NULL)
		return;
	reason_leave(s->reason);
	slab_free(slab_for((size_t)s->sender + s->address), s);
}

void summary_make(struct queued *m, struct queue_file *file)
{
	const struct queue_envelope *e = queue_file_envelope(file);
	struct queue_cursor cursor = { 0 };
	struct queue_reason reason = { 0 };
	struct queue_recipient r;

	summary_drop(m);
	if (queue_file_recipient_count(file) != 1 ||
	    queue_file_next_recipient(file, &cursor, &r) <= 0 || !queue_recipient_is_unfinished(&r))
		return;
	struct slab *slab = slab_for(e->sender.len + r.address.len);

	if (slab == NULL)
		return;
	struct summary *s = slab_new(slab);

	*s = (struct summary){ .arrival = e->arrival / 1000000,
			       .next = queue_file_next_attempt(file),
			       .size = queue_file_content_size(file),
			       .expired = (queue_file_flags(file) & QUEUE_FLAG_EXPIRED) != 0,
			       .sender = (uint16_t)e->sender.len,
			       .address = (uint16_t)r.address.len };
	summary_copy(summary_copy(s->text, e->sender), r.address);
	/* Looking up the reason ends the recipient's views. */
	if (r.reason != 0)
		queue_file_reason(file, r.reason, &reason);
	s->reason = reason_use(reason.diagnostic);
	m->summary = s;
}

int summary_pack(const struct queued *m, uint8_t state, struct str *bytes)
{
	const struct summary *s = m->summary;

	if (s == NULL)
		return 0;
	int r = ipc_pack(bytes, queue_item, .queue_id = view_of(m->id), .state = state,
			 .size = s->size, .arrival = s->arrival, .next = s->next,
			 .expired = s->expired, .sender = view_make(s->text, s->sender));

	if (r < 0)
		return r;
	return ipc_pack(bytes, queue_item_rcpt,
			.address = view_make(s->text + s->sender, s->address),
			.reason = s->reason->text);
}
