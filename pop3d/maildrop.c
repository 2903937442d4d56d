/*
 * A mailbox as POP3 sees it: a snapshot, with deletions that count at QUIT (RFC 1939). The store
 * is not locked meanwhile.
 */
#include <errno.h>
#include <stdio.h>

#include "base/encode.h"
#include "base/mem.h"
#include "session.h"
#include "store/uidl.h"

int maildrop_open(struct store *store, struct maildrop *drop)
{
	int r;

	*drop = (struct maildrop){ 0 };
	r = mailbox_open(store, VIEW("INBOX"), MAILBOX_READ_WRITE, &drop->box);
	if (r < 0)
		return r;
	drop->count = mailbox_count(drop->box);
	drop->sizes = mem_new_array(uint64_t, drop->count + 1);
	drop->deleted = mem_new_array(bool, drop->count + 1);
	drop->seen = mem_new_array(bool, drop->count + 1);
	for (uint32_t i = 0; i < drop->count; i++) {
		struct message_info info;

		r = mailbox_info(drop->box, i + 1, &info);
		/* Gone between the snapshot and now: numbers must not move any more. */
		if (r < 0 && r != -ENOENT)
			return r;
		drop->sizes[i] = r == 0 ? info.size : 0;
		drop->total += drop->sizes[i];
	}
	return 0;
}

void maildrop_close(struct maildrop *drop)
{
	mailbox_close(drop->box);
	free(drop->sizes);
	free(drop->deleted);
	free(drop->seen);
	*drop = (struct maildrop){ 0 };
}

static int maildrop_header_digest(struct maildrop *drop, uint32_t number, struct str *out)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;
	int r = mailbox_header(drop->box, number, NULL, 0, &header);

	if (r == 0)
		header_digest(str_view(&header), out);
	return r;
}

struct uidl_of {
	struct maildrop *drop;
	uint32_t number;
};

/* What a letter of pop3_uidl_format stands for. */
static int maildrop_uidl_field(void *argument, char letter, unsigned long *number, struct str *out)
{
	const struct uidl_of *of = argument;
	struct message_info info;
	int r;

	switch (letter) {
	case 'u':
		*number = mailbox_uid(of->drop->box, of->number);
		return 0;
	case 'v':
		*number = mailbox_uidvalidity(of->drop->box);
		return 0;
	case 'g':
		r = mailbox_info(of->drop->box, of->number, &info);
		if (r == 0)
			hex_encode(out, view_make(info.id, sizeof(info.id)));
		return r == 0 ? 1 : r;
	case 'f':
		r = mailbox_file_name(of->drop->box, of->number, out);
		return r == 0 ? 1 : r;
	case 'm':
		r = maildrop_header_digest(of->drop, of->number, out);
		return r == 0 ? 1 : r;
	default:
		return -EINVAL;
	}
}

int maildrop_uidl(struct maildrop *drop, uint32_t number, const char *format, struct str *out)
{
	struct uidl_of of = { drop, number };
	size_t start = out->len;
	int r;

	/* What clients have heard from the server before this one counts, whatever the format. */
	if (mailbox_saved_uidl(drop->box, number, out) == 0)
		format = "";
	r = uidl_format(out, format, maildrop_uidl_field, &of);
	if (r < 0)
		return r;
	/* Too long for the protocol, or nothing: the id that fits always. */
	if (out->len - start > POP3_UIDL_MAX || out->len == start) {
		str_truncate(out, start);
		str_printf(out, "%08x%08x", mailbox_uid(drop->box, number),
			   mailbox_uidvalidity(drop->box));
	}
	return 0;
}

void maildrop_delete(struct maildrop *drop, uint32_t number)
{
	if (drop->deleted[number - 1])
		return;
	drop->deleted[number - 1] = true;
	drop->deleted_count++;
	drop->deleted_size += drop->sizes[number - 1];
}

void maildrop_reset(struct maildrop *drop)
{
	memset(drop->deleted, 0, drop->count * sizeof(*drop->deleted));
	drop->deleted_count = 0;
	drop->deleted_size = 0;
}

/* The numbers of the messages that have a mark. */
static uint32_t *marked(const struct maildrop *drop, const bool *marks, size_t *count)
{
	uint32_t *numbers = mem_new_array(uint32_t, drop->count + 1);

	*count = 0;
	for (uint32_t i = 0; i < drop->count; i++)
		if (marks[i])
			numbers[(*count)++] = i + 1;
	return numbers;
}

int maildrop_update(struct maildrop *drop)
{
	size_t count;
	_cleanup_free_ uint32_t *numbers = marked(drop, drop->deleted, &count);

	return count > 0 ? mailbox_remove(drop->box, numbers, count) : 0;
}

void maildrop_mark_seen(struct maildrop *drop)
{
	struct flag_change change = { .operation = FLAGS_ADD, .flags = FLAG_SEEN };
	struct flag_result result;
	size_t count;
	_cleanup_free_ uint32_t *numbers = marked(drop, drop->seen, &count);

	/* A flag that cannot be set is not worth a client's failure; it was logged. */
	if (count > 0 && mailbox_change_flags(drop->box, numbers, count, &change, &result) == 0)
		flag_result_free(&result);
}
