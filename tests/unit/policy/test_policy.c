#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "policy/policy.h"
#include "services/clients.h"

/* ---- policy servers, by the port of their name ---- */

static struct str asked; /* the attributes of the last question */
static struct msg_policy_ask asked_with;

int filter_policy_ask(const struct msg_policy_ask *question, struct str *action)
{
	str_set(&asked, question->attributes);
	asked_with = *question;
	if (view_is(question->server, "unix:private/greylist"))
		str_append_cstr(action, "defer_if_permit Greylisted");
	else if (view_is(question->server, "inet:[::1]:2"))
		str_append_cstr(action, "PREPEND X-Policy: yes");
	else if (view_is(question->server, "inet:localhost:3"))
		str_append_cstr(action, "nonsense");
	else
		return -EAGAIN;
	return 0;
}

/* ---- a DNS of a few names ---- */

static const struct {
	const char *name;
	uint32_t type;
	const char *value;
} zone[] = {
	{ "mx.test", DNS_MX, "mail.mx.test" },
	{ "a.test", DNS_A, "192.0.2.80" },
	{ "null.test", DNS_MX, "." },
	{ "2.2.0.192.list.test", DNS_A, "127.0.0.4" },
	{ "2.2.0.192.list.test", DNS_TXT, "see the list" },
	{ "bad.test.names.test", DNS_A, "127.0.0.2" },
	{ "2.2.0.192.welcome.test", DNS_A, "127.0.0.9" },
	{ "host.client.test.names.test", DNS_A, "127.0.0.2" },
	{ "host.client.test", DNS_A, "192.0.2.2" },
	{ "mail.mx.test", DNS_A, "192.0.2.66" },
	{ "mx.test", DNS_NS, "ns.hoster.test" },
	{ "ns.hoster.test", DNS_A, "192.0.2.53" },
	{ "backup.test", DNS_MX, "mx.example.test" },
	{ "backup.test", DNS_MX, "own.test" },
	{ "own.test", DNS_A, "127.0.0.1" },
	{ "spf.test", DNS_TXT, "v=spf1 ip4:192.0.2.2 -all" },
	{ "soft.test", DNS_TXT, "v=spf1 ~all" },
};

/* Nearly all exchangers of many.test are in known networks; the last, as good as they, is not. */
#define MANY 100
static void many_exchangers(struct dns_answer *answer)
{
	answer->outcome = RESOLVE_OK;
	answer->records = mem_new_array(struct dns_record, MANY);
	for (answer->count = 0; answer->count < MANY; answer->count++)
		answer->records[answer->count].name =
			mem_strdup(answer->count < MANY - 1 ? "own.test" : "mail.mx.test");
}

int dns_query(struct view name, uint32_t type, struct dns_answer *answer)
{
	*answer = (struct dns_answer){ .outcome = RESOLVE_NXDOMAIN };
	if (view_is(name, "broken.test"))
		answer->outcome = RESOLVE_TEMPORARY;
	if (view_is(name, "gone.test"))
		return -ENOENT; /* no resolver */
	if (view_is(name, "many.test") && type == DNS_MX)
		many_exchangers(answer);
	for (size_t i = 0; i < ARRAY_SIZE(zone); i++) {
		if (!view_is(name, zone[i].name))
			continue;
		answer->outcome = answer->count > 0 ? RESOLVE_OK : RESOLVE_NODATA;
		if (zone[i].type != type)
			continue;
		answer->outcome = RESOLVE_OK;
		answer->records =
			mem_resize(answer->records, answer->count + 1, sizeof(*answer->records));
		answer->records[answer->count] = (struct dns_record){ 0 };
		answer->records[answer->count].name = mem_strdup(zone[i].value);
		str_append_cstr(&answer->records[answer->count].data, zone[i].value);
		answer->count++;
	}
	return 0;
}

void dns_answer_free(struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++) {
		free(answer->records[i].name);
		str_free(&answer->records[i].data);
	}
	free(answer->records);
	str_free(&answer->reason);
}

/* ---- a configuration, a question, an answer ---- */

#define BASE                                                                                       \
	"myhostname = mx.example.test\nmydomain = example.test\nmydestination = local.test\n"      \
	"local_recipient_maps = inline:{ alice=x, bob=x }\nmynetworks = 192.0.2.128/25\n"          \
	"virtual_mailbox_domains = virtual.test\nvirtual_mailbox_maps = inline:{ "                 \
	"v@virtual.test=x }\n"                                                                     \
	"relay_domains = relay.test\nrecipient_delimiter = +\ninet_interfaces = 127.0.0.1\n"       \
	"mailbox_users =\n"

struct world {
	struct routes *routes;
	struct policy *policy;
	struct error error;
};

static void open_world(struct world *w, const char *settings)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, report = STR_EMPTY;

	*w = (struct world){ 0 };
	str_printf(&text, BASE "%s\n", settings);
	if (conf_load_text(str_view(&text), "/etc/posta", NULL, 0, &report) < 0)
		fail_msg("%s", str_cstr(&report));
	w->routes = routes_open(&w->error);
	if (w->routes == NULL)
		fail_msg("%s", w->error.text);
	w->policy = policy_open(w->routes, &w->error);
}

static void close_world(struct world *w)
{
	policy_close(w->policy);
	routes_close(w->routes);
	conf_unload();
}

static void take_note(void *argument, const char *what, struct view text)
{
	str_printf(argument, "{%s %.*s} ", what, VIEW_ARG(text));
}

static const struct policy_question stranger = {
	.client_address = { "192.0.2.2", 9 },
	.client_name = { "host.client.test", 16 },
	.reverse_name = { "host.client.test", 16 },
	.helo = { "helo.test", 9 },
	.sender = { "s@mx.test", 9 },
	.recipient = { "alice@local.test", 16 },
	.has_sender = true,
};

struct question_case {
	const char *settings;
	/* what differs from the stranger; "-" for empty */
	const char *client, *name, *helo, *sender, *recipient, *login;
	const char *certificate; /* fingerprint; with '+' in front: an authority vouches for it */
	const char *expected;	 /* "" permits */
};

static struct view replaced(const char *text, struct view otherwise)
{
	return text == NULL ? otherwise : strcmp(text, "-") == 0 ? VIEW_NONE : view_of(text);
}

