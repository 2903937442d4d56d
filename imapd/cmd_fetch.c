/* FETCH and UID FETCH (RFC 3501 6.4.5): writing the answers. */
#include <errno.h>

#include "base/encode.h"
#include "base/io.h"
#include "fetch_content.h"
#include "mail/date.h"

/* Messages between two looks at whether others want to go on. */
#define FETCH_BREATH 64

/* What is read of a part's header at most for HEADER.FIELDS. */
#define PART_HEADER_MAX STORE_HEADER_MAX

/* RFC 3501 4.3.1: a literal has no NUL. Another byte stands for it, as in other servers. */
#define NUL_SHOWN ((char)0x80)
#define NUL_BLOCK 2048

static void replace_nuls(char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] == '\0')
			bytes[i] = NUL_SHOWN;
}

static int send_without_nuls(struct imap_session *s, int fd, uint64_t offset, uint64_t length)
{
	char block[NUL_BLOCK];
	int r = 0;

	while (length > 0 && r == 0) {
		size_t piece = (size_t)MIN(length, (uint64_t)sizeof(block));

		r = io_pread_all(fd, block, piece, (off_t)offset);
		if (r == 0) {
			replace_nuls(block, piece);
			r = stream_write(s->io, view_make(block, piece));
		}
		offset += piece;
		length -= piece;
	}
	return r == -ENODATA ? -EIO : r;
}

/* "{n}CRLF" and then n bytes of the file, straight from it if that can be. */
static int send_file_piece(struct imap_session *s, struct str *line,
			   const struct opened_message *message, uint64_t offset, uint64_t length)
{
	int r;

	str_printf(line, "{%llu}\r\n", (unsigned long long)length);
	r = stream_write(s->io, str_view(line));
	str_clear(line);
	if (r == 0 && message->has_nul)
		return send_without_nuls(s, message->fd, offset, length);
	return r == 0 ? stream_write_file(s->io, message->fd, (off_t)offset, length) : r;
}

static void cut(const struct section *section, uint64_t *offset, uint64_t *length)
{
	uint64_t skipped;

	if (!section->partial)
		return;
	skipped = MIN(section->offset, *length);
	*offset += skipped;
	*length = MIN(*length - skipped, section->length);
}

static bool is_named(const struct section *section, struct view name)
{
	for (size_t i = 0; i < section->name_count; i++)
		if (view_eq_nocase(section->names[i], name))
			return true;
	return false;
}

/* The header block that HEADER.FIELDS chooses from: of the message, or of a message inside. */
static int header_block(struct imap_session *s, uint32_t seq, const struct section *section,
			struct str *block)
{
	struct opened_message *message;
	uint64_t offset, length;
	int r;

	if (section->depth == 0) {
		bool all = section->text == SECTION_HEADER_FIELDS_NOT;

		return mailbox_header(s->mailbox, seq, section->names,
				      all ? 0 : section->name_count, block);
	}
	r = opened_message_get(s, seq, &message);
	if (r == 0)
		r = opened_message_section(message, section, &offset, &length);
	if (r < 0)
		return r;
	length = MIN(length, PART_HEADER_MAX);
	r = io_pread_all(message->fd, str_reserve(block, (size_t)length), (size_t)length,
			 (off_t)offset);
	if (r == 0)
		str_grow(block, (size_t)length);
	return r;
}

static int append_header_fields(struct imap_session *s, uint32_t seq, const struct section *section,
				struct str *line)
{
	_cleanup_(str_free) struct str block = STR_EMPTY;
	_cleanup_(str_free) struct str chosen = STR_EMPTY;
	struct header_field field;
	uint64_t offset = 0, length;
	struct view rest;
	int r = header_block(s, seq, section, &block);

	if (r < 0)
		return r;
	rest = str_view(&block);
	while (header_next(&rest, &field) > 0)
		if (is_named(section, field.name) == (section->text == SECTION_HEADER_FIELDS))
			str_append(&chosen, field.whole);
	str_append_cstr(&chosen, "\r\n");
	replace_nuls(chosen.data, chosen.len);
	length = chosen.len;
	cut(section, &offset, &length);
	str_printf(line, "{%llu}\r\n", (unsigned long long)length);
	str_append(line, view_make(chosen.data + offset, (size_t)length));
	return 0;
}

