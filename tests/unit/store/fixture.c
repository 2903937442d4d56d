#include "fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"

int fixture_setup(void **state)
{
	struct fixture *f = mem_new(struct fixture);
	struct error err = ERROR_NONE;

	/* In memory if possible: what is tested is what is written, not the disk. */
	snprintf(f->path, sizeof(f->path), "%s/posta-store-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(f->path));
	strcat(f->path, "/Maildir");
	if (store_open(f->path, &STORE_DEFAULTS, &f->store, &err) < 0)
		fail_msg("%s", err.text);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	store_close(f->store);
	*strrchr(f->path, '/') = '\0';
	snprintf(command, sizeof(command), "rm -rf %s", f->path);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

void fixture_reopen(struct fixture *f)
{
	struct error err = ERROR_NONE;

	store_close(f->store);
	f->store = NULL;
	if (store_open(f->path, &STORE_DEFAULTS, &f->store, &err) < 0)
		fail_msg("%s", err.text);
}

void fixture_lose_index(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
	assert_int_equal(store_drop_index(f->path, NULL), 0);
}

struct mailbox *fixture_mailbox(struct fixture *f, const char *name)
{
	struct mailbox *box = NULL;

	assert_int_equal(mailbox_open(f->store, view_of(name), MAILBOX_READ_WRITE, &box), 0);
	return box;
}

void fixture_deliver(struct fixture *f, const char *folder, const char *text)
{
	struct error err = ERROR_NONE;
	struct mail_source source = { .content = { -1, 0, strlen(text), text } };

	if (maildir_deliver(f->path, view_of(folder), true, &source, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

void fixture_deliver_many(struct fixture *f, const char *folder, unsigned count)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	/* Without the fsyncs of a real delivery. */
	for (unsigned i = 0; i < count; i++) {
		char text[64];

		str_clear(&path);
		if (strcmp(folder, "INBOX") != 0)
			str_printf(&path, ".%s/", folder);
		str_printf(&path, "new/1700000000.M%06uP1.host,S=%u,W=%u", i, 31U, 31U);
		snprintf(text, sizeof(text), "Subject: number %06u\r\n\r\nbody\r\n", i);
		text[31] = '\0';
		fixture_file(f, str_cstr(&path), text);
	}
}

void fixture_file(struct fixture *f, const char *path, const char *text)
{
	_cleanup_(str_free) struct str full = STR_EMPTY;

	str_printf(&full, "%s/%s", f->path, path);

	FILE *file = fopen(str_cstr(&full), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

unsigned fixture_count_files(struct fixture *f, const char *path)
{
	_cleanup_(str_free) struct str full = STR_EMPTY;
	struct dirent *entry;
	unsigned count = 0;

	str_printf(&full, "%s/%s", f->path, path);

	DIR *directory = opendir(str_cstr(&full));

	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

void fixture_only_file(struct fixture *f, const char *path, struct str *name)
{
	_cleanup_(str_free) struct str full = STR_EMPTY;
	struct dirent *entry;

	str_printf(&full, "%s/%s", f->path, path);

	DIR *directory = opendir(str_cstr(&full));

	assert_non_null(directory);
	str_clear(name);
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		assert_int_equal(name->len, 0);
		str_append_cstr(name, entry->d_name);
	}
	closedir(directory);
	assert_true(name->len > 0);
}

void fixture_settle(struct fixture *f)
{
	int r;

	do
		r = store_settle(f->store, STORE_SETTLE_BATCH);
	while (r > 0);
	assert_int_equal(r, 0);
}

static void print_line(void *argument, const char *text)
{
	(void)argument;
	print_error("%s\n", text);
}

void fixture_verify(struct fixture *f)
{
	assert_int_equal(store_verify(f->store, print_line, NULL), 0);
}

uint32_t *fixture_seqs(uint32_t count)
{
	uint32_t *seqs = mem_new_array(uint32_t, count + 1);

	for (uint32_t i = 0; i < count; i++)
		seqs[i] = i + 1;
	return seqs;
}

void fixture_content(struct mailbox *box, uint32_t seq, struct str *out)
{
	uint64_t size;
	int fd;

	assert_int_equal(mailbox_content(box, seq, &fd, &size), 0);
	str_clear(out);
	assert_int_equal(io_pread_all(fd, str_reserve(out, size), size, 0), 0);
	str_grow(out, size);
	close(fd);
}
