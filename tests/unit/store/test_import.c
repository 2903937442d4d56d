/* Folders that are filled from another server: UIDs that are kept, names, notes. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/import.h"
#include "store/uidl.h"

#define MAIL "Subject: hello\r\n\r\nbody\r\n"

/* 0 or what append_finish says; the UID that it got in *uid. */
static int append_at(struct fixture *f, const char *folder, const char *unique, uint32_t wanted,
		     uint32_t *uid)
{
	struct append_meta meta = { .flags = FLAG_SEEN, .uid = wanted };
	struct append *append;
	uint32_t uidvalidity;

	assert_int_equal(append_begin(f->store, view_of(folder), APPEND_NOW, &append), 0);
	append_set_date(append, 1000000000);
	assert_int_equal(append_set_unique(append, view_of(unique)), 0);
	assert_int_equal(append_write(append, VIEW(MAIL)), 0);
	return append_finish(&append, &meta, 1, &uidvalidity, uid);
}

static void uids_are_kept(void **state)
{
	static const uint32_t uids[] = { 40, 7, 8 };
	struct fixture *f = *state;
	struct folder_status status;
	struct mailbox *box;
	uint32_t uid, first = 1;

	assert_int_equal(store_create(f->store, VIEW("Work"), 0, NULL), 0);
	/* Numbers that were used before say nothing any more. */
	fixture_deliver(f, "Work", MAIL);
	box = fixture_mailbox(f, "Work");
	assert_int_equal(mailbox_remove(box, &first, 1), 0);
	mailbox_close(box);
	fixture_settle(f);
	assert_int_equal(import_take_uids(f->store, VIEW("Work"), 4711, 50), 0);
	for (size_t i = 0; i < ARRAY_SIZE(uids); i++) {
		char name[32];

		snprintf(name, sizeof(name), "1.I%u.x", uids[i]);
		assert_int_equal(append_at(f, "Work", name, uids[i], &uid), 0);
		assert_int_equal(uid, uids[i]);
	}
	assert_int_equal(append_at(f, "Work", "1.again.x", 40, &uid), -EEXIST);
	/* What is delivered here does not get in between. */
	assert_int_equal(append_at(f, "Work", "1.mine.x", 0, &uid), 0);
	assert_int_equal(uid, 50);
	assert_int_equal(append_at(f, "Work", "1.other.x", 51, &uid), -EINVAL);
	assert_int_equal(import_take_uids(f->store, VIEW("Work"), 4712, 60), -ENOTEMPTY);
	assert_int_equal(import_take_more_uids(f->store, VIEW("Work"), 50, 60), -EEXIST);
	assert_int_equal(import_take_more_uids(f->store, VIEW("Work"), 51, 60), 0);
	fixture_settle(f);
	fixture_verify(f);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(store_status(f->store, VIEW("Work"), &status), 0);
		assert_int_equal(status.uidvalidity, 4711);
		assert_int_equal(status.messages, 4);
		assert_int_equal(status.recent, 0);
		box = fixture_mailbox(f, "Work");
		assert_int_equal(mailbox_uid(box, 1), 7);
		assert_int_equal(mailbox_uid(box, 2), 8);
		assert_int_equal(mailbox_uid(box, 3), 40);
		assert_int_equal(mailbox_uid(box, 4), 50);
		assert_true(mailbox_uidnext(box) >= 60);
		/* Whoever knew the UIDs of before hears nothing wrong about these. */
		assert_true(mailbox_modseq_floor(box) > 0);
		mailbox_close(box);
		fixture_lose_index(f);
		fixture_reopen(f);
	}
	/* New folders have greater ones. */
	assert_int_equal(import_take_uids(f->store, VIEW("INBOX"), 4000000000, 5), 0);
	assert_int_equal(store_create(f->store, VIEW("Next"), 0, NULL), 0);
	assert_int_equal(store_status(f->store, VIEW("Next"), &status), 0);
	assert_true(status.uidvalidity > 4000000000);
	assert_int_equal(import_take_uids(f->store, VIEW("Next"), 5, IMPORT_UID_MAX + 1U), -ERANGE);
}

