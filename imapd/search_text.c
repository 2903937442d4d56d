/*
 * SEARCH in the text of messages: decoded, converted, folded, and then compared. It sees a piece
 * at a time and keeps no message.
 */
#include "search_text.h"

#include "base/encode.h"
#include "mail/address.h"
#include "mail/header.h"
#include "store/render.h"
#include "task/task.h"

#define ENCODED_WORD_MAX 1024	    /* bytes: RFC 2047 allows 75, some write more */
#define TEXT_BREATH	 (1u << 20) /* decoded bytes between two looks at the other tasks */

/* ---- characters ---- */

/* windows-1252 at 0x80 to 0x9f; what is called ISO-8859-1 in mail is that in truth. */
static const uint16_t windows_1252[32] = {
	0x20ac, 0x81,	0x201a, 0x192,	0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,	0x2030, 0x160,
	0x2039, 0x152,	0x8d,	0x17d,	0x8f,	0x90,	0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
	0x2013, 0x2014, 0x2dc,	0x2122, 0x161,	0x203a, 0x153,	0x9d,	0x17e,	0x178,
};

static uint32_t from_latin1(unsigned char c)
{
	return c >= 0x80 && c < 0xa0 ? windows_1252[c - 0x80] : c;
}

/* Bytes that a character beginning with this one has; 1 for what begins none. */
static size_t utf8_length(unsigned char first)
{
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	if (first >= 0xf0 && first <= 0xf4)
		return 4;
	return 1;
}

/* Takes a character off: its length, or 0 where more bytes are needed to tell. */
static size_t next_character(struct view text, uint32_t *character)
{
	const unsigned char *p = (const unsigned char *)text.data;
	size_t len = utf8_length(p[0]), have = MIN(len, text.len), i;

	for (i = 1; i < have; i++)
		if ((p[i] & 0xc0) != 0x80)
			break;
	if (i == have && have < len)
		return 0;
	if (len == 1 || i < len || !view_is_utf8(view_first(text, len))) {
		*character = from_latin1(p[0]);
		return 1;
	}
	*character = p[0] & (0x7fu >> len);
	for (i = 1; i < len; i++)
		*character = *character << 6 | (p[i] & 0x3f);
	return len;
}

size_t text_take_character(struct view text, uint32_t *character)
{
	size_t len = next_character(text, character);

	if (len > 0)
		return len;
	*character = from_latin1((unsigned char)text.data[0]);
	return 1;
}

static size_t ascii_run(struct view text)
{
	size_t len = 0;

	while (len < text.len && (unsigned char)text.data[len] < 0x80)
		len++;
	return len;
}

/*
 * Appends the folded form of as much of `text` as has whole characters; `last`: of all of it.
 * Returns how many bytes were used.
 */
static size_t fold_piece(struct str *out, struct view text, bool last)
{
	size_t at = 0;

	while (at < text.len) {
		size_t run = ascii_run(view_from(text, at)), len;
		uint32_t c;

		if (run > 0) {
			char *to = str_reserve(out, run);

			for (size_t i = 0; i < run; i++)
				to[i] = ascii_lower(text.data[at + i]);
			str_grow(out, run);
			at += run;
			continue;
		}
		len = next_character(view_from(text, at), &c);
		if (len == 0 && !last)
			break;
		if (len == 0)
			len = text_take_character(view_from(text, at), &c);
		text_append_character(out, text_fold_character(c));
		at += len;
	}
	return at;
}

void text_fold(struct str *out, struct view text)
{
	fold_piece(out, text, true);
}

/* Those that are UTF-8 as they stand. */
static bool charset_is_utf8(struct view name)
{
	return name.len == 0 || view_is_nocase(name, "utf-8") || view_is_nocase(name, "us-ascii");
}

bool text_charset_is_known(struct view name)
{
	_cleanup_(charset_closep) struct charset *charset = NULL;

	if (charset_is_utf8(name))
		return true;
	charset = charset_open(name);
	return charset != NULL;
}

void text_to_utf8(struct str *out, struct view charset, struct view text)
{
	_cleanup_(charset_closep) struct charset *from = NULL;

	if (!charset_is_utf8(charset))
		from = charset_open(charset);
	if (from != NULL)
		charset_convert(from, out, text, true);
	else
		str_append(out, text);
}

bool text_fold_charset(struct str *out, struct view charset, struct view text)
{
	_cleanup_(str_free) struct str converted = STR_EMPTY;
	_cleanup_(charset_closep) struct charset *from = NULL;

	if (!charset_is_utf8(charset)) {
		from = charset_open(charset);
		if (from == NULL)
			return false;
		charset_convert(from, &converted, text, true);
		text = str_view(&converted);
	}
	text_fold(out, text);
	return true;
}

