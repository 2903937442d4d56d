/* Making DKIM signatures. The private key is somebody else's: see signature_maker. */
#include <errno.h>

#include "base/encode.h"
#include "base/mem.h"
#include "mailauth/dkim.h"

#define LINE_LENGTH 76

/*
 * What is signed of a header. Once more than there are ("oversigned"): what nobody may add, for
 * people see it, or programs read the body by it.
 */
static const struct {
	const char *name;
	bool oversigned;
} signed_fields[] = {
	{ "From", true },
	{ "Reply-To", true },
	{ "Subject", true },
	{ "Date", true },
	{ "To", true },
	{ "Cc", true },
	{ "Message-ID", true },
	{ "MIME-Version", true },
	{ "Content-Type", true },
	{ "Content-Transfer-Encoding", true },
	{ "Sender", false },
	{ "In-Reply-To", false },
	{ "References", false },
	{ "Resent-Date", false },
	{ "Resent-From", false },
	{ "Resent-Sender", false },
	{ "Resent-To", false },
	{ "Resent-Cc", false },
	{ "Resent-Message-ID", false },
	{ "List-Id", false },
	{ "List-Help", false },
	{ "List-Unsubscribe", false },
	{ "List-Unsubscribe-Post", false },
	{ "List-Subscribe", false },
	{ "List-Post", false },
	{ "List-Owner", false },
	{ "List-Archive", false },
};

int signing_names(const struct field_set *fields, struct str *names)
{
	size_t total = 0;

	for (size_t i = 0; i < ARRAY_SIZE(signed_fields); i++) {
		struct view name = view_of(signed_fields[i].name);
		struct field_name *known = field_set_find(fields, name);
		size_t times = (known != NULL ? known->count : 0) + signed_fields[i].oversigned;

		total += times;
		if (total > SIGNING_NAMES_MAX)
			return -E2BIG;
		for (size_t n = 0; n < times; n++) {
			if (names->len > 0)
				str_append_byte(names, ':');
			str_append_lower(names, name);
		}
	}
	return 0;
}

static size_t column_of(const struct str *out)
{
	size_t lf = view_find_last_byte(str_view(out), '\n');

	return lf == VIEW_NOT_FOUND ? out->len : out->len - lf - 1;
}

void signing_append_folded(struct str *out, struct view text, char separator)
{
	size_t column = column_of(out);

	while (text.len > 0) {
		size_t end = separator != '\0' ? view_find_byte(text, separator) : VIEW_NOT_FOUND;
		size_t piece = end != VIEW_NOT_FOUND ? end + 1 : text.len;

		/* Base64 may be cut anywhere. */
		if (separator == '\0' && column + piece > LINE_LENGTH)
			piece = column < LINE_LENGTH ? LINE_LENGTH - column : 1;
		str_append(out, view_first(text, piece));
		column += piece;
		text = view_from(text, piece);
		end = separator != '\0' ? view_find_byte(text, separator) : VIEW_NOT_FOUND;
		if (text.len > 0 && column + (separator == '\0'	      ? 1
					      : end != VIEW_NOT_FOUND ? end
								      : text.len) >
					    LINE_LENGTH) {
			str_append(out, VIEW("\r\n\t "));
			column = 2;
		}
	}
}

int signing_finish(const struct signing *signing, enum canon canon, struct str *signed_text,
		   struct str *field)
{
	_cleanup_(str_free) struct str bytes = STR_EMPTY, text = STR_EMPTY;
	unsigned char digest[CANON_DIGEST_SIZE];
	int r;

	canon_signature(canon, str_view(field), view_make(field->data + field->len, 0),
			signed_text);
	canon_digest(str_view(signed_text), digest);
	r = signing->make(signing->context, view_make(digest, sizeof(digest)), &bytes);
	if (r < 0)
		return r;
	base64_encode(&text, str_view(&bytes));
	signing_append_folded(field, str_view(&text), '\0');
	str_append(field, VIEW("\r\n"));
	return 0;
}

void signing_header(struct field_set *fields, struct view names, enum canon canon, struct str *text)
{
	struct view name;

	field_set_start(fields);
	while (view_next(&names, ':', &name)) {
		const struct header_field *field = field_set_take(fields, name);

		if (field != NULL)
			canon_field(canon, field->whole, text);
	}
}

int dkim_sign(const struct signing *signing, struct field_set *fields, struct view body_digest,
	      struct str *out)
{
	static const char *const canons[] = { "simple", "relaxed" };
	_cleanup_(str_free) struct str names = STR_EMPTY, text = STR_EMPTY, field = STR_EMPTY;
	_cleanup_(str_free) struct str digest = STR_EMPTY;
	int r = signing_names(fields, &names);

	if (r < 0)
		return r;
	str_printf(&field, "DKIM-Signature: v=1; a=%s; c=%s/%s;\r\n\td=%.*s; s=%.*s; t=%lld;",
		   signature_algorithm_name(signing->algorithm), canons[signing->header_canon],
		   canons[signing->body_canon], VIEW_ARG(signing->domain),
		   VIEW_ARG(signing->selector), (long long)signing->time);
	if (signing->identity.len > 0)
		str_printf(&field, "\r\n\ti=%.*s;", VIEW_ARG(signing->identity));
	str_append_cstr(&field, "\r\n\th=");
	signing_append_folded(&field, str_view(&names), ':');
	base64_encode(&digest, body_digest);
	str_printf(&field, ";\r\n\tbh=%s;\r\n\tb=", str_cstr(&digest));

	signing_header(fields, str_view(&names), signing->header_canon, &text);
	r = signing_finish(signing, signing->header_canon, &text, &field);
	if (r == 0)
		str_append(out, str_view(&field));
	return r;
}
