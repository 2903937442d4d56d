/*
 * Messages as bytes and back, from the table in messages.def. Every length is checked here, so
 * that no receiver need do it.
 */
#include "ipc/pack.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "base/mem.h"

/* One function for each message, since only there is the structure's name at hand for offsetof. */
#define MESSAGE(name)                                                                              \
	static const struct field *fields_of_##name(void)                                          \
	{                                                                                          \
		typedef struct msg_##name self;                                                    \
		static const struct field list[] = {
#define TEXT(field, max) { FIELD_TEXT, offsetof(self, field), (max) },
#define U8(field)	 { FIELD_U8, offsetof(self, field), 0 },
#define U32(field)	 { FIELD_U32, offsetof(self, field), 0 },
#define U64(field)	 { FIELD_U64, offsetof(self, field), 0 },
#define I64(field)	 { FIELD_I64, offsetof(self, field), 0 },
#define FD(field)	 { FIELD_FD, offsetof(self, field), 0 },
#define END(name)                                                                                  \
	{                                                                                          \
		FIELD_END, sizeof(self), 0                                                         \
	}                                                                                          \
	}                                                                                          \
	;                                                                                          \
	return list;                                                                               \
	}
#include "ipc/messages.def"
#undef MESSAGE
#undef TEXT
#undef U8
#undef U32
#undef U64
#undef I64
#undef FD
#undef END

#define TEXT(field, max)
#define U8(field)
#define U32(field)
#define U64(field)
#define I64(field)
#define FD(field)
#define END(name)
static const struct field *(*const fields_of[MSG_COUNT])(void) = {
#define MESSAGE(name) [MSG_##name] = fields_of_##name,
#include "ipc/messages.def"
#undef MESSAGE
};

const char *message_name(enum message_type type)
{
	static const char *const names[MSG_COUNT] = {
		[MSG_none] = "none",
#define MESSAGE(name) [MSG_##name] = #name,
#include "ipc/messages.def"
#undef MESSAGE
	};

	return (unsigned)type < MSG_COUNT ? names[type] : "unknown";
}

const struct field *message_fields(enum message_type type)
{
	return type > MSG_none && type < MSG_COUNT ? fields_of[type]() : NULL;
}

size_t message_fields_size(enum message_type type)
{
	const struct field *f = message_fields(type);

	while (f != NULL && f->kind != FIELD_END)
		f++;
	return f == NULL ? 0 : f->offset;
}

static size_t width(const struct field *f)
{
	static const size_t widths[] = { [FIELD_TEXT] = 4, [FIELD_U8] = 1,  [FIELD_U32] = 4,
					 [FIELD_U64] = 8,  [FIELD_I64] = 8, [FIELD_FD] = 1 };

	return widths[f->kind];
}

size_t message_body_max(enum message_type type)
{
	static size_t known[MSG_COUNT];
	const struct field *f = message_fields(type);

	if (f == NULL)
		return 0;
	if (known[type] == 0) {
		size_t sum = 0;

		for (; f->kind != FIELD_END; f++)
			sum += width(f) + f->max;
		known[type] = sum;
	}
	return known[type];
}

/* ---- packing ---- */

static void put_u32(struct str *out, uint32_t value)
{
	value = htonl(value);
	str_append(out, view_make(&value, sizeof(value)));
}

static void put_u64(struct str *out, uint64_t value)
{
	value = htobe64(value);
	str_append(out, view_make(&value, sizeof(value)));
}

static void pack_put_text(struct packed *p, struct view text)
{
	put_u32(p->out, (uint32_t)text.len);
	if (p->flat || text.len < PACK_PIECE_MIN || p->count == PACK_PIECES_MAX) {
		str_append(p->out, text);
		return;
	}
	p->pieces[p->count].at = p->out->len;
	p->pieces[p->count].text = text;
	p->count++;
}

