/* The order of SORT (RFC 5256, 5957): criteria and values. What is compared of a subject: sort_subject.c. */
#include <errno.h>

#include "base/mem.h"
#include "sort.h"
#include "store/render.h"

#define SORT_CRITERIA_MAX	20
#define SORT_BREATH		64 /* messages between two looks at whether others want to go on */
#define SORT_BREATH_COMPARISONS 16384

enum sort_kind {
	SORT_ARRIVAL,
	SORT_SIZE,
	SORT_DATE,
	SORT_SUBJECT,
	SORT_FROM,
	SORT_TO,
	SORT_CC,
	SORT_DISPLAYFROM,
	SORT_DISPLAYTO,
};

static const struct sort_name {
	const char *name, *field;
	enum sort_kind kind;
} sort_names[] = {
	{ "ARRIVAL", NULL, SORT_ARRIVAL },
	{ "SIZE", NULL, SORT_SIZE },
	{ "DATE", "Date", SORT_DATE },
	{ "SUBJECT", "Subject", SORT_SUBJECT },
	{ "FROM", "From", SORT_FROM },
	{ "TO", "To", SORT_TO },
	{ "CC", "Cc", SORT_CC },
	{ "DISPLAYFROM", "From", SORT_DISPLAYFROM },
	{ "DISPLAYTO", "To", SORT_DISPLAYTO },
};

struct sort_criterion {
	const struct sort_name *what;
	bool reverse;
};

/* A number, or text. */
struct sort_value {
	int64_t number;
	char *text;
	size_t len;
};

struct sort_entry {
	uint32_t seq;
	struct sort_value *values; /* one for each criterion */
};

struct sorting {
	struct sort_criterion criteria[SORT_CRITERIA_MAX];
	size_t criterion_count;
	struct sort_entry *entries;
	size_t count;
	struct view fields[SORT_CRITERIA_MAX]; /* that are read of headers */
	size_t field_count;
	size_t comparisons;
};

struct sorting *sorting_new(void)
{
	return mem_new(struct sorting);
}

static void sort_entry_free(const struct sorting *sorting, struct sort_entry *entry)
{
	for (size_t k = 0; k < sorting->criterion_count; k++)
		free(entry->values[k].text);
	free(entry->values);
}

/* The values, which may be as large as the mailbox. */
static void sorting_forget(struct sorting *sorting)
{
	for (size_t i = 0; i < sorting->count; i++)
		sort_entry_free(sorting, &sorting->entries[i]);
	free(TAKE(sorting->entries));
	sorting->count = 0;
}

void sorting_free(struct sorting *sorting)
{
	if (sorting != NULL)
		sorting_forget(sorting);
	free(sorting);
}

/* ---- values ---- */

struct first_address {
	struct view body;
	struct str *out;
	bool display;
};

/* RFC 5256: the local part; RFC 5957: the name, or what stands for it. */
static int take_address(void *argument, const struct header_address *address)
{
	struct first_address *first = argument;
	_cleanup_(str_free) struct str name = STR_EMPTY;

	if (address->group_start || address->group_end)
		return 0;
	if (first->display) {
		render_display_name(&name, first->body, address);
		text_decode_header(first->out, str_view(&name));
	}
	if (first->out->len > 0)
		return 1;
	str_append(first->out, address->local);
	if (first->display && address->domain.len > 0) {
		str_append_byte(first->out, '@');
		str_append(first->out, address->domain);
	}
	return 1;
}

static void sort_text(struct view header, const struct sort_name *what, struct sort_value *value)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, folded = STR_EMPTY;
	bool display = what->kind == SORT_DISPLAYFROM || what->kind == SORT_DISPLAYTO;
	struct header_field field;

	if (header_find(header, what->field, &field)) {
		struct first_address first = { field.body, &text, display };

		if (what->kind == SORT_SUBJECT) {
			sort_base_subject(field.body, &folded);
		} else {
			address_list_parse_shown(field.body, take_address, &first);
			text_casemap(&folded, view_trim(str_view(&text)));
		}
	}
	str_truncate(&folded, MIN(folded.len, (size_t)SORT_TEXT_MAX));
	value->len = folded.len;
	value->text = str_take(&folded);
}

