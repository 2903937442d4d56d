/*
 * Outcomes: setting, copying, and the words and codes that go with each kind. Nothing is decided
 * here about what follows from one.
 */
#include "mail/outcome.h"

#include <stdio.h>

#include "base/mem.h"

void outcome_free(struct outcome *outcome)
{
	str_free(&outcome->text);
	str_free(&outcome->remote);
	*outcome = OUTCOME_NONE;
}

void outcome_set(struct outcome *outcome, uint8_t kind, const char *status, struct view remote,
		 const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	/* Formatted first: what is said may be about the outcome that was there. */
	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	outcome->kind = kind;
	outcome->cause = CAUSE_OTHER;
	outcome->code = 0;
	snprintf(outcome->status, sizeof(outcome->status), "%s", status);
	str_set(&outcome->remote, remote);
	str_clear(&outcome->text);
	str_append_printable(&outcome->text, view_first(str_view(&text), IPC_TEXT_MAX));
}

void outcome_copy(struct outcome *to, const struct outcome *from)
{
	to->kind = from->kind;
	to->cause = from->cause;
	to->code = from->code;
	memcpy(to->status, from->status, sizeof(to->status));
	str_set(&to->text, str_view(&from->text));
	str_set(&to->remote, str_view(&from->remote));
}

void outcome_soften(struct outcome *outcome)
{
	if (outcome->kind == OUTCOME_FAILED)
		outcome->kind = OUTCOME_DEFERRED;
	if (outcome->status[0] == '5')
		outcome->status[0] = '4';
}

static bool status_is_valid(struct view status, char status_class)
{
	struct view rest = status, part;
	int parts = 0;
	uint32_t value;

	while (view_next(&rest, '.', &part)) {
		if (view_parse_u32(part, 999, &value) < 0)
			return false;
		parts++;
	}
	return parts == 3 && status.data[0] == status_class && status.data[1] == '.';
}

bool outcome_status_is_valid(struct view status, uint8_t kind)
{
	return status_is_valid(status, outcome_kind_class(kind));
}

bool outcome_status_take(struct view *text, char status_class, struct view *status)
{
	struct view rest = *text, word;

	if (!view_next_word(&rest, " \t", &word) || word.data[0] != status_class ||
	    word.len >= IPC_STATUS_MAX || !status_is_valid(word, status_class))
		return false;
	*status = word;
	*text = view_trim(rest);
	return true;
}

const char *outcome_word(uint8_t kind)
{
	if (outcome_kind_is_success(kind)) /* expanded too: "sent (forwarded as ID)" */
		return "sent";
	return kind == OUTCOME_FAILED ? "bounced" : "deferred";
}
