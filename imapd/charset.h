/*
 * Character sets of mail, as they are told by "charset=", encoded words and SEARCH, to UTF-8. The tables
 * are ICU's: they are part of its library, so that a confined process has them all.
 *
 *	struct charset *charset = charset_open(VIEW("koi8-r"));
 *	charset_convert(charset, &out, bytes, true);
 *	charset_close(charset);
 */
#ifndef IMAPD_CHARSET_H
#define IMAPD_CHARSET_H

#include "base/str.h"

struct charset;

#define CHARSET_NAME_MAX 59 /* bytes; ICU takes no longer ones */

/*
 * NULL: there is none of that name. Names that mail gives to what is in truth a larger set mean that one:
 * ISO-8859-1 is windows-1252, GB2312 is GB18030.
 */
struct charset *charset_open(struct view name);
/*
 * Appends what these bytes say. They may end within a character, which the next call then completes,
 * or with `last` becomes U+FFFD, as all does that says nothing. The converter begins anew after `last`.
 */
void charset_convert(struct charset *charset, struct str *out, struct view bytes, bool last);
/* NULL is allowed. */
void charset_close(struct charset *charset);
void charset_closep(struct charset **charset);

#endif
