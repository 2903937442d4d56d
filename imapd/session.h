/*
 * One logged-in IMAP connection, in the process of its user. The task of the connection reads a
 * command, finds it in a table, and calls its handler, which pulls its own arguments
 * (imap/parser.h), acts on the store (store/store.h), and answers.
 *
 * Handlers return IMAP_DONE when they have answered, or a negative errno:
 *	-EBADMSG, -EMSGSIZE	a syntax error, not answered yet: the caller sends BAD
 *	others			of the stream: the connection is over
 * An error of the store is answered with imap_no_errno().
 */
#ifndef IMAPD_SESSION_H
#define IMAPD_SESSION_H

#include "imap/parser.h"
#include "session/session.h"
#include "store/store.h"
#include "task/task.h"

enum { IMAP_DONE, IMAP_LOGOUT };

#define IMAP_BAD_COMMANDS_MAX 20 /* one after the other, before the session is ended */

/* States of RFC 3501 section 3, as bits: where a command is allowed. */
enum { STATE_AUTHENTICATED = 1, STATE_SELECTED = 2, STATE_ANY = 3 };

#define IMAP_CONTEXTS_MAX 10 /* of one connection (context.h) */

/* What this connection has done itself since its last command began, which is not told to it as news. */
struct imap_own {
	struct str mailbox;   /* into which it has put messages */
	uint32_t first, last; /* their UIDs; 0: none */
	struct str names[2]; /* of folders that were made, deleted, renamed, subscribed to or not */
	struct str
		notes; /* annotations that were set: mailbox and entry, each between two ends of line */
};

/* What NOTIFY has made of what is told of the selected mailbox. */
struct imap_telling {
	bool nothing;  /* at all */
	bool no_flags; /* but what is new and what is gone */
	bool at_once;  /* also what is gone, between commands */
	bool uids;     /* beside sequence numbers, always */
};

/* At rest a session waits for its client, and may be put to sleep (hibernate.h). */
enum imap_rest { IMAP_BUSY, IMAP_SILENT /* between commands */, IMAP_IDLING };

struct imap_session {
	struct stream *io;
	struct imap_parser *parser;
	const struct session_client *client;
	struct store *store;
	struct mailbox *mailbox;	/* NULL: none is selected */
	struct opened_message *message; /* read last, kept open for the next piece (fetch.h) */
	bool uid;			/* the present command has the prefix UID */
	bool expunge_allowed;		/* at the end of the present command (RFC 3501 7.4.1) */
	const char *capabilities;	/* after login, as CAPABILITY tells them */
	unsigned bad_commands;
	bool condstore, qresync; /* RFC 7162: enabled by the client */
	bool utf8;		 /* RFC 6855: names are UTF-8 */
	bool rev2;		 /* RFC 9051 */
	bool uidonly;		 /* RFC 9586: no sequence numbers */
	struct {
		uint32_t *uids; /* ascending */
		size_t count;
	} saved;					    /* "$" (RFC 5182) */
	struct search_context *contexts[IMAP_CONTEXTS_MAX]; /* of the selected mailbox (RFC 5267) */
	size_t context_count;
	const struct change_hooks *hooks;
	struct imap_own own;
	struct notify
		*notify; /* what else is to be told (RFC 5465); NULL: never asked for (notify.h) */
	struct imap_telling telling; /* what of the selected mailbox */
	uint32_t
		told_uidnext; /* messages of it from here on are new to the client; 0: all are known */
	bool removes;	      /* the present command takes messages out of it */
	struct list link;     /* among all connections of this process */
	struct waitlist new_mail; /* IDLE waits here too */
	bool mail_came;
	enum imap_rest rest;
	msec_t rest_since, heard; /* the client's last word */
	msec_t quiet;		  /* when it came back from sleep: silent for so long */
	bool gives_way;		  /* ended for a connection that is newer */
	struct str slept;	  /* what it left when it went to sleep, until that is needed */
	struct {
		uint64_t in, out;
	} before;	  /* bytes that went through other processes */
	msec_t settle_at; /* when files are to follow the index at the latest; 0: nothing is owed */
};

/*
 * What more is told when the selected mailbox has changed: before the client hears what is gone, and after it has heard
 * all. 0, or the stream's error.
 */
struct change_hooks {
	int (*before)(struct imap_session *s, const struct mailbox_changes *changes);
	int (*after)(struct imap_session *s, const struct mailbox_changes *changes);
	/* In other mailboxes; while no command is in progress, and in IDLE. 1: to be asked again in a moment. */
	int (*elsewhere)(struct imap_session *s);
};

struct imap_command {
	const char *name;
	unsigned states;
	bool may_be_uid;
	bool expunge_allowed; /* EXPUNGE answers (RFC 3501 7.4.1) */
	bool changes;	      /* mailboxes: the user's other connections are woken */
	int (*handle)(struct imap_session *s);
	const char *capabilities; /* that it brings, with spaces between them; NULL: none */
};

