/* How servers are named, and what their addresses are. Connects to none. */
#include "hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "services/clients.h"

#define HOST_NAME_MAX_ 255

static bool is_address(struct view text)
{
	unsigned char bytes[16];
	char buffer[64];

	if (text.len >= sizeof(buffer))
		return false;
	snprintf(buffer, sizeof(buffer), "%.*s", VIEW_ARG(text));
	return inet_pton(AF_INET, buffer, bytes) == 1 || inet_pton(AF_INET6, buffer, bytes) == 1;
}

static void host_set_path(struct host *host, struct view path)
{
	host->path = mem_strndup(path.data, path.len);
	host->known.path = host->path;
}

/* "host", "host:port", "[::1]:port". */
static int host_set_name(struct host *host, struct view text, const struct driver *driver)
{
	size_t bracket = view_find_byte(text, ']'), colon = view_find_last_byte(text, ':');
	struct view name = text, port = VIEW_NONE;
	uint32_t number = host->known.port;

	if (view_starts(text, VIEW("["))) {
		if (bracket == VIEW_NOT_FOUND)
			return -EINVAL;
		name = view_make(text.data + 1, bracket - 1);
		port = view_from(text, bracket + 1);
		if (port.len > 0 && port.data[0] != ':')
			return -EINVAL;
		port = view_from(port, 1);
	} else if (colon != VIEW_NOT_FOUND && view_find_byte(text, ':') == colon) {
		name = view_first(text, colon);
		port = view_from(text, colon + 1);
		if (port.len == 0)
			return -EINVAL;
	}
	if (port.len > 0 && (view_parse_u32(port, 65535, &number) < 0 || number == 0))
		return -EINVAL;
	/* With an '@' it is a piece of a URL, and has a password in it perhaps. */
	if (name.len == 0 || name.len > HOST_NAME_MAX_ || view_has_control(name) ||
	    view_find_byte(name, '@') != VIEW_NOT_FOUND)
		return -EINVAL;
	host->known.port = number;
	if (port.len == 0 && view_is_nocase(name, "localhost") && driver->local_socket != NULL) {
		host_set_path(host, view_of(driver->local_socket));
		return 0;
	}
	host->name = mem_strndup(name.data, name.len);
	host->known.name = host->name;
	return 0;
}

static int hex_of(char c)
{
	return ascii_is_digit(c)      ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* "%2Frun%2Fslapd" of ldapi://. */
static int host_set_escaped_path(struct host *host, struct view text)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	for (size_t i = 0; i < text.len; i++) {
		int high, low;

		if (text.data[i] != '%') {
			str_append_byte(&path, text.data[i]);
			continue;
		}
		if (text.len - i < 3)
			return -EINVAL;
		high = hex_of(text.data[i + 1]);
		low = hex_of(text.data[i + 2]);
		if (high < 0 || low < 0 || high + low == 0)
			return -EINVAL;
		str_append_byte(&path, (char)(high * 16 + low));
		i += 2;
	}
	if (path.len == 0)
		str_append_cstr(&path, "/var/run/slapd/ldapi");
	host_set_path(host, str_view(&path));
	return 0;
}

static int host_set_url(struct host *host, struct view text, const struct driver *driver)
{
	size_t end = view_find(text, VIEW("://"));
	struct view scheme = view_first(text, end), rest = view_from(text, end + 3);

	/* What follows the host is not for us: the base is a setting of its own. */
	rest = view_first(rest, view_find_byte(rest, '/'));
	if (view_is_nocase(scheme, "ldapi"))
		return host_set_escaped_path(host, rest);
	if (view_is_nocase(scheme, "ldaps")) {
		host->known.tls = true;
		host->known.port = 636;
	} else if (!view_is_nocase(scheme, "ldap")) {
		return -EINVAL;
	}
	return host_set_name(host, rest, driver);
}

/* One of the driver's own. Its password is for nobody's eyes. */
static int host_set_driver_url(struct host *host, struct view text, const struct driver *driver,
			       struct error *err)
{
	_cleanup_free_ char *copy = mem_strndup(text.data, text.len);
	struct driver_url url = { .port = host->known.port };
	int r = driver->url(copy, &url, err);

	mem_wipe(copy, text.len);
	if (r == 0) {
		host->known.more = host->more = url.more;
		host->more_free = driver->url_free;
		host->known.port = url.port;
		host->known.path = host->path = url.path;
		host->known.name = host->name = url.host;
		free(host->specification);
		host->specification = mem_strdup(url.path != NULL ? url.path : url.host);
		return 0;
	}
	host_free(host);
	return r;
}

int host_parse(struct view text, const struct driver *driver, unsigned port, struct host *host,
	       struct error *err)
{
	size_t at = view_find_last_byte(text, '@');
	int r;

	*host = (struct host){ .known = { .port = port } };
	if (driver->url != NULL && view_find(text, VIEW("://")) != VIEW_NOT_FOUND)
		return host_set_driver_url(host, text, driver, err);
	host->specification = mem_strndup(text.data, text.len);
	if (view_starts(text, VIEW("unix:"))) {
		host_set_path(host, view_from(text, strlen("unix:")));
		r = host->path[0] == '/' ? 0 : -EINVAL;
	} else if (view_starts(text, VIEW("inet:"))) {
		r = host_set_name(host, view_from(text, strlen("inet:")), driver);
	} else if (view_find(text, VIEW("://")) != VIEW_NOT_FOUND) {
		r = host_set_url(host, text, driver);
	} else {
		r = host_set_name(host, text, driver);
	}
	if (r == 0)
		return 0;
	host_free(host);
	if (at != VIEW_NOT_FOUND)
		text = view_from(text, at);
	return error_set(err, r, "expected host, host:port or unix:/path, not \"%.*s\"",
			 VIEW_ARG(view_first(text, 80)));
}

void host_free(struct host *host)
{
	free(host->specification);
	free(host->name);
	free(host->path);
	if (host->more_free != NULL)
		host->more_free(host->more);
	*host = (struct host){ .known = { .port = 0 } };
}

static bool host_take_address(struct host *host, struct view text)
{
	if (!is_address(text))
		return false;
	snprintf(host->address, sizeof(host->address), "%.*s", VIEW_ARG(text));
	host->known.address = host->address;
	return true;
}

int host_resolve(struct host *host)
{
	static const uint32_t types[] = { DNS_A, DNS_AAAA };
	struct view name = view_of(host->name);
	bool found;

	if (host->name == NULL)
		return 0;
	if (view_is_nocase(name, "localhost"))
		name = VIEW("127.0.0.1");
	found = host_take_address(host, name);
	for (size_t i = 0; !found && i < ARRAY_SIZE(types); i++) {
		struct dns_answer answer = { 0 };

		if (dns_query(name, types[i], &answer) == 0)
			for (size_t k = 0; !found && k < answer.count; k++)
				found = host_take_address(host, view_of(answer.records[k].name));
		dns_answer_free(&answer);
	}
	return found ? 0 : -EHOSTUNREACH;
}
