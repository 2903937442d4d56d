/* Addresses in the header fields of our own users' mail: domain added, canonical maps. */
#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "intake.h"
#include "mail/address.h"

static const struct {
	const char *name;
	enum canonical_kind kind;
} address_fields[] = {
	{ "From", CANONICAL_HEADER_SENDER },	      { "Sender", CANONICAL_HEADER_SENDER },
	{ "Reply-To", CANONICAL_HEADER_SENDER },      { "Errors-To", CANONICAL_HEADER_SENDER },
	{ "To", CANONICAL_HEADER_RECIPIENT },	      { "Cc", CANONICAL_HEADER_RECIPIENT },
	{ "Bcc", CANONICAL_HEADER_RECIPIENT },	      { "Resent-From", CANONICAL_HEADER_SENDER },
	{ "Resent-Sender", CANONICAL_HEADER_SENDER }, { "Resent-To", CANONICAL_HEADER_RECIPIENT },
	{ "Resent-Cc", CANONICAL_HEADER_RECIPIENT },
};

struct rewriting {
	struct view body;
	enum canonical_kind kind;
	bool maps;	/* canonical maps, too; else domains are added only */
	struct str out; /* the new body so far */
	size_t copied;	/* bytes of the old body that are in it */
	bool changed;
	int failure;
};

static int rewrite_address(void *argument, const struct header_address *found)
{
	struct rewriting *w = argument;
	_cleanup_(str_free) struct str given = STR_EMPTY, address = STR_EMPTY;

	if (found->group_start || found->group_end || found->local.len == 0)
		return 0;
	str_append(&given, found->local);
	if (found->domain.len > 0) {
		str_append_byte(&given, '@');
		str_append(&given, found->domain);
	}
	int r = route_canonical_form(cleanup.routes, str_view(&given), &address);

	bool same = view_eq_nocase(str_view(&given), str_view(&address));

	if (r >= 0 && w->maps)
		r = route_map_canonical(cleanup.routes, w->kind, &address);
	if (r < 0) {
		w->failure = r;
		return 1;
	}
	/* Not for the case of a domain: signatures cover these bytes. */
	if (r == 0 && same)
		return 0;
	str_append(&w->out, view_make(w->body.data + w->copied, found->start - w->copied));
	address_quote(&w->out, str_view(&address));
	w->copied = found->end;
	w->changed = true;
	return 0;
}

static int rewrite_field(struct intake *in, struct block_field *f, enum canonical_kind kind)
{
	struct rewriting w = { .body = f->field.body,
			       .kind = kind,
			       .maps = !(in->flags & MAIL_FLAG_NO_MAPPING),
			       .out = STR_EMPTY };

	address_list_parse(w.body, rewrite_address, &w);
	if (w.failure == 0 && w.changed) {
		str_append(&f->changed, f->field.name);
		str_append_byte(&f->changed, ':');
		str_append(&f->changed, str_view(&w.out));
		str_append(&f->changed, view_from(w.body, w.copied));
		str_append(&f->changed, VIEW("\r\n"));
	}
	str_free(&w.out);
	return w.failure < 0 ? intake_fail_temporarily(in, "map a header address", w.failure) : 0;
}

static int addresses_header(struct stage *stage, struct header_block *block)
{
	struct intake *in = stage->in;

	if (!intake_rewrites_header(in) || (in->flags & MAIL_FLAG_INTERNAL))
		return 0;
	for (size_t i = 0; i < block->count; i++) {
		struct block_field *f = &block->fields[i];

		if (f->dropped || f->field.whole.len > (size_t)param.header_size_limit)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(address_fields); k++) {
			if (!view_is_nocase(f->field.name, address_fields[k].name))
				continue;
			int r = rewrite_field(in, f, address_fields[k].kind);

			if (r < 0)
				return r;
			break;
		}
	}
	return 0;
}

const struct content_stage stage_addresses = { .name = "addresses", .header = addresses_header };
