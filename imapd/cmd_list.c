/*
 * LIST, LSUB, NAMESPACE (RFC 3501 6.3.8 and 6.3.9, RFC 2342; LIST-EXTENDED RFC 5258,
 * LIST-STATUS RFC 5819, SPECIAL-USE RFC 6154). What STATUS tells: cmd_status.c.
 */
#include <errno.h>

#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "status.h"

#define PATTERNS_MAX 50 /* in one LIST */

struct listing {
	struct imap_session *s;
	const char *answer; /* "LIST" or "LSUB" */
	struct view patterns[PATTERNS_MAX];
	size_t pattern_count;
	bool extended;
	bool select_subscribed, select_special, select_recursive;
	bool return_subscribed, return_children, return_special;
	bool is_news;		/* of what has changed (RFC 5465 5.4) */
	bool others;		/* where INBOX is the top of all: there are other folders */
	unsigned status;	/* items of RETURN (STATUS (...)) */
	struct map *above;	/* RECURSIVEMATCH: names that have a subscribed one below them */
	struct map *subscribed; /* LSUB: the names that are subscribed */
	/* LSUB "%": parents of matches that do not match themselves (RFC 3501 6.3.9). */
	struct str last_parent_name;
	struct view old_name; /* OLDNAME of RFC 5465 5.4; empty: none */
	int result;
};

static bool pattern_matches_any(const struct listing *l, struct view name)
{
	for (size_t i = 0; i < l->pattern_count; i++)
		if (imap_pattern_matches(l->patterns[i], name))
			return true;
	return false;
}

static bool matches_any(const struct listing *l, struct view name)
{
	_cleanup_(str_free) struct str shown = STR_EMPTY;

	imap_name_for_patterns(name, &shown);
	return pattern_matches_any(l, str_view(&shown));
}

static void append_attribute(struct str *line, const char *name, const char **separator)
{
	str_append_cstr(line, *separator);
	str_append_cstr(line, name);
	*separator = " ";
}

static bool is_above(const struct listing *l, struct view name)
{
	return l->above != NULL && map_get(l->above, name) != NULL;
}

static int note_above(void *argument, const struct folder_info *folder)
{
	struct listing *l = argument;

	for (size_t end = folder->name.len; folder->subscribed && end-- > 0;)
		if (folder->name.data[end] == '.')
			map_put(l->above, view_first(folder->name, end), l);
	if (folder->subscribed && imap_inbox_is_top() && !view_is(folder->name, "INBOX"))
		map_put(l->above, VIEW("INBOX"), l);
	return 0;
}

