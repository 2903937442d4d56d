/*
 * File names of messages: <unique>[,S=<bytes>][,W=<CRLF bytes>][,U=<uid>][:2,<flags>], and the paths
 * of folders. Of lib/store only.
 */
#ifndef STORE_NAMES_H
#define STORE_NAMES_H

#include "store/store.h"

#define FILE_NAME_MAX 255
/* What may be in front of ",U=4294967295:2,DFPRSTabcdefghijklmnopqrstuvwxyz". */
#define FILE_BASE_MAX (FILE_NAME_MAX - 13 - 3 - 6 - 26)
#define SIZE_UNKNOWN  UINT64_MAX
#define LETTERS	      26 /* keywords that have a letter in names */

struct file_name {
	struct view base; /* without ",U=" and without flags: stays the same for a message's life */
	struct view unique;	  /* up to the first comma: the same for all copies */
	uint64_t size, wire_size; /* SIZE_UNKNOWN: not in the name */
	uint64_t packed;  /* bytes of the file, if it is packed (store/pack.h); else SIZE_UNKNOWN */
	uint32_t uid;	  /* 0: none */
	unsigned flags;	  /* FLAG_... */
	uint32_t letters; /* bit 0: 'a' ... */
	bool has_info;	  /* there is a ":2," */
};
/* False for what is no message: hidden files, empty or too long names. Never fails on strange parts. */
bool file_name_parse(struct view text, struct file_name *name);
/* Is the name that of a file of so many bytes: what we gave it when all was written? */
bool file_name_is_of(const struct file_name *name, uint64_t disk_size);
/* What the name says of the size with CRLF, for a file of so many bytes; SIZE_UNKNOWN where it is not to be believed. */
uint64_t file_name_wire_size(const struct file_name *name, uint64_t disk_size);
/* ",S=...": size and size with CRLF of the content, and bytes of the file where it is packed (else 0). */
void file_name_add_sizes(struct str *name, uint64_t size, uint64_t wire_size, uint64_t packed);
/* base + uid (0: none) + flags. The keywords' first bits are the letters. */
void file_name_build(struct str *out, struct view base, uint32_t uid, unsigned flags,
		     uint64_t keywords);
/* A new unique name, as delivery makes it. */
void file_name_unique(struct str *out);
/* The same each time for what has this identity (mail_source). */
void file_name_identity(struct str *out, int64_t arrival, struct view identity);
/* The 128-bit id of a message: the same for all files with this unique part. */
void file_name_id(struct view unique, uint8_t id[16]);
/* Order of arrival by the numbers in the names, as far as they tell. */
int file_name_compare_arrival(struct view a, struct view b);

/* Appends the folder's directory below the Maildir path: "/m" or "/m/.A.B"; "" stands for "/". */
void folder_path_append(struct str *out, const char *maildir, struct view folder);

#endif
