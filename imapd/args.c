/* Arguments that many commands have: sets of messages, names of mailboxes, flags. */
#include <errno.h>

#include "base/mem.h"
#include "session.h"

/* RFC 3501 9, seq-number: one that is not in use is an error. A range may reach beyond the last message. */
static bool set_is_in_use(const struct imap_set *set, uint32_t total)
{
	for (size_t i = 0; i < set->count; i++) {
		uint32_t first = set->ranges[i].first, last = set->ranges[i].last;
		bool single_star = first == IMAP_STAR && last == IMAP_STAR;

		if ((single_star && total == 0) ||
		    (first != IMAP_STAR && last != IMAP_STAR && MIN(first, last) > total &&
		     !(total == 0 && MIN(first, last) == 1 && first != last)))
			return false;
	}
	return true;
}

void imap_set_take_saved(const struct imap_session *s, struct imap_set *set)
{
	imap_set_free(set);
	set->ranges = mem_new_array(struct imap_range, MAX(s->saved.count, 1));
	for (size_t i = 0; i < s->saved.count; i++) {
		uint32_t uid = s->saved.uids[i];

		if (set->count > 0 && set->ranges[set->count - 1].last + 1 == uid)
			set->ranges[set->count - 1].last = uid;
		else
			set->ranges[set->count++] = (struct imap_range){ uid, uid };
	}
}

int imap_resolve_set(struct imap_session *s, struct imap_set *set, uint32_t **seqs, size_t *count)
{
	struct mailbox *box = s->mailbox;
	uint32_t total = mailbox_count(box);
	bool uids = s->uid;
	size_t found = 0;

	/* Never NULL, which means "all" to some functions of the store. */
	*seqs = mem_new_array(uint32_t, 1);
	*count = 0;
	if (set->saved) {
		imap_set_take_saved(s, set);
		uids = true;
	} else if (!uids && !set_is_in_use(set, total)) {
		imap_set_free(set);
		return imap_syntax_error(s->parser, "Invalid message sequence number");
	}
	imap_set_resolve(set, uids ? (total ? mailbox_uid(box, total) : 0) : total);
	for (size_t i = 0; i < set->count; i++) {
		uint32_t first = set->ranges[i].first, last = set->ranges[i].last;

		if (uids) {
			first = mailbox_find_from(box, first);
			last = last == UINT32_MAX ? total : mailbox_find_from(box, last + 1) - 1;
		}
		first = MAX(first, 1);
		last = MIN(last, total);
		if (first > last)
			continue;
		*seqs = mem_resize(*seqs, found + (last - first) + 1, sizeof(**seqs));
		for (uint32_t seq = first; seq <= last; seq++)
			(*seqs)[found++] = seq;
	}
	*count = found;
	imap_set_free(set);
	return 0;
}

int imap_mailbox_name(const struct imap_session *s, struct view text, struct str *name,
		      const char **why)
{
	_cleanup_(str_free) struct str encoded = STR_EMPTY, inside = STR_EMPTY;
	static struct error err;

	if (s->utf8) {
		*why = "Name is no UTF-8";
		if (store_name_from_utf8(text, &encoded) < 0)
			return -EINVAL;
		text = str_view(&encoded);
	}
	if (imap_name_from_client(text, &inside, why) < 0)
		return -EINVAL;
	err = ERROR_NONE;
	*why = err.text;
	return store_name_normalize(str_view(&inside), name, &err) < 0 ? -EINVAL : 0;
}

int imap_parse_mailbox(struct imap_session *s, struct str *name)
{
	const char *why;
	struct view text;
	int r = imap_space(s->parser);

	if (r == 0)
		r = imap_astring(s->parser, &text);
	if (r < 0)
		return r;
	if (imap_mailbox_name(s, text, name, &why) == 0)
		return 0;
	imap_no(s, "[CANNOT] %s.", why);
	return -EINVAL;
}

static int flag_parse(struct imap_session *s, struct imap_flags *flags)
{
	struct view name;
	int r;

	if (!imap_take(s->parser, '\\')) {
		if (flags->keyword_count == KEYWORDS_MAX)
			return imap_syntax_error(s->parser, "Too many keywords");
		r = imap_atom(s->parser, &name);
		if (r == 0)
			flags->keywords[flags->keyword_count++] = name;
		return r;
	}
	r = imap_atom(s->parser, &name);
	if (r < 0)
		return r;
	if (imap_system_flag(name) != 0) {
		flags->system |= imap_system_flag(name) & FLAGS_SYSTEM;
		return 0;
	}
	return imap_syntax_error(s->parser, "Unknown system flag");
}

int imap_parse_flags(struct imap_session *s, bool bare, struct imap_flags *flags)
{
	bool parentheses = imap_take(s->parser, '(');
	int r = 0;

	flags->system = 0;
	flags->keyword_count = 0;
	if (!parentheses && !bare)
		return imap_syntax_error(s->parser, "Expected a list of flags");
	if (parentheses && imap_take(s->parser, ')'))
		return 0;
	do
		r = flag_parse(s, flags);
	while (r == 0 && imap_take(s->parser, ' '));
	if (r == 0 && parentheses && !imap_take(s->parser, ')'))
		return imap_syntax_error(s->parser, "Expected ) after the flags");
	return r;
}
