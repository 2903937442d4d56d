/*
 * One client from banner to goodbye: what is known about it, and the transaction under way.
 *
 * A session is one task; everything in it reads top to bottom: connect.c greets, session.c reads
 * commands and looks them up in the table of verbs.c, each verb has its handler (hello.c, mail.c,
 * rcpt.c, data.c, bdat.c, auth.c, starttls.c, other.c). Handlers answer with reply() and return
 * SESSION_GOES_ON, or SESSION_DONE when the connection is to be closed.
 */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include "base/str.h"
#include "daemon/daemon.h"
#include "daemon/spare.h"
#include "mail/lineends.h"
#include "policy/policy.h"
#include "services/clients.h"
#include "task/stream.h"
#include "tls/tls.h"

enum { SESSION_GOES_ON = 0, SESSION_DONE = 1 };

/* Where in RFC 5321 4.1.4 the session stands; one bit each, so that a verb can name several. */
enum session_state {
	STATE_NEW = 1,	   /* no HELO or EHLO yet, or forgotten by STARTTLS */
	STATE_READY = 2,   /* greeted, no MAIL */
	STATE_MAIL = 4,	   /* MAIL accepted, no recipient yet */
	STATE_RCPT = 8,	   /* at least one recipient accepted */
	STATE_CHUNKS = 16, /* a chunk of the content has come, BDAT */
	STATE_ANY = 31
};

/* MAIL's parameters. */
struct mail_options {
	uint64_t size; /* SIZE=, 0: none */
	uint8_t body;  /* BODY_... */
	uint8_t ret;   /* RET_... */
	struct str envid;
	bool utf8;
};

struct recipient {
	struct str address, orcpt; /* standard form; "rfc822;..." decoded */
	uint8_t notify;
};

/* The content under way (message.c). */
struct reception {
	uint64_t size; /* so far */
	int failed;    /* cleanup does not take more: negative errno */
	bool too_big;
	struct lineends ends; /* of chunks */
};

/* What XFORWARD says of the client of whoever speaks with us, until the transaction's end. */
struct forwarded {
	bool given;
	enum forwarded_source { SOURCE_UNKNOWN, SOURCE_LOCAL, SOURCE_REMOTE } source;
	uint16_t port; /* 0: unknown */
	struct str name, address, helo, protocol, ident;
};

struct transaction {
	struct str sender, sender_given; /* standard form, and as the client wrote it */
	struct mail_options options;
	struct recipient *recipients;
	size_t count;
	size_t overshoot;		      /* recipients beyond smtpd_recipient_limit */
	struct submission *submission;	      /* NULL: not before DATA */
	struct str queue_id;		      /* empty: NOQUEUE */
	struct str reserved_id;		      /* that it will have; what milters were told */
	struct str prepend, redirect, filter; /* what access maps ask for */
	struct str instance;		      /* for policy servers; empty until one is asked */
	struct str bcc;			      /* addresses, a line feed after each */
	struct str held;		      /* who wants it on hold, and why */
	bool hold, discard;
	struct stream *proxy; /* to the filter of smtpd_proxy_filter; NULL: none */
	bool proxy_at_line;   /* its next byte begins a line */
	struct spool
		*spool; /* the content, where that filter hears of it when all is here; or NULL */
	struct reception reception;
};

struct verb_count {
	uint32_t good, total;
};
#define SESSION_VERBS_MAX 24

