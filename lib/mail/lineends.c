/* Line ends made CR LF. Of content that comes with dots (DATA), dotstream.c does the same. */
#include "mail/lineends.h"

/* Length of the part at the front in which CR and LF come as pairs alone. */
static size_t clean_length(struct view bytes)
{
	size_t at = 0;

	while (at < bytes.len) {
		const char *start = bytes.data + at;
		size_t left = bytes.len - at;
		const char *lf = memchr(start, '\n', left);
		const char *cr = memchr(start, '\r', lf ? (size_t)(lf - start) : left);

		if (lf == NULL)
			return cr ? (size_t)(cr - bytes.data) : bytes.len;
		if (cr == NULL || cr + 1 != lf)
			return (size_t)((cr && cr < lf ? cr : lf) - bytes.data);
		at = (size_t)(lf - bytes.data) + 1;
	}
	return at;
}

static int lineends_put(struct lineends *ends, struct view bytes, lineends_emit *emit,
			void *argument)
{
	if (bytes.len == 0)
		return 0;
	ends->at_line_start = bytes.data[bytes.len - 1] == '\n';
	return emit(argument, bytes);
}

static struct view bare_cr(const struct lineends *ends)
{
	return ends->keep_bare_cr ? VIEW("\r") : VIEW(" ");
}

int lineends_feed(struct lineends *ends, struct view bytes, lineends_emit *emit, void *argument)
{
	int r = 0;

	if (ends->pending_cr && bytes.len > 0) {
		ends->pending_cr = false;
		if (bytes.data[0] == '\n')
			bytes = view_from(bytes, 1),
			r = lineends_put(ends, VIEW("\r\n"), emit, argument);
		else
			r = lineends_put(ends, bare_cr(ends), emit, argument);
	}
	while (r == 0 && bytes.len > 0) {
		size_t clean = clean_length(bytes);

		r = lineends_put(ends, view_first(bytes, clean), emit, argument);
		bytes = view_from(bytes, clean);
		if (r != 0 || bytes.len == 0)
			break;
		if (bytes.data[0] == '\n') {
			ends->has_bare_lf = true;
			r = lineends_put(ends, VIEW("\r\n"), emit, argument);
		} else if (bytes.len == 1) {
			ends->pending_cr = true;
		} else if (bytes.data[1] == '\n') {
			r = lineends_put(ends, VIEW("\r\n"), emit, argument);
			bytes = view_from(bytes, 1);
		} else {
			r = lineends_put(ends, bare_cr(ends), emit, argument);
		}
		bytes = view_from(bytes, 1);
	}
	return r;
}

int lineends_finish(struct lineends *ends, lineends_emit *emit, void *argument)
{
	if (!ends->pending_cr && ends->at_line_start)
		return 0;
	ends->pending_cr = false;
	return lineends_put(ends, VIEW("\r\n"), emit, argument);
}
