/* Texts of messages: the same is found in one piece and in many, and the filter of a text says no to nothing of it; decoding never fails. */
#include "search_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const encodings[] = { "", "base64", "quoted-printable", "8bit" };
	static const char *const charsets[] = { "",	   "windows-1251", "iso-2022-jp",
						"gb18030", "big5",	   "shift_jis",
						"utf-7",   "euc-kr",	   "iso-2022-kr",
						"utf-16",  "iso-2022-cn",  "koi8-r" };
	struct str needle = STR_EMPTY, decoded = STR_EMPTY, folded = STR_EMPTY;
	static struct text_filter filter;
	struct str record = STR_EMPTY;
	struct text_search t;
	struct view text, needle_view;
	bool whole, pieces;

	if (size < 4)
		return 0;
	text = view_make(data + 4, size - 4);
	text_fold(&needle, view_first(view_from(text, data[0]), data[1] % 16));
	needle_view = str_view(&needle);

	text_search_begin(&t, &needle_view, &whole, 1, NULL);
	text_start(&t, view_of(charsets[data[2] / 8 % ARRAY_SIZE(charsets)]));
	text_feed(&t, text);
	text_finish(&t);
	text_search_end(&t);
	memset(&filter, 0, sizeof(filter));
	text_search_begin(&t, &needle_view, &pieces, 1, &filter);
	text_start(&t, view_of(charsets[data[2] / 8 % ARRAY_SIZE(charsets)]));
	for (struct view rest = text; rest.len > 0; rest = view_from(rest, (size_t)data[3] % 7 + 1))
		text_feed(&t, view_first(rest, (size_t)data[3] % 7 + 1));
	text_finish(&t);
	text_search_end(&t);
	text_filter_encode(&filter, &record);
	if (whole != pieces || !text_filter_is_valid(str_view(&record)) ||
	    (whole && !text_filter_ask(str_view(&record), needle_view)))
		abort();

	text_search_begin(&t, &needle_view, &whole, 1, NULL);
	text_part(&t, view_of(encodings[data[2] / 2 % 4]),
		  view_of(charsets[data[2] / 8 % ARRAY_SIZE(charsets)]), data[1] & 16, text);
	text_search_end(&t);
	text_decode_header(&decoded, text);
	text_fold(&folded, str_view(&decoded));
	if (!view_is_utf8(str_view(&folded)))
		abort();
	str_free(&record);
	str_free(&needle);
	str_free(&decoded);
	str_free(&folded);
	return 0;
}
