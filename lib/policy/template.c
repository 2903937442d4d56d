/*
 * Texts of the administrator with $names of the session in them: default_rbl_reply, rbl_reply_maps,
 * smtpd_reject_footer. What clients said is put in as it is, never expanded again, and without bytes
 * beyond smtpd_expansion_filter.
 */
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "conf/expand.h"
#include "mail/address.h"
#include "policy/internal.h"

struct template
{
	const struct policy_question *q;
	const struct template_value *extra;
	size_t extra_count;
	struct str value;  /* of the name asked for last */
	struct str filter; /* bytes that may be put in */
};

/* "\t", "\40" and "\\" as in a C string. */
static void read_filter(struct view text, struct str *out)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned octal = 0;
		size_t digits = 0;

		if (text.data[i] != '\\' || i + 1 == text.len) {
			str_append_byte(out, text.data[i]);
			continue;
		}
		i++;
		while (digits < 3 && i + digits < text.len && text.data[i + digits] >= '0' &&
		       text.data[i + digits] <= '7')
			octal = octal * 8 + (unsigned)(text.data[i + digits++] - '0');
		if (digits > 0) {
			str_append_byte(out, (char)octal);
			i += digits - 1;
		} else {
			str_append_byte(out, text.data[i] == 't' ? '\t' : text.data[i]);
		}
	}
}

static const char *put_value(struct template *t, struct view value)
{
	str_clear(&t->value);
	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];

		if (view_find_byte(str_view(&t->filter), c) == VIEW_NOT_FOUND)
			c = '_';
		if (c == '$')
			str_append_byte(&t->value, c);
		str_append_byte(&t->value, c);
	}
	return str_cstr(&t->value);
}

/* "sender", "sender_name", "sender_domain", and the same for others. */
static bool address_value(struct view name, const char *prefix, struct view address,
			  struct view *value)
{
	struct view local, domain;

	if (!view_starts(name, view_of(prefix)))
		return false;
	name = view_from(name, strlen(prefix));
	address_split(address, &local, &domain);
	if (name.len == 0)
		*value = address.len > 0 ? address : VIEW("<>");
	else if (view_is(name, "_name"))
		*value = address.len > 0 ? local : VIEW("<>");
	else if (view_is(name, "_domain"))
		*value = domain;
	else
		return false;
	return true;
}

static const char *client_value(struct template *t)
{
	_cleanup_(str_free) struct str client = STR_EMPTY;

	str_printf(&client, "%.*s[%.*s]", VIEW_ARG(t->q->client_name),
		   VIEW_ARG(t->q->client_address));
	return put_value(t, str_view(&client));
}

static const char *number_value(struct template *t, unsigned number)
{
	str_clear(&t->value);
	str_printf(&t->value, "%u", number);
	return str_cstr(&t->value);
}

static const char *time_value(struct template *t)
{
	time_t now = (time_t)(clock_wall_usec() / 1000000);
	char text[32] = "";
	struct tm tm;

	if (localtime_r(&now, &tm) != NULL)
		strftime(text, sizeof(text), "%b %d %H:%M:%S", &tm);
	return put_value(t, view_of(text));
}

static const char *template_lookup(void *argument, struct view name)
{
	struct template *t = argument;
	const struct {
		const char *name;
		struct view value;
	} names[] = {
		{ "client_address", t->q->client_address },
		{ "client_name", t->q->client_name },
		{ "reverse_client_name", t->q->reverse_name },
		{ "helo_name", t->q->helo },
		{ "mail_name", view_of(param.mail_name) },
		{ "server_name", view_of(param.myhostname) },
		{ "myhostname", view_of(param.myhostname) },
		{ "ccert_subject", t->q->certificate.subject },
		{ "ccert_issuer", t->q->certificate.issuer },
		{ "ccert_fingerprint", t->q->certificate.fingerprint },
		{ "sasl_method", t->q->login_method },
		{ "sasl_username", t->q->login },
	};
	struct view value;

	for (size_t i = 0; i < t->extra_count; i++)
		if (view_is(name, t->extra[i].name))
			return put_value(t, t->extra[i].value);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (view_is(name, names[i].name))
			return put_value(t, names[i].value);
	if (view_is(name, "client"))
		return client_value(t);
	if (view_is(name, "client_port"))
		return number_value(t, t->q->client_port);
	if (view_is(name, "localtime"))
		return time_value(t);
	if (address_value(name, "sender", t->q->sender, &value) ||
	    address_value(name, "recipient", t->q->recipient, &value))
		return put_value(t, value);
	return NULL;
}

int policy_expand(const struct policy_question *q, const struct template_value *extra,
		  size_t extra_count, struct view text, struct str *out, struct error *err)
{
	struct template t = { .q = q, .extra = extra, .extra_count = extra_count };
	int r;

	read_filter(view_of(param.smtpd_expansion_filter), &t.filter);
	r = value_expand(text, template_lookup, &t, out, err);
	str_free(&t.value);
	str_free(&t.filter);
	return r;
}

static int footer_find(struct tables *maps, const char *parameter, const char *usual,
		       const struct policy_question *question, struct view reply, struct str *text)
{
	_cleanup_(str_free) struct str template = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = tables_lookup(maps, reply, &template, &err);

	if (r < 0)
		log_warning("%s_maps: %s", parameter, err.text);
	if (r <= 0)
		str_set(&template, view_of(usual));
	if (template.len == 0)
		return 0;
	if (policy_expand(question, NULL, 0, str_view(&template), text, &err) < 0) {
		log_warning("%s: %s", parameter, err.text);
		return 0;
	}
	return 1;
}

int policy_footer(struct policy *policy, const struct policy_question *question, struct view reply,
		  struct str *text)
{
	return footer_find(policy->footers, "smtpd_reject_footer", param.smtpd_reject_footer,
			   question, reply, text);
}

/* Names in it are for the reply to expand, but for the one that is its default. */
static const char *screen_footer(void)
{
	return strcmp(param.postscreen_reject_footer, "$smtpd_reject_footer") == 0
		       ? param.smtpd_reject_footer
		       : param.postscreen_reject_footer;
}

int policy_screen_footer(struct policy *policy, const struct policy_question *question,
			 struct view reply, struct str *text)
{
	return footer_find(policy->screen_footers, "postscreen_reject_footer", screen_footer(),
			   question, reply, text);
}

bool policy_has_screen_footer(void)
{
	return screen_footer()[0] != '\0' || param.postscreen_reject_footer_maps[0] != '\0';
}
