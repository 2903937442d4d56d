/* One folder on its way here, as imap_folder.c, imap_import.c and imap_batch.c share it. */
#ifndef TOOLS_IMAP_FOLDER_H
#define TOOLS_IMAP_FOLDER_H

#include "tools/imap_import.h"

#define BATCH_MESSAGES 100 /* in one transaction; each has a file open meanwhile */

/* What the notes say of one folder there: its line is "<folder> V1 K2 N3 M4". */
struct folder_notes {
	char key[IMPORT_SOURCE_SIZE + 1];
	uint32_t uidvalidity; /* there; 0: this is the first time */
	uint32_t kept;	      /* UIDs below are kept for those from there; 0: none are */
	uint32_t next;	      /* those below have come */
	uint64_t modseq;      /* flags are as of then; 0: nobody knows */
};

/* A message that came in an earlier run. */
struct known_message {
	uint32_t uid, seq; /* there; here, in the snapshot */
	bool seen;	   /* it is still there */
};

struct batch_message {
	struct append *append;
	uint32_t uid;
	unsigned flags;
	uint64_t keywords;
	int64_t date;
};

struct folder_import {
	struct imap_import *w;
	const struct remote_folder *folder;
	struct remote_mailbox box;
	struct folder_notes notes;
	char source[IMPORT_SOURCE_SIZE + 1];
	const char *uidl; /* format, "": none */
	struct mailbox *local;
	struct known_message *known;
	size_t known_count;
	struct append *current; /* comes just now */
	struct batch_message batch[BATCH_MESSAGES];
	size_t batch_count;
	uint32_t wanted[BATCH_MESSAGES];
	size_t wanted_count;
	unsigned unsettled; /* changes of flags since the last commit */
	struct imap_totals totals;
	bool keywords_full;
	msec_t told;
};

struct view folder_name_here(const struct folder_import *f);
/* Puts "<folder>: what: why" in words. Returns r. */
int folder_fail(struct folder_import *f, int r, const char *what);
void folder_say(const struct folder_import *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The line of this folder into *notes; all others into *others. */
int folder_notes_read(const struct folder_import *f, struct folder_notes *notes,
		      struct str *others);
/* Durable. */
int folder_notes_write(struct folder_import *f);
/* For an array of struct known_message: by their UIDs there. */
int folder_known_compare(const void *a, const void *b);
/* By its UID there; NULL: it has not come yet. */
struct known_message *folder_known_find(const struct folder_import *f, uint32_t uid);
/* The keywords' bits here; a folder that has as many as it can takes no more. */
uint64_t folder_keywords(struct folder_import *f, const struct str *names);

/* imap_batch.c: all that is new there. */
int folder_fetch(struct folder_import *f);
/* Forgets what has come and is not stored. */
void folder_drop_batch(struct folder_import *f);

#endif
