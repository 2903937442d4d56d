/*
 * Servers of other software that know the passwords of those who log in by SMTP: smtpd_sasl_type
 * and smtpd_sasl_path. Only those that main.cf or master.cf names are asked, whoever wants it.
 */
#ifndef AUTH_ELSEWHERE_H
#define AUTH_ELSEWHERE_H

#include "auth.h"
#include "dovecot.h"
#include "saslauthd.h"

/* One of them. */
struct elsewhere {
	struct dovecot_server *dovecot; /* or */
	struct saslauthd *saslauthd;
};

/* Reads the configuration. Before confinement; adds what the program then needs. */
int elsewhere_load(struct error *err);
/* "dovecot:private/auth", "cyrus:smtpd"; NULL: it is not configured. */
struct elsewhere *elsewhere_find(struct view server);

#endif
