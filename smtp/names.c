/*
 * What /etc/hosts says of hosts, for smtp_host_lookup = native and where there is no DNS of mail
 * exchangers. The file is read before the chroot; when it changes another process takes over.
 */
#include "names.h"

#include <errno.h>
#include <unistd.h>

#include "base/io.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "settings.h"
#include "table/table.h"

#define NAMES_FILE_MAX 1048576 /* bytes */

static struct map *names; /* in lower case, to struct str; NULL: nothing was read */

bool names_by_dns(void)
{
	if (*settings.dns_support_level == '\0')
		return !settings.disable_dns_lookups;
	return !view_is_nocase(view_of(settings.dns_support_level), "disabled");
}

static bool names_lookup_has(const char *word)
{
	struct view rest = view_of(settings.host_lookup), element;

	while (conf_next_element(&rest, &element))
		if (view_is_nocase(element, word))
			return true;
	return false;
}

enum names_use names_use(void)
{
	if (!names_by_dns() || !names_lookup_has("dns"))
		return NAMES_FIRST;
	return names_lookup_has("native") ? NAMES_LAST : NAMES_UNUSED;
}

static void names_add(struct view host, struct view address)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	struct str *addresses;

	str_append_lower(&key, host);
	addresses = map_get(names, str_view(&key));
	if (addresses == NULL) {
		addresses = mem_new(struct str);
		map_put(names, str_view(&key), addresses);
	}
	str_append(addresses, address);
	str_append_byte(addresses, '\n');
}

int names_prepare(const char *path, struct error *err)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, line, address, host;
	int r;

	if (names_use() == NAMES_UNUSED || access(path, F_OK) < 0)
		return 0;
	r = table_watch_files(&path, 1, err);
	if (r < 0)
		return r;
	r = io_read_file(path, NAMES_FILE_MAX, &text, err);
	if (r < 0)
		return r;
	names = map_new();
	rest = str_view(&text);
	while (view_next(&rest, '\n', &line)) {
		line = view_first(line, view_find_byte(line, '#'));
		if (!view_next_word(&line, " \t\r", &address) || ip_family(address) == 0)
			continue;
		while (view_next_word(&line, " \t\r", &host))
			names_add(host, address);
	}
	return 0;
}

struct view names_find(struct view host)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	const struct str *addresses;

	if (names == NULL)
		return VIEW_NONE;
	str_append_lower(&key, host);
	addresses = map_get(names, str_view(&key));
	return addresses != NULL ? str_view(addresses) : VIEW_NONE;
}

void names_forget(void)
{
	if (names == NULL)
		return;
	map_for_each (names, i) {
		struct str *addresses = map_value_at(names, i);

		str_free(addresses);
		free(addresses);
	}
	map_free(TAKE(names));
}
