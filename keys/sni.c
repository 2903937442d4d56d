/*
 * tls_server_sni_maps: certificates and keys by the name that a client asks for. A value is what
 * postmap -F has stored, or names of chain files; either is read here, before confinement, and the
 * servers are only told the certificates.
 */
#include <errno.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "keys.h"
#include "mail/address.h"
#include "table/table.h"

#define SNI_SETS_MAX  32 /* different values of tls_server_sni_maps in master.cf */
#define SNI_NAMES_MAX 100000

/* All that one value of the setting has. */
struct sni_set {
	char *maps;
	struct tables *tables; /* open, so that this program is replaced when one changes */
	struct map *names;     /* to struct str: what is shown; empty: it cannot be used */
	bool broken;
};

static struct sni_set sets[SNI_SETS_MAX];
static size_t set_count;

static struct sni_set *sni_set_find(struct view maps)
{
	for (size_t i = 0; i < set_count; i++)
		if (view_is(maps, sets[i].maps))
			return &sets[i];
	return NULL;
}

/* ---- reading ---- */

static void sni_take_key(void *unused, struct tls_key *key)
{
	(void)unused;
	keys_hold(key, KEY_FOR_SERVERS);
}

static bool sni_value_is_stored(struct view value)
{
	return value.data[0] != '/' && value.data[0] != '.';
}

static void sni_watch(struct view value)
{
	_cleanup_free_ char *files = mem_strndup(value.data, value.len);
	struct error err = ERROR_NONE;

	if (!sni_value_is_stored(value) &&
	    table_watch_files((const char *const[]){ files }, 1, &err) < 0)
		log_warning("tls_server_sni_maps: %s", err.text);
}

/* The first table that has a name decides. */
static int sni_take_row(void *argument, struct view key, struct view value)
{
	struct sni_set *set = argument;
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct str *shown;

	str_append_lower(&name, key);
	value = view_trim(value);
	if (name.len == 0 || value.len == 0 || map_get(set->names, str_view(&name)) != NULL)
		return 0;
	if (map_count(set->names) >= SNI_NAMES_MAX)
		return -E2BIG;
	shown = mem_new(struct str);
	map_put(set->names, str_view(&name), shown);
	if (tls_keys_read_sni(value, sni_take_key, NULL, shown, &err) < 0 ||
	    shown->len > IPC_CHAIN_MAX) {
		log_warning("tls_server_sni_maps: %.*s: no TLS for who asks for it: %s",
			    VIEW_ARG(key),
			    err.text[0] != '\0' ? err.text : "too many certificates");
		str_clear(shown);
		return 0;
	}
	sni_watch(value);
	return 0;
}

static int sni_set_read(struct sni_set *set, struct error *err)
{
	struct view rest = view_of(set->maps), table;

	set->tables = tables_open(set->maps, 0, err);
	if (set->tables == NULL)
		return -EINVAL;
	while (conf_next_element(&rest, &table)) {
		_cleanup_free_ char *name = mem_strndup(table.data, table.len);
		int r = table_dump(name, sni_take_row, set, err);

		if (r == -E2BIG)
			error_set(err, r, "more than %d names", SNI_NAMES_MAX);
		if (r < 0)
			return r;
	}
	return 0;
}

int sni_load(const char *maps, struct error *err)
{
	struct error problem = ERROR_NONE;
	struct sni_set *set;

	if (view_trim(view_of(maps)).len == 0 || sni_set_find(view_of(maps)) != NULL)
		return 0;
	if (set_count == SNI_SETS_MAX)
		return error_set(err, -E2BIG, "more than %d values of tls_server_sni_maps",
				 SNI_SETS_MAX);
	set = &sets[set_count++];
	*set = (struct sni_set){ .maps = mem_strdup(maps), .names = map_new() };
	if (sni_set_read(set, &problem) < 0) {
		log_warning("tls_server_sni_maps: no TLS for who asks for a name: %s",
			    problem.text);
		set->broken = true;
	}
	return 0;
}

void sni_unload(void)
{
	for (size_t i = 0; i < set_count; i++) {
		map_for_each (sets[i].names, n) {
			struct str *shown = map_value_at(sets[i].names, n);

			str_free(shown);
			free(shown);
		}
		map_free(sets[i].names);
		tables_close(sets[i].tables);
		free(sets[i].maps);
	}
	set_count = 0;
}

/* ---- asking ---- */

/* The name itself, then ".parent" for each of its parents, as Postfix looks. */
int sni_find(struct view maps, struct view name, struct view *chain)
{
	const struct sni_set *set = sni_set_find(maps);
	_cleanup_(str_free) struct str lower = STR_EMPTY;
	const struct str *shown;
	struct view rest;
	size_t dot;

	if (set == NULL || !domain_is_valid(name, false))
		return 0;
	if (set->broken)
		return -EIO;
	str_append_lower(&lower, name);
	rest = str_view(&lower);
	while ((shown = map_get(set->names, rest)) == NULL) {
		dot = view_find_byte(view_from(rest, 1), '.');
		if (dot == VIEW_NOT_FOUND)
			return 0;
		rest = view_from(rest, dot + 1);
	}
	*chain = str_view(shown);
	return chain->len > 0 ? 1 : -EIO;
}
