/*
 * smtpd's surroundings for tests: cleanup, auth, the resolver and anvil as functions, a session at
 * one end of a socket pair and a client at the other. Everything runs in one loop of tasks.
 */
#ifndef TESTS_SMTPD_FAKES_H
#define TESTS_SMTPD_FAKES_H

#include "base/str.h"
#include "ipc/ipc.h"
#include "task/stream.h"

struct fake_message {
	struct str sender, recipients, content, login, protocol; /* recipients: "a@b c@d " */
	struct str filter, client, origin; /* "name[address]", and its helo and protocol */
	uint8_t flags;
	bool for_stranger; /* an address at other.test, which is not ours, is among them */
};

struct fakes {
	/* What is to go wrong. */
	bool no_cleanup;      /* nobody listens */
	bool dies_at_data;    /* cleanup is gone when content comes */
	bool dies_at_end;     /* ... when it should say what became of it */
	bool refuses_end;     /* cleanup refuses the message at its end */
	uint32_t connections; /* what anvil counts */
	uint32_t rate;
	const char *full; /* the address of a mailbox that is */
	int sender_state; /* ANVIL_SENDER_... of whoever has logged in */

	/* LMTP: what the queue manager says, and whether it then is gone. */
	const struct msg_awaited *awaited;
	size_t awaited_count, awaited_next;
	bool await_breaks, await_ended;

	/* What came of it. */
	struct fake_message last;
	size_t begun, committed, aborted; /* submissions */
	size_t notices;			  /* that a login is stopped */
	uint32_t sent_messages, sent_recipients;
};
extern struct fakes fakes;

/* Loads a main.cf made of a small world and `settings`, opens the server's tables. */
void fakes_open(const char *settings);
void fakes_close(void);
void fakes_forget(void);

/* Runs `client` as a task against a session; returns when both have ended. */
void fakes_converse(void (*client)(struct stream *io, void *argument), void *argument);
/*
 * A client that sends the pieces in turn, waits for a whole reply to each ("+" in front: for none,
 * "4:" in front: for four), and collects the replies' text in *transcript.
 */
void fakes_script(const char *const *pieces, struct str *transcript);
/* One whole reply, appended; its code, or -1 at the end. */
int fakes_read_reply(struct stream *io, struct str *text);

#endif
