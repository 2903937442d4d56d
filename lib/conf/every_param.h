/*
 * Every line of params.def in one form, for what makes something of each parameter. Included
 * after the definition of
 *
 *	PARAM(type, member, name, value, help, words, min, max, unit)	in force
 *	PARAM_KNOWN(type, name, value, words, readers)			not in force yet
 *	PARAM_GROUP(heading, readers)
 *
 * all of which it takes back. It may be included more than once.
 */
#define PARAM_STR(name, value, help)  PARAM(STR, const char *, name, value, help, NULL, 0, 0, 0)
#define PARAM_RAW(name, value, help)  PARAM(RAW, const char *, name, value, help, NULL, 0, 0, 0)
#define PARAM_BOOL(name, value, help) PARAM(BOOL, bool, name, value, help, NULL, 0, 0, 0)
#define PARAM_INT(name, value, min, max, help)                                                     \
	PARAM(INT, int64_t, name, value, help, NULL, min, max, 0)
#define PARAM_TIME(name, value, unit, help) PARAM(TIME, msec_t, name, value, help, NULL, 0, 0, unit)
#define PARAM_ENUM(name, value, words, help)                                                       \
	PARAM(ENUM, const char *, name, value, help, words, 0, 0, 0)
#define PARAM_LIST(name, value, words, help)                                                       \
	PARAM(LIST, const char *, name, value, help, words, 0, 0, 0)
#define PARAM_TABLES(name, value, help)                                                            \
	PARAM(TABLES, const char *, name, value, help, NULL, 0, 0, 0)
/* In force, but what its name begins with is no name of C: conf_get has it. */
#define PARAM_NAMED(name, value, help) PARAM_KNOWN(NAMED, name, value, NULL, help)
#define PARAM_LATER(name, value)       PARAM_KNOWN(LATER, name, value, NULL, NULL)
#define PARAM_NEEDLESS(name, value)    PARAM_KNOWN(NEEDLESS, name, value, NULL, NULL)
#define PARAM_GUARD(name, value, readers, harmless)                                                \
	PARAM_KNOWN(GUARD, name, value, harmless, readers)

#include "conf/params.def"

#undef PARAM
#undef PARAM_KNOWN
#undef PARAM_GROUP
#undef PARAM_STR
#undef PARAM_RAW
#undef PARAM_BOOL
#undef PARAM_INT
#undef PARAM_TIME
#undef PARAM_ENUM
#undef PARAM_LIST
#undef PARAM_TABLES
#undef PARAM_NAMED
#undef PARAM_LATER
#undef PARAM_NEEDLESS
#undef PARAM_GUARD