static void put_field(struct packed *p, const struct field *f, const void *at)
{
	switch (f->kind) {
	case FIELD_TEXT:
		pack_put_text(p, *(const struct view *)at);
		break;
	case FIELD_U8:
		str_append_byte(p->out, *(const char *)at);
		break;
	case FIELD_U32:
		put_u32(p->out, *(const uint32_t *)at);
		break;
	case FIELD_U64:
	case FIELD_I64:
		put_u64(p->out, *(const uint64_t *)at);
		break;
	case FIELD_FD:
		if (*(const int *)at > 0)
			p->fd = *(const int *)at;
		str_append_byte(p->out, *(const int *)at > 0);
		break;
	case FIELD_END:
		break;
	}
}

int message_pack(struct packed *p, enum message_type type, const void *fields)
{
	const struct field *list = message_fields(type);
	size_t body = 0;

	p->count = 0;
	p->fd = -1;
	if (list == NULL)
		return -EINVAL;
	for (const struct field *f = list; f->kind != FIELD_END; f++) {
		body += width(f);
		if (f->kind != FIELD_TEXT)
			continue;

		const struct view *text = (const void *)((const char *)fields + f->offset);

		if (text->len > f->max)
			return -EMSGSIZE;
		body += text->len;
	}

	uint16_t number = htons((uint16_t)type);

	put_u32(p->out, (uint32_t)(sizeof(number) + body));
	str_append(p->out, view_make(&number, sizeof(number)));
	for (const struct field *f = list; f->kind != FIELD_END; f++)
		put_field(p, f, (const char *)fields + f->offset);
	return 0;
}

/* ---- unpacking ---- */

/* Copies `len` bytes off the front of *rest. */
static bool pack_take(struct view *rest, void *to, size_t len)
{
	if (rest->len < len)
		return false;
	memcpy(to, rest->data, len);
	*rest = view_from(*rest, len);
	return true;
}

static bool pack_take_text(struct view *rest, uint32_t max, struct view *text)
{
	uint32_t len;

	if (!pack_take(rest, &len, sizeof(len)))
		return false;
	len = ntohl(len);
	if (len > max || len > rest->len)
		return false;
	*text = view_first(*rest, len);
	*rest = view_from(*rest, len);
	return true;
}

/* One that came while the byte says none may belong to the next message: ipc_receive knows. */
static bool take_fd(struct view *rest, int *came, int *fd)
{
	uint8_t has;

	if (!pack_take(rest, &has, sizeof(has)) || has > 1 || (has && *came < 0))
		return false;
	*fd = has ? *came : -1;
	if (has)
		*came = -1;
	return true;
}

static bool take_field(struct view *rest, const struct field *f, int *fd, void *at)
{
	uint32_t u32;
	uint64_t u64;

	switch (f->kind) {
	case FIELD_TEXT:
		return pack_take_text(rest, f->max, at);
	case FIELD_U8:
		return pack_take(rest, at, 1);
	case FIELD_U32:
		if (!pack_take(rest, &u32, sizeof(u32)))
			return false;
		*(uint32_t *)at = ntohl(u32);
		return true;
	case FIELD_U64:
	case FIELD_I64:
		if (!pack_take(rest, &u64, sizeof(u64)))
			return false;
		*(uint64_t *)at = be64toh(u64);
		return true;
	case FIELD_FD:
		return take_fd(rest, fd, at);
	case FIELD_END:
		break;
	}
	return false;
}

/* Where a message has its descriptor, or NULL. */
static int *fd_field(struct message *m)
{
	const struct field *f = message_fields(m->type);

	for (; f != NULL && f->kind != FIELD_END; f++)
		if (f->kind == FIELD_FD)
			return (int *)(void *)((char *)&m->done + f->offset);
	return NULL;
}

int message_unpack(enum message_type type, struct view body, int *fd, struct message *m)
{
	const struct field *list = message_fields(type);
	struct view rest = body;
	bool good = list != NULL;
	int came = *fd;

	m->type = type;
	for (const struct field *f = list; good && f->kind != FIELD_END; f++)
		good = take_field(&rest, f, fd, (char *)&m->done + f->offset);
	if (good && rest.len == 0)
		return 0;
	*fd = came;
	m->type = MSG_none;
	return -EBADMSG;
}

void message_close_fd(struct message *m)
{
	int *fd = fd_field(m);

	if (fd != NULL && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
}
