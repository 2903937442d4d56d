/* posta explain: what would happen to a mail, and which parameter or table row decides. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/address.h"
#include "policy/policy.h"
#include "route/route.h"
#include "services/clients.h"
#include "table/table.h"
#include "task/task.h"
#include "tools/explain.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta [-c CONFDIR] explain --from ADDRESS --to ADDRESS [OPTION...]\n"
	"\n"
	"Says step by step what would happen to such a mail: whether the SMTP server takes it, "
	"what\n"
	"becomes of the recipient, and where each one that results is delivered, through aliases "
	"and\n"
	".forward files; with the parameter or table row that decides, and the line where it "
	"stands.\n"
	"Nothing is sent. The same code decides as in the programs.\n"
	"\n"
	"  --client IP     the client's address; without it a stranger's\n"
	"  --name NAME     the client's name; without it as the DNS says, if the instance runs\n"
	"  --helo NAME     what it says with EHLO\n"
	"  --auth USER     it has logged in as USER\n"
	"  --tls           the connection is encrypted\n"
	"  --service NAME  service of master.cf that it talks to, with its -o; without it smtp, "
	"with "
	"--auth\n"
	"                  submission (and --tls), if there is one\n"
	"  --json          one object: \"steps\", each with its question, why and result; "
	"\"verdict\"\n"
	"\n"
	"Status 0: the mail would be taken; 1: refused; 75: refused for now.\n";

/* RFC 5737: an address that belongs to nobody. */
#define STRANGER "203.0.113.1"

static struct {
	const char *from, *to, *client, *name, *helo, *login;
	const char *service; /* NULL: none was given */
	struct str service_name;
	bool secured, as_json;
	int status;
} mail;

/* "<a@b>" or "a@b" as on the command line, in standard form. */
static bool standard_form(const struct routes *routes, const char *text, struct str *out)
{
	_cleanup_(str_free) struct str internal = STR_EMPTY;
	struct view rest = view_of(text);
	const char *problem = "text after the address";

	if (rest.len == 0)
		return true;
	if (address_parse_path(&rest, false, true, &internal, &problem) < 0 ||
	    view_trim(rest).len > 0) {
		tool_fail("explain", "%s: %s", text, problem);
		return false;
	}
	if (internal.len == 0)
		return true;
	if (route_canonical_form(routes, str_view(&internal), out) < 0) {
		tool_fail("explain", "%s: cannot be rewritten now", text);
		return false;
	}
	return true;
}

static const struct service *find_inet_service(const struct services *services, const char *name)
{
	for (size_t i = 0; i < services->count; i++)
		if (services->items[i].type == SERVICE_INET &&
		    strcmp(services->items[i].name, name) == 0)
			return &services->items[i];
	return NULL;
}

/* Who has logged in does so where mail is submitted. */
static const struct service *choose_service(const struct services *services)
{
	const struct service *found = NULL;

	if (mail.service == NULL && mail.login[0] != '\0') {
		found = find_inet_service(services, "submission");
		mail.secured |= found != NULL;
	}
	if (found == NULL)
		found = find_inet_service(services, mail.service ? mail.service : "smtp");
	if (found == NULL)
		tool_fail("explain", "master.cf has no inet service \"%s\"",
			  mail.service ? mail.service : "smtp");
	return found;
}

/* The -o of a service's line in master.cf are as much configuration as main.cf. */
static bool explain_load(void)
{
	struct services services = { 0 };
	_cleanup_(str_free) struct str report = STR_EMPTY;
	const struct service *found;
	bool good;

	if (services_load(tool_directory(), &services, &report) < 0) {
		fputs(str_cstr(&report), stderr);
		services_free(&services);
		return false;
	}
	found = choose_service(&services);
	good = found != NULL && tool_load(found->overrides, found->override_count);
	if (good) {
		explain_set_service_line(found->line);
		str_set(&mail.service_name, view_of(found->name));
	}
	services_free(&services);
	return good;
}

/* Without a resolver what needs the DNS fails, after a while. */
static bool has_resolver(void)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/private/resolver", param.queue_directory);
	return access(str_cstr(&path), W_OK) == 0;
}

/* ---- may it? ---- */

static void show_answer(const struct policy_answer *answer)
{
	static const char *const verdicts[] = {
		[POLICY_PERMIT] = "taken",
		[POLICY_REJECT] = "refused",
		[POLICY_DEFER] = "refused for now",
		[POLICY_DISCARD] = "taken and thrown away",
		[POLICY_HOLD] = "taken and held in the queue",
	};

	explain_why(str_view(&answer->why.lines));
	explain_result("%s%s%s", verdicts[answer->action], answer->reply.len ? ": " : "",
		       str_cstr(&answer->reply));
	if (answer->redirect.len > 0)
		explain_result("redirected to %s", str_cstr(&answer->redirect));
	if (answer->action == POLICY_REJECT)
		mail.status = TOOL_NO;
	else if (answer->action == POLICY_DEFER)
		mail.status = TOOL_LATER;
}

