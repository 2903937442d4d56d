/* Reading and asking filters of mailboxes. Which mailboxes there are is their users' matter. */
#include "mailbox_filter.h"

#include "base/mem.h"

static const struct {
	const char *name;
	enum filter_kind kind;
} filter_names[] = {
	{ "SELECTED", FILTER_SELECTED },       { "SELECTED-DELAYED", FILTER_SELECTED_DELAYED },
	{ "INBOXES", FILTER_PERSONAL },	       { "PERSONAL", FILTER_PERSONAL },
	{ "SUBSCRIBED", FILTER_SUBSCRIBED },   { "SUBTREE", FILTER_SUBTREE },
	{ "SUBTREE-ONE", FILTER_SUBTREE_ONE }, { "MAILBOXES", FILTER_MAILBOXES },
};

void mailbox_filter_free(struct mailbox_filter *filter)
{
	for (size_t i = 0; i < filter->count; i++)
		free(filter->names[i]);
	free(filter->names);
	filter->names = NULL;
	filter->count = 0;
}

/* What can be no name is passed over: it means nothing that there is. */
static int filter_parse_name(struct imap_session *s, struct mailbox_filter *filter)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	const char *why;
	struct view text;
	int r = imap_astring(s->parser, &text);

	if (r == 0 && filter->count == FILTER_NAMES_MAX)
		r = imap_syntax_error(s->parser, "Too many mailboxes");
	if (r < 0)
		return r;
	if (imap_name_is_top(text) || imap_mailbox_name(s, text, &name, &why) == 0) {
		array_grow(filter->names, filter->count);
		filter->names[filter->count++] = mem_strdup(str_cstr(&name));
	}
	return 0;
}

static int filter_parse_names(struct imap_session *s, struct mailbox_filter *filter)
{
	int r = imap_space(s->parser);

	if (r == 0 && !imap_take(s->parser, '('))
		return filter_parse_name(s, filter);
	while (r == 0) {
		r = filter_parse_name(s, filter);
		if (r == 0 && !imap_take(s->parser, ' '))
			break;
	}
	if (r == 0 && !imap_take(s->parser, ')'))
		r = imap_syntax_error(s->parser, "Expected ) after the mailboxes");
	return r;
}

int mailbox_filter_parse(struct imap_session *s, struct mailbox_filter *filter)
{
	struct view word;
	int r = imap_atom(s->parser, &word);

	*filter = (struct mailbox_filter){ .kind = FILTER_SELECTED };
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(filter_names); i++) {
		if (!view_is_nocase(word, filter_names[i].name))
			continue;
		filter->kind = filter_names[i].kind;
		return filter->kind >= FILTER_SUBTREE ? filter_parse_names(s, filter) : 0;
	}
	return imap_syntax_error(s->parser, "Unknown mailbox specifier");
}

/* How many levels below: 0 the same, -1 not below it. */
static int levels_below(struct view name, struct view top)
{
	int levels = 1;

	if (view_eq(name, top))
		return 0;
	if (top.len > 0 && imap_inbox_is_top() && view_is(top, "INBOX")) {
		top = VIEW_NONE;
	} else if (top.len > 0) {
		if (!view_starts(name, top) || name.data[top.len] != '.')
			return -1;
		top.len++;
	} else if (view_is(name, "INBOX")) {
		return -1;
	}
	name = view_from(name, top.len);
	for (size_t i = 0; i < name.len; i++)
		levels += name.data[i] == '.';
	return levels;
}

static bool filter_name_matches(const struct mailbox_filter *filter, struct view name,
				struct view asked)
{
	int levels;

	if (filter->kind == FILTER_MAILBOXES)
		return view_eq(name, asked);
	levels = levels_below(name, asked);
	return levels >= 0 && (filter->kind == FILTER_SUBTREE || levels <= 1);
}

bool mailbox_filter_matches(const struct mailbox_filter *filter, struct view name, bool subscribed)
{
	if (filter->kind == FILTER_PERSONAL)
		return true;
	if (filter->kind == FILTER_SUBSCRIBED)
		return subscribed;
	for (size_t i = 0; i < filter->count; i++)
		if (filter_name_matches(filter, name, view_of(filter->names[i])))
			return true;
	return false;
}
