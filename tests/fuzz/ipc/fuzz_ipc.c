/*
 * Whatever bytes another program sends: the unpacker reads nothing beyond them, gives views within
 * them only, and packs what it has accepted into the very same bytes again.
 *
 * Input: two bytes for the type, one whether a descriptor came, then the fields.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_views(const struct message *m, struct view body)
{
	for (const struct field *f = message_fields(m->type); f->kind != FIELD_END; f++) {
		const struct view *v = (const void *)((const char *)&m->done + f->offset);

		if (f->kind != FIELD_TEXT)
			continue;
		if (v->len > f->max)
			abort();
		if (v->len > 0 && (v->data < body.data || v->data + v->len > body.data + body.len))
			abort();
	}
}

static void check_round_trip(const struct message *m, struct view body)
{
	_cleanup_(str_free) struct str out = STR_EMPTY, whole = STR_EMPTY;
	struct packed packed = { .out = &out };
	size_t done = 0;

	if (message_pack(&packed, m->type, &m->done) < 0)
		abort();
	for (size_t i = 0; i < packed.count; i++) {
		str_append(&whole, view_make(out.data + done, packed.pieces[i].at - done));
		str_append(&whole, packed.pieces[i].text);
		done = packed.pieces[i].at;
	}
	str_append(&whole, view_from(str_view(&out), done));
	if (!view_eq(view_from(str_view(&whole), IPC_HEAD_SIZE), body))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message m;
	enum message_type type;
	int fd, came;

	if (size < 3)
		return 0;
	type = (enum message_type)(data[0] << 8 | data[1]);
	came = fd = data[2] & 1 ? 1000000 : -1; /* never used as one */

	struct view body = view_make(data + 3, size - 3);

	if (message_unpack(type, body, &came, &m) < 0) {
		if (came != fd)
			abort();
		return 0;
	}
	check_views(&m, body);
	check_round_trip(&m, body);
	return 0;
}
