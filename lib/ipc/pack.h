/*
 * Messages to bytes and back: one packer and one unpacker, driven by the tables that messages.def
 * makes. Nobody but this library and its tests includes it.
 *
 * On the wire a descriptor field is one byte: 1 if a descriptor rides along, else 0.
 */
#ifndef IPC_PACK_H
#define IPC_PACK_H

#include "base/str.h"
#include "ipc/ipc.h"

#define IPC_HEAD_SIZE 6 /* u32 length of all that follows, u16 type */

enum field_kind { FIELD_END, FIELD_TEXT, FIELD_U8, FIELD_U32, FIELD_U64, FIELD_I64, FIELD_FD };

struct field {
	enum field_kind kind;
	size_t offset; /* in struct msg_... */
	uint32_t max;  /* FIELD_TEXT */
};

/* The fields of a message, up to one of kind FIELD_END; NULL for a type that there is not. */
const struct field *message_fields(enum message_type type);
size_t message_fields_size(enum message_type type); /* of struct msg_... */
/* The largest number of bytes that its fields can have on the wire; 0 for unknown types. */
size_t message_body_max(enum message_type type);

/*
 * Long texts are not copied into the output: they are sent from where they are. `at` is the place
 * in the output before which the text goes.
 */
#define PACK_PIECES_MAX 4
#define PACK_PIECE_MIN	16384
struct packed {
	struct str *out;
	struct {
		size_t at;
		struct view text;
	} pieces[PACK_PIECES_MAX];
	size_t count;
	int fd;	   /* to be sent along, or -1 */
	bool flat; /* the caller's: all texts are copied */
};

/* Appends a whole message to packed->out. 0, -EMSGSIZE or -EINVAL (nothing is appended then). */
int message_pack(struct packed *packed, enum message_type type, const void *fields);
/*
 * Reads the fields of a message from `body`; text becomes views into it. *fd is the descriptor
 * that came along, or -1; taken (set to -1) if the message has one. 0, or -EBADMSG with nothing taken.
 */
int message_unpack(enum message_type type, struct view body, int *fd, struct message *m);

#endif
