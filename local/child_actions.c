/*
 * What the scripts of a delivery want done: first what is stored, then what is to be sent; the answer
 * comes last. A delivery that is done again finds its files and what it has sent.
 */
#include "deliver.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "sieve/memory.h"
#include "sieve/sieve.h"
#include "store/deliver.h"
#include "store/store.h"

#define NAME_SHOWN 100 /* bytes of a name in the log */

/* ---- folders and flags ---- */

static unsigned flag_find(struct view flag)
{
	static const struct {
		const char *name;
		unsigned flag;
	} known[] = {
		{ "\\Seen", FLAG_SEEN },       { "\\Answered", FLAG_ANSWERED },
		{ "\\Flagged", FLAG_FLAGGED }, { "\\Deleted", FLAG_DELETED },
		{ "\\Draft", FLAG_DRAFT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (view_is_nocase(flag, known[i].name))
			return known[i].flag;
	return 0;
}

static void flags_split(struct view words, unsigned *flags, struct str *keywords)
{
	struct view word;

	*flags = 0;
	while (view_next_word(&words, " ", &word)) {
		*flags |= flag_find(word);
		if (!store_keyword_is_valid(word))
			continue;
		if (keywords->len > 0)
			str_append_byte(keywords, ' ');
		str_append(keywords, word);
	}
}

static void note_done(struct sieve_delivery *d, const char *what, struct view name)
{
	_cleanup_(str_free) struct str shown = STR_EMPTY;

	str_append_printable(&shown, view_first(name, NAME_SHOWN));
	str_printf(&d->done, "%s%s%s%s", d->done.len > 0 ? "; " : "", what,
		   shown.len > 0 ? " " : "", str_cstr(&shown));
}

/* ---- storing ---- */

static int store_in(struct sieve_delivery *d, const struct sieve_action *action, struct view folder,
		    struct error *err)
{
	_cleanup_(str_free) struct str keywords = STR_EMPTY;
	struct mail_source source = *d->source;

	flags_split(str_view(&action->flags), &source.flags, &keywords);
	source.keywords = str_view(&keywords);
	return maildir_deliver(d->maildir, folder, action->create, &source, NULL, err);
}

/*
 * Once, whatever leads there. Where no script has said anything, what was marked as junk goes where
 * it goes without scripts.
 */
static int store_in_inbox(struct sieve_delivery *d, const struct sieve_action *action,
			  struct error *err)
{
	_cleanup_(str_free) struct str folder = STR_EMPTY;
	struct sieve_action keep = *action;
	int r;

	if (d->in_inbox)
		return 0;
	if (action->kind == SIEVE_KEEP && action->line == 0 && !d->m->released)
		junk_default_folder(d->maildir, &d->source->content, &folder);
	if (action->kind == SIEVE_KEEP && action->line == 0 && folder.len == 0)
		detail_default_folder(d->maildir, d->m->recipient, &folder);
	keep.create = true;
	r = store_in(d, &keep, str_view(&folder), err);
	if (r == 0)
		note_done(d, "kept in", folder.len > 0 ? str_view(&folder) : VIEW("INBOX"));
	d->in_inbox = r == 0;
	return r;
}

/* A folder that is not there is no reason to lose a message, or to keep others waiting. */
static int store_in_folder(struct sieve_delivery *d, const struct sieve_action *action,
			   struct error *err)
{
	_cleanup_(str_free) struct str folder = STR_EMPTY;
	int r = sieve_folder_name(str_view(&action->text), &folder);

	if (r == 0)
		r = store_in(d, action, str_view(&folder), err);
	if (r == 0) {
		note_done(d, "filed into", str_view(&action->text));
		return 0;
	}
	if (r != -ENOENT && r != -EINVAL)
		return r;
	note_done(d, r == -ENOENT ? "no folder" : "there can be no folder",
		  str_view(&action->text));
	return store_in_inbox(d, action, err);
}

static int action_do(struct sieve_delivery *d, const struct sieve_action *action, struct error *err)
{
	switch (action->kind) {
	case SIEVE_KEEP:
		return store_in_inbox(d, action, err);
	case SIEVE_FILEINTO:
		return store_in_folder(d, action, err);
	case SIEVE_REJECT:
		d->reject = action;
		return 0;
	default:
		return 0; /* sent afterwards */
	}
}

static int action_send(struct sieve_delivery *d, const struct sieve_action *action,
		       struct error *err)
{
	if (action->kind == SIEVE_REDIRECT) {
		note_done(d, "redirected to", str_view(&action->text));
		return sieve_send_redirect(d, action, err);
	}
	if (action->kind == SIEVE_REMEMBER)
		return sieve_memory_note(d->maildir, str_view(&action->text), d->source->identity,
					 d->message->now,
					 d->message->now + (int64_t)action->seconds, true, err);
	if (action->kind == SIEVE_NOTIFY) {
		note_done(d, "told", str_view(&action->text));
		return sieve_send_notification(d, action, err);
	}
	if (action->kind == SIEVE_VACATION) {
		note_done(d, "vacation", VIEW_NONE);
		return sieve_send_answer(d, action, err);
	}
	return 0;
}

/* ---- the answer ---- */

/* One line, as a diagnostic is. */
static int answer_rejected(struct sieve_delivery *d)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest = str_view(&d->reject->text), word;

	while (view_next_word(&rest, " \t\r\n", &word)) {
		if (text.len > 0)
			str_append_byte(&text, ' ');
		str_append(&text, word);
	}
	return answer_reply(d->ipc, OUTCOME_FAILED, "5.7.1", "%s",
			    text.len > 0 ? str_cstr(&text) : "refused by the recipient's filter");
}

int sieve_actions_do(struct sieve_delivery *d, const struct sieve_result *result)
{
	struct mail_source changed = *d->source;
	struct error err = ERROR_NONE;
	int r = 0;

	d->changed = str_view(&result->content);
	if (d->changed.len > 0) {
		changed.content = (struct io_source){ .file = -1,
						      .size = d->changed.len,
						      .bytes = d->changed.data };
		d->source = &changed;
	}
	for (size_t i = 0; r == 0 && i < result->count; i++)
		r = action_do(d, &result->actions[i], &err);
	for (size_t i = 0; r == 0 && i < result->count; i++)
		r = action_send(d, &result->actions[i], &err);
	if (d->source->quota != NULL && (r == -EFBIG || r == -EMSGSIZE))
		return answer_over_quota(d->ipc, r, &err);
	if (r < 0)
		return answer_failure(d->ipc, r, &err);
	if (d->reject != NULL)
		return answer_rejected(d);
	return answer_reply(d->ipc, OUTCOME_DELIVERED, "2.0.0", "sieve: %s",
			    d->done.len > 0 ? str_cstr(&d->done) : "discarded");
}
