/* Scripts on messages, for tests: run twice, and what they did compared as text. */
#ifndef TEST_SIEVE_SCRIPT_H
#define TEST_SIEVE_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>

#include "sieve/sieve.h"

extern const char message_a[], message_b[]; /* those of RFC 5228 */
extern const char message_c[];		    /* coded words, fields twice, parts */

extern bool seen; /* whether the host has remembered anything before */

/* "keep", "fileinto Work [\\Seen]", "redirect a@b" with "; " between them. */
void describe(const struct sieve_result *result, struct str *out);
/* `require`: what the script begins with, or NULL; `expected` as above. */
void check(const char *require, const char *text, const char *content, const char *expected);
/* True: kept; false: discarded. */
void check_test(const char *require, const char *test, const char *content, bool holds);
/* The scripts that others have included. */
void included_free(void);

#endif