/* NIL for a part that is not there; NO in the end where it was the disk that failed. */
static void append_nil(struct fetch *fetch, struct str *line, int r)
{
	str_append_cstr(line, "NIL");
	fetch->failed |= r != -ENOENT;
}

static int send_section(struct imap_session *s, uint32_t seq, struct fetch *fetch,
			const struct fetch_item *item, struct str *line)
{
	const struct section *section = &item->section;
	struct opened_message *message;
	uint64_t offset, length;
	int r;

	fetch_append_label(line, item);
	str_append_byte(line, ' ');
	if (section->name_count > 0) {
		r = append_header_fields(s, seq, section, line);
	} else {
		r = opened_message_get(s, seq, &message);
		if (r == 0)
			r = opened_message_section(message, section, &offset, &length);
		if (r == 0) {
			cut(section, &offset, &length);
			return send_file_piece(s, line, message, offset, length);
		}
	}
	if (r < 0)
		append_nil(fetch, line, r);
	return 0;
}

static void append_info(struct str *line, const struct message_info *info, enum fetch_kind kind)
{
	if (kind == FETCH_EMAILID) {
		str_append_cstr(line, "EMAILID (M");
		hex_encode(line, view_make(info->id, sizeof(info->id)));
		str_append_byte(line, ')');
		return;
	}
	if (kind == FETCH_SIZE) {
		str_printf(line, "RFC822.SIZE %llu", (unsigned long long)info->size);
		return;
	}
	if (kind == FETCH_SAVEDATE && info->saved_date == 0) {
		str_append_cstr(line, "SAVEDATE NIL");
		return;
	}
	str_append_cstr(line, kind == FETCH_SAVEDATE ? "SAVEDATE \"" : "INTERNALDATE \"");
	date_append_imap(line, kind == FETCH_SAVEDATE ? info->saved_date : info->internal_date);
	str_append_byte(line, '"');
}

static void append_cached(struct imap_session *s, uint32_t seq, struct fetch *fetch,
			  enum fetch_kind kind, struct str *line)
{
	static const struct {
		const char *label;
		enum cached_item item;
	} cached[] = {
		[FETCH_ENVELOPE] = { "ENVELOPE ", CACHED_ENVELOPE },
		[FETCH_BODY] = { "BODY ", CACHED_BODY },
		[FETCH_BODYSTRUCTURE] = { "BODYSTRUCTURE ", CACHED_BODYSTRUCTURE },
	};

	int r;

	str_append_cstr(line, cached[kind].label);
	r = mailbox_cached(s->mailbox, seq, cached[kind].item, line);
	if (r < 0)
		append_nil(fetch, line, r);
}

static void append_binary(struct imap_session *s, uint32_t seq, struct fetch *fetch,
			  const struct fetch_item *item, struct str *line)
{
	int r;

	fetch_append_label(line, item);
	str_append_byte(line, ' ');
	r = fetch_append_binary(s, seq, item, line);
	if (r == -EOPNOTSUPP) {
		fetch->unknown_cte = true;
		r = -ENOENT;
	}
	if (r == -ENOENT && item->kind == FETCH_BINARY_SIZE)
		str_append_byte(line, '0');
	else if (r < 0)
		append_nil(fetch, line, r);
}

