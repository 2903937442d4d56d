/* check_policy_service: another program decides, SMTPD_POLICY_README. `filter` speaks with it. */
#include <errno.h>

#include "base/encode.h"
#include "base/log.h"
#include "conf/conf.h"
#include "policy/internal.h"
#include "services/clients.h"

struct policy_service {
	struct str server, context, default_action;
	msec_t timeout, max_idle, max_ttl, retry_delay;
	uint32_t request_limit, try_limit;
};

void policy_service_free(struct policy_service *service)
{
	if (service == NULL)
		return;
	str_free(&service->server);
	str_free(&service->context);
	str_free(&service->default_action);
	free(service);
}

static int service_set_time(struct view value, msec_t *out)
{
	return conf_parse_time(value, 's', out) < 0 || *out < 0 || *out > UINT32_MAX ? -EINVAL : 0;
}

/* One "name=value" of { server, name=value ... }. */
static int service_set(struct policy_service *s, struct view name, struct view value)
{
	if (view_is(name, "timeout"))
		return service_set_time(value, &s->timeout);
	if (view_is(name, "max_idle"))
		return service_set_time(value, &s->max_idle);
	if (view_is(name, "max_ttl"))
		return service_set_time(value, &s->max_ttl);
	if (view_is(name, "retry_delay"))
		return service_set_time(value, &s->retry_delay);
	if (view_is(name, "request_limit"))
		return view_parse_u32(value, UINT32_MAX, &s->request_limit);
	if (view_is(name, "try_limit"))
		return view_parse_u32(value, 100, &s->try_limit) < 0 || s->try_limit == 0 ? -EINVAL
											  : 0;
	if (view_is(name, "default_action")) {
		str_set(&s->default_action, value);
		return value.len > 0 ? 0 : -EINVAL;
	}
	if (view_is(name, "policy_context")) {
		str_set(&s->context, value);
		return 0;
	}
	return -EINVAL;
}

static int service_parse(struct policy_service *s, struct view text, const char *where,
			 struct error *err)
{
	struct view element;

	while (conf_next_element(&text, &element)) {
		size_t equals = view_find_byte(element, '=');

		if (s->server.len == 0) {
			str_append(&s->server, view_trim(element));
			continue;
		}
		if (equals == VIEW_NOT_FOUND ||
		    service_set(s, view_trim(view_first(element, equals)),
				view_trim(view_from(element, equals + 1))) < 0)
			return error_set(err, -EINVAL,
					 "%s: check_policy_service %s: expected a setting like "
					 "timeout=10s, not \"%.*s\"",
					 where, str_cstr(&s->server), VIEW_ARG(element));
	}
	if (!view_starts(str_view(&s->server), VIEW("inet:")) &&
	    !view_starts(str_view(&s->server), VIEW("unix:")))
		return error_set(err, -EINVAL,
				 "%s: check_policy_service needs a server, inet:host:port or "
				 "unix:path",
				 where);
	return 0;
}

int policy_service_parse(struct view text, const char *where, struct policy_service **service,
			 struct error *err)
{
	struct policy_service *s = mem_new(struct policy_service);

	str_append_cstr(&s->default_action, param.smtpd_policy_service_default_action);
	str_append_cstr(&s->context, param.smtpd_policy_service_policy_context);
	s->timeout = param.smtpd_policy_service_timeout;
	s->max_idle = param.smtpd_policy_service_max_idle;
	s->max_ttl = param.smtpd_policy_service_max_ttl;
	s->retry_delay = param.smtpd_policy_service_retry_delay;
	s->request_limit = (uint32_t)param.smtpd_policy_service_request_limit;
	s->try_limit = (uint32_t)param.smtpd_policy_service_try_limit;
	*service = s;
	return service_parse(s, text, where, err);
}

/* ---- the question ---- */

static void attribute(struct str *out, const char *name, struct view value)
{
	str_printf(out, "%s=", name);
	str_append_printable(out, value);
	str_append_byte(out, '\n');
}

