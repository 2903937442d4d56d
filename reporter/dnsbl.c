/*
 * Our own addresses on lists of others (DNSBL): mail from a listed address is refused in many places, and the
 * first who notices should not be a user. Asked seldom; a list that gives no answer changes nothing.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "mail/address.h"
#include "reporter.h"
#include "task/task.h"

#define WATCH_ADDRESSES_MAX 100
#define WATCH_FIRST	    ((msec_t)1000) /* after the start, when the others are there */

/* "192.0.2.1 list.test" of each that is listed. */
static struct map *watch_listed;

int dnsbl_watch_check(struct error *err)
{
	struct view rest = view_of(param.dnsbl_watch), word;

	while (conf_next_element(&rest, &word))
		if (!domain_is_valid(word, false))
			return error_set(err, -EINVAL, "dnsbl_watch: %.*s is no domain",
					 VIEW_ARG(word));
	rest = view_of(param.dnsbl_watch_addresses);
	while (conf_next_element(&rest, &word))
		if (ip_family(word) == 0)
			return error_set(err, -EINVAL, "dnsbl_watch_addresses: %.*s is no address",
					 VIEW_ARG(word));
	return 0;
}

/* "1.2.0.192." and so on (RFC 5782 sections 2.1, 2.4). */
void dnsbl_reverse(struct view address, struct str *out)
{
	_cleanup_free_ char *text = mem_strndup(address.data, address.len);
	unsigned char bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		for (int i = 3; i >= 0; i--)
			str_printf(out, "%u.", bytes[i]);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		for (int i = 15; i >= 0; i--)
			str_printf(out, "%x.%x.", bytes[i] & 15, bytes[i] >> 4);
}

/* What a list says of its entry, or nothing. */
static void watch_reason(struct view name, struct str *reason)
{
	struct records records;

	records_ask(&records_of_resolver, name, RECORD_TXT, &records);
	if (records.count > 0) {
		str_append_cstr(reason, ": ");
		str_append_printable(reason, view_first(str_view(&records.values[0]), 200));
	}
	records_free(&records);
}

static void watch_note(struct view address, struct view zone, struct view name, struct view code)
{
	_cleanup_(str_free) struct str key = STR_EMPTY, reason = STR_EMPTY;

	/* By 127.255.255.x lists say that they do not answer whoever asks. */
	if (view_starts(code, VIEW("127.255.255."))) {
		log_warning("dnsbl_watch: %.*s does not answer us (%.*s)", VIEW_ARG(zone),
			    VIEW_ARG(code));
		return;
	}
	if (!view_starts(code, VIEW("127."))) {
		log_warning("dnsbl_watch: %.*s is no list any more: it says %.*s", VIEW_ARG(zone),
			    VIEW_ARG(code));
		return;
	}
	str_printf(&key, "%.*s %.*s", VIEW_ARG(address), VIEW_ARG(zone));
	watch_reason(name, &reason);
	log_warning("dnsbl_watch: %.*s is listed by %.*s (%.*s)%s", VIEW_ARG(address),
		    VIEW_ARG(zone), VIEW_ARG(code), str_cstr(&reason));
	map_put(watch_listed, str_view(&key), &watch_listed);
}

static void watch_ask(struct view address, struct view zone)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, key = STR_EMPTY;
	struct records records;

	dnsbl_reverse(address, &name);
	str_append(&name, zone);
	records_ask(&records_of_resolver, str_view(&name), RECORD_A, &records);
	if (records.outcome == RECORDS_FOUND && records.count > 0) {
		watch_note(address, zone, str_view(&name), str_view(&records.values[0]));
	} else if (records.outcome != RECORDS_FAILED) {
		str_printf(&key, "%.*s %.*s", VIEW_ARG(address), VIEW_ARG(zone));
		if (map_remove(watch_listed, str_view(&key)) != NULL)
			log_info("dnsbl_watch: %.*s is not listed by %.*s any more",
				 VIEW_ARG(address), VIEW_ARG(zone));
	}
	records_free(&records);
}

static void watch_address(struct view address)
{
	struct view zones = view_of(param.dnsbl_watch), zone;

	while (!daemon_is_retiring() && conf_next_element(&zones, &zone))
		watch_ask(address, zone);
	metric_set(METRIC_dnsbl_listed, (int64_t)map_count(watch_listed));
}

/* Those that others see us by. */
static void watch_own_name(enum record_type type)
{
	struct records records;

	records_ask(&records_of_resolver, view_of(param.myhostname), type, &records);
	for (size_t i = 0; i < records.count && i < WATCH_ADDRESSES_MAX; i++)
		watch_address(str_view(&records.values[i]));
	records_free(&records);
}

void dnsbl_watch_run(void *unused)
{
	(void)unused;
	watch_listed = map_new();
	metric_set(METRIC_dnsbl_listed, 0);
	task_sleep(WATCH_FIRST);
	while (!daemon_is_retiring()) {
		struct view rest = view_of(param.dnsbl_watch_addresses), address;
		bool own = rest.len == 0;

		while (conf_next_element(&rest, &address))
			watch_address(address);
		if (own) {
			watch_own_name(RECORD_A);
			watch_own_name(RECORD_AAAA);
		}
		task_sleep(MAX(param.dnsbl_watch_interval, 1000));
	}
}
