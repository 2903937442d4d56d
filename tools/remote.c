/*
 * The conversation with an IMAP server as its client: connection, TLS, login, one command after the other. What
 * folders and messages are stands in files of their own.
 */
#include "tools/remote.h"

#include <errno.h>
#include <stdio.h>

#include "base/encode.h"
#include "base/mem.h"

#define CONNECT_TIME ((msec_t)30000)
#define SILENCE_TIME ((msec_t)300000) /* between two bytes */

bool remote_may_try_again(int r)
{
	return r == -ETIMEDOUT || r == -ENODATA || r == -ECONNRESET || r == -EPIPE ||
	       r == -ECONNREFUSED || r == -EHOSTUNREACH || r == -ENETUNREACH;
}

int remote_broken(struct remote *remote, int r)
{
	const char *why = r == -EBADMSG	   ? "what it answers is no IMAP"
			  : r == -EMSGSIZE ? "what it answers is larger than it may be"
			  : r == -ENODATA  ? "it closed the connection"
			  : r == -EPROTO   ? stream_error(remote->io)
					   : strerror(-r);

	return error_set(remote->err, r, "%s: %s", remote->options->host, why);
}

/* ---- one command ---- */

int remote_send(struct remote *remote, const char *format, ...)
{
	_cleanup_(str_wipe) struct str line = STR_EMPTY;
	va_list args;
	int r;

	remote->err->text[0] = '\0';
	str_printf(&line, "p%lu ", ++remote->tag);
	va_start(args, format);
	str_vprintf(&line, format, args);
	va_end(args);
	str_append_cstr(&line, "\r\n");
	r = stream_write(remote->io, str_view(&line));
	if (r == 0)
		r = stream_flush(remote->io);
	return r < 0 ? remote_broken(remote, r) : 0;
}

/* The tagged answer, or a BYE that nobody asked for. */
static int remote_finish(struct remote *remote, const struct imap_answer *answer)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (strcmp(answer->name, "OK") == 0)
		return 0;
	str_append_printable(&text, view_first(imap_response_text(remote->in), 300));
	error_set(remote->err, 1, "%s: %s %s", remote->options->host, answer->name,
		  str_cstr(&text));
	return 1;
}

static bool answer_is_ours(const struct remote *remote, const struct imap_answer *answer)
{
	char tag[IMAP_RESPONSE_NAME_MAX + 1];

	snprintf(tag, sizeof(tag), "P%lu", remote->tag);
	return answer->kind == IMAP_TAGGED && strcmp(answer->tag, tag) == 0;
}

int remote_receive(struct remote *remote, remote_each *each, void *argument)
{
	struct imap_answer answer;

	for (unsigned long i = 0; i < REMOTE_ANSWERS_MAX; i++) {
		int r = imap_response_begin(remote->in, &answer);

		if (r < 0)
			return remote_broken(remote, r);
		if (answer_is_ours(remote, &answer))
			return remote_finish(remote, &answer);
		if (answer.kind != IMAP_UNTAGGED)
			return remote_broken(remote, -EBADMSG);
		if (each != NULL)
			r = each(remote, &answer, argument);
		if (r == 0)
			r = imap_response_end(remote->in);
		if (r < 0)
			return remote->err->text[0] != '\0' ? r : remote_broken(remote, r);
	}
	return remote_broken(remote, -EMSGSIZE);
}

int remote_quote(struct str *out, struct view text)
{
	str_append_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (c == '\0' || c == '\r' || c == '\n')
			return -EINVAL;
		if (c == '"' || c == '\\')
			str_append_byte(out, '\\');
		str_append_byte(out, c);
	}
	str_append_byte(out, '"');
	return 0;
}

/* ---- connection ---- */

