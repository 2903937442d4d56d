/* STATUS (RFC 3501 6.3.10; STATUS=SIZE RFC 8438). */
#include <errno.h>

#include "conf/conf.h"
#include "status.h"

static const struct {
	const char *name;
	unsigned bit;
} status_items[] = {
	{ "MESSAGES", STATUS_MESSAGES },
	{ "RECENT", STATUS_RECENT },
	{ "UIDNEXT", STATUS_UIDNEXT },
	{ "UIDVALIDITY", STATUS_UIDVALIDITY },
	{ "UNSEEN", STATUS_UNSEEN },
	{ "SIZE", STATUS_SIZE },
	{ "DELETED", STATUS_DELETED },
	{ "HIGHESTMODSEQ", STATUS_HIGHESTMODSEQ },
	{ "MAILBOXID", STATUS_MAILBOXID },
	{ "APPENDLIMIT", STATUS_APPENDLIMIT },
	{ "DELETED-STORAGE", STATUS_DELETED_STORAGE },
};

/* What is no number, or may be none (RFC 8474, RFC 7889). */
static void append_status_words(struct imap_session *s, struct view name, unsigned item,
				const char *separator, struct str *line)
{
	_cleanup_(str_free) struct str id = STR_EMPTY;

	if (item == STATUS_APPENDLIMIT) {
		str_printf(line,
			   param.message_size_limit > 0 ? "%sAPPENDLIMIT %lld"
							: "%sAPPENDLIMIT NIL",
			   separator, (long long)param.message_size_limit);
		return;
	}
	(void)store_mailbox_id(s->store, name, &id);
	str_printf(line, id.len > 0 ? "%sMAILBOXID (F%s)" : "%sMAILBOXID NIL", separator,
		   str_cstr(&id));
}

int status_send(struct imap_session *s, struct view name, unsigned items, int *failed)
{
	struct folder_status status = { 0 };
	struct str line = STR_EMPTY;
	const char *separator = "";
	uint64_t deleted_size = 0;
	int r;

	*failed = store_status(s->store, name, &status);
	if (*failed == 0 && items & STATUS_DELETED_STORAGE && status.deleted > 0)
		*failed = store_deleted_size(s->store, name, &deleted_size);
	if (*failed < 0)
		return 0;
	str_append_cstr(&line, "* STATUS ");
	imap_append_mailbox(s, &line, name);
	str_append_cstr(&line, " (");
	for (size_t i = 0; i < ARRAY_SIZE(status_items); i++) {
		const uint64_t values[] = { status.messages,
					    status.recent,
					    status.uidnext,
					    status.uidvalidity,
					    status.unseen,
					    status.size,
					    status.deleted,
					    status.highest_modseq,
					    0,
					    0,
					    deleted_size };

		if (!(items & status_items[i].bit))
			continue;
		if (status_items[i].bit & (STATUS_MAILBOXID | STATUS_APPENDLIMIT)) {
			append_status_words(s, name, status_items[i].bit, separator, &line);
			separator = " ";
			continue;
		}
		str_printf(&line, "%s%s %llu", separator, status_items[i].name,
			   (unsigned long long)values[i]);
		separator = " ";
	}
	str_append_cstr(&line, ")\r\n");
	r = stream_write(s->io, str_view(&line));
	str_free(&line);
	return r;
}

int status_parse_items(struct imap_session *s, unsigned *items)
{
	struct view word;
	int r = imap_take(s->parser, '(') ? 0 : imap_syntax_error(s->parser, "Expected (");

	*items = 0;
	do {
		bool known = false;

		if (r == 0)
			r = imap_atom(s->parser, &word);
		for (size_t i = 0; r == 0 && i < ARRAY_SIZE(status_items); i++) {
			if (view_is_nocase(word, status_items[i].name)) {
				*items |= status_items[i].bit;
				known = true;
			}
		}
		if (r == 0 && !known)
			r = imap_syntax_error(s->parser, "Unknown status item");
	} while (r == 0 && imap_take(s->parser, ' '));
	if (r == 0 && !imap_take(s->parser, ')'))
		r = imap_syntax_error(s->parser, "Expected )");
	return r;
}

int imap_command_status(struct imap_session *s)
{
	struct str name = STR_EMPTY;
	unsigned items = 0;
	int failed = 0, r = imap_parse_mailbox(s, &name);

	if (r == 0)
		r = imap_space(s->parser);
	if (r == 0)
		r = status_parse_items(s, &items);
	if (r == 0)
		r = imap_end(s->parser);
	if (r < 0) {
		str_free(&name);
		return r == -EINVAL ? IMAP_DONE : r;
	}
	r = items & STATUS_HIGHESTMODSEQ ? imap_enable_condstore(s) : 0;
	if (r == 0)
		r = status_send(s, str_view(&name), items, &failed);
	str_free(&name);
	if (r < 0)
		return r;
	if (failed < 0)
		return imap_no_errno(s, failed, "Status");
	return imap_ok(s, "Status completed.");
}
