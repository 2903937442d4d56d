/*
 * What TLS knows of a client that logs in, for auth: one way for SMTP, IMAP and POP3. It judges
 * nothing.
 */
#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "services/clients.h"

static struct tls_user_ca *authority;
static enum tls_user_field authority_field;

int auth_tls_prepare(struct error *err)
{
	static const char *const words[] = { [TLS_USER_EMAIL] = "email",
					     [TLS_USER_COMMON_NAME] = "commonName",
					     [TLS_USER_ID] = "uid" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (view_is_nocase(view_of(param.auth_client_certificate_field), words[i]))
			authority_field = (enum tls_user_field)i;
	if (param.auth_client_certificate_CAfile[0] == '\0')
		return 0;
	tls_user_ca_free(authority);
	authority = tls_user_ca_open(param.auth_client_certificate_CAfile, err);
	if (authority == NULL)
		error_prefix(err, "auth_client_certificate_CAfile");
	return authority != NULL ? 0 : -EINVAL;
}

bool auth_tls_asks(void)
{
	return authority != NULL;
}

void auth_tls_fill(const struct stream *io, struct auth_tls *tls, struct auth_client *client)
{
	stream_tls_channel(io, &tls->channel);
	(void)stream_tls_user(io, authority, authority_field, &tls->user);
	if (tls->channel.has_exporter)
		client->tls_exporter =
			view_make(tls->channel.exporter, sizeof(tls->channel.exporter));
	client->tls_unique = view_make(tls->channel.unique, tls->channel.unique_len);
	client->certificate_user = str_view(&tls->user);
}

void auth_tls_free(struct auth_tls *tls)
{
	mem_wipe(&tls->channel, sizeof(tls->channel));
	str_free(&tls->user);
}

void auth_tls_announced(const struct stream *io, struct view names, struct str *out)
{
	_cleanup_(str_free) struct str user = STR_EMPTY;
	bool has_user = stream_tls_user(io, authority, authority_field, &user);
	struct tls_channel channel;
	struct view name;
	bool binds;

	stream_tls_channel(io, &channel);
	binds = channel.has_exporter || channel.unique_len > 0;
	mem_wipe(&channel, sizeof(channel));
	while (view_next_word(&names, " ", &name))
		if ((has_user || !view_is(name, "EXTERNAL")) &&
		    (binds || !view_ends(name, VIEW("-PLUS"))))
			str_printf(out, "%s%.*s", out->len > 0 ? " " : "", VIEW_ARG(name));
}
