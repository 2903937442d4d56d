/* Reading the URLs of CATENATE. What they lead to: append_source.c. */
#include "message_url.h"

#include "base/encode.h"
#include "base/mem.h"
#include "session.h"

/* RFC 5092 4: UTF-8. */
static bool url_mailbox(struct view text, struct str *mailbox)
{
	_cleanup_(str_free) struct str decoded = STR_EMPTY, encoded = STR_EMPTY, inside = STR_EMPTY;
	const char *why;

	if (text.len == 0)
		return true;
	return percent_decode(&decoded, text) == 0 &&
	       store_name_from_utf8(str_view(&decoded), &encoded) == 0 &&
	       imap_name_from_client(str_view(&encoded), &inside, &why) == 0 &&
	       store_name_normalize(str_view(&inside), mailbox, NULL) == 0;
}

static bool url_section(struct view text, struct section *section)
{
	static const struct {
		const char *name;
		enum section_text text;
	} texts[] = { { "HEADER", SECTION_HEADER },
		      { "TEXT", SECTION_TEXT },
		      { "MIME", SECTION_MIME } };

	while (text.len > 0 && ascii_is_digit(text.data[0])) {
		size_t dot = view_find_byte(text, '.');
		uint32_t number;

		if (view_parse_u32(view_first(text, dot), UINT32_MAX, &number) < 0 || number == 0)
			return false;
		array_grow(section->path, section->depth);
		section->path[section->depth++] = number;
		if (dot == VIEW_NOT_FOUND)
			return true;
		text = view_from(text, dot + 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (view_is_nocase(text, texts[i].name)) {
			section->text = texts[i].text;
			return section->text != SECTION_MIME || section->depth > 0;
		}
	return false;
}

/* "offset" or "offset.length" */
static bool url_partial(struct view text, struct section *section)
{
	size_t dot = view_find_byte(text, '.');

	section->partial = true;
	section->length = UINT64_MAX;
	return view_parse_u64(view_first(text, dot), INT64_MAX, &section->offset) == 0 &&
	       (dot == VIEW_NOT_FOUND ||
		(view_parse_u64(view_from(text, dot + 1), INT64_MAX, &section->length) == 0 &&
		 section->length > 0));
}

/* "UID=20", without what is in front of it. */
static bool url_field(struct view text, struct message_url *url)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	size_t equals = view_find_byte(text, '=');
	struct view name = view_first(text, equals);

	if (equals == VIEW_NOT_FOUND || percent_decode(&value, view_from(text, equals + 1)) < 0)
		return false;
	if (view_is_nocase(name, "UIDVALIDITY"))
		return view_parse_u64(str_view(&value), UINT32_MAX, &url->uidvalidity) == 0 &&
		       url->uidvalidity > 0;
	if (view_is_nocase(name, "UID"))
		return view_parse_u64(str_view(&value), UINT32_MAX, &url->uid) == 0;
	if (view_is_nocase(name, "SECTION"))
		return url->section.depth == 0 && url_section(str_view(&value), &url->section);
	if (view_is_nocase(name, "PARTIAL"))
		return url_partial(str_view(&value), &url->section);
	return false;
}

bool message_url_parse(struct view text, struct message_url *url)
{
	size_t fields = view_find_byte(text, ';');
	struct view mailbox = view_first(text, fields), rest, field;

	if (fields == VIEW_NOT_FOUND || view_starts(text, VIEW("//")))
		return false;
	if (view_starts(mailbox, VIEW("/")))
		mailbox = view_from(mailbox, 1);
	if (view_ends(mailbox, VIEW("/")))
		mailbox.len--;
	if (!url_mailbox(mailbox, &url->mailbox))
		return false;
	rest = view_from(text, fields + 1);
	while (view_next(&rest, ';', &field)) {
		if (view_ends(field, VIEW("/")))
			field.len--;
		if (!url_field(field, url))
			return false;
	}
	return url->uid > 0;
}

void message_url_free(struct message_url *url)
{
	str_free(&url->mailbox);
	free(url->section.path);
}
