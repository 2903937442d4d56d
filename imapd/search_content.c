/*
 * SEARCH in a message's content: which of it is text, and in which order it is looked through. How text is decoded and
 * compared: search_text.c. What is kept so that it need not be done again: text_filter.c.
 */
#include "base/encode.h"
#include "search.h"

static void search_fields(struct text_search *t, struct view header)
{
	struct header_field field;

	while (text_search_goes_on(t) && header_next(&header, &field) > 0)
		text_field(t, field.name, field.body);
}

/* "quoted-printable;" and "base64 (a remark)" are what they begin with. */
static struct view first_word(struct view text)
{
	struct view word = VIEW_NONE;

	return view_next_word(&text, " \t\r\n;(", &word) ? word : VIEW_NONE;
}

/* The body of a part, if it is text. */
static void search_part(struct text_search *t, struct view header, struct view body)
{
	struct view encoding = VIEW_NONE, charset = VIEW_NONE;
	struct header_field field;
	struct mime_value *type = mem_new(struct mime_value);
	bool is_text = true, is_html = false;

	if (header_find(header, "Content-Type", &field) &&
	    mime_value_parse(field.body, type) == 0) {
		const struct str *value = mime_parameter_get(type, "charset");

		/* message/delivery-status and its kind are lines of text. */
		is_text = view_is(str_view(&type->type), "text") ||
			  view_is(str_view(&type->type), "message");
		is_html = view_is(str_view(&type->subtype), "html");
		if (value != NULL)
			charset = str_view(value);
	}
	if (header_find(header, "Content-Transfer-Encoding", &field))
		encoding = first_word(field.body);
	if (is_text)
		text_part(t, encoding, charset, is_html, body);
	mime_value_free(type);
	free(type);
}

/* "utf-8'en'na%c3%afve" (RFC 2231 4), or the value as it is. */
static void search_name(struct text_search *t, const struct mime_parameter *parameter)
{
	_cleanup_(str_free) struct str bytes = STR_EMPTY, text = STR_EMPTY;
	struct view value = str_view(&parameter->value);
	size_t charset_end = view_find_byte(value, '\''), language_end;

	if (view_ends(str_view(&parameter->name), VIEW("*")) && charset_end != VIEW_NOT_FOUND) {
		language_end = view_find_byte(view_from(value, charset_end + 1), '\'');
		if (language_end == VIEW_NOT_FOUND ||
		    percent_decode(&bytes, view_from(value, charset_end + language_end + 2)) < 0)
			return;
		text_start(t, view_first(value, charset_end));
		text_feed(t, str_view(&bytes));
	} else {
		text_decode_header(&text, value);
		text_start(t, VIEW_NONE);
		text_feed(t, str_view(&text));
	}
	text_finish(t);
}

/* What an attachment is called, however that is written. */
static void search_names(struct text_search *t, struct view header)
{
	static const char *const fields[] = { "Content-Type", "Content-Disposition" };

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		struct mime_value *value = mem_new(struct mime_value);
		struct header_field field;

		if (header_find(header, fields[i], &field) &&
		    mime_value_parse(field.body, value) == 0)
			for (size_t k = 0; k < value->count && text_search_goes_on(t); k++)
				if (view_starts(str_view(&value->parameters[k].name),
						VIEW("name")) ||
				    view_starts(str_view(&value->parameters[k].name),
						VIEW("filename")))
					search_name(t, &value->parameters[k]);
		mime_value_free(value);
		free(value);
	}
}

/* Text parts, and the headers of parts and of messages inside. */
static void search_parts(struct text_search *t, const struct mime_tree *tree, struct view content)
{
	for (size_t i = 0; i < tree->count && text_search_goes_on(t); i++) {
		const struct mime_part *part = &tree->parts[i];
		struct view header = view_first(view_from(content, part->header_start),
						part->body_start - part->header_start);
		struct view body = view_first(view_from(content, part->body_start),
					      part->body_end - part->body_start);

		if (part->parent >= 0) {
			search_fields(t, header);
			search_names(t, header);
		}
		if (part->children == 0 && !part->is_multipart && !part->is_message)
			search_part(t, header, body);
	}
}

/* Where it cannot be kept, the next search reads the text again. */
static void keep_filter(struct imap_session *s, uint32_t seq, struct text_filter *filter)
{
	_cleanup_(str_free) struct str record = STR_EMPTY;

	text_filter_encode(filter, &record);
	(void)mailbox_keep_text_filter(s->mailbox, seq, str_view(&record));
}

void search_match_content(struct imap_session *s, struct search *search, uint32_t seq)
{
	struct opened_message *message;
	const struct mime_tree *tree;
	struct text_search t;
	struct text_filter *filter = NULL;
	struct view content;
	bool *found;

	if (opened_message_get(s, seq, &message) < 0 || opened_message_map(message, &content) < 0)
		return;
	tree = opened_message_tree(message, content);
	found = mem_new_array(bool, search->needle_count);
	if (search->wants_filter)
		filter = mem_new(struct text_filter);
	text_search_begin(&t, search->needles, found, search->text_count, filter);
	search_fields(&t, view_first(content, tree->parts[0].body_start));
	search_names(&t, view_first(content, tree->parts[0].body_start));
	text_search_end(&t);
	for (size_t i = 0; i < search->text_count; i++)
		search->truth[search->needle_keys[i]] = found[i];
	text_search_begin(&t, search->needles, found, search->needle_count, filter);
	search_parts(&t, tree, content);
	text_search_end(&t);
	if (filter != NULL)
		keep_filter(s, seq, filter);
	for (size_t i = 0; i < search->needle_count; i++)
		search->truth[search->needle_keys[i]] |= found[i];
	free(found);
	free(filter);
	opened_message_unmap(content);
}
