/* SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE (RFC 3501 6.3.1, 6.4; RFC 3691; RFC 4315). */
#include <errno.h>

#include "base/mem.h"
#include "session.h"

/* RFC 9051 6.3.2 */
static int send_name(struct imap_session *s)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_printf(&line, "* LIST () \"%c\" ", imap_separator());
	imap_append_mailbox(s, &line, view_of(mailbox_name(s->mailbox)));
	str_append_cstr(&line, "\r\n");
	return stream_write(s->io, str_view(&line));
}

/* The answers that describe a mailbox, in the order in which clients are used to them. */
static int mailbox_describe(struct imap_session *s)
{
	struct mailbox *box = s->mailbox;
	_cleanup_(str_free) struct str id = STR_EMPTY;
	uint32_t unseen = mailbox_first_unseen(box);
	int r = imap_send_flag_lists(s);

	if (r == 0)
		r = stream_printf(s->io, "* %u EXISTS\r\n", mailbox_count(box));
	if (r == 0 && s->rev2)
		r = send_name(s);
	else if (r == 0)
		r = stream_printf(s->io, "* %u RECENT\r\n", mailbox_recent(box));
	if (r == 0 && unseen != 0 && !s->rev2)
		r = stream_printf(s->io, "* OK [UNSEEN %u] First unseen.\r\n", unseen);
	if (r == 0)
		r = stream_printf(s->io,
				  "* OK [UIDVALIDITY %u] UIDs valid.\r\n"
				  "* OK [UIDNEXT %u] Predicted next UID.\r\n"
				  "* OK [HIGHESTMODSEQ %llu] Highest.\r\n",
				  mailbox_uidvalidity(box), mailbox_uidnext(box),
				  (unsigned long long)mailbox_highest_modseq(box));
	imap_append_mailbox_id(s, view_of(mailbox_name(box)), &id);
	if (r == 0 && id.len > 0)
		r = stream_printf(s->io, "* OK %sIts id.\r\n", str_cstr(&id));
	return r;
}

/* What a SELECT says beside the name (RFC 7162 3.1.8 and 3.2.5). */
struct select_options {
	bool condstore, qresync;
	uint64_t uidvalidity, modseq;
	struct imap_set known; /* UIDs; empty: all */
};

/* " (known-sequence-set known-uid-set)": read, and not needed. */
static int select_skip_pairs(struct imap_session *s)
{
	struct imap_set set = { 0 };
	int r = imap_sequence_set(s->parser, &set);

	imap_set_free(&set);
	if (r == 0)
		r = imap_space(s->parser);
	if (r == 0)
		r = imap_sequence_set(s->parser, &set);
	imap_set_free(&set);
	if (r == 0 && !imap_take(s->parser, ')'))
		r = imap_syntax_error(s->parser, "Expected )");
	return r;
}

/* " (uidvalidity modseq [known-uids] [pairs])" */
static int select_parse_qresync(struct imap_session *s, struct select_options *o)
{
	int r = imap_space(s->parser);

	if (!s->qresync)
		return imap_syntax_error(s->parser, "QRESYNC is not enabled");
	if (r == 0 && !imap_take(s->parser, '('))
		r = imap_syntax_error(s->parser, "Expected (");
	if (r == 0)
		r = imap_number(s->parser, UINT32_MAX, &o->uidvalidity);
	if (r == 0)
		r = imap_parse_modseq(s, &o->modseq);
	if (r == 0 && imap_take(s->parser, ' ') && imap_peek(s->parser) != '(') {
		r = imap_sequence_set(s->parser, &o->known);
		if (r == 0)
			imap_take(s->parser, ' ');
	}
	if (r == 0 && imap_take(s->parser, '('))
		r = select_skip_pairs(s);
	if (r == 0 && !imap_take(s->parser, ')'))
		r = imap_syntax_error(s->parser, "Expected )");
	o->qresync = true;
	return r;
}

static int select_parse_options(struct imap_session *s, struct select_options *o)
{
	struct view word;
	int r;

	if (!imap_take(s->parser, ' '))
		return 0;
	if (!imap_take(s->parser, '('))
		return imap_syntax_error(s->parser, "Expected ( and parameters");
	do {
		r = imap_atom(s->parser, &word);
		if (r == 0 && view_is_nocase(word, "CONDSTORE"))
			o->condstore = true;
		else if (r == 0 && view_is_nocase(word, "QRESYNC"))
			r = select_parse_qresync(s, o);
		else if (r == 0)
			r = imap_syntax_error(s->parser, "Unknown parameter");
	} while (r == 0 && imap_take(s->parser, ' '));
	if (r == 0 && !imap_take(s->parser, ')'))
		r = imap_syntax_error(s->parser, "Expected )");
	return r;
}

