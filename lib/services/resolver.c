/* The caller's side of resolver. */
#include <errno.h>

#include "base/mem.h"
#include "services/clients.h"

#define SERVICE	     "private/resolver"
#define IDLE_MAX     16
#define CONNECT_TIME ((msec_t)10 * 1000)
#define ANSWER_TIME  ((msec_t)120 * 1000) /* far beyond dns_timeout, which resolver keeps to */
#define NAMES_MAX    10			  /* PTR names of one client that are looked at */

static struct ipc_pool *resolver_pool(void)
{
	static struct ipc_pool *pool;

	return ipc_pool_once(&pool, SERVICE, IDLE_MAX, ANSWER_TIME);
}

static int client_read_records(struct ipc *ipc, size_t count, struct dns_answer *answer)
{
	if (count > DNS_RECORDS_MAX)
		return -EBADMSG;
	answer->records = mem_new_array(struct dns_record, count);
	while (answer->count < count) {
		struct dns_record *record = &answer->records[answer->count];
		struct message m;
		int r = ipc_expect(ipc, MSG_record, &m);

		if (r < 0)
			return r;
		record->preference = m.record.preference;
		record->weight = m.record.weight;
		record->port = m.record.port;
		record->name = mem_strndup(m.record.name.data, m.record.name.len);
		str_set(&record->data, m.record.data);
		answer->count++;
	}
	return 0;
}

static int resolver_query(struct view name, uint32_t type, struct dns_answer *answer)
{
	struct ipc *ipc = NULL;
	struct message m;
	int r;

	*answer = (struct dns_answer){ .outcome = RESOLVE_TEMPORARY };
	if (name.len > IPC_HOST_MAX) {
		answer->outcome = RESOLVE_NXDOMAIN;
		str_append_cstr(&answer->reason, "not a name that the DNS could have");
		return 0;
	}
	r = ipc_exchange(resolver_pool(), clock_after(CONNECT_TIME), &ipc, &m, resolve,
			 .name = name, .type = type);
	if (r == 0 && m.type != MSG_resolved) {
		message_close_fd(&m);
		r = -EBADMSG;
	}
	if (r == 0) {
		answer->outcome = m.resolved.outcome;
		answer->secure = m.resolved.secure != 0;
		answer->ttl = m.resolved.ttl;
		str_set(&answer->reason, m.resolved.reason);
		str_set(&answer->canonical, m.resolved.canonical);
		r = client_read_records(ipc, m.resolved.count, answer);
	}
	ipc_pool_put(resolver_pool(), ipc, r == 0);
	if (r < 0) {
		dns_answer_free(answer);
		answer->outcome = RESOLVE_TEMPORARY;
	}
	return r;
}

int dns_query(struct view name, uint32_t type, struct dns_answer *answer)
{
	int r = resolver_query(name, type, answer);

	if (r == 0 && answer->outcome == RESOLVE_OK && answer->count > 0)
		dns_filter_apply(name, type, answer);
	return r;
}

/* ---- the name of a client ---- */

static bool is_temporary(const struct dns_answer *answer, int r)
{
	return r < 0 || answer->outcome == RESOLVE_TEMPORARY || answer->outcome == RESOLVE_BOGUS;
}

/* Letters, digits, hyphens, underscores and dots: what may go into a log or a header. */
static bool is_host_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > 255 || name[0] == '.' || name[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!ascii_is_alnum(name[i]) && strchr("-_.", name[i]) == NULL)
			return false;
	return true;
}

/* The address stands among those of the name: 1, 0, or -EAGAIN. */
static int name_has_address(const char *name, struct view address)
{
	bool ipv6 = view_find_byte(address, ':') != VIEW_NOT_FOUND;
	struct dns_answer answer;
	int r = resolver_query(view_of(name), ipv6 ? DNS_AAAA : DNS_A, &answer), found = 0;

	if (is_temporary(&answer, r))
		found = -EAGAIN;
	for (size_t i = 0; i < answer.count; i++)
		if (view_is_nocase(address, answer.records[i].name))
			found = 1;
	dns_answer_free(&answer);
	return found;
}

int dns_client_name(struct view address, struct str *name, struct str *unverified, bool *temporary)
{
	struct dns_answer answer;
	int r = resolver_query(address, DNS_PTR, &answer);

	*temporary = is_temporary(&answer, r);
	str_set(name, VIEW("unknown"));
	if (unverified != NULL)
		str_set(unverified, VIEW("unknown"));
	for (size_t i = 0, looked_at = 0; i < answer.count && looked_at < NAMES_MAX; i++) {
		const char *candidate = answer.records[i].name;
		int found;

		if (!is_host_name(candidate))
			continue;
		if (unverified != NULL && looked_at == 0)
			str_set(unverified, view_of(candidate));
		looked_at++;
		found = name_has_address(candidate, address);
		if (found > 0) {
			str_set(name, view_of(candidate));
			if (unverified != NULL)
				str_set(unverified, view_of(candidate));
			*temporary = false;
			break;
		}
		if (found < 0)
			*temporary = true;
	}
	dns_answer_free(&answer);
	return r;
}