/* ---- transfer encodings ---- */

/* Decoded bytes go out in blocks. */
struct decoder {
	void (*emit)(void *argument, struct view bytes);
	void *argument;
	unsigned bits, have; /* base64: what is left of the last digits */
	size_t len;
	char bytes[2048];
};

static void search_text_put(struct decoder *d, char byte)
{
	if (d->len == sizeof(d->bytes)) {
		d->emit(d->argument, view_make(d->bytes, d->len));
		d->len = 0;
	}
	d->bytes[d->len++] = byte;
}

static void put_rest(struct decoder *d)
{
	d->emit(d->argument, view_make(d->bytes, d->len));
	d->len = 0;
}

static void append_bytes(void *argument, struct view bytes)
{
	str_append(argument, bytes);
}

static int search_base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* As RFC 2045 6.8 wants it read: what is no digit is passed over, padding ends a quantum. */
static void decode_base64(struct decoder *d, struct view text)
{
	for (size_t i = 0; i < text.len; i++) {
		int digit = search_base64_digit(text.data[i]);

		if (text.data[i] == '=')
			d->have = 0;
		if (digit < 0)
			continue;
		d->bits = (d->bits << 6 | (unsigned)digit) & 0xffff;
		d->have += 6;
		if (d->have >= 8) {
			d->have -= 8;
			search_text_put(d, (char)(d->bits >> d->have & 0xff));
		}
	}
	put_rest(d);
}

/* Length of the end of line at the front, white space before it included, or 0. */
static size_t end_of_line(struct view text)
{
	size_t i = 0;

	while (i < text.len && (text.data[i] == ' ' || text.data[i] == '\t') && i < 76)
		i++;
	if (i < text.len && text.data[i] == '\r')
		i++;
	return i < text.len && text.data[i] == '\n' ? i + 1 : 0;
}

static void decode_quoted_printable(struct decoder *d, struct view text)
{
	for (size_t i = 0; i < text.len; i++) {
		size_t soft_break;
		int high, low;

		if (text.data[i] != '=') {
			search_text_put(d, text.data[i]);
			continue;
		}
		soft_break = end_of_line(view_from(text, i + 1));
		high = i + 2 < text.len ? hex_value(text.data[i + 1]) : -1;
		low = i + 2 < text.len ? hex_value(text.data[i + 2]) : -1;
		if (soft_break > 0) {
			i += soft_break;
		} else if (high >= 0 && low >= 0) {
			search_text_put(d, (char)(high << 4 | low));
			i += 2;
		} else {
			search_text_put(d, '=');
		}
	}
	put_rest(d);
}

bool text_decode_transfer(struct str *out, struct view transfer_encoding, struct view body)
{
	static const char *const identities[] = { "7bit", "8bit", "binary" };
	struct decoder *d = mem_new(struct decoder);
	struct view word = VIEW_NONE;
	bool known = true;

	d->emit = append_bytes;
	d->argument = out;
	if (!view_next_word(&transfer_encoding, " \t\r\n;(", &word))
		word = VIEW("7bit");
	if (view_is_nocase(word, "base64"))
		decode_base64(d, body);
	else if (view_is_nocase(word, "quoted-printable"))
		decode_quoted_printable(d, body);
	else {
		known = false;
		for (size_t i = 0; i < ARRAY_SIZE(identities); i++)
			known |= view_is_nocase(word, identities[i]);
		if (known)
			str_append(out, body);
	}
	free(d);
	return known;
}

/* ---- encoded words ---- */

/* "Q" (RFC 2047 4.2): quoted-printable with '_' for a space. */
static void decode_q(struct str *out, struct view text)
{
	for (size_t i = 0; i < text.len; i++) {
		int high = i + 2 < text.len ? hex_value(text.data[i + 1]) : -1;
		int low = i + 2 < text.len ? hex_value(text.data[i + 2]) : -1;

		if (text.data[i] == '=' && high >= 0 && low >= 0) {
			str_append_byte(out, (char)(high << 4 | low));
			i += 2;
		} else {
			str_append_byte(out, text.data[i] == '_' ? ' ' : text.data[i]);
		}
	}
}

struct encoded_word {
	struct view charset, text;
	char encoding;
	size_t length; /* of the whole, from "=?" to "?=" */
};

