/* What milters say: whatever comes, what is handed on can end neither a field, a reply nor a line. */
#include <stdlib.h>

#include "base/mem.h"
#include "milter_codec.h"
#include "services/milter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every line end is followed by a blank. */
static void check_field(struct view value)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	milter_field_value(value, &out);
	for (size_t i = 0; i < out.len; i++) {
		bool folds = i + 2 < out.len && out.data[i + 1] == '\n' &&
			     (out.data[i + 2] == ' ' || out.data[i + 2] == '\t');

		if (out.data[i] == '\0' || (out.data[i] == '\r' && !folds) ||
		    (out.data[i] == '\n' && (i == 0 || out.data[i - 1] != '\r')))
			abort();
	}
}

static void check_text(struct view text)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	if (milter_reply_text(text, &out) == 0 &&
	    (!milter_reply_is_valid(str_view(&out)) || out.len > IPC_TEXT_MAX))
		abort();
}

static void check_reply(char what, struct view data)
{
	struct milter_reply reply;

	if (milter_reply_parse(what, data, &reply) < 0)
		return;
	if (reply.text.len + reply.value.len > data.len)
		abort();
	if (reply.said == SAID_REPLY)
		check_text(reply.text);
	else if (milter_said_edit(reply.said) && reply.said != SAID_REPLACE_BODY)
		check_field(reply.value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view rest = view_make(data, size), frame;
	struct milter_options options;
	char what;

	while (milter_frame_next(&rest, &what, &frame) > 0) {
		if (frame.len > MILTER_DATA_MAX)
			abort();
		if (what == MILTER_SAYS_OPTIONS)
			milter_options_parse(frame, 6, &options);
		check_reply(what, frame);
	}
	return 0;
}
