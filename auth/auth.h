/*
 * auth: the only program that sees passwords' hashes, but for proxymap, which fetches for it those
 * that are in databases.
 *
 * One SASL exchange is one conversation on a connection from smtpd, imapd or pop3d:
 *
 *	main.c		what is asked: exchanges, cookies, the list of mechanisms
 *	exchange.c	the mechanisms as a table; those that send the password
 *	ask.c		their rounds with the client
 *	mechanism.c	what kinds of them there are
 *	scram.c		SCRAM-SHA-1 and -256, with channel binding (-PLUS) or without
 *	oauth.c		tokens of OAuth servers: OAUTHBEARER, XOAUTH2
 *	verify.c	name and password to a verdict; the same for all mechanisms
 *	who.c		who it is
 *	stored.c	passwords beside stored hashes
 *	app.c		app passwords
 *	master.c	master users, who log in as others
 *	lists.c		tables beside the users'
 *	uses.c		when users last logged in
 *	system.c	system users: PAM, shadow
 *	cache.c		passwords that were right a moment ago
 *	turn.c		when a check may be made, after earlier failures
 *	cookie.c	proofs of a login, for the session programs
 *	elsewhere.c	servers of other software that judge instead (smtpd_sasl_type)
 *	dovecot.c	asking one that speaks Dovecot's protocol; dovecot_reply.c reads what it says
 *	saslauthd.c	asking saslauthd
 *
 * Whatever comes is hostile: names and responses are checked before anything looks at them, a
 * wrong name takes as long as a wrong password, and no answer says which of them it was.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "ipc/ipc.h"
#include "mechanism.h"
#include "task/task.h"
#include "user/user.h"

/* What is known of an attempt to log in. The strings are its own. */
struct attempt {
	struct str service, client_address, server_address, realm;
	struct str tls_exporter, tls_unique;	/* channel bindings, in base64; empty: none */
	struct str certificate_user;		/* that the client's certificate names, or empty */
	char mechanism[MECHANISM_NAME_MAX + 1]; /* in capitals */
	bool secured, has_session;
	msec_t started;
};

enum verdict { LOGIN_RIGHT, LOGIN_WRONG, LOGIN_DISABLED, LOGIN_TEMPORARY };

/* What proved who somebody is, beside the user's main password. At most one of them is set. */
struct proof {
	struct str app_password; /* its name */
	struct str master;	 /* the master user who logs in as the user */
};
void proof_free(struct proof *proof);

/* ---- ask.c ---- */

/* One run of a mechanism. */
struct exchange {
	struct ipc *ipc;
	const struct attempt *attempt;
	const struct saslauthd *saslauthd; /* checks the password that a mechanism sends; or NULL */
	bool has_initial;
	struct str said;    /* by the client, last; at first the initial response. Wiped */
	struct str name;    /* that the client gave, for the log */
	struct str user;    /* LOGIN_RIGHT: canonical */
	struct proof proof; /* LOGIN_RIGHT: by what, where it is not the user's own password */
	struct str final;   /* LOGIN_RIGHT: additional data for the client */
	enum verdict verdict;
	struct error why; /* for our log; the client must not see it */
};
#define EXCHANGE_CANCELLED 1
#define EXCHANGE_UNKNOWN   2 /* there is no such mechanism */
/* Sends a challenge; x->said becomes the response. 0, EXCHANGE_CANCELLED, negative: the end. */
int exchange_ask(struct exchange *x, struct view challenge);
void exchange_forget_said(struct exchange *x);
/* Also what was received is not to lie about in memory. */
void exchange_wipe(struct view received);

/* ---- exchange.c ---- */

/* Looks at auth_mechanisms. Before confinement. */
int exchange_prepare(struct error *err);

/* From auth_begin to auth_ok or auth_failed. Negative: the connection is to be closed. */
int exchange_run(struct ipc *ipc, const struct msg_auth_begin *begin);
/* Appends "PLAIN LOGIN", to be announced. 0, or a negative errno with the reason. Waits. */
int exchange_mechanisms(const struct msg_auth_mechanisms *question, struct str *names,
			struct error *err);

/* ---- scram.c ---- */

int scram_prepare(struct error *err);
/* The four SCRAM mechanisms of the table, by the name in x->attempt. */
int scram_run(struct exchange *x);

/* ---- oauth.c ---- */

/* OAUTHBEARER and XOAUTH2, by the name in x->attempt. */
int oauth_run(struct exchange *x);

/* ---- stored.c ---- */

