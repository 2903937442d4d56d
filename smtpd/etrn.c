/*
 * ETRN, RFC 1985: a host that was away asks for its mail. What we relay for it is tried now; for
 * whom we relay nothing has nothing here.
 */
#include <errno.h>

#include "base/mem.h"
#include "ipc/ipc.h"
#include "mail/address.h"
#include "server.h"
#include "session.h"

#define ETRN_TIMEOUT 10000

/* The queue's owner tries what is there for the domain. 0, or a negative errno. */
static int etrn_flush(const char *domain)
{
	struct ipc *ipc = ipc_connect("public/showq", clock_after(ETRN_TIMEOUT));
	struct message m;
	int r;

	if (ipc == NULL)
		return -errno;
	ipc_set_timeout(ipc, ETRN_TIMEOUT);
	r = ipc_send(ipc, queue_act, .action = QUEUE_ACT_FLUSH, .site = view_of(domain));
	if (r == 0)
		r = ipc_receive(ipc, &m);
	if (r == 0 && m.type != MSG_queue_acted)
		r = -EPROTO;
	ipc_free(ipc);
	return r;
}

/* What smtpd_etrn_restrictions say. True if they let it pass, else it has been answered. */
static bool etrn_permitted(struct session *s, struct view domain, int *result)
{
	_cleanup_(policy_answer_free) struct policy_answer answer = { 0 };
	struct policy_question q;

	transaction_question(s, "ETRN", &q);
	q.etrn_domain = domain;
	policy_ask(server.policy, POLICY_ETRN, &q, &answer);
	if (answer.action != POLICY_REJECT && answer.action != POLICY_DEFER)
		return true;
	*result = reply_refusal(s, "ETRN", str_view(&answer.reply), domain);
	return false;
}

int verb_etrn(struct session *s, struct view argument)
{
	_cleanup_free_ char *domain = NULL;
	int r;

	if (s->state == STATE_NEW)
		return reply(s, "503 Error: send HELO/EHLO first");
	if (s->state != STATE_READY)
		return reply(s, "503 Error: MAIL transaction in progress");
	if (argument.len > 0 && (argument.data[0] == '@' || argument.data[0] == '#'))
		argument = view_from(argument, 1);
	if (argument.len == 0 || !domain_is_valid(argument, false))
		return reply(s, "501 Error: invalid parameter syntax");
	domain = mem_strndup(argument.data, argument.len);
	if (!etrn_permitted(s, view_of(domain), &r))
		return r;
	if (route_class(server.routes, view_of(domain), NULL) != CLASS_RELAY)
		return reply(s, "459 <%s>: service unavailable", domain);
	if (etrn_flush(domain) < 0)
		return reply(s, "458 Unable to queue messages");
	return reply(s, "250 Queuing started");
}
