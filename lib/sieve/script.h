/*
 * A script as its parser leaves it, and with what the check of it found out: commands and tests in
 * one form, a node. Of lib/sieve only.
 */
#ifndef SIEVE_SCRIPT_H
#define SIEVE_SCRIPT_H

#include "sieve/sieve.h"

#define SIEVE_DEPTH_MAX	     32	   /* blocks and tests within each other */
#define SIEVE_NODES_MAX	     20000 /* commands and tests */
#define SIEVE_ARGUMENTS_MAX  30	   /* of one command or test */
#define SIEVE_STRINGS_MAX    10000 /* of one list */
#define SIEVE_POSITIONAL_MAX 4

struct sieve_strings {
	struct str *items;
	size_t count;
};

struct sieve_argument {
	enum { ARGUMENT_TAG, ARGUMENT_NUMBER, ARGUMENT_STRINGS } kind;
	unsigned line, column;
	struct str tag;
	uint64_t number;
	struct sieve_strings strings;
};

enum sieve_comparator { COMPARE_CASEMAP, COMPARE_OCTET, COMPARE_NUMERIC };
enum sieve_match { MATCH_IS, MATCH_CONTAINS, MATCH_PATTERN, MATCH_COUNT, MATCH_VALUE, MATCH_REGEX };
enum sieve_relation {
	RELATION_EQ,
	RELATION_NE,
	RELATION_GT,
	RELATION_GE,
	RELATION_LT,
	RELATION_LE
};
enum sieve_part { PART_ALL, PART_LOCAL, PART_DOMAIN, PART_USER, PART_DETAIL };

struct sieve_operation;
struct sieve_node {
	struct str name; /* in small letters */
	unsigned line, column;
	struct sieve_argument *arguments;
	size_t argument_count;
	struct sieve_node *tests, *block; /* first of each */
	struct sieve_node *next;
	bool has_block;

	/* Of the check: */
	const struct sieve_operation *operation;
	const struct sieve_argument *positional[SIEVE_POSITIONAL_MAX];
	enum sieve_comparator comparator;
	enum sieve_match match;
	enum sieve_relation relation;
	enum sieve_part part;
};

struct sieve_script {
	struct sieve_node *commands;
	size_t node_count;
	uint64_t extensions; /* bits of enum sieve_extension that `require` names */
};

enum sieve_extension {
	EXTENSION_NONE,
	EXTENSION_FILEINTO,
	EXTENSION_REJECT,
	EXTENSION_EREJECT,
	EXTENSION_ENVELOPE,
	EXTENSION_ENCODED_CHARACTER,
	EXTENSION_COPY,
	EXTENSION_BODY,
	EXTENSION_ENVIRONMENT,
	EXTENSION_VARIABLES,
	EXTENSION_RELATIONAL,
	EXTENSION_NUMERIC,
	EXTENSION_IMAP4FLAGS,
	EXTENSION_SUBADDRESS,
	EXTENSION_DATE,
	EXTENSION_INDEX,
	EXTENSION_MAILBOX,
	EXTENSION_MAILBOXID,
	EXTENSION_SPECIAL_USE,
	EXTENSION_VACATION,
	EXTENSION_VACATION_SECONDS,
	EXTENSION_DUPLICATE,
	EXTENSION_EDITHEADER,
	EXTENSION_IHAVE,
	EXTENSION_INCLUDE,
	EXTENSION_REGEX,
	EXTENSION_SPAMTEST,
	EXTENSION_SPAMTESTPLUS,
	EXTENSION_VIRUSTEST,
	EXTENSION_ENOTIFY,
	EXTENSION_MIME,
	EXTENSION_FOREVERYPART,
	EXTENSION_EXTRACTTEXT,
};

/* ---- state.c ---- */

/* The tagged argument of that name, or NULL; *value: the argument after it. */
const struct sieve_argument *sieve_tag(const struct sieve_node *node, const char *name,
				       const struct sieve_argument **value);

/* ---- parser.c ---- */

/* -EINVAL with the problem. */
int sieve_parse(struct view text, struct sieve_script *script, struct sieve_problem *problem);
void sieve_nodes_free(struct sieve_node *node);

/* ---- check.c ---- */

/* Fills in what the nodes mean. -EINVAL with the problem. */
int sieve_check(struct sieve_script *script, struct sieve_problem *problem);
/* 0 and a problem at that place: always -EINVAL. */
int sieve_complain(struct sieve_problem *problem, unsigned line, unsigned column,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
