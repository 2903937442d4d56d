/* posta: finds the verb, by its name or by the name that the command was called by. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "tools/tool.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
#define VERB(name, help) { #name, verb_##name, help },
#define LINK(name, verb)
#include "tools/verbs.def"
#undef VERB
#undef LINK
};

static const struct verb links[] = {
#define VERB(name, help)
#define LINK(name, verb) { #name, verb_##verb, NULL },
#include "tools/verbs.def"
#undef VERB
#undef LINK
};

static const struct verb *verb_find_named(const struct verb *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

static void print_help(void)
{
	printf("posta: the administrator's tool of the Posta mail suite\n\n"
	       "usage: posta [-c CONFDIR] VERB [ARGUMENT...]\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-10s %s\n", verbs[i].name, verbs[i].help);
	printf("\nposta VERB --help tells more. CONFDIR is the folder of main.cf: without -c that\n"
	       "in the environment's MAIL_CONFIG, or /etc/posta. Exit status: 0 done, 1 the "
	       "answer\n"
	       "is no, 2 wrong usage, 75 try again later.\n");
}

/* The options before the verb. Returns where the verb is, or a negative status, or 0: done. */
static int global_options(int argc, char **argv)
{
	int at = 1;

	while (at < argc && argv[at][0] == '-') {
		if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
			print_help();
			return 0;
		}
		if (strcmp(argv[at], "--version") == 0) {
			printf("posta %s\n", POSTA_VERSION);
			return 0;
		}
		if (strcmp(argv[at], "-c") != 0 || at + 1 >= argc) {
			fprintf(stderr,
				"posta: expected -c CONFDIR or a verb, not %s (posta --help)\n",
				argv[at]);
			return -TOOL_USAGE;
		}
		tool_set_directory(argv[at + 1]);
		at += 2;
	}
	if (at == argc) {
		fprintf(stderr, "posta: which verb? (posta --help)\n");
		return -TOOL_USAGE;
	}
	return at;
}

int main(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "posta";
	const struct verb *verb = verb_find_named(links, ARRAY_SIZE(links), name);
	char *called = (char *)(uintptr_t)name;
	int at;

	log_open(name, 2, LOG_SINK_FILE, false);
	/* posta-deliver is the verb deliver. */
	if (verb == NULL && strncmp(name, "posta-", strlen("posta-")) == 0)
		verb = verb_find_named(verbs, ARRAY_SIZE(verbs), name + strlen("posta-"));
	if (verb != NULL) {
		argv[0] = called;
		return verb->run(argc, argv);
	}
	at = global_options(argc, argv);
	if (at <= 0)
		return -at;
	verb = verb_find_named(verbs, ARRAY_SIZE(verbs), argv[at]);
	if (verb == NULL)
		verb = verb_find_named(links, ARRAY_SIZE(links), argv[at]);
	if (verb == NULL) {
		fprintf(stderr, "posta: no verb \"%s\" (posta --help)\n", argv[at]);
		return TOOL_USAGE;
	}
	return verb->run(argc - at, argv + at);
}
