/* posta dkim: the keys that sign this instance's mail. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ipc/ipc.h"
#include "mail/address.h"
#include "mailauth/records.h"
#include "task/task.h"
#include "tools/dkim_keys.h"
#include "tools/json.h"
#include "tools/name_server.h"
#include "tools/tool.h"
#include "tools/txt_record.h"

static const char help[] =
	"usage: posta [-c CONFDIR] dkim add DOMAIN [--selector S] [--algorithm rsa|ed25519|both]\n"
	"       posta [-c CONFDIR] dkim list [--json]\n"
	"       posta [-c CONFDIR] dkim rotate DOMAIN\n"
	"       posta [-c CONFDIR] dkim check [--dns HOST:PORT]\n"
	"\n"
	"add     makes a key (RSA of 2048 bits without --algorithm) and prints its DNS record. It "
	"signs\n"
	"        nothing until check has seen that record\n"
	"list    the keys: in use, waiting for their record, retired\n"
	"rotate  makes a new key for each one of DOMAIN that is in use\n"
	"check   asks the DNS for each key's record. A key that waits and has its record signs "
	"from "
	"now\n"
	"        on, and the older one of its kind for that domain retires; its record must stay "
	"for a\n"
	"        week, for mail that is still under way. Status 1: a key in use has no record, or "
	"a wrong\n"
	"        one\n"
	"\n"
	"Keys are in CONFDIR/dkim; dkim_key_table and dkim_signing_table name the two tables "
	"there.\n";

#define RETIRED_DAYS 7 /* as long as mail may be on its way */

static struct {
	struct dkim_keys keys;
	const char *selector, *algorithm, *dns;
	bool json, changed, failed;
} dkim_tool;

static void dkim_date(int64_t time, const char *format, char *text, size_t size)
{
	time_t when = (time_t)time;
	struct tm tm;

	gmtime_r(&when, &tm);
	strftime(text, size, format, &tm);
}

/* ---- add, rotate ---- */

static void dkim_print_record(const struct dkim_entry *entry, const struct private_key *key)
{
	_cleanup_(str_free) struct str owner = STR_EMPTY, record = STR_EMPTY;

	dkim_entry_owner(entry, &owner);
	private_key_record(key, &record);
	txt_record_print(str_cstr(&owner), str_view(&record));
}

static int dkim_make(struct view domain, enum signature_algorithm algorithm)
{
	_cleanup_(private_key_freep) struct private_key *key = NULL;
	struct error err = ERROR_NONE;
	char selector[64];

	/* Dated, and told apart by kind: both may be made on one day. */
	if (dkim_tool.selector == NULL)
		dkim_date(clock_wall(), algorithm == ALGORITHM_RSA_SHA256 ? "p%Y%m%dr" : "p%Y%m%de",
			  selector, sizeof(selector));
	else
		snprintf(selector, sizeof(selector), "%s", dkim_tool.selector);
	if (dkim_keys_make(&dkim_tool.keys, domain, view_of(selector), algorithm, &err) < 0)
		return tool_fail("dkim", "%s", err.text);
	key = dkim_entry_key(&dkim_tool.keys.entries[dkim_tool.keys.count - 1], &err);
	if (key == NULL)
		return tool_fail("dkim", "%s", err.text);
	dkim_print_record(&dkim_tool.keys.entries[dkim_tool.keys.count - 1], key);
	dkim_tool.changed = true;
	return TOOL_DONE;
}

static int dkim_add(const char *given)
{
	_cleanup_(str_free) struct str domain = STR_EMPTY;
	const char *algorithm = dkim_tool.algorithm != NULL ? dkim_tool.algorithm : "rsa";
	bool both = strcmp(algorithm, "both") == 0;
	int status = TOOL_DONE;

	if (domain_to_ascii(view_of(given), &domain) < 0 ||
	    !domain_is_valid(str_view(&domain), false))
		return tool_usage("dkim", "%s is no domain", given);
	if (!both && strcmp(algorithm, "rsa") != 0 && strcmp(algorithm, "ed25519") != 0)
		return tool_usage("dkim", "--algorithm: expected rsa, ed25519 or both");
	if (dkim_tool.selector != NULL && (both || strlen(dkim_tool.selector) > 62 ||
					   !record_name_is_possible(view_of(dkim_tool.selector)) ||
					   strpbrk(dkim_tool.selector, "/: \t") != NULL))
		return tool_usage("dkim", "--selector: one name, for one key");
	if (both || strcmp(algorithm, "rsa") == 0)
		status = dkim_make(str_view(&domain), ALGORITHM_RSA_SHA256);
	if (status == TOOL_DONE && (both || strcmp(algorithm, "ed25519") == 0))
		status = dkim_make(str_view(&domain), ALGORITHM_ED25519_SHA256);
	if (status == TOOL_DONE)
		printf("; signs once \"posta dkim check\" has seen the record\n");
	return status;
}

