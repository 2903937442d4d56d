/*
 * The only program that parses DNS: MX, addresses, TXT, PTR, SRV, TLSA for all the others, with
 * DNSSEC validation and one shared cache. It holds nothing worth stealing and reads no file after
 * its start.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "lookup.h"
#include "rdata.h"
#include "services/clients.h"

#define REASON_MAX 512 /* bytes of a reason that are handed on */

enum { RCODE_NOERROR = 0, RCODE_NXDOMAIN = 3 };

static bool is_known_type(uint32_t type)
{
	return type == DNS_A || type == DNS_AAAA || type == DNS_MX || type == DNS_PTR ||
	       type == DNS_NS || type == DNS_TXT || type == DNS_SRV || type == DNS_TLSA;
}

static int query_refuse(struct ipc *ipc, uint8_t outcome, const char *reason)
{
	return ipc_send(ipc, resolved, .outcome = outcome, .reason = view_of(reason));
}

static uint8_t outcome_of(const struct ub_result *result, size_t usable)
{
	if (result->bogus)
		return RESOLVE_BOGUS;
	if (result->rcode == RCODE_NXDOMAIN)
		return RESOLVE_NXDOMAIN;
	if (result->rcode != RCODE_NOERROR)
		return RESOLVE_TEMPORARY;
	if (usable > 0)
		return RESOLVE_OK;
	/* Records that are all malformed are a server's failure, not the absence of records. */
	return result->havedata ? RESOLVE_TEMPORARY : RESOLVE_NODATA;
}

struct answer {
	struct rdata *records;
	size_t count;
	bool malformed;
};

static void resolver_answer_free(struct answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		rdata_free(&answer->records[i]);
	free(answer->records);
}

static void resolver_read_records(const struct ub_result *result, uint32_t type,
				  struct answer *answer)
{
	answer->records = mem_new_array(struct rdata, DNS_RECORDS_MAX);
	if (result->bogus || !result->havedata || result->data == NULL)
		return;
	for (size_t i = 0; result->data[i] != NULL && answer->count < DNS_RECORDS_MAX; i++) {
		struct rdata *record = &answer->records[answer->count];

		if (result->len[i] < 0 ||
		    rdata_parse(type, view_make(result->data[i], (size_t)result->len[i]), record) <
			    0) {
			answer->malformed = true;
			rdata_free(record);
			continue;
		}
		answer->count++;
	}
}

static void query_explain(const struct ub_result *result, uint8_t outcome, bool malformed,
			  struct str *reason)
{
	if (outcome == RESOLVE_BOGUS) {
		str_append_cstr(reason, "DNSSEC validation failed");
		if (result->why_bogus != NULL) {
			str_append_cstr(reason, ": ");
			str_append_printable(reason,
					     view_first(view_of(result->why_bogus), REASON_MAX));
		}
	} else if (outcome == RESOLVE_NXDOMAIN) {
		str_append_cstr(reason, "no such name");
	} else if (outcome == RESOLVE_NODATA) {
		str_append_cstr(reason, "no such record");
	} else if (outcome == RESOLVE_TEMPORARY) {
		if (malformed)
			str_append_cstr(reason, "malformed records");
		else
			str_printf(reason, "the name server failed (code %d)", result->rcode);
	}
}

/* The name at the end of a chain of aliases, in libunbound's text form. */
static void append_canonical(struct view name, struct str *out)
{
	if (name.len > 1 && view_ends(name, VIEW(".")))
		name = view_first(name, name.len - 1);
	if (name.len <= IPC_HOST_MAX)
		str_append_printable(out, name);
}

static int resolver_send_answer(struct ipc *ipc, const struct ub_result *result, uint32_t type)
{
	_cleanup_(resolver_answer_free) struct answer answer = { 0 };
	_cleanup_(str_free) struct str reason = STR_EMPTY, canonical = STR_EMPTY;
	uint8_t outcome;
	int r;

	resolver_read_records(result, type, &answer);
	outcome = outcome_of(result, answer.count);
	query_explain(result, outcome, answer.malformed, &reason);
	if (result->canonname != NULL)
		append_canonical(view_of(result->canonname), &canonical);
	r = ipc_send(ipc, resolved, .outcome = outcome, .secure = result->secure != 0,
		     .ttl = result->ttl > 0 ? (uint32_t)result->ttl : 0,
		     .count = (uint32_t)answer.count, .canonical = str_view(&canonical),
		     .reason = str_view(&reason));
	for (size_t i = 0; r == 0 && i < answer.count; i++) {
		const struct rdata *record = &answer.records[i];

		r = ipc_send(ipc, record, .preference = record->preference,
			     .weight = record->weight, .port = record->port,
			     .name = str_view(&record->name), .data = str_view(&record->data));
	}
	return r;
}

static int resolve(struct ipc *ipc, struct view name, uint32_t type)
{
	_cleanup_(str_free) struct str question = STR_EMPTY;
	_cleanup_(lookup_free) struct lookup lookup = { 0 };

	if (!is_known_type(type))
		return query_refuse(ipc, RESOLVE_NODATA, "not a type of record that is looked up");
	if (rdata_question(name, type, &question) < 0)
		return query_refuse(ipc, RESOLVE_NXDOMAIN, "not a name that the DNS could have");
	lookup_ask(str_cstr(&question), type, &lookup);
	if (lookup.result == NULL)
		return query_refuse(ipc, RESOLVE_TEMPORARY, str_cstr(&lookup.reason));
	return resolver_send_answer(ipc, lookup.result, type);
}

static void resolver_serve(struct ipc *ipc)
{
	struct message m;

	while (ipc_next_request(ipc, &m) == 0) {
		if (m.type != MSG_resolve) {
			log_warning("a client sent %s, which is no question", message_name(m.type));
			message_close_fd(&m);
			return;
		}
		if (resolve(ipc, m.resolve.name, m.resolve.type) < 0 || ipc_flush(ipc) < 0)
			return;
	}
}

static const struct daemon_program program = {
	.name = "resolver",
	.prepare = lookup_prepare,
	.start = lookup_start,
	.serve_ipc = resolver_serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
