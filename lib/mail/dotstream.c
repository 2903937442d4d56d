/*
 * The end of DATA and its dots (RFC 5321, 4.5.2), a piece at a time. Only CR LF ends a line here.
 */
#include "mail/dotstream.h"

/* A feed under way: input from `run` to `at` is unchanged content not yet emitted. */
struct feed {
	struct dotstream *ds;
	struct view in;
	size_t run, at;
	size_t lf; /* the first LF not before `at`, in.len if there is none; below `at`: unknown */
	dotstream_emit *emit;
	void *argument;
};

static void dotstream_put(struct feed *f, struct view bytes)
{
	if (bytes.len == 0)
		return;
	f->ds->size += bytes.len;
	f->emit(f->argument, bytes);
}

/* Emits the run up to `end`, and begins the next one at `next`. */
static void flush_run(struct feed *f, size_t end, size_t next)
{
	dotstream_put(f, view_make(f->in.data + f->run, end - f->run));
	f->run = next;
}

static void begin_line(struct feed *f, bool after_bare_lf)
{
	f->ds->state = DOTSTREAM_LINE_START;
	f->ds->after_bare_lf = after_bare_lf;
}

static void put_bare_cr(struct feed *f)
{
	f->ds->has_bare_cr = true;
	dotstream_put(f, f->ds->keep_bare_cr ? VIEW("\r") : VIEW(" "));
}

/*
 * Reads on inside a line, to where something must be decided. The common case, a line that ends
 * in CR LF with no other CR in it, leaves the run as it is.
 */
static void scan_line(struct feed *f)
{
	const char *start = f->in.data + f->at;

	/* Kept from one call to the next: a block full of CR is not searched again for each. */
	if (f->lf < f->at || f->at == 0) {
		const char *found = memchr(start, '\n', f->in.len - f->at);

		f->lf = found == NULL ? f->in.len : (size_t)(found - f->in.data);
	}

	const char *cr = memchr(start, '\r', f->lf - f->at);

	if (cr == NULL && f->lf == f->in.len) {
		f->at = f->in.len;
	} else if (cr == NULL) {
		f->at = f->lf;
		flush_run(f, f->at, f->at + 1);
		f->ds->has_bare_lf = true;
		dotstream_put(f, VIEW("\r\n"));
		f->at++;
		begin_line(f, true);
	} else if (f->lf < f->in.len && f->in.data + f->lf == cr + 1) {
		f->at = f->lf + 1;
		begin_line(f, false);
	} else {
		f->at = (size_t)(cr - f->in.data);
		flush_run(f, f->at, f->at + 1);
		f->at++;
		f->ds->state = DOTSTREAM_CR;
	}
}

/* A CR was held back: it is half of a line end, or a stray. */
static void after_cr(struct feed *f)
{
	if (f->in.data[f->at] == '\n') {
		dotstream_put(f, VIEW("\r\n"));
		f->run = ++f->at;
		begin_line(f, false);
	} else {
		put_bare_cr(f);
		f->ds->state = DOTSTREAM_IN_LINE;
	}
}

/* A line began with a dot, which was held back. */
static void after_dot(struct feed *f)
{
	char c = f->in.data[f->at];

	if (c == '\r') {
		f->run = ++f->at;
		f->ds->state = DOTSTREAM_DOT_CR;
	} else if (c == '\n') {
		f->ds->has_bare_lf = true;
		dotstream_put(f, VIEW(".\r\n"));
		f->run = ++f->at;
		begin_line(f, true);
	} else {
		f->ds->state = DOTSTREAM_IN_LINE; /* the dot was stuffing */
	}
}

static void after_dot_cr(struct feed *f)
{
	if (f->in.data[f->at] != '\n') {
		put_bare_cr(f);
		f->ds->state = DOTSTREAM_IN_LINE;
		return;
	}
	f->run = ++f->at;
	if (f->ds->after_bare_lf) {
		dotstream_put(f, VIEW(".\r\n"));
		begin_line(f, false);
	} else {
		f->ds->ended = true;
	}
}

size_t dotstream_feed(struct dotstream *ds, struct view in, dotstream_emit *emit, void *argument)
{
	struct feed f = { .ds = ds, .in = in, .emit = emit, .argument = argument };

	while (f.at < in.len && !ds->ended) {
		switch (ds->state) {
		case DOTSTREAM_LINE_START:
			ds->state = DOTSTREAM_IN_LINE;
			if (in.data[f.at] == '.') {
				flush_run(&f, f.at, f.at + 1);
				f.at++;
				ds->state = DOTSTREAM_DOT;
			}
			break;
		case DOTSTREAM_IN_LINE:
			scan_line(&f);
			break;
		case DOTSTREAM_CR:
			after_cr(&f);
			break;
		case DOTSTREAM_DOT:
			after_dot(&f);
			break;
		case DOTSTREAM_DOT_CR:
			after_dot_cr(&f);
			break;
		}
	}
	if (f.at > f.run)
		flush_run(&f, f.at, f.at);
	return f.at;
}
