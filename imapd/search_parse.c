/* Reading the keys of a SEARCH. */
#include <errno.h>

#include "base/mem.h"
#include "mail/date.h"
#include "search.h"

enum argument {
	NO_ARGUMENT,
	A_DATE,
	A_NUMBER,
	A_MODSEQ,
	A_STRING,
	A_KEYWORD,
	A_SET,
	A_NAME_AND_STRING
};

static const struct key_name {
	const char *name;
	enum search_kind kind;
	enum argument argument;
	unsigned mask, want;
	const char *header;
} key_names[] = {
	{ "ALL", SEARCH_ALL, NO_ARGUMENT, 0, 0, NULL },
	{ "ANSWERED", SEARCH_FLAGS, NO_ARGUMENT, FLAG_ANSWERED, FLAG_ANSWERED, NULL },
	{ "BCC", SEARCH_ADDRESS, A_STRING, 0, 0, "Bcc" },
	{ "BEFORE", SEARCH_BEFORE, A_DATE, 0, 0, NULL },
	{ "BODY", SEARCH_BODY, A_STRING, 0, 0, NULL },
	{ "CC", SEARCH_ADDRESS, A_STRING, 0, 0, "Cc" },
	{ "DELETED", SEARCH_FLAGS, NO_ARGUMENT, FLAG_DELETED, FLAG_DELETED, NULL },
	{ "DRAFT", SEARCH_FLAGS, NO_ARGUMENT, FLAG_DRAFT, FLAG_DRAFT, NULL },
	{ "EMAILID", SEARCH_EMAILID, A_STRING, 0, 0, NULL },
	{ "FLAGGED", SEARCH_FLAGS, NO_ARGUMENT, FLAG_FLAGGED, FLAG_FLAGGED, NULL },
	{ "FROM", SEARCH_ADDRESS, A_STRING, 0, 0, "From" },
	{ "HEADER", SEARCH_HEADER, A_NAME_AND_STRING, 0, 0, NULL },
	{ "KEYWORD", SEARCH_KEYWORD, A_KEYWORD, 0, 1, NULL },
	{ "LARGER", SEARCH_LARGER, A_NUMBER, 0, 0, NULL },
	{ "MODSEQ", SEARCH_MODSEQ, A_MODSEQ, 0, 0, NULL },
	{ "NEW", SEARCH_FLAGS, NO_ARGUMENT, FLAG_RECENT | FLAG_SEEN, FLAG_RECENT, NULL },
	{ "OLD", SEARCH_FLAGS, NO_ARGUMENT, FLAG_RECENT, 0, NULL },
	{ "OLDER", SEARCH_OLDER, A_NUMBER, 0, 0, NULL },
	{ "ON", SEARCH_ON, A_DATE, 0, 0, NULL },
	{ "RECENT", SEARCH_FLAGS, NO_ARGUMENT, FLAG_RECENT, FLAG_RECENT, NULL },
	{ "SAVEDATESUPPORTED", SEARCH_SAVEDATESUPPORTED, NO_ARGUMENT, 0, 0, NULL },
	{ "SAVEDBEFORE", SEARCH_SAVEDBEFORE, A_DATE, 0, 0, NULL },
	{ "SAVEDON", SEARCH_SAVEDON, A_DATE, 0, 0, NULL },
	{ "SAVEDSINCE", SEARCH_SAVEDSINCE, A_DATE, 0, 0, NULL },
	{ "SEEN", SEARCH_FLAGS, NO_ARGUMENT, FLAG_SEEN, FLAG_SEEN, NULL },
	{ "SENTBEFORE", SEARCH_SENTBEFORE, A_DATE, 0, 0, "Date" },
	{ "SENTON", SEARCH_SENTON, A_DATE, 0, 0, "Date" },
	{ "SENTSINCE", SEARCH_SENTSINCE, A_DATE, 0, 0, "Date" },
	{ "SINCE", SEARCH_SINCE, A_DATE, 0, 0, NULL },
	{ "SMALLER", SEARCH_SMALLER, A_NUMBER, 0, 0, NULL },
	{ "SUBJECT", SEARCH_HEADER, A_STRING, 0, 0, "Subject" },
	{ "TEXT", SEARCH_TEXT, A_STRING, 0, 0, NULL },
	{ "THREADID", SEARCH_NONE, A_STRING, 0, 0, NULL },
	{ "TO", SEARCH_ADDRESS, A_STRING, 0, 0, "To" },
	{ "UID", SEARCH_UID, A_SET, 0, 0, NULL },
	{ "UNANSWERED", SEARCH_FLAGS, NO_ARGUMENT, FLAG_ANSWERED, 0, NULL },
	{ "UNDELETED", SEARCH_FLAGS, NO_ARGUMENT, FLAG_DELETED, 0, NULL },
	{ "UNDRAFT", SEARCH_FLAGS, NO_ARGUMENT, FLAG_DRAFT, 0, NULL },
	{ "UNFLAGGED", SEARCH_FLAGS, NO_ARGUMENT, FLAG_FLAGGED, 0, NULL },
	{ "UNKEYWORD", SEARCH_KEYWORD, A_KEYWORD, 0, 0, NULL },
	{ "UNSEEN", SEARCH_FLAGS, NO_ARGUMENT, FLAG_SEEN, 0, NULL },
	{ "YOUNGER", SEARCH_YOUNGER, A_NUMBER, 0, 0, NULL },
};