/* Names of certificates, which may hold anything. */
static void attribute_xtext(struct str *out, const char *name, struct view value)
{
	str_printf(out, "%s=", name);
	xtext_encode(out, value);
	str_append_byte(out, '\n');
}

static void attribute_number(struct str *out, const char *name, uint64_t value)
{
	str_printf(out, "%s=%llu\n", name, (unsigned long long)value);
}

static void attribute_port(struct str *out, const char *name, uint16_t port)
{
	if (port > 0)
		attribute_number(out, name, port);
	else
		attribute(out, name, VIEW_NONE);
}

/* All of Postfix 3.11, what is not known here empty or 0, in its order. */
void policy_service_attributes(const struct policy_question *q, enum policy_stage stage,
			       struct view context, struct str *out)
{
	bool after_data = stage == POLICY_DATA || stage == POLICY_END_OF_DATA;

	attribute(out, "request", VIEW("smtpd_access_policy"));
	attribute(out, "protocol_state", q->state);
	attribute(out, "protocol_name", q->protocol);
	attribute(out, "client_address", q->client_address);
	attribute(out, "client_name", q->client_name);
	attribute_port(out, "client_port", q->client_port);
	attribute(out, "reverse_client_name", q->reverse_name);
	attribute(out, "server_address", q->server_address);
	attribute_port(out, "server_port", q->server_port);
	attribute(out, "helo_name", q->helo);
	attribute(out, "sender", q->sender);
	attribute(out, "recipient", after_data ? q->only_recipient : q->recipient);
	attribute_number(out, "recipient_count", after_data ? q->recipient_count : 0);
	attribute(out, "queue_id", q->queue_id);
	attribute(out, "instance", q->instance);
	attribute_number(out, "size", q->size);
	attribute(out, "etrn_domain", q->etrn_domain);
	attribute(out, "stress", VIEW_NONE);
	attribute(out, "sasl_method", q->login_method);
	attribute(out, "sasl_username", q->login);
	attribute(out, "sasl_sender", VIEW_NONE);
	attribute_xtext(out, "ccert_subject", q->certificate.subject);
	attribute_xtext(out, "ccert_issuer", q->certificate.issuer);
	attribute(out, "ccert_fingerprint", q->certificate.fingerprint);
	attribute(out, "ccert_pubkey_fingerprint", q->certificate.key_fingerprint);
	attribute(out, "encryption_protocol", q->tls_protocol);
	attribute(out, "encryption_cipher", q->tls_cipher);
	attribute_number(out, "encryption_keysize", q->tls_bits);
	attribute(out, "policy_context", context);
	attribute(out, "compatibility_level", view_of(param.compatibility_level));
	attribute(out, "mail_version", view_of(param.mail_version));
}

enum verdict policy_check_service(struct evaluation *e, const struct rule *rule)
{
	const struct policy_service *s = rule->service;
	_cleanup_(str_free) struct str attributes = STR_EMPTY, action = STR_EMPTY;

	if (e->q->explain) {
		trail_add(e->why, "%s: not asked now", str_cstr(&s->server));
		return DUNNO;
	}
	policy_service_attributes(e->q, e->stage, str_view(&s->context), &attributes);

	int r = filter_policy_ask(&(struct msg_policy_ask){ .server = str_view(&s->server),
							    .attributes = str_view(&attributes),
							    .timeout = (uint32_t)s->timeout,
							    .max_idle = (uint32_t)s->max_idle,
							    .max_ttl = (uint32_t)s->max_ttl,
							    .retry_delay = (uint32_t)s->retry_delay,
							    .request_limit = s->request_limit,
							    .try_limit = s->try_limit },
				  &action);

	if (r < 0) {
		log_warning("no answer of policy server %s: default action %s",
			    str_cstr(&s->server), str_cstr(&s->default_action));
		str_set(&action, str_view(&s->default_action));
	}
	return policy_apply_action(e, subject_of_stage(e), str_view(&action), str_cstr(&s->server));
}