static void ask(struct policy *policy, const struct question_case *c, struct str *out)
{
	_cleanup_(policy_answer_free) struct policy_answer answer;
	_cleanup_(str_free) struct str notes = STR_EMPTY;
	struct policy_question q = stranger;

	q.client_address = replaced(c->client, q.client_address);
	q.client_name = replaced(c->name, q.client_name);
	if (c->name != NULL)
		q.reverse_name = q.client_name;
	q.helo = replaced(c->helo, q.helo);
	q.sender = replaced(c->sender, q.sender);
	q.recipient = replaced(c->recipient, q.recipient);
	q.login = replaced(c->login, VIEW_NONE);
	if (c->certificate != NULL) {
		q.certificate.trusted = c->certificate[0] == '+';
		q.certificate.fingerprint = view_of(c->certificate + q.certificate.trusted);
		q.certificate.key_fingerprint = VIEW("KEY");
	}
	q.note = take_note;
	q.note_argument = &notes;
	policy_ask_recipient(policy, true, &q, &answer);
	str_append(out, str_view(&notes));
	str_append(out, str_view(&answer.reply));
	str_append(out, str_view(&answer.prepend));
	str_append(out, str_view(&answer.redirect));
	if (answer.bcc.len > 0)
		str_printf(out, "bcc %s", str_cstr(&answer.bcc));
	if (answer.action == POLICY_DISCARD)
		str_append_cstr(out, "DISCARD");
	if (answer.action == POLICY_HOLD)
		str_append_cstr(out, "HOLD");
	assert_int_equal(answer.action == POLICY_REJECT || answer.action == POLICY_DEFER,
			 answer.reply.len > 0);
	if (answer.reply.len > 0)
		assert_int_equal(answer.action,
				 answer.reply.data[0] == '4' ? POLICY_DEFER : POLICY_REJECT);
}

static void run_cases(const struct question_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		_cleanup_(str_free) struct str got = STR_EMPTY;
		struct world w;

		open_world(&w, cases[i].settings);
		if (w.policy == NULL)
			fail_msg("%s: %s", cases[i].settings, w.error.text);
		ask(w.policy, &cases[i], &got);
		if (strcmp(str_cstr(&got), cases[i].expected) != 0)
			fail_msg("%s (%zu):\n%s\nnot %s", cases[i].settings, i, str_cstr(&got),
				 cases[i].expected);
		close_world(&w);
	}
}

static void relaying(void **state)
{
	static const struct question_case cases[] = {
		{ "", .expected = "" },
		{ "", .recipient = "x@other.test",
		  .expected = "454 4.7.1 <x@other.test>: Relay access denied" },
		{ "", .recipient = "x@other.test", .client = "192.0.2.200", .expected = "" },
		{ "", .recipient = "x@other.test", .login = "alice", .expected = "" },
		{ "", .recipient = "x@relay.test", .expected = "" },
		{ "", .recipient = "x%other.test@local.test",
		  .expected = "454 4.7.1 <x%other.test@local.test>: Relay access denied" },
		{ "", .recipient = "a@b@relay.test",
		  .expected = "454 4.7.1 <a@b@relay.test>: Relay access denied" },
		{ "", .recipient = "other.test!x@relay.test",
		  .expected = "454 4.7.1 <other.test!x@relay.test>: Relay access denied" },
		{ "", .recipient = "x@[192.0.2.77]",
		  .expected = "454 4.7.1 <x@[192.0.2.77]>: Relay access denied" },
		{ "smtpd_relay_restrictions = reject_unauth_destination",
		  .recipient = "x@other.test", .client = "192.0.2.200",
		  .expected = "554 5.7.1 <x@other.test>: Relay access denied" },
		{ "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = "
		  "permit_auth_destination, reject",
		  .recipient = "x@other.test",
		  .expected =
			  "554 5.7.1 <x@other.test>: Recipient address rejected: Access denied" },
		/* the relay list decides before the recipient list can permit */
		{ "smtpd_recipient_restrictions = permit", .recipient = "x@other.test",
		  .expected = "454 4.7.1 <x@other.test>: Relay access denied" },
	};

	(void)state;
	run_cases(cases, ARRAY_SIZE(cases));
}

