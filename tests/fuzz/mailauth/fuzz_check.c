/* A message by all methods; after a NUL the record that every TXT question gets. */
#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"
#include "mailauth/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_world {
	struct view record;
	unsigned asked;
};

static void fuzz_world_ask(void *context, struct view name, enum record_type type,
			   struct records *records)
{
	struct fuzz_world *world = context;

	if (type != RECORD_PTR && !record_name_is_possible(name))
		abort();
	world->asked++;
	records->outcome = RECORDS_FOUND;
	if (type == RECORD_TXT)
		records_add(records, world->record);
	else if (type == RECORD_A)
		records_add(records, VIEW("192.0.2.7"));
	else
		records_add(records, VIEW("host.example.org"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view text = view_make(data, size), header;
	size_t nul = view_find_last_byte(text, '\0');
	struct view message = view_first(text, nul != VIEW_NOT_FOUND ? nul : size);
	struct fuzz_world world = { .record = view_from(text, message.len + 1) };
	struct dns_source dns = { fuzz_world_ask, &world };
	size_t end = header_find_end(message, 0);
	struct mail_question question = {
		.ip = VIEW("192.0.2.7"),
		.helo = VIEW("host.example.org"),
		.sender = view_first(message, MIN(message.len, 20u)),
		.receiver = VIEW("mx.example.org"),
		.dns = &dns,
	};
	_cleanup_(str_free) struct str line = STR_EMPTY, steps = STR_EMPTY, received = STR_EMPTY;
	struct mail_check *check;
	struct authres results;

	header = view_first(message, end != VIEW_NOT_FOUND ? end : message.len);
	check = mail_check_new(&question, header);
	mail_check_feed(check, view_from(message, header.len));
	mail_check_finish(check);
	if (world.asked > MAIL_CHECK_QUESTIONS)
		abort();
	authres_begin(&results, VIEW("mx.example.org"));
	mail_check_report(check, MAIL_CHECK_ALL, &results);
	authres_end(&results);
	authres_append_line(&results, &line);
	mail_check_steps(check, MAIL_CHECK_ALL, &steps);
	mail_check_received_spf(check, &received);
	if (view_has_control(str_view(&line)) ||
	    !authres_is_ours(str_view(&results.text), VIEW("mx.example.org")))
		abort();
	/* One field, and nothing else. */
	text = str_view(&received);
	struct header_field field;

	if (header_next(&text, &field) <= 0 || text.len != 0)
		abort();
	authres_free(&results);
	mail_check_free(check);
	return 0;
}