static void explain_ask_policy(struct policy *policy, struct view sender, struct view recipient)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, reverse = STR_EMPTY;
	struct policy_question question = {
		.client_address = view_of(mail.client),
		.helo = view_of(mail.helo),
		.sender = sender,
		.recipient = recipient,
		.sender_given = view_of(mail.from),
		.recipient_given = view_of(mail.to),
		.login = view_of(mail.login),
		.secured = mail.secured,
		.recipient_count = 1,
		.has_sender = true,
		.explain = true,
	};
	struct policy_answer answer = { 0 };

	str_append_cstr(&name, mail.name ? mail.name : "unknown");
	if (mail.name == NULL && has_resolver()) {
		str_clear(&name);
		dns_client_name(question.client_address, &name, &reverse,
				&question.client_name_temporary);
	} else if (mail.name != NULL) {
		str_append_cstr(&reverse, mail.name);
	}
	question.client_name = str_view(&name);
	question.reverse_name = str_view(&reverse);
	explain_step("May it? Client %s[%s], EHLO %s, %s%s%s, service %s", str_cstr(&name),
		     mail.client, mail.helo, mail.login[0] ? "logged in as " : "not logged in",
		     mail.login, mail.secured ? ", TLS" : "", str_cstr(&mail.service_name));
	policy_ask_recipient(policy, true, &question, &answer);
	show_answer(&answer);
	policy_answer_free(&answer);
}

/* ---- where to? ---- */

/* What virtual aliases made of the recipient. */
struct delivery {
	const struct routes *routes;
	struct view sender;
	struct str recipients; /* one a line */
};

static void show_route(void *argument, struct view recipient);

/* A recipient that nobody knows is returned, however its domain is routed. */
static void show_existence(const struct delivery *delivery, struct view recipient,
			   const struct route *route)
{
	struct trail why = { STR_EMPTY };
	struct unreachable why_not = { .by_route = false };
	int r = route_recipient_exists(delivery->routes, delivery->sender, recipient, &why_not,
				       &why);

	explain_why(str_view(&why.lines));
	if (r < 0)
		explain_result("whether there is such a user cannot be said now");
	else if (r == 0)
		explain_result("unknown: %s", str_cstr(&why_not.text));
	else if (route->address_class == CLASS_LOCAL)
		explain_local(delivery->routes, recipient, show_route, (void *)(uintptr_t)delivery);
	unreachable_free(&why_not);
	str_free(&why.lines);
}

/* As qmgr decides it: a stranger's mail leaves for hosts of others with a return path of ours. */
static void show_return_path(const struct delivery *delivery, const struct route *route)
{
	struct view local, domain, ours = view_of(param.srs_domain);
	struct error err = ERROR_NONE;
	struct matchlist *excluded;
	bool is_strange;

	if (ours.len == 0 || mail.login[0] != '\0' || delivery->sender.len == 0 ||
	    route->address_class != CLASS_DEFAULT)
		return;
	address_split(delivery->sender, &local, &domain);
	excluded = matchlist_open(param.srs_exclude_domains, MATCH_DOMAINS, false, &err);
	is_strange = excluded != NULL && !view_eq_nocase(domain, ours) &&
		     matchlist_match(excluded, domain, NULL) == 0 &&
		     route_class(delivery->routes, domain, NULL) == CLASS_DEFAULT;
	matchlist_close(excluded);
	explain_because("srs_domain = %s", param.srs_domain);
	explain_result(is_strange ? "leaves with a return path in that domain (SRS)"
				  : "leaves with its sender as it is");
}

static void show_route(void *argument, struct view recipient)
{
	const struct delivery *delivery = argument;
	struct trail why = { STR_EMPTY };
	struct route route = { 0 };
	int r = route_resolve(delivery->routes, delivery->sender, recipient, &route, &why);
	bool is_error = r >= 0 && strcmp(str_cstr(&route.transport), "error") == 0;

	explain_step("Where does %.*s go?", VIEW_ARG(recipient));
	explain_fact("recipient", recipient);
	explain_why(str_view(&why.lines));
	if (r < 0) {
		explain_result("cannot be said now: a table does not answer; tried again later");
	} else if (is_error) {
		explain_result("returned to the sender: %s", str_cstr(&route.nexthop));
	} else {
		explain_result("%s, transport %s, next hop %s",
			       address_class_name(route.address_class), str_cstr(&route.transport),
			       str_cstr(&route.nexthop));
		explain_fact("class", view_of(address_class_name(route.address_class)));
		explain_fact("transport", str_view(&route.transport));
		explain_fact("nexthop", str_view(&route.nexthop));
		show_existence(delivery, recipient, &route);
		show_return_path(delivery, &route);
	}
	route_free(&route);
	str_free(&why.lines);
}

static int explain_note_recipient(void *argument, struct view recipient)
{
	struct delivery *delivery = argument;

	str_append(&delivery->recipients, recipient);
	str_append_byte(&delivery->recipients, '\n');
	return 0;
}

