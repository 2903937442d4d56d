/*
 * One folder at another server: which messages there are, their flags and contents. Nothing is changed
 * there. What becomes of them here is the caller's matter.
 */
#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "mail/date.h"
#include "tools/remote.h"

#define DATE_LENGTH_MAX	 64
#define KEYWORDS_LENGTH	 8192 /* bytes of a message's keywords */
#define ITEM_LENGTH_MAX	 64
#define SIZES_AT_ONCE	 "(UID RFC822.SIZE)"
#define CONTENTS_AT_ONCE "(UID FLAGS INTERNALDATE BODY.PEEK[])"

/* ---- the folder ---- */

/* [UIDNEXT 4392] Predicted next UID */
static bool remote_code(struct view text, const char *name, uint64_t max, uint64_t *value)
{
	struct view word, number;

	if (!view_starts(text, VIEW("[")))
		return false;
	text = view_from(text, 1);
	return view_next_word(&text, " ", &word) && view_is_nocase(word, name) &&
	       view_next(&text, ']', &number) && view_parse_u64(view_trim(number), max, value) == 0;
}

static int remote_note_box(struct remote *remote, const struct imap_answer *answer, void *argument)
{
	struct remote_mailbox *box = argument;
	struct view text = imap_response_text(remote->in);
	uint64_t value;

	if (answer->has_number && strcmp(answer->name, "EXISTS") == 0)
		box->exists = answer->number;
	if (strcmp(answer->name, "OK") != 0)
		return 0;
	if (remote_code(text, "UIDVALIDITY", UINT32_MAX, &value))
		box->uidvalidity = (uint32_t)value;
	else if (remote_code(text, "UIDNEXT", UINT32_MAX, &value))
		box->uidnext = (uint32_t)value;
	else if (remote_code(text, "HIGHESTMODSEQ", INT64_MAX, &value))
		box->modseq = value;
	return 0;
}

int remote_examine(struct remote *remote, const char *name, struct remote_mailbox *box)
{
	_cleanup_(str_free) struct str quoted = STR_EMPTY;
	int r = remote_quote(&quoted, view_of(name));

	*box = (struct remote_mailbox){ 0 };
	if (r == 0)
		r = remote_send(remote, "EXAMINE %s%s", str_cstr(&quoted),
				remote->capabilities & REMOTE_CONDSTORE ? " (CONDSTORE)" : "");
	return r < 0 ? r : remote_receive(remote, remote_note_box, box);
}

/* ---- FETCH ---- */

struct remote_fetch {
	struct remote_message message;
	const struct remote_taker *taker; /* NULL: contents are passed over */
	bool has_content;
};

static unsigned remote_flag(struct view flag)
{
	static const struct {
		const char *name;
		unsigned flag;
	} flags[] = { { "\\Seen", FLAG_SEEN },
		      { "\\Answered", FLAG_ANSWERED },
		      { "\\Flagged", FLAG_FLAGGED },
		      { "\\Deleted", FLAG_DELETED },
		      { "\\Draft", FLAG_DRAFT } };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (view_is_nocase(flag, flags[i].name))
			return flags[i].flag;
	return 0;
}

static int remote_read_flags(struct remote *remote, struct remote_message *m)
{
	struct view flag;
	int r = imap_response_take(remote->in, '(') ? 0 : -EBADMSG;

	m->has_flags = true;
	while (r == 0 && !imap_response_take(remote->in, ')')) {
		r = imap_response_item(remote->in, &flag);
		if (r < 0 || remote_flag(flag) != 0 || flag.data[0] == '\\') {
			m->flags |= r == 0 ? remote_flag(flag) : 0;
			continue;
		}
		if (!store_keyword_is_valid(flag) || m->keywords.len > KEYWORDS_LENGTH)
			continue; /* none that could be kept */
		str_append(&m->keywords, flag);
		str_append_byte(&m->keywords, ' ');
	}
	return r;
}

static int remote_read_date(struct remote *remote, struct remote_message *m)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int r = imap_response_string(remote->in, DATE_LENGTH_MAX, &text, NULL);

	if (r == 0 && date_parse_imap(str_view(&text), &m->date) < 0)
		m->date = APPEND_NOW;
	return r;
}

static int remote_read_content(struct remote *remote, struct remote_fetch *fetch)
{
	const struct remote_taker *taker = fetch->taker;
	struct view piece;
	bool is_nil;
	int r;

	if (taker == NULL || fetch->has_content)
		return imap_response_skip(remote->in);
	r = imap_response_pieces(remote->in, taker->size_max, &is_nil);
	if (r < 0 || is_nil)
		return r;
	fetch->has_content = true;
	r = taker->begin(taker->argument);
	while (r == 0 && (r = imap_response_piece(remote->in, &piece)) > 0)
		r = taker->piece(taker->argument, piece);
	return r;
}

