/* LDAP directories, by OpenLDAP's library. See driver.h; ldap_walk.c reads the entries. */
#include "ldap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openldap.h>

#include "base/mem.h"

extern const struct driver proxymap_driver;

/* ---- settings ---- */

/* The words of a setting at the end of the list of attributes. */
static int attributes_add(struct ldap_settings *own, const char *words, enum ldap_role role,
			  struct error *err)
{
	struct view rest = view_of(words), word;

	while (view_next_word(&rest, ", \t\r\n", &word)) {
		if (own->attribute_count == LDAP_ATTRIBUTES_MAX)
			return error_set(err, -EINVAL, "more than %d attributes",
					 LDAP_ATTRIBUTES_MAX);
		own->roles[own->attribute_count] = role;
		own->attributes[own->attribute_count++] = mem_strndup(word.data, word.len);
	}
	return 0;
}

static int ldap_read_attributes(struct ldap_settings *own, struct settings *settings,
				struct error *err)
{
	int r = attributes_add(own, settings_text(settings, "result_attribute", "maildrop"),
			       LDAP_RESULT, err);

	if (r == 0)
		r = attributes_add(own, settings_text(settings, "terminal_result_attribute", ""),
				   LDAP_TERMINAL, err);
	if (r == 0)
		r = attributes_add(own, settings_text(settings, "leaf_result_attribute", ""),
				   LDAP_LEAF, err);
	if (r == 0)
		r = attributes_add(own, settings_text(settings, "special_result_attribute", ""),
				   LDAP_SPECIAL, err);
	return r;
}

static int ldap_read_bind(struct ldap_settings *own, struct settings *settings, struct error *err)
{
	struct view bind = view_of(settings_text(settings, "bind", "yes"));

	own->bind_dn = settings_text(settings, "bind_dn", "");
	own->bind_password = settings_text(settings, "bind_pw", "");
	own->binds = view_is_nocase(bind, "yes") || view_is_nocase(bind, "simple");
	if (own->binds || view_is_nocase(bind, "no") || view_is_nocase(bind, "none"))
		return 0;
	return error_set(err, -ENOTSUP, "bind = %.*s is not to be had here", VIEW_ARG(bind));
}

static int ldap_read_scope(struct ldap_settings *own, struct settings *settings, struct error *err)
{
	struct view scope = view_of(settings_text(settings, "scope", "sub"));

	if (view_is_nocase(scope, "sub"))
		own->scope = LDAP_SCOPE_SUBTREE;
	else if (view_is_nocase(scope, "one"))
		own->scope = LDAP_SCOPE_ONELEVEL;
	else if (view_is_nocase(scope, "base"))
		own->scope = LDAP_SCOPE_BASE;
	else
		return error_set(err, -EINVAL, "scope = %.*s: expected sub, one or base",
				 VIEW_ARG(scope));
	return 0;
}

static void ldap_read_tls(struct ldap_settings *own, struct settings *settings)
{
	own->start_tls = settings_flag(settings, "start_tls", false);
	own->ca_file = settings_text(settings, "tls_ca_cert_file", NULL);
	own->ca_dir = settings_text(settings, "tls_ca_cert_dir", NULL);
	own->cert = settings_text(settings, "tls_cert", NULL);
	own->key = settings_text(settings, "tls_key", NULL);
	own->ciphers = settings_text(settings, "tls_cipher_suite", NULL);
	own->require_cert = settings_flag(settings, "tls_require_cert", false);
	/* Known, and of no consequence. */
	(void)settings_text(settings, "tls_random_file", NULL);
	(void)settings_text(settings, "debuglevel", NULL);
	(void)settings_text(settings, "cache", NULL);
}

