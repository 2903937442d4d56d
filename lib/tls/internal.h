/* What tls.c and context.c share. */
#ifndef TLS_INTERNAL_H
#define TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "tls/tls.h"

#define ALPN_NAME_MAX 32

struct tls_context {
	SSL_CTX *ctx;
	bool server;
	unsigned char alpn[1 + ALPN_NAME_MAX]; /* as on the wire: its length first; 0: none */
};

/* The first reason in OpenSSL's queue, or NULL if there is none; empties the queue. */
const char *tls_take_reason(void);

#endif
