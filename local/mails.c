/*
 * Messages that a user's scripts want sent, as they come from local-deliver. What the user's process
 * says of them is checked here once more.
 */
#include "local.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/mem.h"
#include "ipc/content.h"
#include "mail/address.h"

#define MAILS_MAX 200

void mails_free(struct mails *mails)
{
	for (size_t i = 0; i < mails->count; i++) {
		io_source_close(&mails->items[i].content);
		str_free(&mails->items[i].recipient);
		str_free(&mails->items[i].bytes);
	}
	free(mails->items);
}

static bool recipient_is_usable(struct view text)
{
	_cleanup_(str_free) struct str quoted = STR_EMPTY, address = STR_EMPTY;
	const char *problem = NULL;
	struct view rest, local, domain;

	address_quote(&quoted, text);
	rest = str_view(&quoted);
	if (view_has_control(text) ||
	    address_parse_path(&rest, false, true, &address, &problem) < 0 || rest.len > 0)
		return false;
	address_split(str_view(&address), &local, &domain);
	return local.len > 0 && domain.len > 0 && address.len <= ADDRESS_MAX;
}

/* In a file that has an end, and all of it: who says otherwise would keep us reading. */
static bool content_is_there(const struct io_source *content)
{
	struct stat st;

	return content->file < 0 ||
	       (fstat(content->file, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 0 &&
		content->offset + content->size <= (uint64_t)st.st_size);
}

int mails_take(struct mails *mails, struct msg_sieve_mail *m)
{
	struct io_source content = { .file = -1 };
	struct wanted_mail *mail;

	if (m->content_size > 0 && CONTENT_TAKEN(m, &content) < 0) {
		io_source_close(&content);
		return -EBADMSG;
	}
	if (mails->count == MAILS_MAX || !content_is_there(&content) ||
	    m->kind >= SIEVE_MAIL_KINDS || !recipient_is_usable(m->recipient) ||
	    (m->kind == SIEVE_MAIL_ANSWER && m->content_size == 0) ||
	    (m->content_size == 0 && m->file >= 0)) {
		io_source_close(&content);
		return -EBADMSG;
	}
	array_grow(mails->items, mails->count);
	mail = &mails->items[mails->count++];
	*mail = (struct wanted_mail){ .kind = m->kind, .content = content };
	str_append(&mail->recipient, m->recipient);
	if (content.bytes != NULL) {
		str_append(&mail->bytes, m->content);
		mail->content.bytes = mail->bytes.data;
	}
	return 0;
}