/* The encoded word at the front of `text`, if there is one. */
static bool find_encoded_word(struct view text, struct encoded_word *word)
{
	struct view rest = view_from(view_first(text, ENCODED_WORD_MAX), 2);
	size_t end = view_find_byte(rest, '?');
	size_t language;

	if (!view_starts(text, VIEW("=?")) || end == VIEW_NOT_FOUND || end == 0)
		return false;
	word->charset = view_first(rest, end);
	language = view_find_byte(word->charset, '*'); /* RFC 2231 section 5 */
	if (language != VIEW_NOT_FOUND)
		word->charset.len = language;
	rest = view_from(rest, end + 1);
	if (rest.len < 2 || rest.data[1] != '?')
		return false;
	word->encoding = ascii_lower(rest.data[0]);
	rest = view_from(rest, 2);
	end = view_find_byte(rest, '?');
	if (end == VIEW_NOT_FOUND || end + 1 >= rest.len || rest.data[end + 1] != '=')
		return false;
	word->text = view_first(rest, end);
	word->length = (size_t)(rest.data + end + 2 - text.data);
	return word->encoding == 'b' || word->encoding == 'q';
}

/* UTF-8 as it is: a character may be cut in two by the borders of encoded words. */
static void decode_word(struct str *out, const struct encoded_word *word)
{
	_cleanup_(charset_closep) struct charset *charset = NULL;
	_cleanup_(str_free) struct str bytes = STR_EMPTY;

	if (word->encoding == 'b') {
		struct decoder d = { .emit = append_bytes, .argument = &bytes };

		decode_base64(&d, word->text);
	} else {
		decode_q(&bytes, word->text);
	}
	if (!charset_is_utf8(word->charset))
		charset = charset_open(word->charset);
	if (charset != NULL)
		charset_convert(charset, out, str_view(&bytes), true);
	else
		str_append(out, str_view(&bytes));
}

void text_decode_header(struct str *out, struct view field_body)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	struct view rest;
	size_t after_word = SIZE_MAX; /* length of `out` after the last encoded word */

	header_unfold(&line, field_body);
	/* However a field was folded, a blank in the text is a blank to be found. */
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] == '\t')
			line.data[i] = ' ';
	rest = str_view(&line);
	while (rest.len > 0) {
		struct encoded_word word;
		size_t run = view_find(rest, VIEW("=?"));

		run = run == VIEW_NOT_FOUND ? rest.len : run;
		str_append(out, view_first(rest, run));
		rest = view_from(rest, run);
		if (rest.len == 0)
			break;
		if (!find_encoded_word(rest, &word)) {
			str_append(out, view_first(rest, 2));
			rest = view_from(rest, 2);
			continue;
		}
		/* White space between two encoded words is none of the text (RFC 2047 6.2). */
		if (after_word != SIZE_MAX &&
		    view_trim(view_from(str_view(out), after_word)).len == 0)
			str_truncate(out, after_word);
		decode_word(out, &word);
		after_word = out->len;
		rest = view_from(rest, word.length);
	}
}

struct decoded_addresses {
	struct str *out;
	struct view body;
	size_t count;
};

static int decode_address(void *argument, const struct header_address *address)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct decoded_addresses *list = argument;

	if (address->group_end)
		return 0;
	render_display_name(&name, list->body, address);
	if (list->count++ > 0)
		str_append_cstr(list->out, ", ");
	text_decode_header(list->out, str_view(&name));
	if (address->local.len == 0)
		return 0;
	str_append_cstr(list->out, name.len > 0 ? " <" : "<");
	str_append(list->out, address->local);
	if (address->domain.len > 0) {
		str_append_byte(list->out, '@');
		str_append(list->out, address->domain);
	}
	str_append_byte(list->out, '>');
	return 0;
}

void text_decode_addresses(struct str *out, struct view field_body)
{
	struct decoded_addresses list = { out, field_body, 0 };

	address_list_parse_shown(field_body, decode_address, &list);
}

/* ---- looking through ---- */

void text_search_begin(struct text_search *t, const struct view *needles, bool *found, size_t count,
		       struct text_filter *filter)
{
	*t = (struct text_search){
		.needles = needles, .found = found, .count = count, .filter = filter
	};
	/* Two bytes stay for the trigrams that begin with them. */
	t->overlap = filter != NULL ? 3 : 0;
	for (size_t i = 0; i < count; i++) {
		found[i] = needles[i].len == 0; /* the empty string is in everything */
		t->left += !found[i];
		t->overlap = MAX(t->overlap, needles[i].len);
	}
}

void text_search_end(struct text_search *t)
{
	charset_close(TAKE(t->charset));
	str_free(&t->window);
	str_free(&t->converted);
	str_free(&t->shown);
}

