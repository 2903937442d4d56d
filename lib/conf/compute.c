/* Defaults that depend on the system: the host's name and networks, where the programs are. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/state.h"

enum { NETWORKS_MAX = 200, HOST_NAME_BYTES = 256 };

void conf_set_computed(const char *name, const char *value)
{
	free(map_put(conf_state.computed, view_of(name), mem_strdup(value)));
}

static bool is_set(const char *name)
{
	const struct conf_setting *setting = conf_setting(name);

	return setting != NULL && setting->value[0] != '\0';
}

/* Name and domain are each made from the other where only one is known, as Postfix does it. */
static void compute_names(void)
{
	char host[HOST_NAME_BYTES + 1] = "localhost";
	struct str name = STR_EMPTY;
	const char *dot;

	if (!is_set("myhostname")) {
		gethostname(host, HOST_NAME_BYTES);
		host[HOST_NAME_BYTES] = '\0';
		str_append_lower(&name, view_of(host));
		if (strchr(host, '.') == NULL) {
			const char *domain = is_set("mydomain") ? conf_get("mydomain") : NULL;

			str_printf(&name, ".%s", domain ? domain : "localdomain");
		}
		conf_set_computed("myhostname", str_cstr(&name));
	}
	if (!is_set("mydomain")) {
		const char *mine = conf_get("myhostname");

		dot = mine ? strchr(mine, '.') : NULL;
		conf_set_computed("mydomain", dot && dot[1] ? dot + 1 : "localdomain");
	}
	str_free(&name);
}

/*
 * The programs lie beside the running one: bin/posta has them in libexec/posta, both in the
 * build tree and where they are installed.
 */
static void compute_daemon_directory(void)
{
	_cleanup_(str_free) struct str exe = STR_EMPTY;
	static const char home[] = "/libexec/posta";

	if (is_set("daemon_directory"))
		return;
	if (io_read_link("/proc/self/exe", &exe) < 0) {
		conf_set_computed("daemon_directory", "/usr"
						      "/libexec/posta");
		return;
	}

	struct view whole = str_view(&exe);
	struct view folder = view_first(whole, view_find_last_byte(whole, '/'));

	if (view_ends(folder, view_of(home))) {
		str_truncate(&exe, folder.len);
		conf_set_computed("daemon_directory", str_cstr(&exe));
		return;
	}
	struct view prefix = view_first(folder, view_find_last_byte(folder, '/'));
	struct str path = STR_EMPTY;

	str_printf(&path, "%.*s%s", VIEW_ARG(prefix), home);
	conf_set_computed("daemon_directory", str_cstr(&path));
	str_free(&path);
}

/* Leading one bits. */
static unsigned prefix_of(const uint8_t *mask, size_t len)
{
	unsigned bits = 0;

	while (bits < len * 8 && (mask[bits / 8] & (0x80 >> bits % 8)))
		bits++;
	return bits;
}

/* The class that the address had before 1993. */
static unsigned class_prefix(const uint8_t *address)
{
	return address[0] < 128 ? 8 : address[0] < 192 ? 16 : 24;
}

static void append_network(struct str *out, const struct ifaddrs *item, struct view style)
{
	bool ipv6 = item->ifa_addr->sa_family == AF_INET6;
	size_t len = ipv6 ? 16 : 4;
	uint8_t address[16], mask[16];
	char text[INET6_ADDRSTRLEN], network[INET6_ADDRSTRLEN + 8];
	unsigned prefix = (unsigned)len * 8;

	if (ipv6) {
		memcpy(address, &((struct sockaddr_in6 *)(void *)item->ifa_addr)->sin6_addr, 16);
		memcpy(mask, &((struct sockaddr_in6 *)(void *)item->ifa_netmask)->sin6_addr, 16);
	} else {
		memcpy(address, &((struct sockaddr_in *)(void *)item->ifa_addr)->sin_addr, 4);
		memcpy(mask, &((struct sockaddr_in *)(void *)item->ifa_netmask)->sin_addr, 4);
	}
	if (item->ifa_flags & IFF_LOOPBACK)
		prefix = ipv6 ? 128 : 8;
	else if (view_is(style, "class") && !ipv6)
		prefix = class_prefix(address);
	else if (!view_is(style, "host"))
		prefix = prefix_of(mask, len);
	for (unsigned bit = prefix; bit < len * 8; bit++)
		address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	inet_ntop(item->ifa_addr->sa_family, address, text, sizeof(text));
	snprintf(network, sizeof(network), ipv6 ? "[%s]/%u" : "%s/%u", text, prefix);
	if (view_find(str_view(out), view_of(network)) == VIEW_NOT_FOUND)
		str_printf(out, "%s%s", out->len ? " " : "", network);
}

/* The users' file is made with the first user. */
static void compute_users(void)
{
	static const char *const names[] = { "users", "users.db" };

	if (conf_setting("mailbox_users") != NULL)
		return;
	/* A file of that name in Postfix's folder would be something else. */
	for (size_t i = 0; !conf_state.of_postfix && i < ARRAY_SIZE(names); i++) {
		_cleanup_(str_free) struct str path = STR_EMPTY;

		str_printf(&path, "%s/%s", conf_state.directory, names[i]);
		if (access(str_cstr(&path), F_OK) == 0)
			return;
	}
	conf_set_computed("mailbox_users", "");
}

static void compute_networks(void)
{
	const char *style = conf_get("mynetworks_style");
	struct ifaddrs *all = NULL;
	struct str networks = STR_EMPTY;
	int count = 0;

	/* Set to nothing, it is nobody. */
	if (conf_setting("mynetworks") != NULL)
		return;
	if (getifaddrs(&all) == 0) {
		for (struct ifaddrs *i = all; i != NULL && count < NETWORKS_MAX; i = i->ifa_next) {
			if (i->ifa_addr == NULL || i->ifa_netmask == NULL)
				continue;
			if (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6)
				continue;
			append_network(&networks, i, style ? view_of(style) : VIEW("host"));
			count++;
		}
		freeifaddrs(all);
	}
	conf_set_computed("mynetworks",
			  networks.len ? str_cstr(&networks) : "127.0.0.0/8 [::1]/128");
	str_free(&networks);
}

void conf_compute_defaults(void)
{
	conf_set_computed("config_directory", conf_state.directory);
	compute_daemon_directory();
	compute_users();
	conf_compute_postfix();
	compute_names();
	compute_networks();
}
