/* Replies: tagged lines, what changed in the selected mailbox, flags, sets. Arguments are read in args.c. */
#include <errno.h>
#include <stdarg.h>

#include "base/mem.h"
#include "session.h"
#include "store/render.h"

/* RFC 3501 2.3.2, in the order in which they are shown. */
static const struct {
	unsigned bit;
	const char *name;
} system_flags[] = {
	{ FLAG_ANSWERED, "\\Answered" }, { FLAG_FLAGGED, "\\Flagged" },
	{ FLAG_DELETED, "\\Deleted" },	 { FLAG_SEEN, "\\Seen" },
	{ FLAG_DRAFT, "\\Draft" },	 { FLAG_RECENT, "\\Recent" },
};

unsigned imap_system_flag(struct view name)
{
	for (size_t i = 0; i < ARRAY_SIZE(system_flags); i++)
		if (view_is_nocase(name, system_flags[i].name + 1))
			return system_flags[i].bit;
	return 0;
}

static int tagged(struct imap_session *s, const char *kind, const char *format, va_list args)
{
	struct str text = STR_EMPTY, line = STR_EMPTY;
	struct view tag = imap_command_tag(s->parser);
	int r;

	str_vprintf(&text, format, args);
	/* A line whose tag could not be read is answered untagged. */
	str_printf(&line, "%.*s %s ", tag.len > 0 ? (int)tag.len : 1, tag.len > 0 ? tag.data : "*",
		   kind);
	/* A reason may repeat what the client wrote; a line stays one line all the same. */
	str_append_printable(&line, str_view(&text));
	str_append_cstr(&line, "\r\n");
	r = stream_write(s->io, str_view(&line));
	str_free(&text);
	str_free(&line);
	return r < 0 ? r : IMAP_DONE;
}

int imap_ok(struct imap_session *s, const char *format, ...)
{
	va_list args;
	int r = imap_send_changes(s, s->expunge_allowed);

	if (r < 0)
		return r;
	s->bad_commands = 0;
	va_start(args, format);
	r = tagged(s, "OK", format, args);
	va_end(args);
	return r;
}

int imap_no(struct imap_session *s, const char *format, ...)
{
	va_list args;
	int r;

	s->bad_commands = 0;
	va_start(args, format);
	r = tagged(s, "NO", format, args);
	va_end(args);
	return r;
}

int imap_bad(struct imap_session *s, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = tagged(s, "BAD", format, args);
	va_end(args);
	if (r == IMAP_DONE && ++s->bad_commands >= IMAP_BAD_COMMANDS_MAX) {
		stream_printf(s->io, "* BYE Too many invalid commands.\r\n");
		return IMAP_LOGOUT;
	}
	return r;
}

int imap_no_errno(struct imap_session *s, int error, const char *doing)
{
	static const struct {
		int error;
		const char *code, *text;
	} answers[] = {
		{ -ENOENT, "NONEXISTENT", "There is no such mailbox" },
		{ -EEXIST, "ALREADYEXISTS", "There is such a mailbox already" },
		{ -EINVAL, "CANNOT", "Invalid mailbox name" },
		{ -EPERM, "CANNOT", "This mailbox cannot do that" },
		{ -ERANGE, "LIMIT", "Too many keywords in this mailbox" },
		{ -ENOSPC, "OVERQUOTA", "There is no room left" },
		{ -EDQUOT, "OVERQUOTA", "There is no room left" },
		{ -EAGAIN, "UNAVAILABLE", "The mailbox is not available now, please try again" },
	};

	if (error == -ESTALE)
		return -ESTALE;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		if (answers[i].error == error)
			return imap_no(s, "[%s] %s.", answers[i].code, answers[i].text);
	return imap_no(s, "[SERVERBUG] %s failed; the server's log says why.", doing);
}

void imap_append_flag_names(const struct imap_session *s, unsigned flags, uint64_t keywords,
			    struct str *out)
{
	const char *separator = "";