/* What is open while reading: each NOT, OR and "(", the outermost list first. */
struct reader {
	struct imap_parser *parser;
	struct search *search;
	struct view word;    /* read already; data NULL: not */
	struct view charset; /* of the strings */
	struct open_operator {
		enum search_kind kind; /* SEARCH_AND: a list */
		size_t count;	       /* of keys that it has */
	} open[SEARCH_DEPTH_MAX];
	size_t depth;
};

void search_free(struct search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		imap_set_free(&search->keys[i].set);
		imap_set_free(&search->keys[i].resolved);
		str_free(&search->keys[i].word);
		str_free(&search->keys[i].text);
	}
	if (search->update_fetch != NULL)
		fetch_free(search->update_fetch);
	free(search->update_fetch);
	free(search->keys);
	free(search->truth);
	free(search->needles);
	free(search->needle_keys);
	str_free(&search->header);
	str_free(&search->decoded);
	str_free(&search->folded[0]);
	str_free(&search->folded[1]);
	*search = (struct search){ 0 };
}

static int search_add_key(struct reader *reader, enum search_kind kind, struct search_key **key)
{
	struct search *search = reader->search;

	if (search->count == SEARCH_KEYS_MAX)
		return imap_syntax_error(reader->parser, "Too many search keys");
	array_grow(search->keys, search->count);
	*key = &search->keys[search->count++];
	**key = (struct search_key){ .kind = kind };
	return 0;
}

static int search_push(struct reader *reader, enum search_kind kind)
{
	if (reader->depth == SEARCH_DEPTH_MAX)
		return imap_syntax_error(reader->parser, "Search keys nested too deep");
	reader->open[reader->depth++] = (struct open_operator){ kind, 0 };
	return 0;
}

static int read_date(struct imap_parser *parser, struct search_key *key)
{
	struct view text;
	int64_t day;
	int r = imap_astring(parser, &text);

	if (r == 0 && (date_parse_imap_day(text, &day) < 0 || day < 0))
		r = imap_syntax_error(parser, "Invalid date");
	if (r == 0)
		key->number = (uint64_t)day;
	return r;
}

static void search_keep_name(struct search_key *key, struct view name)
{
	str_set(&key->word, name);
	key->name = str_view(&key->word);
}

/* ["\"/flags/name\"" SP "all" SP] n: there is one mod-sequence for all flags of a message. */
static int read_modseq(struct imap_parser *parser, struct search_key *key)
{
	struct view text;
	int r = 0;

	if (imap_peek(parser) == '"') {
		r = imap_string(parser, &text);
		if (r == 0)
			r = imap_space(parser);
		if (r == 0)
			r = imap_atom(parser, &text);
		if (r == 0)
			r = imap_space(parser);
	}
	return r == 0 ? imap_number(parser, INT64_MAX, &key->number) : r;
}

