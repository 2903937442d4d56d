/*
 * What is remembered of a message: header fields, envelope, structure. All of it can be made anew
 * from the file.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "store/message.h"
#include "store/pending.h"
#include "store/render.h"

#define CACHED_RECORD_MAX  65536 /* a message with more than this is rendered each time */
#define CACHED_HEADERS_MAX 8192
#define HEADER_BLOCK	   16384
#define MAP_FROM	   ((uint64_t)1 << 20) /* larger contents are mapped, not read */

/* Fields that clients ask for in lists of messages. */
static const char *const listed_fields[] = {
	"Date",
	"From",
	"To",
	"Cc",
	"Bcc",
	"Subject",
	"Sender",
	"Reply-To",
	"Message-ID",
	"In-Reply-To",
	"References",
	"Newsgroups",
	"Priority",
	"X-Priority",
	"Importance",
	"Lines",
	"Content-Type",
	"List-Post",
	"List-Id",
	"List-Unsubscribe",
	"X-Label",
	"MIME-Version",
	"Followup-To",
	"Content-Transfer-Encoding",
	"Disposition-Notification-To",
	"X-Mailer",
};

/* Instead of headers: there are too many to be kept. */
#define TOO_LONG VIEW("!")

static bool header_is_listed(struct view name)
{
	for (size_t i = 0; i < ARRAY_SIZE(listed_fields); i++)
		if (view_is_nocase(name, listed_fields[i]))
			return true;
	return false;
}

/* ---- reading ---- */

static int message_read_header(int fd, uint64_t size, struct str *header)
{
	uint64_t limit = MIN(size, (uint64_t)STORE_HEADER_MAX);
	size_t end;

	while (header->len < limit) {
		size_t want = (size_t)MIN((uint64_t)HEADER_BLOCK, limit - header->len);
		size_t from = view_find_last_byte(str_view(header), '\n');
		int r = io_pread_all(fd, str_reserve(header, want), want, (off_t)header->len);

		if (r < 0)
			return r == -ENODATA ? -EIO : r;
		str_grow(header, want);
		end = header_find_end(str_view(header), from == VIEW_NOT_FOUND ? 0 : from + 1);
		if (end != VIEW_NOT_FOUND) {
			str_truncate(header, end);
			return 0;
		}
	}
	return 0;
}

/* A whole content in memory, or mapped. */
struct content {
	struct view bytes;
	char *memory;
	void *map;
};

static void content_free(struct content *content)
{
	free(content->memory);
	if (content->map != NULL)
		munmap(content->map, content->bytes.len);
}

static int content_load(int fd, uint64_t size, struct content *content)
{
	int r;

	if (size > MAP_FROM) {
		void *map = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);

		if (map == MAP_FAILED)
			return -errno;
		content->map = map;
		content->bytes = view_make(map, (size_t)size);
		return 0;
	}
	content->memory = mem_new_bytes((size_t)size + 1);
	r = io_pread_all(fd, content->memory, (size_t)size, 0);
	content->bytes = view_make(content->memory, (size_t)size);
	return r == -ENODATA ? -EIO : r;
}

/* ---- rendering ---- */

/* A record whose texts are its own. */
struct rendered {
	struct str envelope, body, bodystructure, headers;
};

static void rendered_free(struct rendered *r)
{
	str_free(&r->envelope);
	str_free(&r->body);
	str_free(&r->bodystructure);
	str_free(&r->headers);
}

static void render_header_parts(struct rendered *r, struct view header)
{
	struct header_field field;
	struct view rest = header;

	if (r->envelope.len > 0)
		return;
	render_envelope(&r->envelope, header);
	while (header_next(&rest, &field) == 1) {
		if (!header_is_listed(field.name))
			continue;
		str_append(&r->headers, field.whole);
		if (!view_ends(field.whole, VIEW("\n")))
			str_append(&r->headers, VIEW("\r\n"));
	}
	if (r->headers.len > CACHED_HEADERS_MAX)
		str_set(&r->headers, TOO_LONG);
}

static int render_from_file(struct mailbox *mailbox, uint32_t seq, bool whole, struct rendered *r)
{
	_cleanup_(content_free) struct content content = { 0 };
	_cleanup_(str_free) struct str header = STR_EMPTY;
	_cleanup_fd_ int fd = -1;
	struct mime_tree tree = { 0 };
	uint64_t size;
	int result = mailbox_content(mailbox, seq, &fd, &size);

	if (result == 0)
		result = message_read_header(fd, size, &header);
	if (result < 0)
		return result;
	render_header_parts(r, str_view(&header));
	if (!whole)
		return 0;
	result = content_load(fd, size, &content);
	if (result < 0)
		return result;
	mime_tree_parse(content.bytes, &tree);
	render_body(&r->body, content.bytes, &tree, false);
	render_body(&r->bodystructure, content.bytes, &tree, true);
	mime_tree_free(&tree);
	return 0;
}

/* ---- keeping ---- */

