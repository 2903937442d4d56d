/* Lines of clients of Dovecot's authentication protocol. Knows no connection and believes no line. */
#include "request.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/encode.h"
#include "base/mem.h"

#define PARAMETERS_MAX 200 /* of one line */

static bool request_is_word(struct view word, size_t max)
{
	for (size_t i = 0; i < word.len; i++)
		if (!ascii_is_alnum(word.data[i]) && word.data[i] != '-' && word.data[i] != '_')
			return false;
	return word.len > 0 && word.len <= max;
}

/* ---- parameters of each word ---- */

/* A response that is empty stands as nothing or, as IMAP has it, as "=". */
static void request_take_data(struct sasl_request *request, struct view encoded)
{
	request->has_data = true;
	str_wipe(&request->data);
	request->data_is_readable =
		view_is(encoded, "=") ||
		(base64_decode(&request->data, encoded) == 0 && request->data.len <= IPC_SASL_MAX);
}

/* What is no address is as if it had not been said. */
static void request_take_address(struct str *address, struct view text)
{
	_cleanup_(str_free) struct str plain = STR_EMPTY;
	unsigned char bytes[sizeof(struct in6_addr)];

	str_clear(address);
	if (text.len >= INET6_ADDRSTRLEN || view_has_control(text))
		return;
	str_append(&plain, text);
	if (inet_pton(AF_INET, str_cstr(&plain), bytes) == 1 ||
	    inet_pton(AF_INET6, str_cstr(&plain), bytes) == 1)
		str_append_lower(address, text);
}

static void request_take_parameter(struct sasl_request *request, struct view parameter)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	size_t equals = view_find_byte(parameter, '=');
	struct view name = view_first(parameter, equals);

	if (equals != VIEW_NOT_FOUND)
		tab_unescape(&value, view_from(parameter, equals + 1));
	if (view_is(name, "service") && request_is_word(str_view(&value), SASL_SERVICE_MAX)) {
		str_clear(&request->service);
		str_append_lower(&request->service, str_view(&value));
	} else if (view_is(name, "rip")) {
		request_take_address(&request->rip, str_view(&value));
	} else if (view_is(name, "lip")) {
		request_take_address(&request->lip, str_view(&value));
	} else if (view_is(name, "secured")) {
		request->secured = true;
	}
}

static int request_take_id(struct sasl_request *request, struct view *rest)
{
	struct view id = VIEW_NONE;

	return view_next(rest, '\t', &id) && view_parse_u32(id, UINT32_MAX, &request->id) == 0
		       ? 0
		       : -EBADMSG;
}

static int request_take_version(struct sasl_request *request, struct view rest)
{
	struct view major = VIEW_NONE, minor = VIEW_NONE;

	return view_next(&rest, '\t', &major) && view_next(&rest, '\t', &minor) &&
			       view_parse_u32(major, UINT32_MAX, &request->major) == 0 &&
			       view_parse_u32(minor, UINT32_MAX, &request->minor) == 0
		       ? 0
		       : -EBADMSG;
}

static int request_take_auth(struct sasl_request *request, struct view rest)
{
	struct view word = VIEW_NONE, parameter;
	int r = request_take_id(request, &rest);

	if (r == 0 && view_next(&rest, '\t', &word) && request_is_word(word, SASL_MECHANISM_MAX))
		str_append(&request->mechanism, word);
	request->data_is_readable = true;
	for (int i = 0; r == 0 && view_next(&rest, '\t', &parameter); i++) {
		/* The last of them; so nothing that a client says is taken for a parameter. */
		if (view_starts(parameter, VIEW("resp="))) {
			request_take_data(request, view_from(parameter, strlen("resp=")));
			break;
		}
		if (i == PARAMETERS_MAX)
			r = -EBADMSG;
		else
			request_take_parameter(request, parameter);
	}
	return r;
}

static int request_take_cont(struct sasl_request *request, struct view rest)
{
	struct view data = VIEW_NONE;
	int r = request_take_id(request, &rest);

	if (r == 0) {
		(void)view_next(&rest, '\t', &data);
		request_take_data(request, data);
	}
	return r;
}

static int request_take_cancel(struct sasl_request *request, struct view rest)
{
	return request_take_id(request, &rest);
}

static const struct {
	const char *name;
	enum sasl_word word;
	int (*take)(struct sasl_request *request, struct view rest);
} sasl_words[] = {
	{ "VERSION", SASL_VERSION, request_take_version }, { "CPID", SASL_CPID, NULL },
	{ "AUTH", SASL_AUTH, request_take_auth },	   { "CONT", SASL_CONT, request_take_cont },
	{ "CANCEL", SASL_CANCEL, request_take_cancel },
};

int sasl_request_parse(struct view line, struct sasl_request *request)
{
	struct view rest = line, word = VIEW_NONE;

	view_next(&rest, '\t', &word);
	for (size_t i = 0; i < ARRAY_SIZE(sasl_words); i++) {
		if (!view_is(word, sasl_words[i].name))
			continue;
		request->word = sasl_words[i].word;
		return sasl_words[i].take != NULL ? sasl_words[i].take(request, rest) : 0;
	}
	request->word = SASL_OTHER;
	return 0;
}

void sasl_request_free(struct sasl_request *request)
{
	str_free(&request->mechanism);
	str_free(&request->service);
	str_free(&request->rip);
	str_free(&request->lip);
	str_wipe(&request->data);
	*request = (struct sasl_request){ .word = SASL_OTHER };
}