struct session {
	struct stream *io;
	const struct peer *peer;
	enum session_state state;
	struct str name, reverse_name; /* of the client; name "unknown" unless verified */
	struct str network;	       /* as which anvil counts it */
	struct spare spare;	       /* has given no MAIL and no password */
	struct str who;		       /* "name[address]" for the log */
	bool name_temporary;	       /* the DNS failed */
	bool is_trusted;	       /* exempt from rate limits */
	bool counted;		       /* anvil knows of this connection */
	uint32_t connections;	       /* of this client, when it came; 0: not known */
	unsigned discarded;	       /* EHLO_... that it is not to have */
	bool offers_auth;
	struct str helo;	       /* empty in STATE_NEW */
	bool esmtp;		       /* greeted with EHLO */
	bool secured;		       /* TLS */
	bool early_input;	       /* the client has sent commands before it might */
	struct str login, sasl_method; /* after AUTH */
	unsigned failed_logins;	       /* AUTH commands */
	bool access_denied;	       /* the client is refused as such: only QUIT is answered */
	struct view recipient;	       /* that the policy is being asked about, or empty */
	struct milters *milters;       /* NULL: none */
	bool milters_hear_rejected;    /* of recipients that were refused */
	struct str milter_refusal;     /* of the client: to each command that would get anywhere */
	const char *where;	       /* the last command, for "lost connection after RCPT" */
	size_t errors, junk;
	bool failed;	/* the command under way got an error reply */
	size_t answers; /* LMTP: so many are given at a time, one for each recipient; 0: one */
	struct verb_count counts[SESSION_VERBS_MAX];
	struct transaction transaction;
	struct tls_info tls;		    /* of the connection, when somebody asked last */
	struct tls_certificate certificate; /* the client's */
	struct peer other_peer;		    /* by XCLIENT; then `peer` points here */
	struct forwarded forwarded;
	bool may_xforward, may_xclient; /* the one who has connected */
	struct str transcript;		/* transcript.c */
	unsigned notices;		/* classes of what went wrong, as far as they are wanted */
	bool transcript_cut;
	struct str reply; /* the text being built, memory kept */
};

/* Opens all that sessions need, before the program is confined. 0 or a negative errno with a reason. */
int session_open(struct error *err);
void session_close(void);
/* Serves the client until it or we are done. */
void session_serve(struct stream *io, const struct peer *peer);

/* ---- transcript.c ---- */

/* Reads notify_classes. */
void transcript_open(void);
/* What the client said (a command that we know?), and what we answer. */
void transcript_in(struct session *s, struct view line, bool is_known);
void transcript_out(struct session *s, struct view text);
/* At the end: has it sent, if there is a reason. */
void transcript_close(struct session *s);

/* ---- reply.c ---- */

/*
 * Answers "CODE text" and counts it if it is an error. Always SESSION_GOES_ON, or SESSION_DONE
 * where the code says so (221, 421, 521), so that a handler can return it.
 */
