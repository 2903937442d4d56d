/*
 * When users last logged in, with their app passwords too: kept in a cache that outlives the program, written at most
 * once a minute for each, so that a login costs nothing for it.
 */
#ifndef AUTH_USES_H
#define AUTH_USES_H

#include "auth.h"

/* auth_last_logins. Before confinement. */
int uses_prepare(struct error *err);
/* In a task of its own: what is over goes. */
void uses_sweep(void *unused);
/* For the program that comes after this one. */
void uses_retire(void);

/* A login is right. `app_password`: its name, or empty. */
void uses_note(const struct attempt *attempt, struct view user, struct view app_password);
struct use {
	int64_t time; /* 0: not known */
	struct str service, address;
};
void use_free(struct use *use);
/* By whatever password where `app_password` is empty. *use is empty before. */
void uses_find(struct view user, struct view app_password, struct use *use);

#endif
