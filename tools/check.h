/*
 * posta check: what its files share.
 *
 *	verb_check.c	the order of things; what main.cf and master.cf say
 *	check_findings.c what was found
 *	check_files.c	files, their owners and modes; tables and certificates
 *	check_users.c	the lines of the users' file; whose the mailboxes are
 *	check_alias.c	aliases that lead back to themselves
 *	check_transport.c transports without a service
 *	check_master.c	what master thinks of them
 *	check_relay.c	that strangers cannot relay
 */
#ifndef TOOLS_CHECK_H
#define TOOLS_CHECK_H

#include "conf/conf.h"

/* Whether remarks count. */
void findings_begin(bool verbose);
/* Prints all, the worst first, and the sum. Returns the number of errors. */
int findings_print(size_t asked);
/* A finding. Errors make the check fail. */
void check_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void check_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Only with -v. */
void check_remark(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ports, addresses, programs and services, as at the start. */
void check_master(void);
void check_files(void);
/* check_users.c: lines of the users' file, owners of mailboxes. */
void check_users(void);
/* check_alias.c: aliases that lead back to themselves. */
void check_aliases(void);
/* check_transport.c: transports that have no service. */
void check_transports(const struct services *services);
/* Tables that parameters name, of one service with its -o (NULL: those of main.cf); certificates of one service, as `param` has it now. */
void check_tables(const struct service *service);
void check_certificates(const char *service);
/* The same for those of tls_server_sni_maps (check_sni.c). */
void check_sni(const char *service);
/* Networks in mynetworks that are too wide to be anybody's own. */
void check_networks(const char *place);
/*
 * Asks, as a stranger, for recipients elsewhere in every way in which an address can hide one.
 * `param` has the parameters of this smtpd service. Called as a task. Returns how many were asked.
 */
size_t check_relay(const char *service);

#endif