static int read_argument(struct reader *reader, enum argument argument, struct search_key *key)
{
	struct imap_parser *parser = reader->parser;
	struct view text;
	int r = 0;

	switch (argument) {
	case NO_ARGUMENT:
		return 0;
	case A_DATE:
		return read_date(parser, key);
	case A_NUMBER:
		return imap_number(parser, INT64_MAX, &key->number);
	case A_MODSEQ:
		reader->search->has_modseq = true;
		return read_modseq(parser, key);
	case A_KEYWORD:
		r = imap_atom(parser, &text);
		if (r == 0)
			search_keep_name(key, text);
		return r;
	case A_SET:
		return imap_sequence_set(parser, &key->set);
	case A_NAME_AND_STRING:
		r = imap_astring(parser, &text);
		if (r == 0)
			search_keep_name(key, text);
		if (r == 0)
			r = imap_space(parser);
		break;
	case A_STRING:
		break;
	}
	if (r == 0)
		r = imap_astring(parser, &text);
	if (r == 0 && !text_fold_charset(&key->text, reader->charset, text))
		r = -EINVAL;
	return r;
}

static int read_leaf(struct reader *reader, struct view word)
{
	struct search_key *key;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(key_names); i++) {
		const struct key_name *known = &key_names[i];

		if (!view_is_nocase(word, known->name))
			continue;
		r = search_add_key(reader, known->kind, &key);
		if (r < 0)
			return r;
		key->mask = known->mask;
		key->want = known->want;
		key->name = view_of(known->header);
		if (known->argument != NO_ARGUMENT)
			r = imap_space(reader->parser);
		return r == 0 ? read_argument(reader, known->argument, key) : r;
	}
	return imap_syntax_error(reader->parser, "Unknown search key");
}

/* 1: a key was read; 0: an operator was opened, its keys follow. */
static int read_key(struct reader *reader)
{
	struct imap_parser *parser = reader->parser;
	struct view word = reader->word;
	struct search_key *key;
	int r = 0;

	reader->word = VIEW_NONE;
	if (word.data == NULL) {
		if (imap_take(parser, '('))
			return search_push(reader, SEARCH_AND);
		if (ascii_is_digit(imap_peek(parser)) || imap_peek(parser) == '*' ||
		    imap_peek(parser) == '$') {
			r = search_add_key(reader, SEARCH_SET, &key);
			if (r == 0)
				r = imap_sequence_set(parser, &key->set);
			reader->search->has_numbers |= r == 0 && !key->set.saved;
			reader->search->has_saved |= key->set.saved;
			return r < 0 ? r : 1;
		}
		r = imap_atom(parser, &word);
		if (r < 0)
			return r;
	}
	if (view_is_nocase(word, "NOT")) {
		r = search_push(reader, SEARCH_NOT);
	} else if (view_is_nocase(word, "OR")) {
		r = search_push(reader, SEARCH_OR);
	} else {
		r = read_leaf(reader, word);
		return r < 0 ? r : 1;
	}
	return r == 0 ? imap_space(parser) : r;
}

/* A key is complete, and with it perhaps what is open around it. 1: the program is. */
static int complete_key(struct reader *reader)
{
	struct search_key *key;
	int r = 0;

	while (r == 0) {
		struct open_operator *top = &reader->open[reader->depth - 1];
		bool all_there = top->kind == SEARCH_NOT;

		top->count++;
		if (top->kind == SEARCH_OR)
			all_there = top->count == 2;
		if (top->kind == SEARCH_NOT || top->count > 1)
			r = search_add_key(reader, top->kind, &key);
		if (r == 0 && reader->depth == 1 && imap_at_end(reader->parser))
			return 1;
		if (top->kind == SEARCH_AND && reader->depth > 1)
			all_there = imap_take(reader->parser, ')');
		if (r == 0 && !all_there)
			return imap_space(reader->parser);
		reader->depth--;
	}
	return r;
}

static int read_keys(struct reader *reader)
{
	int r = search_push(reader, SEARCH_AND);

	while (r == 0) {
		r = read_key(reader);
		if (r == 1)
			r = complete_key(reader);
	}
	return r < 0 ? r : imap_end(reader->parser);
}

/* "1:500" or "-1:-100" */
static int read_partial_number(struct imap_parser *parser, int64_t *number)
{
	bool negative = imap_take(parser, '-');
	uint64_t value;
	int r = imap_number(parser, UINT32_MAX, &value);

	if (r == 0 && value == 0)
		r = imap_syntax_error(parser, "Results are numbered from 1");
	if (r == 0)
		*number = negative ? -(int64_t)value : (int64_t)value;
	return r;
}

