/* What milters do to a header of very many fields, which must not keep everybody else waiting. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "intake.h"
#include "milters.h"

static int change_all(size_t fields, size_t changes)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;
	struct intake *in = mem_new(struct intake);
	struct judged j = { .fields = NULL };
	struct edits edits = { .count = 0 };
	int r;

	for (size_t i = 0; i < fields; i++)
		str_append(&header, VIEW("A: x\r\n"));
	judged_parse(&j, str_view(&header), 0, 0);
	assert_int_equal(j.count, fields);
	for (size_t i = 0; i < changes; i++) {
		const struct msg_milter_edit change = { .edit = MILTER_EDIT_CHANGE_HEADER,
							.index = 1,
							.name = VIEW("B") };

		/* What filter may send is bounded in bytes as well; here only by number. */
		array_grow(edits.items, edits.count);
		edits.items[edits.count] = (struct edit){ .kind = change.edit, .index = 1 };
		str_append(&edits.items[edits.count++].name, change.name);
	}
	r = edits_apply(in, &j, &edits);
	if (r < 0)
		assert_int_equal(in->fail_code, 451);
	edits_free(&edits);
	judged_free(&j);
	str_free(&in->fail_text);
	free(in);
	return r;
}

static void work_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(change_all(200, 10000), 0);
	assert_int_equal(change_all(50000, 10000), -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