int reply(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a text that is there already, e.g. from the policy. */
int reply_text(struct session *s, struct view text);
/* Puts a footer after a refusal without its last line end: lines of their own, or ("\\c" in front) more of the last one. */
void reply_add_footer(struct str *out, struct view footer);
/* Where the line after the one at `at` begins; the length of the text: there is none. */
size_t reply_next_line(struct view text, size_t at);
/* Refused by a rule, and logged: "ID: reject: RCPT from name[address]: text; from=<> ..." */
int reply_refusal(struct session *s, const char *command, struct view text, struct view recipient);

/* The last words to a client that is gone (r: a negative errno of its stream), or to be left. */
void session_leave(struct session *s, int r);

/* ---- note.c: the log ---- */

const char *session_id(const struct session *s); /* the queue ID, or "NOQUEUE" */
void note_refusal(struct session *s, const char *what, const char *command, struct view text,
		  struct view recipient);
const char *session_protocol(const struct session *s, struct str *buffer); /* "ESMTPSA" */

/* ---- connect.c ---- */

/* "name[address]" for the log, with the port where that is wished, into s->who. */
void session_show_client(struct session *s, struct view name);
/* Name look-up, limits, client restrictions, banner. 0, or SESSION_DONE. */
int session_greet(struct session *s);

/* The same for a client that XCLIENT has put in its place: its name is known. */
int session_greet_as(struct session *s);

/* ---- forward.c ---- */

/* The lines of EHLO; nothing where the client may not. */
void xforward_announce(const struct session *s, struct str *line);
void xclient_announce(const struct session *s, struct str *line);

/* ---- transaction.c ---- */

void transaction_reset(struct session *s);
/* What XFORWARD said. */
void forwarded_clear(struct session *s);
void transaction_add(struct session *s, struct view address, struct view orcpt, uint8_t notify);
/* The queue ID that the message will have. */
struct view transaction_reserve_id(struct session *s);
/*
 * Gives the message its queue ID and begins its submission. 0, or a negative errno: say 451.
 * `channel` (taken): the content is judged by milters there; -1: it is not.
 */
int transaction_open(struct session *s, int channel);
/* Takes over what a permitting answer asks for beside the permission. */
void transaction_note_answer(struct session *s, const struct policy_answer *answer);
/* The same when all of the content has come. */
void transaction_note_late(struct session *s, const struct policy_answer *answer);
/* Questions for the policy are about this session and transaction. */
void transaction_question(struct session *s, const char *command, struct policy_question *q);

/* ---- milters.c: other people's filters; nothing happens where there are none ---- */

/* Reads smtpd_milters and its tables. 0 or a negative errno with a reason. */
int smtpd_milters_open(struct error *err);
void smtpd_milters_close(void);
/* Before the banner. SESSION_GOES_ON, or SESSION_DONE; access_denied: the banner has been given. */
int milter_connect(struct session *s);
/* True if they let it pass, else it has been answered: *result is the handler's. */
bool milter_helo(struct session *s, const char *command, int *result);
bool milter_mail(struct session *s, struct view parameters, int *result);
bool milter_rcpt(struct session *s, struct view given, struct view address, struct view parameters,
		 int *result);
bool milter_data(struct session *s, int *result);
/* A connection by which cleanup asks them about the content; -1: it need not. True as above. */
bool milter_channel(struct session *s, int *channel, int *result);
/* Tells them of a recipient that we refused, if they want to know. */
void milter_rcpt_rejected(struct session *s, struct view given, struct view reply);
/* A command that nobody knows: their answer, or the one that is given otherwise. */
int milter_unknown(struct session *s, struct view line, const char *otherwise);

/* ---- message.c: receiving a message, whatever command brings its content ---- */

/*
 * The restrictions for DATA, and a submission to send it to. True if all is ready, else it has been
 * answered: return *result.
 */
bool message_begin(struct session *s, int *result);
/* Content with CR LF line ends. */
void message_add(struct session *s, struct view bytes);
/* With `more` bytes still to come it is so large that nobody reads it to its end. */
bool message_is_endless(const struct session *s, uint64_t more);
/* All of it has come: the answer. */
int message_end(struct session *s, bool has_bare_lf);
/* The connection ended in the middle (r: a negative errno, -EFBIG where it is endless). */
int message_lost(struct session *s, const char *command, int r);

/* Waiting for content, with a deadline that moves on as bytes come. */
struct content_wait {
	msec_t begun;
	uint64_t bytes_before;
};
void content_wait_begin(struct session *s, struct content_wait *wait);
int content_wait_peek(struct session *s, const struct content_wait *wait, struct view *bytes);
void content_wait_end(struct session *s);

/* ---- lmtp.c: smtpd_protocol = lmtp ---- */

/* Before the message is committed: to be told what becomes of it. NULL: nobody waits for that. */
struct ipc *lmtp_await(struct session *s);
/* It is in the queue: one answer for each recipient. Waits. */
int lmtp_answer(struct session *s, struct ipc *await);

/* ---- proxy.c: smtpd_proxy_filter ---- */

/* Speaks with the filter up to DATA. True, or it has been answered: return *result. */
bool proxy_begin(struct session *s, int *result);
void proxy_add(struct session *s, struct view bytes);
/* The end of the content: the filter's answer is ours. */
int proxy_end(struct session *s);
/* All of it, for a message that was taken whole before. */
int proxy_replay(struct session *s);

/* ---- spool.c: smtpd_proxy_options = speed_adjust ---- */

/* For prepare(); does nothing where no message waits for its filter. 0 or a negative errno with a reason. */
int spool_open(struct error *err);
void spool_close(void);
/* Messages are taken whole before the filter hears of them. */
bool spool_is_used(void);
struct spool *spool_new(void);
void spool_free(struct spool *spool);
/* 0 or a negative errno: the disk is full, or the content is larger than any may be. */
int spool_add(struct spool *spool, struct view bytes);
/* Up to `len` bytes from `offset` on: how many, 0 at its end, or a negative errno. */
ssize_t spool_read(const struct spool *spool, uint64_t offset, char *to, size_t len);

/* ---- rewrite.c ---- */

/* Reads local_header_rewrite_clients and opens its tables. 0 or a negative errno with a reason. */
int rewrite_open(struct error *err);
void rewrite_close(void);
/* This client's mail, or that of the one that XFORWARD names, has its header completed and rewritten. */
bool session_rewrites_headers(const struct session *s);

/* ---- extensions.c ---- */

/* The whole reply to EHLO, without its last line end. */
void extensions_announce(const struct session *s, struct str *out);
/* smtpd_discard_ehlo_keywords, postscreen's, and the tables beside them. */
int extensions_open(struct error *err);
void extensions_close(void);
/* EHLO_... that this client is not to have. Where a table cannot answer, those for all. May wait. */
enum discard_for { DISCARD_FOR_SESSION, DISCARD_FOR_DECOY };
unsigned extensions_discarded(enum discard_for whom, const char *address);

/* ---- limits.c ---- */

/* Counts an event; true if it is over the limit (0: none), which has been logged. */
bool limit_exceeded(struct session *s, uint8_t kind, int64_t limit, const char *what);
bool limit_connection(struct session *s);
/* The network that is one client. */
struct view limit_network(struct session *s);
void limit_disconnect(struct session *s);

/* ---- sender.c: how much a login sends ---- */

#define SENDER_STOPPED_TEXT "Error: sending is stopped for this account, ask your postmaster"
/* It has sent too much, and nobody has allowed it again. Waits. */
bool sender_is_stopped(struct view login);
/* Counts the message that begins; it may be put on hold. False: answered, return *result. Waits. */
bool sender_permitted(struct session *s, int *result);

/* ---- options.c ---- */

/*
 * Parameters after the address (ESMTP). 0, or -EINVAL after an error reply has been given.
 */
int options_parse_mail(struct session *s, struct view text, struct mail_options *options);
int options_parse_rcpt(struct session *s, struct view text, struct str *orcpt, uint8_t *notify);

/* ---- starttls.c ---- */

/* Does the handshake and forgets what was before. 0 or a negative errno, logged. */
int session_start_tls(struct session *s);

/* ---- verbs.c ---- */

typedef int verb_function(struct session *s, struct view argument);
enum {
	VERB_JUNK = 1,	     /* counted by smtpd_junk_command_limit */
	VERB_LAST = 2,	     /* nothing may be pipelined after it, RFC 2920 3.1 */
	VERB_BEFORE_TLS = 4, /* allowed where TLS is required and not there yet */
	VERB_PIPELINED = 8,  /* what comes after it in one go is dealt with by its handler */
	VERB_DENIED = 16,    /* answered also where the client is refused as such */
	VERB_LONG = 32,	     /* may be longer than line_length_limit */
	VERB_FILTERED = 128, /* refused where a milter refuses the client */
	VERB_SMTP = 256,     /* unknown in LMTP */
	VERB_LMTP = 512,     /* unknown in SMTP */
	VERB_CONTENT = 64,   /* bytes that are no commands follow: refused, it ends the session */
};
struct verb {
	const char *name;
	unsigned states;
	unsigned flags;
	verb_function *handle;
	const char *misplaced; /* the reply in other states */
};
extern const struct verb verbs[]; /* ends with a NULL name */
size_t verb_index(const struct verb *verb);
#define VERB_UNKNOWN (SESSION_VERBS_MAX - 1) /* where unknown commands are counted */
const struct verb *verb_find(struct view name);
/* Reads smtpd_forbidden_commands. 0 or a negative errno with a reason. */
int verbs_open(struct error *err);

verb_function verb_helo, verb_ehlo, verb_mail, verb_rcpt, verb_data, verb_bdat, verb_rset,
	verb_noop, verb_quit, verb_vrfy, verb_help, verb_auth, verb_starttls, verb_etrn,
	verb_xforward, verb_xclient, verb_not_implemented;

#endif
