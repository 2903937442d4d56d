/*
 * posta, the administrator's tool: what its verbs share.
 *
 * A verb is a file verb_<name>.c with
 *
 *	int verb_<name>(int argc, char **argv);
 *
 * and a line in verbs.def. It is called with argv[0] = its name, or the name of the link it was
 * reached by ("postmap"), and the arguments behind; getopt_long() works on them. It returns one
 * of the statuses below. The instance is the one in tool_directory().
 */
#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include "conf/conf.h"

enum tool_status {
	TOOL_DONE = 0,
	TOOL_NO = 1,	 /* the answer is no: not found, check failed */
	TOOL_USAGE = 2,	 /* wrong usage */
	TOOL_LATER = 75, /* try again later */
};

#define VERB(name, help) int verb_##name(int argc, char **argv);
#define LINK(name, verb)
#include "tools/verbs.def"
#undef VERB
#undef LINK

/* Folder of main.cf: -c, else $MAIL_CONFIG, else /etc/posta. */
const char *tool_directory(void);
/* For the links, whose -c stands among their own options. */
void tool_set_directory(const char *directory);

/*
 * Reads main.cf of the instance; the errors go to standard error. False if there were any:
 * the verb then ends with TOOL_NO.
 */
bool tool_load(const struct conf_override *overrides, size_t count);

/* Whether --help stands after the verb or the word after it: then prints it. */
bool tool_help(int argc, char **argv, const char *text);
/* "posta map: <what>" and where to find help. Returns TOOL_USAGE. */
int tool_usage(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "posta map: <what>". Returns TOOL_NO. */
int tool_fail(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
