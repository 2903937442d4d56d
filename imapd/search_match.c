/* Does a message match? */
#include "search.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/encode.h"
#include "conf/conf.h"
#include "mail/date.h"

#define DAY (24 * 60 * 60)

enum search_cost search_cost(enum search_kind kind)
{
	if (kind >= SEARCH_BODY)
		return COST_CONTENT;
	if (kind >= SEARCH_SENTBEFORE)
		return COST_HEADER;
	return kind >= SEARCH_LARGER ? COST_INDEX : COST_NONE;
}

/* ---- once, before the first message ---- */

/* The name is to be read; too many different ones: all are. */
static void need_name(struct search *search, struct view name, bool *too_many)
{
	for (size_t i = 0; i < search->name_count; i++)
		if (view_eq_nocase(search->names[i], name))
			return;
	if (search->name_count == SEARCH_NAMES_MAX)
		*too_many = true;
	else
		search->names[search->name_count++] = name;
}

static void need_strings(struct search *search, enum search_kind kind)
{
	for (size_t i = 0; i < search->count; i++) {
		if (search->keys[i].kind != kind)
			continue;
		search->needles[search->needle_count] = str_view(&search->keys[i].text);
		search->needle_keys[search->needle_count++] = i;
	}
}

static void search_resolve_set(struct search_key *key, const struct imap_session *s)
{
	uint32_t count = mailbox_count(s->mailbox);

	imap_set_free(&key->resolved);
	if (key->set.saved) {
		imap_set_take_saved(s, &key->resolved);
		return;
	}
	imap_set_copy(&key->set, &key->resolved);
	if (key->kind == SEARCH_UID)
		count = count > 0 ? mailbox_uid(s->mailbox, count) : 0;
	imap_set_resolve(&key->resolved, count);
}

/* What is to be found of it: sequence numbers, or UIDs. */
static bool key_has_uids(const struct search_key *key)
{
	return key->kind == SEARCH_UID || key->set.saved;
}

void search_freeze(struct search *search, const struct imap_session *s)
{
	uint32_t count = mailbox_count(s->mailbox);

	for (size_t i = 0; i < search->count; i++) {
		struct search_key *key = &search->keys[i];
		struct imap_set *set = &key->resolved;
		size_t kept = 0;

		if (key->kind != SEARCH_UID && key->kind != SEARCH_SET)
			continue;
		for (size_t k = 0; !key_has_uids(key) && k < set->count; k++) {
			uint32_t first = MAX(set->ranges[k].first, 1U);
			uint32_t last = MIN(set->ranges[k].last, count);

			if (first <= last)
				set->ranges[kept++] =
					(struct imap_range){ mailbox_uid(s->mailbox, first),
							     mailbox_uid(s->mailbox, last) };
		}
		if (!key_has_uids(key))
			set->count = kept;
		imap_set_free(&key->set);
		imap_set_copy(set, &key->set);
		key->kind = SEARCH_UID;
	}
	search->has_numbers = search->has_saved = false;
}

void search_prepare(struct search *search, const struct imap_session *s)
{
	bool too_many = false;

	search->now = clock_wall();
	free(search->truth);
	free(search->needles);
	free(search->needle_keys);
	search->name_count = search->needle_count = 0;
	search->truth = mem_new_array(signed char, search->count);
	search->needles = mem_new_array(struct view, search->count);
	search->needle_keys = mem_new_array(size_t, search->count);
	for (size_t i = 0; i < search->count; i++) {
		struct search_key *key = &search->keys[i];

		search->costs[search_cost(key->kind)] = true;
		if (key->kind == SEARCH_SET || key->kind == SEARCH_UID)
			search_resolve_set(key, s);
		else if (key->kind == SEARCH_KEYWORD)
			key->bits = mailbox_keyword_mask(s->mailbox, key->name);
		else if (search_cost(key->kind) == COST_HEADER)
			need_name(search, key->name, &too_many);
	}
	if (too_many)
		search->name_count = 0;
	need_strings(search, SEARCH_TEXT);
	search->text_count = search->needle_count;
	need_strings(search, SEARCH_BODY);
	search->costs[COST_FILTER] = search->costs[COST_CONTENT] && param.mailbox_search_index;
	search->wants_filter = false;
}

