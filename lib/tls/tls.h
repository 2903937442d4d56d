/*
 * TLS on streams (lib/task), server and client, with OpenSSL. A library of its own, because only
 * the programs that face a network speak TLS: the others neither load OpenSSL nor pay for it.
 *
 * After a handshake the stream_* functions work as before, encrypted. -EPROTO says that TLS failed;
 * stream_error() has the reason.
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include "task/stream.h"
#include "tls/sign.h"

struct tls_context;

struct tls_options {
	bool server;
	const char *chain_files;  /* "key+chain.pem, ..." as smtpd_tls_chain_files; or NULL */
	const char *cert_file;	  /* PEM chain, or NULL */
	const char *key_file;	  /* NULL: in cert_file */
	const char *ec_cert_file; /* a second pair, for a key of another type; or NULL */
	const char *ec_key_file;
	/* Who signs: the private keys in the files are then not looked at. NULL: we do. */
	tls_sign_function *sign;
	/* Servers: certificates by the name that the client asks for; "" or NULL: none. */
	const char *sni_maps;
	tls_chain_function *find_chain;
	bool ask_certificate;	 /* of clients: they may show one, which nobody has to trust */
	const char *ca_file;	 /* NULL: none */
	const char *ca_path;	 /* NULL: none */
	const char *protocols;	 /* ">=TLSv1.2", "!TLSv1, !TLSv1.1"; NULL: >=TLSv1.2 */
	const char *cipher_list; /* OpenSSL string for TLS 1.2 and below; NULL: OpenSSL's default */
	const char *exclude_ciphers[2]; /* lists of names that it is to be without; or NULL */
	const char *curves;	 /* "X25519 prime256v1", best first; NULL: OpenSSL's default */
	const char *ssl_options; /* as tls_ssl_options: "NO_TICKET, 0x4"; NULL: none */
	bool own_order;		 /* servers: the cipher is chosen by our order, not the client's */
	const char *alpn;	 /* one protocol ("smtp", "imap", "pop3"): a client that offers only
	                              others is refused (ALPACA); NULL: none */
};

/* The files with certificates, then those with keys alone; each a list of paths or NULL. */
#define TLS_FILES(o)                                                                               \
	(const char *const[])                                                                      \
	{                                                                                          \
		(o)->chain_files, (o)->chain_files ? NULL : (o)->cert_file,                        \
			(o)->chain_files ? NULL : (o)->ec_cert_file,                               \
			(o)->chain_files ? NULL : (o)->key_file,                                   \
			(o)->chain_files ? NULL : (o)->ec_key_file                                 \
	}
#define TLS_CERTIFICATE_FILES 3
#define TLS_ALL_FILES	      5

/* Reads the files; call it before the chroot. NULL with a reason in err. */
struct tls_context *tls_context_new(const struct tls_options *options, struct error *err);
void tls_context_free(struct tls_context *tls);

/* A TLSA record (RFC 6698): data is the certificate association. */
struct tls_tlsa {
	uint8_t usage, selector, matching_type;
	struct view data;
};

struct tls_peer_check {
	const char *servername;	  /* sent as SNI, NULL: none */
	bool verify;		  /* the chain must lead to a trust anchor ... */
	const char *const *names; /* ... and the certificate to one of these (NULL-terminated; a
	                             leading dot matches subdomains), NULL: servername */
	/*
	 * DANE for SMTP (RFC 7672), with records that DNSSEC vouches for: these decide, instead of
	 * the trust anchors. Usages 0 and 1 and what OpenSSL does not know are passed over; if
	 * nothing is left, the peer is not verified.
	 */
	const struct tls_tlsa *tlsa;
	size_t tlsa_count; /* 0: no DANE */
	/* In the place of the context's, or NULL: versions, and OpenSSL's list of ciphers. */
	const char *protocols, *cipher_list;
};

/*
 * Handshakes. Input that was buffered before is an attack or an error and must have been
 * discarded by the caller; -EPROTO if there is any.
 */
int stream_start_tls_server(struct stream *io, struct tls_context *tls);
int stream_start_tls_client(struct stream *io, struct tls_context *tls,
			    const struct tls_peer_check *check);

struct tls_info {
	const char *protocol; /* "TLSv1.3" */
	const char *cipher;
	int cipher_bits;
	bool verified; /* client side: the peer's certificate was checked and is good */
	bool resumed;
	const char *servername; /* server side: the SNI, or NULL */
	bool by_servername;	/* and the certificate was chosen by it */
};
/* The other side's certificate. */
struct tls_certificate {
	struct str fingerprint, key_fingerprint; /* "AB:CD:...": of it, and of its public key */
	struct str subject, issuer;		 /* common names */
	bool trusted; /* an authority in ca_file or ca_path vouches for it; whose it is, is open */
};
/* False where it showed none; `out` is emptied first. `digest`: "sha256" ... */
bool stream_tls_certificate(const struct stream *io, const char *digest,
			    struct tls_certificate *out);
void tls_certificate_free(struct tls_certificate *certificate);

/* user.c: what a login can take from TLS. */

/* What a SCRAM exchange binds itself to: tls-exporter (RFC 9266), tls-unique (RFC 5929). */
struct tls_channel {
	bool has_exporter;
	unsigned char exporter[32], unique[64];
	size_t unique_len; /* 0: none */
};
/* Nothing is there for a plain stream. */
void stream_tls_channel(const struct stream *io, struct tls_channel *out);

/* Authorities whose certificates say which user their owner is. */
struct tls_user_ca;
struct tls_user_ca *tls_user_ca_open(const char *file, struct error *err);
void tls_user_ca_free(struct tls_user_ca *ca);
enum tls_user_field { TLS_USER_EMAIL, TLS_USER_COMMON_NAME, TLS_USER_ID };
#define TLS_USER_MAX 320
/*
 * The user that the client's certificate names. False: it showed none (the context must have asked,
 * ask_certificate), none of these authorities vouches for it now, or it names nobody or several. Not
 * looked at: whether it was revoked.
 */
bool stream_tls_user(const struct stream *io, struct tls_user_ca *ca, enum tls_user_field field,
		     struct str *user);

/* False for a plain stream. */
bool stream_tls_info(const struct stream *io, struct tls_info *info);

#endif
