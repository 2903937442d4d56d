/* What the value found in an access map asks for, access(5). */
#include "base/log.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/outcome.h"
#include "policy/internal.h"

struct action {
	struct evaluation *e;
	struct subject subject;
	struct view text; /* after the first word, trimmed */
	const char *table;
};

/* The status at the front of the text, taken off, or the other one. */
static void action_take_status(struct view *text, int64_t code, const char *otherwise,
			       struct str *status)
{
	struct view found = view_of(otherwise);

	outcome_status_take(text, (char)('0' + code / 100), &found);
	str_append(status, found);
}

static enum verdict action_refuse(struct action *a, int64_t code, const char *otherwise)
{
	_cleanup_(str_free) struct str status = STR_EMPTY;

	action_take_status(&a->text, code, "5.7.1", &status);
	return policy_refuse_subject(a->e, a->subject, code, str_cstr(&status),
				     a->text.len > 0 ? a->text : view_of(otherwise));
}

static enum verdict do_reject(struct action *a)
{
	return action_refuse(a, param.access_map_reject_code, "Access denied");
}

static enum verdict do_defer(struct action *a)
{
	return action_refuse(a, param.access_map_defer_code, "Access denied");
}

static enum verdict do_defer_if_permit(struct action *a)
{
	_cleanup_(str_free) struct str status = STR_EMPTY;

	action_take_status(&a->text, 450, "4.7.1", &status);
	policy_defer_if_permit(a->e, a->subject, str_cstr(&status),
			       a->text.len > 0 ? a->text : VIEW("Service unavailable"));
	return DUNNO;
}

static enum verdict do_defer_if_reject(struct action *a)
{
	_cleanup_(str_free) struct str status = STR_EMPTY;

	action_take_status(&a->text, 450, "4.7.1", &status);
	policy_defer_if_reject(a->e, a->subject, str_cstr(&status),
			       a->text.len > 0 ? a->text : VIEW("Service unavailable"));
	return DUNNO;
}

static enum verdict do_dunno(struct action *a)
{
	(void)a;
	return DUNNO;
}

static enum verdict do_permit(struct action *a)
{
	(void)a;
	return PERMIT;
}

static void action_note(struct action *a, const char *what, const char *otherwise)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_printf(&line, "<%.*s>: %s ", VIEW_ARG(a->subject.name), a->subject.what);
	str_append(&line, a->text.len > 0 ? a->text : view_of(otherwise));
	if (a->e->q->note != NULL)
		a->e->q->note(a->e->q->note_argument, what, str_view(&line));
}

static enum verdict do_warn(struct action *a)
{
	action_note(a, "warn", "triggers WARN action");
	return DUNNO;
}

static enum verdict do_info(struct action *a)
{
	action_note(a, "info", "triggers INFO action");
	return DUNNO;
}

static enum verdict do_hold(struct action *a)
{
	action_note(a, "hold", "triggers HOLD action");
	a->e->hold = true;
	str_set(&a->e->answer->held, a->text.len > 0 ? a->text : view_of(a->subject.what));
	return DUNNO;
}

static enum verdict do_discard(struct action *a)
{
	action_note(a, "discard", "triggers DISCARD action");
	a->e->discard = true;
	return PERMIT;
}

static enum verdict wrong_value(struct action *a, const char *problem)
{
	log_warning("%s: %s: %.*s", a->table, problem, VIEW_ARG(a->text));
	return policy_refuse(a->e, 451, "4.3.5", "Server configuration error");
}

static enum verdict do_prepend(struct action *a)
{
	struct str *out = &a->e->answer->prepend;
	size_t colon = view_find_byte(a->text, ':');

	if (colon == VIEW_NOT_FOUND || colon == 0 || view_has_control(a->text) ||
	    view_find_byte(view_first(a->text, colon), ' ') != VIEW_NOT_FOUND)
		return wrong_value(a, "PREPEND needs a header field");
	str_append(out, a->text);
	str_append(out, VIEW("\r\n"));
	return DUNNO;
}

