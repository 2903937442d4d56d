/*
 * Notifications (RFC 5435) by mail (RFC 5436): the URI of mailto (RFC 6068) is taken apart, and the
 * message is written. It goes out as an answer of vacation does, from nobody.
 */
#include "base/encode.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "sieve/compose.h"
#include "sieve/run.h"
#include "sieve/words.h"

#define SCHEME		"mailto:"
#define NOTIFY_TEXT_MAX ((size_t)65536)
#define SHOWN_MAX	200 /* bytes of a field of the message that are shown */

/* What a URI says: addresses, a line each. */
struct mailto {
	struct str addresses, subject, body;
};

static void mailto_free(struct mailto *mailto)
{
	str_free(&mailto->addresses);
	str_free(&mailto->subject);
	str_free(&mailto->body);
}

static bool mailto_decode(struct view text, struct str *out)
{
	return percent_decode(out, text) == 0 && view_is_utf8(str_view(out));
}

/* Addresses with commas between; encoded each. */
static bool mailto_take_addresses(struct mailto *mailto, struct view list)
{
	struct view one;

	while (view_next(&list, ',', &one)) {
		_cleanup_(str_free) struct str text = STR_EMPTY, address = STR_EMPTY;

		if (one.len == 0)
			continue;
		if (!mailto_decode(one, &text) ||
		    !sieve_address_is_usable(view_trim(str_view(&text)), &address))
			return false;
		str_append(&mailto->addresses, str_view(&address));
		str_append_byte(&mailto->addresses, '\n');
	}
	return true;
}

/* Fields that it may set are those; From, Received and others are not the URI's (RFC 5436, 2.7). */
static bool mailto_take_field(struct mailto *mailto, struct view field)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	size_t equals = view_find_byte(field, '=');
	struct view value = view_from(field, MIN(equals, field.len - 1) + 1);

	if (equals == VIEW_NOT_FOUND || !mailto_decode(view_first(field, equals), &name))
		return false;
	if (view_is_nocase(str_view(&name), "to") || view_is_nocase(str_view(&name), "cc"))
		return mailto_take_addresses(mailto, value);
	if (view_is_nocase(str_view(&name), "subject"))
		return mailto_decode(value, &mailto->subject) &&
		       !view_has_control(str_view(&mailto->subject));
	return !view_is_nocase(str_view(&name), "body") || mailto_decode(value, &mailto->body);
}

/* Whether a notification can be sent that way. */
static bool mailto_parse(struct view uri, struct mailto *mailto)
{
	struct view rest, field;
	size_t question;

	if (!view_starts_nocase(uri, VIEW(SCHEME)) || uri.len > NOTIFY_TEXT_MAX)
		return false;
	rest = view_from(uri, strlen(SCHEME));
	question = view_find_byte(rest, '?');
	if (!mailto_take_addresses(mailto, view_first(rest, MIN(question, rest.len))))
		return false;
	rest = view_from(rest, question == VIEW_NOT_FOUND ? rest.len : question + 1);
	while (rest.len > 0 && view_next(&rest, '&', &field))
		if (field.len > 0 && !mailto_take_field(mailto, field))
			return false;
	return mailto->addresses.len > 0;
}

/* ---- tests ---- */

bool sieve_test_valid_notify_method(struct sieve_run *run, const struct sieve_node *node)
{
	const struct sieve_argument *uris = node->positional[0];

	for (size_t i = 0; i < uris->strings.count; i++) {
		_cleanup_(str_free) struct str uri = STR_EMPTY;
		struct mailto mailto = { .addresses = STR_EMPTY };
		bool valid;

		if (!sieve_step(run))
			return false;
		sieve_expand(run, str_view(&uris->strings.items[i]), &uri);
		sieve_cost(run, uri.len);
		valid = mailto_parse(str_view(&uri), &mailto);
		mailto_free(&mailto);
		if (!valid)
			return false;
	}
	return !run->failed;
}

/* Nobody knows whether who reads mail is there: "maybe" (RFC 5436, 2.8). */
bool sieve_test_notify_method_capability(struct sieve_run *run, const struct sieve_node *node)
{
	_cleanup_(str_free) struct str uri = STR_EMPTY, name = STR_EMPTY;
	struct mailto mailto = { .addresses = STR_EMPTY };
	bool known;

	sieve_string(run, node->positional[0], &uri);
	sieve_string(run, node->positional[1], &name);
	sieve_cost(run, uri.len);
	known = mailto_parse(str_view(&uri), &mailto) && view_is_nocase(str_view(&name), "online");
	mailto_free(&mailto);
	if (node->match == MATCH_COUNT)
		return sieve_match_count(run, node, known, node->positional[2]);
	return known && sieve_match_keys(run, node, VIEW("maybe"), node->positional[2]);
}

/* ---- the action ---- */

static unsigned notify_importance(struct sieve_run *run, const struct sieve_node *node)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	const struct sieve_argument *value = NULL;

	if (sieve_tag(node, "importance", &value) == NULL)
		return 2;
	sieve_string(run, value, &text);
	if (text.len == 1 && text.data[0] >= '1' && text.data[0] <= '3')
		return (unsigned)(text.data[0] - '0');
	sieve_fail(run, "notify: :importance is \"1\", \"2\" or \"3\"");
	return 2;
}

