/* Certificates by the name that a client asks for, of tls_server_sni_maps: can each be used? */
#include "base/mem.h"
#include "conf/conf.h"
#include "table/table.h"
#include "tls/keys.h"
#include "tools/check.h"
#include "tools/tool.h"

static void sni_key_drop(void *unused, struct tls_key *key)
{
	(void)unused;
	tls_key_free(key);
}

static int sni_check_row(void *argument, struct view key, struct view value)
{
	_cleanup_(str_free) struct str shown = STR_EMPTY;
	struct error err = ERROR_NONE;

	if (tls_keys_read_sni(view_trim(value), sni_key_drop, NULL, &shown, &err) < 0)
		check_warning(
			"service %s: tls_server_sni_maps: %.*s: %s: no TLS for who asks for it",
			(const char *)argument, VIEW_ARG(key), err.text);
	return 0;
}

void check_sni(const char *service)
{
	struct view rest = view_of(param.tls_server_sni_maps), table;

	while (conf_next_element(&rest, &table)) {
		_cleanup_free_ char *name = mem_strndup(table.data, table.len);
		struct error err = ERROR_NONE;

		if (table_dump(name, sni_check_row, (void *)(uintptr_t)service, &err) < 0)
			check_error("service %s: tls_server_sni_maps: %s", service, err.text);
	}
}