	str_append_byte(out, '(');
	for (size_t i = 0; i < ARRAY_SIZE(system_flags); i++) {
		if (!(flags & system_flags[i].bit))
			continue;
		str_append_cstr(out, separator);
		str_append_cstr(out, system_flags[i].name);
		separator = " ";
	}
	for (unsigned bit = 0; keywords >> bit != 0; bit++) {
		const char *name = mailbox_keyword_name(s->mailbox, bit);

		if ((keywords >> bit & 1) != 0 && name != NULL) {
			str_append_cstr(out, separator);
			str_append_cstr(out, name);
			separator = " ";
		}
		if (bit == KEYWORDS_MAX - 1)
			break;
	}
	str_append_byte(out, ')');
}

void imap_append_flags(const struct imap_session *s, uint32_t seq, struct str *out)
{
	unsigned flags = mailbox_flags(s->mailbox, seq);

	/* RFC 9051 has no \\Recent. */
	if (s->rev2)
		flags &= ~(unsigned)FLAG_RECENT;
	imap_append_flag_names(s, flags, mailbox_keywords(s->mailbox, seq), out);
}

void imap_append_set(struct str *out, const uint32_t *numbers, size_t count)
{
	for (size_t i = 0; i < count;) {
		size_t last = i;

		while (last + 1 < count && numbers[last + 1] == numbers[last] + 1)
			last++;
		str_printf(out, "%s%u", i > 0 ? "," : "", numbers[i]);
		if (last > i)
			str_printf(out, ":%u", numbers[last]);
		i = last + 1;
	}
}

void imap_append_mailbox_id(struct imap_session *s, struct view name, struct str *out)
{
	_cleanup_(str_free) struct str id = STR_EMPTY;

	if (store_mailbox_id(s->store, name, &id) == 0)
		str_printf(out, "[MAILBOXID (F%s)] ", str_cstr(&id));
}

void imap_append_fetch(const struct imap_session *s, struct str *out, uint32_t seq)
{
	if (s->uidonly)
		str_printf(out, "* %u UIDFETCH (", mailbox_uid(s->mailbox, seq));
	else
		str_printf(out, "* %u FETCH (", seq);
}

void imap_append_mailbox(const struct imap_session *s, struct str *out, struct view name)
{
	_cleanup_(str_free) struct str shown = STR_EMPTY, text = STR_EMPTY;
	bool utf8 = s->utf8 && store_name_to_utf8(name, &text) == 0;

	imap_name_to_client(utf8 ? str_view(&text) : name, &shown);
	if (utf8) {
		str_append_byte(out, '"');
		for (size_t i = 0; i < shown.len; i++) {
			if (shown.data[i] == '"' || shown.data[i] == '\\')
				str_append_byte(out, '\\');
			str_append_byte(out, shown.data[i]);
		}
		str_append_byte(out, '"');
		return;
	}
	render_string(out, str_view(&shown));
}

/* ---- what changed ---- */

/* FLAGS and PERMANENTFLAGS, when a keyword is new. */
int imap_send_flag_lists(struct imap_session *s)
{
	struct str names = STR_EMPTY;
	uint64_t all = 0;
	int r;

	for (unsigned bit = 0; bit < KEYWORDS_MAX; bit++)
		if (mailbox_keyword_name(s->mailbox, bit) != NULL)
			all |= (uint64_t)1 << bit;
	imap_append_flag_names(s, FLAGS_SYSTEM, all, &names);
	r = stream_printf(s->io, "* FLAGS %s\r\n", str_cstr(&names));
	if (r == 0 && mailbox_is_writable(s->mailbox)) {
		str_truncate(&names, names.len - 1);
		r = stream_printf(s->io, "* OK [PERMANENTFLAGS %s \\*)] Flags permitted.\r\n",
				  str_cstr(&names));
	} else if (r == 0) {
		r = stream_printf(s->io, "* OK [PERMANENTFLAGS ()] Read-only mailbox.\r\n");
	}
	str_free(&names);
	return r;
}

int imap_send_new_keywords(struct imap_session *s)
{
	return mailbox_take_new_keywords(s->mailbox) ? imap_send_flag_lists(s) : 0;
}