/* session.c */
void imap_session_serve(struct stream *io, const struct session_client *client,
			struct store *store);

/* watch.c: all connections of this process; the caller takes s->link out again. */
void imap_sessions_join(struct imap_session *s);
extern struct list imap_sessions;
#define imap_sessions_each(s) list_for_each (&imap_sessions, struct imap_session, link, s)
/* Wakes those that idle, but this one (or NULL): something came, in any folder. */
void imap_sessions_wake(const struct imap_session *but);
/*
 * While a connection idles, the store is watched; to be added to before each look at it. False:
 * not all can be watched, as where the index is just missing.
 */
void imap_watch_begin(void);
bool imap_watch_add(struct imap_session *s);
/* Do all connections of this process idle? */
bool imap_watch_is_all(void);
void imap_watch_end(void);

/* namespace.c: names as clients see them */
/* Is the prefix one that can be? */
int imap_namespace_prepare(struct error *err);
char imap_separator(void);
/* Appended. -EINVAL: no folder can have this name, and *why. Both in modified UTF-7. */
int imap_name_from_client(struct view text, struct str *name, const char **why);
void imap_name_to_client(struct view name, struct str *text);
/* Each separator becomes a dot and the other way round: what a client says in a form that can be compared with the next. */
void imap_name_swap(struct view text, struct str *out);
/* A name as clients see it, but with dots: for imap_pattern_matches. */
void imap_name_for_patterns(struct view name, struct str *out);
/* The folder that all but INBOX seem to be in: is it INBOX, is it another, its name for patterns, and its answer. */
bool imap_inbox_is_top(void);
bool imap_has_own_top(void);
bool imap_name_is_top(struct view text);
void imap_top_for_patterns(struct str *out);
int imap_send_top(struct imap_session *s, const char *answer);

/* commit.c: from the begin to the end of a connection. */
void imap_commit_begin(struct imap_session *s);
void imap_commit_end(struct imap_session *s);
/* mailbox_change_flags in the selected mailbox, with a commit that comes in a moment whatever the client does meanwhile. */
int imap_change_flags(struct imap_session *s, const uint32_t *seqs, size_t count,
		      struct flag_change *change, struct flag_result *result);

/* commands.c: NULL: there is no such command. */
const struct imap_command *imap_command_find(struct view name);
/* What the table brings, without "CAPABILITY" in front. */
void imap_append_capabilities(struct str *out);

/* cmd_quota.c: the user's limits, in force from here on; and what follows when something was added or removed. */
void imap_quota_open(const struct session_user *user, struct store *store);
void imap_quota_look(struct store *store);

/* Leaves the selected mailbox, if there is one. */
void imap_close_mailbox(struct imap_session *s);

/* listen.c: a task that tells what changes while this one waits for the client. */
struct listening {
	struct imap_session *s;
	bool expunges;	 /* are told too */
	bool still_here; /* "OK Still here" now and then */
	/* its own: */
	bool done;  /* the client has said something */
	bool again; /* there is more to be looked at, in a moment */
	bool gone;
	struct waitlist finished;
	int result;
};
void imap_listen_begin(struct listening *l);
/* 0, or why nothing can be told any more. */
int imap_listen_end(struct listening *l);