/* Prepares the hash that unknown users are checked against. Slow; before confinement. */
int stored_prepare(struct error *err);
/* Against a stored hash, of a user or (with the separator in front) master user of that name. Waits. */
enum verdict verify_stored(const char *user, const char *stored, struct view password,
			   struct error *why);
/* Takes as long, and is never right. */
enum verdict verify_refuse_slowly(struct view password);

/* ---- who.c ---- */

/* A name that can be somebody's: visible ASCII. */
bool who_is_acceptable(struct view name, struct error *why);
/* 1 with who logs in by that name, 0: nobody, -EPERM: never, or another negative errno. Waits. */
int verify_find_user(const struct attempt *attempt, struct view name, struct user *user,
		     struct error *why);
/* Who it is is proven; may the user log in, from there? */
enum verdict verify_permission(const struct user *user, struct view client, struct error *why);
/* The mailbox is another server's. */
bool verify_is_elsewhere(const struct user *user, struct error *why);

/* ---- verify.c ---- */

/*
 * LOGIN_RIGHT with the user's canonical name in *user. `why` gets the reason for our log, which
 * the client must not see.
 */
enum verdict verify_password(const struct attempt *attempt, struct view name, struct view password,
			     struct str *user, struct proof *proof, struct error *why);
/* The same for a user whose name is proven in another way, by a certificate or a token. */
enum verdict verify_proven(const struct attempt *attempt, struct view name, struct str *user,
			   struct error *why);

/*
 * The keys of a user for SCRAM, as they are stored or (with this salt, from a password in clear)
 * made. LOGIN_RIGHT, or LOGIN_DISABLED for who may not log in: the keys are there, the proof is still to be judged.
 */
enum verdict verify_scram_keys(const struct attempt *attempt, enum scram_hash which,
			       struct view name, struct view salt, struct scram_keys *keys,
			       struct str *user, struct error *why);

/* ---- app.c ---- */

/* LOGIN_RIGHT: it is one of the user's app passwords, whose name is in *name. Waits. */
enum verdict app_check(const struct attempt *attempt, const struct user *user, struct view password,
		       struct str *name, struct error *why);
/* The user's main password opens this service. */
bool app_main_password_opens(const struct attempt *attempt, const struct user *user,
			     struct error *why);

/* ---- master_name.c ---- */

/* auth_master_user_separator. */
int master_name_prepare(struct error *err);
/* "user*master" in its two parts; false: it is no such name, or there are no master users. */
bool master_split(struct view name, struct view *user, struct view *master);
/* The same name from its parts, as in PLAIN with an authorization identity. False: there are none. */
bool master_join(struct view user, struct view master, struct str *name);

/* ---- master.c ---- */

/* As verify_password, with the master user's password. */
enum verdict master_check(const struct attempt *attempt, struct view name, struct view master,
			  struct view password, struct str *user, struct error *why);

/* ---- system.c ---- */

enum system_method { SYSTEM_NO, SYSTEM_SHADOW, SYSTEM_PAM };
/* auth_system_users; -EINVAL for another word. */
int system_prepare(struct error *err);
enum system_method system_method(void);
/*
 * The stored hash of a system user, from shadow. LOGIN_RIGHT with it in *hash, LOGIN_DISABLED if
 * the account has expired, LOGIN_WRONG if there is none.
 */
enum verdict system_shadow_hash(const char *name, struct str *hash, struct error *why);
enum verdict system_pam_check(const char *name, struct view password, const char *client,
			      struct error *why);

/* ---- cache.c ---- */

/* This password was right for this user a moment ago, and the stored hash is still the same. */
bool cache_knows(const char *user, const char *stored, struct view password);
void cache_remember(const char *user, const char *stored, struct view password);

/* ---- turn.c ---- */

/* The right to make one check of a password. */
struct turn;
/*
 * Waits until this account's password may be checked for this client: after its other checks, and
 * after the penalty of earlier failures of the client and the account. NULL with the reason: not
 * now, nothing may be checked.
 */
struct turn *turn_take(struct view client, struct view name, struct error *why);
/* Tells what came of it. NULL is allowed. */
void turn_end(struct turn *turn, enum verdict verdict);
/* Appends the name that a user has, as far as it can be said without looking. */
void turn_account_of(struct view name, struct str *account);

/* ---- cookie.c ---- */

/* `session` is the number of this login, as the log has it. */
void cookie_make(struct view service, struct view user, struct view session, struct str *cookie);
/* Takes it out. 0 with the user and the session's number, or -EACCES. */
int cookie_redeem(struct view cookie, struct view service, struct str *user, struct str *session);

#endif
