/* Sender and recipients on their way into the queue file. */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "intake.h"
#include "mailauth/return_path.h"

/* Different addresses that get blind copies of one message. */
#define COPIES_MAX 1000

static bool maps_apply(const struct intake *in)
{
	return !(in->flags & MAIL_FLAG_NO_MAPPING);
}

int envelope_sender(struct intake *in, struct view sender)
{
	str_clear(&in->sender);
	if (sender.len == 0)
		return 0;
	if (view_has_control(sender))
		return intake_fail(in, 501, "5.1.7", "Bad sender address syntax");
	int r = route_canonical_form(cleanup.routes, sender, &in->sender);

	if (r >= 0 && maps_apply(in))
		r = route_map_canonical(cleanup.routes, CANONICAL_ENVELOPE_SENDER, &in->sender);
	if (r < 0)
		return intake_fail_temporarily(in, "map the sender", r);
	if (in->sender.len > IPC_ADDRESS_MAX)
		return intake_fail(in, 501, "5.1.7", "Sender address is too long");
	return 0;
}

/* ---- recipients ---- */

struct adding {
	struct intake *in;
	struct view original, orcpt;
	uint8_t notify;
};

/* False when this one is in the message already. */
static bool remember(struct intake *in, struct view address, struct view original)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;

	if (in->seen == NULL)
		in->seen = map_new();
	str_append_lower(&key, address);
	if (param.enable_original_recipient) {
		str_append_byte(&key, '\0');
		str_append_lower(&key, original);
	}
	if (map_get(in->seen, str_view(&key)) != NULL)
		return false;
	if (param.duplicate_filter_limit == 0 ||
	    map_count(in->seen) < (size_t)param.duplicate_filter_limit)
		map_put(in->seen, str_view(&key), in);
	return true;
}

static int envelope_add(void *argument, struct view address)
{
	const struct adding *a = argument;
	struct intake *in = a->in;

	if (!remember(in, address, a->original))
		return 0;
	/* verify knows its probe by the original address. */
	bool keep = param.enable_original_recipient || (in->flags & MAIL_FLAG_PROBE);

	return queue_writer_recipient(in->writer, address, keep ? a->original : address, a->orcpt,
				      a->notify);
}

static int refuse_expansion(struct intake *in, struct view address, int r)
{
	if (r == -ELOOP || r == -E2BIG)
		log_warning("%s: %s for <%.*s>: message rejected", queue_writer_id(in->writer),
			    r == -ELOOP ? "virtual_alias_maps or canonical_maps without end"
					: "more addresses than virtual_alias_expansion_limit",
			    VIEW_ARG(address));
	if (r == -ELOOP || r == -E2BIG)
		return intake_fail(in, 451, "4.6.0", "Alias expansion error");
	if (r == -EMSGSIZE)
		return intake_fail(in, 501, "5.1.3", "Recipient address is too long");
	log_warning("%s: cannot expand <%.*s>", queue_writer_id(in->writer), VIEW_ARG(address));
	return intake_fail_temporarily(in, "map a recipient", r);
}

/* From an address in standard form to the recipients that it stands for. */
static int envelope_expand(struct intake *in, struct str *address, const struct adding *a)
{
	struct adding adding = *a;
	int r = 0;

	if (!maps_apply(in))
		r = envelope_add(&adding, str_view(address));
	else
		r = route_map_canonical(cleanup.routes, CANONICAL_ENVELOPE_RECIPIENT, address);
	if (r >= 0 && maps_apply(in))
		r = route_expand_virtual(cleanup.routes, str_view(address), envelope_add, &adding,
					 NULL);
	return r < 0 ? refuse_expansion(in, str_view(address), r) : 0;
}

static bool has_copies(void)
{
	return *param.always_bcc != '\0' || *param.sender_bcc_maps != '\0' ||
	       *param.recipient_bcc_maps != '\0';
}

