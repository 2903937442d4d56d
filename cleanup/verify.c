/*
 * Stage: SPF, DKIM, ARC and DMARC of strangers' mail, and what is done about it. It is the first
 * stage: what is verified is the message as it came.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mailauth/check.h"
#include "proofs.h"
#include "table/table.h"

/* Of the content, in front: what would be longer is said in fewer words. */
#define RESULTS_ROOM ((size_t)16 * 1024)
#define RESULTS_LOG  800 /* bytes of the line in the log */

static struct {
	struct matchlist *trusted, *sealers;
	struct suffix_list *suffixes;
} verify;

struct verification {
	struct mail_check *check;
};

static int verify_open(struct error *err)
{
	unsigned char digest[CANON_DIGEST_SIZE];

	if (!param.mail_verification)
		return 0;
	verify.trusted = matchlist_open(param.mail_verification_exempt_networks, MATCH_ADDRESSES,
					false, err);
	verify.sealers = matchlist_open(param.arc_trusted_sealers, MATCH_DOMAINS, false, err);
	if (verify.trusted == NULL || verify.sealers == NULL)
		return -EINVAL;
	if (strcmp(param.dmarc_discovery, "suffix_list") == 0) {
		verify.suffixes = suffix_list_new();
		if (verify.suffixes == NULL)
			return error_set(err, -ENOENT,
					 "dmarc_discovery: there is no list of public suffixes");
	}
	/* OpenSSL reads what it wants to read. */
	canon_digest(VIEW_NONE, digest);
	return 0;
}

/* ---- the header ---- */

/* Whether it comes from somebody who has to prove something. */
static bool verify_is_asked(const struct intake *in)
{
	struct view address = str_view(&in->client_address);

	if (!param.mail_verification || intake_is_ours(in) || (in->flags & MAIL_FLAG_INTERNAL) ||
	    address.len == 0)
		return false;
	/* Where a table does not answer, nobody is exempt. */
	return matchlist_match(verify.trusted, address, NULL) <= 0;
}

/*
 * Whatever says that it is ours and was not written by us (RFC 8601 section 5): whoever reads it
 * believes it. A message that the suite itself hands on has what we wrote when it came.
 */
static void drop_forged(const struct intake *in, struct header_block *block)
{
	size_t dropped = 0;

	/* Where nothing is verified they would be sealed (arc_sealing_key) as ours. */
	if ((!param.mail_verification && param.arc_sealing_key[0] == '\0') ||
	    (in->flags & MAIL_FLAG_INTERNAL))
		return;
	for (size_t i = 0; i < block->count; i++) {
		struct block_field *f = &block->fields[i];
		bool forged = view_is_nocase(f->field.name, "Authentication-Results")
				      ? authres_is_ours(f->field.body, view_of(param.authserv_id))
				      : param.received_spf_header &&
						view_is_nocase(f->field.name, "Received-SPF");

		if (!forged)
			continue;
		f->dropped = true;
		dropped++;
	}
	if (dropped > 0)
		log_info("%s: removed %zu fields that claim to be results of ours",
			 queue_writer_id(in->writer), dropped);
}

static int verify_header(struct stage *stage, struct header_block *block)
{
	struct intake *in = stage->in;
	_cleanup_(str_free) struct str header = STR_EMPTY;
	struct verification *v;
	int r;

	if (verify_is_asked(in)) {
		const struct mail_question question = {
			.ip = str_view(&in->client_address),
			.helo = str_view(&in->helo),
			.sender = str_view(&in->sender),
			.receiver = view_of(param.myhostname),
			.dns = &records_of_resolver,
			.suffixes = verify.suffixes,
		};

		r = queue_writer_reserve(in->writer, RESULTS_ROOM);
		if (r < 0)
			return intake_fail_temporarily(in, "write the queue file", r);
		for (size_t i = 0; i < block->count; i++)
			str_append(&header, block->fields[i].field.whole);
		stage->state = v = mem_new(struct verification);
		v->check = mail_check_new(&question, str_view(&header));
	}
	drop_forged(in, block);
	return 0;
}

static int verify_body(struct stage *stage, struct view bytes)
{
	struct verification *v = stage->state;

	if (v != NULL)
		mail_check_feed(v->check, bytes);
	return stage_pass(stage, bytes);
}

/* ---- what comes of it ---- */

/* A chain of ARC whose last sealer is trusted, and who says that DMARC passed then. */
static bool is_vouched_for(const struct mail_check *check)
{
	uint32_t count = arc_check_count(check->arc);
	struct view domain;

	/* Of two From fields only the one that was sealed is what the sealer has seen. */
	if (arc_check_result(check->arc) != PROOF_PASS || check->author.state != AUTHOR_CLEAR)
		return false;
	domain = str_view(&arc_check_seal(check->arc, count)->domain);
	return matchlist_match(verify.sealers, domain, NULL) > 0 &&
	       view_is(authres_find(authres_payload(arc_check_results(check->arc, count)), "dmarc"),
		       "pass");
}