static void sort_fill(struct imap_session *s, struct sorting *sorting, struct sort_entry *entry)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;
	struct message_info info = { 0 };

	entry->values = mem_new_array(struct sort_value, sorting->criterion_count);
	if (sorting->field_count > 0)
		(void)mailbox_header(s->mailbox, entry->seq, sorting->fields, sorting->field_count,
				     &header);
	for (size_t i = 0; i < sorting->criterion_count; i++) {
		const struct sort_name *what = sorting->criteria[i].what;
		struct sort_value *value = &entry->values[i];

		if (what->field == NULL && info.uid == 0)
			(void)mailbox_info(s->mailbox, entry->seq, &info);
		if (what->kind == SORT_ARRIVAL)
			value->number = info.internal_date;
		else if (what->kind == SORT_SIZE)
			value->number = (int64_t)info.size;
		else if (what->kind == SORT_DATE)
			value->number = sort_sent_date(s, entry->seq, str_view(&header));
		else
			sort_text(str_view(&header), what, value);
	}
}

static int sort_compare_values(const struct sort_value *a, const struct sort_value *b)
{
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return view_compare(view_make(a->text, a->len), view_make(b->text, b->len));
}

static int sort_compare(const void *first, const void *second, void *argument)
{
	struct sorting *sorting = argument;
	const struct sort_entry *a = first, *b = second;

	/* Strangers have written what is compared: it may take long. */
	if (++sorting->comparisons % SORT_BREATH_COMPARISONS == 0)
		task_yield();
	for (size_t i = 0; i < sorting->criterion_count; i++) {
		int order = sort_compare_values(&a->values[i], &b->values[i]);

		if (order != 0)
			return sorting->criteria[i].reverse ? -order : order;
	}
	return a->seq < b->seq ? -1 : 1;
}

/* In place. */
void sort_seqs(struct imap_session *s, struct sorting *sorting, uint32_t *seqs, size_t count)
{
	sorting->entries = mem_new_array(struct sort_entry, MAX(count, (size_t)1));
	for (size_t i = 0; i < count; i++) {
		sorting->entries[i].seq = seqs[i];
		sort_fill(s, sorting, &sorting->entries[i]);
		sorting->count = i + 1;
		if (i % SORT_BREATH == SORT_BREATH - 1)
			task_yield();
	}
	if (count > 0)
		qsort_r(sorting->entries, count, sizeof(*sorting->entries), sort_compare, sorting);
	for (size_t i = 0; i < count; i++)
		seqs[i] = sorting->entries[i].seq;
	sorting_forget(sorting);
}

size_t sort_position(struct imap_session *s, struct sorting *sorting, const uint32_t *uids,
		     size_t count, uint32_t seq)
{
	struct sort_entry wanted = { .seq = seq }, other;
	size_t low = 0, high = count;

	sort_fill(s, sorting, &wanted);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order;

		other = (struct sort_entry){ .seq = mailbox_find(s->mailbox, uids[middle]) };
		sort_fill(s, sorting, &other);
		order = sort_compare(&other, &wanted, sorting);
		sort_entry_free(sorting, &other);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	sort_entry_free(sorting, &wanted);
	return low;
}

/* ---- criteria ---- */

static int sort_parse_criterion(struct imap_session *s, struct sorting *sorting, bool *reverse)
{
	struct sort_criterion *criterion = &sorting->criteria[sorting->criterion_count];
	struct view word;
	int r = imap_atom(s->parser, &word);

	if (r == 0 && view_is_nocase(word, "REVERSE") && !*reverse) {
		*reverse = true;
		return 0;
	}
	if (r == 0 && sorting->criterion_count == SORT_CRITERIA_MAX)
		r = imap_syntax_error(s->parser, "Too many sort criteria");
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(sort_names); i++) {
		if (!view_is_nocase(word, sort_names[i].name))
			continue;
		*criterion = (struct sort_criterion){ &sort_names[i], *reverse };
		sorting->criterion_count++;
		if (sort_names[i].field != NULL)
			sorting->fields[sorting->field_count++] = view_of(sort_names[i].field);
		*reverse = false;
		return 0;
	}
	return imap_syntax_error(s->parser, "Unknown sort criterion");
}

int sort_parse_criteria(struct imap_session *s, struct sorting *sorting)
{
	bool reverse = false;
	int r;

	if (!imap_take(s->parser, '('))
		return imap_syntax_error(s->parser, "Expected ( and sort criteria");
	do
		r = sort_parse_criterion(s, sorting, &reverse);
	while (r == 0 && imap_take(s->parser, ' '));
	if (r == 0 && reverse)
		r = imap_syntax_error(s->parser, "REVERSE needs a criterion");
	if (r == 0 && !imap_take(s->parser, ')'))
		r = imap_syntax_error(s->parser, "Expected )");
	return r;
}
