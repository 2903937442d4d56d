/* FETCH (RFC 3501 6.4.5): what is asked for, and where it lies in a message. */
#ifndef IMAPD_FETCH_H
#define IMAPD_FETCH_H

#include "mail/mime.h"
#include "session.h"

#define FETCH_ITEMS_MAX	  100 /* in one FETCH */
#define SECTION_NAMES_MAX 100 /* names in one HEADER.FIELDS */

enum fetch_kind {
	FETCH_UID,
	FETCH_FLAGS,
	FETCH_INTERNALDATE,
	FETCH_SAVEDATE,
	FETCH_SIZE,
	FETCH_MODSEQ,
	FETCH_EMAILID,
	FETCH_THREADID,
	FETCH_ENVELOPE,
	FETCH_BODY, /* the structure without extensions */
	FETCH_BODYSTRUCTURE,
	FETCH_PREVIEW,
	FETCH_BINARY,
	FETCH_BINARY_SIZE,
	FETCH_SECTION, /* BODY[...] and the RFC822 forms of it */
};

enum section_text {
	SECTION_ALL,
	SECTION_HEADER,
	SECTION_HEADER_FIELDS,
	SECTION_HEADER_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME,
};

struct section {
	uint32_t *path; /* as long as the line had room for */
	size_t depth;
	enum section_text text;
	struct view *names; /* of HEADER.FIELDS, in the command's storage */
	size_t name_count;
	struct str kept; /* their bytes, after fetch_keep */
	bool partial;
	uint64_t offset, length;
};

struct fetch_item {
	enum fetch_kind kind;
	const char *label; /* what the answer calls it: "RFC822.TEXT"; NULL: BODY[section] */
	bool peek;
	struct section section;
};

struct fetch {
	struct fetch_item items[FETCH_ITEMS_MAX];
	size_t count;
	bool changed_since, vanished; /* RFC 7162: modifiers */
	uint64_t modseq;
	bool failed;	  /* something could not be read, for which NIL was sent */
	bool unknown_cte; /* a part for BINARY could not be decoded */
	bool gone;	  /* a message was expunged by another session: nothing was sent of it */
};

/* fetch_parse.c: a list, one item, or a macro, and modifiers. fetch_free in every case. */
int fetch_parse(struct imap_session *s, struct fetch *fetch);
/* Only a list, after its "(", up to and with ")". */
int fetch_parse_list(struct imap_parser *p, struct fetch *fetch);
/* It is to be used after the command that it came with. */
void fetch_keep(struct fetch *fetch);
void fetch_free(struct fetch *fetch);
/* "BODY[1.2.HEADER.FIELDS (Subject)]<0>" as the answer repeats it. */
void fetch_append_label(struct str *out, const struct fetch_item *item);

/* cmd_fetch.c: what is asked for, of these. What is gone or cannot be read is left out. */
int fetch_tell(struct imap_session *s, struct fetch *fetch, const uint32_t *seqs, size_t count);

/* ---- fetch_message.c: the content of one message, kept open for the next piece of it ---- */

struct opened_message {
	uint32_t uid; /* 0: none */
	int fd;
	uint64_t size;
	uint64_t body_start; /* after the header's empty line */
	bool has_nul;
	bool has_tree;
	struct mime_tree tree;
};

/* Opens the message, or finds it open. -ENOENT: gone. */
int opened_message_get(struct imap_session *s, uint32_t seq, struct opened_message **message);
void opened_message_close(struct opened_message *message);

/*
 * Its bytes in memory that the kernel takes from the file, so that a large message costs none of our own.
 * They stay until opened_message_unmap.
 */
int opened_message_map(const struct opened_message *message, struct view *content);
void opened_message_unmap(struct view content);
/* The tree of its parts, found when first asked for; valid while the message is open. */
const struct mime_tree *opened_message_tree(struct opened_message *message, struct view content);

/*
 * Where a section without names lies: offset and length of bytes of the content. -ENOENT: there is
 * no such part (NIL). Negative errno: the message cannot be read.
 */
int opened_message_section(struct opened_message *message, const struct section *section,
			   uint64_t *offset, uint64_t *length);

#endif
