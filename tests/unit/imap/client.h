/* A client that talks to a session over a socket pair, in one process with it. */
#ifndef TESTS_IMAP_CLIENT_H
#define TESTS_IMAP_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "session.h"

struct imap_client {
	struct stream *io;
	struct str answer; /* to the last command, CRs left out */
	const char *maildir;
	bool bytewise; /* what is sent comes byte by byte */
};

/* Makes a Maildir, opens its store, runs `test` in a task, and cleans up. */
void client_run(void (*test)(struct imap_client *client));
/* Twice: what is sent comes whole, and byte by byte. */
void client_run_both(void (*test)(struct imap_client *client));
/* A second connection, as of another device. To be closed by client_disconnect. */
/* The rules of the user's quota (store/quota.h); set before client_run. */
extern const char *client_quota;
/* How often anvil would have been told that there is room again. */
extern unsigned client_room_told;

void client_connect(struct imap_client *client, const char *maildir);
void client_disconnect(struct imap_client *client);

/*
 * Sends and reads up to the tagged answer (or the end): of the last line's command, or of the first
 * line's if there are literals.
 */
const char *client_ask(struct imap_client *client, const char *command);
void client_send(struct imap_client *client, const char *text);
/* Reads lines (with their literals) up to one that begins with `start`. */
const char *client_read_until(struct imap_client *client, const char *start);
/* The answer is just that. */
void client_expect(struct imap_client *client, const char *command, const char *answer);
/* This is somewhere in the answer, or is not. */
void client_expect_has(struct imap_client *client, const char *command, const char *part);
void client_expect_lacks(struct imap_client *client, const char *command, const char *part);

/* APPEND of a text with LF line ends (sent as CRLF), `options` as in "(\Seen) ", into `folder`. */
void client_append(struct imap_client *client, const char *folder, const char *options,
		   const char *text);
/* As local delivers. */
void client_deliver(struct imap_client *client, const char *folder, const char *text);
/* Of all sessions. */
struct store *client_store(void);
/* As an administrator may at any time. */
void client_delete_index(struct imap_client *client);

#endif