static void *ldap_driver_open(struct settings *settings, struct error *err)
{
	struct ldap_settings *own = mem_new(struct ldap_settings);

	/* TLS is of version 3 alone; so are most servers of today. */
	own->version = (int)settings_number(settings, "version", 3, 2, 3);
	own->dereference = (int)settings_number(settings, "dereference", 0, 0, 3);
	own->referrals = settings_flag(settings, "chase_referrals", false);
	own->recursion_limit = (int)settings_number(settings, "recursion_limit", 1000, 1, 100000);
	own->size_limit = (int)settings_number(
		settings, "size_limit", settings_number(settings, "expansion_limit", 0, 0, 1000000),
		0, 1000000);
	own->timeout = 1000 * settings_number(settings, "timeout", 10, 1, 3600);
	ldap_read_tls(own, settings);
	if (own->start_tls && own->version < 3)
		own->version = 3;
	if (ldap_read_attributes(own, settings, err) < 0 ||
	    ldap_read_bind(own, settings, err) < 0 || ldap_read_scope(own, settings, err) < 0) {
		for (size_t i = 0; i < own->attribute_count; i++)
			free(own->attributes[i]);
		free(own);
		return NULL;
	}
	return own;
}

static int ldap_driver_templates(struct settings *settings,
				 const char *templates[DRIVER_TEMPLATES_MAX], struct error *err)
{
	templates[LDAP_FILTER] =
		settings_text(settings, "query_filter", "(mailacceptinggeneralid=%s)");
	templates[LDAP_BASE] = settings_text(settings, "search_base", NULL);
	return templates[LDAP_BASE] != NULL ? 0 : error_set(err, -EINVAL, "search_base is not set");
}

/* ---- connecting ---- */

static int ldap_driver_wait_connected(int fd, msec_t deadline)
{
	struct pollfd wanted = { .fd = fd, .events = POLLOUT };
	msec_t left = deadline - clock_now();
	int problem = 0;
	socklen_t len = sizeof(problem);

	if (poll(&wanted, 1, left > 0 ? (int)MIN(left, (msec_t)INT32_MAX) : 0) != 1)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) < 0)
		return -errno;
	return -problem;
}

/* The address as the system wants it. */
static socklen_t ldap_driver_address(const struct driver_host *host,
				     struct sockaddr_storage *storage)
{
	struct sockaddr_un *path = (struct sockaddr_un *)storage;
	struct sockaddr_in *v4 = (struct sockaddr_in *)storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;

	*storage = (struct sockaddr_storage){ .ss_family = AF_UNSPEC };
	if (host->path != NULL) {
		path->sun_family = AF_UNIX;
		snprintf(path->sun_path, sizeof(path->sun_path), "%s", host->path);
		return sizeof(*path);
	}
	if (inet_pton(AF_INET, host->address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)host->port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, host->address, &v6->sin6_addr) != 1)
		return 0;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)host->port);
	return sizeof(*v6);
}

/* A descriptor that blocks, or a negative errno. */
static int ldap_driver_socket(const struct driver_host *host, msec_t deadline)
{
	struct sockaddr_storage storage;
	socklen_t len = ldap_driver_address(host, &storage);
	_cleanup_fd_ int fd = -1;
	int flags, r = 0;

	if (len == 0)
		return -EINVAL;
	fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&storage, len) < 0)
		r = errno == EINPROGRESS ? ldap_driver_wait_connected(fd, deadline) : -errno;
	flags = fcntl(fd, F_GETFL);
	if (r == 0 && (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0))
		r = -errno;
	return r < 0 ? r : TAKE_FD(fd);
}