/* Blind copies are for new mail, not for the suite's own reports and forwards. */
static int note_copies(struct intake *in, struct view recipient)
{
	_cleanup_(str_free) struct str list = STR_EMPTY;
	struct view rest, address;

	if (!has_copies() || !maps_apply(in) || (in->flags & MAIL_FLAG_INTERNAL))
		return 0;
	int r = route_bcc(cleanup.routes, str_view(&in->sender), recipient, &list);

	if (r < 0)
		return intake_fail_temporarily(in, "find who gets a blind copy", r);
	if (in->copies == NULL)
		in->copies = map_new();
	rest = str_view(&list);
	while (view_next(&rest, '\n', &address))
		if (address.len > 0 && map_count(in->copies) < COPIES_MAX)
			map_put(in->copies, address, in);
	return 0;
}

/* A report about what we have sent on goes to whom that was from. */
static int envelope_return(struct intake *in, struct str *address)
{
	_cleanup_(str_free) struct str original = STR_EMPTY;
	int r = in->sender.len > 0 ? -EPERM : return_path_read(str_view(address), &original);

	if (r == -EPERM)
		return intake_fail(in, 550, "5.7.1", "Error: a return path is for reports only");
	if (r == -EACCES || r == -ETIME)
		return intake_fail(in, 550, "5.1.1",
				   r == -ETIME ? "Error: this return path has expired"
					       : "Error: this is no return path of ours");
	if (r < 0)
		return intake_fail_temporarily(in, "read a return path", r);
	log_info("%s: return path <%s> leads to <%s>", queue_writer_id(in->writer),
		 str_cstr(address), str_cstr(&original));
	str_set(address, str_view(&original));
	return 0;
}

int envelope_recipient(struct intake *in, const struct msg_rcpt *rcpt)
{
	_cleanup_(str_free) struct str address = STR_EMPTY, orcpt = STR_EMPTY;
	struct adding adding = { in, rcpt->address, rcpt->orcpt, rcpt->notify };

	if (rcpt->address.len == 0 || view_has_control(rcpt->address) ||
	    view_has_control(rcpt->orcpt) || view_has_control(rcpt->original))
		return intake_fail(in, 501, "5.1.3", "Bad recipient address syntax");
	int r = route_canonical_form(cleanup.routes, rcpt->address, &address);

	if (r < 0)
		return intake_fail_temporarily(in, "map a recipient", r);
	if (return_path_is_ours(str_view(&address)) && envelope_return(in, &address) < 0)
		return -EACCES;
	if (rcpt->original.len > 0 && (in->flags & MAIL_FLAG_INTERNAL))
		adding.original = rcpt->original;
	/* X-Original-To is as it was given; what other systems read (RFC 3461) is a whole address. */
	if (rcpt->orcpt.len == 0 && view_find_byte(rcpt->address, '@') == VIEW_NOT_FOUND &&
	    view_is_ascii(str_view(&address)) && address.len + 10 < IPC_ADDRESS_MAX) {
		str_printf(&orcpt, "rfc822;%s", str_cstr(&address));
		adding.orcpt = str_view(&orcpt);
	}
	written_note(in, str_view(&address));
	if (note_copies(in, str_view(&address)) < 0 || envelope_expand(in, &address, &adding) < 0)
		return -EACCES;
	if (in->given++ == 0)
		str_set(&in->only_recipient, rcpt->address);
	return 0;
}

int envelope_close(struct intake *in)
{
	if (in->copies == NULL)
		return 0;
	map_for_each (in->copies, i) {
		_cleanup_(str_free) struct str address = STR_EMPTY;
		struct view given = map_key_at(in->copies, i);
		struct adding adding = { in, given, VIEW_NONE, NOTIFY_NEVER };

		str_append(&address, given);
		if (envelope_expand(in, &address, &adding) < 0)
			return -EACCES;
	}
	return 0;
}

int envelope_late_copy(struct intake *in, struct view address)
{
	if (in->late == NULL)
		in->late = map_new();
	if (map_count(in->late) >= COPIES_MAX)
		return intake_fail(in, 451, "4.3.0", "Error: too many copies");
	map_put(in->late, address, in);
	return 0;
}

int envelope_late_copies(struct intake *in)
{
	if (in->late == NULL)
		return 0;
	map_for_each (in->late, i) {
		_cleanup_(str_free) struct str address = STR_EMPTY;
		struct view given = map_key_at(in->late, i);
		struct adding adding = { in, given, VIEW_NONE, NOTIFY_NEVER };

		str_append(&address, given);
		if (envelope_expand(in, &address, &adding) < 0)
			return -EACCES;
	}
	return 0;
}
