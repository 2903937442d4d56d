/* SPF (RFC 7208 sections 4 to 6): mechanisms in order, within the bounds of section 4.6.4. */
#include "mailauth/spf.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/mem.h"
#include "mail/address.h"

/* One check, from the first record to the last. */
struct spf_run {
	const struct spf_question *question;
	struct spf_answer *answer;
	struct str local, sender_domain;
	unsigned char address[16];
	int family;
	msec_t deadline;
	unsigned void_limit;
	struct str names[SPF_HOSTS_MAX]; /* validated names of the client */
	size_t name_count;
	bool names_known;
	struct view domain; /* whose record is at work: for %{p} */
};

/* What a term said. What is no match and no error lets the next one decide. */
enum spf_match { SPF_NO_MATCH, SPF_MATCH, SPF_TEMPERROR, SPF_PERMERROR };

static enum proof spf_evaluate(struct spf_run *run, struct view domain, bool is_include);

/* ---- what happened ---- */

static void spf_step(struct spf_run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void spf_step(struct spf_run *run, const char *format, ...)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&line, format, args);
	va_end(args);
	str_append_printable(&run->answer->steps, str_view(&line));
	str_append_byte(&run->answer->steps, '\n');
}

/* The reason of an error, which is the explanation too. */
static void spf_reason(struct spf_run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void spf_reason(struct spf_run *run, const char *format, ...)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&line, format, args);
	va_end(args);
	str_clear(&run->answer->explanation);
	str_append_printable(&run->answer->explanation,
			     view_first(str_view(&line), SPF_EXPLAIN_MAX));
	spf_step(run, "%s", str_cstr(&run->answer->explanation));
}

/* ---- questions, counted ---- */

/* One more term that asks the DNS. */
static bool spf_count_lookup(struct spf_run *run, struct view term)
{
	if (++run->answer->lookups <= SPF_LOOKUPS_MAX)
		return true;
	spf_reason(run, "%.*s: more than %d terms that ask the DNS", VIEW_ARG(term),
		   SPF_LOOKUPS_MAX);
	return false;
}

static void spf_ask(struct spf_run *run, struct view name, enum record_type type,
		    struct records *records)
{
	*records = (struct records){ .outcome = RECORDS_FAILED };
	if (clock_now() < run->deadline)
		records_ask(run->question->dns, name, type, records);
}

/* The question of a term itself: errors and answers without records count. */
static enum spf_match spf_ask_term(struct spf_run *run, struct view name, enum record_type type,
				   struct records *records)
{
	spf_ask(run, name, type, records);
	if (records->outcome == RECORDS_FAILED) {
		spf_reason(run, "%.*s: the DNS gives no answer now", VIEW_ARG(name));
		return SPF_TEMPERROR;
	}
	if (records->outcome == RECORDS_FOUND)
		return SPF_MATCH;
	if (++run->answer->voids <= run->void_limit)
		return SPF_NO_MATCH;
	spf_reason(run, "%.*s: more than %u questions to the DNS that came to nothing",
		   VIEW_ARG(name), run->void_limit);
	return SPF_PERMERROR;
}

static enum record_type spf_address_type(const struct spf_run *run)
{
	return run->family == 4 ? RECORD_A : RECORD_AAAA;
}

/* ---- addresses ---- */

/* Takes an IPv4 address in IPv6's clothes for what it is. */
static int spf_parse_address(struct view text, unsigned char bytes[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	_cleanup_free_ char *copy = mem_strndup(text.data, text.len);
	int family = ip_family(text);

	if (family == 0 || inet_pton(family == 4 ? AF_INET : AF_INET6, copy, bytes) != 1)
		return 0;
	if (family == 6 && memcmp(bytes, mapped, sizeof(mapped)) == 0) {
		memmove(bytes, bytes + sizeof(mapped), 4);
		return 4;
	}
	return family;
}

static bool spf_same_network(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) & (0xff << (8 - rest) & 0xff)) == 0;
}

