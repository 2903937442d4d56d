/* Messages that scripts want sent: what is believed of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "local.h"

#define TEXT "Subject: x\r\n\r\n"

static int regular_file(void)
{
	char path[] = "/tmp/posta-mails-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, TEXT, strlen(TEXT)), strlen(TEXT));
	return fd;
}

static int take(struct msg_sieve_mail m)
{
	struct mails mails = { .items = NULL };
	int r = mails_take(&mails, &m);

	assert_int_equal(mails.count, r == 0);
	assert_int_equal(m.file, -1);
	mails_free(&mails);
	return r;
}

static void contents(void **unused)
{
	static const struct {
		const char *path; /* NULL: a file with TEXT in it */
		uint64_t offset, size;
		int r;
	} cases[] = {
		{ NULL, 0, sizeof(TEXT) - 1, 0 },    { NULL, 5, sizeof(TEXT) - 6, 0 },
		{ NULL, 0, sizeof(TEXT), -EBADMSG }, { NULL, 5, sizeof(TEXT) - 1, -EBADMSG },
		{ NULL, UINT64_MAX, 2, -EBADMSG },   { "/dev/zero", 0, 100, -EBADMSG },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(
			take((struct msg_sieve_mail){
				.kind = SIEVE_MAIL_ANSWER,
				.recipient = VIEW("a@b.test"),
				.content_offset = cases[i].offset,
				.content_size = cases[i].size,
				.file = cases[i].path != NULL ? open(cases[i].path, O_RDONLY)
							      : regular_file() }),
			cases[i].r);
}

static void others(void **unused)
{
	static const struct {
		uint8_t kind;
		const char *recipient, *content;
		int r;
	} cases[] = {
		{ SIEVE_MAIL_REDIRECT, "a@b.test", "", 0 },
		{ SIEVE_MAIL_REDIRECT, "a@b.test", TEXT, 0 },
		{ SIEVE_MAIL_ANSWER, "a@b.test", "", -EBADMSG },
		{ SIEVE_MAIL_KINDS, "a@b.test", TEXT, -EBADMSG },
		{ SIEVE_MAIL_REDIRECT, "", "", -EBADMSG },
		{ SIEVE_MAIL_REDIRECT, "a", "", -EBADMSG },
		{ SIEVE_MAIL_REDIRECT, "a@b.test\nb@b.test", "", -EBADMSG },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(
			take((struct msg_sieve_mail){ .kind = cases[i].kind,
						      .recipient = view_of(cases[i].recipient),
						      .content = view_of(cases[i].content),
						      .content_size = strlen(cases[i].content),
						      .file = -1 }),
			cases[i].r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contents),
		cmocka_unit_test(others),
	};

	return cmocka_run_group_tests_name("local_mails", tests, NULL, NULL);
}
