/* Dovecot's files of SQL and LDAP, in our drivers' words. Asks nobody. */
#include "dovecot.h"

#include <errno.h>

#include "base/mem.h"
#include "expand.h"

/* ---- variables ---- */

static const struct {
	const char *name;
	char letter; /* as expand.h has it */
} variables[] = {
	{ "user", 's' },
	{ "username", 'u' },
	{ "domain", 'd' },
	{ "u", 's' },
	{ "n", 'u' },
	{ "d", 'd' },
	{ "service", EXPAND_SERVICE },
	{ "protocol", EXPAND_SERVICE },
	{ "s", EXPAND_SERVICE },
	{ "secured", EXPAND_SECURED },
	{ "c", EXPAND_SECURED },
};

/* "%{user}", "%{user | lower}", "%Lu", "%n": takes it off *rest, which begins after the "%". */
static char variable_take(struct view *rest)
{
	struct view name;

	if (view_starts(*rest, VIEW("{"))) {
		size_t end = view_find_byte(*rest, '}');

		if (end == VIEW_NOT_FOUND)
			return '\0';
		name = view_first(view_from(*rest, 1), end - 1);
		*rest = view_from(*rest, end + 1);
		/* Keys are in small letters anyway. */
		size_t bar = view_find_byte(name, '|');

		if (bar != VIEW_NOT_FOUND && !view_is(view_trim(view_from(name, bar + 1)), "lower"))
			return '\0';
		name = view_trim(view_first(name, bar));
	} else {
		if (view_starts(*rest, VIEW("L")))
			*rest = view_from(*rest, 1);
		name = view_first(*rest, 1);
		*rest = view_from(*rest, 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		if (view_is(name, variables[i].name))
			return variables[i].letter;
	return '\0';
}

int dovecot_template(struct view theirs, struct str *ours, struct error *err)
{
	struct view rest = theirs;

	while (rest.len > 0) {
		char byte = rest.data[0], letter;

		rest = view_from(rest, 1);
		if (byte != '%') {
			str_append_byte(ours, byte);
			continue;
		}
		if (view_starts(rest, VIEW("%"))) {
			str_append_cstr(ours, "%%");
			rest = view_from(rest, 1);
			continue;
		}
		letter = variable_take(&rest);
		if (letter == '\0')
			return error_set(
				err, -EINVAL,
				"only %%u, %%n, %%d, %%s and %%c are known here, not all of: %.*s",
				VIEW_ARG(view_first(theirs, 300)));
		str_append_byte(ours, '%');
		str_append_byte(ours, letter);
	}
	return 0;
}

static int translate(struct settings *settings, const char *name, const char *value,
		     struct error *err)
{
	_cleanup_(str_free) struct str ours = STR_EMPTY;
	int r = dovecot_template(view_of(value), &ours, err);

	if (r == 0)
		settings_set(settings, name, str_view(&ours));
	return r;
}

/* ---- SQL ---- */

/* "host=a host=b dbname=mail user=x password=y". */
static int sql_take_connect(struct settings *settings, const char *connect, struct error *err)
{
	static const char *const names[][2] = {
		{ "dbname", "dbname" },
		{ "user", "user" },
		{ "password", "password" },
		{ "option_file", "option_file" },
		{ "ssl_ca", "tls_CAfile" },
		{ "ssl_ca_path", "tls_CApath" },
		{ "ssl_cert", "tls_cert_file" },
		{ "ssl_key", "tls_key_file" },
		{ "option_group", "option_group" },
		{ "sslmode", "sslmode" },
		{ "sslrootcert", "sslrootcert" },
		{ "sslcert", "sslcert" },
		{ "sslkey", "sslkey" },
		{ "sslcrl", "sslcrl" },
	};
	_cleanup_(str_free) struct str hosts = STR_EMPTY, port = STR_EMPTY;
	struct view rest = view_of(connect), word;

	while (view_next_word(&rest, " \t", &word)) {
		size_t equals = view_find_byte(word, '='), i = 0;
		struct view name = view_first(word, equals), value;

		if (equals == VIEW_NOT_FOUND)
			return error_set(err, -EINVAL, "connect: expected name=value");
		value = view_from(word, equals + 1);
		while (i < ARRAY_SIZE(names) && !view_is(name, names[i][0]))
			i++;
		if (i < ARRAY_SIZE(names))
			settings_set(settings, names[i][1], value);
		else if (view_is(name, "port"))
			str_set(&port, value);
		else if (view_is(name, "host") || view_is(name, "hostaddr"))
			str_printf(&hosts, "%s%s%.*s", hosts.len > 0 ? " " : "",
				   view_starts(value, VIEW("/")) ? "unix:" : "", VIEW_ARG(value));
		else if (!view_is(name, "connect_timeout") && !view_is(name, "maxconns"))
			return error_set(err, -EINVAL, "connect: %.*s is not known here",
					 VIEW_ARG(name));
	}
	if (hosts.len > 0)
		settings_set(settings, "hosts", str_view(&hosts));
	if (port.len > 0)
		settings_set(settings, "port", str_view(&port));
	return 0;
}

static int sql_translate(struct settings *settings, bool passwords, const char **type,
			 struct error *err)
{
	const char *connect = settings_text(settings, "connect", NULL);
	const char *query =
		settings_text(settings, passwords ? "password_query" : "user_query", NULL);

	*type = settings_text(settings, "driver", "");
	if (connect == NULL || query == NULL)
		return error_set(err, -EINVAL, "%s is not set",
				 connect == NULL ? "connect"
				 : passwords	 ? "password_query"
						 : "user_query");
	if (strcmp(*type, "sqlite") == 0) {
		settings_set(settings, "dbpath", view_of(connect));
	} else if (strcmp(*type, "mysql") == 0 || strcmp(*type, "pgsql") == 0) {
		int r = sql_take_connect(settings, connect, err);

		if (r < 0)
			return r;
	} else {
		return error_set(err, -ENOTSUP, "driver = %s: there are mysql, pgsql and sqlite",
				 *type);
	}
	return translate(settings, "query", query, err);
}

/* ---- LDAP ---- */

/* "attribute=field, =field=value": what follows the second "=" is the same for all. */
static int ldap_take_attribute(struct view word, struct dovecot_fields *fields,
			       struct str *attributes, struct error *err)
{
	size_t equals = view_find_byte(word, '=');
	struct view attribute = view_trim(view_first(word, equals)), field = attribute;
	_cleanup_(str_free) struct str template = STR_EMPTY;

	if (equals != VIEW_NOT_FOUND)
		field = view_trim(view_from(word, equals + 1));
	if (attribute.len > 0) {
		if (view_find_byte(field, '=') != VIEW_NOT_FOUND ||
		    view_find_byte(attribute, '@') != VIEW_NOT_FOUND ||
		    fields->map_count == DOVECOT_FIELDS_MAX)
			return error_set(err, -ENOTSUP, "\"%.*s\" is not to be had here",
					 VIEW_ARG(word));
		str_printf(attributes, "%s%.*s", attributes->len > 0 ? "," : "",
			   VIEW_ARG(attribute));
		fields->map[fields->map_count].attribute =
			mem_strndup(attribute.data, attribute.len);
		fields->map[fields->map_count++].field = mem_strndup(field.data, field.len);
		return 0;
	}
	equals = view_find_byte(field, '=');
	if (equals == VIEW_NOT_FOUND || fields->fixed_count == DOVECOT_FIELDS_MAX)
		return error_set(err, -EINVAL, "\"%.*s\": expected =field=value", VIEW_ARG(word));
	if (dovecot_template(view_from(field, equals + 1), &template, err) < 0)
		return -EINVAL;
	fields->fixed[fields->fixed_count].field = mem_strndup(field.data, equals);
	fields->fixed[fields->fixed_count++].template = str_take(&template);
	return 0;
}

static int ldap_take_attributes(struct settings *settings, const char *list, bool passwords,
				struct dovecot_fields *fields, struct error *err)
{
	_cleanup_(str_free) struct str attributes = STR_EMPTY;
	struct view rest = view_of(list), word;
	int r = 0;

	while (r == 0 && view_next_word(&rest, ",", &word))
		if (view_trim(word).len > 0)
			r = ldap_take_attribute(view_trim(word), fields, &attributes, err);
	/* What each entry has tells that there is one; it is no field. */
	if (attributes.len == 0 && (fields->binds || !passwords)) {
		str_append_cstr(&attributes, "objectClass");
		fields->map[fields->map_count].attribute = mem_strdup("objectClass");
		fields->map[fields->map_count++].field = mem_strdup("");
	} else if (attributes.len == 0) {
		str_append_cstr(&attributes, "1.1");
	}
	settings_set(settings, "result_attribute", str_view(&attributes));
	return r;
}

static void rename_setting(struct settings *settings, const char *theirs, const char *ours)
{
	const char *value = settings_text(settings, theirs, NULL);

	if (value != NULL)
		settings_set(settings, ours, view_of(value));
}

static void ldap_rename(struct settings *settings)
{
	const char *scope = settings_text(settings, "scope", "subtree");
	const char *demand = settings_text(settings, "tls_require_cert", "demand");

	rename_setting(settings, "hosts", "server_host");
	rename_setting(settings, "uris", "server_host");
	rename_setting(settings, "dn", "bind_dn");
	rename_setting(settings, "dnpass", "bind_pw");
	rename_setting(settings, "ldap_version", "version");
	rename_setting(settings, "tls", "start_tls");
	rename_setting(settings, "tls_cert_file", "tls_cert");
	rename_setting(settings, "tls_key_file", "tls_key");
	settings_set(settings, "scope",
		     strcmp(scope, "subtree") == 0    ? VIEW("sub")
		     : strcmp(scope, "onelevel") == 0 ? VIEW("one")
						      : view_of(scope));
	settings_set(settings, "tls_require_cert",
		     strcmp(demand, "never") == 0 || strcmp(demand, "allow") == 0 ? VIEW("no")
										  : VIEW("yes"));
	settings_set(settings, "dereference", VIEW("0"));
}

/* "uid=%n,ou=people,dc=test": with it nobody is searched. */
static int ldap_take_bind_name(struct settings *settings, struct dovecot_fields *fields,
			       struct error *err)
{
	const char *name = settings_text(settings, "auth_bind_userdn", "");
	_cleanup_(str_free) struct str ours = STR_EMPTY;

	if (name[0] == '\0')
		return 0;
	if (dovecot_template(view_of(name), &ours, err) < 0)
		return -EINVAL;
	fields->bind_template = str_take(&ours);
	return 0;
}

static int ldap_translate(struct settings *settings, bool passwords, const char **type,
			  struct dovecot_fields *fields, struct error *err)
{
	const char *filter = settings_text(settings, passwords ? "pass_filter" : "user_filter",
					   passwords ? "(&(objectClass=posixAccount)(uid=%u))"
						     : "(&(objectClass=posixAccount)(uid=%u))");
	const char *list = settings_text(settings, passwords ? "pass_attrs" : "user_attrs",
					 passwords ? "uid=user,userPassword=password"
						   : "homeDirectory=home,uidNumber=uid,"
						     "gidNumber=gid");
	int r;

	*type = "ldap";
	ldap_rename(settings);
	fields->binds = passwords && settings_flag(settings, "auth_bind", false);
	if (fields->binds && ldap_take_bind_name(settings, fields, err) < 0)
		return -EINVAL;
	r = ldap_take_attributes(settings, list, passwords, fields, err);
	if (r == 0)
		r = translate(settings, "query_filter", filter, err);
	if (r == 0)
		r = translate(settings, "search_base", settings_text(settings, "base", ""), err);
	return r;
}

/* ---- both ---- */

const char *dovecot_field_of(const struct dovecot_fields *fields, const char *attribute)
{
	for (size_t i = 0; i < fields->map_count; i++)
		if (view_is_nocase(view_of(attribute), fields->map[i].attribute))
			return fields->map[i].field;
	return fields->map_count == 0 ? attribute : NULL;
}

struct settings *dovecot_settings_open(const char *path, bool passwords, const char **type,
				       struct dovecot_fields *fields, struct error *err)
{
	struct settings *settings = settings_open_dovecot(path, err);
	int r;

	if (settings == NULL)
		return NULL;
	if (settings_text(settings, "connect", NULL) != NULL)
		r = sql_translate(settings, passwords, type, err);
	else
		r = ldap_translate(settings, passwords, type, fields, err);
	if (passwords)
		fields->scheme = settings_text(settings, "default_pass_scheme", "CRYPT");
	if (r == 0)
		return settings;
	settings_free(settings);
	return NULL;
}
