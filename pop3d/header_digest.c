/*
 * Dovecot's %m in pop3_uidl_format, which popa3d had before it: an MD5 of the fields by which mail in an mbox was told
 * apart. Nothing else of the message counts.
 */
#include "session.h"

#include <nettle/md5.h>

#include "base/encode.h"
#include "base/mem.h"

enum digest_field {
	DIGEST_NONE,
	DIGEST_ALWAYS,
	DIGEST_BEFORE_RECEIVED, /* Received has a date that is trusted more */
	DIGEST_RECEIVED		/* the first one */
};

static enum digest_field digest_field_of(struct view name)
{
	static const struct {
		const char *name;
		enum digest_field field;
	} fields[] = {
		{ "Date", DIGEST_BEFORE_RECEIVED }, { "Message-ID", DIGEST_BEFORE_RECEIVED },
		{ "Received", DIGEST_RECEIVED },    { "Delivered-To", DIGEST_ALWAYS },
		{ "X-Delivery-ID", DIGEST_ALWAYS },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (view_is_nocase(name, fields[i].name))
			return fields[i].field;
	return DIGEST_NONE;
}

void header_digest(struct view header, struct str *out)
{
	enum digest_field field = DIGEST_NONE;
	bool received = false, counts = false;
	uint8_t digest[MD5_DIGEST_SIZE];
	struct md5_ctx md5;
	struct view line;

	md5_init(&md5);
	while (view_next(&header, '\n', &line)) {
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0 || (line.data[0] != ' ' && line.data[0] != '\t')) {
			size_t colon = view_find_byte(line, ':');

			received |= field == DIGEST_RECEIVED;
			field = digest_field_of(view_first(line, colon));
			counts = field == DIGEST_ALWAYS || (field != DIGEST_NONE && !received);
			line = view_from(line, colon == VIEW_NOT_FOUND ? line.len : colon + 1);
			/* One blank; what more there is counts, and so does the begin of a folded line. */
			if (line.len > 0 && (line.data[0] == ' ' || line.data[0] == '\t'))
				line = view_from(line, 1);
		}
		if (counts)
			md5_update(&md5, line.len, (const uint8_t *)line.data);
	}
	md5_digest(&md5, sizeof(digest), digest);
	hex_encode(out, view_make(digest, sizeof(digest)));
}
