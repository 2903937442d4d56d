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
#include "task/task.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta explain --from ADDRESS --to ADDRESS [OPTION...]\n"
	"\n"
	"Says step by step what would happen to such a mail: whether the SMTP server takes it, "
	"what\n"
	"becomes of the recipient, and where each one that results is delivered; with the "
	"parameter\n"
	"or table row that decides. Nothing is sent. The same code decides as in the programs.\n"
	"\n"
	"  --client IP     the client's address; without it a stranger's\n"
	"  --name NAME     the client's name; without it as the DNS says, if the instance runs\n"
	"  --helo NAME     what it says with EHLO\n"
	"  --auth USER     it has logged in as USER\n"
	"  --tls           the connection is encrypted\n"
	"  --service NAME  service of master.cf that it talks to, with its -o: smtp, "
	"submission...\n"
	"\n"
	"Status 0: the mail would be taken; 1: refused; 75: refused for now.\n";

/* RFC 5737: an address that belongs to nobody. */
#define STRANGER "203.0.113.1"

static struct {
	const char *from, *to, *client, *name, *helo, *login, *service;
	bool secured;
	int status;
} mail;

static void explain_print_lines(const struct str *lines)
{
	struct view rest = str_view(lines), line;

	while (view_next(&rest, '\n', &line))
		if (line.len > 0)
			printf("    %.*s\n", VIEW_ARG(line));
}

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

/* The -o of a service's line in master.cf are as much configuration as main.cf. */
static bool explain_load(void)
{
	struct services services = { 0 };
	_cleanup_(str_free) struct str report = STR_EMPTY;
	const struct service *found = NULL;
	bool good;

	if (services_load(tool_directory(), &services, &report) < 0) {
		fputs(str_cstr(&report), stderr);
		services_free(&services);
		return false;
	}
	for (size_t i = 0; i < services.count && found == NULL; i++)
		if (services.items[i].type == SERVICE_INET &&
		    strcmp(services.items[i].name, mail.service) == 0)
			found = &services.items[i];
	if (found == NULL)
		tool_fail("explain", "master.cf has no inet service \"%s\"", mail.service);
	good = found != NULL && tool_load(found->overrides, found->override_count);
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

	explain_print_lines(&answer->why.lines);
	printf("  => %s%s%s\n", verdicts[answer->action], answer->reply.len ? ": " : "",
	       str_cstr(&answer->reply));
	if (answer->redirect.len > 0)
		printf("  => redirected to %s\n", str_cstr(&answer->redirect));
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
	printf("May it? Client %s[%s], EHLO %s, %s%s%s, service %s\n", str_cstr(&name), mail.client,
	       mail.helo, mail.login[0] ? "logged in as " : "not logged in", mail.login,
	       mail.secured ? ", TLS" : "", mail.service);
	policy_ask_recipient(policy, true, &question, &answer);
	show_answer(&answer);
	policy_answer_free(&answer);
}

/* ---- where to? ---- */

struct delivery {
	const struct routes *routes;
	struct view sender, recipient;
};

static int show_route(void *argument, struct view recipient)
{
	const struct delivery *delivery = argument;
	struct trail why = { STR_EMPTY };
	struct route route = { 0 };
	int r = route_resolve(delivery->routes, delivery->sender, recipient, &route, &why);

	printf("Where does %.*s go?\n", VIEW_ARG(recipient));
	explain_print_lines(&why.lines);
	if (r < 0)
		printf("  => cannot be said now: a table does not answer; tried again later\n");
	else if (strcmp(str_cstr(&route.transport), "error") == 0)
		printf("  => returned to the sender: %s\n", str_cstr(&route.nexthop));
	else
		printf("  => %s, transport %s, next hop %s\n",
		       address_class_name(route.address_class), str_cstr(&route.transport),
		       str_cstr(&route.nexthop));
	route_free(&route);
	str_free(&why.lines);
	return 0;
}

static void show_copies(const struct routes *routes, struct view sender, struct view recipient)
{
	_cleanup_(str_free) struct str copies = STR_EMPTY;

	if (route_bcc(routes, sender, recipient, &copies) > 0) {
		printf("Copies go to\n");
		explain_print_lines(&copies);
	}
}

static void show_deliveries(const struct routes *routes, struct str *sender, struct str *recipient)
{
	struct trail why = { STR_EMPTY };
	struct delivery delivery = { .routes = routes };
	int r;

	if (sender->len > 0 && route_map_canonical(routes, CANONICAL_ENVELOPE_SENDER, sender) > 0)
		printf("The sender becomes %s (canonical maps, masquerading)\n", str_cstr(sender));
	if (route_map_canonical(routes, CANONICAL_ENVELOPE_RECIPIENT, recipient) > 0)
		printf("The recipient becomes %s (canonical maps, masquerading)\n",
		       str_cstr(recipient));
	show_copies(routes, str_view(sender), str_view(recipient));
	delivery.sender = str_view(sender);
	r = route_expand_virtual(routes, str_view(recipient), show_route, &delivery, &why);
	if (why.lines.len > 0) {
		printf("Virtual aliases\n");
		explain_print_lines(&why.lines);
	}
	if (r < 0)
		printf("  => aliases of %s: %s\n", str_cstr(recipient),
		       r == -ELOOP   ? "a loop"
		       : r == -E2BIG ? "too many recipients"
				     : "a table does not answer");
	str_free(&why.lines);
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
		printf("From <%s> to <%s>\n", str_cstr(&sender), str_cstr(&recipient));
		if (!has_resolver())
			printf("The instance does not run: what needs the DNS is not known\n");
		explain_ask_policy(policy, str_view(&sender), str_view(&recipient));
		show_deliveries(routes, &sender, &recipient);
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
	mail.service = "smtp";
	status = explain_parse_options(argc, argv);
	if (status != TOOL_DONE)
		return status;
	if (!explain_load())
		return TOOL_NO;
	ipc_set_root(param.queue_directory);
	return task_run(explain_recipient, NULL);
}
