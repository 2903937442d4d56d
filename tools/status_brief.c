/*
 * posta status: ten lines that say how the instance is. Each comes from whoever knows it, and is left
 * out, or says so, where that one does not answer, or may not tell this user. While the instance is
 * down what can be read from the disk is told.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "queue/maildrop.h"
#include "tools/instance.h"
#include "tools/queue_entries.h"
#include "tools/sessions.h"
#include "tools/status.h"
#include "tools/tool.h"
#include "tools/users.h"

#define QUEUE_LOOKED_AT 100000 /* messages; more are not waited for */
#define SPACE_FACTOR	2      /* of queue_minfree: then it is time to look */

static void line(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(const char *name, const char *format, ...)
{
	va_list args;

	printf("%-13s", name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* ---- what is configured ---- */

/* "smtp" of getservbyname, and base_port; "10025" and "127.0.0.1:10025" as they are. */
static void append_port(struct str *out, const struct service *s)
{
	const char *colon = strrchr(s->name, ':');
	const char *name = colon ? colon + 1 : s->name;
	const struct servent *known;

	if (ascii_is_digit(name[0])) {
		str_append_cstr(out, s->name);
		return;
	}
	known = getservbyname(name, "tcp");
	if (known == NULL)
		str_append_cstr(out, s->name);
	else
		str_printf(out, "%d %s", ntohs((uint16_t)known->s_port) + (int)param.base_port,
			   s->name);
}

static void tell_ports(void)
{
	_cleanup_(str_free) struct str ports = STR_EMPTY, report = STR_EMPTY;
	struct services services = { 0 };

	(void)services_load(tool_directory(), &services, &report);
	for (size_t i = 0; i < services.count; i++) {
		if (services.items[i].type != SERVICE_INET)
			continue;
		if (ports.len > 0)
			str_append(&ports, VIEW(", "));
		append_port(&ports, &services.items[i]);
	}
	line("ports", "%s; on %s", str_cstr(&ports), param.inet_interfaces);
	services_free(&services);
}

static void count_user(void *argument, struct view unused)
{
	(void)unused;
	++*(size_t *)argument;
}

static void tell_users(void)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	size_t users = 0;

	if (users_each(count_user, &users, &report) < 0 || (users == 0 && report.len > 0))
		line("users", "not to be seen by you");
	else
		line("users", "%zu mailbox users; mail for %s", users,
		     param.virtual_mailbox_domains[0] ? conf_get("virtual_mailbox_domains")
						      : conf_get("mydestination"));
}

static void tell_certificates(struct str *ill)
{
	_cleanup_(str_free) struct str lines = STR_EMPTY;
	struct view rest, text;

	status_certificates(&lines, ill);
	rest = str_view(&lines);
	while (view_next_word(&rest, "\n", &text))
		line("certificate", "%.*s", VIEW_ARG(text));
	if (lines.len == 0)
		line("certificate", "none: no TLS");
}

/* ---- the queue ---- */

struct counting {
	uint64_t states[QUEUE_STATE_HOLD + 1], messages, bytes;
	int64_t oldest;
};

static int count_message(void *argument, const struct queue_entry *entry)
{
	struct counting *c = argument;

	c->messages++;
	c->bytes += entry->size;
	if (entry->state <= QUEUE_STATE_HOLD)
		c->states[entry->state]++;
	if (c->oldest == 0 || entry->arrival < c->oldest)
		c->oldest = entry->arrival;
	return c->messages >= QUEUE_LOOKED_AT;
}

static void tell_queue(struct str *ill)
{
	const struct queue_source source = { .down_status = TOOL_LATER, .quiet = true };
	_cleanup_(str_free) struct str oldest = STR_EMPTY;
	struct counting c = { .messages = 0 };

	if (queue_entries(&source, count_message, &c) != TOOL_DONE) {
		line("queue", "not to be seen by you, or not now");
		return;
	}
	if (c.messages == 0) {
		line("queue", "empty");
		return;
	}
	status_append_time(&oldest, clock_wall() - c.oldest);
	line("queue",
	     "%s%llu messages, %llu Kbytes: %llu incoming, %llu active, %llu deferred, %llu on "
	     "hold; the oldest since %s",
	     c.messages >= QUEUE_LOOKED_AT ? "more than " : "", (unsigned long long)c.messages,
	     (unsigned long long)c.bytes / 1024, (unsigned long long)c.states[QUEUE_STATE_INCOMING],
	     (unsigned long long)c.states[QUEUE_STATE_ACTIVE],
	     (unsigned long long)c.states[QUEUE_STATE_DEFERRED],
	     (unsigned long long)c.states[QUEUE_STATE_HOLD], str_cstr(&oldest));
	/* They are given up after that time, so nobody tries any more. */
	if ((clock_wall() - c.oldest) * 1000 > param.maximal_queue_lifetime &&
	    c.states[QUEUE_STATE_HOLD] == 0)
		status_complain(ill, "a message is older than maximal_queue_lifetime");
}

/* For those who may look there. */
static void tell_maildrop(bool runs, struct str *ill)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	const struct dirent *entry;
	size_t count = 0;
	DIR *folder;

	str_printf(&path, "%s/%s", param.queue_directory, MAILDROP_FOLDER);
	folder = opendir(str_cstr(&path));
	while (folder != NULL && (entry = readdir(folder)) != NULL)
		count += entry->d_name[0] != '.';
	if (folder != NULL)
		closedir(folder);
	if (count == 0)
		return;
	line("maildrop", "%zu messages of local users wait %s", count,
	     runs ? "there" : "for the start");
	if (runs)
		status_complain(ill, "messages wait in %s: the log says why", str_cstr(&path));
}

static void tell_space(struct str *ill)
{
	struct statvfs vfs;
	uint64_t free_bytes;

	if (statvfs(param.queue_directory, &vfs) < 0)
		return;
	free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	line("disk", "%llu MB free for the queue, %llu of 100 names",
	     (unsigned long long)(free_bytes >> 20),
	     vfs.f_files > 0 ? (unsigned long long)(100 * vfs.f_favail / vfs.f_files) : 100ULL);
	if (free_bytes < SPACE_FACTOR * (uint64_t)param.queue_minfree)
		status_complain(ill, "little room for the queue: mail is refused below "
				     "queue_minfree");
	if (vfs.f_files > 0 && vfs.f_favail * 50 < vfs.f_files)
		status_complain(ill, "few names are left on the file system of the queue");
}

/* ---- what runs ---- */

static void tell_counters(struct str *ill)
{
	_cleanup_(ipc_freep) struct ipc *ipc = instance_connect("public/master");
	_cleanup_(str_free) struct str open = STR_EMPTY;
	int64_t sums[METRIC_COUNT] = { 0 };

	/* For root alone. */
	if (ipc == NULL || status_metrics_sum(ipc, sums, &open) < 0)
		return;
	line("mail",
	     "since the start %lld received, %lld delivered, %lld times put off, %lld "
	     "returned, %lld refused",
	     (long long)sums[METRIC_messages_received], (long long)sums[METRIC_messages_delivered],
	     (long long)sums[METRIC_messages_deferred], (long long)sums[METRIC_messages_bounced],
	     (long long)sums[METRIC_rejected]);
	line("connections", "%s", open.len > 0 ? str_cstr(&open) : "none open");
	if (sums[METRIC_dnsbl_listed] > 0)
		status_complain(ill,
				"lists of dnsbl_watch have addresses of ours (%lld entries): the "
				"log of reporter says which",
				(long long)sums[METRIC_dnsbl_listed]);
}

/* Sessions of one service: how many, and of how many users. */
static size_t count_sessions(const char *socket)
{
	_cleanup_(ipc_freep) struct ipc *ipc = instance_connect(socket);
	struct message m;
	size_t count = 0;
	int r = ipc != NULL ? ipc_send(ipc, session_list) : -errno;

	while (r == 0 && (r = ipc_receive(ipc, &m)) == 0 && m.type == MSG_session_entry)
		count++;
	return count;
}

/* Who has failed to log in so often that the next check of a password waits. */
static void tell_held(void)
{
	_cleanup_(ipc_freep) struct ipc *ipc =
		geteuid() == 0 ? instance_connect("private/anvil") : NULL;
	struct message m;
	size_t addresses = 0, accounts = 0;
	int r = ipc != NULL ? ipc_send(ipc, anvil_held_list) : -EACCES;

	while (r == 0 && (r = ipc_receive(ipc, &m)) == 0 && m.type == MSG_anvil_held) {
		if (m.anvil_held.is_account)
			accounts++;
		else
			addresses++;
	}
	if (addresses + accounts > 0)
		line("held",
		     "%zu addresses and %zu accounts wait before each further check of a "
		     "password (posta who --held)",
		     addresses, accounts);
}

static void tell_sessions(void)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	/* Who may not ask is told nothing. */
	if (geteuid() != 0)
		return;
	for (size_t i = 0; i < SESSION_SERVICES; i++)
		str_printf(&text, "%s%zu by %s", i > 0 ? ", " : "",
			   count_sessions(session_services[i].socket), session_services[i].name);
	line("logged in", "%s (posta who)", str_cstr(&text));
}