static bool spf_has_client(const struct spf_run *run, const struct records *records,
			   const struct spf_term *term)
{
	unsigned bits = run->family == 4 ? term->prefix4 : term->prefix6;

	for (size_t i = 0; i < records->count; i++) {
		unsigned char bytes[16];
		_cleanup_free_ char *text =
			mem_strndup(records->values[i].data, records->values[i].len);

		if (inet_pton(run->family == 4 ? AF_INET : AF_INET6, text, bytes) == 1 &&
		    spf_same_network(bytes, run->address, bits))
			return true;
	}
	return false;
}

/* ---- validated names (section 5.5) ---- */

static bool spf_name_is_true(struct spf_run *run, struct view name)
{
	static const struct spf_term whole = { .prefix4 = 32, .prefix6 = 128 };
	struct records records;
	bool found;

	spf_ask(run, name, spf_address_type(run), &records);
	found = spf_has_client(run, &records, &whole);
	records_free(&records);
	return found;
}

static void spf_find_names(struct spf_run *run)
{
	char text[INET6_ADDRSTRLEN] = "";
	struct records records;

	if (run->names_known)
		return;
	run->names_known = true;
	inet_ntop(run->family == 4 ? AF_INET : AF_INET6, run->address, text, sizeof(text));
	spf_ask(run, view_of(text), RECORD_PTR, &records);
	for (size_t i = 0; i < records.count && i < SPF_HOSTS_MAX; i++) {
		struct view name = str_view(&records.values[i]);

		if (spf_name_is_true(run, name))
			str_append(&run->names[run->name_count++], name);
	}
	records_free(&records);
}

static bool spf_is_below(struct view name, struct view domain)
{
	return name.len > domain.len && name.data[name.len - domain.len - 1] == '.' &&
	       view_ends_nocase(name, domain);
}

/* For %{p} (section 7.3): the domain itself, else one below it, else any. */
static struct view spf_client_name(void *context)
{
	struct spf_run *run = context;
	struct view below = VIEW_NONE;

	spf_find_names(run);
	for (size_t i = 0; i < run->name_count; i++) {
		struct view name = str_view(&run->names[i]);

		if (view_eq_nocase(name, run->domain))
			return name;
		if (below.len == 0 && spf_is_below(name, run->domain))
			below = name;
	}
	if (below.len > 0)
		return below;
	return run->name_count > 0 ? str_view(&run->names[0]) : VIEW("unknown");
}

/* ---- names with macros ---- */

static struct spf_macros spf_macros_of(struct spf_run *run, struct view domain)
{
	run->domain = domain;
	return (struct spf_macros){
		.local = str_view(&run->local),
		.sender_domain = str_view(&run->sender_domain),
		.domain = domain,
		.helo = run->question->helo,
		.receiver = run->question->receiver,
		.address = run->address,
		.family = run->family,
		.client_name = spf_client_name,
		.context = run,
	};
}

/* The name that a term asks for. -EILSEQ: there can be none. */
static int spf_target(struct spf_run *run, struct view domain, struct view spec, struct str *name)
{
	struct spf_macros macros = spf_macros_of(run, domain);

	if (spec.len == 0) {
		str_append(name, domain);
		return 0;
	}
	return spf_macro_expand_domain(&macros, spec, name);
}

/* ---- mechanisms ---- */

static enum spf_match spf_match_addresses(struct spf_run *run, const struct spf_term *term,
					  struct view name)
{
	struct records records;
	enum spf_match match = spf_ask_term(run, name, spf_address_type(run), &records);

	if (match == SPF_MATCH && !spf_has_client(run, &records, term))
		match = SPF_NO_MATCH;
	records_free(&records);
	return match;
}

/* One host of an mx. That it has no address of the client's family is nobody's fault. */
static enum spf_match spf_match_host(struct spf_run *run, const struct spf_term *term,
				     struct view name)
{
	struct records records;
	enum spf_match match = SPF_NO_MATCH;