static enum verdict do_redirect(struct action *a)
{
	if (view_find_byte(a->text, '@') == VIEW_NOT_FOUND || a->text.len > ADDRESS_MAX ||
	    view_has_control(a->text))
		return wrong_value(a, "REDIRECT needs user@domain");
	_cleanup_(str_free) struct str said = STR_EMPTY;
	struct view address = a->text;

	str_printf(&said, "triggers REDIRECT %.*s", VIEW_ARG(address));
	a->text = str_view(&said);
	action_note(a, "redirect", "");
	str_set(&a->e->answer->redirect, address);
	return DUNNO;
}

static enum verdict do_bcc(struct action *a)
{
	if (view_find_byte(a->text, '@') == VIEW_NOT_FOUND || a->text.len > ADDRESS_MAX ||
	    view_has_control(a->text))
		return wrong_value(a, "BCC needs user@domain");
	str_append(&a->e->answer->bcc, a->text);
	str_append_byte(&a->e->answer->bcc, '\n');
	return DUNNO;
}

static enum verdict do_filter(struct action *a)
{
	_cleanup_(str_free) struct str said = STR_EMPTY;
	struct view filter = a->text;

	if (!route_filter_is_valid(filter))
		return wrong_value(a, "FILTER needs transport:destination");
	str_printf(&said, "triggers FILTER %.*s", VIEW_ARG(filter));
	a->text = str_view(&said);
	action_note(a, "filter", "");
	str_set(&a->e->answer->filter, filter);
	return DUNNO;
}

static const struct {
	const char *word;
	enum verdict (*act)(struct action *a);
} actions[] = {
	{ "OK", do_permit },
	{ "REJECT", do_reject },
	{ "DEFER", do_defer },
	{ "DEFER_IF_PERMIT", do_defer_if_permit },
	{ "DEFER_IF_REJECT", do_defer_if_reject },
	{ "DUNNO", do_dunno },
	{ "WARN", do_warn },
	{ "INFO", do_info },
	{ "HOLD", do_hold },
	{ "DISCARD", do_discard },
	{ "PREPEND", do_prepend },
	{ "REDIRECT", do_redirect },
	{ "FILTER", do_filter },
	{ "BCC", do_bcc },
};

static bool is_all_digits(struct view text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!ascii_is_digit(text.data[i]))
			return false;
	}
	return text.len > 0;
}

/* Names of restrictions and classes as the value. */
static enum verdict run_restrictions(struct action *a, struct view value)
{
	struct rule_list list = { .name = mem_strdup(a->table) };
	struct error err = ERROR_NONE;
	enum verdict verdict;

	if (policy_compile(a->e->policy, value, POLICY_STAGES, false, &list, &err) < 0) {
		log_warning("%s", err.text);
		verdict = policy_refuse(a->e, 451, "4.3.5", "Server configuration error");
	} else if (a->e->depth == POLICY_DEPTH_MAX) {
		log_warning("%s: access maps nested too deeply", a->table);
		verdict = policy_refuse(a->e, 451, "4.3.5", "Server configuration error");
	} else {
		a->e->depth++;
		verdict = policy_run_list(a->e, &list);
		a->e->depth--;
	}
	policy_list_free(&list);
	return verdict;
}

enum verdict policy_apply_action(struct evaluation *e, struct subject subject, struct view value,
				 const char *table)
{
	struct action a = { .e = e, .subject = subject, .table = table };
	struct view word = VIEW_NONE;
	uint32_t code;

	value = view_trim(value);
	a.text = value;
	view_next_word(&a.text, " \t", &word);
	a.text = view_trim(a.text);
	if (word.len == 3 && (word.data[0] == '4' || word.data[0] == '5') &&
	    view_parse_u32(word, 599, &code) == 0)
		return action_refuse(&a, code, "Access denied");
	if (is_all_digits(value))
		return PERMIT; /* as a relay-after-POP table has it */
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (view_is_nocase(word, actions[i].word))
			return actions[i].act(&a);
	}
	return run_restrictions(&a, value);
}
