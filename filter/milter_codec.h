/*
 * The milter protocol as bytes, versions 2 to 6: frames that go to a milter are packed here, and what
 * a milter says is taken apart. Pure: nothing waits, nothing is remembered, every length is checked.
 *
 *	u32 length, a byte that says what it is, data; integers in network order, strings end in NUL
 *
 * A frame that is longer than MILTER_DATA_MAX, ends within an integer or a string, or has bytes left
 * over is no frame (-EBADMSG): whoever sent it cannot be believed any more.
 */
#ifndef FILTER_MILTER_CODEC_H
#define FILTER_MILTER_CODEC_H

#include <stdbool.h>

#include "base/str.h"

#define MILTER_DATA_MAX 65535 /* bytes after the first of a frame */

/* What a milter may change, as both sides say it (SMFIF_...). */
enum {
	MILTER_ADDS_HEADERS = 0x1,
	MILTER_CHANGES_BODY = 0x2,
	MILTER_ADDS_RECIPIENTS = 0x4,
	MILTER_DELETES_RECIPIENTS = 0x8,
	MILTER_CHANGES_HEADERS = 0x10,
	MILTER_QUARANTINES = 0x20,
	MILTER_CHANGES_SENDER = 0x40,
	MILTER_ADDS_RECIPIENTS_PAR = 0x80,
	MILTER_LISTS_MACROS = 0x100,
};
/* Steps that are left out, and what else was agreed upon (SMFIP_...). */
enum {
	MILTER_NO_CONNECT = 0x1,
	MILTER_NO_HELO = 0x2,
	MILTER_NO_MAIL = 0x4,
	MILTER_NO_RCPT = 0x8,
	MILTER_NO_BODY = 0x10,
	MILTER_NO_HEADERS = 0x20,
	MILTER_NO_EOH = 0x40,
	MILTER_SILENT_HEADERS = 0x80, /* no reply comes to these */
	MILTER_NO_UNKNOWN = 0x100,
	MILTER_NO_DATA = 0x200,
	MILTER_MAY_SKIP = 0x400,
	MILTER_REJECTED_TOO = 0x800, /* recipients that were refused already */
	MILTER_SILENT_CONNECT = 0x1000,
	MILTER_SILENT_HELO = 0x2000,
	MILTER_SILENT_MAIL = 0x4000,
	MILTER_SILENT_RCPT = 0x8000,
	MILTER_SILENT_DATA = 0x10000,
	MILTER_SILENT_UNKNOWN = 0x20000,
	MILTER_SILENT_EOH = 0x40000,
	MILTER_SILENT_BODY = 0x80000,
	MILTER_LEADING_SPACE = 0x100000, /* header values keep the blank after the colon */
};

/* ---- to a milter ---- */

enum {
	MILTER_SAYS_OPTIONS = 'O',
	MILTER_SAYS_MACROS = 'D',
	MILTER_SAYS_ABORT = 'A',
	MILTER_SAYS_QUIT = 'Q',
	MILTER_SAYS_CONNECT = 'C',
	MILTER_SAYS_HELO = 'H',
	MILTER_SAYS_MAIL = 'M',
	MILTER_SAYS_RCPT = 'R',
	MILTER_SAYS_DATA = 'T',
	MILTER_SAYS_UNKNOWN = 'U',
	MILTER_SAYS_HEADER = 'L',
	MILTER_SAYS_EOH = 'N',
	MILTER_SAYS_BODY = 'B',
	MILTER_SAYS_EOM = 'E',
};
/*
 * A frame is begun, filled and ended; milter_frame_end says where milter_frame_begin put it. Data
 * beyond MILTER_DATA_MAX is cut off there, and the last byte of it is then a NUL.
 */
size_t milter_frame_begin(struct str *out, char what);
void milter_frame_string(struct str *out, struct view text); /* up to its first NUL */
void milter_frame_u32(struct str *out, uint32_t value);
void milter_frame_end(struct str *out, size_t begin);
/* What we can do in this version (2, 3, 4, 6). */
uint32_t milter_offered_actions(unsigned version);
uint32_t milter_offered_steps(unsigned version);
void milter_frame_options(struct str *out, unsigned version);

/* ---- from a milter ---- */

/*
 * Takes the frame at the front of *bytes: 1 with its first byte and data; 0: there is more to come;
 * -EBADMSG.
 */
int milter_frame_next(struct view *bytes, char *what, struct view *data);

/* Lists of macros that a milter asks for, by the step before which they are sent. */
enum milter_stage {
	STAGE_CONNECT,
	STAGE_HELO,
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_EOM,
	STAGE_EOH,
	STAGE_COUNT, /* milters ask for those above */
	STAGE_UNKNOWN = STAGE_COUNT,
	STAGE_LISTS,
};
struct milter_options {
	uint32_t version, actions, steps;
	bool has_macros[STAGE_COUNT];
	struct view macros[STAGE_COUNT];
};
/* Its answer to ours. 0, -EBADMSG, or -EPROTO: it wants what was not offered for this version. */
int milter_options_parse(struct view data, unsigned version, struct milter_options *options);

enum milter_said {
	SAID_CONTINUE = 'c',
	SAID_PROGRESS = 'p',
	SAID_ACCEPT = 'a',
	SAID_REJECT = 'r',
	SAID_TEMPFAIL = 't',
	SAID_DISCARD = 'd',
	SAID_REPLY = 'y',
	SAID_SKIP = 's',
	SAID_QUARANTINE = 'q',
	SAID_SHUTDOWN = '4',
	SAID_CONNECTION_FAILED = 'f',
	SAID_ADD_HEADER = 'h',
	SAID_INSERT_HEADER = 'i',
	SAID_CHANGE_HEADER = 'm',
	SAID_CHANGE_SENDER = 'e',
	SAID_ADD_RECIPIENT = '+',
	SAID_ADD_RECIPIENT_PAR = '2',
	SAID_DELETE_RECIPIENT = '-',
	SAID_REPLACE_BODY = 'b',
};
struct milter_reply {
	enum milter_said said;
	uint32_t index;
	struct view text;  /* the reply, reason, address, header's name, or piece of the body */
	struct view value; /* of the header; or parameters of the address, NUL between them */
};
/* 0 or -EBADMSG: unknown, or not of the form that it has to have. */
int milter_reply_parse(char what, struct view data, struct milter_reply *reply);
/* Is this a change of the message (allowed at its end only)? */
bool milter_said_edit(enum milter_said said);
/* The bit of `actions` that a milter needs for this; 0: none. */
uint32_t milter_action_of(enum milter_said said);

/*
 * The text of SAID_REPLY as an SMTP reply: "%%" is a per cent sign, bytes that are no text become
 * question marks. 0, or -EINVAL: this is no reply with code and status of the class 4 or 5 that could
 * be given to a client.
 */
int milter_reply_text(struct view text, struct str *out);
/* A field name of RFC 5322, of a length that anybody takes. */
bool milter_is_field_name(struct view name);
/*
 * A header value as it is to be written: lines end in CR LF and each but the first begins with a blank.
 * CR is dropped, NUL becomes a blank, line ends at the end are dropped.
 */
void milter_field_value(struct view value, struct str *out);

#endif
