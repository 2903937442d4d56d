/*
 * The index's records and keys as bytes and back. Damaged bytes are an error and never a crash.
 */
#include "store/records.h"

#include <errno.h>

#include "store/names.h"

/* ---- integers in the byte order of this machine: the index never leaves it ---- */

static void record_put(struct str *out, const void *value, size_t len)
{
	str_append(out, view_make(value, len));
}

/* Takes `len` bytes off *rest. */
static bool record_take(struct view *rest, void *value, size_t len)
{
	if (rest->len < len)
		return false;
	memcpy(value, rest->data, len);
	*rest = view_from(*rest, len);
	return true;
}

static bool value_take_text(struct view *rest, struct view *text)
{
	uint32_t len;

	if (!record_take(rest, &len, sizeof(len)) || rest->len < len)
		return false;
	*text = view_first(*rest, len);
	*rest = view_from(*rest, len);
	return true;
}

static void value_put_text(struct str *out, struct view text)
{
	uint32_t len = (uint32_t)text.len;

	record_put(out, &len, sizeof(len));
	str_append(out, text);
}

/* A name of a file from the index becomes a path: it must be one part of it. */
static bool is_file_name(struct view text)
{
	return text.len > 0 && text.len <= FILE_NAME_MAX &&
	       view_find_byte(text, '/') == VIEW_NOT_FOUND &&
	       view_find_byte(text, '\0') == VIEW_NOT_FOUND && !view_is(text, ".") &&
	       !view_is(text, "..");
}

/* ---- folders ---- */

/* The numbers are written as one block, up to the name. */
#define FOLDER_FIXED offsetof(struct folder_record, name)

int folder_record_decode(struct view value, struct folder_record *record)
{
	struct view rest = value;

	*record = (struct folder_record){ 0 };
	if (!record_take(&rest, record, FOLDER_FIXED) || !value_take_text(&rest, &record->name) ||
	    rest.len > 0)
		return -EBADMSG;
	if (store_name_check(record->name, NULL) < 0 || record->uidvalidity == 0 ||
	    record->uidnext == 0)
		return -EBADMSG;
	return 0;
}

void folder_record_encode(struct str *out, const struct folder_record *record)
{
	record_put(out, record, FOLDER_FIXED);
	value_put_text(out, record->name);
}

/* ---- messages ---- */

/* In the byte that says where in its folder a message is. PART_SAVED: when it was saved follows. */
#define PART_COUNTED 0x80
#define PART_SAVED   0x40

int state_record_decode(struct view value, struct state_record *record)
{
	struct view rest = value;

	if (!record_take(&rest, &record->modseq, 8) || !record_take(&rest, &record->keywords, 8) ||
	    !record_take(&rest, &record->flags, 1) || rest.len > 0)
		return -EBADMSG;
	record->flags &= FLAGS_STORED;
	return 0;
}

void state_record_encode(uint8_t out[STATE_RECORD_SIZE], const struct state_record *record)
{
	memcpy(out, &record->modseq, 8);
	memcpy(out + 8, &record->keywords, 8);
	out[16] = record->flags;
}

int mail_record_decode(struct view value, struct mail_record *record)
{
	struct view rest = value;

	if (!record_take(&rest, &record->size, 8) || !record_take(&rest, &record->wire_size, 8) ||
	    !record_take(&rest, &record->content, 8) || !record_take(&rest, &record->date, 8) ||
	    !record_take(&rest, &record->where, 4) || !record_take(&rest, &record->part, 1))
		return -EBADMSG;
	record->saved = 0;
	if (record->part & PART_SAVED &&
	    (!record_take(&rest, &record->saved, 8) || record->saved <= 0))
		return -EBADMSG;
	record->file = rest;
	record->counted = record->part & PART_COUNTED;
	record->part &= (uint8_t) ~(PART_COUNTED | PART_SAVED);
	if (record->part > PART_TMP || record->size > INT64_MAX || !is_file_name(rest))
		return -EBADMSG;
	return 0;
}