static void messages_are_known_again(void **state)
{
	char source[IMPORT_SOURCE_SIZE + 1], other[IMPORT_SOURCE_SIZE + 1];
	struct fixture *f = *state;
	struct str name = STR_EMPTY, uidl = STR_EMPTY, notes = STR_EMPTY;
	struct mailbox *box;
	uint32_t uid;

	import_source(source, VIEW("Host"), VIEW("alice"), VIEW("INBOX"), 7);
	import_source(other, VIEW("host"), VIEW("alice"), VIEW("INBOX"), 7);
	assert_string_equal(source, other);
	import_source(other, VIEW("host"), VIEW("alice"), VIEW("INBOX"), 8);
	assert_string_not_equal(source, other);
	import_unique(&name, source, 1000000000, 4294967295U);
	assert_int_equal(append_at(f, "INBOX", str_cstr(&name), 0, &uid), 0);
	fixture_settle(f);
	str_printf(&notes, "%s one-uidl\n", str_cstr(&name));
	assert_int_equal(import_uidls_add(f->store, VIEW("INBOX"), VIEW("1.x.y other\nnonsense\n")),
			 0);
	assert_int_equal(import_uidls_add(f->store, VIEW("INBOX"), str_view(&notes)), 0);
	box = fixture_mailbox(f, "INBOX");
	str_clear(&name);
	assert_int_equal(mailbox_file_name(box, 1, &name), 0);
	assert_int_equal(import_uid_of(str_view(&name), source), 4294967295U);
	assert_int_equal(import_uid_of(str_view(&name), other), 0);
	assert_int_equal(import_uid_of(VIEW("1000000000.I"), source), 0);
	assert_int_equal(import_uid_of(VIEW("nothing"), source), 0);
	assert_int_equal(mailbox_saved_uidl(box, 1, &uidl), 0);
	assert_string_equal(str_cstr(&uidl), "one-uidl");
	mailbox_close(box);
	str_clear(&notes);
	assert_int_equal(import_notes_read(f->store, VIEW("INBOX"), &notes), -ENOENT);
	assert_int_equal(import_notes_write(f->store, VIEW("INBOX"), VIEW("a\nb\n")), 0);
	assert_int_equal(import_notes_read(f->store, VIEW("INBOX"), &notes), 0);
	assert_string_equal(str_cstr(&notes), "a\nb\n");
	str_free(&notes);
	str_free(&name);
	str_free(&uidl);
}

static int field(void *argument, char letter, unsigned long *number, struct str *out)
{
	(void)argument;
	if (letter == 'f')
		str_append_cstr(out, "a b\x80");
	*number = letter == 'u' ? 42 : 1275660208;
	return letter == 'f'			? 1
	       : letter == 'u' || letter == 'v' ? 0
	       : letter == 'e'			? -EIO
						: -EINVAL;
}

static void uidls_have_a_format(void **state)
{
	static const char *const rows[][2] = {
		{ "%08Xu%08Xv", "0000002a4c0907b0" },
		{ "UID%u-%v", "UID42-1275660208" },
		{ "%v.%u", "1275660208.42" },
		{ "%f", "a_b_" },
		{ "%z%", "z" },
		{ "%04u", "0042" },
		{ "%99999999999u", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str out = STR_EMPTY;

		assert_int_equal(uidl_format(&out, rows[i][0], field, NULL), 0);
		if (rows[i][1] != NULL)
			assert_string_equal(str_cstr(&out), rows[i][1]);
		assert_true(out.len < 100);
		str_free(&out);
	}

	struct str out = STR_EMPTY;

	assert_int_equal(uidl_format(&out, "%e", field, NULL), -EIO);
	assert_int_equal(uidl_format_check("%08Xu", "uv"), 0);
	assert_int_equal(uidl_format_check("%v", "uv"), -EINVAL);
	assert_int_equal(uidl_format_check("%g", "uv"), -EINVAL);
	assert_int_equal(uidl_format_check("%u%", "uv"), -EINVAL);
	str_free(&out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(uids_are_kept, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(messages_are_known_again, fixture_setup,
						fixture_teardown),
		cmocka_unit_test(uidls_have_a_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