static int dkim_rotate(const char *domain)
{
	size_t count = dkim_tool.keys.count, made = 0;
	int status = TOOL_DONE;

	for (size_t i = 0; status == TOOL_DONE && i < count; i++) {
		const struct dkim_entry *e = &dkim_tool.keys.entries[i];
		struct error err = ERROR_NONE;
		struct private_key *key;

		if (e->state != DKIM_ACTIVE || strcasecmp(e->domain, domain) != 0)
			continue;
		key = dkim_entry_key(e, &err);
		if (key == NULL)
			return tool_fail("dkim", "%s", err.text);
		status = dkim_make(view_of(domain), private_key_algorithm(key));
		private_key_free(key);
		made++;
	}
	if (made == 0)
		return tool_fail("dkim", "no key of %s is in use", domain);
	return status;
}

/* ---- list ---- */

static const char *const dkim_states[] = { "waits for its record", "in use", "retired" };

static int dkim_list(void)
{
	for (size_t i = 0; i < dkim_tool.keys.count; i++) {
		const struct dkim_entry *e = &dkim_tool.keys.entries[i];
		struct error err = ERROR_NONE;
		_cleanup_(private_key_freep) struct private_key *key = dkim_entry_key(e, &err);
		const char *algorithm =
			key != NULL ? signature_algorithm_name(private_key_algorithm(key)) : "?";
		struct json json = JSON_START;

		if (!dkim_tool.json) {
			printf("%s %s %s: %s%s%s\n", e->domain, e->selector, algorithm,
			       dkim_states[e->state], e->date[0] != '\0' ? " since " : "", e->date);
			continue;
		}
		json_object(&json, NULL);
		json_string(&json, "domain", view_of(e->domain));
		json_string(&json, "selector", view_of(e->selector));
		json_string(&json, "algorithm", view_of(algorithm));
		json_string(&json, "state",
			    view_of(e->state == DKIM_PENDING  ? "pending"
				    : e->state == DKIM_ACTIVE ? "active"
							      : "retired"));
		json_string(&json, "file", view_of(e->path));
		json_end(&json);
		json_print(&json);
	}
	return TOOL_DONE;
}

/* ---- check ---- */

/* Whether the DNS has just that key. A reason for people where not. */
static bool dkim_is_published(const struct dkim_entry *entry, const struct private_key *key,
			      const struct dns_source *dns, struct str *why)
{
	_cleanup_(str_free) struct str owner = STR_EMPTY, ours = STR_EMPTY, theirs = STR_EMPTY;
	struct records records;
	struct key_record record;
	const char *problem = "the record has another key";
	bool same = false;

	dkim_entry_owner(entry, &owner);
	private_key_record(key, &ours);
	records_ask(dns, str_view(&owner), RECORD_TXT, &records);
	if (records.outcome == RECORDS_FAILED) {
		problem = "the DNS gives no answer now";
	} else if (records.count != 1) {
		problem = records.count == 0 ? "there is no record" : "more than one record";
	} else if (key_record_parse(str_view(&records.values[0]), &record, &problem) ==
		   PROOF_PASS) {
		struct view mine =
			view_from(str_view(&ours), view_find(str_view(&ours), VIEW("p=")));

		tag_squeeze(&theirs, str_view(&records.values[0]));
		same = view_find(str_view(&theirs), mine) != VIEW_NOT_FOUND;
		problem = "the record has another key";
		key_record_free(&record);
	} else {
		key_record_free(&record);
	}
	records_free(&records);
	if (!same)
		str_append_cstr(why, problem);
	return same;
}

/* The older keys of that kind have done their work. */
static void dkim_retire_older(const struct dkim_entry *by, enum signature_algorithm algorithm)
{
	for (size_t i = 0; i < dkim_tool.keys.count; i++) {
		struct dkim_entry *e = &dkim_tool.keys.entries[i];
		struct error err = ERROR_NONE;
		struct private_key *key;

		if (e == by || e->state != DKIM_ACTIVE || strcasecmp(e->domain, by->domain) != 0)
			continue;
		key = dkim_entry_key(e, &err);
		if (key == NULL || private_key_algorithm(key) == algorithm) {
			e->state = DKIM_RETIRED;
			dkim_date(clock_wall(), "%Y-%m-%d", e->date, sizeof(e->date));
			printf("%s %s: retired\n", e->domain, e->selector);
		}
		private_key_free(key);
	}
}

static void dkim_check_retired(const struct dkim_entry *entry)
{
	char day[16];

	dkim_date(clock_wall() - (int64_t)RETIRED_DAYS * 86400, "%Y-%m-%d", day, sizeof(day));
	printf("%s %s: retired since %s: %s\n", entry->domain, entry->selector, entry->date,
	       strcmp(entry->date, day) <= 0 ? "its record may be removed"
					     : "its record must stay for a week");
}

