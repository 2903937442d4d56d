/* Character classes of RFC 3501 section 9. */
#ifndef IMAP_CHARS_H
#define IMAP_CHARS_H

#include <stdbool.h>
#include <string.h>

/* atom-specials: ( ) { SP CTL % * " \ ] */
static inline bool imap_is_atom_char(char c)
{
	return c > ' ' && c < 127 && strchr("(){%*\"\\]", c) == NULL;
}
/* ASTRING-CHAR = ATOM-CHAR / "]" */
static inline bool imap_is_astring_char(char c)
{
	return c == ']' || imap_is_atom_char(c);
}
/* list-char = ATOM-CHAR / list-wildcards / "]" */
static inline bool imap_is_list_char(char c)
{
	return c == '%' || c == '*' || imap_is_astring_char(c);
}
/* tag: ASTRING-CHAR except "+" */
static inline bool imap_is_tag_char(char c)
{
	return c != '+' && imap_is_astring_char(c);
}

#endif
