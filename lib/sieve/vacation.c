/*
 * Answers of vacation (RFC 5230): whether one is due, by the rules for programs that answer by
 * themselves (RFC 3834), and its text. Whether the sender has had one is asked elsewhere.
 */
#include <nettle/sha2.h>

#include "base/encode.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "sieve/compose.h"
#include "sieve/run.h"
#include "sieve/words.h"

#define SUBJECT_MAX    200 /* bytes of the old subject that the new one takes */
#define REFERENCES_MAX 900 /* bytes; older ones are left out */

/* ---- to whom none is given ---- */

/* Of lists and programs (RFC 5230, 4.6; RFC 3834, 2). */
static bool sender_is_program(struct view sender)
{
	static const char *const names[] = { "mailer-daemon", "listserv", "majordomo",
					     "noreply",	      "no-reply", "postmaster" };
	struct view local, domain, last;

	address_split(sender, &local, &domain);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (view_is_nocase(local, names[i]))
			return true;
	last = view_from(local, local.len - MIN(local.len, strlen("-request")));
	return view_starts_nocase(local, VIEW("owner-")) || view_is_nocase(last, "-request");
}

static bool field_says(struct view header, const char *name, const char *const *words, size_t count)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct header_field field;
	struct view rest, word;

	if (!header_find(header, name, &field))
		return false;
	header_unfold(&text, field.body);
	rest = str_view(&text);
	while (view_next_word(&rest, " \t,;", &word))
		for (size_t i = 0; i < count; i++)
			if (view_is_nocase(word, words[i]))
				return true;
	return false;
}

static bool is_automatic(struct view header)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct header_field field;
	struct view word, rest;

	if (!header_find(header, "Auto-Submitted", &field))
		return false;
	header_unfold(&text, field.body);
	rest = str_view(&text);
	return !view_next_word(&rest, " \t;(", &word) || !view_is_nocase(word, "no");
}

static bool is_of_a_list(struct view header)
{
	struct header_field field;

	while (header_next(&header, &field) == 1)
		if (view_starts_nocase(field.name, VIEW("List-")) ||
		    view_is_nocase(field.name, "Mailing-List"))
			return true;
	return false;
}

/* ---- the user's own addresses ---- */

struct own_addresses {
	const struct sieve_message *message;
	const struct sieve_action *action;
	struct view address;
};

static bool is_with_detail(const struct sieve_message *message, struct view address,
			   struct view known)
{
	struct view local, domain, user, detail, known_local, known_domain, known_user;

	address_split(address, &local, &domain);
	address_split(known, &known_local, &known_domain);
	known_user = known_local;
	(void)address_split_extension(known_local, message->delimiters, &known_user, &detail);
	user = local;
	(void)address_split_extension(local, message->delimiters, &user, &detail);
	return domain.len > 0 && view_eq_nocase(domain, known_domain) &&
	       view_eq_nocase(user, known_user);
}

static bool is_own(const struct own_addresses *own, struct view address)
{
	struct view rest = str_view(&own->action->addresses), line;

	if (is_with_detail(own->message, address, own->message->recipient) ||
	    is_with_detail(own->message, address, own->message->original))
		return true;
	while (view_next(&rest, '\n', &line))
		if (line.len > 0 && view_eq_nocase(view_trim(line), address))
			return true;
	return false;
}

static int look_for_own(void *argument, const struct header_address *address)
{
	const struct own_addresses *own = argument;
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (address->group_start || address->group_end)
		return 0;
	str_printf(&text, "%.*s@%.*s", VIEW_ARG(address->local), VIEW_ARG(address->domain));
	return is_own(own, str_view(&text));
}

static bool is_addressed(const struct own_addresses *own, struct view header)
{
	static const char *const names[] = { "To",	  "Cc",	       "Bcc",
					     "Resent-To", "Resent-Cc", "Resent-Bcc" };
	struct header_field field;

	while (header_next(&header, &field) == 1)
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (view_is_nocase(field.name, names[i]) &&
			    address_list_parse(field.body, look_for_own, (void *)own) != 0)
				return true;
	return false;
}

const char *sieve_vacation_refusal(const struct sieve_message *message,
				   const struct sieve_action *action)
{
	static const char *const bulk[] = { "bulk", "junk", "list" };
	static const char *const suppressed[] = { "All", "OOF", "AutoReply" };
	const struct own_addresses own = { message, action, VIEW_NONE };
	struct view header = sieve_message_header(message), local, domain;

	address_split(message->sender, &local, &domain);
	if (local.len == 0 || domain.len == 0)
		return "the sender is nobody to answer to";
	if (sender_is_program(message->sender))
		return "the sender is a list or a program";
	if (is_own(&own, message->sender))
		return "the sender is the user";
	if (is_automatic(header))
		return "the message was sent by a program";
	if (is_of_a_list(header) || field_says(header, "Precedence", bulk, ARRAY_SIZE(bulk)))
		return "the message is of a list";
	if (field_says(header, "X-Auto-Response-Suppress", suppressed, ARRAY_SIZE(suppressed)))
		return "the message wants no answer";
	if (!is_addressed(&own, header))
		return "the message does not name the user";
	return NULL;
}

/* ---- the same answer to the same sender ---- */