static int remote_read_item(struct remote *remote, struct remote_fetch *fetch)
{
	struct remote_message *m = &fetch->message;
	struct view item;
	uint64_t number = 0;
	int r = imap_response_item(remote->in, &item);

	if (r < 0)
		return r;
	if (view_is_nocase(item, "FLAGS"))
		return remote_read_flags(remote, m);
	if (view_is_nocase(item, "INTERNALDATE"))
		return remote_read_date(remote, m);
	if (view_is_nocase(item, "BODY[]"))
		return remote_read_content(remote, fetch);
	if (view_is_nocase(item, "UID")) {
		r = imap_response_number(remote->in, UINT32_MAX, &number);
		m->uid = (uint32_t)number;
		return r;
	}
	if (view_is_nocase(item, "RFC822.SIZE"))
		return imap_response_number(remote->in, INT64_MAX, &m->size);
	return imap_response_skip(remote->in);
}

/* 1: it was one, and has a UID; 0: something else. */
static int remote_read_fetch(struct remote *remote, const struct imap_answer *answer,
			     struct remote_fetch *fetch)
{
	int r;

	fetch->message = (struct remote_message){ .date = APPEND_NOW };
	fetch->has_content = false;
	if (strcmp(answer->name, "FETCH") != 0 || !answer->has_number)
		return 0;
	r = imap_response_take(remote->in, '(') ? 0 : -EBADMSG;
	while (r == 0 && !imap_response_take(remote->in, ')'))
		r = remote_read_item(remote, fetch);
	return r < 0 ? r : fetch->message.uid != 0;
}

/* ---- which there are ---- */

struct remote_size_list {
	struct remote_message_size *items;
	size_t count;
	uint32_t from;
};

static int remote_note_size(struct remote *remote, const struct imap_answer *answer, void *argument)
{
	struct remote_size_list *list = argument;
	struct remote_fetch fetch = { .taker = NULL };
	int r = remote_read_fetch(remote, answer, &fetch);

	/* "9:*" has the last message always, whatever its UID is. */
	if (r > 0 && fetch.message.uid >= list->from) {
		if (list->count >= REMOTE_MESSAGES_MAX)
			return -EMSGSIZE;
		array_grow(list->items, list->count);
		list->items[list->count++] =
			(struct remote_message_size){ fetch.message.uid, fetch.message.size };
	}
	str_free(&fetch.message.keywords);
	return MIN(r, 0);
}

static int remote_compare_sizes(const void *a, const void *b)
{
	const struct remote_message_size *first = a, *second = b;

	return first->uid < second->uid ? -1 : first->uid > second->uid;
}

int remote_sizes(struct remote *remote, uint32_t from, struct remote_message_size **messages,
		 size_t *count)
{
	struct remote_size_list list = { .from = from };
	size_t kept = 0;
	int r = remote_send(remote, "UID FETCH %u:* " SIZES_AT_ONCE, from);

	if (r == 0)
		r = remote_receive(remote, remote_note_size, &list);
	if (list.count > 0)
		qsort(list.items, list.count, sizeof(*list.items), remote_compare_sizes);
	for (size_t i = 0; i < list.count; i++)
		if (kept == 0 || list.items[kept - 1].uid != list.items[i].uid)
			list.items[kept++] = list.items[i];
	*messages = list.items;
	*count = kept;
	return r;
}

/* ---- flags ---- */

struct remote_flag_reader {
	remote_flags_each *each;
	void *argument;
	uint32_t to;
};

static int remote_note_flags(struct remote *remote, const struct imap_answer *answer,
			     void *argument)
{
	const struct remote_flag_reader *reader = argument;
	struct remote_fetch fetch = { .taker = NULL };
	int r = remote_read_fetch(remote, answer, &fetch);

	if (r > 0 && fetch.message.has_flags && fetch.message.uid < reader->to)
		r = reader->each(reader->argument, &fetch.message);
	str_free(&fetch.message.keywords);
	return MIN(r, 0);
}

int remote_flags(struct remote *remote, uint32_t to, uint64_t since, remote_flags_each *each,
		 void *argument)
{
	struct remote_flag_reader reader = { each, argument, to };
	char changed[48] = "";
	int r;

	if (to <= 1)
		return 0;
	if (since != 0)
		snprintf(changed, sizeof(changed), " (CHANGEDSINCE %llu)",
			 (unsigned long long)since);
	r = remote_send(remote, "UID FETCH 1:%u (UID FLAGS)%s", to - 1, changed);
	return r < 0 ? r : remote_receive(remote, remote_note_flags, &reader);
}

/* ---- contents ---- */

static int remote_take_content(struct remote *remote, const struct imap_answer *answer,
			       void *argument)
{
	const struct remote_taker *taker = argument;
	struct remote_fetch fetch = { .taker = taker };
	int r = remote_read_fetch(remote, answer, &fetch);

	if (r >= 0 && fetch.has_content)
		r = taker->end(taker->argument, &fetch.message);
	str_free(&fetch.message.keywords);
	return MIN(r, 0);
}

int remote_contents(struct remote *remote, const char *set, const struct remote_taker *taker)
{
	struct remote_taker copy = *taker;
	int r = remote_send(remote, "UID FETCH %s " CONTENTS_AT_ONCE, set);

	return r < 0 ? r : remote_receive(remote, remote_take_content, &copy);
}
