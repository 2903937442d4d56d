/*
 * smtp_generic_maps: addresses of this system's own world become those of the Internet, in the
 * envelope and in the header, as mail leaves.
 */
#include "generic.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mailauth/return_path.h"
#include "route/route.h"
#include "settings.h"

#define FIELD_MAX ((size_t)64 * 1024) /* a longer field is left as it is */

/* The program's state. NULL: nothing to map. */
static struct address_map *map;

int generic_prepare(struct error *err)
{
	if (*settings.generic_maps == '\0')
		return 0;
	map = address_map_open(settings.lmtp ? "lmtp_generic_maps" : "smtp_generic_maps",
			       settings.generic_maps, err);
	return map == NULL ? -EINVAL : 0;
}

bool generic_is_in_force(void)
{
	return map != NULL;
}

int generic_address(struct view address, struct str *out)
{
	str_clear(out);
	str_append(out, address);
	return map == NULL || address.len == 0 ? 0 : address_map_find(map, address, out);
}

/* A return path is of nobody's own world. */
int generic_sender(const struct delivery *d, struct str *out)
{
	int r = d->sent_on && !settings.lmtp ? return_path_make(str_view(&d->sender), out) : 0;

	if (r > 0)
		log_info("%s: sent on: from=<%s> leaves as <%s>", str_cstr(&d->queue_id),
			 str_cstr(&d->sender), str_cstr(out));
	return r != 0 ? r : generic_address(str_view(&d->sender), out);
}

/* ---- header fields ---- */

struct generic_field {
	struct view body;
	struct str out; /* the new body so far */
	size_t copied;	/* bytes of the old body that are in it */
	int result;	/* 1 changed, 0, negative errno */
};

static int generic_take(void *argument, const struct header_address *found)
{
	struct generic_field *f = argument;
	_cleanup_(str_free) struct str given = STR_EMPTY, address = STR_EMPTY;
	int r;

	if (found->group_start || found->group_end || found->local.len == 0)
		return 0;
	str_append(&given, found->local);
	if (found->domain.len > 0) {
		str_append_byte(&given, '@');
		str_append(&given, found->domain);
	}
	r = generic_address(str_view(&given), &address);
	if (r < 0) {
		f->result = r;
		return 1;
	}
	if (r == 0)
		return 0;
	f->result = 1;
	str_append(&f->out, view_make(f->body.data + f->copied, found->start - f->copied));
	address_quote(&f->out, str_view(&address));
	f->copied = found->end;
	return 0;
}

int generic_field(struct view whole, struct str *out)
{
	static const char *const names[] = { "From",
					     "Sender",
					     "Reply-To",
					     "To",
					     "Cc",
					     "Bcc",
					     "Errors-To",
					     "Resent-From",
					     "Resent-Sender",
					     "Resent-To",
					     "Resent-Cc",
					     "Resent-Bcc",
					     "Return-Path",
					     "Resent-Reply-To" };
	struct generic_field f = { .result = 0 };
	size_t colon = view_find_byte(whole, ':'), i = 0;

	if (map == NULL || colon == VIEW_NOT_FOUND || whole.len > FIELD_MAX)
		return 0;
	while (i < ARRAY_SIZE(names) &&
	       !view_is_nocase(view_trim(view_first(whole, colon)), names[i]))
		i++;
	if (i == ARRAY_SIZE(names))
		return 0;
	f.body = view_from(whole, colon + 1);
	address_list_parse(f.body, generic_take, &f);
	if (f.result > 0) {
		str_set(out, view_first(whole, colon + 1));
		str_append(out, str_view(&f.out));
		str_append(out, view_from(f.body, f.copied));
	}
	str_free(&f.out);
	return f.result;
}