static void key_update(struct sha256_ctx *sha256, struct view text)
{
	sha256_update(sha256, text.len, (const uint8_t *)(text.data != NULL ? text.data : ""));
	sha256_update(sha256, 1, (const uint8_t *)"");
}

void sieve_vacation_key(const struct sieve_message *message, const struct sieve_action *action,
			struct str *key)
{
	_cleanup_(str_free) struct str sender = STR_EMPTY;
	uint8_t digest[SIEVE_KEY_LENGTH / 2];
	struct sha256_ctx sha256;

	str_append_lower(&sender, message->sender);
	sha256_init(&sha256);
	key_update(&sha256, VIEW("vacation"));
	key_update(&sha256, str_view(&sender));
	if (action->handle.len > 0) {
		key_update(&sha256, str_view(&action->handle));
	} else {
		key_update(&sha256, str_view(&action->subject));
		key_update(&sha256, str_view(&action->from));
		key_update(&sha256, action->mime ? VIEW("mime") : VIEW_NONE);
		key_update(&sha256, str_view(&action->text));
	}
	sha256_digest(&sha256, sizeof(digest), digest);
	hex_encode(key, view_make(digest, sizeof(digest)));
}

/* ---- the text ---- */

static void compose_subject(const struct sieve_message *message, const struct sieve_action *action,
			    struct str *out)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, subject = STR_EMPTY;
	struct header_field field;

	if (action->subject.len > 0) {
		str_append(&subject, str_view(&action->subject));
	} else if (header_find(sieve_message_header(message), "Subject", &field)) {
		header_unfold(&text, field.body);
		str_append_cstr(&subject, "Auto: ");
		sieve_decode_words(&subject, str_view(&text));
		str_truncate(&subject, sieve_first_characters(str_view(&subject), SUBJECT_MAX).len);
	} else {
		str_append_cstr(&subject, "Automated reply");
	}
	for (size_t i = 0; i < subject.len; i++)
		if ((unsigned char)subject.data[i] < 0x20 || subject.data[i] == 0x7f)
			subject.data[i] = ' ';
	str_append_cstr(out, "Subject: ");
	sieve_encode_words(out, str_view(&subject));
	str_append_cstr(out, "\r\n");
}

/* A field of message ids, on lines of its own. */
static bool take_ids(struct view header, const char *name, struct str *ids)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct header_field field;
	struct view rest, word;
	size_t before = ids->len;

	if (!header_find(header, name, &field))
		return false;
	header_unfold(&text, field.body);
	rest = str_view(&text);
	while (view_next_word(&rest, " \t", &word))
		if (view_starts(word, VIEW("<")) && view_is_ascii(word) &&
		    !view_has_control(word) && word.len < REFERENCES_MAX / 3)
			str_printf(ids, "%s%.*s", ids->len > 0 ? "\r\n " : "", VIEW_ARG(word));
	return ids->len > before;
}

static void compose_references(const struct sieve_message *message, struct str *out)
{
	_cleanup_(str_free) struct str id = STR_EMPTY, references = STR_EMPTY;
	struct view header = sieve_message_header(message);

	if (!take_ids(header, "Message-ID", &id))
		return;
	(void)take_ids(header, "References", &references);
	if (references.len > REFERENCES_MAX)
		str_clear(&references);
	str_printf(out, "In-Reply-To: %s\r\nReferences: %s%s%s\r\n", str_cstr(&id),
		   str_cstr(&references), references.len > 0 ? "\r\n " : "", str_cstr(&id));
}

/* As it is folded; a CR by itself begins no new field. */
static void append_field_body(struct str *out, struct view body)
{
	for (size_t i = 0; i < body.len; i++)
		str_append_byte(out, body.data[i] == '\r' &&
						     (i + 1 == body.len || body.data[i + 1] != '\n')
					     ? ' '
					     : body.data[i]);
}

/* A MIME entity of the script's: its own fields are those of the content, and no others. */
static void compose_entity(struct view text, struct str *out)
{
	struct header_field field;

	while (header_next(&text, &field) == 1)
		if (view_starts_nocase(field.name, VIEW("Content-"))) {
			_cleanup_(str_free) struct str body = STR_EMPTY;

			str_append(out, field.name);
			str_append_byte(out, ':');
			append_field_body(&body, field.body);
			sieve_append_lines(out, str_view(&body));
		}
	str_append_cstr(out, "\r\n");
	sieve_append_lines(out, text);
}

void sieve_vacation_compose(const struct sieve_message *message, const struct sieve_action *action,
			    struct str *out)
{
	str_append_cstr(out, "From: ");
	if (action->from.len > 0)
		str_append(out, str_view(&action->from));
	else
		address_quote(out, message->recipient);
	str_append_cstr(out, "\r\nTo: ");
	address_quote(out, message->sender);
	str_append_cstr(out, "\r\n");
	compose_subject(message, action, out);
	str_append_cstr(out, "Date: ");
	date_append_rfc5322(out, message->now);
	str_append_cstr(out, "\r\n");
	compose_references(message, out);
	str_append_cstr(out, "Auto-Submitted: auto-replied (vacation)\r\nMIME-Version: 1.0\r\n");
	if (action->mime)
		compose_entity(str_view(&action->text), out);
	else
		sieve_compose_plain(str_view(&action->text), out);
}
