/*
 * The maildrop: mail that local users leave while the suite is down or cannot take it. sendmail writes
 * it, cleanup takes it, at its start and whenever a local user connects.
 *
 * No program needs rights of its own for that. The folder belongs to mail_owner and has the mode
 * 03733: everybody may put a file there; nobody else may list it; with the sticky bit only its
 * writer and mail_owner may take a file away; and with the setgid bit of the folder a file has
 * mail_owner's group. While it is written it has the mode 0600, so that it is its writer's alone;
 * the mode 0640 says that it is whole. Whose message it is says the file's owner, not its text.
 *
 * A file has lines "word value", then an empty line, then the content as it goes on the wire:
 *
 *	posta-maildrop 1	always the first
 *	sender alice@a.test	once; nothing after the blank: the null sender
 *	body 8bitmime		or 7bit
 *	utf8 1			if an address needs it
 *	ret full		or hdrs, if given
 *	envid ID		if given
 *	rcpt 0 bob@b.test	for each recipient; the number is its NOTIFY bits. After all others
 *
 * It does not depend on the version of the suite: mail may wait through an upgrade.
 */
#ifndef QUEUE_MAILDROP_H
#define QUEUE_MAILDROP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "ipc/ipc.h"

#define MAILDROP_FOLDER	  "maildrop" /* below queue_directory */
#define MAILDROP_MODE	  03733
#define MAILDROP_LINE_MAX (IPC_TEXT_MAX + 64)
/* Of a file that was left half written. */
#define MAILDROP_STALE_TIME (24 * 3600)

enum maildrop_line {
	MAILDROP_MAIL,	  /* said something about the message */
	MAILDROP_RCPT,	  /* a recipient */
	MAILDROP_CONTENT, /* the empty line */
	MAILDROP_BAD,
};
/* What the lines so far have said; starts as zeros. */
struct maildrop_head {
	bool begun, has_sender, has_body, has_rcpt;
	bool utf8;
	uint8_t body, ret, notify; /* notify: of the recipient in this line */
	struct str sender, envid;
};
void maildrop_head_free(struct maildrop_head *head);
/* Takes a line without its end. MAILDROP_RCPT: *rcpt is the recipient, a view into the line. */
enum maildrop_line maildrop_head_take(struct maildrop_head *head, struct view line,
				      struct view *rcpt);

/* The lines for a message without its recipients; and for one of those. 0, or -EINVAL: it has a byte that ends a line. */
int maildrop_put_mail(struct str *out, const struct msg_mail *mail);
int maildrop_put_rcpt(struct str *out, struct view address, uint8_t notify);

#endif