static void addresses(void **state)
{
	static const struct question_case cases[] = {
		{ "", .recipient = "carol@local.test",
		  .expected = "550 5.1.1 <carol@local.test>: Recipient address rejected: User "
			      "unknown in local recipient table" },
		{ "", .recipient = "x@virtual.test",
		  .expected = "550 5.1.1 <x@virtual.test>: Recipient address rejected: User "
			      "unknown in virtual mailbox table" },
		{ "", .recipient = "v@virtual.test", .expected = "" },
		{ "smtpd_reject_unlisted_recipient = no", .recipient = "carol@local.test",
		  .expected = "" },
		/* what routing knows is said at once, and not in a bounce */
		{ "transport_maps = inline:{ { alice@local.test = error:5.2.1 closed } }",
		  .expected = "550 5.2.1 <alice@local.test>: Recipient address rejected: closed" },
		{ "transport_maps = inline:{ { local.test = retry:4.3.2 soon } }",
		  .expected = "450 4.3.2 <alice@local.test>: Recipient address rejected: soon" },
		{ "transport_maps = inline:{ { local.test = retry: } }",
		  .expected = "450 4.1.1 <alice@local.test>: Recipient address rejected: Address "
			      "is undeliverable" },
		{ "transport_maps = inline:{ { local.test = error:closed } }\n"
		  "smtpd_reject_unlisted_recipient = no",
		  .expected = "" },
		{ "transport_maps = inline:{ { other.test = error: } }", .client = "192.0.2.200",
		  .recipient = "x@other.test",
		  .expected = "550 5.1.1 <x@other.test>: Recipient address rejected: Address is "
			      "undeliverable" },
		{ "relocated_maps = inline:{ { alice@local.test = alice@new.test } }",
		  .expected = "550 5.1.6 <alice@local.test>: Recipient address rejected: User has "
			      "moved to alice@new.test" },
		{ "unknown_local_recipient_reject_code = 450", .recipient = "carol@local.test",
		  .expected = "450 4.1.1 <carol@local.test>: Recipient address rejected: User "
			      "unknown in local recipient table" },
		{ "smtpd_reject_unlisted_sender = yes", .sender = "carol@local.test",
		  .expected = "550 5.1.0 <carol@local.test>: Sender address rejected: User unknown "
			      "in local recipient table" },
		{ "smtpd_sender_restrictions = reject_unlisted_sender", .sender = "-",
		  .expected = "" },
		{ "smtpd_sender_restrictions = reject_non_fqdn_sender", .sender = "a@host",
		  .expected = "504 5.5.2 <a@host>: Sender address rejected: need fully-qualified "
			      "address" },
		{ "smtpd_sender_restrictions = reject_non_fqdn_sender", .sender = "-",
		  .expected = "" },
		{ "smtpd_sender_restrictions = reject_non_fqdn_sender", .sender = "a@[192.0.2.1]",
		  .expected = "" },
		{ "smtpd_recipient_restrictions = reject_non_fqdn_recipient",
		  .recipient = "alice@local.test.", .expected = "" },
		{ "smtpd_sender_restrictions = reject_unknown_sender_domain", .expected = "" },
		{ "smtpd_sender_restrictions = reject_unknown_sender_domain", .sender = "x@a.test",
		  .expected = "" },
		{ "smtpd_sender_restrictions = reject_unknown_sender_domain",
		  .sender = "x@local.test", .expected = "" },
		{ "smtpd_sender_restrictions = reject_unknown_sender_domain",
		  .sender = "x@[192.0.2.1]", .expected = "" },
		{ "smtpd_sender_restrictions = reject_unknown_sender_domain",
		  .sender = "x@none.test",
		  .expected =
			  "450 4.1.8 <x@none.test>: Sender address rejected: Domain not found" },
		{ "smtpd_sender_restrictions = "
		  "reject_unknown_sender_domain\nunknown_address_reject_code = 550",
		  .sender = "x@none.test",
		  .expected =
			  "550 5.1.8 <x@none.test>: Sender address rejected: Domain not found" },
		{ "smtpd_sender_restrictions = reject_unknown_sender_domain",
		  .sender = "x@null.test",
		  .expected = "550 5.7.27 <x@null.test>: Sender address rejected: Domain null.test "
			      "does not accept mail (nullMX)" },
		/* the DNS fails: put off, unless something refuses for good */
		{ "smtpd_sender_restrictions = reject_unknown_sender_domain",
		  .sender = "x@broken.test",
		  .expected =
			  "450 4.1.8 <x@broken.test>: Sender address rejected: Domain not found" },
		{ "smtpd_sender_restrictions = reject_unknown_sender_domain, permit",
		  .sender = "x@gone.test",
		  .expected =
			  "450 4.1.8 <x@gone.test>: Sender address rejected: Domain not found" },
		{ "smtpd_sender_restrictions = reject_unknown_sender_domain",
		  .sender = "x@broken.test", .recipient = "carol@local.test",
		  .expected = "550 5.1.1 <carol@local.test>: Recipient address rejected: User "
			      "unknown in local recipient table" },
		{ "smtpd_recipient_restrictions = reject_unknown_recipient_domain",
		  .recipient = "x@null.test", .client = "192.0.2.200",
		  .expected = "556 5.1.10 <x@null.test>: Recipient address rejected: Domain "
			      "null.test does not accept mail (nullMX)" },
	};

	(void)state;
	run_cases(cases, ARRAY_SIZE(cases));
}

static void clients_and_helo(void **state)
{
	static const struct question_case cases[] = {
		{ "smtpd_client_restrictions = reject",
		  .expected = "554 5.7.1 <host.client.test[192.0.2.2]>: Client host rejected: "
			      "Access denied" },
		{ "smtpd_client_restrictions = defer",
		  .expected = "450 4.3.2 <host.client.test[192.0.2.2]>: Client host rejected: Try "
			      "again later" },
		{ "smtpd_client_restrictions = reject_unknown_client_hostname", .name = "unknown",
		  .expected = "450 4.7.25 Client host rejected: cannot find your hostname, "
			      "[192.0.2.2]" },
		{ "smtpd_client_restrictions = reject_unknown_reverse_client_hostname",
		  .name = "unknown",
		  .expected = "450 4.7.1 Client host rejected: cannot find your reverse hostname, "
			      "[192.0.2.2]" },
		{ "smtpd_client_restrictions = reject_unknown_client_hostname", .expected = "" },
		{ "smtpd_client_restrictions = reject_plaintext_session",
		  .expected = "450 4.7.1 Session encryption is required" },
		{ "smtpd_client_restrictions = permit_inet_interfaces, reject",
		  .client = "127.0.0.1", .expected = "" },
		{ "smtpd_helo_restrictions = reject_invalid_helo_hostname", .helo = "a..b",
		  .expected = "501 5.5.2 <a..b>: Helo command rejected: Invalid name" },
		{ "smtpd_helo_restrictions = reject_invalid_helo_hostname", .helo = "[1.2.3]",
		  .expected = "501 5.5.2 <[1.2.3]>: Helo command rejected: Invalid name" },
		{ "smtpd_helo_restrictions = reject_invalid_helo_hostname", .helo = "192.0.2.2",
		  .expected = "" },
		{ "smtpd_helo_restrictions = reject_non_fqdn_helo_hostname", .helo = "host",
		  .expected = "504 5.5.2 <host>: Helo command rejected: need fully-qualified "
			      "hostname" },
		{ "smtpd_helo_restrictions = reject_non_fqdn_helo_hostname", .helo = "[192.0.2.2]",
		  .expected = "" },
		{ "smtpd_client_restrictions = reject_rbl_client list.test",
		  .expected = "554 5.7.1 Service unavailable; Client host [192.0.2.2] blocked "
			      "using list.test; see the list" },
		{ "smtpd_client_restrictions = reject_rbl_client list.test=127.0.0.[2..3;5]",
		  .expected = "" },
		{ "smtpd_client_restrictions = reject_rbl_client list.test=127.0.0.[2;4]",
		  .expected = "554 5.7.1 Service unavailable; Client host [192.0.2.2] blocked "
			      "using list.test; see the list" },
		{ "smtpd_client_restrictions = reject_rbl_client list.test", .client = "192.0.2.3",
		  .expected = "" },
		{ "smtpd_sender_restrictions = reject_spf_fail", .sender = "a@spf.test",
		  .expected = "" },
		{ "smtpd_sender_restrictions = reject_spf_fail", .sender = "a@spf.test",
		  .client = "192.0.2.3",
		  .expected = "550 5.7.23 <a@spf.test>: Sender address rejected: SPF: spf.test "
			      "does not let 192.0.2.3 send its mail" },
		{ "smtpd_sender_restrictions = reject_spf_fail", .sender = "a@soft.test",
		  .expected = "" },
		{ "smtpd_sender_restrictions = reject_spf_fail", .sender = "a@broken.test",
		  .expected = "" },
		{ "smtpd_sender_restrictions = check_spf_access inline:{ softfail=REJECT }",
		  .sender = "a@soft.test",
		  .expected = "554 5.7.1 <a@soft.test>: Sender address rejected: Access denied" },
		{ "smtpd_sender_restrictions = check_spf_access inline:{ softfail=REJECT }",
		  .sender = "a@spf.test", .expected = "" },
		{ "smtpd_sender_restrictions = check_spf_access inline:{ "
		  "temperror=450, none=REJECT }",
		  .sender = "a@broken.test",
		  .expected = "450 4.7.1 <a@broken.test>: Sender address rejected: Access denied" },
		{ "smtpd_sender_restrictions = reject_rhsbl_sender names.test",
		  .sender = "a@bad.test",
		  .expected = "554 5.7.1 Service unavailable; Sender address [a@bad.test] blocked "
			      "using names.test" },
	};

	(void)state;
	run_cases(cases, ARRAY_SIZE(cases));
}

