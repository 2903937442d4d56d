/*
 * pipe(8)'s macros: from the words of argv= and a request to the words of a command. A word that
 * names something of a recipient comes once for each of them. No shell is involved, so nothing in
 * an address has a meaning; what a macro gives is not expanded again.
 */
#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "conf/expand.h"
#include "mail/address.h"
#include "pipes.h"

/* What one word is expanded with. */
struct macros {
	const struct service_command *command;
	const struct msg_pipe_deliver *request;
	const char *sender;
	struct view address, original; /* of one recipient */
	struct str value;	       /* of the macro looked up last, for value_expand */
	bool of_recipient, is_empty;
};

/* For h and u; `quote` for those that are addresses. */
static void address_morph(struct str *out, struct view address, unsigned flags, bool quote)
{
	size_t from = out->len;

	if (quote && flags & PIPE_QUOTE_LOCAL)
		address_quote(out, address);
	else
		str_append(out, address);

	size_t at = view_find_last_byte(view_from(str_view(out), from), '@');
	size_t end = at == VIEW_NOT_FOUND ? out->len : from + at;

	for (size_t i = from; i < out->len; i++)
		if (flags & (i < end ? PIPE_LOWER_USER : PIPE_LOWER_DOMAIN))
			out->data[i] = ascii_lower(out->data[i]);
}

/* A piece of the recipient's address, as each of these macros has it. */
static void recipient_piece(struct macros *m, struct view name, struct str *out)
{
	_cleanup_(str_free) struct str address = STR_EMPTY;
	struct view local, domain, user, extension = VIEW_NONE;

	address_morph(&address, m->address, m->command->flags, false);
	address_split(str_view(&address), &local, &domain);
	user = local;
	if (!address_split_extension(local, param.recipient_delimiter, &user, &extension))
		extension = VIEW_NONE;
	if (view_is(name, "domain"))
		str_append(out, domain);
	else if (view_is(name, "extension"))
		str_append(out, extension);
	else
		str_append(out, view_is(name, "user") ? user : local);
	/* pipe(8): a recipient without a user has no such word. */
	if (out->len == 0 && (view_is(name, "user") || view_is(name, "mailbox")))
		m->is_empty = true;
}

static bool is_of_recipient(struct view name)
{
	static const char *const names[] = { "recipient", "original_recipient",
					     "user",	  "extension",
					     "mailbox",	  "domain" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (view_is(name, names[i]))
			return true;
	return false;
}

static void macro_append(struct macros *m, struct view name, struct str *out)
{
	const struct msg_pipe_deliver *request = m->request;
	const struct {
		const char *name;
		struct view value;
	} plain[] = {
		{ "client_address", request->client_address },
		{ "client_helo", request->client_helo },
		{ "client_hostname", request->client_name },
		{ "client_protocol", request->client_protocol },
		{ "envid", request->envid },
		{ "queue_id", request->queue_id },
		{ "sasl_username", request->login },
	};

	if (view_is(name, "recipient"))
		address_morph(out, m->address, m->command->flags, true);
	else if (view_is(name, "original_recipient"))
		address_morph(out, m->original, m->command->flags, true);
	else if (is_of_recipient(name))
		recipient_piece(m, name, out);
	else if (view_is(name, "nexthop") && m->command->flags & PIPE_LOWER_DOMAIN)
		str_append_lower(out, request->nexthop);
	else if (view_is(name, "nexthop"))
		str_append(out, request->nexthop);
	else if (view_is(name, "sender"))
		address_morph(out, view_of(m->sender), m->command->flags & PIPE_QUOTE_LOCAL,
			      m->sender[0] != '\0');
	else if (view_is(name, "size"))
		str_printf(out, "%llu", (unsigned long long)request->content_size);
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (view_is(name, plain[i].name))
			str_append(out, plain[i].value);
}

/* value_expand would expand the value too: a "$" in it is given as "$$". */
static const char *macro_look_up(void *argument, struct view name)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct macros *m = argument;

	if (!pipe_macro_is_known(name))
		return NULL;
	macro_append(m, name, &text);
	str_clear(&m->value);
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '$')
			str_append_byte(&m->value, '$');
		str_append_byte(&m->value, text.data[i]);
	}
	return str_cstr(&m->value);
}

static void note_recipient(void *argument, struct view name)
{
	struct macros *m = argument;

	m->of_recipient |= is_of_recipient(name);
}

static int add_word(struct macros *m, struct view word, struct str *argv, struct error *err)
{
	size_t before = argv->len;
	int r;

	m->is_empty = false;
	r = value_expand(word, macro_look_up, m, argv, err);
	if (r < 0)
		return r;
	if (m->is_empty)
		str_truncate(argv, before);
	else
		str_append_byte(argv, '\0');
	if (argv->len > IPC_FRAME_MAX)
		return error_set(err, -E2BIG,
				 "the command would be longer than %d bytes: lower "
				 "%.*s_destination_recipient_limit",
				 IPC_FRAME_MAX, VIEW_ARG(m->request->service));
	return 0;
}

bool pipe_next_recipient(struct view *rest, struct view *address, struct view *original)
{
	if (rest->len == 0)
		return false;
	return view_next(rest, '\0', address) && view_next(rest, '\0', original);
}

const char *pipe_sender(const struct service_command *command, const struct str *sender)
{
	return sender->len > 0 ? str_cstr(sender) : command->null_sender;
}

int pipe_expand(const struct service_command *command, const struct msg_pipe_deliver *request,
		struct str *argv, struct error *err)
{
	_cleanup_(str_free) struct str sender = STR_EMPTY;
	struct macros m = { .command = command, .request = request };
	int r = 0;

	str_append(&sender, request->sender);
	m.sender = pipe_sender(command, &sender);
	for (size_t i = 0; r == 0 && service_command_argument(command, i) != NULL; i++) {
		struct view word = view_of(service_command_argument(command, i));
		struct view rest = request->recipients;

		m.of_recipient = false;
		expand_names(word, note_recipient, &m);
		if (!m.of_recipient) {
			r = add_word(&m, word, argv, err);
			continue;
		}
		while (r == 0 && pipe_next_recipient(&rest, &m.address, &m.original))
			r = add_word(&m, word, argv, err);
	}
	str_free(&m.value);
	return r;
}