static int read_partial(struct imap_parser *parser, struct search *search)
{
	int r = imap_space(parser);

	if (r == 0)
		r = read_partial_number(parser, &search->first);
	if (r == 0 && !imap_take(parser, ':'))
		r = imap_syntax_error(parser, "Expected first:last");
	if (r == 0)
		r = read_partial_number(parser, &search->last);
	if (r == 0 && (search->first < 0) != (search->last < 0))
		r = imap_syntax_error(parser, "Both from the begin or both from the end");
	return r;
}

/* "UPDATE" or "UPDATE (UID FLAGS)": RFC 5465 7. */
static int read_update(struct imap_parser *parser, struct search *search)
{
	int r;

	if (!imap_take_text(parser, " ("))
		return 0;
	if (search->update_fetch != NULL)
		return imap_syntax_error(parser, "UPDATE stands there twice");
	search->update_fetch = mem_new(struct fetch);
	r = fetch_parse_list(parser, search->update_fetch);
	if (r == 0)
		fetch_keep(search->update_fetch);
	return r;
}

static int read_return(struct imap_parser *parser, struct search *search)
{
	static const struct {
		const char *name;
		unsigned bit;
	} options[] = { { "MIN", RETURN_MIN },	 { "MAX", RETURN_MAX },
			{ "ALL", RETURN_ALL },	 { "COUNT", RETURN_COUNT },
			{ "SAVE", RETURN_SAVE }, { "PARTIAL", RETURN_PARTIAL },
			{ "CONTEXT", 0 },	 { "UPDATE", RETURN_UPDATE } };
	struct view word;
	int r = imap_atom(parser, &word);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (!view_is_nocase(word, options[i].name))
			continue;
		search->returns |= options[i].bit;
		if (options[i].bit == RETURN_UPDATE)
			return read_update(parser, search);
		return options[i].bit == RETURN_PARTIAL ? read_partial(parser, search) : 0;
	}
	return imap_syntax_error(parser, "Unknown return option");
}

int search_parse_returns(struct imap_parser *parser, struct search *search)
{
	int r;

	search->extended = true;
	if (!imap_take(parser, '('))
		return imap_syntax_error(parser, "Expected ( and return options");
	/* None means ALL. */
	if (imap_take(parser, ')')) {
		search->returns = RETURN_ALL;
		return 0;
	}
	do
		r = read_return(parser, search);
	while (r == 0 && imap_take(parser, ' '));
	if (r == 0 && search->returns & RETURN_ALL && search->returns & RETURN_PARTIAL)
		r = imap_syntax_error(parser, "Either ALL or PARTIAL");
	if (r == 0 && !imap_take(parser, ')'))
		r = imap_syntax_error(parser, "Expected )");
	return r;
}

/* The next word, if there stands one, stays in reader->word. */
static int look_at_word(struct reader *reader)
{
	reader->word = VIEW_NONE;
	if (!ascii_is_alpha(imap_peek(reader->parser)))
		return 0;
	return imap_atom(reader->parser, &reader->word);
}

int search_parse(struct imap_parser *parser, struct search *search)
{
	struct reader reader = { .parser = parser, .search = search };
	int r = imap_space(parser);

	if (r == 0)
		r = look_at_word(&reader);
	if (r == 0 && view_is_nocase(reader.word, "RETURN")) {
		r = imap_space(parser);
		if (r == 0)
			r = search_parse_returns(parser, search);
		if (r == 0)
			r = imap_space(parser);
		if (r == 0)
			r = look_at_word(&reader);
	}
	if (r == 0 && view_is_nocase(reader.word, "CHARSET")) {
		r = imap_space(parser);
		if (r == 0)
			r = imap_astring(parser, &reader.charset);
		if (r == 0 && !text_charset_is_known(reader.charset))
			return -EINVAL;
		if (r == 0)
			r = imap_space(parser);
		reader.word = VIEW_NONE;
	}
	return r == 0 ? read_keys(&reader) : r;
}

int search_parse_keys(struct imap_parser *parser, struct view charset, struct search *search)
{
	struct reader *reader = mem_new(struct reader);
	int r = imap_space(parser);

	reader->parser = parser;
	reader->search = search;
	reader->charset = charset;
	if (r == 0)
		r = read_keys(reader);
	free(reader);
	return r;
}
