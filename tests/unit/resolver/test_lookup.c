/*
 * With dnssec_validation = auto: which answers are validated, after a proof that failed, one that
 * came to nothing, and one that succeeded. libunbound is played by this file, and so is the clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "lookup.h"
#include "settings.h"
#include "task/task.h"

/* ---- libunbound and the clock ---- */

enum proof { PROOF_GOOD, PROOF_FORGED, PROOF_UNSIGNED };

static struct {
	struct ub_ctx *const validating, *const plain;
	enum proof proof; /* what the root's keys are said to be */
	unsigned proofs;  /* asked for */
	struct ub_ctx *asked;
	int pipe[2];
	msec_t ahead;
} world = { .validating = (void *)&world.asked, .plain = (void *)&world.proof };

msec_t __real_clock_now(void);
msec_t __wrap_clock_now(void);
msec_t __wrap_clock_now(void)
{
	return __real_clock_now() + world.ahead;
}

msec_t __wrap_clock_after(msec_t duration);
msec_t __wrap_clock_after(msec_t duration)
{
	return duration == MSEC_FOREVER ? MSEC_FOREVER : __wrap_clock_now() + duration;
}

struct ub_ctx *settings_context(bool validate, struct error *err)
{
	(void)err;
	return validate ? world.validating : world.plain;
}

int ub_fd(struct ub_ctx *context)
{
	return world.pipe[context == world.plain];
}

int ub_process(struct ub_ctx *context)
{
	(void)context;
	return 0;
}

int ub_resolve_async(struct ub_ctx *context, const char *name, int type, int class, void *data,
		     ub_callback_type callback, int *id)
{
	struct ub_result *result = mem_new(struct ub_result);

	(void)type;
	(void)class;
	*id = 1;
	if (strcmp(name, ".") == 0) {
		assert_ptr_equal(context, world.validating);
		world.proofs++;
		result->secure = world.proof == PROOF_GOOD;
		result->bogus = world.proof == PROOF_FORGED;
	} else {
		world.asked = context;
	}
	callback(data, 0, result);
	return 0;
}

int ub_cancel(struct ub_ctx *context, int id)
{
	(void)context;
	(void)id;
	return 0;
}

void ub_resolve_free(struct ub_result *result)
{
	free(result);
}

const char *ub_strerror(int number)
{
	(void)number;
	return "a made up error";
}

/* ---- tests ---- */

/* Whom a question goes to after so much more time; how often a proof has been asked for till then. */
static void ask(msec_t later, const struct ub_ctx *expected, unsigned proofs)
{
	struct lookup lookup;

	world.ahead += later;
	world.asked = NULL;
	lookup_ask("example.test", 1, &lookup);
	assert_non_null(lookup.result);
	lookup_free(&lookup);
	assert_ptr_equal(world.asked, expected);
	assert_int_equal(world.proofs, proofs);
}

static void auto_is_not_decided_by_one_answer(void *unused)
{
	struct error err = ERROR_NONE;

	(void)unused;
	assert_int_equal(pipe(world.pipe), 0);
	assert_int_equal(lookup_prepare(&err), 0);
	/* Nothing was heard either way: validated until there is. */
	world.proof = PROOF_UNSIGNED;
	ask(0, world.validating, 1);
	ask(1000, world.validating, 1);
	/* Whoever forges one answer gains two minutes. */
	world.proof = PROOF_FORGED;
	ask(60 * 1000, world.plain, 2);
	ask(60 * 1000, world.plain, 2);
	ask(120 * 1000, world.plain, 3);
	world.proof = PROOF_GOOD;
	ask(60 * 1000, world.plain, 3);
	ask(61 * 1000, world.validating, 4);
	/* That is settled: nobody unsettles it. */
	world.proof = PROOF_FORGED;
	ask((msec_t)3600 * 1000, world.validating, 4);
}

static void test_auto(void **state)
{
	(void)state;
	assert_int_equal(task_run(auto_is_not_decided_by_one_answer, NULL), 0);
}

static int set_up(void **state)
{
	struct str report = STR_EMPTY;
	char folder[] = "/tmp/posta-test-lookup-XXXXXX", path[64];
	int r;

	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/main.cf", folder);
	fclose(fopen(path, "w"));
	r = conf_load(folder, NULL, 0, &report);
	unlink(path);
	rmdir(folder);
	str_free(&report);
	return r;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_auto),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
