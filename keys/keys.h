/*
 * keys: the only program that has private keys. Servers and the SMTP client have certificates; in
 * a handshake they ask it for the one signature that proves the key, and so code that a stranger
 * brings to run in one of them can use a key while it runs there, and never take it away.
 *
 *	held.c		the keys, by their names
 *	load.c		which keys: all that main.cf and the services in master.cf name
 *	sni.c		which certificates: those of tls_server_sni_maps, which have keys beside them
 *	dkim.c		keys that sign mail: another kind, by the names of dkim_key_table
 *	mac.c		secrets for marks that come back to us: return paths of SRS, what a filter has from us
 *	answer.c	a request: which key, is this something that is signed in a handshake
 *
 * A key is named by the SHA-256 of its public half, never by a path. A server's key signs only
 * what servers sign, for programs that serve (programs.def says which those are); a client's only
 * what clients sign.
 *
 * A key for mail signs any digest that cleanup brings, and nothing else asks for it; it is no key for TLS.
 *
 * What an attacker in a server still can do: be that server, for as long as he is in it. Of TLS
 * 1.3 keys sees that it signs 64 blanks, the words of RFC 8446 and a hash; of TLS 1.2 two random
 * values and parameters of a key exchange, in their form. Neither is a certificate, a mail or any
 * other thing that one would sign; but whose connection it is for, keys cannot see.
 */
#ifndef KEYS_KEYS_H
#define KEYS_KEYS_H

#include "base/error.h"
#include "ipc/ipc.h"
#include "tls/keys.h"

enum { KEY_FOR_SERVERS = 1, KEY_FOR_CLIENTS = 2 };

/* ---- load.c ---- */

/* Before confinement: reads all keys. 0, or a negative errno with a reason: the start fails. */
int keys_load(const char *config_directory, struct error *err);
void keys_unload(void);

/* ---- held.c ---- */

/* Takes a key over, for that use. */
void keys_hold(struct tls_key *key, unsigned use);
void keys_drop(void);
size_t keys_count(void);
/* NULL: there is none of that name for that use. */
const struct tls_key *keys_find(struct view name, unsigned use);

/* ---- sni.c: certificates by the name that a client asks for ---- */

/*
 * Reads what the tables of tls_server_sni_maps have, once for each value of it. What is wrong with
 * one name or one table is logged, and makes the handshakes of its clients fail. 0 or a negative
 * errno with a reason.
 */
int sni_load(const char *maps, struct error *err);
void sni_unload(void);
/* 1 with *chain, valid until sni_unload; 0: nothing of its own; -EIO: it cannot be had. */
int sni_find(struct view maps, struct view name, struct view *chain);

/* ---- dkim.c: keys that sign mail ---- */

/* As keys_load: those that dkim_key_table names. */
int mail_keys_load(struct error *err);
int mail_keys_answer_about(struct ipc *ipc, const struct msg_dkim_key *m);
int mail_keys_answer_sign(struct ipc *ipc, const struct msg_dkim_sign *m);

/* ---- load.c ---- */

/* A secret that others can read is none: 0, or a negative errno with a reason. */
int keys_check_file(const char *path, struct error *err);

/* ---- mac.c: marks that come back to us ---- */

/* Reads the secrets, and makes those that are missing. 0, or a negative errno with a reason. */
int mac_load(struct error *err);
int mac_answer(struct ipc *ipc, const struct msg_mac *m);

/* ---- answer.c ---- */

/* What was asked for, judged and made. 0 with the signature, or why not: 1 + KEY_UNKNOWN ... */
int keys_signature(unsigned use, struct view name, unsigned scheme, struct view input,
		   struct str *signature);
/* A request of any type: answers it. 0 or a negative errno: the connection ends. */
int keys_answer(struct ipc *ipc, struct message *m);

#endif
