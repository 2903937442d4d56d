/* posta dns: the records that a domain needs, as lines for a zone file; with --check whether they are published. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "task/task.h"
#include "tools/dns.h"
#include "tools/json.h"
#include "tools/name_server.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta [-c CONFDIR] dns [--check [--server ADDRESS]] [--json] [DOMAIN...]\n"
	"\n"
	"Prints the DNS records for the domains (without a DOMAIN, those of "
	"virtual_mailbox_domains, or\n"
	"$mydomain) and for this host, as lines for a zone file, the needed ones first: MX, SPF of "
	"the "
	"domain\n"
	"and of the host, DMARC, addresses and their names, TLSRPT, SRV for clients, MTA-STS, "
	"autoconfig,\n"
	"CAA and TLSA.\n"
	"\n"
	"  --check           asks the DNS for each, and says what fits, is missing or is "
	"otherwise; and\n"
	"                    whether mail from this host's published addresses passes SPF; what "
	"DNSSEC\n"
	"                    says of these names (asked of the suite's resolver, if it runs); then "
	"what\n"
	"                    large receivers require of those who send much (bulk)\n"
	"  --server ADDRESS  asks that name server: 192.0.2.53, [2001:db8::53]:5300; else those "
	"of\n"
	"                    /etc/resolv.conf\n"
	"  --json            an object for each record, one in a line\n"
	"\n"
	"Status 1 (--check): a needed record is missing or wrong, or SPF fails; 75: the DNS does "
	"not "
	"answer.\n";

static struct {
	bool check, as_json;
	const char *server;
	int status;
	char **domains; /* NULL-terminated; none: all of ours */
} dns;

static const char *const needs[] = { "needed", "advised", "optional" };

/* A character string has 255 bytes at most. */
static void print_value(const struct dns_wanted *w)
{
	struct view text = view_of(w->value);

	if (w->type != RECORD_TXT || text.len <= 257) {
		printf("%s", w->value);
		return;
	}
	text = view_make(text.data + 1, text.len - 2);
	printf("(");
	for (; text.len > 0; text = view_from(text, 255))
		printf(" \"%.*s\"", VIEW_ARG(view_first(text, 255)));
	printf(" )");
}

/* The name that a record of an address stands under. */
static void print_owner(const struct dns_wanted *w)
{
	/* Whoever runs the reverse zone puts it in; it is no line for one's own zone. */
	printf(w->type == RECORD_PTR ? "; %s" : "%s.", w->owner);
}

static void record_print(const struct dns_wanted *w)
{
	struct json json = JSON_START;

	if (!dns.as_json) {
		print_owner(w);
		printf(" IN %s ", dns_type_name(w->type));
		print_value(w);
		printf("    ; %s\n", w->why);
		return;
	}
	json_object(&json, NULL);
	json_string(&json, "owner", view_of(w->owner));
	json_string(&json, "type", view_of(dns_type_name(w->type)));
	json_string(&json, "value", view_of(w->value));
	json_string(&json, "need", view_of(needs[w->need]));
	json_end(&json);
	json_print(&json);
}

static void dns_record_check(const struct dns_source *source, const struct dns_wanted *w)
{
	static const char *const verdicts[] = { "ok", "MISSING", "WRONG", "none", "unknown" };
	struct dns_finding finding = { .published = STR_EMPTY };
	struct json json = JSON_START;
	const char *verdict;

	dns_wanted_check(source, w, &finding);
	verdict = finding.verdict == DNS_MISSING && w->need != DNS_NEEDED
			  ? "missing"
			  : verdicts[finding.verdict];
	if (finding.verdict == DNS_UNKNOWN && dns.status == TOOL_DONE)
		dns.status = TOOL_LATER;
	/* A wrong key stops mail, however optional it is to have one. */
	if ((finding.verdict == DNS_MISSING && w->need == DNS_NEEDED) ||
	    (finding.verdict == DNS_DIFFERENT && (w->need == DNS_NEEDED || w->type == RECORD_TLSA)))
		dns.status = TOOL_NO;
	if (dns.as_json) {
		json_object(&json, NULL);
		json_string(&json, "owner", view_of(w->owner));
		json_string(&json, "type", view_of(dns_type_name(w->type)));
		json_string(&json, "value", view_of(w->value));
		json_string(&json, "need", view_of(needs[w->need]));
		json_string(&json, "verdict", view_of(verdict));
		json_string(&json, "published", str_view(&finding.published));
		json_end(&json);
		json_print(&json);
	} else {
		printf("%-8s %-8s %s %s %s%s%s\n", verdict, needs[w->need], w->owner,
		       dns_type_name(w->type), w->value,
		       finding.published.len > 0 && finding.verdict != DNS_FITS ? "; published: "
										: "",
		       finding.verdict != DNS_FITS ? str_cstr(&finding.published) : "");
	}
	str_free(&finding.published);
}

/* ---- a domain ---- */

static void print_wish(const struct dns_wish *wish)
{
	for (int need = DNS_NEEDED; need <= DNS_OPTIONAL; need++) {
		if (!dns.as_json)
			printf("; %s\n", needs[need]);
		for (size_t i = 0; i < wish->count; i++)
			if ((int)wish->items[i].need == need)
				record_print(&wish->items[i]);
	}
}

