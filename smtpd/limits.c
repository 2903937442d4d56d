/* What anvil counts for each client: connections at the same time, and rates. */
#include "base/log.h"
#include "base/prefix.h"
#include "conf/conf.h"
#include "server.h"
#include "session.h"

struct view limit_network(struct session *s)
{
	if (s->network.len == 0)
		address_prefix(view_of(s->peer->text),
			       (unsigned)param.smtpd_client_ipv4_prefix_length,
			       (unsigned)param.smtpd_client_ipv6_prefix_length, &s->network);
	return str_view(&s->network);
}

bool limit_exceeded(struct session *s, uint8_t kind, int64_t limit, const char *what)
{
	uint32_t connections, rate;

	if (limit == 0 || s->is_trusted ||
	    anvil_event(kind, view_of(server.service), limit_network(s), &connections, &rate) < 0)
		return false;
	if (rate <= (uint64_t)limit)
		return false;
	log_warning("%s rate limit exceeded: %u from %s for service %s", what, rate,
		    str_cstr(&s->who), server.service);
	return true;
}

bool limit_connection(struct session *s)
{
	int64_t most = param.smtpd_client_connection_count_limit;
	int64_t most_often = param.smtpd_client_connection_rate_limit;
	uint32_t connections, rate;

	if ((most == 0 && most_often == 0) || s->is_trusted ||
	    anvil_event(ANVIL_CONNECT, view_of(server.service), limit_network(s), &connections,
			&rate) < 0)
		return false;
	s->counted = true;
	s->connections = connections;
	if (most > 0 && connections > (uint64_t)most) {
		log_warning("Connection concurrency limit exceeded: %u from %s for service %s",
			    connections, str_cstr(&s->who), server.service);
		return true;
	}
	if (most_often > 0 && rate > (uint64_t)most_often) {
		log_warning("Connection rate limit exceeded: %u from %s for service %s", rate,
			    str_cstr(&s->who), server.service);
		return true;
	}
	return false;
}

void limit_disconnect(struct session *s)
{
	uint32_t connections, rate;

	if (s->counted)
		anvil_event(ANVIL_DISCONNECT, view_of(server.service), limit_network(s),
			    &connections, &rate);
}
