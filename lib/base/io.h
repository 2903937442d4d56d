/*
 * Files, the careful way: whole reads and writes, and what makes them durable. All block; a task
 * calls them through task_blocking, or for small local files at start.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

/* A stream of the descriptor, which it takes, also when there is none: NULL with errno. */
FILE *io_stream(int fd, const char *mode);

/* All bytes, or a negative errno. */
int io_write_all(int fd, const void *data, size_t len);
int io_pwrite_all(int fd, const void *data, size_t len, off_t offset);
/* All of the parts, one after the other; they are used up. At most IOV_MAX of them. */
struct iovec;
int io_pwritev_all(int fd, struct iovec *parts, size_t count, off_t offset);
/* Exactly len bytes; -ENODATA at an earlier end of file. */
int io_pread_all(int fd, void *data, size_t len, off_t offset);
int io_preadv_all(int fd, struct iovec *parts, size_t count, off_t offset);
/* What is only read: `size` bytes at `offset` of a file, or, where they are in memory, at `bytes`. */
struct io_source {
	int file; /* -1: none */
	uint64_t offset, size;
	const char *bytes; /* NULL: in the file */
};
/* Exactly len bytes, `at` bytes from its begin; -ENODATA where there are fewer. */
int io_source_read(const struct io_source *source, void *data, size_t len, uint64_t at);
void io_source_close(struct io_source *source);
/* Appends a file's content to *out; -EFBIG beyond `limit` bytes. Regular files only. */
int io_read_file(const char *path, size_t limit, struct str *out, struct error *err);
/*
 * Puts a file in place so that after a crash it is the old one or the new one, whole: written
 * beside, fsynced, renamed, directory fsynced. It keeps the owner of the old one where it may.
 */
int io_replace_file(const char *path, struct view content, mode_t mode, struct error *err);
/* Renames a file, and never over one that is there: -EEXIST. Nothing of it is durable yet. */
int io_rename_new(const char *from, const char *to);
/* fsync of the directory `path` itself. */
int io_sync_directory(const char *path);
/* The folder that holds `path`: "." without a slash, "/" for what is there. Replaces *folder. */
void io_folder_of(const char *path, struct str *folder);
/* Where a symbolic link leads, as it stands in it. Replaces *target. 0 or a negative errno. */
int io_read_link(const char *path, struct str *target);
/* mkdir -p; what is made is durable, existing directories are left as they are. */
int io_make_directories(const char *path, mode_t mode, struct error *err);

#endif
