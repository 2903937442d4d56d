/* SPF records taken apart (RFC 7208 sections 4.6, 5, 6 and 12). No question is asked here. */
#include <arpa/inet.h>
#include <errno.h>

#include "base/mem.h"
#include "mailauth/spf.h"

static const struct {
	const char *name;
	enum spf_mechanism mechanism;
	enum { TARGET_NEVER, TARGET_MAY, TARGET_MUST } target;
	bool has_prefix;
} mechanisms[] = {
	{ "all", SPF_ALL, TARGET_NEVER, false }, { "include", SPF_INCLUDE, TARGET_MUST, false },
	{ "a", SPF_A, TARGET_MAY, true },	 { "mx", SPF_MX, TARGET_MAY, true },
	{ "ptr", SPF_PTR, TARGET_MAY, false },	 { "ip4", SPF_IP4, TARGET_MUST, true },
	{ "ip6", SPF_IP6, TARGET_MUST, true },	 { "exists", SPF_EXISTS, TARGET_MUST, false },
};

bool spf_record_is(struct view text)
{
	struct view version = VIEW("v=spf1");

	return view_starts_nocase(text, version) &&
	       (text.len == version.len || text.data[version.len] == ' ');
}

/* Digits at the end, after a slash: "0", or a number that does not begin with 0. */
static bool take_prefix(struct view *text, const char *slash, unsigned max, unsigned *prefix)
{
	size_t end = text->len, mark = strlen(slash);
	uint32_t number;

	while (end > 0 && ascii_is_digit(text->data[end - 1]))
		end--;
	struct view digits = view_from(*text, end);

	if (digits.len == 0 || !view_ends(view_first(*text, end), view_of(slash)))
		return true; /* there is none */
	if ((digits.len > 1 && digits.data[0] == '0') || view_parse_u32(digits, max, &number) < 0)
		return false;
	*prefix = number;
	*text = view_first(*text, end - mark);
	return true;
}

/* "/24", "//64", "/24//64". */
static bool take_dual_prefix(struct view *text, struct spf_term *term)
{
	size_t before = text->len;

	if (view_find(*text, VIEW("//")) != VIEW_NOT_FOUND &&
	    !take_prefix(text, "//", 128, &term->prefix6))
		return false;
	if (text->len == before && view_find(*text, VIEW("//")) != VIEW_NOT_FOUND)
		return true; /* slashes of a name */
	return take_prefix(text, "/", 32, &term->prefix4);
}

static bool parse_network(struct view text, int family, struct spf_term *term)
{
	char copy[INET6_ADDRSTRLEN + 1];

	if (text.len == 0 || text.len >= sizeof(copy) ||
	    view_find_byte(text, '\0') != VIEW_NOT_FOUND)
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	return inet_pton(family, copy, term->network) == 1;
}

/* What stands after the name of a mechanism. */
static bool parse_target(struct view rest, size_t kind, struct spf_term *term)
{
	bool colon;

	if (term->mechanism == SPF_IP4 && !take_prefix(&rest, "/", 32, &term->prefix4))
		return false;
	if (term->mechanism == SPF_IP6 && !take_prefix(&rest, "/", 128, &term->prefix6))
		return false;
	if ((term->mechanism == SPF_A || term->mechanism == SPF_MX) &&
	    !take_dual_prefix(&rest, term))
		return false;
	colon = rest.len > 0 && rest.data[0] == ':';
	if (!colon)
		return rest.len == 0 && mechanisms[kind].target != TARGET_MUST;
	if (mechanisms[kind].target == TARGET_NEVER)
		return false;
	term->target = view_from(rest, 1);
	if (term->mechanism == SPF_IP4)
		return parse_network(term->target, AF_INET, term);
	if (term->mechanism == SPF_IP6)
		return parse_network(term->target, AF_INET6, term);
	return spf_macro_is_domain(term->target);
}

static bool parse_directive(struct view text, struct spf_term *term)
{
	size_t end = 0;
	struct view name;

	*term = (struct spf_term){ .text = text, .qualifier = '+', .prefix4 = 32, .prefix6 = 128 };
	if (strchr("+-?~", text.data[0]) != NULL) {
		term->qualifier = text.data[0];
		text = view_from(text, 1);
	}
	while (end < text.len && text.data[end] != ':' && text.data[end] != '/')
		end++;
	name = view_first(text, end);
	for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++) {
		if (!view_is_nocase(name, mechanisms[i].name))
			continue;
		term->mechanism = mechanisms[i].mechanism;
		return parse_target(view_from(text, end), i, term);
	}
	return false;
}

/* Length of the name before '=', or 0: this is no modifier. */
static size_t modifier_name(struct view text)
{
	size_t i = 0;

	if (!ascii_is_alpha(text.data[0]))
		return 0;
	while (i < text.len && (ascii_is_alnum(text.data[i]) ||
				(text.data[i] != '\0' && strchr("-_.", text.data[i]) != NULL)))
		i++;
	return i < text.len && text.data[i] == '=' ? i : 0;
}

static bool parse_modifier(struct view text, size_t name_length, struct spf_record *record)
{
	struct view name = view_first(text, name_length), value = view_from(text, name_length + 1);
	struct view *known = view_is_nocase(name, "redirect") ? &record->redirect
			     : view_is_nocase(name, "exp")    ? &record->exp
							      : NULL;

	if (known == NULL)
		return spf_macro_is_text(value, false);
	if (known->data != NULL || !spf_macro_is_domain(value))
		return false;
	*known = value;
	return true;
}

int spf_record_parse(struct view text, struct spf_record *record, struct view *problem)
{
	struct view rest = view_from(text, strlen("v=spf1")), term;

	*record = (struct spf_record){ 0 };
	*problem = text;
	if (text.len > SPF_RECORD_MAX || !view_is_ascii(text) || view_has_control(text))
		return -EINVAL;
	while (view_next_word(&rest, " ", &term)) {
		size_t name = modifier_name(term);

		*problem = term;
		if (name > 0) {
			if (!parse_modifier(term, name, record))
				return -EINVAL;
			continue;
		}
		array_grow(record->terms, record->count);
		if (!parse_directive(term, &record->terms[record->count]))
			return -EINVAL;
		record->count++;
	}
	return 0;
}

void spf_record_free(struct spf_record *record)
{
	free(record->terms);
	*record = (struct spf_record){ 0 };
}
