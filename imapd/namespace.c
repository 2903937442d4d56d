/*
 * How names of folders look to clients: imap_namespace_prefix and imap_namespace_separator. Inside, and in all other
 * files, a name has '.' between its parts and nothing in front.
 */
#include <errno.h>
#include <string.h>

#include "conf/conf.h"
#include "session.h"
#include "store/render.h"

#define PREFIX_MAX 100

char imap_separator(void)
{
	return param.imap_namespace_separator[0];
}

static struct view namespace_prefix(void)
{
	return view_of(param.imap_namespace_prefix);
}

/* The folder that all others seem to be in. */
static struct view namespace_top(void)
{
	struct view prefix = namespace_prefix();

	return view_first(prefix, prefix.len > 0 ? prefix.len - 1 : 0);
}

bool imap_inbox_is_top(void)
{
	return view_is_nocase(namespace_top(), "INBOX");
}

bool imap_has_own_top(void)
{
	return namespace_prefix().len > 0 && !imap_inbox_is_top();
}

bool imap_name_is_top(struct view text)
{
	return imap_has_own_top() && view_eq(text, namespace_top());
}

int imap_namespace_prepare(struct error *err)
{
	struct view prefix = namespace_prefix();
	_cleanup_(str_free) struct str name = STR_EMPTY;
	int r = 0;

	if (prefix.len == 0)
		return 0;
	imap_name_swap(prefix, &name);
	str_truncate(&name, name.len - 1);
	if (prefix.len > PREFIX_MAX || prefix.data[prefix.len - 1] != imap_separator() ||
	    strpbrk(param.imap_namespace_prefix, "&\"\\") != NULL)
		r = -EINVAL;
	if (r == 0)
		r = store_name_check(str_view(&name), NULL);
	if (r == 0)
		r = store_name_may_be_made(str_view(&name), NULL);
	return r == 0 ? 0
		      : error_set(err, -EINVAL,
				  "imap_namespace_prefix = %s: expected the name of a folder and "
				  "then imap_namespace_separator",
				  param.imap_namespace_prefix);
}

void imap_name_swap(struct view text, struct str *out)
{
	char separator = imap_separator();

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		str_append_byte(out, c == separator ? '.' : c == '.' ? separator : c);
	}
}

/* "INBOX" is so in any case of its letters, and a prefix that begins with it too. */
static bool starts_with_prefix(struct view text)
{
	struct view prefix = namespace_prefix();

	if (imap_inbox_is_top())
		return view_starts_nocase(text, prefix);
	return view_starts(text, prefix);
}

int imap_name_from_client(struct view text, struct str *name, const char **why)
{
	char separator = imap_separator();

	/* Some clients leave the separator at the end, meaning "and things below it". */
	if (text.len > 1 && text.data[text.len - 1] == separator)
		text.len--;
	if (view_is_nocase(text, "INBOX")) {
		str_append_cstr(name, "INBOX");
		return 0;
	}
	*why = "Folders have names that begin as NAMESPACE says";
	if (!starts_with_prefix(text))
		return -EINVAL;
	text = view_from(text, namespace_prefix().len);
	/* It would be INBOX itself. */
	if (namespace_prefix().len > 0 && view_is_nocase(text, "INBOX"))
		return -EINVAL;
	*why = "A name cannot have \".\" in it here";
	if (separator != '.' && view_find_byte(text, '.') != VIEW_NOT_FOUND)
		return -EINVAL;
	imap_name_swap(text, name);
	return 0;
}

void imap_name_to_client(struct view name, struct str *text)
{
	if (!view_is(name, "INBOX"))
		str_append(text, namespace_prefix());
	imap_name_swap(name, text);
}

int imap_send_top(struct imap_session *s, const char *answer)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;

	render_string(&name, namespace_top());
	return stream_printf(s->io, "* %s (\\Noselect \\HasChildren) \"%c\" %s\r\n", answer,
			     imap_separator(), str_cstr(&name));
}

void imap_top_for_patterns(struct str *out)
{
	imap_name_swap(namespace_top(), out);
}

void imap_name_for_patterns(struct view name, struct str *out)
{
	if (!view_is(name, "INBOX"))
		imap_name_swap(namespace_prefix(), out);
	str_append(out, name);
}