static void look_through(struct text_search *t, bool last)
{
	size_t keep = last ? 0 : MIN(t->overlap - MIN(t->overlap, 1), t->window.len);

	for (size_t i = 0; i < t->count; i++) {
		if (!t->found[i] &&
		    view_find(str_view(&t->window), t->needles[i]) != VIEW_NOT_FOUND) {
			t->found[i] = true;
			t->left--;
		}
	}
	if (t->filter != NULL)
		text_filter_add(t->filter, str_view(&t->window));
	str_consume(&t->window, t->window.len - keep);
}

void text_start(struct text_search *t, struct view charset)
{
	charset_close(TAKE(t->charset));
	if (!charset_is_utf8(charset))
		t->charset = charset_open(charset);
	t->pending_len = 0;
	str_clear(&t->window);
}

static void text_feed_utf8(struct text_search *t, struct view piece)
{
	/* A character that the last piece began is completed: with four bytes it is decided. */
	while (t->pending_len > 0 && piece.len > 0) {
		size_t used;

		t->pending[t->pending_len++] = piece.data[0];
		piece = view_from(piece, 1);
		used = fold_piece(&t->window, view_make(t->pending, t->pending_len), false);
		memmove(t->pending, t->pending + used, t->pending_len - used);
		t->pending_len -= used;
	}
	while (piece.len > 0 && text_search_goes_on(t)) {
		struct view part = view_first(piece, TEXT_WINDOW / 4);
		size_t used = fold_piece(&t->window, part, false);

		piece = view_from(piece, used);
		if (t->window.len >= TEXT_WINDOW + t->overlap)
			look_through(t, false);
		if (used < part.len && piece.len < sizeof(t->pending)) {
			memcpy(t->pending, piece.data, piece.len);
			t->pending_len = piece.len;
			return;
		}
	}
}

static void text_feed_converted(struct text_search *t, struct view piece)
{
	if (!t->is_html) {
		text_feed_utf8(t, piece);
		return;
	}
	str_clear(&t->shown);
	html_text_feed(&t->html, piece, &t->shown);
	text_feed_utf8(t, str_view(&t->shown));
}

void text_feed(struct text_search *t, struct view piece)
{
	if (t->charset == NULL) {
		text_feed_converted(t, piece);
		return;
	}
	while (piece.len > 0 && text_search_goes_on(t)) {
		struct view part = view_first(piece, TEXT_WINDOW / 4);

		piece = view_from(piece, part.len);
		str_clear(&t->converted);
		charset_convert(t->charset, &t->converted, part, false);
		text_feed_converted(t, str_view(&t->converted));
	}
}

void text_finish(struct text_search *t)
{
	if (t->charset != NULL && text_search_goes_on(t)) {
		str_clear(&t->converted);
		charset_convert(t->charset, &t->converted, VIEW_NONE, true);
		text_feed_converted(t, str_view(&t->converted));
	}
	if (t->is_html) {
		str_clear(&t->shown);
		html_text_finish(&t->html, &t->shown);
		text_feed_utf8(t, str_view(&t->shown));
		t->is_html = false;
	}
	fold_piece(&t->window, view_make(t->pending, t->pending_len), true);
	t->pending_len = 0;
	if (text_search_goes_on(t))
		look_through(t, true);
	str_clear(&t->window);
}

void text_field(struct text_search *t, struct view name, struct view field_body)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	text_decode_header(&text, field_body);
	text_start(t, VIEW_NONE);
	text_feed(t, name);
	text_feed(t, VIEW(": "));
	text_feed(t, str_view(&text));
	text_finish(t);
}

/* ---- the bodies of parts ---- */

static void feed_decoded(void *argument, struct view bytes)
{
	text_feed(argument, bytes);
}

void text_part(struct text_search *t, struct view transfer_encoding, struct view charset,
	       bool is_html, struct view body)
{
	struct decoder d = { .emit = feed_decoded, .argument = t };

	text_start(t, charset);
	t->is_html = is_html;
	t->html = (struct html_text){ .values = true };
	/* In pieces that others need not wait for; borders are line ends, where encodings allow it. */
	while (body.len > 0 && text_search_goes_on(t)) {
		struct view piece = view_first(body, TEXT_BREATH);
		size_t line_end = view_find_last_byte(piece, '\n');

		if (piece.len < body.len && line_end != VIEW_NOT_FOUND)
			piece.len = line_end + 1;
		if (view_is_nocase(transfer_encoding, "base64"))
			decode_base64(&d, piece);
		else if (view_is_nocase(transfer_encoding, "quoted-printable"))
			decode_quoted_printable(&d, piece);
		else
			text_feed(t, piece);
		body = view_from(body, piece.len);
		if (body.len > 0)
			task_yield();
	}
	text_finish(t);
}
