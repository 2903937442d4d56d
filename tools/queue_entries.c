/*
 * Reading what waits. Everything that comes is kept for one message at a time, so that filters can
 * look at all of it before anything is printed.
 */
#include "tools/queue_entries.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "queue/maildrop.h"
#include "tools/instance.h"
#include "tools/queue_failure.h"
#include "tools/tool.h"

#define CONNECT_TIME ((msec_t)5000)
#define ANSWER_TIME  ((msec_t)600000)

struct entry_reader {
	int (*each)(void *argument, const struct queue_entry *entry);
	void *argument;
	struct queue_entry entry;
	bool has_entry;
	size_t told;
	int stopped; /* what `each` said */
};

const char *queue_entry_state_name(const struct queue_entry *e)
{
	static const char *const names[] = { "incoming", "active", "deferred", "hold" };

	if (e->in_maildrop)
		return "maildrop";
	return names[e->state <= QUEUE_STATE_HOLD ? e->state : QUEUE_STATE_DEFERRED];
}

static void entry_end(struct entry_reader *reader)
{
	if (reader->has_entry && reader->stopped == 0) {
		reader->stopped = reader->each(reader->argument, &reader->entry);
		reader->told++;
	}
	reader->has_entry = false;
	reader->entry.count = 0;
	str_clear(&reader->entry.text);
	str_clear(&reader->entry.sender);
}

static void entry_begin(struct entry_reader *reader, const struct msg_queue_item *item)
{
	struct queue_entry *e = &reader->entry;

	entry_end(reader);
	reader->has_entry = true;
	e->in_maildrop = false;
	queue_id_copy(e->id, item->queue_id);
	e->state = item->state;
	e->expired = item->expired;
	e->size = item->size;
	e->arrival = item->arrival;
	e->next = item->next;
	str_append(&e->sender, item->sender);
}

static void queue_entry_add(struct entry_reader *reader, struct view address, struct view reason)
{
	struct queue_entry *e = &reader->entry;

	if (!reader->has_entry)
		return;
	if (e->count == e->allocated) {
		e->allocated = e->allocated > 0 ? 2 * e->allocated : 16;
		e->recipients = mem_resize(e->recipients, e->allocated, sizeof(*e->recipients));
	}
	e->recipients[e->count++] = (struct queue_entry_recipient){
		.address = e->text.len,
		.address_size = address.len,
		.reason = e->text.len + address.len,
		.reason_size = reason.len,
	};
	str_append(&e->text, address);
	str_append(&e->text, reason);
}

static void entry_reader_free(struct entry_reader *reader)
{
	str_free(&reader->entry.sender);
	str_free(&reader->entry.text);
	free(reader->entry.recipients);
}

/* ---- from showq ---- */

static int entries_from_showq(struct ipc *ipc, const struct queue_source *source,
			      struct entry_reader *reader)
{
	struct message m;
	int r = ipc_send(ipc, queue_list, .queue_id = view_of(source->id));

	while (r == 0 && (r = ipc_receive(ipc, &m)) == 0 && reader->stopped == 0) {
		if (m.type == MSG_queue_item)
			entry_begin(reader, &m.queue_item);
		else if (m.type == MSG_queue_item_rcpt)
			queue_entry_add(reader, m.queue_item_rcpt.address,
					m.queue_item_rcpt.reason);
		else
			break;
	}
	entry_end(reader);
	if (reader->stopped != 0)
		return TOOL_DONE;
	return r == 0 && m.type == MSG_done ? TOOL_DONE : queue_failure(r, &m);
}

/* ---- from the disk ---- */

struct found_on_disk {
	char id[QUEUE_ID_LENGTH_MAX];
	struct queue_place place;
};
struct disk_scan {
	struct found_on_disk *items;
	size_t count, allocated;
};

static int disk_scan_add(void *argument, const char *id, const struct queue_place *place)
{
	struct disk_scan *s = argument;

	if (s->count == s->allocated) {
		s->allocated = s->allocated > 0 ? 2 * s->allocated : 256;
		s->items = mem_resize(s->items, s->allocated, sizeof(*s->items));
	}
	snprintf(s->items[s->count].id, sizeof(s->items[s->count].id), "%s", id);
	s->items[s->count++].place = *place;
	return 0;
}

