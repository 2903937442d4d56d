/* What a folder's directory is to be called that another program made. Renaming it is folders.c's matter. */
#include "store/adopt.h"

#include <errno.h>

#include "base/mem.h"
#include "store/store.h"

/* 8-bit bytes that are no UTF-8 as Latin 1; what no name can have as '_'. */
static void adopt_text(struct view raw, struct str *text)
{
	bool is_utf8 = view_is_utf8(raw);

	for (size_t i = 0; i < raw.len; i++) {
		unsigned char c = (unsigned char)raw.data[i];

		if (c < 32 || c == 127 || (c == '.' && (i == 0 || raw.data[i - 1] == '.'))) {
			str_append_byte(text, '_');
		} else if (c >= 0x80 && !is_utf8) {
			str_append_byte(text, (char)(0xc0 | c >> 6));
			str_append_byte(text, (char)(0x80 | (c & 0x3f)));
		} else {
			str_append_byte(text, (char)c);
		}
	}
	if (text->len > 0 && text->data[text->len - 1] == '.')
		str_append_byte(text, '_');
}

int adopt_name(struct view raw, struct str *name)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, encoded = STR_EMPTY;

	if (view_is_nocase(raw, "INBOX")) {
		str_append_cstr(name, "INBOX.INBOX");
		return 0;
	}
	if (store_name_normalize(raw, name, NULL) == 0)
		return 0;
	adopt_text(raw, &text);
	if (store_name_from_utf8(str_view(&text), &encoded) < 0)
		return -EINVAL;
	return store_name_normalize(str_view(&encoded), name, NULL);
}