#define MX_ACCESS(row) "smtpd_sender_restrictions = check_sender_mx_access inline:{ { " row " } }"
#define BLOCKED	       "smtpd_client_restrictions = reject_rbl_client list.test\n"

/* What the DNS says of the servers of a name. */
static void servers(void **state)
{
	static const struct question_case cases[] = {
		{ MX_ACCESS("mail.mx.test = REJECT"),
		  .expected = "554 5.7.1 <s@mx.test>: Sender address rejected: Access denied" },
		{ MX_ACCESS("192.0.2.66 = 550 no"),
		  .expected = "550 5.7.1 <s@mx.test>: Sender address rejected: no" },
		{ MX_ACCESS("192.0.2.67 = REJECT"), .expected = "" },
		/* without MX records the name itself */
		{ MX_ACCESS("192.0.2.80 = REJECT"), .sender = "x@a.test",
		  .expected = "554 5.7.1 <x@a.test>: Sender address rejected: Access denied" },
		{ MX_ACCESS("192.0.2.9 = REJECT"), .sender = "x@[192.0.2.9]",
		  .expected = "554 5.7.1 <x@[192.0.2.9]>: Sender address rejected: Access denied" },
		{ MX_ACCESS("null.test = REJECT"), .sender = "x@null.test", .expected = "" },
		{ MX_ACCESS("broken.test = REJECT"), .sender = "x@broken.test", .expected = "" },
		/* nobody lets himself in by his own zone */
		{ MX_ACCESS("mail.mx.test = OK"),
		  .expected = "451 4.3.5 Server configuration error" },
		{ "smtpd_sender_restrictions = check_sender_a_access inline:{ 192.0.2.80=REJECT }",
		  .sender = "x@a.test",
		  .expected = "554 5.7.1 <x@a.test>: Sender address rejected: Access denied" },
		/* the servers of the zone that the name is in */
		{ "smtpd_sender_restrictions = check_sender_ns_access inline:{ "
		  "hoster.test=REJECT }",
		  .sender = "x@deep.mx.test",
		  .expected =
			  "554 5.7.1 <x@deep.mx.test>: Sender address rejected: Access denied" },
		{ "smtpd_helo_restrictions = check_helo_a_access inline:{ 192.0.2.66=REJECT }",
		  .helo = "mail.mx.test",
		  .expected = "554 5.7.1 <mail.mx.test>: Helo command rejected: Access denied" },
		{ "smtpd_client_restrictions = check_client_a_access inline:{ 192.0.2.2=REJECT }",
		  .expected = "554 5.7.1 <host.client.test[192.0.2.2]>: Client host rejected: "
			      "Access denied" },
		{ "smtpd_recipient_restrictions = check_recipient_mx_access inline:{ "
		  "192.0.2.66=REJECT }",
		  .recipient = "x@mx.test", .client = "192.0.2.200",
		  .expected = "554 5.7.1 <x@mx.test>: Recipient address rejected: Access denied" },
		{ "smtpd_client_restrictions = check_reverse_client_hostname_access inline:{ "
		  "client.test=REJECT }",
		  .expected = "554 5.7.1 <host.client.test[192.0.2.2]>: Unverified Client host "
			      "rejected: Access denied" },
		{ "smtpd_client_restrictions = check_reverse_client_hostname_access inline:{ "
		  "client.test=OK }",
		  .expected = "451 4.3.5 Server configuration error" },
		{ "smtpd_helo_restrictions = reject_unknown_helo_hostname",
		  .expected = "450 4.7.1 <helo.test>: Helo command rejected: Host not found" },
		{ "smtpd_helo_restrictions = reject_unknown_helo_hostname\n"
		  "unknown_hostname_reject_code = 550",
		  .expected = "550 5.7.1 <helo.test>: Helo command rejected: Host not found" },
		{ "smtpd_helo_restrictions = reject_unknown_helo_hostname", .helo = "mx.test",
		  .expected = "" },
		{ "smtpd_helo_restrictions = reject_unknown_helo_hostname", .helo = "broken.test",
		  .recipient = "carol@local.test",
		  .expected = "550 5.1.1 <carol@local.test>: Recipient address rejected: User "
			      "unknown in local recipient table" },
		{ "smtpd_helo_restrictions = reject_unknown_helo_hostname\n"
		  "reject_tempfail_action = defer",
		  .helo = "broken.test", .recipient = "carol@local.test",
		  .expected = "450 4.7.1 <broken.test>: Helo command rejected: Host not found" },
		{ "smtpd_client_restrictions = reject_unknown_forward_client_hostname",
		  .name = "unknown", .expected = "" },
	};

	(void)state;
	run_cases(cases, ARRAY_SIZE(cases));
}