static int remote_connect(struct remote *remote)
{
	int fd = -EADDRNOTAVAIL;

	for (const struct addrinfo *at = remote->options->addresses; at != NULL; at = at->ai_next) {
		fd = stream_connect(at->ai_addr, at->ai_addrlen, NULL, 0,
				    clock_after(CONNECT_TIME));
		if (fd >= 0)
			break;
	}
	if (fd < 0)
		return error_code(remote->err, fd, "connect to %s port %s", remote->options->host,
				  remote->options->port);
	remote->io = stream_new(fd);
	stream_set_timeout(remote->io, SILENCE_TIME);
	stream_wipe_output(remote->io);
	remote->in = imap_response_new(remote->io);
	return 0;
}

static int remote_start_tls(struct remote *remote)
{
	struct tls_peer_check check = { .servername = remote->options->host,
					.verify = !remote->options->insecure };
	int r;

	/* What came before TLS was said by anybody. */
	if (stream_buffered(remote->io).len > 0)
		return error_set(remote->err, -EPROTO, "%s: it spoke before TLS had begun",
				 remote->options->host);
	r = stream_start_tls_client(remote->io, remote->options->context, &check);
	return r < 0 ? error_set(remote->err, r, "%s: TLS: %s", remote->options->host,
				 stream_error(remote->io))
		     : 0;
}

static int remote_note_capability(struct remote *remote, const struct imap_answer *answer,
				  void *unused)
{
	static const struct {
		const char *name;
		unsigned bit;
	} known[] = {
		{ "SASL-IR", REMOTE_SASL_IR },
		{ "AUTH=PLAIN", REMOTE_AUTH_PLAIN },
		{ "LOGINDISABLED", REMOTE_LOGIN_DISABLED },
		{ "CONDSTORE", REMOTE_CONDSTORE },
		{ "QRESYNC", REMOTE_CONDSTORE },
		{ "NAMESPACE", REMOTE_NAMESPACE },
		{ "SPECIAL-USE", REMOTE_SPECIAL_USE },
		{ "STARTTLS", REMOTE_CAN_STARTTLS },
		{ "LIST-EXTENDED", REMOTE_LIST_EXTENDED },
	};
	struct view word;
	int r;

	(void)unused;
	if (strcmp(answer->name, "CAPABILITY") != 0)
		return 0;
	while (imap_response_has_more(remote->in)) {
		r = imap_response_item(remote->in, &word);
		if (r < 0)
			return r;
		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			if (view_is_nocase(word, known[i].name))
				remote->capabilities |= known[i].bit;
	}
	return 0;
}

static int remote_ask_capabilities(struct remote *remote)
{
	int r;

	remote->capabilities = 0;
	r = remote_send(remote, "CAPABILITY");
	if (r == 0)
		r = remote_receive(remote, remote_note_capability, NULL);
	return r > 0 ? -EACCES : r;
}

static int remote_greeting(struct remote *remote, bool *logged_in)
{
	static const struct {
		const char *word;
		enum remote_kind kind;
	} known[] = { { "Dovecot", REMOTE_DOVECOT },
		      { "Courier", REMOTE_COURIER },
		      { "Cyrus", REMOTE_CYRUS } };
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct imap_answer answer;
	int r = imap_response_begin(remote->in, &answer);

	if (r < 0)
		return remote_broken(remote, r);
	str_append_printable(&text, view_first(imap_response_text(remote->in), 300));
	*logged_in = strcmp(answer.name, "PREAUTH") == 0;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (view_find_nocase(str_view(&text), view_of(known[i].word)) != VIEW_NOT_FOUND)
			remote->kind = known[i].kind;
	if (answer.kind == IMAP_UNTAGGED && (*logged_in || strcmp(answer.name, "OK") == 0))
		return 0;
	return error_set(remote->err, -ECONNREFUSED, "%s: %s %s", remote->options->host,
			 answer.name, str_cstr(&text));
}

/* ---- login ---- */