/* Tagged answers of the present command. */
int imap_ok(struct imap_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
int imap_no(struct imap_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
int imap_bad(struct imap_session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* NO with the response code (RFC 5530) and words for an error of the store. */
int imap_no_errno(struct imap_session *s, int error, const char *doing);
/*
 * Tells what changed in the selected mailbox: expunges (if allowed), EXISTS, RECENT, FLAGS of
 * others. 0 or a stream error; a mailbox that is gone is closed with a BYE (-ESTALE).
 */
int imap_send_changes(struct imap_session *s, bool may_expunge);
/* cmd_list.c: LIST of one folder with all its attributes, and its old name if it was renamed. */
int imap_send_folder(struct imap_session *s, const struct folder_info *folder,
		     struct view old_name);
/* FLAGS and PERMANENTFLAGS, if there is a keyword that the client has not been told of: before any FETCH. */
int imap_send_new_keywords(struct imap_session *s);
/* A FETCH answer with the flags of each, and the mod-sequence for those who want it. */
int imap_send_flags(struct imap_session *s, const uint32_t *seqs, size_t count);
/* The same with the mod-sequence alone: of changes whose flags the client does not want to hear. */
int imap_send_modseqs(struct imap_session *s, const uint32_t *seqs, size_t count);
/* The client has shown that it knows mod-sequences (RFC 7162 3.1): from now on they are told. */
int imap_enable_condstore(struct imap_session *s);
/*
 * "* VANISHED (EARLIER) set": which UIDs of `set` (NULL: all; as written by the client) were expunged
 * after that mod-sequence. Where that is not known any more, all that are not there.
 */
int imap_send_vanished(struct imap_session *s, const struct imap_set *set, uint64_t modseq);
/* SP and then a mod-sequence. */
int imap_parse_modseq(struct imap_session *s, uint64_t *modseq);
/* FLAG_... of a system flag's name without the backslash; 0: there is none. */
unsigned imap_system_flag(struct view name);
/* FLAGS and PERMANENTFLAGS of the selected mailbox. */
int imap_send_flag_lists(struct imap_session *s);
/*
 * The set of the present command (UIDs if s->uid) as sequence numbers, ascending. Frees `set`. -EBADMSG: a
 * sequence number that is not in use.
 */
int imap_resolve_set(struct imap_session *s, struct imap_set *set, uint32_t **seqs, size_t *count);
/* The saved UIDs as ranges, in place of a set that is "$". */
void imap_set_take_saved(const struct imap_session *s, struct imap_set *set);
/* "FLAGS (...)" content: system flags and keywords of a message, in parentheses. */
void imap_append_flags(const struct imap_session *s, uint32_t seq, struct str *out);
void imap_append_flag_names(const struct imap_session *s, unsigned flags, uint64_t keywords,
			    struct str *out);
/* "3:5,9" from ascending numbers. */
void imap_append_set(struct str *out, const uint32_t *numbers, size_t count);
/*
 * A flag list "(\Seen $Junk)" or, if `bare`, flags without parentheses. Keywords are views in the
 * command's storage. Unknown system flags: -EBADMSG. `\Recent` is passed over.
 */
struct imap_flags {
	unsigned system;
	struct view keywords[KEYWORDS_MAX];
	size_t keyword_count;
};
int imap_parse_flags(struct imap_session *s, bool bare, struct imap_flags *flags);
/* A name as the client wrote it, normalized. -EINVAL: none can have it, and *why, in words that stay for a moment. */
int imap_mailbox_name(const struct imap_session *s, struct view text, struct str *name,
		      const char **why);
/* Mailbox name: space, astring, normalized ("inbox" -> "INBOX"). -EINVAL: answered with NO. */
int imap_parse_mailbox(struct imap_session *s, struct str *name);
/* "[MAILBOXID (...)]" of RFC 8474, or nothing where there is none to be had; and a space. */
void imap_append_mailbox_id(struct imap_session *s, struct view name, struct str *out);
/* A folder's name in an answer, as the client wants it: quoted or as a literal. */
void imap_append_mailbox(const struct imap_session *s, struct str *out, struct view name);
/* reply.c: what this connection does itself (struct imap_own). */
void imap_own_begin(struct imap_session *s);
void imap_own_messages(struct imap_session *s, struct view name, uint32_t first, uint32_t last);
void imap_own_name(struct imap_session *s, struct view name);
/* Is a message of the selected mailbox from this connection? */
bool imap_is_own(const struct imap_session *s, uint32_t uid);
/* "* 3 FETCH (" or what UIDONLY makes of it. */
void imap_append_fetch(const struct imap_session *s, struct str *out, uint32_t seq);

/* One file for each group of commands. */
int imap_command_capability(struct imap_session *s);
int imap_command_noop(struct imap_session *s);
int imap_command_check(struct imap_session *s);
int imap_command_logout(struct imap_session *s);
int imap_command_id(struct imap_session *s);
int imap_command_enable(struct imap_session *s);
int imap_command_compress(struct imap_session *s);
int imap_command_refused(struct imap_session *s); /* LOGIN and its kin, after login */
int imap_command_select(struct imap_session *s);
int imap_command_examine(struct imap_session *s);
int imap_command_close(struct imap_session *s);
int imap_command_unselect(struct imap_session *s);
int imap_command_expunge(struct imap_session *s);
int imap_command_list(struct imap_session *s);
int imap_command_lsub(struct imap_session *s);
int imap_command_namespace(struct imap_session *s);
int imap_command_status(struct imap_session *s);
int imap_command_getmetadata(struct imap_session *s);
int imap_command_setmetadata(struct imap_session *s);
int imap_command_getquota(struct imap_session *s);
int imap_command_getquotaroot(struct imap_session *s);
int imap_command_setquota(struct imap_session *s);
int imap_command_create(struct imap_session *s);
int imap_command_delete(struct imap_session *s);
int imap_command_rename(struct imap_session *s);
int imap_command_subscribe(struct imap_session *s);
int imap_command_unsubscribe(struct imap_session *s);
int imap_command_append(struct imap_session *s);
int imap_command_replace(struct imap_session *s);
int imap_command_fetch(struct imap_session *s);
int imap_command_search(struct imap_session *s);
int imap_command_notify(struct imap_session *s);
int imap_command_cancelupdate(struct imap_session *s);
int imap_command_esearch(struct imap_session *s);
int imap_command_sort(struct imap_session *s);
int imap_command_thread(struct imap_session *s);
int imap_command_store(struct imap_session *s);
int imap_command_copy(struct imap_session *s);
int imap_command_move(struct imap_session *s);
int imap_command_idle(struct imap_session *s);

#endif