static void ldap_driver_set_options(struct ldap_connection *c)
{
	const struct ldap_settings *own = c->own;
	int demand = own->require_cert ? LDAP_OPT_X_TLS_DEMAND : LDAP_OPT_X_TLS_NEVER;
	int server = 0;

	ldap_set_option(c->ld, LDAP_OPT_PROTOCOL_VERSION, &own->version);
	ldap_set_option(c->ld, LDAP_OPT_DEREF, &own->dereference);
	ldap_set_option(c->ld, LDAP_OPT_REFERRALS, own->referrals ? LDAP_OPT_ON : LDAP_OPT_OFF);
	if (own->ca_file != NULL)
		ldap_set_option(c->ld, LDAP_OPT_X_TLS_CACERTFILE, own->ca_file);
	if (own->ca_dir != NULL)
		ldap_set_option(c->ld, LDAP_OPT_X_TLS_CACERTDIR, own->ca_dir);
	if (own->cert != NULL)
		ldap_set_option(c->ld, LDAP_OPT_X_TLS_CERTFILE, own->cert);
	if (own->key != NULL)
		ldap_set_option(c->ld, LDAP_OPT_X_TLS_KEYFILE, own->key);
	if (own->ciphers != NULL)
		ldap_set_option(c->ld, LDAP_OPT_X_TLS_CIPHER_SUITE, own->ciphers);
	ldap_set_option(c->ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
	ldap_set_option(c->ld, LDAP_OPT_X_TLS_NEWCTX, &server);
}

/* For calls that wait by themselves. */
static void ldap_driver_set_time(struct ldap_connection *c, msec_t deadline)
{
	struct timeval time = ldap_time_left(deadline);

	ldap_set_option(c->ld, LDAP_OPT_TIMEOUT, &time);
	ldap_set_option(c->ld, LDAP_OPT_NETWORK_TIMEOUT, &time);
}

static int ldap_driver_secure(struct ldap_connection *c, const struct driver_host *host)
{
	if (host->tls)
		return ldap_install_tls(c->ld);
	return c->own->start_tls ? ldap_start_tls_s(c->ld, NULL, NULL) : LDAP_SUCCESS;
}

/* An LDAP_... code. */
static int ldap_bind_as(struct ldap_connection *c, const char *name, struct view password,
			msec_t deadline)
{
	struct berval secret = { .bv_val = (char *)(uintptr_t)password.data,
				 .bv_len = password.len };
	struct timeval time = ldap_time_left(deadline);
	LDAPMessage *message = NULL;
	int id, answer, r;

	r = ldap_sasl_bind(c->ld, name, LDAP_SASL_SIMPLE, &secret, NULL, NULL, &id);
	if (r != LDAP_SUCCESS)
		return r;
	answer = ldap_result(c->ld, id, LDAP_MSG_ALL, &time, &message);
	if (answer <= 0)
		return answer == 0 ? LDAP_TIMEOUT : LDAP_SERVER_DOWN;
	r = ldap_parse_result(c->ld, message, &answer, NULL, NULL, NULL, NULL, 1);
	return r != LDAP_SUCCESS ? r : answer;
}

static int ldap_driver_bind(struct ldap_connection *c, msec_t deadline)
{
	const struct ldap_settings *own = c->own;

	/* In version 3 who says nothing is nobody. */
	if (own->version == 3 && (!own->binds || own->bind_dn[0] == '\0'))
		return LDAP_SUCCESS;
	return ldap_bind_as(c, own->binds ? own->bind_dn : "",
			    view_of(own->binds ? own->bind_password : ""), deadline);
}

static int ldap_driver_begin(struct ldap_connection *c, int fd, const struct driver_host *host,
			     msec_t deadline)
{
	_cleanup_(str_free) struct str url = STR_EMPTY;
	int r;

	/* Of the name in it the library asks that the certificate has it. */
	if (host->path == NULL)
		str_printf(&url, strchr(host->name, ':') != NULL ? "%s://[%s]:%u" : "%s://%s:%u",
			   host->tls ? "ldaps" : "ldap", host->name, host->port);
	r = ldap_init_fd(fd, host->path != NULL ? LDAP_PROTO_IPC : LDAP_PROTO_TCP,
			 host->path != NULL ? "ldapi:///" : str_cstr(&url), &c->ld);
	if (r != LDAP_SUCCESS) {
		close(fd);
		return r;
	}
	ldap_driver_set_time(c, deadline);
	ldap_driver_set_options(c);
	r = ldap_driver_secure(c, host);
	return r == LDAP_SUCCESS ? ldap_driver_bind(c, deadline) : r;
}

static void ldap_driver_disconnect(void *argument)
{
	struct ldap_connection *c = argument;

	if (c->ld != NULL)
		ldap_unbind_ext_s(c->ld, NULL, NULL);
	free(c);
}

static void *ldap_driver_connect(void *argument, const struct driver_host *host, msec_t deadline,
				 struct error *err)
{
	struct ldap_connection *c;
	int fd, r;

	deadline = MIN(deadline, clock_after(((struct ldap_settings *)argument)->timeout));
	fd = ldap_driver_socket(host, deadline);
	if (fd < 0) {
		error_set(err, -EIO, "%s", strerror(-fd));
		return NULL;
	}
	c = mem_new(struct ldap_connection);
	c->own = argument;
	r = ldap_driver_begin(c, fd, host, deadline);
	if (r == LDAP_SUCCESS)
		return c;
	error_set(err, -EIO, "%s", ldap_err2string(r));
	ldap_driver_disconnect(c);
	return NULL;
}

/* ---- escaping ---- */

/* RFC 4515 3 for the filter, RFC 4514 2.4 for the base: what means something becomes hexadecimal. */
static int ldap_driver_escape(void *connection, int number, struct view text, struct str *out)
{
	const char *special = number == LDAP_FILTER ? "*()\\" : " \"#+,;<=>\\";

	(void)connection;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.data[i];

		if (byte < ' ' || byte == 127 || strchr(special, (char)byte) != NULL)
			str_printf(out, "\\%02x", byte);
		else
			str_append_byte(out, (char)byte);
	}
	return 0;
}

