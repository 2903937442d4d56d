/* CAPABILITY, NOOP, LOGOUT, ID, ENABLE: what needs no mailbox; and leaving the selected one. */
#include "base/mem.h"
#include "conf/conf.h"
#include "fetch.h"

int imap_command_capability(struct imap_session *s)
{
	int r = imap_end(s->parser);

	if (r < 0)
		return r;
	r = stream_printf(s->io, "* CAPABILITY %s\r\n", s->capabilities);
	return r < 0 ? r : imap_ok(s, "Capability completed.");
}

int imap_command_noop(struct imap_session *s)
{
	int r = imap_end(s->parser);

	return r < 0 ? r : imap_ok(s, "NOOP completed.");
}

/* RFC 3501 6.4.1: a checkpoint. */
int imap_command_check(struct imap_session *s)
{
	int r = imap_end(s->parser);

	if (r < 0)
		return r;
	r = store_commit(s->store);
	return r < 0 ? imap_no_errno(s, r, "Check") : imap_ok(s, "Check completed.");
}

int imap_command_logout(struct imap_session *s)
{
	int r = imap_end(s->parser);

	if (r < 0)
		return r;
	/* Nothing more is told of it. */
	imap_close_mailbox(s);
	r = stream_printf(s->io, "* BYE Logging out\r\n");
	if (r == 0)
		r = imap_ok(s, "Logout completed.");
	return r < 0 ? r : IMAP_LOGOUT;
}

/* RFC 2971; whatever the client says of itself is skipped. */
int imap_command_id(struct imap_session *s)
{
	int r = imap_skip_id(s->parser);

	if (r < 0)
		return r;
	r = stream_printf(s->io, "* ID (\"name\" \"%s\")\r\n", param.mail_name);

	return r < 0 ? r : imap_ok(s, "ID completed.");
}

static bool enable_flag(struct view name, const char *known, bool *flag, struct str *enabled)
{
	if (!view_is_nocase(name, known))
		return false;
	if (!*flag)
		str_printf(enabled, " %s", known);
	*flag = true;
	return true;
}

/* RFC 5161: what can be enabled; names that are unknown are passed over. */
static int enable_one(struct imap_session *s, struct view name, struct str *enabled)
{
	bool qresync = view_is_nocase(name, "QRESYNC");

	if (enable_flag(name, "UTF8=ACCEPT", &s->utf8, enabled) ||
	    enable_flag(name, "UIDONLY", &s->uidonly, enabled))
		return 0;
	if (enable_flag(name, "IMAP4rev2", &s->rev2, enabled)) {
		s->utf8 = true; /* RFC 9051 A: names are UTF-8 */
		return 0;
	}
	if (!qresync && !view_is_nocase(name, "CONDSTORE"))
		return 0;
	if (qresync && !s->qresync)
		str_append_cstr(enabled, " QRESYNC");
	if (!s->condstore)
		str_append_cstr(enabled, " CONDSTORE");
	s->qresync |= qresync;
	return imap_enable_condstore(s);
}

int imap_command_enable(struct imap_session *s)
{
	_cleanup_(str_free) struct str enabled = STR_EMPTY;
	struct view name;
	int r;

	do {
		r = imap_space(s->parser);
		if (r == 0)
			r = imap_atom(s->parser, &name);
		if (r == 0)
			r = enable_one(s, name, &enabled);
		if (r < 0)
			return r;
	} while (!imap_at_end(s->parser));
	r = imap_end(s->parser);
	if (r == 0)
		r = stream_printf(s->io, "* ENABLED%s\r\n", str_cstr(&enabled));
	return r < 0 ? r : imap_ok(s, "Enabled.");
}

int imap_command_refused(struct imap_session *s)
{
	return imap_bad(s, "Already logged in.");
}