/* ---- the program ---- */

int search_evaluate(const struct search *search)
{
	signed char stack[SEARCH_DEPTH_MAX + 2];
	size_t depth = 0;

	for (size_t i = 0; i < search->count; i++) {
		signed char a, b;

		switch (search->keys[i].kind) {
		case SEARCH_NOT:
			a = stack[depth - 1];
			stack[depth - 1] = a < 0 ? a : !a;
			break;
		case SEARCH_AND:
			b = stack[--depth];
			a = stack[depth - 1];
			stack[depth - 1] = a == 0 || b == 0 ? 0 : MIN(a, b);
			break;
		case SEARCH_OR:
			b = stack[--depth];
			a = stack[depth - 1];
			stack[depth - 1] = a == 1 || b == 1 ? 1 : MIN(a, b);
			break;
		default:
			stack[depth++] = search->truth[i];
		}
	}
	return stack[0];
}

/* ---- cheap keys ---- */

static bool match_in_memory(const struct mailbox *mailbox, uint32_t seq,
			    const struct search_key *key)
{
	switch (key->kind) {
	case SEARCH_FLAGS:
		return (mailbox_flags(mailbox, seq) & key->mask) == key->want;
	case SEARCH_KEYWORD:
		return ((mailbox_keywords(mailbox, seq) & key->bits) != 0) == (key->want != 0);
	case SEARCH_SET:
	case SEARCH_UID:
		return imap_set_contains(&key->resolved,
					 key_has_uids(key) ? mailbox_uid(mailbox, seq) : seq);
	case SEARCH_MODSEQ:
		return mailbox_modseq(mailbox, seq) >= key->number;
	default:
		return true;
	}
}

/* Rounded down, before 1970 too. */
static int64_t day_of(int64_t time)
{
	return time >= 0 ? time / DAY : -((-time + DAY - 1) / DAY);
}

static bool compare_day(enum search_kind kind, int64_t day, uint64_t asked)
{
	if (kind == SEARCH_BEFORE || kind == SEARCH_SENTBEFORE || kind == SEARCH_SAVEDBEFORE)
		return day < (int64_t)asked;
	if (kind == SEARCH_ON || kind == SEARCH_SENTON || kind == SEARCH_SAVEDON)
		return day == (int64_t)asked;
	return day >= (int64_t)asked;
}

/* "m" and the id in hexadecimal: the key is folded. */
static bool is_email_id(const struct message_info *info, struct view text)
{
	_cleanup_(str_free) struct str id = STR_EMPTY;

	str_append_byte(&id, 'm');
	hex_encode(&id, view_make(info->id, sizeof(info->id)));
	return view_eq_nocase(str_view(&id), text);
}

static bool match_info(const struct search *search, const struct message_info *info,
		       const struct search_key *key)
{
	switch (key->kind) {
	case SEARCH_LARGER:
		return info->size > key->number;
	case SEARCH_SMALLER:
		return info->size < key->number;
	case SEARCH_OLDER:
		return info->internal_date <= search->now - (int64_t)key->number;
	case SEARCH_NONE:
		return false;
	case SEARCH_EMAILID:
		return is_email_id(info, str_view(&key->text));
	case SEARCH_SAVEDATESUPPORTED:
		return info->saved_date > 0;
	case SEARCH_SAVEDBEFORE:
	case SEARCH_SAVEDON:
	case SEARCH_SAVEDSINCE:
		/* RFC 8514 4.3: where it is not known, the other date stands for it. */
		return compare_day(
			key->kind,
			day_of(info->saved_date > 0 ? info->saved_date : info->internal_date),
			key->number);
	case SEARCH_YOUNGER:
		return info->internal_date >= search->now - (int64_t)key->number;
	default:
		return compare_day(key->kind, day_of(info->internal_date), key->number);
	}
}

