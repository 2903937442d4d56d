/* The file with the passwords of all users: what of it stays in memory that every user's process has. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tools/imap_import.h"
#include "tools/tool.h"

#define USERS  500
#define SECRET "the-secret-of-"

/* What realloc moves it frees as it is. */
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

static size_t left;

void *__wrap_realloc(void *old, size_t size)
{
	left += old != NULL && memmem(old, malloc_usable_size(old), SECRET, strlen(SECRET)) != NULL;
	return __real_realloc(old, size);
}

/* Nobody's mail is fetched here. */
int imap_import_user(const struct imap_import_options *options, const char *login,
		     const char *password, const char *name, const char *maildir)
{
	(void)options, (void)login, (void)password, (void)name, (void)maildir;
	return TOOL_NO;
}

int tool_fail(const char *verb, const char *format, ...)
{
	(void)verb, (void)format;
	return TOOL_NO;
}

static void passwords_are_read_without_copies(void **state)
{
	char path[] = "/tmp/posta-users-XXXXXX";
	struct imap_account *accounts;
	struct error err = ERROR_NONE;
	size_t count;
	FILE *file;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	assert_non_null(file);
	for (int i = 0; i < USERS; i++)
		fprintf(file, "login%d " SECRET "%d local%d\n", i, i, i);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(imap_accounts_read(path, true, &accounts, &count, &err), 0);
	assert_int_equal(count, USERS);
	assert_string_equal(accounts[0].password, SECRET "0");
	assert_string_equal(accounts[USERS - 1].password, SECRET "499");
	assert_string_equal(accounts[USERS - 1].local, "local499");
	assert_int_equal(left, 0);
	imap_accounts_free(accounts, count);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passwords_are_read_without_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
