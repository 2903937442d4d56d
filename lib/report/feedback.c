/* The fields of an abuse report, and of the message that it is about; all of it is what a stranger says. */
#include "report/feedback.h"

#include "base/mem.h"
#include "mail/address.h"
#include "mail/header.h"

static void feedback_set(struct str *field, struct view text)
{
	str_clear(field);
	str_append_printable(field, view_first(text, FEEDBACK_TEXT_MAX));
}

/* The first field of that name, unfolded. */
static void feedback_take(struct view fields, const char *name, struct str *field)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct header_field found;

	if (!header_find(fields, name, &found))
		return;
	header_unfold(&text, found.body);
	feedback_set(field, str_view(&text));
}

/* "<a@b>" and "rfc822; a@b" are addresses. */
static void feedback_take_address(struct view fields, const char *name, struct str *field)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view address;
	size_t mark;

	feedback_take(fields, name, &text);
	address = str_view(&text);
	mark = view_find_byte(address, ';');
	if (mark != VIEW_NOT_FOUND)
		address = view_from(address, mark + 1);
	address = view_trim(address);
	if (address.len >= 2 && address.data[0] == '<' && address.data[address.len - 1] == '>')
		address = view_make(address.data + 1, address.len - 2);
	if (address.len > 0)
		feedback_set(field, address);
}

bool feedback_read(struct view fields, struct feedback_report *report)
{
	*report = (struct feedback_report){ .type = STR_EMPTY };
	feedback_take(fields, "Feedback-Type", &report->type);
	feedback_take(fields, "User-Agent", &report->reporter);
	feedback_take(fields, "Source-IP", &report->source);
	feedback_take_address(fields, "Original-Mail-From", &report->mail_from);
	feedback_take_address(fields, "Original-Rcpt-To", &report->recipient);
	feedback_take(fields, "Reported-Domain", &report->domain);
	return report->type.len > 0;
}

static int author_take(void *argument, const struct header_address *a)
{
	struct feedback_report *report = argument;
	_cleanup_(str_free) struct str address = STR_EMPTY;

	if (a->group_start || a->group_end)
		return 0;
	str_append(&address, a->local);
	str_append_byte(&address, '@');
	str_append_lower(&address, a->domain);
	feedback_set(&report->author, str_view(&address));
	if (report->domain.len == 0) {
		str_clear(&address);
		str_append_lower(&address, a->domain);
		feedback_set(&report->domain, str_view(&address));
	}
	return 1;
}

/*
 * "(Authenticated sender: alice@example.org)" of smtpd_sasl_authenticated_header, in the field that this
 * host has written. Who forges one blames somebody else by it: it is a hint, and where to look is the log.
 */
static bool login_take(struct view received, struct view host, struct feedback_report *report)
{
	static const char mark[] = "(Authenticated sender: ";
	_cleanup_(str_free) struct str text = STR_EMPTY, by = STR_EMPTY;
	size_t at, end;
	struct view login;

	header_unfold(&text, received);
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '\t')
			text.data[i] = ' ';
	str_printf(&by, " by %.*s ", VIEW_ARG(host));
	at = view_find(str_view(&text), VIEW("(Authenticated sender: "));
	if (at == VIEW_NOT_FOUND || host.len == 0 ||
	    view_find_nocase(str_view(&text), str_view(&by)) == VIEW_NOT_FOUND)
		return false;
	login = view_from(str_view(&text), at + sizeof(mark) - 1);
	end = view_find_byte(login, ')');
	if (end == VIEW_NOT_FOUND)
		return false;
	feedback_set(&report->login, view_first(login, end));
	return true;
}

void feedback_read_message(struct view header, struct view host, struct feedback_report *report)
{
	struct header_field field;
	struct view rest = header;

	feedback_take(header, "Message-ID", &report->message_id);
	if (header_find(header, "From", &field))
		address_list_parse(field.body, author_take, report);
	if (report->mail_from.len == 0)
		feedback_take_address(header, "Return-Path", &report->mail_from);
	while (header_next(&rest, &field) == 1)
		if (view_is_nocase(field.name, "Received") && login_take(field.body, host, report))
			return;
}

void feedback_free(struct feedback_report *report)
{
	str_free(&report->type);
	str_free(&report->reporter);
	str_free(&report->source);
	str_free(&report->mail_from);
	str_free(&report->recipient);
	str_free(&report->domain);
	str_free(&report->author);
	str_free(&report->message_id);
	str_free(&report->login);
}
