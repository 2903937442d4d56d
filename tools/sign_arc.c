/* posta sign arc: what is sealed is what Authentication-Results of that id say, or what is found. */
#include "tools/sign.h"

#include <errno.h>

#include "base/mem.h"
#include "mailauth/check.h"
#include "tools/name_server.h"
#include "tools/verify.h"

struct sign_options sign_options;

/* Joins what all fields of that id say. */
static void sign_take_results(const struct field_set *fields, struct str *payload)
{
	struct view id = view_of(sign_options.authserv_id);

	for (size_t i = 0; i < fields->count; i++) {
		const struct header_field *field = &fields->items[i];
		_cleanup_(str_free) struct str found = STR_EMPTY;
		struct view text;

		if (!view_is_nocase(field->name, "Authentication-Results") ||
		    !authres_read_id(field->body, &found) || !view_eq_nocase(str_view(&found), id))
			continue;
		text = authres_payload(field->body);
		if (text.len == 0)
			continue;
		if (payload->len > 0)
			str_append_cstr(payload, ";\r\n\t");
		str_append(payload, text);
	}
}

/* Looks for itself. */
static int find_results(struct str *results, enum proof *chain)
{
	struct error err = ERROR_NONE;
	struct name_server *server = name_server_new(sign_options.dns, &err);
	struct dns_source dns;
	struct mail_question question = { .dns = &dns };
	struct mail_check *check;
	struct authres authres;

	if (server == NULL)
		return -EINVAL;
	dns = name_server_source(server);
	check = mail_check_new(&question, verify_message_header(str_view(&sign_options.message)));
	mail_check_feed(check, verify_message_body(str_view(&sign_options.message)));
	mail_check_finish(check);
	*chain = arc_check_result(check->arc);
	authres_begin(&authres, view_of(sign_options.authserv_id));
	mail_check_report(check, MAIL_CHECK_ALL, &authres);
	authres_end(&authres);
	if (results->len == 0)
		str_append(results, str_view(&authres.text));
	authres_free(&authres);
	mail_check_free(check);
	name_server_free(server);
	return 0;
}

int sign_arc(struct signing *signing, struct field_set *fields, struct str *out)
{
	_cleanup_(str_free) struct str payload = STR_EMPTY, results = STR_EMPTY;
	bool has_sets = field_set_find(fields, VIEW("ARC-Seal")) != NULL;
	enum proof chain = PROOF_NONE;
	struct canon_bodies bodies = { 0 };
	const struct canon_body *body = canon_bodies_need(&bodies, CANON_RELAXED, UINT64_MAX);
	struct view said;
	int r = 0;

	sign_take_results(fields, &payload);
	if (payload.len > 0)
		str_printf(&results, "%s; %s", sign_options.authserv_id, str_cstr(&payload));
	said = authres_find(str_view(&payload), "arc");
	if (has_sets)
		chain = view_is_nocase(said, "pass")	    ? PROOF_PASS
			: view_is_nocase(said, "temperror") ? PROOF_TEMPERROR
							    : PROOF_FAIL;
	if (payload.len == 0 || (has_sets && said.len == 0))
		r = find_results(&results, &chain);
	canon_bodies_feed(&bodies, verify_message_body(str_view(&sign_options.message)));
	canon_bodies_end(&bodies);
	if (r == 0)
		r = arc_seal(signing, fields, canon_body_digest(body), str_view(&results), chain,
			     out);
	canon_bodies_free(&bodies);
	return r;
}