static int send_item(struct imap_session *s, uint32_t seq, struct fetch *fetch,
		     const struct fetch_item *item, struct message_info *info, struct str *line)
{
	int r;

	switch (item->kind) {
	case FETCH_UID:
		str_printf(line, "UID %u", mailbox_uid(s->mailbox, seq));
		return 0;
	case FETCH_FLAGS:
		str_append_cstr(line, "FLAGS ");
		imap_append_flags(s, seq, line);
		return 0;
	case FETCH_MODSEQ:
		str_printf(line, "MODSEQ (%llu)",
			   (unsigned long long)mailbox_modseq(s->mailbox, seq));
		return 0;
	case FETCH_THREADID:
		str_append_cstr(line, "THREADID NIL"); /* RFC 8474 5.2: none are kept */
		return 0;
	case FETCH_EMAILID:
	case FETCH_INTERNALDATE:
	case FETCH_SAVEDATE:
	case FETCH_SIZE:
		if (info->uid == 0)
			mailbox_info(s->mailbox, seq, info);
		append_info(line, info, item->kind);
		return 0;
	case FETCH_PREVIEW:
		str_append_cstr(line, "PREVIEW ");
		r = fetch_append_preview(s, seq, line);
		if (r < 0)
			append_nil(fetch, line, r);
		return 0;
	case FETCH_BINARY:
	case FETCH_BINARY_SIZE:
		append_binary(s, seq, fetch, item, line);
		return 0;
	case FETCH_SECTION:
		return send_section(s, seq, fetch, item, line);
	default:
		append_cached(s, seq, fetch, item->kind, line);
		return 0;
	}
}

static bool has_item(const struct fetch *fetch, enum fetch_kind kind)
{
	for (size_t i = 0; i < fetch->count; i++)
		if (fetch->items[i].kind == kind)
			return true;
	return false;
}

/* CHANGEDSINCE: what is left of the messages, in place. */
static size_t fetch_leave_unchanged(struct imap_session *s, const struct fetch *fetch,
				    uint32_t *seqs, size_t count)
{
	size_t kept = 0;

	if (!fetch->changed_since)
		return count;
	for (size_t i = 0; i < count; i++)
		if (mailbox_modseq(s->mailbox, seqs[i]) > fetch->modseq)
			seqs[kept++] = seqs[i];
	return kept;
}

/* Can anything but flags and UID be had of it? Of messages that are gone, nothing is told. */
static bool is_readable(struct imap_session *s, uint32_t seq, const struct fetch *fetch,
			struct message_info *info)
{
	for (size_t i = 0; i < fetch->count; i++)
		if (fetch->items[i].kind != FETCH_UID && fetch->items[i].kind != FETCH_FLAGS &&
		    fetch->items[i].kind != FETCH_MODSEQ)
			return mailbox_info(s->mailbox, seq, info) == 0;
	return true;
}

static int fetch_send_message(struct imap_session *s, uint32_t seq, struct fetch *fetch,
			      bool tell_flags, struct str *line)
{
	struct message_info info = { 0 };
	const char *separator = "";
	int r = 0;

	if (!is_readable(s, seq, fetch, &info)) {
		fetch->gone = true;
		return 0;
	}
	imap_append_fetch(s, line, seq);
	if (s->uid && !s->uidonly && !has_item(fetch, FETCH_UID)) {
		str_printf(line, "UID %u", mailbox_uid(s->mailbox, seq));
		separator = " ";
	}
	for (size_t i = 0; i < fetch->count && r == 0; i++) {
		str_append_cstr(line, separator);
		separator = " ";
		r = send_item(s, seq, fetch, &fetch->items[i], &info, line);
	}
	if (tell_flags && s->condstore && !has_item(fetch, FETCH_MODSEQ))
		str_printf(line, " MODSEQ (%llu)",
			   (unsigned long long)mailbox_modseq(s->mailbox, seq));
	if (tell_flags && !has_item(fetch, FETCH_FLAGS)) {
		str_append_cstr(line, " FLAGS ");
		imap_append_flags(s, seq, line);
	}
	str_append_cstr(line, ")\r\n");
	if (r == 0)
		r = stream_write(s->io, str_view(line));
	str_clear(line);
	return r;
}