static int send_folder(struct listing *l, const struct folder_info *folder, bool only_parent)
{
	struct str line = STR_EMPTY;
	const char *separator = "";
	bool has_children = folder->has_children || (l->others && view_is(folder->name, "INBOX"));
	int failed, r;

	str_printf(&line, "* %s (", l->answer);
	if (only_parent || !folder->exists)
		append_attribute(&line,
				 l->extended && (l->is_news || !folder->has_children)
					 ? "\\NonExistent"
					 : "\\Noselect",
				 &separator);
	if (folder->subscribed && (l->return_subscribed || l->select_subscribed))
		append_attribute(&line, "\\Subscribed", &separator);
	append_attribute(&line, has_children ? "\\HasChildren" : "\\HasNoChildren", &separator);
	/* Clients expect these in a plain LIST and LSUB too. */
	for (size_t i = 0; store_use_at(i) != 0; i++)
		if (folder->special_use & store_use_at(i)) {
			str_printf(&line, "%s\\%s", separator, store_use_name(store_use_at(i)));
			separator = " ";
		}
	str_printf(&line, ") \"%c\" ", imap_separator());
	imap_append_mailbox(l->s, &line, folder->name);
	if (is_above(l, folder->name))
		str_append_cstr(&line, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	if (l->old_name.len > 0) {
		str_append_cstr(&line, " (\"OLDNAME\" (");
		imap_append_mailbox(l->s, &line, l->old_name);
		str_append_cstr(&line, "))");
	}
	str_append_cstr(&line, "\r\n");
	r = stream_write(l->s->io, str_view(&line));
	str_free(&line);
	if (r == 0 && l->status != 0 && folder->exists && !only_parent)
		r = status_send(l->s, folder->name, l->status, &failed);
	return r;
}

int imap_send_folder(struct imap_session *s, const struct folder_info *folder, struct view old_name)
{
	struct listing l = { .s = s,
			     .answer = "LIST",
			     .extended = true,
			     .return_subscribed = true,
			     .is_news = true,
			     .old_name = old_name };

	return send_folder(&l, folder, false);
}

static int note_subscribed(void *argument, const struct folder_info *folder)
{
	struct listing *l = argument;

	if (folder->subscribed)
		map_put(l->subscribed, folder->name, l);
	return 0;
}

static int each_folder(void *argument, const struct folder_info *folder)
{
	struct listing *l = argument;

	/* The user's other connections go on meanwhile. */
	task_yield();

	if (l->select_subscribed && !folder->subscribed && !is_above(l, folder->name))
		return 0;
	if (l->select_special && folder->special_use == 0)
		return 0;
	if (!l->select_subscribed && !folder->exists && !folder->has_children)
		return 0; /* only a subscription to nothing */
	if (!matches_any(l, folder->name))
		return 0;
	l->result = send_folder(l, folder, false);
	return l->result;
}

/* A level above a subscribed folder. False: it is not asked for. */
static bool tell_parent(struct listing *l, struct view name)
{
	struct folder_info parent = { .name = name, .has_children = true };

	if (!matches_any(l, name))
		return false;
	if (view_eq(str_view(&l->last_parent_name), name))
		return true;
	str_set(&l->last_parent_name, name);
	if (map_get(l->subscribed, name) == NULL)
		l->result = send_folder(l, &parent, true);
	return true;
}

/*
 * RFC 3501 6.3.9: where "%" stops at a level, LSUB tells the level above a subscribed folder, as
 * not selectable, unless it is subscribed itself (then it comes by itself).
 */
static int each_subscribed(void *argument, const struct folder_info *folder)
{
	struct listing *l = argument;

	task_yield();
	if (!folder->subscribed)
		return 0;
	if (matches_any(l, folder->name)) {
		l->result = send_folder(l, folder, false);
		return l->result;
	}
	for (size_t end = folder->name.len; end-- > 0;)
		if (folder->name.data[end] == '.' && tell_parent(l, view_first(folder->name, end)))
			return l->result;
	if (imap_inbox_is_top() && !view_is(folder->name, "INBOX"))
		tell_parent(l, VIEW("INBOX"));
	return l->result;
}

static int note_others(void *argument, const struct folder_info *folder)
{
	struct listing *l = argument;

	l->others |= folder->exists && !view_is(folder->name, "INBOX");
	return l->others;
}

/* What the prefix names is no folder, but a level all the same. */
static int list_top(struct listing *l)
{
	_cleanup_(str_free) struct str top = STR_EMPTY;

	if (!imap_has_own_top() || l->select_subscribed || l->select_special ||
	    (l->subscribed != NULL && map_count(l->subscribed) == 0))
		return 0;
	imap_top_for_patterns(&top);
	return pattern_matches_any(l, str_view(&top)) ? imap_send_top(l->s, l->answer) : 0;
}

/* ---- arguments ---- */

/* One word of the selection options or the return options. */
static int parse_option(struct listing *l, bool returns)
{
	struct imap_session *s = l->s;
	struct view word;
	int r = imap_atom(s->parser, &word);

	if (r < 0)
		return r;
	if (view_is_nocase(word, "SUBSCRIBED"))
		*(returns ? &l->return_subscribed : &l->select_subscribed) = true;
	else if (view_is_nocase(word, "SPECIAL-USE"))
		*(returns ? &l->return_special : &l->select_special) = true;
	else if (returns && view_is_nocase(word, "CHILDREN"))
		l->return_children = true;
	else if (!returns && view_is_nocase(word, "RECURSIVEMATCH"))
		l->select_recursive = true;
	else if (!returns && view_is_nocase(word, "REMOTE"))
		return 0; /* there are no remote ones */
	else if (returns && view_is_nocase(word, "STATUS"))
		return imap_space(s->parser) < 0 ? -EBADMSG : status_parse_items(s, &l->status);
	else
		return imap_syntax_error(s->parser, "Unknown LIST option");
	return 0;
}

/* After "(". */
static int list_parse_options(struct listing *l, bool returns)
{
	int r = 0;

	if (imap_take(l->s->parser, ')'))
		return 0;
	do
		r = parse_option(l, returns);
	while (r == 0 && imap_take(l->s->parser, ' '));
	if (r == 0 && !imap_take(l->s->parser, ')'))
		r = imap_syntax_error(l->s->parser, "Expected )");
	return r;
}

static int parse_patterns(struct listing *l)
{
	struct imap_session *s = l->s;
	int r;

	if (!imap_take(s->parser, '(')) {
		r = imap_list_mailbox(s->parser, &l->patterns[0]);
		l->pattern_count = 1;
		return r;
	}
	l->extended = true;
	do {
		if (l->pattern_count == PATTERNS_MAX)
			return imap_syntax_error(s->parser, "Too many patterns");
		r = imap_list_mailbox(s->parser, &l->patterns[l->pattern_count]);
		l->pattern_count++;
	} while (r == 0 && imap_take(s->parser, ' '));
	if (r == 0 && !imap_take(s->parser, ')'))
		r = imap_syntax_error(s->parser, "Expected )");
	return r;
}

static int parse_return(struct listing *l)
{
	struct view word;
	int r = imap_space(l->s->parser);

	l->extended = true;
	if (r == 0)
		r = imap_atom(l->s->parser, &word);
	if (r == 0 && !view_is_nocase(word, "RETURN"))
		r = imap_syntax_error(l->s->parser, "Expected RETURN");
	if (r == 0)
		r = imap_space(l->s->parser);
	if (r == 0 && !imap_take(l->s->parser, '('))
		r = imap_syntax_error(l->s->parser, "Expected (");
	return r == 0 ? list_parse_options(l, true) : r;
}

static int mailbox_list_parse(struct listing *l, struct view *reference)
{
	struct imap_session *s = l->s;
	int r = imap_space(s->parser);

	if (r == 0 && imap_take(s->parser, '(')) {
		l->extended = true;
		r = list_parse_options(l, false);
		if (r == 0)
			r = imap_space(s->parser);
	}
	if (r == 0)
		r = imap_astring(s->parser, reference);
	if (r == 0)
		r = imap_space(s->parser);
	if (r == 0)
		r = parse_patterns(l);
	if (r == 0 && !imap_at_end(s->parser))
		r = parse_return(l);
	if (r == 0 && l->select_recursive && !l->select_subscribed)
		r = imap_syntax_error(s->parser, "RECURSIVEMATCH needs SUBSCRIBED");
	return r == 0 ? imap_end(s->parser) : r;
}

/* Wildcards are the same in UTF-8. What is no UTF-8 matches nothing that there is. */
static void append_pattern(const struct imap_session *s, struct str *storage, struct view text)
{
	_cleanup_(str_free) struct str encoded = STR_EMPTY;

	if (s->utf8 && store_name_from_utf8(text, &encoded) == 0)
		text = str_view(&encoded);
	imap_name_swap(text, storage);
}

/* The reference goes in front of each pattern (RFC 3501 6.3.8); "inbox" is INBOX in any case. */
static void complete_patterns(struct listing *l, struct view reference, struct str *storage)
{
	size_t starts[PATTERNS_MAX + 1] = { 0 };

	for (size_t i = 0; i < l->pattern_count; i++) {
		struct view pattern = l->patterns[i];
		size_t start = storage->len;

		append_pattern(l->s, storage, reference);
		append_pattern(l->s, storage, pattern);
		if (view_starts_nocase(view_from(str_view(storage), start), VIEW("INBOX")) &&
		    (storage->len == start + 5 || strchr(".%*", storage->data[start + 5])))
			memcpy(storage->data + start, "INBOX", 5);
		starts[i + 1] = storage->len;
	}
	for (size_t i = 0; i < l->pattern_count; i++)
		l->patterns[i] =
			view_make(str_cstr(storage) + starts[i], starts[i + 1] - starts[i]);
}

/* What has to be known of all folders before the first of them is told. */
static int list_prepare(struct listing *l, bool subscribed)
{
	int r = 0;

	if (l->select_recursive) {
		l->above = map_new();
		r = store_list(l->s->store, note_above, l);
	}
	if (r >= 0 && subscribed) {
		l->subscribed = map_new();
		r = store_list(l->s->store, note_subscribed, l);
	}
	if (r >= 0 && imap_inbox_is_top() && !subscribed)
		r = store_list(l->s->store, note_others, l);
	return MIN(r, 0);
}

/* Returns the stream's error; *failed: the store's. A list that has an end too soon must not look like a whole one. */
static int list_tell(struct listing *l, bool subscribed, int *failed)
{
	int r;

	*failed = list_prepare(l, subscribed);
	if (*failed < 0)
		return 0;
	r = list_top(l);
	if (r < 0)
		return r;
	r = store_list(l->s->store, subscribed ? each_subscribed : each_folder, l);
	if (l->result == 0)
		*failed = MIN(r, 0);
	return l->result;
}

static int mailbox_list(struct imap_session *s, const char *answer, bool subscribed)
{
	struct listing l = { .s = s, .answer = answer };
	struct str storage = STR_EMPTY;
	struct view reference = VIEW_NONE;
	int failed = 0, r = mailbox_list_parse(&l, &reference);

	if (r < 0)
		return r;
	if (!l.extended && l.patterns[0].len == 0) {
		/* A question for the separator alone. */
		r = stream_printf(s->io, "* %s (\\Noselect) \"%c\" \"\"\r\n", answer,
				  imap_separator());
	} else {
		complete_patterns(&l, reference, &storage);
		r = list_tell(&l, subscribed, &failed);
	}
	str_free(&storage);
	str_free(&l.last_parent_name);
	map_free(l.above);
	map_free(l.subscribed);
	if (r < 0)
		return r;
	return failed < 0 ? imap_no_errno(s, failed, "List") : imap_ok(s, "%s completed.", answer);
}

int imap_command_list(struct imap_session *s)
{
	return mailbox_list(s, view_is(imap_command_name(s->parser), "XLIST") ? "XLIST" : "LIST",
			    false);
}

int imap_command_lsub(struct imap_session *s)
{
	return mailbox_list(s, "LSUB", true);
}

int imap_command_namespace(struct imap_session *s)
{
	int r = imap_end(s->parser);

	if (r < 0)
		return r;
	r = stream_printf(s->io, "* NAMESPACE ((\"%s\" \"%c\")) NIL NIL\r\n",
			  param.imap_namespace_prefix, imap_separator());
	return r < 0 ? r : imap_ok(s, "Namespace completed.");
}
