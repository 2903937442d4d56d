/*
 * App passwords: further passwords of a user, each for one device or program, with the services that it opens.
 * They stand in the table auth_app_passwords under the user's name as auth logs it, one after the other with
 * blanks between:
 *
 *	alice@example.test	phone:imap,smtp:1764437000:{SSHA256}... laptop::1764437001:{SSHA256}...
 *
 * They are made by `posta user app-password` and so long by chance that nobody guesses one: a plain digest
 * with a salt is enough, and to try all of a user's costs less than one look at a main password.
 */
#ifndef USER_APP_PASSWORD_H
#define USER_APP_PASSWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

#define APP_PASSWORDS_MAX     50 /* of one user */
#define APP_PASSWORD_NAME_MAX 64
/* 125 bits in groups of five: "abcde-fghij-klmno-pqrst-uvwxy". */
#define APP_PASSWORD_CHARACTERS 25

struct app_password {
	struct view name;
	struct view services; /* "imap,smtp"; empty: all */
	int64_t made;	      /* seconds */
	struct view hash;
};

/* Takes the next one off *rest. False at the end; *malformed says that what is left makes no sense. */
bool app_password_next(struct view *rest, struct app_password *one, bool *malformed);
/* Appends it, with a blank in front where there are others. */
void app_password_append(struct str *entries, const struct app_password *one);
/* Letters, digits, "-", "_" and "."; not too long. */
bool app_password_name_is_valid(struct view name);
/* It opens this service. */
bool app_password_opens(const struct app_password *one, struct view service);
/* A new password, and its hash. Both are appended. */
void app_password_make(struct str *password, struct str *hash);
/* What somebody typed, without blanks and hyphens and in lower case; false: it is no app password. */
bool app_password_read(struct view typed, struct str *password);

#endif