static int ldap_driver_ask(void *connection, const struct str questions[DRIVER_TEMPLATES_MAX],
			   msec_t deadline, driver_value *value, void *argument, struct error *err)
{
	struct ldap_connection *c = connection;
	struct ldap_walk walk = { .connection = c,
				  .deadline = MIN(deadline, clock_after(c->own->timeout)),
				  .value = value,
				  .argument = argument,
				  .err = err };

	return ldap_walk_run(&walk, str_cstr(&questions[LDAP_BASE]),
			     str_cstr(&questions[LDAP_FILTER]));
}

static int ldap_driver_verify(void *connection, const struct str questions[DRIVER_TEMPLATES_MAX],
			      const char *who, struct view password, msec_t deadline,
			      struct error *err)
{
	struct ldap_connection *c = connection;
	struct ldap_walk walk = { .connection = c,
				  .deadline = MIN(deadline, clock_after(c->own->timeout)),
				  .err = err };
	char *found = NULL;
	int r = 1;

	if (who == NULL)
		r = ldap_walk_name(&walk, str_cstr(&questions[LDAP_BASE]),
				   str_cstr(&questions[LDAP_FILTER]), &found);
	if (r <= 0)
		return r;
	/* A name without a password, or a password without a name, is nobody: and that succeeds. */
	if (who == NULL)
		who = found;
	if (who[0] == '\0' || password.len == 0)
		r = LDAP_INVALID_CREDENTIALS;
	else
		r = ldap_bind_as(c, who, password, walk.deadline);
	ldap_memfree(found);
	if (r == LDAP_SUCCESS)
		return 1;
	/* Of a name that the template made there may be no entry, or none can be. */
	if (r == LDAP_INVALID_CREDENTIALS || r == LDAP_INVALID_DN_SYNTAX ||
	    r == LDAP_NO_SUCH_OBJECT || r == LDAP_INAPPROPRIATE_AUTH)
		return 0;
	return error_set(err,
			 r == LDAP_TIMEOUT	 ? -ETIMEDOUT
			 : r == LDAP_SERVER_DOWN ? -EIO
						 : -EPROTO,
			 "%s", ldap_err2string(r));
}

const struct driver proxymap_driver = {
	.name = "ldap",
	.port = 389,
	.hosts_setting = "server_host",
	.port_setting = "server_port",
	.open = ldap_driver_open,
	.templates = ldap_driver_templates,
	.connect = ldap_driver_connect,
	.escape = ldap_driver_escape,
	.ask = ldap_driver_ask,
	.verify = ldap_driver_verify,
	.disconnect = ldap_driver_disconnect,
};