/* One for all addresses, so that each gets one of its own. */
static void notify_add(struct sieve_run *run, const struct sieve_node *node,
		       const struct mailto *mailto)
{
	_cleanup_(str_free) struct str from = STR_EMPTY, subject = STR_EMPTY;
	unsigned importance = notify_importance(run, node);
	struct view rest = str_view(&mailto->addresses), address;
	const struct sieve_argument *value = NULL;

	if (sieve_tag(node, "from", &value) != NULL) {
		_cleanup_(str_free) struct str text = STR_EMPTY;

		sieve_string(run, value, &text);
		if (!sieve_address_is_usable(view_trim(str_view(&text)), &from))
			sieve_fail(run, "notify: \"%.60s\" is no address", str_cstr(&text));
	}
	if (sieve_tag(node, "message", &value) != NULL)
		sieve_string(run, value, &subject);
	else
		str_append(&subject, str_view(&mailto->subject));
	while (!run->failed && view_next(&rest, '\n', &address)) {
		struct sieve_action *action;

		if (address.len == 0)
			continue;
		action = sieve_add_notification(run, address);
		if (action == NULL)
			return;
		str_append(&action->subject, view_first(str_view(&subject), NOTIFY_TEXT_MAX));
		str_append(&action->from, str_view(&from));
		str_append(&action->body, str_view(&mailto->body));
		action->importance = importance;
	}
}

enum sieve_flow sieve_act_notify(struct sieve_run *run, const struct sieve_node *node)
{
	_cleanup_(str_free) struct str uri = STR_EMPTY;
	struct mailto mailto = { .addresses = STR_EMPTY };

	sieve_string(run, node->positional[0], &uri);
	sieve_cost(run, uri.len);
	if (mailto_parse(str_view(&uri), &mailto))
		notify_add(run, node, &mailto);
	else
		sieve_fail(run, "notify: nobody can be told by \"%.60s\"", str_cstr(&uri));
	mailto_free(&mailto);
	return run->failed ? FLOW_FAILED : FLOW_ON;
}

/* ---- the message ---- */

/* A notification of a notification, or of an answer, would not end (RFC 5436, 2.7.1). */
const char *sieve_notify_refusal(const struct sieve_message *message)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct header_field field;

	if (!header_find(sieve_message_header(message), "Auto-Submitted", &field))
		return NULL;
	header_unfold(&value, field.body);
	if (view_starts_nocase(view_trim(str_view(&value)), VIEW("auto-notified")))
		return "a notification itself";
	if (view_starts_nocase(view_trim(str_view(&value)), VIEW("auto-replied")))
		return "an automatic answer";
	return NULL;
}

/* The value of a field of the message, decoded, on one line. */
static void notify_take_field(const struct sieve_message *message, const char *name,
			      struct str *out)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, decoded = STR_EMPTY;
	struct header_field field;

	if (!header_find(sieve_message_header(message), name, &field))
		return;
	header_unfold(&text, field.body);
	sieve_decode_words(&decoded, view_trim(str_view(&text)));
	str_append_printable(out, sieve_first_characters(str_view(&decoded), SHOWN_MAX));
}

static void notify_compose_text(const struct sieve_message *message,
				const struct sieve_action *action, struct str *out)
{
	_cleanup_(str_free) struct str from = STR_EMPTY, subject = STR_EMPTY, text = STR_EMPTY;

	if (action->body.len > 0) {
		sieve_compose_plain(str_view(&action->body), out);
		return;
	}
	notify_take_field(message, "From", &from);
	notify_take_field(message, "Subject", &subject);
	str_printf(&text, "You have a message.\r\n\r\nFrom: %s\r\nSubject: %s\r\n", str_cstr(&from),
		   str_cstr(&subject));
	sieve_compose_plain(str_view(&text), out);
}

void sieve_notify_compose(const struct sieve_message *message, const struct sieve_action *action,
			  struct str *out)
{
	_cleanup_(str_free) struct str subject = STR_EMPTY, shown = STR_EMPTY;

	str_append_cstr(out, "From: ");
	address_quote(out, action->from.len > 0 ? str_view(&action->from) : message->recipient);
	str_append_cstr(out, "\r\nTo: ");
	address_quote(out, str_view(&action->text));
	if (action->subject.len > 0)
		str_append(&subject, str_view(&action->subject));
	else
		notify_take_field(message, "Subject", &subject);
	str_append_printable(&shown, sieve_first_characters(str_view(&subject), SHOWN_MAX));
	str_append_cstr(out, "\r\nSubject: ");
	sieve_encode_words(out, shown.len > 0 ? str_view(&shown) : VIEW("You have a message"));
	str_append_cstr(out, "\r\nDate: ");
	date_append_rfc5322(out, message->now);
	str_append_cstr(out, "\r\nAuto-Submitted: auto-notified; owner-email=\"");
	for (size_t i = 0; i < message->recipient.len; i++) {
		if (strchr("\"\\", message->recipient.data[i]) != NULL)
			str_append_byte(out, '\\');
		str_append_byte(out, message->recipient.data[i]);
	}
	str_append_cstr(out, "\"\r\n");
	if (action->importance == 1)
		str_append_cstr(out, "Importance: high\r\nX-Priority: 1 (Highest)\r\n");
	else if (action->importance == 3)
		str_append_cstr(out, "Importance: low\r\nX-Priority: 5 (Lowest)\r\n");
	str_append_cstr(out, "MIME-Version: 1.0\r\n");
	notify_compose_text(message, action, out);
}
