/* Which milters the configuration names, and how each is to be dealt with. Asks nobody. */
#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "services/milter.h"

int milter_default_parse(struct view word, enum milter_default *action)
{
	static const struct {
		const char *word;
		enum milter_default action;
	} words[] = {
		{ "accept", MILTER_DEFAULT_ACCEPT },
		{ "reject", MILTER_DEFAULT_REJECT },
		{ "tempfail", MILTER_DEFAULT_TEMPFAIL },
		{ "quarantine", MILTER_DEFAULT_QUARANTINE },
		{ "shutdown", MILTER_DEFAULT_SHUTDOWN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (view_is_nocase(word, words[i].word)) {
			*action = words[i].action;
			return 0;
		}
	return -EINVAL;
}

struct view milter_default_reply(enum milter_default action, bool *hold)
{
	*hold = action == MILTER_DEFAULT_QUARANTINE;
	switch (action) {
	case MILTER_DEFAULT_REJECT:
		return VIEW("550 5.5.0 Service unavailable");
	case MILTER_DEFAULT_TEMPFAIL:
		return VIEW("451 4.7.1 Service unavailable - try again later");
	case MILTER_DEFAULT_SHUTDOWN:
		return VIEW("421 4.7.1 Service unavailable - try again later");
	case MILTER_DEFAULT_ACCEPT:
	case MILTER_DEFAULT_QUARANTINE:
		break;
	}
	return VIEW_NONE;
}

/* "6", or "2 no_header_reply" as in the days of version 2. */
static int protocol_parse(struct view text, struct milter_setting *m)
{
	struct view word;
	uint32_t number;

	m->protocol = 0;
	m->silent_headers = false;
	while (conf_next_element(&text, &word)) {
		if (view_is_nocase(word, "no_header_reply")) {
			m->silent_headers = true;
			continue;
		}
		if (view_parse_u32(word, 6, &number) < 0 || number < 2 || m->protocol != 0)
			return -EINVAL;
		m->protocol = number == 5 ? 4 : number;
	}
	return m->protocol == 0 ? -EINVAL : 0;
}

static int time_parse(struct view value, msec_t *out)
{
	return conf_parse_time(value, 's', out) < 0 || *out <= 0 || *out > UINT32_MAX ? -EINVAL : 0;
}

static int setting_set(struct milter_setting *m, struct view name, struct view value)
{
	if (view_is(name, "connect_timeout"))
		return time_parse(value, &m->connect_timeout);
	if (view_is(name, "command_timeout"))
		return time_parse(value, &m->command_timeout);
	if (view_is(name, "content_timeout"))
		return time_parse(value, &m->content_timeout);
	if (view_is(name, "default_action"))
		return milter_default_parse(value, &m->default_action);
	if (view_is(name, "protocol"))
		return protocol_parse(value, m);
	return -EINVAL;
}

/* The server, and name=value ... */
static int setting_parse(struct view text, struct milter_setting *m, struct error *err)
{
	struct view element;

	while (conf_next_element(&text, &element)) {
		size_t equals = view_find_byte(element, '=');

		if (m->endpoint.len == 0) {
			str_append(&m->endpoint, view_trim(element));
			continue;
		}
		if (equals == VIEW_NOT_FOUND ||
		    setting_set(m, view_trim(view_first(element, equals)),
				view_trim(view_from(element, equals + 1))) < 0)
			return error_set(
				err, -EINVAL,
				"milter %s: expected a setting like default_action=accept, "
				"not \"%.*s\"",
				str_cstr(&m->endpoint), VIEW_ARG(element));
	}
	if ((view_starts(str_view(&m->endpoint), VIEW("inet:")) ||
	     view_starts(str_view(&m->endpoint), VIEW("unix:"))) &&
	    m->endpoint.len <= IPC_TEXT_MAX)
		return 0;
	return error_set(err, -EINVAL, "milter \"%s\": expected inet:host:port or unix:path",
			 str_cstr(&m->endpoint));
}

static int setting_defaults(struct milter_setting *m, struct error *err)
{
	m->connect_timeout = param.milter_connect_timeout;
	m->command_timeout = param.milter_command_timeout;
	m->content_timeout = param.milter_content_timeout;
	if (milter_default_parse(view_of(param.milter_default_action), &m->default_action) < 0)
		return error_set(err, -EINVAL, "milter_default_action: unknown word %s",
				 param.milter_default_action);
	if (protocol_parse(view_of(param.milter_protocol), m) < 0)
		return error_set(err, -EINVAL,
				 "milter_protocol: expected a version, 2, 3, 4 or 6, not %s",
				 param.milter_protocol);
	return 0;
}

int milter_list_parse(struct view text, struct milter_list *list, struct error *err)
{
	struct view element;
	int r = 0;

	*list = (struct milter_list){ 0 };
	while (r == 0 && conf_next_element(&text, &element)) {
		struct milter_setting *m = &list->items[list->count];

		if (list->count == MILTERS_MAX)
			return error_set(err, -EINVAL, "more than %d milters", MILTERS_MAX);
		list->count++;
		r = setting_defaults(m, err);
		if (r == 0)
			r = setting_parse(element, m, err);
	}
	return r;
}

void milter_list_free(struct milter_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		str_free(&list->items[i].endpoint);
	list->count = 0;
}

/* ---- replies ---- */

static bool is_status(struct view text, char class)
{
	size_t dots = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '.')
			dots++;
		else if (!ascii_is_digit(text.data[i]))
			return false;
	}
	return dots == 2 && text.len >= 5 && text.len <= 9 && text.data[0] == class &&
	       text.data[1] == '.' && text.data[text.len - 1] != '.';
}

/* "550-5.7.1 text", "550 5.7.1 text": the last one has the blank. */
static bool is_reply_line(struct view line, struct view code, bool last)
{
	struct view rest = view_from(line, 4), status;

	return line.len > 4 && line.len <= 510 && view_starts(line, code) &&
	       line.data[3] == (last ? ' ' : '-') && !view_has_control(line) &&
	       view_is_utf8(line) && view_next_word(&rest, " ", &status) &&
	       is_status(status, code.data[0]);
}

bool milter_reply_is_valid(struct view reply)
{
	struct view code = view_first(reply, 3), line;

	if (reply.len < 3 || reply.len > IPC_TEXT_MAX ||
	    (code.data[0] != '4' && code.data[0] != '5') || !ascii_is_digit(code.data[1]) ||
	    !ascii_is_digit(code.data[2]))
		return false;
	while (view_next(&reply, '\n', &line)) {
		bool last = reply.len == 0;

		if (!last && !view_ends(line, VIEW("\r")))
			return false;
		if (!last)
			line.len--;
		if (!is_reply_line(line, code, last))
			return false;
	}
	return true;
}

void milter_verdict_free(struct milter_verdict *verdict)
{
	str_free(&verdict->reply);
	str_free(&verdict->reason);
}