/* By age; of two with one id the file, which counts if it is whole. */
static int disk_scan_compare(const void *left, const void *right)
{
	const struct found_on_disk *a = left, *b = right;
	int order = strcmp(a->id, b->id);

	return order != 0 ? order : (a->place.segment != 0) - (b->place.segment != 0);
}

static void entry_from_file(struct entry_reader *reader, struct queue_file *f)
{
	const struct queue_envelope *e = queue_file_envelope(f);
	_cleanup_(str_free) struct str address = STR_EMPTY;
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;
	uint32_t flags = queue_file_flags(f);

	entry_begin(reader,
		    &(struct msg_queue_item){ .queue_id = view_of(queue_file_id(f)),
					      .state = flags & QUEUE_FLAG_HOLD ? QUEUE_STATE_HOLD
						       : queue_file_next_attempt(f) != 0
							       ? QUEUE_STATE_DEFERRED
							       : QUEUE_STATE_INCOMING,
					      .expired = (flags & QUEUE_FLAG_EXPIRED) != 0,
					      .size = queue_file_content_size(f),
					      .arrival = e->arrival / 1000000,
					      .next = queue_file_next_attempt(f),
					      .sender = e->sender });
	while (queue_file_next_recipient(f, &cursor, &r) > 0) {
		struct queue_reason reason = { 0 };

		if (!queue_recipient_is_unfinished(&r))
			continue;
		str_set(&address, r.address);
		if (r.reason != 0)
			queue_file_reason(f, r.reason, &reason);
		queue_entry_add(reader, str_view(&address), reason.diagnostic);
	}
	entry_end(reader);
}

static int disk_scan_make(struct queue *queue, struct disk_scan *found)
{
	struct queue_scan scan = {
		.each = disk_scan_add, .argument = found, .busy_too = true, .look_only = true
	};
	int r = queue_scan(queue, &scan);

	if (found->count > 1)
		qsort(found->items, found->count, sizeof(*found->items), disk_scan_compare);
	return r;
}

static int entries_from_disk(const struct queue_source *source, struct entry_reader *reader)
{
	struct disk_scan found = { .items = NULL };
	struct error err = ERROR_NONE;
	struct queue *queue = queue_open(param.queue_directory, &err);
	const char *last = "";

	if (queue == NULL)
		return queue_fail("%s", err.text);
	int r = disk_scan_make(queue, &found);

	for (size_t i = 0; i < found.count && reader->stopped == 0; i++) {
		const struct found_on_disk *item = &found.items[i];
		struct queue_file *f;

		if (strcmp(last, item->id) == 0 ||
		    (source->id != NULL && strcmp(source->id, item->id) != 0) ||
		    queue_file_open(queue, view_of(item->id), &item->place, 0, &f, NULL) < 0)
			continue;
		last = item->id;
		entry_from_file(reader, f);
		queue_file_close(f);
	}
	free(found.items);
	queue_close(queue);
	return r < 0 ? queue_fail("cannot read the whole queue: %s", strerror(-r)) : TOOL_DONE;
}

int queue_entry_open(const char *id, struct queue **queue, struct queue_file **file,
		     struct error *err)
{
	struct disk_scan found = { .items = NULL };
	int r;

	*queue = queue_open(param.queue_directory, err);
	if (*queue == NULL)
		return -EACCES;
	r = disk_scan_make(*queue, &found);
	r = r < 0 ? r : -ENOENT;
	for (size_t i = 0; i < found.count && r < 0; i++)
		if (strcmp(found.items[i].id, id) == 0)
			r = queue_file_open(*queue, view_of(id), &found.items[i].place, 0, file,
					    err);
	free(found.items);
	if (r < 0)
		queue_close(TAKE(*queue));
	return r;
}

/* ---- from the maildrop ---- */

