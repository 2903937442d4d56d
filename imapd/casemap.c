/* The comparator i;unicode-casemap (RFC 5051), by which SORT and THREAD compare. SEARCH folds: search_fold.c. */
#include <unicode/uchar.h>
#include <unicode/udata.h>
#include <unicode/unorm2.h>

#include "search_text.h"

/* No character has a longer one. */
#define DECOMPOSITION_MAX 32

/* A surrogate pair is one character. */
static void append_units(struct str *out, const UChar *units, int32_t len)
{
	for (int32_t i = 0; i < len; i++) {
		uint32_t c = units[i];

		if (c >= 0xd800 && c < 0xdc00 && i + 1 < len)
			c = 0x10000 + ((c - 0xd800) << 10) + (units[++i] - 0xdc00u);
		text_append_character(out, c);
	}
}

static void casemap_character(struct str *out, const UNormalizer2 *normalizer, uint32_t c)
{
	UChar units[DECOMPOSITION_MAX];
	UErrorCode error = U_ZERO_ERROR;
	UChar32 title = u_totitle((UChar32)c);
	int32_t len = unorm2_getDecomposition(normalizer, title, units, DECOMPOSITION_MAX, &error);

	if (len < 0 || U_FAILURE(error))
		text_append_character(out, (uint32_t)title);
	else
		append_units(out, units, len);
}

void text_casemap(struct str *out, struct view text)
{
	UErrorCode error = U_ZERO_ERROR;
	const UNormalizer2 *normalizer;

	udata_setFileAccess(UDATA_NO_FILES, &error);
	error = U_ZERO_ERROR;
	normalizer = unorm2_getNFKDInstance(&error);
	while (text.len > 0) {
		uint32_t c;
		size_t len = text_take_character(text, &c);

		if (c < 0x80 || U_FAILURE(error))
			text_append_character(out, c >= 'a' && c <= 'z' ? c - 32 : c);
		else
			casemap_character(out, normalizer, c);
		text = view_from(text, len);
	}
}