	spf_ask(run, name, spf_address_type(run), &records);
	if (records.outcome == RECORDS_FAILED) {
		spf_reason(run, "%.*s: the DNS gives no answer now", VIEW_ARG(name));
		match = SPF_TEMPERROR;
	} else if (spf_has_client(run, &records, term)) {
		match = SPF_MATCH;
	}
	records_free(&records);
	return match;
}

static enum spf_match spf_match_mx(struct spf_run *run, const struct spf_term *term,
				   struct view name)
{
	struct records records;
	enum spf_match match = spf_ask_term(run, name, RECORD_MX, &records);

	if (match == SPF_MATCH) {
		match = SPF_NO_MATCH;
		if (records.count > SPF_HOSTS_MAX) {
			spf_reason(run, "%.*s: more than %d MX records", VIEW_ARG(name),
				   SPF_HOSTS_MAX);
			match = SPF_PERMERROR;
		}
		for (size_t i = 0; i < records.count && match == SPF_NO_MATCH; i++)
			match = spf_match_host(run, term, str_view(&records.values[i]));
	}
	records_free(&records);
	return match;
}

static enum spf_match spf_match_ptr(struct spf_run *run, struct view target)
{
	spf_find_names(run);
	for (size_t i = 0; i < run->name_count; i++) {
		struct view name = str_view(&run->names[i]);

		if (view_eq_nocase(name, target) || spf_is_below(name, target))
			return SPF_MATCH;
	}
	return SPF_NO_MATCH;
}

/* Section 5.2 */
static enum spf_match spf_match_include(struct spf_run *run, struct view target)
{
	switch (spf_evaluate(run, target, true)) {
	case PROOF_PASS:
		return SPF_MATCH;
	case PROOF_TEMPERROR:
		return SPF_TEMPERROR;
	case PROOF_PERMERROR:
		return SPF_PERMERROR;
	case PROOF_NONE:
		spf_reason(run, "include:%.*s: there is no such SPF record", VIEW_ARG(target));
		return SPF_PERMERROR;
	default:
		return SPF_NO_MATCH;
	}
}

static enum spf_match spf_match_name(struct spf_run *run, const struct spf_term *term,
				     struct view domain)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct records records;
	enum spf_match match;

	if (!spf_count_lookup(run, term->text))
		return SPF_PERMERROR;
	if (spf_target(run, domain, term->target, &name) < 0)
		return SPF_NO_MATCH;
	switch (term->mechanism) {
	case SPF_INCLUDE:
		return spf_match_include(run, str_view(&name));
	case SPF_A:
		return spf_match_addresses(run, term, str_view(&name));
	case SPF_MX:
		return spf_match_mx(run, term, str_view(&name));
	case SPF_PTR:
		return spf_match_ptr(run, str_view(&name));
	default: /* SPF_EXISTS */
		match = spf_ask_term(run, str_view(&name), RECORD_A, &records);
		records_free(&records);
		return match;
	}
}

static enum spf_match spf_match_term(struct spf_run *run, const struct spf_term *term,
				     struct view domain)
{
	if (term->mechanism == SPF_ALL)
		return SPF_MATCH;
	if (term->mechanism == SPF_IP4 || term->mechanism == SPF_IP6) {
		bool v4 = term->mechanism == SPF_IP4;

		return v4 == (run->family == 4) &&
				       spf_same_network(term->network, run->address,
							v4 ? term->prefix4 : term->prefix6)
			       ? SPF_MATCH
			       : SPF_NO_MATCH;
	}
	return spf_match_name(run, term, domain);
}

/* ---- explanations (section 6.2) ---- */

/* What the domain wants to be said. False: nothing, or it cannot be had. */
static bool spf_own_explanation(struct spf_run *run, struct view domain, struct view spec,
				struct str *out)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct spf_macros macros;
	struct records records;
	bool good = false;

	if (spec.len == 0 || spf_target(run, domain, spec, &name) < 0)
		return false;
	spf_ask(run, str_view(&name), RECORD_TXT, &records);
	macros = spf_macros_of(run, domain);
	if (records.count == 1) {
		struct view text = str_view(&records.values[0]);

		good = text.len <= SPF_RECORD_MAX && view_is_ascii(text) &&
		       !view_has_control(text) && spf_macro_is_text(text, true) &&
		       spf_macro_expand(&macros, text, out) == 0 && out->len > 0;
	}
	records_free(&records);
	return good;
}