static void dkim_check_entry(struct dkim_entry *entry, const struct dns_source *dns)
{
	_cleanup_(str_free) struct str why = STR_EMPTY;
	_cleanup_(private_key_freep) struct private_key *key = NULL;
	struct error err = ERROR_NONE;
	bool published;

	if (entry->state == DKIM_RETIRED) {
		dkim_check_retired(entry);
		return;
	}
	key = dkim_entry_key(entry, &err);
	if (key == NULL) {
		printf("%s %s: %s\n", entry->domain, entry->selector, err.text);
		dkim_tool.failed = true;
		return;
	}
	published = dkim_is_published(entry, key, dns, &why);
	if (published && entry->state == DKIM_PENDING) {
		entry->state = DKIM_ACTIVE;
		dkim_tool.changed = true;
		dkim_retire_older(entry, private_key_algorithm(key));
		printf("%s %s: its record is there: it signs from now on\n", entry->domain,
		       entry->selector);
	} else if (published) {
		printf("%s %s: in use, and its record is right\n", entry->domain, entry->selector);
	} else {
		printf("%s %s: %s: %s\n", entry->domain, entry->selector, dkim_states[entry->state],
		       str_cstr(&why));
		dkim_tool.failed = dkim_tool.failed || entry->state == DKIM_ACTIVE;
	}
}

/* main.cf names the tables, from the first key on. */
static void dkim_use_tables(void)
{
	_cleanup_(str_free) struct str keys = STR_EMPTY, signing = STR_EMPTY;
	_cleanup_(str_free) struct str key_line = STR_EMPTY, signing_line = STR_EMPTY;

	if (param.dkim_signing_table[0] != '\0')
		return;
	dkim_keys_sources(&keys, &signing);
	str_printf(&key_line, "dkim_key_table=%s", str_cstr(&keys));
	str_printf(&signing_line, "dkim_signing_table=%s", str_cstr(&signing));
	char *words[] = { (char *)"conf", (char *)"-e", key_line.data, signing_line.data, NULL };

	optind = 0;
	if (verb_conf(4, words) == TOOL_DONE)
		printf("main.cf names the tables now: posta reload puts that in force\n");
	else
		dkim_tool.failed = true;
}

static void dkim_check(void *unused)
{
	_cleanup_(str_free) struct str resolver = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct name_server *server = NULL;
	struct dns_source dns = records_of_resolver;

	(void)unused;
	str_printf(&resolver, "%s/private/resolver", param.queue_directory);
	if (dkim_tool.dns != NULL || access(str_cstr(&resolver), W_OK) < 0) {
		server = name_server_new(dkim_tool.dns, &err);
		if (server == NULL)
			task_quit(tool_fail("dkim", "%s", err.text));
		dns = name_server_source(server);
	}
	for (size_t i = 0; i < dkim_tool.keys.count; i++)
		dkim_check_entry(&dkim_tool.keys.entries[i], &dns);
	name_server_free(server);
	fflush(stdout);
	task_quit(dkim_tool.failed ? TOOL_NO : TOOL_DONE);
}

/* ---- the command ---- */

static int dkim_parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "selector", required_argument, NULL, 's' },
		{ "algorithm", required_argument, NULL, 'a' },
		{ "dns", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 's':
			dkim_tool.selector = optarg;
			break;
		case 'a':
			dkim_tool.algorithm = optarg;
			break;
		case 'd':
			dkim_tool.dns = optarg;
			break;
		case 'j':
			dkim_tool.json = true;
			break;
		default:
			return tool_usage("dkim", "wrong option");
		}
	}
	return TOOL_DONE;
}

static int dkim_act(const char *verb, const char *domain)
{
	if (strcmp(verb, "list") == 0 && domain == NULL)
		return dkim_list();
	if (strcmp(verb, "check") == 0 && domain == NULL) {
		ipc_set_root(param.queue_directory);
		return task_run(dkim_check, NULL);
	}
	if (strcmp(verb, "add") == 0 && domain != NULL)
		return dkim_add(domain);
	if (strcmp(verb, "rotate") == 0 && domain != NULL)
		return dkim_rotate(domain);
	return tool_usage("dkim", "expected add DOMAIN, list, rotate DOMAIN or check");
}

int verb_dkim(int argc, char **argv)
{
	struct error err = ERROR_NONE;
	int status;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	status = dkim_parse_options(argc, argv);
	if (status != TOOL_DONE)
		return status;
	if (optind >= argc || argc - optind > 2)
		return tool_usage("dkim", "expected add DOMAIN, list, rotate DOMAIN or check");
	if (!tool_load(NULL, 0))
		return TOOL_NO;
	if (dkim_keys_read(&dkim_tool.keys, &err) < 0)
		return tool_fail("dkim", "%s", err.text);
	status = dkim_act(argv[optind], argc - optind == 2 ? argv[optind + 1] : NULL);
	if (dkim_tool.changed && dkim_keys_write(&dkim_tool.keys, &err) < 0)
		status = tool_fail("dkim", "%s", err.text);
	for (size_t i = 0; dkim_tool.changed && i < dkim_tool.keys.count; i++) {
		if (dkim_tool.keys.entries[i].state == DKIM_ACTIVE) {
			dkim_use_tables();
			break;
		}
	}
	dkim_keys_free(&dkim_tool.keys);
	return status != TOOL_DONE ? status : dkim_tool.failed ? TOOL_NO : TOOL_DONE;
}