static void lists_and_certificates(void **state)
{
	static const struct question_case cases[] = {
		{ "smtpd_client_restrictions = permit_dnswl_client welcome.test, reject",
		  .expected = "" },
		{ "smtpd_client_restrictions = permit_dnswl_client welcome.test=127.0.0.8, reject",
		  .expected = "554 5.7.1 <host.client.test[192.0.2.2]>: Client host rejected: "
			      "Access denied" },
		/* no way to relay */
		{ "smtpd_relay_restrictions = permit_dnswl_client welcome.test, "
		  "reject_unauth_destination",
		  .recipient = "x@other.test",
		  .expected = "554 5.7.1 <x@other.test>: Relay access denied" },
		{ "smtpd_client_restrictions = permit_rhswl_client names.test, reject",
		  .expected = "" },
		{ BLOCKED "default_rbl_reply = 550 5.7.9 ${rbl_reason?$rbl_reason for "
			  "}$client_name ${nothing?x}$$5",
		  .expected = "550 5.7.9 see the list for host.client.test $5" },
		{ BLOCKED "rbl_reply_maps = inline:{ { list.test = 451 not now, $$helo_name } }",
		  .helo = "a$bc.test", .expected = "451 4.7.1 not now, a$bc.test" },
		{ BLOCKED "default_rbl_reply = nonsense",
		  .expected = "450 4.7.1 Service unavailable" },
		{ BLOCKED "rbl_reply_maps = inline:{ { list.test = 550 <$$sender> } }\n"
			  "smtpd_expansion_filter = smx",
		  .expected = "550 5.7.1 <s_mx___s_>" },
		{ "smtpd_sender_restrictions = check_sasl_access inline:{ alice=REJECT }",
		  .login = "alice",
		  .expected = "554 5.7.1 <alice>: SASL login name rejected: Access denied" },
		{ "smtpd_sender_restrictions = check_sasl_access inline:{ alice=REJECT }",
		  .expected = "" },
		{ "smtpd_client_restrictions = check_ccert_access inline:{ aa:bb=OK }, reject",
		  .certificate = "AA:BB", .expected = "" },
		{ "smtpd_client_restrictions = check_ccert_access inline:{ key=REJECT }",
		  .certificate = "AA:BB",
		  .expected = "554 5.7.1 <AA:BB>: Client certificate rejected: Access denied" },
		{ "relay_clientcerts = inline:{ aa:bb=x }\nsmtpd_relay_restrictions = "
		  "permit_tls_clientcerts, reject_unauth_destination",
		  .recipient = "x@other.test", .certificate = "AA:BB", .expected = "" },
		{ "relay_clientcerts = inline:{ aa:bb=x }\nsmtpd_relay_restrictions = "
		  "permit_tls_clientcerts, reject_unauth_destination",
		  .recipient = "x@other.test", .certificate = "+AA:CC",
		  .expected = "554 5.7.1 <x@other.test>: Relay access denied" },
		{ "smtpd_relay_restrictions = permit_tls_all_clientcerts, "
		  "reject_unauth_destination",
		  .recipient = "x@other.test", .certificate = "+AA:CC", .expected = "" },
		{ "smtpd_relay_restrictions = permit_tls_all_clientcerts, "
		  "reject_unauth_destination",
		  .recipient = "x@other.test", .certificate = "AA:CC",
		  .expected = "554 5.7.1 <x@other.test>: Relay access denied" },
	};

	(void)state;
	run_cases(cases, ARRAY_SIZE(cases));
}

#define BACKUP "smtpd_relay_restrictions = permit_mx_backup, reject_unauth_destination"

static void backup(void **state)
{
	static const struct question_case cases[] = {
		{ BACKUP, .recipient = "x@backup.test", .expected = "" },
		{ BACKUP, .recipient = "x@own.test", .expected = "" },
		{ BACKUP, .recipient = "x@mx.test",
		  .expected = "554 5.7.1 <x@mx.test>: Relay access denied" },
		{ BACKUP, .recipient = "a%b@backup.test",
		  .expected = "554 5.7.1 <a%b@backup.test>: Relay access denied" },
		{ BACKUP, .recipient = "x@broken.test",
		  .expected = "450 4.4.4 <x@broken.test>: Recipient address rejected: Unable to "
			      "look up mail exchanger information for broken.test" },
		{ BACKUP "\npermit_mx_backup_networks = 192.0.2.0/24", .recipient = "x@backup.test",
		  .expected = "554 5.7.1 <x@backup.test>: Relay access denied" },
		{ BACKUP "\npermit_mx_backup_networks = 127.0.0.0/8", .recipient = "x@many.test",
		  .expected = "554 5.7.1 <x@many.test>: Relay access denied" },
		{ BACKUP "\npermit_mx_backup_networks = 127.0.0.0/8", .recipient = "x@own.test",
		  .expected = "" },
		/* the other order of the last two lists */
		{ "smtpd_relay_before_recipient_restrictions = no\nsmtpd_recipient_restrictions = "
		  "reject",
		  .recipient = "x@other.test",
		  .expected =
			  "554 5.7.1 <x@other.test>: Recipient address rejected: Access denied" },
	};

	(void)state;
	run_cases(cases, ARRAY_SIZE(cases));
}

static void combinators(void **state)
{
	static const struct question_case cases[] = {
		{ "smtpd_client_restrictions = permit, reject", .expected = "" },
		{ "smtpd_client_restrictions = warn_if_reject, reject, permit",
		  .expected = "{reject_warning 554 5.7.1 <host.client.test[192.0.2.2]>: Client "
			      "host rejected: Access denied} " },
		{ "smtpd_client_restrictions = warn_if_reject, permit_mynetworks, reject",
		  .expected = "554 5.7.1 <host.client.test[192.0.2.2]>: Client host rejected: "
			      "Access denied" },
		{ "smtpd_helo_restrictions = defer_if_permit",
		  .expected = "450 4.7.0 <helo.test>: Helo command rejected: defer_if_permit "
			      "requested" },
		{ "smtpd_helo_restrictions = defer_if_permit, permit", .recipient = "x@other.test",
		  .expected = "454 4.7.1 <x@other.test>: Relay access denied" },
		{ "smtpd_helo_restrictions = defer_if_reject, reject",
		  .expected = "450 4.7.0 <helo.test>: Helo command rejected: defer_if_reject "
			      "requested" },
		{ "smtpd_restriction_classes = strict, other\nstrict = reject_plaintext_session, "
		  "permit\nother = strict\n"
		  "smtpd_client_restrictions = other, reject",
		  .expected = "450 4.7.1 Session encryption is required" },
		{ "smtpd_recipient_restrictions = reject_multi_recipient_bounce", .sender = "-",
		  .expected = "" },
	};

	(void)state;
	run_cases(cases, ARRAY_SIZE(cases));
}