static void show_copies(const struct routes *routes, struct view sender, struct view recipient)
{
	_cleanup_(str_free) struct str copies = STR_EMPTY;
	struct view rest, copy;

	if (route_bcc(routes, sender, recipient, &copies) <= 0)
		return;
	explain_step("Who gets a copy?");
	rest = str_view(&copies);
	while (view_next_word(&rest, "\n", &copy))
		explain_result("%.*s", VIEW_ARG(copy));
}

static void show_virtual(struct delivery *delivery, struct view recipient)
{
	struct trail why = { STR_EMPTY };
	int r = route_expand_virtual(delivery->routes, recipient, explain_note_recipient, delivery,
				     &why);

	if (why.lines.len > 0 || r < 0) {
		explain_step("What do virtual aliases make of %.*s?", VIEW_ARG(recipient));
		explain_why(str_view(&why.lines));
	}
	if (r < 0)
		explain_result("nothing: %s", r == -ELOOP   ? "a loop"
					      : r == -E2BIG ? "too many recipients"
							    : "a table does not answer");
	str_free(&why.lines);
}

static void show_deliveries(const struct routes *routes, struct str *sender, struct str *recipient)
{
	struct delivery delivery = { .routes = routes };
	struct view rest, one;

	if (sender->len > 0 && route_map_canonical(routes, CANONICAL_ENVELOPE_SENDER, sender) > 0) {
		explain_step("What becomes of the sender?");
		explain_result("%s (canonical maps, masquerading)", str_cstr(sender));
	}
	if (route_map_canonical(routes, CANONICAL_ENVELOPE_RECIPIENT, recipient) > 0) {
		explain_step("What becomes of the recipient?");
		explain_result("%s (canonical maps, masquerading)", str_cstr(recipient));
	}
	show_copies(routes, str_view(sender), str_view(recipient));
	delivery.sender = str_view(sender);
	show_virtual(&delivery, str_view(recipient));
	rest = str_view(&delivery.recipients);
	while (view_next_word(&rest, "\n", &one))
		show_route(&delivery, one);
	str_free(&delivery.recipients);
}

static void explain_recipient(void *argument)
{
	_cleanup_(str_free) struct str sender = STR_EMPTY, recipient = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct routes *routes = routes_open(&err);
	struct policy *policy = routes ? policy_open(routes, &err) : NULL;

	(void)argument;
	mail.status = TOOL_NO;
	if (policy == NULL) {
		tool_fail("explain", "%s", err.text);
	} else if (standard_form(routes, mail.from, &sender) &&
		   standard_form(routes, mail.to, &recipient)) {
		mail.status = TOOL_DONE;
		explain_begin(mail.as_json);
		explain_step("From <%s> to <%s>", str_cstr(&sender), str_cstr(&recipient));
		if (!has_resolver())
			explain_because(
				"the instance does not run: what needs the DNS is not known");
		explain_ask_policy(policy, str_view(&sender), str_view(&recipient));
		explain_proofs(view_of(mail.client), view_of(mail.helo), view_of(mail.login),
			       str_view(&sender), has_resolver());
		show_deliveries(routes, &sender, &recipient);
		explain_end(mail.status == TOOL_DONE ? "taken"
			    : mail.status == TOOL_NO ? "refused"
						     : "refused for now");
	}
	policy_close(policy);
	routes_close(routes);
	fflush(stdout);
	task_quit(mail.status);
}

static int explain_parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "to", required_argument, NULL, 't' },
		{ "client", required_argument, NULL, 'i' },
		{ "auth", required_argument, NULL, 'a' },
		{ "name", required_argument, NULL, 'n' },
		{ "helo", required_argument, NULL, 'h' },
		{ "service", required_argument, NULL, 's' },
		{ "tls", no_argument, NULL, 'T' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
		switch (option) {
		case 'f':
			mail.from = optarg;
			break;
		case 't':
			mail.to = optarg;
			break;
		case 'i':
			mail.client = optarg;
			break;
		case 'a':
			mail.login = optarg;
			break;
		case 'n':
			mail.name = optarg;
			break;
		case 'h':
			mail.helo = optarg;
			break;
		case 's':
			mail.service = optarg;
			break;
		case 'T':
			mail.secured = true;
			break;
		case 'j':
			mail.as_json = true;
			break;
		default:
			return tool_usage("explain", "wrong option");
		}
	}
	if (optind < argc || mail.from == NULL || mail.to == NULL || mail.to[0] == '\0')
		return tool_usage("explain", "expected --from ADDRESS --to ADDRESS");
	if (ip_family(view_of(mail.client)) == 0)
		return tool_usage("explain", "--client: not an IP address: %s", mail.client);
	return TOOL_DONE;
}

int verb_explain(int argc, char **argv)
{
	int status;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	mail.client = STRANGER;
	mail.helo = "client.example";
	mail.login = "";
	status = explain_parse_options(argc, argv);
	if (status != TOOL_DONE)
		return status;
	if (!explain_load())
		return TOOL_NO;
	ipc_set_root(param.queue_directory);
	return task_run(explain_recipient, NULL);
}