static void bulk_print(enum dns_bulk_verdict verdict, const char *domain, const char *what)
{
	static const char *const verdicts[] = { "ok", "missing", "unknown" };
	struct json json = JSON_START;

	if (!dns.as_json) {
		printf("%-8s %-8s %s %s\n", verdicts[verdict], "bulk", domain, what);
		return;
	}
	json_object(&json, NULL);
	json_string(&json, "owner", view_of(domain));
	json_string(&json, "need", VIEW("bulk"));
	json_string(&json, "value", view_of(what));
	json_string(&json, "verdict", view_of(verdicts[verdict]));
	json_end(&json);
	json_print(&json);
}

static void dns_signed_print(enum dns_signed verdict, const char *owner, const char *what)
{
	static const char *const verdicts[] = {
		[DNS_SIGNED] = "ok",
		[DNS_UNSIGNED] = "none",
		[DNS_BOGUS] = "WRONG",
		[DNS_SIGNED_UNKNOWN] = "unknown",
	};
	/* Whoever validates finds nothing there: no mail comes from them. */
	const char *need = verdict == DNS_BOGUS ? "needed" : "optional";
	struct json json = JSON_START;

	if (verdict == DNS_BOGUS)
		dns.status = TOOL_NO;
	else if (verdict == DNS_SIGNED_UNKNOWN && dns.status == TOOL_DONE)
		dns.status = TOOL_LATER;
	if (!dns.as_json) {
		printf("%-8s %-8s %s %s\n", verdicts[verdict], need, owner, what);
		return;
	}
	json_object(&json, NULL);
	json_string(&json, "owner", view_of(owner));
	json_string(&json, "need", view_of(need));
	json_string(&json, "value", view_of(what));
	json_string(&json, "verdict", view_of(verdicts[verdict]));
	json_end(&json);
	json_print(&json);
}

static void check_wish(const struct dns_source *source, const char *domain, bool with_host,
		       const struct dns_wish *wish)
{
	_cleanup_(str_free) struct str problems = STR_EMPTY;
	struct view rest, line;

	for (size_t i = 0; i < wish->count; i++)
		dns_record_check(source, &wish->items[i]);
	dns_check_spf(source, domain, &problems);
	if (problems.len > 0)
		dns.status = TOOL_NO;
	rest = str_view(&problems);
	while (view_next_word(&rest, "\n", &line))
		fprintf(dns.as_json ? stderr : stdout, "WRONG    needed   %.*s\n", VIEW_ARG(line));
	if (dns_signed_can_be_asked())
		dns_check_signed(domain, with_host, dns_signed_print);
	else
		fprintf(dns.as_json ? stderr : stdout,
			"; not looked at: DNSSEC, which the suite's resolver would validate "
			"(dnssec_validation), if it ran\n");
	dns_check_bulk(source, domain, bulk_print);
}

static void do_domain(const struct dns_source *source, struct view domain, bool with_host)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct dns_wish wish = { .items = NULL };
	struct view rest, line;

	if (domain_to_ascii(domain, &name) < 0)
		str_append(&name, domain);
	dns_wish_make(str_cstr(&name), with_host, &wish);
	if (!dns.as_json)
		printf("; %s, mail host %s\n", str_cstr(&name), param.myhostname);
	if (source != NULL)
		check_wish(source, str_cstr(&name), with_host, &wish);
	else
		print_wish(&wish);
	rest = str_view(&wish.notes);
	while (view_next_word(&rest, "\n", &line))
		fprintf(dns.as_json ? stderr : stdout, "; %.*s\n", VIEW_ARG(line));
	dns_wish_free(&wish);
}

/* Tables in the list are for the programs; here only what stands in it. */
static void do_own_domains(const struct dns_source *source)
{
	struct view rest = view_of(param.virtual_mailbox_domains), domain;
	bool first = true;

	while (conf_next_element(&rest, &domain)) {
		if (!domain_is_valid(domain, true) || view_find_byte(domain, '.') == VIEW_NOT_FOUND)
			continue;
		do_domain(source, domain, first);
		first = false;
	}
	if (first)
		do_domain(source, view_of(param.mydomain), true);
}

static void dns_task(void *unused)
{
	struct error err = ERROR_NONE;
	struct name_server *server = dns.check ? name_server_new(dns.server, &err) : NULL;
	struct dns_source source = { 0 };

	(void)unused;
	if (dns.check && server == NULL) {
		task_quit(tool_fail("dns", "%s", err.text));
		return;
	}
	if (server != NULL)
		source = name_server_source(server);
	if (dns.domains[0] == NULL)
		do_own_domains(server != NULL ? &source : NULL);
	for (char **domain = dns.domains; *domain != NULL; domain++)
		do_domain(server != NULL ? &source : NULL, view_of(*domain), domain == dns.domains);
	name_server_free(server);
	task_quit(dns.status);
}

int verb_dns(int argc, char **argv)
{
	static const struct option options[] = { { "check", no_argument, NULL, 'c' },
						 { "server", required_argument, NULL, 's' },
						 { "json", no_argument, NULL, 'j' },
						 { 0 } };
	int option;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'c')
			dns.check = true;
		else if (option == 's')
			dns.server = optarg;
		else if (option == 'j')
			dns.as_json = true;
		else
			return tool_usage("dns", "wrong option");
	}
	dns.domains = argv + optind;
	for (char **domain = dns.domains; *domain != NULL; domain++)
		if (!domain_is_valid(view_of(*domain), true))
			return tool_usage("dns", "\"%s\" is no domain", *domain);
	if (dns.server != NULL && !dns.check)
		return tool_usage("dns", "--server goes with --check");
	if (!tool_load(NULL, 0))
		return TOOL_NO;
	return task_run(dns_task, NULL);
}
