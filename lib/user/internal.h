/* What the files of lib/user share. */
#ifndef USER_INTERNAL_H
#define USER_INTERNAL_H

#include "user/user.h"

#define PASSWORD_SCRAM	     "SCRAM-SHA-256"
#define PASSWORD_SCRAM_SHA_1 "SCRAM-SHA-1"
#define USER_PATH_MAX	     4000 /* room below PATH_MAX for what is inside the mailbox */

/* Splits a passwd-file line and checks each field by itself. */
int user_split_line(struct view line, struct view fields[USER_FIELDS], struct error *err);
int user_check_fields(const struct view fields[USER_FIELDS], struct error *err);
/* Text of a table that has fields with names in the place of a line. */
bool user_has_named_fields(struct view text);
/*
 * The same for it. A user without a name has the key for one; `name` and `extra` keep what is put
 * together, for as long as the fields are used.
 */
int user_split_fields(struct view text, struct view key, struct view fields[USER_FIELDS],
		      struct str *name, struct str *extra, struct error *err);
/*
 * Expands %u %n %d (and %%) and a "~" at the front. A user name that would lead out of its folder
 * ("..", "/") is -EINVAL.
 */
int user_expand_path(const char *pattern, struct view name, const char *home, struct str *out,
		     struct error *err);
/* Fills user->mail from the extra field mail=, home_mailbox, mail_spool_directory, mail_location. */
int user_locate_mail(struct user *user, struct error *err);
/* 1, 0, negative errno. The name is lower-cased first, as Postfix does. */
int user_find_system(struct view login, struct user *user, struct error *err);
/* Applies what an ordinary user can do: everything as oneself. */
void user_use_own_ids(struct user *user);

/* "iterations,salt,StoredKey,ServerKey": 1 right, 0 wrong, -EINVAL. */
int password_check_scram(enum scram_hash hash, struct view stored, struct view password,
			 struct error *err);
/* Appends that form, with a fresh salt. -EINVAL: the password has other characters than ASCII's. */
int password_hash_scram(enum scram_hash which, struct view password, struct str *hash,
			struct error *err);
/* "$argon2id$v=19$m=65536,t=3,p=1$...", "$1$salt$rounds$hex": 1 right, 0 wrong, -EINVAL. */
int password_check_argon2(struct view hash, struct view password, struct error *err);
int password_check_pbkdf2(struct view hash, struct view password, struct error *err);
/*
 * A salted or plain digest: 1 equal, 0 not, -EINVAL. `encoded` is base64 (a plain one: or
 * hexadecimal) of digest and salt.
 */
int password_check_digest(const char *algorithm, bool salted, struct view encoded,
			  struct view password, struct error *err);

#endif
