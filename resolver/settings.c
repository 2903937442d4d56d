/* libunbound set up from the parameters. A trust anchor that is missing is said here, once. */
#include "settings.h"

#include <errno.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"

#define RESOLV_CONF	 "/etc/resolv.conf"
#define TRUST_ANCHOR_MAX 65536 /* bytes of the file */

/* The root zone's keys of 2017 and 2024 (IANA), for where there is no file with newer ones. */
static const char *const root_anchors[] = {
	". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
	". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

static const struct {
	const char *name, *value;
} options[] = {
	{ "do-not-query-localhost:", "no" }, /* a server on this host, as often */
	/* Private addresses have names where the servers asked are one's own. */
	{ "unblock-lan-zones:", "yes" },
	{ "insecure-lan-zones:", "yes" },
	{ "msg-cache-size:", "8m" },
	{ "rrset-cache-size:", "16m" },
	{ "outgoing-range:", "1024" },
	{ "num-queries-per-thread:", "1024" },
	{ "edns-buffer-size:", "1232" },
	/* Nothing of it may be written or read after the chroot. */
	{ "use-syslog:", "no" },
	{ "logfile:", "" },
};

/* Zones that libunbound answers by itself unless told otherwise. */
static const char *const builtin_zones[] = { "test.", "home.arpa." };
static const char *const host_zones[] = { "localhost.", "127.in-addr.arpa.", "invalid." };

static int setting_failed(struct error *err, const char *what, int r)
{
	return error_set(err, -EINVAL, "%s: %s", what, ub_strerror(r));
}

/* "127.0.0.1:5300", "[::1]:5300", "192.0.2.53" as libunbound writes it: address@port. */
static int add_server(struct ub_ctx *context, struct view element, struct error *err)
{
	_cleanup_(str_free) struct str server = STR_EMPTY;
	struct view address = element, port = VIEW("53");
	uint32_t number;

	if (element.len > 1 && element.data[0] == '[') {
		size_t end = view_find_byte(element, ']');

		if (end == VIEW_NOT_FOUND)
			goto malformed;
		address = view_make(element.data + 1, end - 1);
		if (end + 1 < element.len) {
			if (element.data[end + 1] != ':')
				goto malformed;
			port = view_from(element, end + 2);
		}
	} else if (ip_family(element) == 0) {
		size_t colon = view_find_byte(element, ':');

		if (colon == VIEW_NOT_FOUND)
			goto malformed;
		address = view_first(element, colon);
		port = view_from(element, colon + 1);
	}
	if (ip_family(address) == 0 || view_parse_u32(port, 65535, &number) < 0)
		goto malformed;
	str_append(&server, address);
	str_printf(&server, "@%u", number);

	int r = ub_ctx_set_fwd(context, str_cstr(&server));

	return r != 0 ? setting_failed(err, "dns_servers", r) : 0;
malformed:
	return error_set(err, -EINVAL,
			 "dns_servers: expected address, address:port or [address]:port, not %.*s",
			 VIEW_ARG(element));
}

static int add_servers(struct ub_ctx *context, struct error *err)
{
	struct view rest = view_of(param.dns_servers), element;

	if (rest.len == 0) {
		/* A host without it asks the root servers. */
		if (access(RESOLV_CONF, R_OK) == 0)
			ub_ctx_resolvconf(context, RESOLV_CONF);
		return 0;
	}
	while (conf_next_element(&rest, &element)) {
		int r = add_server(context, element, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The file is read here: libunbound would open it at its first question, within the chroot. */
static int add_trust_anchors(struct ub_ctx *context, struct error *err)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	const char *path = param.dnssec_trust_anchor_file;
	struct view rest, line;
	int r;

	if (*path == '\0' || access(path, R_OK) < 0) {
		for (size_t i = 0; i < ARRAY_SIZE(root_anchors); i++)
			if ((r = ub_ctx_add_ta(context, root_anchors[i])) != 0)
				return setting_failed(err, "DNSSEC trust anchor", r);
		return 0;
	}
	r = io_read_file(path, TRUST_ANCHOR_MAX, &text, err);
	if (r < 0)
		return r;
	rest = str_view(&text);
	while (view_next(&rest, '\n', &line)) {
		line = view_trim(view_first(line, MIN(line.len, view_find_byte(line, ';'))));
		if (line.len == 0)
			continue;

		_cleanup_free_ char *anchor = mem_strndup(line.data, line.len);

		if ((r = ub_ctx_add_ta(context, anchor)) != 0)
			return setting_failed(err, path, r);
	}
	return 0;
}

static int remove_zones(struct ub_ctx *context, const char *const *zones, size_t count,
			struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		int r = ub_ctx_zone_remove(context, zones[i]);

		if (r != 0)
			return setting_failed(err, zones[i], r);
	}
	return 0;
}

static int unbound_set_up(struct ub_ctx *context, bool validate, struct error *err)
{
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if ((r = ub_ctx_set_option(context, options[i].name, options[i].value)) != 0)
			return setting_failed(err, options[i].name, r);
	r = ub_ctx_set_option(context,
			      "module-config:", validate ? "validator iterator" : "iterator");
	if (r != 0)
		return setting_failed(err, "module-config:", r);
	/* Without IPv6 on this host no server is asked over it. */
	if (view_is_nocase(view_of(param.inet_protocols), "ipv4") &&
	    (r = ub_ctx_set_option(context, "do-ip6:", "no")) != 0)
		return setting_failed(err, "do-ip6:", r);
	r = add_servers(context, err);
	if (r == 0 && validate)
		r = add_trust_anchors(context, err);
	if (r < 0)
		return r;
	if ((r = ub_ctx_async(context, 1)) != 0)
		return setting_failed(err, "threads", r);
	/* This also ends the setting up: what is read from files has been read then. */
	r = remove_zones(context, builtin_zones, ARRAY_SIZE(builtin_zones), err);
	if (r == 0 && *param.dns_servers != '\0')
		r = remove_zones(context, host_zones, ARRAY_SIZE(host_zones), err);
	return r;
}

struct ub_ctx *settings_context(bool validate, struct error *err)
{
	struct ub_ctx *context = ub_ctx_create();

	if (context == NULL) {
		error_set(err, -ENOMEM, "libunbound does not start");
		return NULL;
	}
	if (unbound_set_up(context, validate, err) < 0) {
		ub_ctx_delete(context);
		return NULL;
	}
	return context;
}
