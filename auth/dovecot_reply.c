/* Lines of Dovecot's authentication protocol. Knows no connection and believes no line. */
#include "dovecot_reply.h"

#include <errno.h>

#include "base/encode.h"
#include "base/mem.h"

#define REASON_MAX     200 /* of a stranger's words, in the log */
#define PARAMETERS_MAX 200 /* of one line */

/* ---- parameters of each word ---- */

static int reply_take_data(struct dovecot_reply *reply, struct view encoded)
{
	str_clear(&reply->data);
	if (base64_decode(&reply->data, encoded) < 0 || reply->data.len > IPC_SASL_MAX)
		return -EBADMSG;
	return 0;
}

static int reply_take_user(struct dovecot_reply *reply, struct view escaped)
{
	str_clear(&reply->name);
	tab_unescape(&reply->name, escaped);
	return reply->name.len > IPC_ADDRESS_MAX || view_has_control(str_view(&reply->name))
		       ? -EBADMSG
		       : 0;
}

static int reply_take_version(struct dovecot_reply *reply, struct view rest)
{
	struct view major = VIEW_NONE, minor = VIEW_NONE;

	if (!view_next(&rest, '\t', &major) || !view_next(&rest, '\t', &minor) ||
	    view_parse_u32(major, UINT32_MAX, &reply->major) < 0 ||
	    view_parse_u32(minor, UINT32_MAX, &reply->minor) < 0)
		return -EBADMSG;
	return 0;
}

static int reply_take_mechanism(struct dovecot_reply *reply, struct view rest)
{
	struct view word = VIEW_NONE;

	if (!view_next(&rest, '\t', &word) || !mechanism_is_name(word))
		return -EBADMSG;
	str_append(&reply->name, word);
	while (view_next(&rest, '\t', &word))
		reply->kinds |= mechanism_kind_of(word);
	return 0;
}

static int reply_take_parameter(struct dovecot_reply *reply, struct view parameter)
{
	size_t equals = view_find_byte(parameter, '=');
	struct view name = view_first(parameter, equals);
	struct view value = equals == VIEW_NOT_FOUND ? VIEW_NONE : view_from(parameter, equals + 1);
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (view_is(name, "user"))
		return reply_take_user(reply, value);
	if (view_is(name, "resp") && reply->word == DOVECOT_OK)
		return reply_take_data(reply, value);
	if (reply->word != DOVECOT_FAIL)
		return 0;
	reply->temporary |=
		view_is(name, "temp") || (view_is(name, "code") && view_is(value, "temp_fail"));
	reply->disabled |= view_is(name, "user_disabled") || view_is(name, "pass_expired") ||
			   (view_is(name, "code") &&
			    (view_is(value, "user_disabled") || view_is(value, "pass_expired")));
	if (view_is(name, "reason") && reply->reason.len == 0) {
		tab_unescape(&text, value);
		str_append_printable(&reply->reason, view_first(str_view(&text), REASON_MAX));
	}
	return 0;
}

/* The request's number, and what follows. */
static int reply_take_answer(struct dovecot_reply *reply, struct view rest)
{
	struct view id = VIEW_NONE, parameter;
	int r = 0;

	if (!view_next(&rest, '\t', &id) || view_parse_u32(id, UINT32_MAX, &reply->id) < 0)
		return -EBADMSG;
	if (reply->word == DOVECOT_CONT)
		/* A later version may say more after it. */
		return view_next(&rest, '\t', &parameter) ? reply_take_data(reply, parameter) : 0;
	for (int i = 0; r == 0 && view_next(&rest, '\t', &parameter); i++)
		r = i < PARAMETERS_MAX ? reply_take_parameter(reply, parameter) : -EBADMSG;
	/* "OK" for nobody is no success. */
	if (r == 0 && reply->word == DOVECOT_OK && reply->name.len == 0)
		return -EBADMSG;
	return r;
}

static const struct {
	const char *name;
	enum dovecot_word word;
	int (*take)(struct dovecot_reply *reply, struct view rest);
} dovecot_words[] = {
	{ "VERSION", DOVECOT_VERSION, reply_take_version },
	{ "MECH", DOVECOT_MECH, reply_take_mechanism },
	{ "SPID", DOVECOT_SPID, NULL },
	{ "DONE", DOVECOT_DONE, NULL },
	{ "CONT", DOVECOT_CONT, reply_take_answer },
	{ "OK", DOVECOT_OK, reply_take_answer },
	{ "FAIL", DOVECOT_FAIL, reply_take_answer },
};

int dovecot_reply_parse(struct view line, struct dovecot_reply *reply)
{
	struct view rest = line, word = VIEW_NONE;

	view_next(&rest, '\t', &word);
	for (size_t i = 0; i < ARRAY_SIZE(dovecot_words); i++) {
		if (!view_is(word, dovecot_words[i].name))
			continue;
		reply->word = dovecot_words[i].word;
		return dovecot_words[i].take != NULL ? dovecot_words[i].take(reply, rest) : 0;
	}
	reply->word = DOVECOT_OTHER;
	return 0;
}

void dovecot_reply_free(struct dovecot_reply *reply)
{
	str_free(&reply->name);
	str_wipe(&reply->data);
	str_free(&reply->reason);
	*reply = (struct dovecot_reply){ .word = DOVECOT_OTHER };
}