static void tell_running(const struct status_programs *programs)
{
	_cleanup_(str_free) struct str uptime = STR_EMPTY;
	time_t since = (time_t)programs->since;
	char when[32];
	struct tm tm;

	status_append_time(&uptime, clock_wall() - programs->since);
	localtime_r(&since, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	line("posta", "%s runs since %s (%s), process %u; %zu processes (--long)", POSTA_VERSION,
	     when, str_cstr(&uptime), programs->pid, programs->processes);
}

int status_brief(void)
{
	_cleanup_(ipc_freep) struct ipc *ipc = instance_connect_status();
	_cleanup_(str_free) struct str ill = STR_EMPTY;
	struct status_programs programs = { .since = 0 };
	struct view rest, text;
	bool runs = ipc != NULL;
	int r = runs ? status_programs_gather(ipc, &programs, &ill) : 0;

	if (r < 0)
		return tool_fail("status", "master: %s", strerror(-r));
	if (runs)
		tell_running(&programs);
	else
		line("posta", "%s does not run", POSTA_VERSION);
	line("instance", "%s; queue %s", tool_directory(), param.queue_directory);
	tell_ports();
	tell_queue(&ill);
	tell_maildrop(runs, &ill);
	if (runs) {
		tell_counters(&ill);
		tell_sessions();
		tell_held();
	}
	tell_users();
	tell_certificates(&ill);
	tell_space(&ill);
	rest = str_view(&ill);
	while (view_next_word(&rest, "\n", &text))
		line("ILL", "%.*s", VIEW_ARG(text));
	if (ill.len == 0)
		line("health", "nothing wrong is seen%s", runs ? "" : ", but that it does not run");
	return runs ? TOOL_DONE : TOOL_NO;
}
