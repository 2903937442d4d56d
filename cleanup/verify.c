/*
 * Stage: SPF, DKIM, ARC and DMARC of strangers' mail; what is done about it is verdict.c's part. It is
 * the first stage: what is verified is the message as it came.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mailauth/check.h"
#include "proofs.h"

/* Of the content, in front: what would be longer is said in fewer words. */
#define RESULTS_ROOM ((size_t)16 * 1024)
#define RESULTS_LOG  800 /* bytes of the line in the log */

static struct {
	struct suffix_list *suffixes;
} verify;

struct verification {
	struct mail_check *check;
};

static int verify_open(struct error *err)
{
	unsigned char digest[CANON_DIGEST_SIZE];

	int r = verdict_open(err);

	if (r < 0 || !param.mail_verification)
		return r;
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

/*
 * Whatever says that it is ours and was not written by us (RFC 8601 section 5): whoever reads it
 * believes it. What the suite itself hands on, or a content filter brings back from our queue, has
 * what we wrote when it came.
 */
static bool is_forged(const struct intake *in, const struct header_field *field)
{
	/* Where nothing is verified results would be sealed (arc_sealing_key) as ours. */
	if ((!param.mail_verification && param.arc_sealing_key[0] == '\0') ||
	    (in->flags & MAIL_FLAG_INTERNAL) || intake_was_queued(in))
		return false;
	if (view_is_nocase(field->name, "Authentication-Results"))
		return authres_is_ours(field->body, view_of(param.authserv_id));
	return param.received_spf_header && view_is_nocase(field->name, "Received-SPF");
}

static void drop_forged(const struct intake *in, struct header_block *block)
{
	size_t dropped = 0;

	for (size_t i = 0; i < block->count; i++) {
		struct block_field *f = &block->fields[i];

		if (!is_forged(in, &f->field) && !verdict_is_forged(in, &f->field))
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
	int r = passage_read(in, block);
	bool forwarded = intake_is_brought_back(in);

	if (r < 0)
		return r;
	if (param.mail_verification && verdict_is_stranger(in)) {
		const struct mail_question question = {
			.ip = str_view(forwarded ? &in->origin.address : &in->client_address),
			.helo = str_view(forwarded ? &in->origin.helo : &in->helo),
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
	_cleanup_(str_free) struct str verdict = STR_EMPTY;
	struct verification *v = stage->state;
	struct intake *in = stage->in;
	struct dmarc_done done;
	int r;

	if (v == NULL)
		return 0;
	mail_check_finish(v->check);
	log_results(in, v->check);
	r = verdict_act(in, v->check, &verdict, &done);
	seen_tell(in, v->check, &done);
	if (r < 0)
		return r;
	r = queue_writer_fill(in->writer, str_view(&verdict));
	if (r == 0)
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
