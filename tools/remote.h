/*
 * A mailbox at another IMAP server, as a client sees it. Who runs this has taken the local user's rights
 * before the first byte comes: nothing here is believed but as far as it is checked.
 *
 *	remote.c		connection, TLS, login, one command after the other
 *	remote_folders.c	which folders there are, what they are called here, subscriptions
 *	remote_messages.c	one folder: UIDs, flags, contents
 */
#ifndef TOOLS_REMOTE_H
#define TOOLS_REMOTE_H

#include <netdb.h>

#include "base/error.h"
#include "base/map.h"
#include "imap/response.h"
#include "store/store.h"
#include "tls/tls.h"

enum remote_tls { REMOTE_TLS, REMOTE_STARTTLS, REMOTE_PLAIN };

struct remote_options {
	const char *host, *port;
	enum remote_tls tls;
	bool insecure; /* whoever the certificate is of */
	const struct addrinfo *addresses;
	struct tls_context *context;
	const char *master, *master_password; /* NULL: each login has its own password */
};

/* Capabilities that make a difference here. */
enum {
	REMOTE_SASL_IR = 1,
	REMOTE_AUTH_PLAIN = 2,
	REMOTE_LOGIN_DISABLED = 4,
	REMOTE_CONDSTORE = 8,
	REMOTE_NAMESPACE = 16,
	REMOTE_SPECIAL_USE = 32,
	REMOTE_CAN_STARTTLS = 64,
	REMOTE_LIST_EXTENDED = 128,
};
enum remote_kind { REMOTE_OTHER, REMOTE_DOVECOT, REMOTE_COURIER, REMOTE_CYRUS };

struct remote {
	const struct remote_options *options;
	const char *login;
	struct stream *io;
	struct imap_response *in;
	unsigned capabilities;
	enum remote_kind kind; /* which software, as far as its greeting says */
	unsigned long tag;
	struct error *err;
};

#define REMOTE_ANSWERS_MAX 50000000UL /* to one command */

/*
 * Connects and logs in. 0, or a negative errno with a reason: -EACCES where the server does not want us, the
 * stream's errors where another attempt may do. remote_close in both cases.
 */
int remote_open(struct remote *remote, const struct remote_options *options, const char *login,
		const char *password, struct error *err);
void remote_close(struct remote *remote);

/* Sends a command; "%s" and so on as printf has them. */
int remote_send(struct remote *remote, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * Reads what comes until the command is done; `each` sees untagged answers, and may read of them what it likes.
 * 0: OK; 1: NO or BAD, with the text as the reason; negative: the connection is of no use any more.
 */
typedef int remote_each(struct remote *remote, const struct imap_answer *answer, void *argument);
int remote_receive(struct remote *remote, remote_each *each, void *argument);
/* Why the connection is of no use: puts it in words. Returns r. */
int remote_broken(struct remote *remote, int r);
/* A name in quotes, for a command. -EINVAL: it cannot be said. */
int remote_quote(struct str *out, struct view text);
/* May another attempt do what failed with that? */
bool remote_may_try_again(int r);

/* ---- remote_folders.c ---- */

#define REMOTE_FOLDERS_MAX STORE_FOLDERS_MAX
#define REMOTE_NAME_MAX	   1024

struct remote_folder {
	char *name;  /* there */
	char *local; /* here */
	unsigned special_use;
	bool subscribed;
};
struct remote_folders {
	struct remote_folder *items;
	size_t count;
	/* Names that were left out, a line each, with the reason. */
	struct str left_out;
};
int remote_list(struct remote *remote, struct remote_folders *folders);
void remote_folders_free(struct remote_folders *folders);
/* What a folder is called here: without the prefix, with '.' between the levels. -EINVAL: no name. */
int remote_local_name(struct view name, struct view prefix, char separator, struct str *local);

/* ---- remote_messages.c ---- */

struct remote_mailbox {
	uint32_t uidvalidity, uidnext, exists;
	uint64_t modseq; /* 0: it has none */
};
/* Opens it for reading only. */
int remote_examine(struct remote *remote, const char *name, struct remote_mailbox *box);

/* One message as a FETCH tells of it. */
struct remote_message {
	uint32_t uid;
	unsigned flags;
	struct str keywords; /* with a blank after each */
	bool has_flags;
	uint64_t size;
	int64_t date; /* APPEND_NOW: not told */
};
/* UIDs and sizes from `from` on, ascending. */
struct remote_message_size {
	uint32_t uid;
	uint64_t size;
};
#define REMOTE_MESSAGES_MAX 20000000U /* in a folder */
int remote_sizes(struct remote *remote, uint32_t from, struct remote_message_size **messages,
		 size_t *count);
/* Flags of the UIDs below `to`; with `since` (not 0) only those that have changed after it. */
typedef int remote_flags_each(void *argument, const struct remote_message *message);
int remote_flags(struct remote *remote, uint32_t to, uint64_t since, remote_flags_each *each,
		 void *argument);
/*
 * Contents of a set of UIDs. Of each message begin, piece ... and end are called, in this order; its UID may
 * be known at the end only. A negative errno of theirs ends everything and comes back.
 */
struct remote_taker {
	int (*begin)(void *argument);
	int (*piece)(void *argument, struct view bytes);
	int (*end)(void *argument, const struct remote_message *message);
	void *argument;
	uint64_t size_max;
};
int remote_contents(struct remote *remote, const char *set, const struct remote_taker *taker);

#endif
