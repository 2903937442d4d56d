/*
 * Mailbox users and system users: who somebody is, where their mail is, as whom it is handled.
 *
 * Mailbox users stand in the table `mailbox_users` (hash:$config_directory/users), compiled from
 * the passwd-file form, one line a user, without the hash, which only `mailbox_passwords` has:
 *
 *	address:{SCHEME}hash:uid:gid:gecos:home:shell:extra fields
 *
 * Empty uid, gid and home take virtual_uid, virtual_gid and virtual_home ("$data_directory/../mail/%d/%n"
 * as the instance sets it). System users come from getpwnam(3).
 *
 * Privileged programs call user_find with a name only, and believe nothing else.
 */
#ifndef USER_USER_H
#define USER_USER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

#define USER_NAME_MAX 320

struct user {
	char *name;  /* as it is logged: "alice@example.test", "alice" */
	bool system; /* from getpwnam, not from mailbox_users */
	uid_t uid;
	gid_t gid;
	char *home; /* absolute */
	char *mail; /* absolute path of the Maildir (mail_location expanded) */
	char *password; /* "{SCHEME}hash" or bare crypt; of mailbox_passwords, else "x"; NULL for system users */
	char *extra;  /* "quota=1G nologin ..." */
	char *quota;  /* rules for store/quota.h; NULL where passwords were asked for */
	bool renamed; /* the table that was asked says another name than the one it was asked for */
};

/*
 * Opens mailbox_users, which has no passwords; before the chroot, or in a program that has none.
 * auth opens mailbox_passwords instead, and user_find then gives the hash too.
 */
int users_open(struct error *err);
int users_open_passwords(struct error *err); /* home and mail of mailbox users are then NULL */
/* Also what the tables have kept in memory goes: a child of a root program becomes one user. */
void users_close(void);
/*
 * 1 found (user_free), 0 nobody, negative errno: ask again later. A mailbox user by address
 * (case-folded domain and local part; "+detail" is tried with and then without when `extension`
 * allows it); a system user by login name, or by address in a mydestination domain.
 * uid 0, and uids below virtual_minimum_uid for mailbox users, are refused: -EPERM.
 */
int user_find(struct view name, struct user *user, struct error *err);
/* The same for a service that logs in, "imap", "imap secured" where nobody listens: tables of Dovecot's may tell them apart. */
int user_find_as(struct view name, struct view asker, struct user *user, struct error *err);
void user_free(struct user *user);
/* The fields of a passwd-file line; the last one may have colons. */
enum user_field {
	USER_FIELD_NAME,
	USER_FIELD_PASSWORD,
	USER_FIELD_UID,
	USER_FIELD_GID,
	USER_FIELD_GECOS,
	USER_FIELD_HOME,
	USER_FIELD_SHELL,
	USER_FIELD_EXTRA,
	USER_FIELDS
};

/*
 * Reads one passwd-file line. -EINVAL with a reason that says which field. uid, gid, home and mail
 * have the defaults filled in as user_find would.
 */
int user_parse(struct view line, struct user *user, struct error *err);
/* Only whether the line is well-formed: nothing is looked up. For `posta user` and fuzzing. */
int user_check_line(struct view line, struct error *err);
/* An extra field: "nologin" alone or "name=value". False if the user has none of that name. */
bool user_extra(const struct user *user, const char *name, struct view *value);
/* The same of a flag: there, and not "0", "n" or "no". */
bool user_flag(const struct user *user, const char *name);
/* allow_nets has this address, or the user has none. */
bool user_allows_client(const struct user *user, struct view address);
/* A user name or number as uid (and its primary gid, may be NULL). 0, -ENOENT, other errno. */
int user_id_of(const char *name, uid_t *uid, gid_t *gid);
int user_group_id_of(const char *name, gid_t *gid);

/* ---- passwords: {SCHEME}hash ---- */

/*
 * Schemes: CRYPT and a bare hash of crypt(3) ($y$, $gy$, $7$, $6$, $5$, $2b$ ...), SHA512-CRYPT,
 * SHA256-CRYPT, BLF-CRYPT, ARGON2I, ARGON2ID, PBKDF2, PLAIN, SCRAM-SHA-256, SCRAM-SHA-1, and SSHA, SSHA256, SSHA512,
 * SHA256, SHA512 in base64. What is quick to guess (DES, MD5, unsalted SHA1) is refused unless
 * auth_weak_schemes is set. "", "*" and "!..." lock the user: no password
 * is right.
 */
#define PASSWORD_MAX 512 /* bytes, crypt(3)'s limit */
/* 1 right, 0 wrong, -EINVAL: a scheme or hash that we do not take. Slow: call it in a worker. */
int password_check(struct view password, const char *hash, struct error *err);
/* 0, or -EINVAL with the reason why no password could ever match. Quick. */
int password_check_scheme(const char *hash, struct error *err);
/* What SCRAM needs of a user (RFC 5802), in base64. */
enum scram_hash { SCRAM_SHA_1, SCRAM_SHA_256 };
#define SCRAM_ITERATIONS 65536 /* of keys that we make; RFC 7677 asks for 4096 at least */
#define SCRAM_SALT_SIZE	 16
struct scram_keys {
	unsigned iterations;
	struct str salt, stored_key, server_key;
};
void scram_keys_free(struct scram_keys *keys);
/*
 * Of "{SCRAM-SHA-256}iterations,salt,StoredKey,ServerKey" (or _1), or made with `salt` of "{PLAIN}password",
 * which is slow. -EINVAL with the reason: the password is stored in another way.
 */
int password_scram_keys(const char *stored, enum scram_hash which, struct view salt,
			struct scram_keys *keys, struct error *err);
/*
 * A hash with a fresh salt, appended: "{CRYPT}$y$..." (yescrypt) for a NULL scheme, else CRYPT,
 * YESCRYPT, SHA512-CRYPT, SHA256-CRYPT, BLF-CRYPT, SCRAM-SHA-256, SCRAM-SHA-1. -EINVAL for others, and for a password that is empty, too
 * long or has a NUL byte. Slow.
 */
int password_hash(struct view password, const char *scheme, struct str *hash, struct error *err);

#endif
