/* Archives, unpacked into memory: members of a zip file one after the other, by its central directory. */
#include "report/archive.h"

#include <errno.h>
#include <zlib.h>

#include "base/mem.h"

#define GZIP_WINDOW    (15 + 16) /* zlib's way to say: with the head and end of gzip */
#define DEFLATE_WINDOW (-15)	 /* neither head nor end: as zip has it */
#define UNPACK_PIECE   ((size_t)65536)

static int archive_damaged(struct error *err)
{
	return error_set(err, -EBADMSG, "the archive is damaged");
}

static int archive_too_large(struct error *err)
{
	return error_set(err, -EFBIG, "more than %zu bytes are packed in it", ARCHIVE_TEXT_MAX);
}

/* Appends what is unpacked. `already`: bytes that other members have taken. */
static int unpack(struct view packed, int window, size_t already, struct str *out,
		  struct error *err)
{
	z_stream z = { .next_in = (z_const Bytef *)(uintptr_t)packed.data,
		       .avail_in = (uInt)MIN(packed.len, (size_t)UINT32_MAX) };
	int state;

	if (inflateInit2(&z, window) != Z_OK)
		mem_exhausted();
	do {
		z.next_out = (Bytef *)str_reserve(out, UNPACK_PIECE);
		z.avail_out = (uInt)UNPACK_PIECE;
		state = inflate(&z, Z_NO_FLUSH);
		str_grow(out, UNPACK_PIECE - z.avail_out);
	} while (state == Z_OK && already + out->len <= ARCHIVE_TEXT_MAX);
	inflateEnd(&z);
	if (already + out->len > ARCHIVE_TEXT_MAX)
		return archive_too_large(err);
	return state == Z_STREAM_END ? 0 : archive_damaged(err);
}

static int gzip_read(struct view bytes, int (*each)(void *argument, struct view text),
		     void *argument, struct error *err)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int r = unpack(bytes, GZIP_WINDOW, 0, &text, err);

	return r < 0 ? r : each(argument, str_view(&text));
}

/* ---- zip (PKWARE's APPNOTE 6.3) ---- */

#define ZIP_END_SIZE   22
#define ZIP_END_MAX    (ZIP_END_SIZE + 65535) /* with its comment */
#define ZIP_ENTRY_SIZE 46
#define ZIP_LOCAL_SIZE 30
#define ZIP_ENCRYPTED  1
#define ZIP_STORED     0
#define ZIP_DEFLATED   8

/* Numbers in it, lowest byte first. Whoever asks has made sure that they are there. */
static uint32_t zip_number(struct view bytes, size_t at, size_t size)
{
	uint32_t number = 0;

	for (size_t i = size; i > 0; i--)
		number = number << 8 | (unsigned char)bytes.data[at + i - 1];
	return number;
}

static bool zip_has(struct view bytes, size_t at, size_t size, const char *signature)
{
	return at <= bytes.len && bytes.len - at >= size &&
	       memcmp(bytes.data + at, signature, 4) == 0;
}

/* Where the record is that ends the file, from its end on. */
static bool zip_find_end(struct view bytes, size_t *at)
{
	size_t first = bytes.len > ZIP_END_MAX ? bytes.len - ZIP_END_MAX : 0;

	for (size_t i = bytes.len; i >= first + ZIP_END_SIZE; i--)
		if (zip_has(bytes, i - ZIP_END_SIZE, ZIP_END_SIZE, "PK\5\6")) {
			*at = i - ZIP_END_SIZE;
			return true;
		}
	return false;
}

struct zip_member {
	uint32_t method, flags, checksum, packed, size, local;
};

static int zip_unpack(struct view bytes, const struct zip_member *member, size_t already,
		      struct str *text, struct error *err)
{
	size_t at = member->local;
	struct view packed;
	int r;

	if (member->flags & ZIP_ENCRYPTED)
		return error_set(err, -EBADMSG, "the archive is encrypted");
	if (!zip_has(bytes, at, ZIP_LOCAL_SIZE, "PK\3\4"))
		return archive_damaged(err);
	at += ZIP_LOCAL_SIZE + zip_number(bytes, at + 26, 2) + zip_number(bytes, at + 28, 2);
	if (at > bytes.len || bytes.len - at < member->packed)
		return archive_damaged(err);
	packed = view_make(bytes.data + at, member->packed);
	if (member->method == ZIP_DEFLATED) {
		r = unpack(packed, DEFLATE_WINDOW, already, text, err);
		if (r < 0)
			return r;
	} else if (member->method == ZIP_STORED) {
		if (packed.len > ARCHIVE_TEXT_MAX - already)
			return archive_too_large(err);
		str_append(text, packed);
	} else {
		return error_set(err, -EBADMSG, "packed in a way that is not read (%u)",
				 member->method);
	}
	if (text->len != member->size ||
	    crc32(0, (const Bytef *)text->data, (uInt)text->len) != member->checksum)
		return archive_damaged(err);
	return 0;
}

static int zip_read(struct view bytes, int (*each)(void *argument, struct view text),
		    void *argument, struct error *err)
{
	size_t end, at, count, already = 0;
	int r = 0;

	if (!zip_find_end(bytes, &end))
		return archive_damaged(err);
	count = zip_number(bytes, end + 10, 2);
	at = zip_number(bytes, end + 16, 4);
	if (count > ARCHIVE_MEMBERS_MAX)
		return error_set(err, -EFBIG, "more than %d files are packed in it",
				 ARCHIVE_MEMBERS_MAX);
	for (size_t i = 0; i < count && r == 0; i++) {
		_cleanup_(str_free) struct str text = STR_EMPTY;
		struct zip_member member;

		if (!zip_has(bytes, at, ZIP_ENTRY_SIZE, "PK\1\2"))
			return archive_damaged(err);
		member = (struct zip_member){
			.flags = zip_number(bytes, at + 8, 2),
			.method = zip_number(bytes, at + 10, 2),
			.checksum = zip_number(bytes, at + 16, 4),
			.packed = zip_number(bytes, at + 20, 4),
			.size = zip_number(bytes, at + 24, 4),
			.local = zip_number(bytes, at + 42, 4),
		};
		at += ZIP_ENTRY_SIZE + zip_number(bytes, at + 28, 2) +
		      zip_number(bytes, at + 30, 2) + zip_number(bytes, at + 32, 2);
		if (member.size == 0)
			continue; /* a folder */
		r = zip_unpack(bytes, &member, already, &text, err);
		already += text.len;
		if (r == 0)
			r = each(argument, str_view(&text));
	}
	return r;
}

int archive_read(struct view bytes, int (*each)(void *argument, struct view text), void *argument,
		 struct error *err)
{
	if (view_starts(bytes, VIEW("\x1f\x8b")))
		return gzip_read(bytes, each, argument, err);
	if (view_starts(bytes, VIEW("PK\3\4")) || view_starts(bytes, VIEW("PK\5\6")))
		return zip_read(bytes, each, argument, err);
	if (bytes.len > ARCHIVE_TEXT_MAX)
		return error_set(err, -EFBIG, "it is larger than %zu bytes", ARCHIVE_TEXT_MAX);
	return each(argument, bytes);
}
