/* THREAD and UID THREAD (RFC 5256): reading what threads are made of. How they are made: thread.c. */
#include <errno.h>

#include "base/mem.h"
#include "sort.h"

#define THREAD_BREATH 64 /* messages between two looks at whether others want to go on */

typedef void thread_algorithm(struct str *out, const struct thread_message *messages, size_t count);

static const struct {
	const char *name;
	thread_algorithm *make;
} algorithms[] = {
	{ "REFERENCES", thread_by_references },
	{ "ORDEREDSUBJECT", thread_by_subject },
};

void thread_message_release(struct thread_message *m)
{
	for (size_t i = 0; i < m->reference_count; i++)
		free(m->references[i]);
	free(m->references);
	free(m->id);
	free(m->subject);
}

/* The next "<...>" off *text, without brackets, blanks and quotes; NULL: none. */
static char *take_id(struct view *text)
{
	_cleanup_(str_free) struct str id = STR_EMPTY;

	while (id.len == 0 || id.len > THREAD_ID_MAX) {
		size_t open = view_find_byte(*text, '<');
		struct view inside;

		str_clear(&id);
		if (open == VIEW_NOT_FOUND)
			return NULL;
		*text = view_from(*text, open + 1);
		inside = view_first(*text, view_find_byte(*text, '>'));
		if (inside.len == text->len)
			return NULL;
		*text = view_from(*text, inside.len + 1);
		for (size_t i = 0; i < inside.len; i++)
			if (!ascii_is_space(inside.data[i]) && inside.data[i] != '"')
				str_append_byte(&id, inside.data[i]);
	}
	return str_take(&id);
}

/* The nearest are the last. */
static void reference_add(struct thread_message *m, char *id, size_t max)
{
	if (m->reference_count == max) {
		free(m->references[0]);
		m->reference_count--;
		memmove(m->references, m->references + 1,
			m->reference_count * sizeof(*m->references));
	} else {
		array_grow(m->references, m->reference_count);
	}
	m->references[m->reference_count++] = id;
}

void thread_read_references(struct view header, size_t max, struct thread_message *m)
{
	struct header_field field;
	char *id;

	if (header_find(header, "References", &field))
		while ((id = take_id(&field.body)) != NULL)
			reference_add(m, id, max);
	if (m->reference_count == 0 && header_find(header, "In-Reply-To", &field) &&
	    (id = take_id(&field.body)) != NULL)
		reference_add(m, id, max);
}

static void thread_read(struct imap_session *s, uint32_t seq, size_t references_max,
			struct thread_message *m)
{
	static const struct view names[] = { { "Message-ID", 10 },
					     { "References", 10 },
					     { "In-Reply-To", 11 },
					     { "Subject", 7 },
					     { "Date", 4 } };
	_cleanup_(str_free) struct str header = STR_EMPTY, subject = STR_EMPTY;
	struct header_field field;

	(void)mailbox_header(s->mailbox, seq, names, ARRAY_SIZE(names), &header);
	m->number = s->uid ? mailbox_uid(s->mailbox, seq) : seq;
	m->date = sort_sent_date(s, seq, str_view(&header));
	if (header_find(str_view(&header), "Message-ID", &field))
		m->id = take_id(&field.body);
	thread_read_references(str_view(&header), references_max, m);
	if (header_find(str_view(&header), "Subject", &field))
		m->is_reply = sort_base_subject(field.body, &subject);
	m->subject = mem_strdup(str_cstr(&subject));
}

static int thread_answer(struct imap_session *s, thread_algorithm *make, const uint32_t *seqs,
			 size_t count)
{
	struct thread_message *messages =
		mem_new_array(struct thread_message, MAX(count, (size_t)1));
	struct str line = STR_EMPTY;
	size_t references = 0;
	int r;

	for (size_t i = 0; i < count; i++) {
		thread_read(s, seqs[i],
			    references < THREAD_ALL_REFERENCES ? THREAD_REFERENCES_MAX : 1,
			    &messages[i]);
		references += messages[i].reference_count;
		if (i % THREAD_BREATH == THREAD_BREATH - 1)
			task_yield();
	}
	str_append_cstr(&line, count > 0 ? "* THREAD " : "* THREAD");
	make(&line, messages, count);
	str_append_cstr(&line, "\r\n");
	r = stream_write(s->io, str_view(&line));
	str_free(&line);
	for (size_t i = 0; i < count; i++)
		thread_message_release(&messages[i]);
	free(messages);
	return r < 0 ? r : imap_ok(s, "Thread completed.");
}

int imap_command_thread(struct imap_session *s)
{
	struct search *search = mem_new(struct search);
	thread_algorithm *make = NULL;
	uint32_t *seqs = NULL;
	size_t count = 0;
	struct view word;
	int r = imap_space(s->parser);

	if (r == 0)
		r = imap_atom(s->parser, &word);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(algorithms); i++)
		if (view_is_nocase(word, algorithms[i].name))
			make = algorithms[i].make;
	if (r == 0 && make == NULL)
		r = imap_syntax_error(s->parser, "Unknown thread algorithm");
	if (r == 0)
		r = sort_search(s, search, &seqs, &count);
	if (r == 0)
		r = thread_answer(s, make, seqs, count);
	else if (r == -EINVAL)
		r = IMAP_DONE;
	search_free(search);
	free(search);
	free(seqs);
	return r;
}
