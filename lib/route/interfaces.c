/* The addresses of this host and of its proxies. Read once; a change of them is a restart. */
#include "route/interfaces.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"

/* IPv4 addresses are kept in their IPv6-mapped form, so that one comparison does for both. */
struct own_addresses {
	struct in6_addr *items;
	size_t count;
};

static void map_ipv4(const struct in_addr *from, struct in6_addr *to)
{
	memset(to, 0, sizeof(*to));
	to->s6_addr[10] = to->s6_addr[11] = 0xff;
	memcpy(&to->s6_addr[12], from, sizeof(*from));
}

static bool parse_ip(struct view text, struct in6_addr *address)
{
	char buffer[INET6_ADDRSTRLEN];
	struct in_addr v4;

	if (text.len == 0 || text.len >= sizeof(buffer))
		return false;
	memcpy(buffer, text.data, text.len);
	buffer[text.len] = '\0';
	if (inet_pton(AF_INET, buffer, &v4) == 1) {
		map_ipv4(&v4, address);
		return true;
	}
	return inet_pton(AF_INET6, buffer, address) == 1;
}

static void interface_add(struct own_addresses *own, const struct in6_addr *address)
{
	array_grow(own->items, own->count);
	own->items[own->count++] = *address;
}

static void add_sockaddr(struct own_addresses *own, const struct sockaddr *address)
{
	struct in6_addr mapped;

	if (address->sa_family == AF_INET) {
		map_ipv4(&((const struct sockaddr_in *)(const void *)address)->sin_addr, &mapped);
		interface_add(own, &mapped);
	} else if (address->sa_family == AF_INET6) {
		interface_add(own,
			      &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
	}
}

static int add_all_interfaces(struct own_addresses *own, struct error *err)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return error_errno(err, "ask the kernel for this host's addresses");
	for (struct ifaddrs *i = list; i != NULL; i = i->ifa_next)
		if (i->ifa_addr != NULL)
			add_sockaddr(own, i->ifa_addr);
	freeifaddrs(list);
	return 0;
}

static int add_loopback(struct own_addresses *own)
{
	struct in6_addr address;

	parse_ip(VIEW("127.0.0.1"), &address);
	interface_add(own, &address);
	interface_add(own, &in6addr_loopback);
	return 0;
}

static int add_named(struct own_addresses *own, const char *parameter, struct view element,
		     struct error *err)
{
	_cleanup_free_ char *name = mem_strndup(element.data, element.len);
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int r = getaddrinfo(name, NULL, &hints, &list);

	if (r != 0)
		return error_set(err, -EINVAL, "%s: no address for %s: %s", parameter, name,
				 gai_strerror(r));
	for (struct addrinfo *i = list; i != NULL; i = i->ai_next)
		add_sockaddr(own, i->ai_addr);
	freeaddrinfo(list);
	return 0;
}

static int add_list(struct own_addresses *own, const char *parameter, const char *list,
		    struct error *err)
{
	struct view rest = view_of(list), element;

	while (conf_next_element(&rest, &element)) {
		struct in6_addr address;
		struct view bare = element;
		int r = 0;

		if (bare.len > 2 && bare.data[0] == '[' && bare.data[bare.len - 1] == ']')
			bare = view_make(bare.data + 1, bare.len - 2);
		if (view_is_nocase(element, "all"))
			r = add_all_interfaces(own, err);
		else if (view_is_nocase(element, "loopback-only"))
			r = add_loopback(own);
		else if (parse_ip(bare, &address))
			interface_add(own, &address);
		else
			r = add_named(own, parameter, element, err);
		if (r < 0)
			return r;
	}
	return 0;
}

struct own_addresses *own_addresses_load(struct error *err)
{
	struct own_addresses *own = mem_new(struct own_addresses);

	if (add_list(own, "inet_interfaces", param.inet_interfaces, err) < 0 ||
	    add_list(own, "proxy_interfaces", param.proxy_interfaces, err) < 0) {
		own_addresses_free(own);
		return NULL;
	}
	return own;
}

void own_addresses_free(struct own_addresses *own)
{
	if (own == NULL)
		return;
	free(own->items);
	free(own);
}

bool own_addresses_match(const struct own_addresses *own, struct view ip)
{
	struct in6_addr address;

	if (!parse_ip(ip, &address))
		return false;
	if (IN6_IS_ADDR_UNSPECIFIED(&address) ||
	    (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 0))
		return true; /* connects to this host */
	for (size_t i = 0; i < own->count; i++)
		if (memcmp(&own->items[i], &address, sizeof(address)) == 0)
			return true;
	return false;
}