#define SERVICE(server) "smtpd_sender_restrictions = check_policy_service " server
#define SENDER(value)                                                                              \
	"smtpd_sender_restrictions = check_sender_access inline:{ { s@mx.test = " value " } }"

static void access_maps(void **state)
{
	static const struct question_case cases[] = {
		{ SENDER("OK"), .expected = "" },
		{ SENDER("1234"), .expected = "" },
		{ SENDER("DUNNO"), .expected = "" },
		{ SENDER("reject"),
		  .expected = "554 5.7.1 <s@mx.test>: Sender address rejected: Access denied" },
		{ SENDER("REJECT go away"),
		  .expected = "554 5.7.1 <s@mx.test>: Sender address rejected: go away" },
		{ SENDER("REJECT 5.7.9 go away"),
		  .expected = "554 5.7.9 <s@mx.test>: Sender address rejected: go away" },
		{ SENDER("DEFER later"),
		  .expected = "450 4.7.1 <s@mx.test>: Sender address rejected: later" },
		{ SENDER("451 4.3.9 later"),
		  .expected = "451 4.3.9 <s@mx.test>: Sender address rejected: later" },
		{ SENDER("550"),
		  .expected = "550 5.7.1 <s@mx.test>: Sender address rejected: Access denied" },
		{ SENDER("550 5.7.1"),
		  .expected = "550 5.7.1 <s@mx.test>: Sender address rejected: Access denied" },
		{ SENDER("DEFER_IF_PERMIT x"),
		  .expected = "450 4.7.1 <s@mx.test>: Sender address rejected: x" },
		{ SENDER("DEFER_IF_PERMIT 4.2.0 x"),
		  .expected = "450 4.2.0 <s@mx.test>: Sender address rejected: x" },
		{ SENDER("DEFER_IF_REJECT 4.2.1 x") ", reject",
		  .expected = "450 4.2.1 <s@mx.test>: Sender address rejected: x" },
		{ SENDER("WARN look"), .expected = "{warn <s@mx.test>: Sender address look} " },
		{ SENDER("INFO"),
		  .expected = "{info <s@mx.test>: Sender address triggers INFO action} " },
		{ SENDER("PREPEND X-Seen: yes"), .expected = "X-Seen: yes\r\n" },
		{ SENDER("PREPEND nonsense"), .expected = "451 4.3.5 Server configuration error" },
		{ SENDER("REDIRECT a@b.test"), .expected = "{redirect <s@mx.test>: Sender address "
							   "triggers REDIRECT a@b.test} a@b.test" },
		{ SENDER("HOLD"),
		  .expected = "{hold <s@mx.test>: Sender address triggers HOLD action} HOLD" },
		{ SENDER("DISCARD"),
		  .expected =
			  "{discard <s@mx.test>: Sender address triggers DISCARD action} DISCARD" },
		{ SENDER("BCC a@b.test"), .expected = "bcc a@b.test\n" },
		{ SENDER("BCC nobody"), .expected = "451 4.3.5 Server configuration error" },
		{ SERVICE("unix:private/greylist"),
		  .expected = "450 4.7.1 <s@mx.test>: Sender address rejected: Greylisted" },
		{ SERVICE("inet:[::1]:2"), .expected = "X-Policy: yes\r\n" },
		{ SERVICE("inet:localhost:3"), .expected = "451 4.3.5 Server configuration error" },
		{ SERVICE("inet:localhost:9"),
		  .expected =
			  "451 4.3.5 <s@mx.test>: Sender address rejected: Server configuration "
			  "problem" },
		{ SERVICE("{ inet:localhost:9, timeout=5s, try_limit=1, default_action=DUNNO }"),
		  .expected = "" },
		{ SERVICE("{ inet:localhost:9 { default_action = 550 5.7.9 no } }"),
		  .expected = "550 5.7.9 <s@mx.test>: Sender address rejected: no" },
		{ SENDER("FILTER smtp:x"),
		  .expected = "{filter <s@mx.test>: Sender address triggers FILTER smtp:x} " },
		{ SENDER("FILTER smtp"), .expected = "451 4.3.5 Server configuration error" },
		{ SENDER("reject_plaintext_session, permit"),
		  .expected = "450 4.7.1 Session encryption is required" },
		{ SENDER("permit") ", reject", .expected = "" },
		{ SENDER("nonsense"), .expected = "451 4.3.5 Server configuration error" },
		{ SENDER("check_client_access hash:/x"),
		  .expected = "451 4.3.5 Server configuration error" },
		{ "smtpd_sender_restrictions = inline:{ mx.test=REJECT }",
		  .expected = "554 5.7.1 <s@mx.test>: Sender address rejected: Access denied" },
		{ "smtpd_sender_restrictions = check_sender_access inline:{ mx.test=REJECT }",
		  .sender = "x@y.mx.test",
		  .expected = "554 5.7.1 <x@y.mx.test>: Sender address rejected: Access denied" },
		{ "smtpd_sender_restrictions = check_sender_access inline:{ .mx.test=REJECT "
		  "}\nparent_domain_matches_subdomains =",
		  .sender = "x@y.mx.test",
		  .expected = "554 5.7.1 <x@y.mx.test>: Sender address rejected: Access denied" },
		{ "smtpd_sender_restrictions = check_sender_access inline:{ mx.test=REJECT "
		  "}\nparent_domain_matches_subdomains =",
		  .sender = "x@y.mx.test", .expected = "" },
		{ "smtpd_sender_restrictions = check_sender_access inline:{ s@=REJECT }",
		  .sender = "s+x@z.test",
		  .expected = "554 5.7.1 <s+x@z.test>: Sender address rejected: Access denied" },
		{ "smtpd_sender_restrictions = check_sender_access inline:{ <>=REJECT }",
		  .sender = "-",
		  .expected = "554 5.7.1 <>: Sender address rejected: Access denied" },
		{ "smtpd_client_restrictions = check_client_access inline:{ 192.0.2=REJECT }",
		  .expected = "554 5.7.1 <host.client.test[192.0.2.2]>: Client host rejected: "
			      "Access denied" },
		{ "smtpd_client_restrictions = check_client_access inline:{ client.test=REJECT }",
		  .expected = "554 5.7.1 <host.client.test[192.0.2.2]>: Client host rejected: "
			      "Access denied" },
		{ "smtpd_client_restrictions = check_client_access inline:{ client.test=REJECT }",
		  .name = "unknown", .expected = "" },
		{ "smtpd_client_restrictions = check_client_access inline:{ 2001:db8=REJECT }",
		  .client = "2001:db8::1",
		  .expected = "554 5.7.1 <host.client.test[2001:db8::1]>: Client host rejected: "
			      "Access denied" },
		{ "smtpd_helo_restrictions = check_helo_access inline:{ test=REJECT }",
		  .expected = "554 5.7.1 <helo.test>: Helo command rejected: Access denied" },
		{ "smtpd_recipient_restrictions = check_recipient_access inline:{ "
		  "{alice@local.test=521 gone} }",
		  .expected = "521 5.7.1 <alice@local.test>: Recipient address rejected: gone" },
		/* a table that fails */
		{ "smtpd_sender_restrictions = check_sender_access fail:x, permit",
		  .expected = "451 4.3.5 Server configuration error" },
		{ "virtual_alias_domains = fail:x\n"
		  "smtpd_sender_restrictions = check_sender_access inline:{ s@mx.test=REJECT }",
		  .expected = "451 4.3.0 <s@mx.test>: Temporary lookup failure" },
		{ "smtpd_sender_restrictions = warn_if_reject, check_sender_access fail:x",
		  .expected = "451 4.3.5 Server configuration error" },
		{ "local_recipient_maps = fail:x",
		  .expected = "451 4.3.0 <alice@local.test>: Temporary lookup failure" },
	};

	(void)state;
	run_cases(cases, ARRAY_SIZE(cases));
}

