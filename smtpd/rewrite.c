/*
 * local_header_rewrite_clients: whose mail has its header completed and its addresses rewritten, as
 * mail of the host's own programs has. What strangers send is left as it is.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "server.h"
#include "session.h"

#define REWRITE_RULES_MAX 100

typedef int rewrite_check(const struct session *s);

static int rewrite_interfaces(const struct session *s)
{
	return policy_is_own_address(server.policy, view_of(s->peer->text));
}

static int rewrite_networks(const struct session *s)
{
	return policy_is_my_network(server.policy, view_of(s->peer->text));
}

static int rewrite_logins(const struct session *s)
{
	return s->login.len > 0;
}

static const struct {
	const char *word;
	rewrite_check *check;
} words[] = {
	{ "permit_inet_interfaces", rewrite_interfaces },
	{ "permit_mynetworks", rewrite_networks },
	{ "permit_sasl_authenticated", rewrite_logins },
};

static struct {
	struct {
		rewrite_check *check; /* or */
		struct table *table;
	} rules[REWRITE_RULES_MAX];
	size_t count;
} rewrite;

static int rewrite_add(struct view word, struct error *err)
{
	if (rewrite.count == REWRITE_RULES_MAX)
		return error_set(err, -EINVAL, "local_header_rewrite_clients: too long");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (view_is_nocase(word, words[i].word)) {
			rewrite.rules[rewrite.count++].check = words[i].check;
			return 0;
		}
	}
	if (view_is_nocase(word, "check_address_map"))
		return 0; /* its table is the next word */
	if (view_find_byte(word, ':') == VIEW_NOT_FOUND)
		return error_set(err, -EINVAL,
				 "local_header_rewrite_clients: \"%.*s\" is not known here",
				 VIEW_ARG(word));
	rewrite.rules[rewrite.count].table = table_open(word, 0, err);
	return rewrite.rules[rewrite.count++].table == NULL ? -EINVAL : 0;
}

int rewrite_open(struct error *err)
{
	struct view rest = view_of(param.local_header_rewrite_clients), word;

	rewrite_close();
	while (conf_next_element(&rest, &word)) {
		int r = rewrite_add(word, err);

		if (r < 0)
			return r;
	}
	return 0;
}

void rewrite_close(void)
{
	for (size_t i = 0; i < rewrite.count; i++)
		table_close(rewrite.rules[i].table);
	memset(&rewrite, 0, sizeof(rewrite));
}

static int rewrite_ask_table(struct table *table, const struct session *s)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = table_lookup(table, view_of(s->peer->text), &value, &err);

	if (r < 0)
		log_warning("local_header_rewrite_clients: %s", err.text);
	return r;
}

bool session_rewrites_headers(const struct session *s)
{
	/* A filter says whom it had the mail from, and that counts: not where the filter is. */
	if (s->forwarded.source != SOURCE_UNKNOWN)
		return s->forwarded.source == SOURCE_LOCAL;
	for (size_t i = 0; i < rewrite.count; i++) {
		int r = rewrite.rules[i].check != NULL
				? rewrite.rules[i].check(s)
				: rewrite_ask_table(rewrite.rules[i].table, s);

		if (r > 0)
			return true;
	}
	return false;
}
