/* STORE, COPY, MOVE (RFC 3501 6.4.6 and 6.4.7, RFC 6851, RFC 4315). */
#include <errno.h>

#include "base/mem.h"
#include "session.h"

/* The sequence set and the space after it. */
static int parse_messages(struct imap_session *s, uint32_t **seqs, size_t *count)
{
	struct imap_set set = { 0 };
	int r = imap_space(s->parser);

	if (r == 0)
		r = imap_sequence_set(s->parser, &set);
	if (r < 0)
		return r;
	return imap_resolve_set(s, &set, seqs, count);
}

/* "FLAGS", "+FLAGS.SILENT" and so on. */
static int parse_operation(struct imap_session *s, enum flag_operation *operation, bool *silent)
{
	struct view word;
	int r;

	*operation = FLAGS_REPLACE;
	if (imap_take(s->parser, '+'))
		*operation = FLAGS_ADD;
	else if (imap_take(s->parser, '-'))
		*operation = FLAGS_REMOVE;
	r = imap_atom(s->parser, &word);
	if (r < 0)
		return r;
	*silent = view_is_nocase(word, "FLAGS.SILENT");
	if (!*silent && !view_is_nocase(word, "FLAGS"))
		return imap_syntax_error(s->parser, "Expected FLAGS or FLAGS.SILENT");
	return imap_space(s->parser);
}

/* Names to bits; those that are new get one, unless they are to be taken away. */
static int keyword_bits(struct imap_session *s, const struct imap_flags *flags, bool add,
			uint64_t *bits)
{
	*bits = 0;
	for (size_t i = 0; i < flags->keyword_count; i++) {
		uint64_t mask = mailbox_keyword_mask(s->mailbox, flags->keywords[i]);

		if (mask == 0 && add) {
			int bit = mailbox_keyword_add(s->mailbox, flags->keywords[i]);

			if (bit < 0)
				return bit;
			mask = (uint64_t)1 << bit;
		}
		*bits |= mask;
	}
	return 0;
}

/* Those of `all` that are not in `without`, both ascending; in place. Returns how many. */
static size_t leave_out(uint32_t *all, size_t count, const uint32_t *without, size_t without_count)
{
	size_t kept = 0, at = 0;

	for (size_t i = 0; i < count; i++) {
		while (at < without_count && without[at] < all[i])
			at++;
		if (at == without_count || without[at] != all[i])
			all[kept++] = all[i];
	}
	return kept;
}

/* "[MODIFIED set] ": what was not touched (RFC 7162 3.1.3), in what the command speaks of. */
static void append_modified(struct imap_session *s, const struct flag_result *result,
			    struct str *out)
{
	uint32_t *numbers = result->modified;

	if (result->modified_count == 0)
		return;
	for (size_t i = 0; s->uid && i < result->modified_count; i++)
		numbers[i] = mailbox_uid(s->mailbox, numbers[i]);
	str_append_cstr(out, "[MODIFIED ");
	imap_append_set(out, numbers, result->modified_count);
	str_append_cstr(out, "] ");
}

static int flags_change(struct imap_session *s, uint32_t *seqs, size_t count,
			struct flag_change *what, bool silent)
{
	_cleanup_(str_free) struct str code = STR_EMPTY;
	struct flag_result result = { 0 };
	int r = imap_change_flags(s, seqs, count, what, &result);

	if (r < 0)
		return imap_no_errno(s, r, "Store");
	count = leave_out(seqs, count, result.modified, result.modified_count);
	/* Not silent: all that were named, changed or not, so that the client knows. */
	r = imap_send_new_keywords(s);
	if (r == 0 && silent) {
		r = imap_send_flags(s, result.others, result.others_count);
		count = leave_out(seqs, count, result.others, result.others_count);
		if (r == 0)
			r = imap_send_modseqs(s, seqs, count);
	} else if (r == 0) {
		r = imap_send_flags(s, seqs, count);
	}
	append_modified(s, &result, &code);
	flag_result_free(&result);
	return r < 0 ? r : imap_ok(s, "%sStore completed.", str_cstr(&code));
}