/* ---- header ---- */

static bool match_date(const struct search_key *key, struct view body)
{
	int64_t time;
	int zone;

	/* The day as the sender wrote it, whatever its zone (RFC 3501 6.4.4). */
	return date_parse_rfc5322(body, &time, &zone) == 0 &&
	       compare_day(key->kind, day_of(time + zone * 60), key->number);
}

/* What a field says, folded, in one of two ways: made when the first key asks for it. */
static struct view field_text(struct search *search, const struct header_field *field,
			      bool addresses)
{
	struct str *folded = &search->folded[addresses];

	if (folded->len > 0)
		return str_view(folded);
	str_clear(&search->decoded);
	if (addresses)
		text_decode_addresses(&search->decoded, field->body);
	else
		text_decode_header(&search->decoded, field->body);
	text_fold(folded, str_view(&search->decoded));
	return str_view(folded);
}

/* One field for all keys that ask for it. */
static void match_field(struct search *search, const struct header_field *field)
{
	str_clear(&search->folded[false]);
	str_clear(&search->folded[true]);
	for (size_t i = 0; i < search->count; i++) {
		struct search_key *key = &search->keys[i];
		struct view text;

		if (search_cost(key->kind) != COST_HEADER || search->truth[i] == 1 ||
		    !view_eq_nocase(key->name, field->name))
			continue;
		if (key->kind != SEARCH_HEADER && key->kind != SEARCH_ADDRESS) {
			search->truth[i] = match_date(key, field->body);
			continue;
		}
		text = field_text(search, field, key->kind == SEARCH_ADDRESS);
		search->truth[i] = key->text.len == 0 ||
				   view_find(text, str_view(&key->text)) != VIEW_NOT_FOUND;
	}
}

static void match_header(struct imap_session *s, struct search *search, uint32_t seq)
{
	struct header_field field;
	struct view rest;

	str_clear(&search->header);
	if (mailbox_header(s->mailbox, seq, search->names, search->name_count, &search->header) < 0)
		return;
	rest = str_view(&search->header);
	while (header_next(&rest, &field) > 0)
		match_field(search, &field);
}

/* ---- what the text cannot have ---- */

static bool match_filter(void *argument, struct view record)
{
	struct search *search = argument;

	if (!text_filter_is_valid(record))
		return false;
	for (size_t i = 0; i < search->needle_count; i++)
		if (!text_filter_ask(record, search->needles[i]))
			search->truth[search->needle_keys[i]] = 0;
	return true;
}

/* ---- one message ---- */

/* Keys of this cost get their values, false where nothing can be read. */
static void match_cost(struct imap_session *s, struct search *search, uint32_t seq,
		       enum search_cost cost)
{
	struct message_info info;

	if (cost == COST_FILTER) {
		search->wants_filter =
			mailbox_ask_text_filter(s->mailbox, seq, match_filter, search) <= 0;
		return;
	}

	bool readable = cost == COST_INDEX && mailbox_info(s->mailbox, seq, &info) == 0;

	for (size_t i = 0; i < search->count; i++) {
		const struct search_key *key = &search->keys[i];

		if (search_cost(key->kind) != cost)
			continue;
		search->truth[i] = 0;
		if (cost == COST_NONE)
			search->truth[i] = match_in_memory(s->mailbox, seq, key);
		else if (readable)
			search->truth[i] = match_info(search, &info, key);
	}
	if (cost == COST_HEADER)
		match_header(s, search, seq);
	else if (cost == COST_CONTENT)
		search_match_content(s, search, seq);
}

bool search_matches(struct imap_session *s, struct search *search, uint32_t seq)
{
	int value = -1;

	memset(search->truth, -1, search->count);
	for (int cost = COST_NONE; cost < COST_COUNT && value < 0; cost++) {
		if (!search->costs[cost])
			continue;
		match_cost(s, search, seq, (enum search_cost)cost);
		value = search_evaluate(search);
	}
	return value == 1;
}
