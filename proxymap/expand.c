/* Templates with parts of addresses in them. Knows no database. */
#include "expand.h"

#include <errno.h>

#include "base/mem.h"
#include "table/server.h"

/* An address in parts; labels are counted from the end. */
struct parts {
	struct view whole, local, domain;
	struct view service, secured; /* of who asks */
	bool has_domain;
};

static struct parts parts_of(struct view key)
{
	size_t mark = view_find_byte(key, TABLE_ASKER_MARK);
	struct view address = view_first(key, MIN(mark, key.len)), asker = VIEW_NONE;
	size_t at = view_find_last_byte(address, '@');
	struct parts parts = { .whole = address, .local = address };

	if (mark != VIEW_NOT_FOUND)
		asker = view_from(key, mark + 1);
	if (view_next(&asker, ' ', &parts.service))
		parts.secured = asker;
	if (at != VIEW_NOT_FOUND) {
		parts.local = view_first(address, at);
		parts.domain = view_from(address, at + 1);
		parts.has_domain = parts.domain.len > 0;
	}
	return parts;
}

/* The n-th label from the end, from 1 on. False: the domain has not as many. */
static bool parts_label(const struct parts *parts, int n, struct view *label)
{
	struct view rest = parts->domain;

	if (!parts->has_domain)
		return false;
	for (; n > 0; n--) {
		size_t dot = view_find_last_byte(rest, '.');

		if (rest.len == 0)
			return false;
		*label = dot == VIEW_NOT_FOUND ? rest : view_from(rest, dot + 1);
		rest = dot == VIEW_NOT_FOUND ? VIEW_NONE : view_first(rest, dot);
	}
	return label->len > 0;
}

/* What a letter stands for. False: there is no such part. */
static bool parts_take(const struct parts *parts, char letter, struct view *part)
{
	switch (ascii_lower(letter)) {
	case 's':
		*part = parts->whole;
		return true;
	case 'u':
		*part = parts->local;
		return parts->local.len > 0;
	case 'd':
		*part = parts->domain;
		return parts->has_domain;
	case EXPAND_SERVICE:
		*part = parts->service;
		return true;
	case EXPAND_SECURED:
		*part = parts->secured;
		return true;
	default:
		return parts_label(parts, letter - '0', part);
	}
}

static bool is_letter(char c)
{
	return strchr("sudSUD", c) != NULL || (c >= '1' && c <= '9') || c == EXPAND_SERVICE ||
	       c == EXPAND_SECURED;
}

int expand_check(struct view template)
{
	for (size_t i = 0; i < template.len; i++) {
		if (template.data[i] != '%')
			continue;
		i++;
		if (i == template.len || template.data[i] == '\0' ||
		    (template.data[i] != '%' && !is_letter(template.data[i])))
			return -EINVAL;
	}
	return 0;
}

static int append_plain(void *unused, struct view text, struct str *out)
{
	(void)unused;
	str_append(out, text);
	return 0;
}

/* `small` is what small letters mean, `other` what capitals and digits do. */
static int expand_parts(struct view template, const struct parts *small, const struct parts *other,
			expand_escape *escape, void *argument, struct str *out)
{
	for (size_t i = 0; i < template.len; i++) {
		char c = template.data[i];
		struct view part = VIEW_NONE;
		int r;

		if (c != '%' || i + 1 == template.len) {
			str_append_byte(out, c);
			continue;
		}
		c = template.data[++i];
		if (c == '%') {
			str_append_byte(out, c);
			continue;
		}
		if (!parts_take(c >= 'a' ? small : other, c, &part))
			return 0;
		r = escape(argument, part, out);
		if (r < 0)
			return r;
	}
	return 1;
}

int expand_question(struct view template, struct view key, expand_escape *escape, void *argument,
		    struct str *out)
{
	struct parts parts = parts_of(key);

	return expand_parts(template, &parts, &parts, escape, argument, out);
}

int expand_result(struct view template, struct view key, struct view value, struct str *out)
{
	struct parts of_value = parts_of(value), of_key = parts_of(key);
	size_t before = out->len;
	int r;

	if (value.len == 0)
		return 0;
	if (before > 0)
		str_append_byte(out, ',');
	r = expand_parts(template, &of_value, &of_key, append_plain, NULL, out);
	if (r == 0)
		str_truncate(out, before);
	return r;
}