/* "(UNCHANGEDSINCE n) " */
static int parse_condition(struct imap_session *s, struct flag_change *what)
{
	struct view word;
	int r;

	if (!imap_take(s->parser, '('))
		return 0;
	r = imap_atom(s->parser, &word);
	if (r == 0 && !view_is_nocase(word, "UNCHANGEDSINCE"))
		r = imap_syntax_error(s->parser, "Unknown modifier");
	if (r == 0)
		r = imap_parse_modseq(s, &what->unchanged_since);
	if (r == 0 && !imap_take(s->parser, ')'))
		r = imap_syntax_error(s->parser, "Expected )");
	what->conditional = true;
	if (r == 0)
		r = imap_enable_condstore(s);
	return r == 0 ? imap_space(s->parser) : r;
}

int imap_command_store(struct imap_session *s)
{
	struct flag_change what = { 0 };
	struct imap_flags flags;
	uint32_t *seqs = NULL;
	size_t count = 0;
	bool silent = false;
	int r = parse_messages(s, &seqs, &count);

	if (r == 0)
		r = imap_space(s->parser);
	if (r == 0)
		r = parse_condition(s, &what);
	if (r == 0)
		r = parse_operation(s, &what.operation, &silent);
	if (r == 0)
		r = imap_parse_flags(s, true, &flags);
	if (r == 0)
		r = imap_end(s->parser);
	if (r < 0) {
		free(seqs);
		return r;
	}
	what.flags = flags.system;
	if (!mailbox_is_writable(s->mailbox)) {
		r = imap_no(s, "[CANNOT] The mailbox is open read-only.");
	} else {
		r = keyword_bits(s, &flags, what.operation != FLAGS_REMOVE, &what.keywords);
		if (r == -EINVAL)
			r = imap_no(s, "[CANNOT] Invalid keyword.");
		else if (r < 0)
			r = imap_no_errno(s, r, "Store");
		else
			r = flags_change(s, seqs, count, &what, silent);
	}
	free(seqs);
	return r;
}

/* "[COPYUID validity from to] " (RFC 4315), or nothing where nothing was copied. */
static void append_copyuid(struct str *out, const struct copy_result *result)
{
	if (result->count == 0)
		return;
	str_printf(out, "[COPYUID %u ", result->uidvalidity);
	imap_append_set(out, result->from, result->count);
	str_append_byte(out, ' ');
	imap_append_set(out, result->to, result->count);
	str_append_cstr(out, "] ");
}

static int copied(struct imap_session *s, const struct copy_result *result, bool move)
{
	struct str code = STR_EMPTY;
	int r = 0;

	append_copyuid(&code, result);
	if (move && code.len > 0) {
		/* Before the EXPUNGE answers, which come with the tagged one (RFC 6851 4.3). */
		r = stream_printf(s->io, "* OK %sMoved.\r\n", str_cstr(&code));
		str_clear(&code);
	}
	if (r == 0)
		r = imap_ok(s, "%s%s completed.", str_cstr(&code), move ? "Move" : "Copy");
	str_free(&code);
	return r;
}

static int copy_messages(struct imap_session *s, bool move)
{
	struct copy_result result = { 0 };
	struct str target = STR_EMPTY;
	uint32_t *seqs = NULL;
	size_t count = 0;
	int r = parse_messages(s, &seqs, &count);

	if (r == 0)
		r = imap_parse_mailbox(s, &target);
	if (r == 0)
		r = imap_end(s->parser);
	if (r == 0 && move && !mailbox_is_writable(s->mailbox))
		r = -EROFS;
	if (r < 0) {
		free(seqs);
		str_free(&target);
		if (r == -EROFS)
			return imap_no(s, "[CANNOT] The mailbox is open read-only.");
		return r == -EINVAL ? IMAP_DONE : r;
	}
	r = mailbox_copy(s->mailbox, seqs, count, str_view(&target), move, &result);
	free(seqs);
	if (r < 0)
		str_free(&target);
	if (r == -ENOENT)
		return imap_no(s, "[TRYCREATE] There is no such mailbox.");
	if (r < 0)
		return imap_no_errno(s, r, move ? "Move" : "Copy");
	if (result.count > 0)
		imap_own_messages(s, str_view(&target), result.to[0], result.to[result.count - 1]);
	str_free(&target);
	r = copied(s, &result, move);
	copy_result_free(&result);
	return r;
}

int imap_command_copy(struct imap_session *s)
{
	return copy_messages(s, false);
}

int imap_command_move(struct imap_session *s)
{
	return copy_messages(s, true);
}
