/* One message proven by all methods, within one budget of questions and time. */
#include "mailauth/check.h"

#include "base/mem.h"
#include "mail/address.h"

#define IPREV_NAMES_MAX 10

/* Whoever sends mail chooses what we ask: here it ends. */
static void check_ask(void *context, struct view name, enum record_type type,
		      struct records *records)
{
	struct mail_check *check = context;

	if (check->questions_left == 0 || clock_now() >= check->deadline)
		return;
	check->questions_left--;
	check->asked->ask(check->asked->context, name, type, records);
}

struct mail_check *mail_check_new(const struct mail_question *question, struct view header)
{
	struct mail_check *check = mem_new(struct mail_check);

	str_append(&check->ip, question->ip);
	str_append(&check->helo, question->helo);
	str_append(&check->sender, question->sender);
	str_append(&check->receiver, question->receiver);
	check->asked = question->dns;
	check->suffixes = question->suffixes;
	check->has_client = question->ip.len > 0;
	check->fields = field_set_new(header);
	author_read(header, &check->author);
	check->dkim = dkim_check_new(check->fields, &check->author, &check->bodies);
	check->arc = arc_check_new(check->fields, &check->bodies);
	return check;
}

void mail_check_free(struct mail_check *check)
{
	if (check == NULL)
		return;
	dkim_check_free(check->dkim);
	arc_check_free(check->arc);
	canon_bodies_free(&check->bodies);
	field_set_free(check->fields);
	author_free(&check->author);
	spf_answer_free(&check->spf);
	spf_answer_free(&check->spf_helo);
	dmarc_answer_free(&check->dmarc);
	str_free(&check->iprev_name);
	str_free(&check->ip);
	str_free(&check->helo);
	str_free(&check->sender);
	str_free(&check->receiver);
	free(check);
}

void mail_check_freep(struct mail_check **check)
{
	mail_check_free(*check);
}

void mail_check_feed(struct mail_check *check, struct view bytes)
{
	canon_bodies_feed(&check->bodies, bytes);
}

/* ---- iprev (RFC 8601 section 3) ---- */

static bool address_is_of_name(struct mail_check *check, struct view name, bool *unsure)
{
	enum record_type type = ip_family(str_view(&check->ip)) == 6 ? RECORD_AAAA : RECORD_A;
	struct records records;
	bool found = false;

	records_ask(&check->dns, name, type, &records);
	*unsure = *unsure || records.outcome == RECORDS_FAILED;
	for (size_t i = 0; i < records.count; i++)
		found = found || view_eq_nocase(str_view(&records.values[i]), str_view(&check->ip));
	records_free(&records);
	return found;
}

static void check_iprev(struct mail_check *check)
{
	struct records records;
	bool unsure = false;

	records_ask(&check->dns, str_view(&check->ip), RECORD_PTR, &records);
	check->iprev = records.outcome == RECORDS_FAILED  ? PROOF_TEMPERROR
		       : records.outcome == RECORDS_FOUND ? PROOF_FAIL
							  : PROOF_PERMERROR;
	for (size_t i = 0; i < records.count && i < IPREV_NAMES_MAX; i++) {
		struct view name = str_view(&records.values[i]);

		if (check->iprev != PROOF_PASS && address_is_of_name(check, name, &unsure)) {
			check->iprev = PROOF_PASS;
			str_append(&check->iprev_name, name);
		}
	}
	if (check->iprev == PROOF_FAIL && unsure)
		check->iprev = PROOF_TEMPERROR;
	records_free(&records);
}

/* ---- all of it ---- */

static void check_spf(struct mail_check *check, struct view sender, struct spf_answer *answer)
{
	const struct spf_question question = {
		.ip = str_view(&check->ip),
		.helo = str_view(&check->helo),
		.sender = sender,
		.receiver = str_view(&check->receiver),
		.dns = &check->dns,
	};

	spf_check(&question, answer);
}

/*
 * First what DMARC needs, with time of its own for the author's policy: nobody escapes it by name
 * servers of his that are slow. Then what is only told: about the client's name, and about HELO.
 */
void mail_check_finish(struct mail_check *check)
{
	struct dmarc_question question = {
		.author = &check->author,
		.spf = check->has_client ? &check->spf : NULL,
		.dkim = check->dkim,
		.dns = &check->dns,
		.suffixes = check->suffixes,
	};
	int64_t now = clock_wall();

	check->dns = (struct dns_source){ check_ask, check };
	check->questions_left = MAIL_CHECK_QUESTIONS;
	check->deadline = clock_after(MAIL_CHECK_TIME - MAIL_CHECK_POLICY_TIME);
	canon_bodies_end(&check->bodies);
	if (check->has_client)
		check_spf(check, str_view(&check->sender), &check->spf);
	dkim_check_finish(check->dkim, &check->dns, now);
	check->deadline += MAIL_CHECK_POLICY_TIME;
	dmarc_check(&question, &check->dmarc);
	if (check->has_client)
		check_iprev(check);
	/* Without a sender it was HELO that was looked at. */
	check->has_helo = check->has_client && check->sender.len > 0;
	if (check->has_helo)
		check_spf(check, VIEW_NONE, &check->spf_helo);
	/* Last, for it may ask most and counts least. */
	arc_check_finish(check->arc, &check->dns, now);
}