#define OWNERS                                                                                     \
	"smtpd_sender_login_maps = inline:{ {s@mx.test = alice, bob}, @owned.test=carol }\n"       \
	"smtpd_sender_restrictions = reject_sender_login_mismatch"

/* No table says who owns what: oneself, and what leads to oneself. */
#define SELF                                                                                       \
	"virtual_alias_maps = inline:{ {sales@mx.test = s@mx.test, t@mx.test}, "                   \
	"deep@mx.test=sales@mx.test, loop@mx.test=loop2@mx.test, loop2@mx.test=loop@mx.test }\n"   \
	"myorigin = local.test\n"                                                                  \
	"smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch"
#define NOT_OWNED(address, login)                                                                  \
	"553 5.7.1 <" address ">: Sender address rejected: not owned by user " login

#define KNOWN_OWNERS                                                                               \
	"smtpd_sender_login_maps = inline:{ {s@mx.test = alice, bob} }\n"                          \
	"smtpd_sender_restrictions = reject_known_sender_login_mismatch"

static void logins(void **state)
{
	static const struct question_case cases[] = {
		{ OWNERS, .login = "alice", .expected = "" },
		{ OWNERS, .login = "Bob", .expected = "" },
		{ OWNERS, .login = "carol",
		  .expected = "553 5.7.1 <s@mx.test>: Sender address rejected: not owned by user "
			      "carol" },
		{ OWNERS,
		  .expected = "553 5.7.1 <s@mx.test>: Sender address rejected: not logged in" },
		{ OWNERS, .sender = "s+x@mx.test",
		  .expected = "553 5.7.1 <s+x@mx.test>: Sender address rejected: not logged in" },
		{ OWNERS, .sender = "x@owned.test", .login = "carol", .expected = "" },
		{ OWNERS, .sender = "x@none.test", .expected = "" },
		{ SELF, .login = "S@mx.test", .expected = "" },
		{ SELF, .sender = "s+x@mx.test", .login = "s@mx.test", .expected = "" },
		{ SELF, .sender = "alice@local.test", .login = "alice", .expected = "" },
		{ SELF, .sender = "sales@mx.test", .login = "t@mx.test", .expected = "" },
		{ SELF, .sender = "deep+x@mx.test", .login = "s@mx.test", .expected = "" },
		{ SELF, .sender = "-", .login = "alice", .expected = "" },
		{ SELF, .expected = "" },
		{ SELF, .login = "t@mx.test", .expected = NOT_OWNED("s@mx.test", "t@mx.test") },
		{ SELF, .sender = "sales@mx.test", .login = "u@mx.test",
		  .expected = NOT_OWNED("sales@mx.test", "u@mx.test") },
		{ SELF, .sender = "loop@mx.test", .login = "u@mx.test",
		  .expected = NOT_OWNED("loop@mx.test", "u@mx.test") },
		{ SELF, .sender = "ss@mx.test", .login = "s@mx.test",
		  .expected = NOT_OWNED("ss@mx.test", "s@mx.test") },
		{ "smtpd_sender_restrictions = reject_known_sender_login_mismatch", .login = "x",
		  .expected = "" },
		{ KNOWN_OWNERS, .sender = "x@none.test", .login = "alice", .expected = "" },
		{ KNOWN_OWNERS, .login = "carol",
		  .expected = "553 5.7.1 <s@mx.test>: Sender address rejected: not owned by user "
			      "carol" },
		{ KNOWN_OWNERS,
		  .expected = "553 5.7.1 <s@mx.test>: Sender address rejected: not logged in" },
		{ OWNERS, .sender = "x@none.test", .login = "alice",
		  .expected = "553 5.7.1 <x@none.test>: Sender address rejected: not owned by user "
			      "alice" },
		{ OWNERS, .sender = "-", .login = "alice", .expected = "" },
		{ "smtpd_sender_login_maps = fail:x\nsmtpd_sender_restrictions = "
		  "reject_sender_login_mismatch",
		  .login = "alice", .expected = "451 4.3.0 <s@mx.test>: Temporary lookup failure" },
	};

	(void)state;
	run_cases(cases, ARRAY_SIZE(cases));
}

