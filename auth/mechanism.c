/* Kinds of mechanisms, by their words. Knows none of the mechanisms themselves. */
#include "mechanism.h"

#include "base/mem.h"
#include "conf/conf.h"

static const struct {
	const char *name, *option;
	unsigned kind;
	bool wanted; /* the option asks for it; else the option is against it */
} kinds_known[] = {
	{ "plaintext", "noplaintext", MECHANISM_PLAINTEXT, false },
	{ "active", "noactive", MECHANISM_ACTIVE, false },
	{ "dictionary", "nodictionary", MECHANISM_DICTIONARY, false },
	{ "anonymous", "noanonymous", MECHANISM_ANONYMOUS, false },
	{ "mutual-auth", "mutual_auth", MECHANISM_MUTUAL, true },
	{ "forward-secrecy", "forward_secrecy", MECHANISM_FORWARD_SECRECY, true },
	{ "private", "", MECHANISM_PRIVATE, false },
};

bool mechanism_is_name(struct view name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.data[i]) && name.data[i] != '-' && name.data[i] != '_')
			return false;
	return name.len > 0 && name.len <= MECHANISM_NAME_MAX;
}

bool mechanism_is_enabled(const char *name)
{
	struct view rest = view_of(param.auth_mechanisms), word;

	while (conf_next_element(&rest, &word))
		if (view_is_nocase(word, name))
			return true;
	return false;
}

unsigned mechanism_kind_of(struct view word)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds_known); i++)
		if (view_is(word, kinds_known[i].name))
			return kinds_known[i].kind;
	return 0;
}

static bool mechanism_passes(unsigned kinds, struct view word)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds_known); i++)
		if (view_is_nocase(word, kinds_known[i].option))
			return !!(kinds & kinds_known[i].kind) == kinds_known[i].wanted;
	return false;
}

bool mechanism_suits(unsigned kinds, struct view refused)
{
	struct view word;

	while (conf_next_element(&refused, &word))
		if (!mechanism_passes(kinds, word))
			return false;
	return true;
}
