/*
 * One folder on its way here: what is said of it, its notes, what of it is here already. Nothing is asked of the
 * other server.
 */
#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "tools/imap_folder.h"

struct view folder_name_here(const struct folder_import *f)
{
	return view_of(f->folder->local);
}

int folder_fail(struct folder_import *f, int r, const char *what)
{
	return error_code(f->w->err, r, "%s: %s", f->folder->local, what);
}

void folder_say(const struct folder_import *f, const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	str_printf(&text, "%s: %s: ", f->w->name, f->folder->local);
	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	puts(str_cstr(&text));
}

/* ---- notes ---- */

static void notes_read_line(struct folder_notes *notes, struct view line)
{
	struct view word;
	uint64_t value;

	while (view_next_word(&line, " ", &word)) {
		if (view_parse_u64(view_from(word, 1), UINT64_MAX, &value) < 0)
			continue;
		if (word.data[0] == 'M')
			notes->modseq = value;
		else if (value <= UINT32_MAX && word.data[0] == 'V')
			notes->uidvalidity = (uint32_t)value;
		else if (value <= UINT32_MAX && word.data[0] == 'K')
			notes->kept = (uint32_t)value;
		else if (value <= UINT32_MAX && word.data[0] == 'N')
			notes->next = (uint32_t)value;
	}
}

/* The line of this folder into *notes; all others into *others. */
int folder_notes_read(const struct folder_import *f, struct folder_notes *notes, struct str *others)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, line;
	int r = import_notes_read(f->w->store, folder_name_here(f), &text);

	rest = str_view(&text);
	while (view_next(&rest, '\n', &line)) {
		if (view_starts(line, view_of(notes->key))) {
			notes_read_line(notes, view_from(line, IMPORT_SOURCE_SIZE));
		} else if (line.len > 0) {
			str_append(others, line);
			str_append_byte(others, '\n');
		}
	}
	return r == -ENOENT ? 0 : r;
}

int folder_notes_write(struct folder_import *f)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct folder_notes there = f->notes;
	int r = folder_notes_read(f, &there, &text);

	str_printf(&text, "%s V%u K%u N%u M%llu\n", f->notes.key, f->notes.uidvalidity,
		   f->notes.kept, f->notes.next, (unsigned long long)f->notes.modseq);
	if (r == 0)
		r = import_notes_write(f->w->store, folder_name_here(f), str_view(&text));
	return r < 0 ? folder_fail(f, r, "note how far it came") : 0;
}

/* ---- what is here already ---- */

int folder_known_compare(const void *a, const void *b)
{
	const struct known_message *first = a, *second = b;

	return first->uid < second->uid ? -1 : first->uid > second->uid;
}

struct known_message *folder_known_find(const struct folder_import *f, uint32_t uid)
{
	const struct known_message wanted = { .uid = uid };

	return f->known_count == 0 ? NULL
				   : bsearch(&wanted, f->known, f->known_count, sizeof(*f->known),
					     folder_known_compare);
}

/* The keywords' bits here; a folder that has as many as it can takes no more. */
uint64_t folder_keywords(struct folder_import *f, const struct str *names)
{
	struct view rest = str_view(names), name;
	uint64_t mask = 0;

	while (view_next_word(&rest, " ", &name)) {
		uint64_t bit = mailbox_keyword_mask(f->local, name);
		int r = bit == 0 ? mailbox_keyword_add(f->local, name) : 0;

		if (bit == 0 && r >= 0)
			bit = 1ULL << r;
		if (r < 0 && !f->keywords_full)
			folder_say(f, "keyword %.*s: %s: left out, and others that are new",
				   VIEW_ARG(name),
				   r == -ERANGE ? "the folder has too many" : strerror(-r));
		f->keywords_full = f->keywords_full || r < 0;
		mask |= bit;
	}
	return mask;
}