static int refuse_by_dmarc(struct intake *in, const struct mail_check *check)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (check->author.overflows)
		str_printf(&text, "Error: %s", check->author.problem);
	else
		str_printf(&text,
			   "Error: %s does not let this mail be its own (DMARC p=reject: "
			   "_dmarc.%s): %s",
			   str_cstr(&check->dmarc.domain), str_cstr(&check->dmarc.owner),
			   str_cstr(&check->dmarc.reason));
	return intake_fail(in, 550, "5.7.1", str_cstr(&text));
}

/* RFC 7208 section 8.4, RFC 7372. */
static int refuse_by_spf(struct intake *in, const struct mail_check *check)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text, "Error: SPF: %s", str_cstr(&check->spf.explanation));
	return intake_fail(in, 550, "5.7.23", str_cstr(&text));
}

/* Every program that shows it shows somebody else as its author, or nobody. */
static int refuse_nobody(struct intake *in, const struct mail_check *check)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text, "Error: %s (RFC 5322 section 3.6)", check->author.problem);
	return intake_fail(in, 550, "5.7.1", str_cstr(&text));
}

static int verify_act(struct intake *in, const struct mail_check *check)
{
	enum dmarc_policy wanted = check->dmarc.disposition;

	if (check->author.is_nobody && strcmp(param.no_author_action, "reject") == 0)
		return refuse_nobody(in, check);
	if (check->spf.result == PROOF_FAIL && strcmp(param.spf_fail_action, "reject") == 0)
		return refuse_by_spf(in, check);
	if (check->dmarc.result != PROOF_FAIL || wanted <= DMARC_P_NONE)
		return 0;
	if (is_vouched_for(check)) {
		log_info("%s: a trusted sealer vouches for it (arc_trusted_sealers)",
			 queue_writer_id(in->writer));
		return 0;
	}
	if (wanted == DMARC_P_REJECT && strcmp(param.dmarc_reject_action, "reject") == 0)
		return refuse_by_dmarc(in, check);
	if (strcmp(wanted == DMARC_P_REJECT ? param.dmarc_reject_action
					    : param.dmarc_quarantine_action,
		   "hold") == 0) {
		log_info("%s: held: DMARC policy %s, and nothing proves its author",
			 queue_writer_id(in->writer), dmarc_policy_word(wanted));
		queue_writer_hold(in->writer);
	}
	return 0;
}

/* Room for the field, or for a shorter one. */
static int write_results(struct intake *in, const struct mail_check *check, unsigned methods)
{
	_cleanup_(str_free) struct str field = STR_EMPTY;
	struct authres results;
	int r;

	authres_begin(&results, view_of(param.authserv_id));
	mail_check_report(check, methods, &results);
	authres_end(&results);
	str_append_cstr(&field, "Authentication-Results: ");
	str_append(&field, str_view(&results.text));
	str_append(&field, VIEW("\r\n"));
	authres_free(&results);
	if (param.received_spf_header)
		mail_check_received_spf(check, &field);
	r = queue_writer_fill(in->writer, str_view(&field));
	in->has_8bit = in->has_8bit || !view_is_ascii(str_view(&field));
	return r;
}

static void log_results(const struct intake *in, const struct mail_check *check)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	struct authres results;

	authres_begin(&results, VIEW("verified"));
	mail_check_report(check, MAIL_CHECK_ALL, &results);
	authres_append_line(&results, &line);
	log_info("%s: %.*s", queue_writer_id(in->writer),
		 VIEW_ARG(view_first(str_view(&line), RESULTS_LOG)));
	authres_free(&results);
}

static int verify_end(struct stage *stage)
{
	struct verification *v = stage->state;
	struct intake *in = stage->in;
	int r;

	if (v == NULL)
		return 0;
	mail_check_finish(v->check);
	log_results(in, v->check);
	r = verify_act(in, v->check);
	if (r < 0)
		return r;
	r = write_results(in, v->check, MAIL_CHECK_ALL);
	if (r == -ENOSPC)
		r = write_results(in, v->check, MAIL_CHECK_SPF | MAIL_CHECK_DMARC);
	return r < 0 ? intake_fail_temporarily(in, "write the queue file", r) : 0;
}

static void verify_release(void *state)
{
	struct verification *v = state;

	mail_check_free(v->check);
	free(v);
}

const struct content_stage stage_verify = {
	.name = "verify",
	.open = verify_open,
	.header = verify_header,
	.body = verify_body,
	.end = verify_end,
	.release = verify_release,
};