void mail_record_encode(struct str *out, const struct mail_record *record)
{
	uint8_t part = (uint8_t)(record->part | (record->counted ? PART_COUNTED : 0) |
				 (record->saved > 0 ? PART_SAVED : 0));

	record_put(out, &record->size, 8);
	record_put(out, &record->wire_size, 8);
	record_put(out, &record->content, 8);
	record_put(out, &record->date, 8);
	record_put(out, &record->where, 4);
	record_put(out, &part, 1);
	if (record->saved > 0)
		record_put(out, &record->saved, 8);
	str_append(out, record->file);
}

int gone_record_decode(struct view value, struct gone_record *record)
{
	struct view rest = value;

	if (!record_take(&rest, &record->where, 4) || !record_take(&rest, &record->part, 1))
		return -EBADMSG;
	record->file = rest;
	if (record->part > PART_DIRECTORY || !is_file_name(rest))
		return -EBADMSG;
	return 0;
}

void gone_record_encode(struct str *out, const struct gone_record *record)
{
	record_put(out, &record->where, 4);
	record_put(out, &record->part, 1);
	str_append(out, record->file);
}

int cache_record_decode(struct view value, struct cache_record *record)
{
	struct view rest = value;

	if (!value_take_text(&rest, &record->envelope) || !value_take_text(&rest, &record->body) ||
	    !value_take_text(&rest, &record->bodystructure) ||
	    !value_take_text(&rest, &record->headers) || rest.len > 0)
		return -EBADMSG;
	return 0;
}

void cache_record_encode(struct str *out, const struct cache_record *record)
{
	value_put_text(out, record->envelope);
	value_put_text(out, record->body);
	value_put_text(out, record->bodystructure);
	value_put_text(out, record->headers);
}

/* ---- keys ---- */

static void key_add(struct key *key, uint64_t value, size_t size)
{
	for (size_t i = size; i-- > 0;)
		key->bytes[key->len++] = (uint8_t)(value >> (8 * i));
}

static uint64_t key_take(struct view *key, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | (unsigned char)key->data[i];
	*key = view_from(*key, size);
	return value;
}

struct key key_folder(uint32_t folder)
{
	struct key key = { .len = 0 };

	key_add(&key, folder, 4);
	return key;
}

struct key key_uid(uint32_t folder, uint32_t uid)
{
	struct key key = key_folder(folder);

	key_add(&key, uid, 4);
	return key;
}

struct key key_change(uint32_t folder, uint64_t modseq, uint32_t uid)
{
	struct key key = key_folder(folder);

	key_add(&key, modseq, 8);
	key_add(&key, uid, 4);
	return key;
}

struct key key_serial(uint64_t serial)
{
	struct key key = { .len = 0 };

	key_add(&key, serial, 8);
	return key;
}

struct key key_word(uint32_t folder, uint8_t bit)
{
	struct key key = key_folder(folder);

	key_add(&key, bit, 1);
	return key;
}

int key_uid_decode(struct view key, uint32_t *folder, uint32_t *uid)
{
	if (key.len != KEY_UID_SIZE)
		return -EBADMSG;
	*folder = (uint32_t)key_take(&key, 4);
	*uid = (uint32_t)key_take(&key, 4);
	return 0;
}

int key_change_decode(struct view key, uint32_t *folder, uint64_t *modseq, uint32_t *uid)
{
	if (key.len != KEY_CHANGE_SIZE)
		return -EBADMSG;
	*folder = (uint32_t)key_take(&key, 4);
	*modseq = key_take(&key, 8);
	*uid = (uint32_t)key_take(&key, 4);
	return 0;
}

int key_serial_decode(struct view key, uint64_t *serial)
{
	if (key.len != KEY_SERIAL_SIZE)
		return -EBADMSG;
	*serial = key_take(&key, 8);
	return 0;
}