static void spf_explain_fail(struct spf_run *run, struct view domain, struct view spec)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct str *out = &run->answer->explanation;

	str_clear(out);
	if (spf_own_explanation(run, domain, spec, &text)) {
		run->answer->explained = true;
		str_append_printable(out, view_first(str_view(&text), SPF_EXPLAIN_MAX));
		return;
	}
	str_append_printable(out, domain);
	str_append_cstr(out, " does not let ");
	str_append_printable(out, run->question->ip);
	str_append_cstr(out, " send its mail");
}

/* ---- records ---- */

/* The one record of a domain. PROOF_NONE: there is none; PROOF_PASS: it is in *text. */
static enum proof spf_find_record(struct spf_run *run, struct view domain, struct str *text)
{
	struct records records;
	enum proof result = PROOF_NONE;

	spf_ask(run, domain, RECORD_TXT, &records);
	if (records.outcome == RECORDS_FAILED) {
		spf_reason(run, "%.*s: the DNS gives no answer now", VIEW_ARG(domain));
		result = PROOF_TEMPERROR;
	}
	for (size_t i = 0; i < records.count; i++) {
		if (!spf_record_is(str_view(&records.values[i])))
			continue;
		if (result == PROOF_PASS) {
			spf_reason(run, "%.*s: more than one SPF record", VIEW_ARG(domain));
			result = PROOF_PERMERROR;
			break;
		}
		str_append(text, str_view(&records.values[i]));
		result = PROOF_PASS;
	}
	records_free(&records);
	return result;
}

static enum proof spf_proof_of(char qualifier)
{
	return qualifier == '+'	  ? PROOF_PASS
	       : qualifier == '-' ? PROOF_FAIL
	       : qualifier == '~' ? PROOF_SOFTFAIL
				  : PROOF_NEUTRAL;
}

/* A term has matched: of the outermost record this is the result. */
static enum proof spf_decide(struct spf_run *run, const struct spf_record *record,
			     const struct spf_term *term, struct view domain, bool is_include)
{
	enum proof result = spf_proof_of(term->qualifier);

	spf_step(run, "%.*s: %.*s matches", VIEW_ARG(domain), VIEW_ARG(term->text));
	if (is_include)
		return result;
	str_set(&run->answer->mechanism, term->text);
	if (result == PROOF_FAIL) {
		spf_explain_fail(run, domain, record->exp);
		return result;
	}
	str_clear(&run->answer->explanation);
	str_append_printable(&run->answer->explanation, domain);
	str_append_cstr(&run->answer->explanation, ": ");
	str_append_printable(&run->answer->explanation, term->text);
	str_append_cstr(&run->answer->explanation, " matches");
	return result;
}

static enum proof spf_redirect(struct spf_run *run, const struct spf_record *record,
			       struct view domain, bool is_include)
{
	_cleanup_(str_free) struct str target = STR_EMPTY;
	enum proof result;

	if (!spf_count_lookup(run, VIEW("redirect")))
		return PROOF_PERMERROR;
	if (spf_target(run, domain, record->redirect, &target) < 0)
		return PROOF_NEUTRAL;
	result = spf_evaluate(run, str_view(&target), is_include);
	if (result != PROOF_NONE)
		return result;
	spf_reason(run, "redirect=%s: there is no such SPF record", str_cstr(&target));
	return PROOF_PERMERROR;
}

static enum proof spf_run_record(struct spf_run *run, const struct spf_record *record,
				 struct view domain, bool is_include)
{
	bool has_all = false;