/* \Seen for what is read without PEEK: one change for all of them, before anything is sent. */
static int mark_seen(struct imap_session *s, const struct fetch *fetch, const uint32_t *seqs,
		     size_t count, struct flag_result *result)
{
	struct flag_change seen = { .operation = FLAGS_ADD, .flags = FLAG_SEEN };
	bool reads = false;
	uint32_t *unseen;
	size_t found = 0;
	int r;

	for (size_t i = 0; i < fetch->count; i++)
		reads |= (fetch->items[i].kind == FETCH_SECTION ||
			  fetch->items[i].kind == FETCH_BINARY) &&
			 !fetch->items[i].peek;
	if (!reads || !mailbox_is_writable(s->mailbox))
		return 0;
	unseen = mem_new_array(uint32_t, count);
	for (size_t i = 0; i < count; i++)
		if (!(mailbox_flags(s->mailbox, seqs[i]) & FLAG_SEEN))
			unseen[found++] = seqs[i];
	r = found > 0 ? imap_change_flags(s, unseen, found, &seen, result) : 0;
	free(unseen);
	return r;
}

static int send_messages(struct imap_session *s, struct fetch *fetch, const uint32_t *seqs,
			 size_t count, const struct flag_result *seen)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	size_t next_seen = 0;
	bool heavy = has_item(fetch, FETCH_SECTION) || has_item(fetch, FETCH_BODYSTRUCTURE) ||
		     has_item(fetch, FETCH_PREVIEW) || has_item(fetch, FETCH_BINARY) ||
		     has_item(fetch, FETCH_ENVELOPE) || has_item(fetch, FETCH_BODY);
	int r = imap_send_new_keywords(s);

	for (size_t i = 0; i < count && r == 0; i++) {
		bool tell_flags =
			next_seen < seen->changed_count && seen->changed[next_seen] == seqs[i];

		next_seen += tell_flags;
		r = fetch_send_message(s, seqs[i], fetch, tell_flags, &line);
		if (heavy && r == 0 && i % FETCH_BREATH == FETCH_BREATH - 1)
			task_yield();
	}
	return r;
}

int fetch_tell(struct imap_session *s, struct fetch *fetch, const uint32_t *seqs, size_t count)
{
	const struct flag_result none = { 0 };

	return send_messages(s, fetch, seqs, count, &none);
}

static int fetch_parse_arguments(struct imap_session *s, struct imap_set *set, struct fetch *fetch)
{
	int r = imap_space(s->parser);

	if (r == 0)
		r = imap_sequence_set(s->parser, set);
	if (r == 0)
		r = imap_space(s->parser);
	if (r == 0)
		r = fetch_parse(s, fetch);
	return r == 0 ? imap_end(s->parser) : r;
}

int imap_command_fetch(struct imap_session *s)
{
	struct fetch *fetch = mem_new(struct fetch); /* too large for the stack of a task */
	struct flag_result seen = { 0 };
	struct imap_set set = { 0 };
	uint32_t *seqs = NULL;
	size_t count = 0;
	int r = fetch_parse_arguments(s, &set, fetch);

	if (r == 0 && fetch->vanished)
		r = imap_send_vanished(s, &set, fetch->modseq);
	if (r < 0)
		imap_set_free(&set);
	else
		r = imap_resolve_set(s, &set, &seqs, &count);
	if (r == 0) {
		count = fetch_leave_unchanged(s, fetch, seqs, count);
		/* A full disk keeps nobody from reading. */
		if (mark_seen(s, fetch, seqs, count, &seen) == -ESTALE)
			r = -ESTALE;
		else
			r = send_messages(s, fetch, seqs, count, &seen);
		if (r == 0 && fetch->gone)
			r = imap_no(s, "[EXPUNGEISSUED] Some messages are not there any more.");
		else if (r == 0 && fetch->unknown_cte)
			r = imap_no(s, "[UNKNOWN-CTE] A part has an encoding that is not known.");
		else if (r == 0 && fetch->failed)
			r = imap_no(s, "[SERVERBUG] Some messages could not be read.");
		else if (r == 0)
			r = imap_ok(s, "Fetch completed.");
	}
	flag_result_free(&seen);
	fetch_free(fetch);
	free(fetch);
	free(seqs);
	return r;
}
