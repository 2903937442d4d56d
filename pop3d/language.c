/* LANG of POP3. There is one language, so nothing is remembered. */
#include "language.h"

bool language_answer(struct view argument, struct str *text)
{
	struct view wanted = view_trim(argument);

	if (wanted.len == 0)
		str_append_cstr(text, "+OK Languages:\r\nen English\r\n.");
	else if (view_is(wanted, "*") || view_is_nocase(wanted, "en"))
		str_append_cstr(text, "+OK en English it is.");
	else
		str_append_cstr(text, "-ERR There is no other language than en.");
	return text->data[0] == '+';
}
