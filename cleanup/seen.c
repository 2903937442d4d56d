/*
 * What DMARC showed of strangers' mail is told to reporter, for the owners of the domains that it bears the
 * name of. Nobody waits for it; what is not told in time is in no report.
 */
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "mail/address.h"
#include "mailauth/check.h"
#include "proofs.h"
#include "services/clients.h"
#include "task/task.h"

#define SEEN_TELLING_MAX 200 /* at one time; what is beyond is forgotten */
#define SEEN_DKIM_MAX	 10  /* results of one message */

static size_t seen_telling;
static bool seen_is_unheard; /* of the last one */

struct seen {
	struct str source, owner, record, header_from, envelope_from, results;
	struct msg_dmarc_seen message;
};

static void seen_free(struct seen *seen)
{
	str_free(&seen->source);
	str_free(&seen->owner);
	str_free(&seen->record);
	str_free(&seen->header_from);
	str_free(&seen->envelope_from);
	str_free(&seen->results);
	free(seen);
}

/*
 * What comes to the addresses of reports alone is reports and answers to them: two sites would tell each
 * other of their reports for ever.
 */
static bool seen_is_of_reports(const struct intake *in)
{
	struct view rest = view_of(param.report_mailboxes), name;

	if (in->given != 1)
		return false;
	while (conf_next_element(&rest, &name))
		if (view_eq_nocase(str_view(&in->only_recipient), name))
			return true;
	return view_is_nocase(str_view(&in->only_recipient), param.dmarc_report_from);
}

static bool seen_is_wanted(const struct intake *in, const struct mail_check *check)
{
	const struct dmarc_answer *dmarc = &check->dmarc;

	return param.dmarc_reports && check->has_client && check->author.count == 1 &&
	       (dmarc->result == PROOF_PASS || dmarc->result == PROOF_FAIL) &&
	       dmarc->owner.len > 0 &&
	       view_find_nocase(str_view(&dmarc->record), VIEW("rua")) != VIEW_NOT_FOUND &&
	       !seen_is_of_reports(in);
}

/* Without tabs and line feeds, which part the words. */
static void result_add(struct str *results, const char *method, struct view a, struct view b,
		       enum proof result)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_printf(&line, "%s\t", method);
	str_append_printable(&line, a);
	str_append_byte(&line, '\t');
	str_append_printable(&line, b);
	str_printf(&line, "\t%s\n", proof_word(result));
	if (results->len + line.len <= IPC_TEXT_MAX)
		str_append(results, str_view(&line));
}

/* Those that prove something first: there may be more than there is room for. */
static void results_gather(const struct mail_check *check, struct str *results)
{
	size_t left = SEEN_DKIM_MAX;

	result_add(results, "spf", check->sender.len > 0 ? VIEW("mfrom") : VIEW("helo"),
		   str_view(&check->spf.identity_domain), check->spf.result);
	for (int passed = 1; passed >= 0; passed--)
		for (size_t i = 0; i < dkim_check_count(check->dkim) && left > 0; i++) {
			const struct signature *s = dkim_check_at(check->dkim, i);

			if ((s->result == PROOF_PASS) != passed)
				continue;
			result_add(results, "dkim", str_view(&s->domain), str_view(&s->selector),
				   s->result);
			left--;
		}
}

static void seen_run(void *argument)
{
	struct seen *seen = argument;
	bool is_unheard = reporter_tell_seen(&seen->message) < 0;

	/* Once, not for each message. */
	if (is_unheard && !seen_is_unheard)
		log_warning("reporter does not hear what DMARC shows: it is in no report");
	seen_is_unheard = is_unheard;
	seen_free(seen);
	seen_telling--;
	daemon_work_end();
}

void seen_tell(const struct intake *in, const struct mail_check *check,
	       const struct dmarc_done *done)
{
	const struct dmarc_answer *dmarc = &check->dmarc;
	struct view local, domain;
	struct seen *seen;

	if (!seen_is_wanted(in, check) || seen_telling >= SEEN_TELLING_MAX)
		return;
	seen = mem_new(struct seen);
	address_split(str_view(&check->sender), &local, &domain);
	str_append(&seen->source, str_view(&check->ip));
	str_append_lower(&seen->owner, str_view(&dmarc->owner));
	str_append_printable(&seen->record, str_view(&dmarc->record));
	str_append_lower(&seen->header_from, str_view(&dmarc->domain));
	str_append_lower(&seen->envelope_from, domain);
	results_gather(check, &seen->results);
	seen->message = (struct msg_dmarc_seen){
		.source = str_view(&seen->source),
		.owner = str_view(&seen->owner),
		.record = str_view(&seen->record),
		.header_from = str_view(&seen->header_from),
		.envelope_from = str_view(&seen->envelope_from),
		.disposition = (uint8_t)(MAX(done->disposition, DMARC_P_NONE) - DMARC_P_NONE),
		.dkim_aligned = dmarc->dkim_aligned,
		.spf_aligned = dmarc->spf_aligned,
		.reason = view_of(done->reason),
		.comment = view_of(done->comment),
		.results = str_view(&seen->results),
	};
	seen_telling++;
	daemon_work_begin();
	task_spawn("seen", seen_run, seen);
}
