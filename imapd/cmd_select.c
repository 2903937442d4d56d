/* SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE (RFC 3501 6.3.1, 6.4; RFC 3691; RFC 4315). */
#include <errno.h>

#include "session.h"

/* The answers that describe a mailbox, in the order in which clients are used to them. */
static int mailbox_describe(struct imap_session *s)
{
	struct mailbox *box = s->mailbox;
	uint32_t unseen = mailbox_first_unseen(box);
	int r = imap_send_flag_lists(s);

	if (r == 0)
		r = stream_printf(s->io, "* %u EXISTS\r\n* %u RECENT\r\n", mailbox_count(box),
				  mailbox_recent(box));
	if (r == 0 && unseen != 0)
		r = stream_printf(s->io, "* OK [UNSEEN %u] First unseen.\r\n", unseen);
	if (r == 0)
		r = stream_printf(s->io,
				  "* OK [UIDVALIDITY %u] UIDs valid.\r\n"
				  "* OK [UIDNEXT %u] Predicted next UID.\r\n",
				  mailbox_uidvalidity(box), mailbox_uidnext(box));
	return r;
}

static int open_mailbox(struct imap_session *s, enum mailbox_mode mode)
{
	struct str name = STR_EMPTY;
	int r = imap_parse_mailbox(s, &name);

	if (r == 0)
		r = imap_end(s->parser);
	if (r < 0) {
		str_free(&name);
		return r == -EINVAL ? IMAP_DONE : r;
	}
	/* Whatever was selected is left, also if this fails (RFC 3501 6.3.1). */
	imap_close_mailbox(s);
	r = mailbox_open(s->store, str_view(&name), mode, &s->mailbox);
	str_free(&name);
	if (r < 0)
		return imap_no_errno(s, r, "Opening the mailbox");
	r = mailbox_describe(s);
	if (r < 0)
		return r;
	return imap_ok(s, "[%s] %s completed.",
		       mode == MAILBOX_READ_ONLY ? "READ-ONLY" : "READ-WRITE",
		       mode == MAILBOX_READ_ONLY ? "Examine" : "Select");
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
	int r = imap_end(s->parser);

	if (r < 0)
		return r;
	/* No EXPUNGE answers are sent (RFC 3501 6.4.2). */
	if (mailbox_is_writable(s->mailbox))
		r = mailbox_expunge(s->mailbox, NULL, 0, NULL);
	if (r < 0)
		return imap_no_errno(s, r, "Expunging");
	imap_close_mailbox(s);
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
	struct imap_set set = { NULL, 0 };
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
	return r < 0 ? imap_no_errno(s, r, "Expunging") : imap_ok(s, "Expunge completed.");
}
