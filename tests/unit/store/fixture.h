/* What the tests of lib/store share: a Maildir in a folder that goes away. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "store/deliver.h"
#include "store/store.h"

struct fixture {
	char path[64]; /* of the Maildir */
	struct store *store;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Opens it again, as another process would find it. */
void fixture_reopen(struct fixture *f);
/* Closes the store and deletes the index. */
void fixture_lose_index(struct fixture *f);
struct mailbox *fixture_mailbox(struct fixture *f, const char *name);
void fixture_deliver(struct fixture *f, const char *folder, const char *text);
void fixture_deliver_many(struct fixture *f, const char *folder, unsigned count);
/* Puts a file into the Maildir as another program would. */
void fixture_file(struct fixture *f, const char *path, const char *text);
unsigned fixture_count_files(struct fixture *f, const char *path);
/* The name of the only file there. */
void fixture_only_file(struct fixture *f, const char *path, struct str *name);
void fixture_settle(struct fixture *f);
/* No difference between index and files. */
void fixture_verify(struct fixture *f);
/* 1 .. count */
uint32_t *fixture_seqs(uint32_t count);
void fixture_content(struct mailbox *box, uint32_t seq, struct str *out);

#endif