	for (size_t i = 0; i < record->count; i++) {
		const struct spf_term *term = &record->terms[i];

		has_all = has_all || term->mechanism == SPF_ALL;
		switch (spf_match_term(run, term, domain)) {
		case SPF_MATCH:
			return spf_decide(run, record, term, domain, is_include);
		case SPF_TEMPERROR:
			return PROOF_TEMPERROR;
		case SPF_PERMERROR:
			return PROOF_PERMERROR;
		default:
			spf_step(run, "%.*s: %.*s does not match", VIEW_ARG(domain),
				 VIEW_ARG(term->text));
		}
	}
	if (record->redirect.len > 0 && !has_all)
		return spf_redirect(run, record, domain, is_include);
	if (!is_include)
		spf_reason(run, "%.*s: nothing in the record matches", VIEW_ARG(domain));
	return PROOF_NEUTRAL;
}

/* check_host() of section 4; recursion is bounded by the terms that count. */
static enum proof spf_evaluate(struct spf_run *run, struct view domain, bool is_include)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct spf_record record;
	struct view problem;
	enum proof result = spf_find_record(run, domain, &text);

	if (result != PROOF_PASS)
		return result;
	if (!is_include)
		str_set(&run->answer->domain, domain);
	spf_step(run, "%.*s: %.*s", VIEW_ARG(domain),
		 VIEW_ARG(view_first(str_view(&text), SPF_EXPLAIN_MAX)));
	if (spf_record_parse(str_view(&text), &record, &problem) < 0) {
		spf_reason(run, "%.*s: \"%.*s\" is not right in its SPF record", VIEW_ARG(domain),
			   VIEW_ARG(view_first(problem, 100)));
		result = PROOF_PERMERROR;
	} else {
		result = spf_run_record(run, &record, domain, is_include);
	}
	spf_record_free(&record);
	return result;
}

/* ---- the check ---- */

/* Sections 2.4 and 4.3: whose record counts. False: nobody's. */
static bool spf_take_sender(struct spf_run *run)
{
	const struct spf_question *q = run->question;
	struct view local = VIEW_NONE, domain = q->helo;
	struct view name;

	if (q->sender.len > 0)
		address_split(q->sender, &local, &domain);
	if (domain.len == 0) { /* a domain alone */
		domain = local;
		local = VIEW_NONE;
	}
	str_append(&run->local, local.len > 0 ? local : VIEW("postmaster"));
	if (domain_to_ascii(domain, &run->sender_domain) < 0)
		return false;
	name = str_view(&run->sender_domain);
	if (view_ends(name, VIEW(".")))
		name.len--;
	return record_name_is_possible(name) && view_find_byte(name, '.') != VIEW_NOT_FOUND &&
	       !domain_is_literal(name, NULL) && ip_family(name) == 0;
}

void spf_check(const struct spf_question *question, struct spf_answer *answer)
{
	struct spf_run run = {
		.question = question,
		.answer = answer,
		.deadline = clock_after(SPF_TIME),
		.void_limit = question->void_limit > 0 ? question->void_limit : SPF_VOIDS_DEFAULT,
	};

	*answer = (struct spf_answer){ .result = PROOF_NONE };
	run.family = spf_parse_address(question->ip, run.address);
	if (run.family == 0) {
		spf_reason(&run, "the client has no address");
	} else if (!spf_take_sender(&run)) {
		spf_reason(&run, "there is no domain that could have an SPF record");
	} else {
		str_set(&answer->domain, str_view(&run.sender_domain));
		str_set(&answer->identity_domain, str_view(&run.sender_domain));
		answer->result = spf_evaluate(&run, str_view(&run.sender_domain), false);
		if (answer->result == PROOF_NONE)
			spf_reason(&run, "%s has no SPF record", str_cstr(&run.sender_domain));
	}
	str_free(&run.local);
	str_free(&run.sender_domain);
	for (size_t i = 0; i < run.name_count; i++)
		str_free(&run.names[i]);
}

void spf_answer_free(struct spf_answer *answer)
{
	str_free(&answer->domain);
	str_free(&answer->identity_domain);
	str_free(&answer->mechanism);
	str_free(&answer->explanation);
	str_free(&answer->steps);
}
