/*
 * Which TLS a destination needs: the row of smtp_tls_policy_maps for it, else the parameters for
 * all. What a row says and we do not understand puts mail off, so that none goes out with less.
 */
#include "tls_policy.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "services/clients.h"
#include "settings.h"
#include "table/table.h"
#include "tls/tls.h"

/* The program's state. */
static enum tls_level usual_level;
static struct tables *maps;

static int level_parse(struct view name, enum tls_level *level)
{
	static const struct {
		const char *name;
		enum tls_level level;
	} levels[] = {
		{ "none", TLS_NONE },	    { "may", TLS_MAY },
		{ "encrypt", TLS_ENCRYPT }, { "fingerprint", TLS_FINGERPRINT },
		{ "verify", TLS_VERIFY },   { "secure", TLS_SECURE },
		{ "dane", TLS_DANE },	    { "dane-only", TLS_DANE_ONLY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (view_is_nocase(name, levels[i].name)) {
			*level = levels[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

static const char *prefix(void)
{
	return settings.lmtp ? "lmtp" : "smtp";
}

/* A grade without what is excluded, as OpenSSL has it. */
static int ciphers_build(const char *grade, const char *exclude, const char *more, struct str *list,
			 struct error *err)
{
	struct tls_options options = { .cipher_list = NULL };
	int r = tls_site_ciphers(&options, grade, exclude, more, err);

	str_clear(list);
	if (r < 0)
		return r;
	str_append_cstr(list, options.cipher_list);
	for (size_t i = 0; i < ARRAY_SIZE(options.exclude_ciphers); i++) {
		struct view rest = view_of(options.exclude_ciphers[i]), name;

		while (view_next_word(&rest, " ,:\t\r\n", &name))
			str_printf(list, ":!%.*s", VIEW_ARG(name));
	}
	return 0;
}

int tls_policy_prepare(struct error *err)
{
	struct view level = view_of(settings.tls_security_level);
	_cleanup_(str_free) struct str list = STR_EMPTY;

	/* The old words, where the new one says nothing. */
	usual_level = settings.enforce_tls
			      ? (settings.tls_enforce_peername ? TLS_VERIFY : TLS_ENCRYPT)
		      : settings.use_tls ? TLS_MAY
					 : TLS_NONE;
	if (level.len > 0 && level_parse(level, &usual_level) < 0)
		return error_set(err, -EINVAL,
				 "%s_tls_security_level: expected none, may, encrypt, fingerprint, "
				 "verify, secure, dane or dane-only, not %.*s",
				 prefix(), VIEW_ARG(level));
	if (ciphers_build(settings.tls_ciphers, settings.tls_exclude_ciphers, NULL, &list, err) <
		    0 ||
	    ciphers_build(settings.tls_mandatory_ciphers, settings.tls_exclude_ciphers,
			  settings.tls_mandatory_exclude_ciphers, &list, err) < 0)
		return -EINVAL;
	tables_close(maps);
	maps = tables_open(settings.tls_policy_maps, 0, err);
	if (maps == NULL)
		error_prefix(err, "%s_tls_policy_maps", prefix());
	return maps == NULL ? -EINVAL : 0;
}

bool tls_policy_may_need_tls(void)
{
	return usual_level != TLS_NONE || !tables_are_empty(maps);
}

enum tls_level tls_policy_usual_level(void)
{
	return usual_level;
}

void tls_policy_free(struct tls_policy *policy)
{
	str_free(&policy->protocols);
	str_free(&policy->ciphers);
	str_free(&policy->match);
	str_free(&policy->servername);
	*policy = (struct tls_policy){ 0 };
}

static int fail_policy(const struct destination *d, const char *why, struct outcome *failure)
{
	log_warning("%s_tls_policy_maps: %s: %s", prefix(), str_cstr(&d->text), why);
	outcome_set(failure, OUTCOME_DEFERRED, "4.7.5", VIEW_NONE,
		    "client TLS configuration problem");
	return -1;
}

/* ---- a row ---- */

/* "level name=value ..."; what it leaves open stays as it is. */
struct policy_row {
	struct tls_policy *policy;
	struct str grade, exclude;
};

static int row_take(struct policy_row *row, struct view name, struct view value)
{
	struct tls_policy *p = row->policy;

	if (value.len == 0)
		return -EINVAL;
	if (view_is_nocase(name, "protocols")) {
		str_set(&p->protocols, value);
	} else if (view_is_nocase(name, "ciphers")) {
		str_set(&row->grade, value);
	} else if (view_is_nocase(name, "exclude")) {
		str_set(&row->exclude, value);
	} else if (view_is_nocase(name, "servername")) {
		str_set(&p->servername, value);
	} else if (view_is_nocase(name, "match")) {
		/* Several add up. */
		str_append(&p->match, p->match.len > 0 ? VIEW("|") : VIEW_NONE);
		str_append(&p->match, value);
	} else if (!view_is_nocase(name, "connection_reuse")) {
		return -EINVAL;
	}
	return 0;
}

static int row_parse(struct policy_row *row, struct view text)
{
	struct view word;

	if (!view_next_word(&text, ", \t\r\n", &word) || level_parse(word, &row->policy->level) < 0)
		return -EINVAL;
	while (view_next_word(&text, ", \t\r\n", &word)) {
		size_t equals = view_find_byte(word, '=');

		if (equals == VIEW_NOT_FOUND ||
		    row_take(row, view_first(word, equals), view_from(word, equals + 1)) < 0)
			return -EINVAL;
	}
	return 0;
}

/*
 * The row for "[host]:port" as it is written; for a domain also those of ".parent". 1, 0, or a
 * negative errno.
 */
static int row_find(const struct destination *d, struct str *value)
{
	struct view key = str_view(&d->text);
	bool is_domain = domain_is_valid(key, false);

	for (;;) {
		struct error err = ERROR_NONE;
		int r = tables_lookup(maps, key, value, &err);
		size_t dot;

		if (r < 0)
			log_warning("%s_tls_policy_maps: %s", prefix(), err.text);
		if (r != 0 || !is_domain)
			return r;
		dot = view_find_byte(view_from(key, 1), '.');
		if (dot == VIEW_NOT_FOUND)
			return 0;
		key = view_from(key, dot + 1);
	}
}

/* ---- the whole ---- */

static const char *usual_match(enum tls_level level)
{
	switch (level) {
	case TLS_FINGERPRINT:
		return settings.tls_fingerprint_cert_match;
	case TLS_VERIFY:
		return settings.tls_verify_cert_match;
	case TLS_SECURE:
		return settings.tls_secure_cert_match;
	default:
		return "";
	}
}

/* What the row has left open, by its level. */
static int policy_complete(struct policy_row *row)
{
	struct tls_policy *p = row->policy;
	bool mandatory = p->level >= TLS_ENCRYPT;
	const char *grade = mandatory ? settings.tls_mandatory_ciphers : settings.tls_ciphers;
	const char *exclude = settings.tls_exclude_ciphers, *more = NULL;

	if (settings.tls_wrappermode && p->level < TLS_ENCRYPT)
		p->level = TLS_ENCRYPT;
	if (p->protocols.len == 0)
		str_append_cstr(&p->protocols, mandatory ? settings.tls_mandatory_protocols
							 : settings.tls_protocols);
	if (p->match.len == 0)
		str_append_cstr(&p->match, usual_match(p->level));
	if (p->servername.len == 0)
		str_append_cstr(&p->servername, settings.tls_servername);
	if (mandatory)
		more = settings.tls_mandatory_exclude_ciphers;
	if (row->exclude.len > 0) {
		exclude = str_cstr(&row->exclude);
		more = NULL;
	}
	return ciphers_build(row->grade.len > 0 ? str_cstr(&row->grade) : grade, exclude, more,
			     &p->ciphers, NULL);
}

int tls_policy_find(const struct destination *d, struct tls_policy *policy, struct outcome *failure)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct policy_row row = { .policy = policy };
	const char *problem = NULL;
	int r = row_find(d, &value);

	*policy = (struct tls_policy){ .level = usual_level };
	if (r < 0)
		problem = "the table cannot answer now";
	else if (r > 0 && row_parse(&row, str_view(&value)) < 0)
		problem = "this row is not understood";
	else if (policy_complete(&row) < 0)
		problem = "no such grade of ciphers";
	else if (policy->level == TLS_FINGERPRINT && policy->match.len == 0)
		problem = "level fingerprint needs fingerprints";
	str_free(&row.grade);
	str_free(&row.exclude);
	return problem != NULL ? fail_policy(d, problem, failure) : 0;
}