/* Anybody may have put anything there: what is no message is passed over, as cleanup does. */
static void entry_from_maildrop(struct entry_reader *reader, FILE *file, const char *name,
				const struct stat *st)
{
	_cleanup_(maildrop_head_free) struct maildrop_head head = { 0 };
	_cleanup_free_ char *line = mem_new_bytes(MAILDROP_LINE_MAX);
	enum maildrop_line kind = MAILDROP_MAIL;
	struct view rcpt;

	while (kind < MAILDROP_CONTENT && fgets(line, MAILDROP_LINE_MAX, file) != NULL) {
		struct view text = view_of(line);
		bool first = !head.has_rcpt;

		kind = view_ends(text, VIEW("\n"))
			       ? maildrop_head_take(&head, view_first(text, text.len - 1), &rcpt)
			       : MAILDROP_BAD;
		if (kind != MAILDROP_RCPT)
			continue;
		if (first) {
			entry_begin(reader,
				    &(struct msg_queue_item){ .queue_id = VIEW(""),
							      .state = QUEUE_STATE_INCOMING,
							      .size = (uint64_t)st->st_size,
							      .arrival = st->st_mtime,
							      .sender = str_view(&head.sender) });
			reader->entry.in_maildrop = true;
			snprintf(reader->entry.id, sizeof(reader->entry.id), "%.*s",
				 QUEUE_ID_LENGTH_MAX - 1, name);
		}
		queue_entry_add(reader, rcpt, VIEW_NONE);
	}
	entry_end(reader);
}

static void entries_from_maildrop(struct entry_reader *reader)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	const struct dirent *entry;
	DIR *folder;

	str_printf(&path, "%s/%s", param.queue_directory, MAILDROP_FOLDER);
	folder = opendir(str_cstr(&path));
	while (folder != NULL && reader->stopped == 0 && (entry = readdir(folder)) != NULL) {
		int fd = openat(dirfd(folder), entry->d_name,
				O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		FILE *file = io_stream(fd, "r");
		struct stat st;

		/* Without the group's right it is still being written. */
		if (file != NULL && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		    (st.st_mode & S_IRGRP) != 0)
			entry_from_maildrop(reader, file, entry->d_name, &st);
		if (file != NULL)
			fclose(file);
	}
	if (folder != NULL)
		closedir(folder);
}

/* ---- all of them ---- */

struct ipc *queue_connect(const char *const *services)
{
	msec_t deadline = instance_is_down() ? clock_now() : clock_after(CONNECT_TIME);
	struct ipc *ipc = NULL;

	for (; ipc == NULL && *services != NULL; services++) {
		ipc = ipc_connect(*services, deadline);
		if (ipc == NULL && errno != EACCES)
			break;
	}
	if (ipc != NULL)
		ipc_set_timeout(ipc, ANSWER_TIME);
	return ipc;
}

static int entries_while_down(const struct queue_source *source, struct entry_reader *reader)
{
	int reason = errno;
	bool may_look = access(param.queue_directory, W_OK) == 0;

	if (!may_look) {
		queue_warn("Queue report unavailable - mail system is down (Connect to the "
			   "Posta showq service: %s)",
			   strerror(reason));
		return source->down_status;
	}
	queue_warn("Mail system is down -- accessing queue directly (Connect to the Posta showq "
		   "service: %s)",
		   strerror(reason));
	return entries_from_disk(source, reader);
}

int queue_entries(const struct queue_source *source,
		  int (*each)(void *argument, const struct queue_entry *entry), void *argument)
{
	struct entry_reader reader = { .each = each, .argument = argument };
	static const char *const showq[] = { "public/showq", NULL };
	_cleanup_(ipc_freep) struct ipc *ipc = queue_connect(showq);
	int status;

	queue_failure_be_quiet(source->quiet);

	if (ipc == NULL)
		status = entries_while_down(source, &reader);
	else
		status = entries_from_showq(ipc, source, &reader);
	if (source->id == NULL && reader.stopped == 0)
		entries_from_maildrop(&reader);
	if (status == TOOL_DONE && source->id != NULL && reader.told == 0)
		status = queue_fail("%s: there is no such message", source->id);
	entry_reader_free(&reader);
	queue_failure_be_quiet(false);
	return status;
}
