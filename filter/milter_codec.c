/* The milter protocol as bytes. Knows their form, and nothing of what was said before. */
#include "milter_codec.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/mem.h"
#include "services/milter.h"

#define FIELD_NAME_MAX 255
#define LENGTH_SIZE    sizeof(uint32_t)

/* ---- to a milter ---- */

size_t milter_frame_begin(struct str *out, char what)
{
	size_t begin = out->len;

	milter_frame_u32(out, 0);
	str_append_byte(out, what);
	return begin;
}

void milter_frame_string(struct str *out, struct view text)
{
	str_append(out, view_first(text, view_find_byte(text, '\0')));
	str_append_byte(out, '\0');
}

void milter_frame_u32(struct str *out, uint32_t value)
{
	value = htonl(value);
	str_append(out, view_make(&value, sizeof(value)));
}

void milter_frame_end(struct str *out, size_t begin)
{
	size_t most = begin + LENGTH_SIZE + 1 + MILTER_DATA_MAX;
	uint32_t length;

	if (out->len > most) {
		str_truncate(out, most);
		out->data[most - 1] = '\0';
	}
	length = htonl((uint32_t)(out->len - begin - LENGTH_SIZE));
	memcpy(out->data + begin, &length, sizeof(length));
}

uint32_t milter_offered_actions(unsigned version)
{
	return version >= 6 ? 0x1ff : 0x3f;
}

uint32_t milter_offered_steps(unsigned version)
{
	return version >= 6 ? 0x1fffff : version >= 4 ? 0x37f : version >= 3 ? 0x17f : 0x7f;
}

void milter_frame_options(struct str *out, unsigned version)
{
	size_t begin = milter_frame_begin(out, MILTER_SAYS_OPTIONS);

	milter_frame_u32(out, version);
	milter_frame_u32(out, milter_offered_actions(version));
	milter_frame_u32(out, milter_offered_steps(version));
	milter_frame_end(out, begin);
}

/* ---- from a milter ---- */

static bool codec_take_u32(struct view *data, uint32_t *value)
{
	if (data->len < sizeof(*value))
		return false;
	memcpy(value, data->data, sizeof(*value));
	*value = ntohl(*value);
	*data = view_from(*data, sizeof(*value));
	return true;
}

static bool codec_take_string(struct view *data, struct view *text)
{
	size_t nul = view_find_byte(*data, '\0');

	if (nul == VIEW_NOT_FOUND)
		return false;
	*text = view_first(*data, nul);
	*data = view_from(*data, nul + 1);
	return true;
}

int milter_frame_next(struct view *bytes, char *what, struct view *data)
{
	struct view rest = *bytes;
	uint32_t length;

	if (!codec_take_u32(&rest, &length))
		return 0;
	if (length == 0 || length > 1 + MILTER_DATA_MAX)
		return -EBADMSG;
	if (rest.len < length)
		return 0;
	*what = rest.data[0];
	*data = view_make(rest.data + 1, length - 1);
	*bytes = view_from(rest, length);
	return 1;
}

int milter_options_parse(struct view data, unsigned version, struct milter_options *options)
{
	*options = (struct milter_options){ 0 };
	if (!codec_take_u32(&data, &options->version) ||
	    !codec_take_u32(&data, &options->actions) || !codec_take_u32(&data, &options->steps))
		return -EBADMSG;
	while (data.len > 0) {
		struct view names;
		uint32_t stage;

		if (!codec_take_u32(&data, &stage) || !codec_take_string(&data, &names))
			return -EBADMSG;
		if (stage >= STAGE_COUNT)
			continue; /* of a newer version */
		options->has_macros[stage] = true;
		options->macros[stage] = names;
	}
	if (options->version < 2 || options->version > version ||
	    (options->actions & ~milter_offered_actions(version)) != 0)
		return -EPROTO;
	return 0;
}

