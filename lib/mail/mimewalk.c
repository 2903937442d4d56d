/* The MIME structure of a message as it passes. */
#include "mail/mimewalk.h"

#include "mail/header.h"

static void walk_content_type(struct mime_walk *walk, struct view body)
{
	struct mime_value value;

	walk->is_message = false;
	str_clear(&walk->boundary);
	if (mime_value_parse(body, &value) == 0) {
		const struct str *boundary = mime_parameter_get(&value, "boundary");

		walk->is_message = view_is(str_view(&value.type), "message") &&
				   (view_is(str_view(&value.subtype), "rfc822") ||
				    view_is(str_view(&value.subtype), "global"));
		if (view_is(str_view(&value.type), "multipart") && boundary != NULL &&
		    boundary->len <= MIME_WALK_BOUNDARY_MAX)
			str_append(&walk->boundary, view_trim(str_view(boundary)));
	}
	mime_value_free(&value);
}

void mime_walk_field(struct mime_walk *walk, struct view name, struct view body)
{
	if (view_is_nocase(name, "Content-Type")) {
		walk_content_type(walk, body);
	} else if (view_is_nocase(name, "Content-Transfer-Encoding")) {
		struct view encoding = view_trim(body);

		walk->is_encoded = view_is_nocase(encoding, "base64") ||
				   view_is_nocase(encoding, "quoted-printable");
	}
}

void mime_walk_header_end(struct mime_walk *walk)
{
	walk->state = walk->is_message && !walk->is_encoded ? WALK_NESTED_HEADER : WALK_BODY;
	if (walk->boundary.len > 0 && walk->depth < MIME_WALK_DEPTH_MAX)
		str_set(&walk->boundaries[walk->depth++], str_view(&walk->boundary));
	str_clear(&walk->boundary);
	walk->is_message = walk->is_encoded = false;
}

bool mime_walk_is_boundary(struct mime_walk *walk, struct view line)
{
	if (walk->depth == 0 || !view_starts(line, VIEW("--")))
		return false;
	line = view_from(line, 2);
	for (size_t i = walk->depth; i-- > 0;) {
		struct view boundary = str_view(&walk->boundaries[i]);

		if (!view_starts(line, boundary))
			continue;
		/* What is open inside of it ends too. */
		bool closing = view_starts(view_from(line, boundary.len), VIEW("--"));

		walk->depth = closing ? i : i + 1;
		walk->state = closing ? WALK_BODY : WALK_PART_HEADER;
		str_clear(&walk->boundary);
		walk->is_message = walk->is_encoded = false;
		return true;
	}
	return false;
}

void mime_walk_free(struct mime_walk *walk)
{
	for (size_t i = 0; i < MIME_WALK_DEPTH_MAX; i++)
		str_free(&walk->boundaries[i]);
	str_free(&walk->boundary);
}