/* RFC 4616: as whom, who, and the password. */
static void remote_plain(const struct remote *remote, const char *password, struct str *response)
{
	const struct remote_options *options = remote->options;
	_cleanup_(str_wipe) struct str text = STR_EMPTY;

	if (options->master != NULL)
		str_append_cstr(&text, remote->login);
	str_append_byte(&text, '\0');
	str_append_cstr(&text, options->master != NULL ? options->master : remote->login);
	str_append_byte(&text, '\0');
	str_append_cstr(&text, options->master != NULL ? options->master_password : password);
	base64_encode(response, str_view(&text));
}

static int remote_authenticate(struct remote *remote, const char *password)
{
	_cleanup_(str_wipe) struct str response = STR_EMPTY;
	struct imap_answer answer;
	int r;

	remote_plain(remote, password, &response);
	if (remote->capabilities & REMOTE_SASL_IR)
		return remote_send(remote, "AUTHENTICATE PLAIN %s", str_cstr(&response));
	r = remote_send(remote, "AUTHENTICATE PLAIN");
	if (r == 0)
		r = imap_response_begin(remote->in, &answer);
	if (r == 0 && answer.kind != IMAP_CONTINUATION)
		r = -EACCES;
	if (r == 0)
		r = stream_printf(remote->io, "%s\r\n", str_cstr(&response));
	return r < 0 ? remote_broken(remote, r) : 0;
}

static int remote_login(struct remote *remote, const char *password)
{
	_cleanup_(str_wipe) struct str words = STR_EMPTY;
	int r = 0;

	if (remote->capabilities & REMOTE_AUTH_PLAIN)
		return remote_authenticate(remote, password);
	if (remote->options->master != NULL)
		return error_set(remote->err, -EACCES,
				 "%s: a master user logs in by AUTH=PLAIN, which is not offered",
				 remote->options->host);
	if (remote->capabilities & REMOTE_LOGIN_DISABLED)
		return error_set(remote->err, -EACCES,
				 "%s: passwords are not taken on this connection",
				 remote->options->host);
	r = remote_quote(&words, view_of(remote->login));
	str_append_byte(&words, ' ');
	if (r == 0)
		r = remote_quote(&words, view_of(password));
	if (r < 0)
		return error_set(remote->err, -EACCES, "%s: no such password can be sent",
				 remote->options->host);
	return remote_send(remote, "LOGIN %s", str_cstr(&words));
}

static int remote_secure(struct remote *remote)
{
	int r;

	if (remote->options->tls != REMOTE_STARTTLS)
		return 0;
	if (!(remote->capabilities & REMOTE_CAN_STARTTLS))
		return error_set(remote->err, -EACCES, "%s: STARTTLS is not offered",
				 remote->options->host);
	r = remote_send(remote, "STARTTLS");
	if (r == 0)
		r = remote_receive(remote, NULL, NULL);
	if (r == 0)
		r = remote_start_tls(remote);
	if (r == 0)
		r = remote_ask_capabilities(remote);
	return r > 0 ? -EACCES : r;
}

int remote_open(struct remote *remote, const struct remote_options *options, const char *login,
		const char *password, struct error *err)
{
	bool logged_in = false;
	int r;

	*remote = (struct remote){ .options = options, .login = login, .err = err };
	err->text[0] = '\0';
	r = remote_connect(remote);
	if (r == 0 && options->tls == REMOTE_TLS)
		r = remote_start_tls(remote);
	if (r == 0)
		r = remote_greeting(remote, &logged_in);
	/* Whose mailbox that is nobody knows. */
	if (r == 0 && logged_in)
		r = error_set(err, -EACCES, "%s: it logs in by itself", options->host);
	if (r == 0)
		r = remote_ask_capabilities(remote);
	if (r == 0)
		r = remote_secure(remote);
	if (r == 0)
		r = remote_login(remote, password);
	if (r == 0)
		r = remote_receive(remote, NULL, NULL);
	if (r == 0)
		r = remote_ask_capabilities(remote);
	return r > 0 ? -EACCES : r;
}

void remote_close(struct remote *remote)
{
	imap_response_free(remote->in);
	if (remote->io != NULL)
		stream_close(remote->io);
	remote->in = NULL;
	remote->io = NULL;
}
