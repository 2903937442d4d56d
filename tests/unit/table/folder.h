/* A folder for a test's files, and writing them. */
#ifndef TESTS_TABLE_FOLDER_H
#define TESTS_TABLE_FOLDER_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

static char folder[64];

static inline int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/posta-test-table-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

/* Nothing but plain files is in there. */
static inline int remove_folder(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command) == 0 ? 0 : -1;
}

static inline const char *in_folder(const char *name)
{
	static char path[4][200];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder, name);
	return path[turn];
}

static inline void write_file(const char *name, const char *text)
{
	int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC, 0640);

	if (fd < 0 || io_write_all(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

#endif
