/* The form of a file in the maildrop, read and written. Who reads it trusts nothing in it. */
#include "queue/maildrop.h"

#include <errno.h>

#define MAGIC	   VIEW("posta-maildrop 1")
#define NOTIFY_ALL (NOTIFY_NEVER | NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY)

void maildrop_head_free(struct maildrop_head *head)
{
	str_free(&head->sender);
	str_free(&head->envid);
}

/* ---- reading ---- */

static bool maildrop_take_word(struct view *line, struct view word)
{
	if (!view_starts(*line, word))
		return false;
	*line = view_from(*line, word.len);
	return true;
}

static enum maildrop_line maildrop_take_recipient(struct maildrop_head *head, struct view line,
						  struct view *rcpt)
{
	size_t blank = view_find_byte(line, ' ');
	uint32_t notify;

	if (!head->has_sender || !head->has_body || blank == VIEW_NOT_FOUND ||
	    view_parse_u32(view_first(line, blank), NOTIFY_ALL, &notify) < 0)
		return MAILDROP_BAD;
	*rcpt = view_from(line, blank + 1);
	head->notify = (uint8_t)notify;
	head->has_rcpt = true;
	return rcpt->len > 0 && rcpt->len <= IPC_ADDRESS_MAX ? MAILDROP_RCPT : MAILDROP_BAD;
}

static bool take_choice(struct view line, const char *zero, const char *one, bool *choice)
{
	*choice = view_is(line, one);
	return *choice || view_is(line, zero);
}

static bool take_about_mail(struct maildrop_head *head, struct view line)
{
	bool choice = false;

	if (maildrop_take_word(&line, VIEW("sender "))) {
		if (head->has_sender || line.len > IPC_ADDRESS_MAX)
			return false;
		head->has_sender = true;
		str_set(&head->sender, line);
		return true;
	}
	if (maildrop_take_word(&line, VIEW("body "))) {
		head->has_body = true;
		if (!take_choice(line, "7bit", "8bitmime", &choice))
			return false;
		head->body = choice ? BODY_8BITMIME : BODY_7BIT;
		return true;
	}
	if (maildrop_take_word(&line, VIEW("utf8 ")))
		return take_choice(line, "0", "1", &head->utf8);
	if (maildrop_take_word(&line, VIEW("ret "))) {
		if (!take_choice(line, "hdrs", "full", &choice))
			return false;
		head->ret = choice ? RET_FULL : RET_HDRS;
		return true;
	}
	if (!maildrop_take_word(&line, VIEW("envid ")) || line.len > IPC_TEXT_MAX)
		return false;
	str_set(&head->envid, line);
	return true;
}

enum maildrop_line maildrop_head_take(struct maildrop_head *head, struct view line,
				      struct view *rcpt)
{
	if (!head->begun) {
		head->begun = view_eq(line, MAGIC);
		return head->begun ? MAILDROP_MAIL : MAILDROP_BAD;
	}
	if (line.len == 0)
		return head->has_rcpt ? MAILDROP_CONTENT : MAILDROP_BAD;
	if (view_has_control(line))
		return MAILDROP_BAD;
	if (maildrop_take_word(&line, VIEW("rcpt ")))
		return maildrop_take_recipient(head, line, rcpt);
	/* They have been told by the time the first recipient comes. */
	if (head->has_rcpt || !take_about_mail(head, line))
		return MAILDROP_BAD;
	return MAILDROP_MAIL;
}

/* ---- writing ---- */

int maildrop_put_mail(struct str *out, const struct msg_mail *mail)
{
	if (view_has_control(mail->sender) || view_has_control(mail->envid))
		return -EINVAL;
	str_append(out, MAGIC);
	str_printf(out, "\nsender %.*s\nbody %s\n", VIEW_ARG(mail->sender),
		   mail->body == BODY_7BIT ? "7bit" : "8bitmime");
	if (mail->flags & MAIL_FLAG_SMTPUTF8)
		str_append(out, VIEW("utf8 1\n"));
	if (mail->ret != RET_UNSET)
		str_printf(out, "ret %s\n", mail->ret == RET_FULL ? "full" : "hdrs");
	if (mail->envid.len > 0)
		str_printf(out, "envid %.*s\n", VIEW_ARG(mail->envid));
	return 0;
}

int maildrop_put_rcpt(struct str *out, struct view address, uint8_t notify)
{
	if (view_has_control(address) || address.len == 0)
		return -EINVAL;
	str_printf(out, "rcpt %u %.*s\n", notify, VIEW_ARG(address));
	return 0;
}
