/* Delivered-To: an address that stands there has had this message already. */
#include <errno.h>

#include "base/io.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/header.h"
#include "queue/delivery.h"

/* Our own fields are put in front, and header_size_limit bounds the rest. */
#define HEADER_READ_MAX	  ((uint64_t)262144)
#define HEADER_READ_FIRST ((uint64_t)8192)

/* The end of the header, or VIEW_NOT_FOUND if it is not in these bytes. */
static size_t content_header_end(struct view bytes)
{
	size_t end = view_find(bytes, VIEW("\r\n\r\n"));

	return end == VIEW_NOT_FOUND ? end : end + 2;
}

static int content_read_header(const struct delivery *d, struct str *header)
{
	uint64_t want = MIN(d->content.size, HEADER_READ_FIRST);

	for (;;) {
		str_clear(header);

		char *to = str_reserve(header, (size_t)want);
		int r = io_source_read(&d->content, to, (size_t)want, 0);

		if (r < 0)
			return r == -ENODATA ? -EIO : r;
		str_grow(header, (size_t)want);
		if (content_header_end(str_view(header)) != VIEW_NOT_FOUND ||
		    want == d->content.size || want == HEADER_READ_MAX)
			return 0;
		want = MIN(MIN(want * 8, HEADER_READ_MAX), d->content.size);
	}
}

int delivery_is_loop(const struct delivery *d, struct view address)
{
	_cleanup_(str_free) struct str header = STR_EMPTY, value = STR_EMPTY;
	_cleanup_(str_free) struct str quoted = STR_EMPTY;
	struct header_field field;
	struct view rest;
	int r;

	if (d->content.size == 0)
		return 0;
	r = content_read_header(d, &header);
	if (r < 0)
		return r;
	address_quote(&quoted, address);
	rest = str_view(&header);
	while (header_next(&rest, &field) == 1) {
		if (!view_is_nocase(field.name, "Delivered-To"))
			continue;
		str_clear(&value);
		header_unfold(&value, field.body);
		if (view_eq_nocase(str_view(&value), str_view(&quoted)) ||
		    view_eq_nocase(str_view(&value), address))
			return 1;
	}
	return 0;
}