/* What has changed since the client was here: what is gone, then flags (RFC 7162 3.2.5.1). */
static int select_resynchronize(struct imap_session *s, const struct select_options *o)
{
	const struct imap_set *known = o->known.count > 0 ? &o->known : NULL;
	struct imap_set set = { 0 };
	uint32_t *seqs = NULL;
	size_t count = 0, changed = 0;
	int r = imap_send_vanished(s, known, o->modseq);

	if (known != NULL)
		imap_set_copy(known, &set);
	else
		imap_set_parse(VIEW("1:*"), &set);
	s->uid = true; /* as UID FETCH answers */
	imap_resolve_set(s, &set, &seqs, &count);
	for (size_t i = 0; i < count; i++)
		if (mailbox_modseq(s->mailbox, seqs[i]) > o->modseq)
			seqs[changed++] = seqs[i];
	if (r == 0)
		r = imap_send_flags(s, seqs, changed);
	s->uid = false;
	free(seqs);
	return r;
}

static int select_answer(struct imap_session *s, enum mailbox_mode mode,
			 const struct select_options *o)
{
	int r = mailbox_describe(s);

	s->condstore |= o->condstore || o->qresync;
	if (r == 0 && o->qresync && o->uidvalidity == mailbox_uidvalidity(s->mailbox))
		r = select_resynchronize(s, o);
	if (r < 0)
		return r;
	return imap_ok(s, "[%s] %s completed.",
		       mode == MAILBOX_READ_ONLY ? "READ-ONLY" : "READ-WRITE",
		       mode == MAILBOX_READ_ONLY ? "Examine" : "Select");
}

static int open_mailbox(struct imap_session *s, enum mailbox_mode mode)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct select_options o = { 0 };
	int r = imap_parse_mailbox(s, &name);

	if (r == 0)
		r = select_parse_options(s, &o);
	if (r == 0)
		r = imap_end(s->parser);
	/* Whatever was selected is left, also if this fails (RFC 3501 6.3.1). */
	if (r == 0 && s->mailbox != NULL)
		r = stream_printf(s->io, "* OK [CLOSED] Previous mailbox closed.\r\n");
	if (r < 0) {
		imap_set_free(&o.known);
		return r == -EINVAL ? IMAP_DONE : r;
	}
	imap_close_mailbox(s);
	r = mailbox_open(s->store, str_view(&name), mode, &s->mailbox);
	r = r < 0 ? imap_no_errno(s, r, "Opening the mailbox") : select_answer(s, mode, &o);
	imap_set_free(&o.known);
	return r;
}

int imap_command_select(struct imap_session *s)
{
	return open_mailbox(s, MAILBOX_READ_WRITE);
}

int imap_command_examine(struct imap_session *s)
{
	return open_mailbox(s, MAILBOX_READ_ONLY);
}

int imap_command_close(struct imap_session *s)
{
	struct mailbox_changes changes = { 0 };
	uint64_t modseq = 0;
	size_t expunged = 0;
	int r = imap_end(s->parser);

	if (r < 0)
		return r;
	/* No EXPUNGE answers are sent (RFC 3501 6.4.2). */
	if (mailbox_is_writable(s->mailbox))
		r = mailbox_expunge(s->mailbox, NULL, 0, &expunged);
	if (r < 0)
		return imap_no_errno(s, r, "Expunging");
	if (expunged > 0 && s->condstore && mailbox_refresh(s->mailbox, true, &changes) == 0)
		modseq = mailbox_highest_modseq(s->mailbox);
	mailbox_changes_free(&changes);
	imap_close_mailbox(s);
	if (modseq > 0)
		return imap_ok(s, "[HIGHESTMODSEQ %llu] Close completed.",
			       (unsigned long long)modseq);
	return imap_ok(s, "Close completed.");
}

int imap_command_unselect(struct imap_session *s)
{
	int r = imap_end(s->parser);

	if (r < 0)
		return r;
	imap_close_mailbox(s);
	return imap_ok(s, "Unselect completed.");
}

int imap_command_expunge(struct imap_session *s)
{
	struct imap_set set = { 0 };
	uint32_t *seqs = NULL;
	size_t count = 0;
	int r = 0;

	if (s->uid) {
		r = imap_space(s->parser);
		if (r == 0)
			r = imap_sequence_set(s->parser, &set);
	}
	if (r == 0)
		r = imap_end(s->parser);
	if (r < 0) {
		imap_set_free(&set);
		return r;
	}
	if (s->uid)
		imap_resolve_set(s, &set, &seqs, &count);
	if (!mailbox_is_writable(s->mailbox))
		r = -EROFS;
	else if (!s->uid || count > 0)
		r = mailbox_expunge(s->mailbox, s->uid ? seqs : NULL, count, NULL);
	free(seqs);
	if (r == -EROFS)
		return imap_no(s, "[CANNOT] The mailbox is open read-only.");
	if (r < 0)
		return imap_no_errno(s, r, "Expunging");
	if (!s->condstore)
		return imap_ok(s, "Expunge completed.");
	/* The expunges first, so that the number includes them. */
	r = imap_send_changes(s, true);
	return r < 0 ? r
		     : imap_ok(s, "[HIGHESTMODSEQ %llu] Expunge completed.",
			       (unsigned long long)mailbox_highest_modseq(s->mailbox));
}
