/*
 * Converters of ICU, from a character set to UTF-8. What is looked for in the converted text is search_text.c's
 * matter.
 */
#include "charset.h"

#include <unicode/ucnv.h>
#include <unicode/udata.h>

#include "base/mem.h"

#define PIVOT_UNITS 512

struct charset {
	UConverter *from, *to; /* `to`: UTF-8 */
	UChar pivot[PIVOT_UNITS], *pivot_read, *pivot_write;
	bool begins; /* the next call begins a text */
};

/* What is written under these names, as browsers and other mail programs read it (encoding.spec.whatwg.org). */
static const struct {
	const char *name, *truth;
} larger[] = {
	{ "iso-8859-1", "windows-1252" },
	{ "latin1", "windows-1252" },
	{ "iso8859-1", "windows-1252" },
	{ "iso-8859-9", "windows-1254" },
	{ "iso-8859-11", "windows-874" },
	{ "tis-620", "windows-874" },
	{ "gb2312", "gb18030" },
	{ "gb_2312-80", "gb18030" },
	{ "gbk", "gb18030" },
	{ "x-gbk", "gb18030" },
	{ "shift_jis", "windows-31j" },
	{ "shift-jis", "windows-31j" },
	{ "sjis", "windows-31j" },
	{ "x-sjis", "windows-31j" },
	{ "euc-kr", "windows-949" },
	{ "ks_c_5601-1987", "windows-949" },
	{ "ks_c_5601", "windows-949" },
	{ "ksc5601", "windows-949" },
	{ "cp-850", "ibm-850" },
	{ "utf8", "utf-8" },
};

static bool charset_name(struct view name, char out[CHARSET_NAME_MAX + 1])
{
	for (size_t i = 0; i < ARRAY_SIZE(larger); i++)
		if (view_is_nocase(name, larger[i].name))
			name = view_of(larger[i].truth);
	if (name.len == 0 || name.len > CHARSET_NAME_MAX)
		return false;
	/* No path, and none of the options that ICU takes after a comma. */
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.data[i]) && strchr("-_.:+", name.data[i]) == NULL)
			return false;
	memcpy(out, name.data, name.len);
	out[name.len] = '\0';
	return true;
}

struct charset *charset_open(struct view name)
{
	_cleanup_(charset_closep) struct charset *charset = NULL;
	char text[CHARSET_NAME_MAX + 1];
	UErrorCode error = U_ZERO_ERROR;

	if (!charset_name(name, text))
		return NULL;
	/* There are no files to be looked for in the root directory of a user. */
	udata_setFileAccess(UDATA_NO_FILES, &error);
	error = U_ZERO_ERROR;
	charset = mem_new(struct charset);
	charset->from = ucnv_open(text, &error);
	if (U_SUCCESS(error))
		charset->to = ucnv_open("utf-8", &error);
	if (U_FAILURE(error))
		return NULL;
	charset->begins = true;
	return TAKE(charset);
}

void charset_convert(struct charset *charset, struct str *out, struct view bytes, bool last)
{
	const char *source = bytes.len > 0 ? bytes.data : "", *end = source + bytes.len;
	UErrorCode error = U_BUFFER_OVERFLOW_ERROR;

	if (charset->begins)
		charset->pivot_read = charset->pivot_write = charset->pivot;
	while (error == U_BUFFER_OVERFLOW_ERROR) {
		char *start = str_reserve(out, 4096), *target = start;

		error = U_ZERO_ERROR;
		ucnv_convertEx(charset->to, charset->from, &target, start + 4096, &source, end,
			       charset->pivot, &charset->pivot_read, &charset->pivot_write,
			       charset->pivot + PIVOT_UNITS, charset->begins, last, &error);
		charset->begins = false;
		str_grow(out, (size_t)(target - start));
	}
	charset->begins = last;
}

void charset_close(struct charset *charset)
{
	if (charset == NULL)
		return;
	if (charset->from != NULL)
		ucnv_close(charset->from);
	if (charset->to != NULL)
		ucnv_close(charset->to);
	free(charset);
}

void charset_closep(struct charset **charset)
{
	charset_close(*charset);
}
