/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 6.3.3 to 6.3.7, RFC 6154). */
#include <errno.h>

#include "base/mem.h"
#include "session.h"

/* One mailbox name and nothing else. IMAP_DONE with name.len == 0: answered already. */
static int only_name(struct imap_session *s, struct str *name)
{
	int r = imap_parse_mailbox(s, name);

	if (r == -EINVAL) {
		str_clear(name);
		return IMAP_DONE;
	}
	return r == 0 ? imap_end(s->parser) : r;
}

static int folder_command_answer(struct imap_session *s, int r, const struct error *err,
				 const char *what)
{
	if (r == -EINVAL && err->text[0] != '\0')
		return imap_no(s, "[CANNOT] %s.", err->text);
	if (r < 0)
		return imap_no_errno(s, r, what);
	return imap_ok(s, "%s completed.", what);
}

/* " (USE (\Sent))" (RFC 6154). -ENOTSUP: it is a use that we do not know. */
static int parse_use(struct imap_session *s, unsigned *use)
{
	struct view word;
	bool unknown = false;
	int r = imap_space(s->parser);

	if (r == 0 && !imap_take(s->parser, '('))
		r = imap_syntax_error(s->parser, "Expected (");
	if (r == 0)
		r = imap_atom(s->parser, &word);
	if (r == 0 && !view_is_nocase(word, "USE"))
		r = imap_syntax_error(s->parser, "Unknown parameter");
	if (r == 0)
		r = imap_space(s->parser);
	if (r == 0 && !imap_take(s->parser, '('))
		r = imap_syntax_error(s->parser, "Expected (");
	while (r == 0 && imap_take(s->parser, '\\')) {
		r = imap_atom(s->parser, &word);
		unknown |= r == 0 && store_use_find(word) == 0;
		if (r == 0)
			*use |= store_use_find(word);
		imap_take(s->parser, ' ');
	}
	if (r == 0 && (!imap_take(s->parser, ')') || !imap_take(s->parser, ')')))
		r = imap_syntax_error(s->parser, "Expected ))");
	return r == 0 && unknown ? -ENOTSUP : r;
}

static int create_answer(struct imap_session *s, struct view name, unsigned use)
{
	_cleanup_(str_free) struct str id = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = store_create(s->store, name, use, &err);

	if (r < 0)
		return folder_command_answer(s, r, &err, "Create");
	imap_own_name(s, name);
	imap_append_mailbox_id(s, name, &id);
	return imap_ok(s, "%sCreate completed.", str_cstr(&id));
}

int imap_command_create(struct imap_session *s)
{
	struct str name = STR_EMPTY;
	unsigned use = 0;
	int r = imap_parse_mailbox(s, &name);

	if (r == -EINVAL) {
		str_free(&name);
		return IMAP_DONE;
	}
	if (r == 0 && !imap_at_end(s->parser))
		r = parse_use(s, &use);
	if (r == 0)
		r = imap_end(s->parser);
	if (r == -ENOTSUP)
		r = imap_no(s, "[USEATTR] This use is not known here.");
	else if (r == 0)
		r = create_answer(s, str_view(&name), use);
	str_free(&name);
	return r;
}

int imap_command_delete(struct imap_session *s)
{
	struct error err = ERROR_NONE;
	struct str name = STR_EMPTY;
	int r = only_name(s, &name);

	if (r == IMAP_DONE && name.len > 0) {
		r = store_delete(s->store, str_view(&name), &err);
		imap_own_name(s, str_view(&name));
		/* Clients delete what they have open; then nothing is selected any more. */
		if (r == 0 && s->mailbox != NULL &&
		    view_is(str_view(&name), mailbox_name(s->mailbox)))
			imap_close_mailbox(s);
		r = folder_command_answer(s, r, &err, "Delete");
	}
	str_free(&name);
	return r;
}

int imap_command_rename(struct imap_session *s)
{
	struct error err = ERROR_NONE;
	struct str from = STR_EMPTY, to = STR_EMPTY;
	int r = imap_parse_mailbox(s, &from);

	if (r == 0)
		r = only_name(s, &to);
	else if (r == -EINVAL)
		r = IMAP_DONE;
	imap_own_name(s, str_view(&from));
	imap_own_name(s, str_view(&to));
	if (r == IMAP_DONE && from.len > 0 && to.len > 0)
		r = folder_command_answer(
			s, store_rename(s->store, str_view(&from), str_view(&to), &err), &err,
			"Rename");
	str_free(&from);
	str_free(&to);
	return r;
}

static int subscribe(struct imap_session *s, bool subscribed)
{
	struct error err = ERROR_NONE;
	struct str name = STR_EMPTY;
	int r = only_name(s, &name);

	imap_own_name(s, str_view(&name));
	if (r == IMAP_DONE && name.len > 0)
		r = folder_command_answer(
			s, store_subscribe(s->store, str_view(&name), subscribed, &err), &err,
			subscribed ? "Subscribe" : "Unsubscribe");
	str_free(&name);
	return r;
}

int imap_command_subscribe(struct imap_session *s)
{
	return subscribe(s, true);
}

int imap_command_unsubscribe(struct imap_session *s)
{
	return subscribe(s, false);
}