static int send_states(struct imap_session *s, const uint32_t *seqs, size_t count, bool flags)
{
	struct str line = STR_EMPTY;
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		str_clear(&line);
		imap_append_fetch(s, &line, seqs[i]);
		if (!s->uidonly && (s->uid || s->qresync || s->telling.uids))
			str_printf(&line, "UID %u ", mailbox_uid(s->mailbox, seqs[i]));
		if (s->condstore)
			str_printf(&line, "MODSEQ (%llu)%s",
				   (unsigned long long)mailbox_modseq(s->mailbox, seqs[i]),
				   flags ? " " : "");
		if (flags) {
			str_append_cstr(&line, "FLAGS ");
			imap_append_flags(s, seqs[i], &line);
		}
		str_append_cstr(&line, ")\r\n");
		r = stream_write(s->io, str_view(&line));
	}
	str_free(&line);
	return r;
}

int imap_send_flags(struct imap_session *s, const uint32_t *seqs, size_t count)
{
	return send_states(s, seqs, count, true);
}

int imap_send_modseqs(struct imap_session *s, const uint32_t *seqs, size_t count)
{
	return s->condstore ? send_states(s, seqs, count, false) : 0;
}

void imap_own_begin(struct imap_session *s)
{
	s->own.first = s->own.last = 0;
	str_free(&s->own.notes);
	str_free(&s->own.mailbox);
	for (size_t i = 0; i < ARRAY_SIZE(s->own.names); i++)
		str_free(&s->own.names[i]);
}

void imap_own_messages(struct imap_session *s, struct view name, uint32_t first, uint32_t last)
{
	str_set(&s->own.mailbox, name);
	s->own.first = first;
	s->own.last = last;
}

void imap_own_name(struct imap_session *s, struct view name)
{
	str_set(&s->own.names[s->own.names[0].len > 0], name);
}

bool imap_is_own(const struct imap_session *s, uint32_t uid)
{
	return uid >= s->own.first && uid <= s->own.last && s->mailbox != NULL &&
	       view_is(str_view(&s->own.mailbox), mailbox_name(s->mailbox));
}

/* Highest first, as EXPUNGE wants it; VANISHED (RFC 7162 3.2.10) has UIDs, ascending. */
static int send_expunged(struct imap_session *s, struct mailbox_changes *changes)
{
	size_t count = changes->expunged_count;
	struct str line = STR_EMPTY;
	int r = 0;

	bool vanished = s->qresync || s->uidonly;

	for (size_t i = 0; !vanished && i < count && r >= 0; i++)
		r = stream_printf(s->io, "* %u EXPUNGE\r\n", changes->expunged[i]);
	if (!vanished || count == 0)
		return r;
	for (size_t i = 0; i < count / 2; i++) {
		uint32_t uid = changes->expunged_uids[i];

		changes->expunged_uids[i] = changes->expunged_uids[count - 1 - i];
		changes->expunged_uids[count - 1 - i] = uid;
	}
	str_append_cstr(&line, "* VANISHED ");
	imap_append_set(&line, changes->expunged_uids, count);
	str_append_cstr(&line, "\r\n");
	r = stream_write(s->io, str_view(&line));
	str_free(&line);
	return r;
}

int imap_send_changes(struct imap_session *s, bool may_expunge)
{
	struct mailbox_changes changes = { 0 };
	int r;

	s->mail_came = false;
	if (s->mailbox == NULL || (s->telling.nothing && !s->removes))
		return 0;
	r = mailbox_refresh(s->mailbox, may_expunge, &changes);
	if (r == -ESTALE)
		return r;
	if (r < 0)
		return 0; /* logged by the store; the next command looks again */
	if (s->hooks != NULL)
		r = s->hooks->before(s, &changes);
	if (r >= 0)
		r = send_expunged(s, &changes);
	if (r >= 0 && changes.exists)
		r = stream_printf(s->io, "* %u EXISTS\r\n", mailbox_count(s->mailbox));
	if (r >= 0 && changes.recent && !s->rev2)
		r = stream_printf(s->io, "* %u RECENT\r\n", mailbox_recent(s->mailbox));
	if (r >= 0 && changes.keywords)
		r = imap_send_flag_lists(s);
	if (r >= 0 && !s->telling.no_flags)
		r = imap_send_flags(s, changes.flags, changes.flags_count);
	if (r >= 0 && s->hooks != NULL)
		r = s->hooks->after(s, &changes);
	mailbox_changes_free(&changes);
	return r < 0 ? r : 0;
}