static const struct {
	const char *settings, *problem;
} wrong[] = {
	{ "smtpd_client_restrictions = reject_rlb_client x.test",
	  "smtpd_client_restrictions: \"reject_rlb_client\" is no restriction; did you mean "
	  "reject_rbl_client?" },
	{ "smtpd_client_restrictions = permit_my_networks", "did you mean permit_mynetworks?" },
	{ "smtpd_recipient_restrictions = reject, check_policy_service",
	  "check_policy_service needs a server" },
	{ "smtpd_recipient_restrictions = reject, check_policy_service 10023",
	  "check_policy_service needs a server" },
	{ "smtpd_recipient_restrictions = reject, check_policy_service { inet:x:1, timeout=soon }",
	  "expected a setting like timeout=10s, not \"timeout=soon\"" },
	{ "smtpd_recipient_restrictions = reject, check_policy_service { inet:x:1, limit=5 }",
	  "not \"limit=5\"" },
	{ "smtpd_recipient_restrictions = reject_maps_rbl", "is not in force yet" },
	{ "smtpd_client_restrictions = permit_dnswl_client", "needs the domain" },
	{ "smtpd_client_restrictions = check_client_access", "check_client_access needs a table" },
	{ "smtpd_client_restrictions = check_client_access nonsense:/x",
	  "smtpd_client_restrictions" },
	{ "smtpd_client_restrictions = reject_rbl_client", "needs the domain" },
	{ "smtpd_client_restrictions = sleep forever", "needs seconds" },
	{ "smtpd_restriction_classes = a\na = b\n", "a: \"b\" is no restriction" },
	{ "smtpd_restriction_classes = a, b\na = b\nb = a\n", "contains itself" },
	{ "smtpd_restriction_classes = undefined_class\n", "is not defined" },
	{ "smtpd_restriction_classes = permit\n", "is a restriction already" },
	/* open relays */
	{ "smtpd_relay_restrictions =", "open relay" },
	{ "smtpd_relay_restrictions = permit_mynetworks", "open relay" },
	{ "smtpd_relay_restrictions = permit, reject_unauth_destination", "open relay" },
	{ "smtpd_relay_restrictions = warn_if_reject reject_unauth_destination", "open relay" },
	{ "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks",
	  "open relay" },
};

static void wrong_configurations(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct world w;

		open_world(&w, wrong[i].settings);
		if (w.policy != NULL)
			fail_msg("%s was taken", wrong[i].settings);
		if (strstr(w.error.text, wrong[i].problem) == NULL)
			fail_msg("%s: %s", wrong[i].settings, w.error.text);
		close_world(&w);
	}
}

static void explanations(void **state)
{
	struct policy_question q = stranger;
	struct policy_answer answer;
	struct world w;

	(void)state;
	open_world(&w, "smtpd_client_restrictions = sleep 100");
	q.recipient = VIEW("x@other.test");
	q.explain = true;
	policy_ask_recipient(w.policy, true, &q, &answer);
	assert_non_null(strstr(str_cstr(&answer.why.lines), "defer_unauth_destination: refuse"));
	assert_non_null(strstr(str_cstr(&answer.why.lines), "permit_mynetworks: goes on"));
	policy_answer_free(&answer);
	assert_int_equal(policy_is_my_network(w.policy, VIEW("192.0.2.129")), 1);
	assert_int_equal(policy_is_my_network(w.policy, VIEW("192.0.2.1")), 0);
	assert_false(policy_is_empty(w.policy, POLICY_RELAY));
	assert_true(policy_is_empty(w.policy, POLICY_DATA));
	assert_string_equal(policy_element_name(0), "permit");
	close_world(&w);
}

/* All of Postfix's attributes, in its order, and nothing in a value that could begin another. */
static void service_attributes(void **state)
{
	struct world w = { 0 };
	struct policy_question q = stranger;
	_cleanup_(policy_answer_free) struct policy_answer answer = { 0 };

	(void)state;
	open_world(&w,
		   "smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service "
		   "{ inet:localhost:9, max_idle=3s, policy_context=ctx, default_action=OK }\n"
		   "compatibility_level = 3.11\nmail_version = 9");
	assert_non_null(w.policy);
	q.state = VIEW("RCPT");
	q.protocol = VIEW("ESMTP");
	q.helo = VIEW("x\naction=evil\r");
	q.client_port = 4025;
	q.server_address = VIEW("192.0.2.9");
	q.server_port = 25;
	q.instance = VIEW("1.2.3.0");
	q.size = 12345;
	q.recipient_count = 7;
	policy_ask(w.policy, POLICY_RECIPIENT, &q, &answer);
	assert_int_equal(answer.action, POLICY_PERMIT);
	assert_string_equal(
		str_cstr(&asked),
		"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n"
		"client_address=192.0.2.2\nclient_name=host.client.test\nclient_port=4025\n"
		"reverse_client_name=host.client.test\nserver_address=192.0.2.9\nserver_port=25\n"
		"helo_name=x?action=evil?\nsender=s@mx.test\nrecipient=alice@local.test\n"
		"recipient_count=0\nqueue_id=\ninstance=1.2.3.0\nsize=12345\netrn_domain=\n"
		"stress=\nsasl_method=\nsasl_username=\nsasl_sender=\nccert_subject=\n"
		"ccert_issuer=\nccert_fingerprint=\nccert_pubkey_fingerprint=\n"
		"encryption_protocol=\nencryption_cipher=\nencryption_keysize=0\n"
		"policy_context=ctx\ncompatibility_level=3.11\nmail_version=9\n");
	assert_int_equal(asked_with.max_idle, 3000);
	assert_int_equal(asked_with.timeout, 100000);
	assert_int_equal(asked_with.try_limit, 2);
	str_free(&asked);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relaying),
		cmocka_unit_test(addresses),
		cmocka_unit_test(clients_and_helo),
		cmocka_unit_test(servers),
		cmocka_unit_test(lists_and_certificates),
		cmocka_unit_test(backup),
		cmocka_unit_test(combinators),
		cmocka_unit_test(access_maps),
		cmocka_unit_test(logins),
		cmocka_unit_test(wrong_configurations),
		cmocka_unit_test(explanations),
		cmocka_unit_test(service_attributes),
	};

	log_set_level(LOG_FATAL_LEVEL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