static void header_keep(struct mailbox *mailbox, uint64_t content, const struct rendered *r)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct cache_record record = { str_view(&r->envelope), str_view(&r->body),
				       str_view(&r->bodystructure), str_view(&r->headers) };

	cache_record_encode(&value, &record);
	if (value.len <= CACHED_RECORD_MAX)
		cache_put(mailbox->store, DB_CACHE, content, str_view(&value));
}

int mailbox_flush_cache(struct mailbox *mailbox)
{
	return cache_flush(mailbox->store);
}

static void copy_record(struct rendered *r, const struct cache_record *record)
{
	str_set(&r->envelope, record->envelope);
	str_set(&r->body, record->body);
	str_set(&r->bodystructure, record->bodystructure);
	str_set(&r->headers, record->headers);
}

/* What is kept of this content; nothing is no error. */
static int cache_look_up(struct store *store, uint64_t content, struct rendered *r)
{
	struct key key = key_serial(content);
	struct cache_record record;
	struct view value;
	struct tx tx;
	int result = 0;

	if (cache_get_pending(store, DB_CACHE, content, &value)) {
		if (cache_record_decode(value, &record) == 0)
			copy_record(r, &record);
		return 0;
	}
	result = store_read(store, &tx);
	if (result < 0)
		return result;
	result = tx_get(&tx, DB_CACHE, key_view(&key), &value);
	if (result == 0 && cache_record_decode(value, &record) == 0)
		copy_record(r, &record);
	tx_end(&tx);
	return result == -ENOENT ? 0 : result;
}

/* From the index, or else from the file, and then kept. */
static int cache_load(struct mailbox *mailbox, uint32_t seq, bool whole, struct rendered *r)
{
	struct mail mail;
	int result = message_record(mailbox, seq, &mail);

	if (result == 0)
		result = cache_look_up(mailbox->store, mail.r.content, r);
	if (result < 0 || (r->envelope.len > 0 && (!whole || r->body.len > 0)))
		return result;
	result = render_from_file(mailbox, seq, whole, r);
	if (result == 0)
		header_keep(mailbox, mail.r.content, r);
	return result;
}

int mailbox_cached(struct mailbox *mailbox, uint32_t seq, enum cached_item item, struct str *out)
{
	_cleanup_(rendered_free) struct rendered r = { 0 };
	int result = cache_load(mailbox, seq, item != CACHED_ENVELOPE, &r);

	if (result < 0)
		return result;
	str_append(out, str_view(item == CACHED_ENVELOPE ? &r.envelope
				 : item == CACHED_BODY	 ? &r.body
							 : &r.bodystructure));
	return 0;
}

int mailbox_header(struct mailbox *mailbox, uint32_t seq, const struct view *names, size_t count,
		   struct str *out)
{
	_cleanup_(rendered_free) struct rendered r = { 0 };
	_cleanup_(str_free) struct str header = STR_EMPTY;
	_cleanup_fd_ int fd = -1;
	bool listed = count > 0;
	struct header_field field;
	struct view rest;
	uint64_t size;
	int result;

	for (size_t i = 0; i < count && listed; i++)
		listed = header_is_listed(names[i]);
	if (listed) {
		result = cache_load(mailbox, seq, false, &r);
		if (result < 0)
			return result;
		if (!view_eq(str_view(&r.headers), TOO_LONG)) {
			str_append(out, str_view(&r.headers));
			return 0;
		}
	}
	result = mailbox_content(mailbox, seq, &fd, &size);
	if (result == 0)
		result = message_read_header(fd, size, &header);
	if (result < 0)
		return result;
	rest = str_view(&header);
	while (header_next(&rest, &field) == 1) {
		str_append(out, field.whole);
		if (!view_ends(field.whole, VIEW("\n")))
			str_append(out, VIEW("\r\n"));
	}
	return 0;
}

/* ---- what is kept for searching text ---- */

/* All in one transaction, for it is asked of each message of a mailbox. */
int mailbox_ask_text_filter(struct mailbox *mailbox, uint32_t seq,
			    bool (*ask)(void *argument, struct view filter), void *argument)
{
	uint32_t uid = mailbox_uid(mailbox, seq);
	struct view value;
	struct key key;
	struct mail mail;
	struct tx tx;
	int r = uid != 0 ? mailbox_read(mailbox, &tx) : -ENOENT;

	if (r < 0)
		return r;
	r = mail_load(&tx, mailbox->id, uid, &mail);
	if (r == 0 && !cache_get_pending(mailbox->store, DB_FILTERS, mail.r.content, &value)) {
		key = key_serial(mail.r.content);
		r = tx_get(&tx, DB_FILTERS, key_view(&key), &value);
	}
	if (r == 0)
		r = ask(argument, value);
	tx_end(&tx);
	return r;
}

int mailbox_keep_text_filter(struct mailbox *mailbox, uint32_t seq, struct view filter)
{
	struct mail mail;
	int r = message_record(mailbox, seq, &mail);

	if (r == 0)
		cache_put(mailbox->store, DB_FILTERS, mail.r.content, filter);
	return r;
}