/* i: a number, s: a string, *: strings to the end, b: bytes. */
static const struct {
	char said;
	const char *form;
	bool is_edit;
	uint32_t action; /* any of these */
} replies[] = {
	{ SAID_CONTINUE, "", false, 0 },
	{ SAID_PROGRESS, "", false, 0 },
	{ SAID_ACCEPT, "", false, 0 },
	{ SAID_REJECT, "", false, 0 },
	{ SAID_TEMPFAIL, "", false, 0 },
	{ SAID_DISCARD, "", false, 0 },
	{ SAID_REPLY, "b", false, 0 },
	{ SAID_SKIP, "", false, 0 },
	{ SAID_QUARANTINE, "s", false, MILTER_QUARANTINES },
	{ SAID_SHUTDOWN, "", false, 0 },
	{ SAID_CONNECTION_FAILED, "", false, 0 },
	{ SAID_ADD_HEADER, "sv", true, MILTER_ADDS_HEADERS },
	{ SAID_INSERT_HEADER, "isv", true, MILTER_ADDS_HEADERS },
	{ SAID_CHANGE_HEADER, "isv", true, MILTER_CHANGES_HEADERS },
	{ SAID_CHANGE_SENDER, "s*", true, MILTER_CHANGES_SENDER },
	{ SAID_ADD_RECIPIENT, "s", true, MILTER_ADDS_RECIPIENTS | MILTER_ADDS_RECIPIENTS_PAR },
	{ SAID_ADD_RECIPIENT_PAR, "s*", true, MILTER_ADDS_RECIPIENTS_PAR },
	{ SAID_DELETE_RECIPIENT, "s", true, MILTER_DELETES_RECIPIENTS },
	{ SAID_REPLACE_BODY, "b", true, MILTER_CHANGES_BODY },
};

/* The strings to the end, without the last NUL. */
static bool codec_take_strings(struct view *data, struct view *strings)
{
	*strings = *data;
	*data = VIEW_NONE;
	if (strings->len == 0)
		return true;
	return strings->data[--strings->len] == '\0';
}

static bool codec_take_form(const char *form, struct view *data, struct milter_reply *reply)
{
	bool ok = true;

	for (; ok && *form != '\0'; form++) {
		switch (*form) {
		case 'i':
			ok = codec_take_u32(data, &reply->index);
			break;
		case 's':
			ok = codec_take_string(data, &reply->text);
			break;
		case 'v':
			ok = codec_take_string(data, &reply->value);
			break;
		case '*':
			ok = codec_take_strings(data, &reply->value);
			break;
		default:
			reply->text = *data;
			*data = VIEW_NONE;
		}
	}
	return ok && data->len == 0;
}

int milter_reply_parse(char what, struct view data, struct milter_reply *reply)
{
	*reply = (struct milter_reply){ .said = (enum milter_said)what };
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++)
		if (replies[i].said == what)
			return codec_take_form(replies[i].form, &data, reply) ? 0 : -EBADMSG;
	return -EBADMSG;
}

bool milter_said_edit(enum milter_said said)
{
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++)
		if (replies[i].said == (char)said)
			return replies[i].is_edit;
	return false;
}

uint32_t milter_action_of(enum milter_said said)
{
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++)
		if (replies[i].said == (char)said)
			return replies[i].action;
	return 0;
}

/* ---- texts ---- */

int milter_reply_text(struct view text, struct str *out)
{
	_cleanup_(str_free) struct str plain = STR_EMPTY;
	struct view line;
	bool first = true;

	/* One string: a NUL at its end, and none in it. */
	if (text.len == 0 || view_find_byte(text, '\0') != text.len - 1)
		return -EINVAL;
	for (size_t i = 0; i + 1 < text.len; i++) {
		if (text.data[i] == '%' && text.data[i + 1] == '%')
			str_append_byte(&plain, text.data[i++]);
		else if (text.data[i] != '%')
			str_append_byte(&plain, text.data[i]);
	}
	text = str_view(&plain);
	if (view_ends(text, VIEW("\r\n")))
		text.len -= 2;
	while (view_next(&text, '\n', &line)) {
		if (view_ends(line, VIEW("\r")))
			line.len--;
		if (!first)
			str_append(out, VIEW("\r\n"));
		if (view_has_control(line))
			return -EINVAL;
		str_append_printable(out, line);
		first = false;
	}
	return milter_reply_is_valid(str_view(out)) ? 0 : -EINVAL;
}

bool milter_is_field_name(struct view name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] <= ' ' || name.data[i] >= 127 || name.data[i] == ':')
			return false;
	return name.len > 0 && name.len <= FIELD_NAME_MAX;
}

static bool codec_is_blank(struct view line)
{
	return view_trim(line).len == 0;
}

static void codec_append_line(struct view line, struct str *out)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] != '\r')
			str_append_byte(out, line.data[i] == '\0' ? ' ' : line.data[i]);
}

void milter_field_value(struct view value, struct str *out)
{
	bool first = true;
	struct view line;

	for (; view_next(&value, '\n', &line); first = false) {
		/* An empty line, or one that begins with text, would be the body or the next field. */
		if (!first && codec_is_blank(line))
			continue;
		if (!first)
			str_append(out, VIEW("\r\n"));
		if (!first && line.data[0] != ' ' && line.data[0] != '\t')
			str_append_byte(out, '\t');
		codec_append_line(line, out);
	}
}
