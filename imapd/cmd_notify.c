/* The command NOTIFY (RFC 5465): what it asks for. What is told then: notify.c. */
#include <errno.h>

#include "base/mem.h"
#include "notify.h"
#include "status.h"

static const struct {
	const char *name;
	unsigned event;
} event_names[] = {
	{ "MessageNew", NOTIFY_MESSAGE_NEW },
	{ "MessageExpunge", NOTIFY_MESSAGE_EXPUNGE },
	{ "FlagChange", NOTIFY_FLAG_CHANGE },
	{ "MailboxName", NOTIFY_MAILBOX_NAME },
	{ "SubscriptionChange", NOTIFY_SUBSCRIPTION },
	{ "MailboxMetadataChange", NOTIFY_MAILBOX_METADATA },
	{ "ServerMetadataChange", NOTIFY_SERVER_METADATA },
};

static bool filter_is_selected(const struct mailbox_filter *filter)
{
	return filter->kind == FILTER_SELECTED || filter->kind == FILTER_SELECTED_DELAYED;
}

/* " (UID BODY.PEEK[...])" after MessageNew. */
static int parse_new_fetch(struct imap_session *s, struct notify *n, bool selected)
{
	if (!imap_take_text(s->parser, " ("))
		return 0;
	if (!selected || n->fetch != NULL)
		return imap_syntax_error(s->parser, "Only SELECTED has FETCH items, and once");
	n->fetch = mem_new(struct fetch);

	int r = fetch_parse_list(s->parser, n->fetch);

	if (r == 0)
		fetch_keep(n->fetch);
	return r;
}

/* One of them. -ENOTSUP: one that we do not have. */
static int parse_event(struct imap_session *s, struct notify *n, bool selected, unsigned *events)
{
	struct view word;
	int r = imap_atom(s->parser, &word);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(event_names); i++) {
		if (!view_is_nocase(word, event_names[i].name))
			continue;
		*events |= event_names[i].event;
		return event_names[i].event == NOTIFY_MESSAGE_NEW ? parse_new_fetch(s, n, selected)
								  : 0;
	}
	return -ENOTSUP;
}

/* RFC 5465 5: which events need which. */
static int check_events(struct imap_session *s, unsigned events, bool selected)
{
	unsigned both = NOTIFY_MESSAGE_NEW | NOTIFY_MESSAGE_EXPUNGE;

	if (events & NOTIFY_MESSAGES && (events & both) != both)
		return imap_syntax_error(s->parser, "MessageNew and MessageExpunge go together");
	if (selected && events & ~(unsigned)NOTIFY_MESSAGES)
		return imap_syntax_error(s->parser, "SELECTED has events of messages alone");
	return 0;
}

/* "(MessageNew MessageExpunge)" or NONE. */
static int parse_events(struct imap_session *s, struct notify *n, bool selected, unsigned *events)
{
	int r;

	*events = 0;
	if (imap_take_text(s->parser, "NONE"))
		return 0;
	if (!imap_take(s->parser, '('))
		return imap_syntax_error(s->parser, "Expected ( and events, or NONE");
	do
		r = parse_event(s, n, selected, events);
	while (r == 0 && imap_take(s->parser, ' '));
	if (r == 0 && !imap_take(s->parser, ')'))
		r = imap_syntax_error(s->parser, "Expected ) after the events");
	return r == 0 ? check_events(s, *events, selected) : r;
}

/* "(SUBTREE Lists (MessageNew MessageExpunge))" */
static int parse_group(struct imap_session *s, struct notify *n)
{
	struct notify_group *group = &n->groups[n->group_count];
	unsigned events = 0;
	bool selected;
	int r = imap_space(s->parser);

	if (r == 0 && !imap_take(s->parser, '('))
		r = imap_syntax_error(s->parser, "Expected ( and mailboxes");
	if (r == 0 && n->group_count == NOTIFY_GROUPS_MAX)
		r = imap_syntax_error(s->parser, "Too many groups of events");
	if (r < 0)
		return r;
	n->group_count++;
	r = mailbox_filter_parse(s, &group->filter);
	selected = r == 0 && filter_is_selected(&group->filter);
	if (r == 0 && group->filter.kind == FILTER_SUBTREE_ONE)
		r = imap_syntax_error(s->parser, "SUBTREE-ONE is of ESEARCH alone");
	if (r == 0 && selected && n->has_selected)
		r = imap_syntax_error(s->parser, "SELECTED stands there twice");
	if (r == 0)
		r = imap_space(s->parser);
	if (r == 0)
		r = parse_events(s, n, selected, &events);
	if (r == 0 && !imap_take(s->parser, ')'))
		r = imap_syntax_error(s->parser, "Expected )");
	group->events = events;
	if (r < 0 || !selected)
		return r;
	n->has_selected = true;
	n->delayed = group->filter.kind == FILTER_SELECTED_DELAYED;
	n->selected = events;
	n->group_count--;
	return 0;
}

int notify_parse(struct imap_session *s, struct notify *n, bool *status)
{
	struct view word;
	int r = imap_space(s->parser);

	if (r == 0)
		r = imap_atom(s->parser, &word);
	if (r == 0 && view_is_nocase(word, "NONE"))
		return imap_end(s->parser);
	if (r == 0 && !view_is_nocase(word, "SET"))
		r = imap_syntax_error(s->parser, "Expected SET or NONE");
	*status = r == 0 && imap_take_text(s->parser, " STATUS");
	do
		r = r == 0 ? parse_group(s, n) : r;
	while (r == 0 && !imap_at_end(s->parser));
	return r == 0 ? imap_end(s->parser) : r;
}

/* RFC 5465 3.1 */
static int send_statuses(struct imap_session *s, const struct notify_view *view)
{
	int failed, r = 0;

	for (size_t i = 0; r == 0 && i < view->count; i++) {
		const struct notify_folder *f = &view->folders[i];
		unsigned items = STATUS_MESSAGES | STATUS_UIDNEXT | STATUS_UIDVALIDITY;

		if (!f->counted ||
		    (s->mailbox != NULL && view_is(f->info.name, mailbox_name(s->mailbox))))
			continue;
		if (f->events & NOTIFY_FLAG_CHANGE)
			items |= STATUS_HIGHESTMODSEQ;
		r = status_send(s, f->info.name, items, &failed);
	}
	return r;
}

static int refuse_event(struct imap_session *s)
{
	struct str names = STR_EMPTY;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(event_names); i++)
		str_printf(&names, "%s%s", i > 0 ? " " : "", event_names[i].name);
	r = imap_no(s, "[BADEVENT (%s)] There is no such event here.", str_cstr(&names));
	str_free(&names);
	return r;
}

/* What has come meanwhile is told before, whatever is to be told from now on. */
static int notify_set(struct imap_session *s, struct notify *n, bool status)
{
	int r = notify_view_read(s, n, &n->known);

	if (r < 0) {
		notify_free(n);
		return r == -E2BIG ? imap_no(s, "[NOTIFICATIONOVERFLOW] Too many mailboxes.")
				   : imap_no_errno(s, r, "Notify");
	}
	s->telling.nothing = false;
	r = imap_send_changes(s, true);
	notify_begin(s, n);
	if (r == 0 && status)
		r = send_statuses(s, &n->known);
	return r < 0 ? r : imap_ok(s, "Notify completed.");
}

int imap_command_notify(struct imap_session *s)
{
	struct notify *n = mem_new(struct notify);
	bool status = false;
	int r = notify_parse(s, n, &status);

	if (r == 0)
		return notify_set(s, n, status);
	notify_free(n);
	return r == -ENOTSUP ? refuse_event(s) : r;
}
