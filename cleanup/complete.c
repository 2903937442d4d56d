/* The fields that cleanup writes itself. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "intake.h"
#include "mail/address.h"
#include "mail/date.h"

/* ---- Date, From, Message-ID, To ---- */

static void add_message_id(struct intake *in, struct header_block *block, const char *prefix)
{
	time_t now = (time_t)(in->arrival / 1000000);
	char text[32];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y%m%d%H%M%S", &tm);
	str_printf(&block->added, "%sMessage-Id: <%s.%s@%s>\r\n", prefix, text,
		   queue_writer_id(in->writer), param.myhostname);
}

static void add_from(struct intake *in, struct header_block *block, const char *prefix)
{
	str_printf(&block->added, "%sFrom: ", prefix);
	if (in->sender.len == 0)
		str_printf(&block->added, "MAILER-DAEMON@%s (Mail Delivery System)",
			   param.myorigin);
	else
		address_quote(&block->added, str_view(&in->sender));
	str_append(&block->added, VIEW("\r\n"));
}

static bool has_resent(const struct header_block *block)
{
	for (size_t i = 0; i < block->count; i++)
		if (view_starts_nocase(block->fields[i].field.name, VIEW("Resent-")))
			return true;
	return false;
}

static void add_missing(struct intake *in, struct header_block *block)
{
	const char *prefix = has_resent(block) ? "Resent-" : "";
	char name[32];

	snprintf(name, sizeof(name), "%sDate", prefix);
	if (header_block_find(block, name) == NULL) {
		str_printf(&block->added, "%s: ", name);
		date_append_rfc5322(&block->added, in->arrival / 1000000);
		str_append(&block->added, VIEW("\r\n"));
	}
	snprintf(name, sizeof(name), "%sFrom", prefix);
	if (header_block_find(block, name) == NULL)
		add_from(in, block, prefix);
	snprintf(name, sizeof(name), "%sMessage-Id", prefix);
	if (header_block_find(block, name) == NULL)
		add_message_id(in, block, prefix);
	if (*param.undisclosed_recipients_header != '\0' &&
	    header_block_find(block, "To") == NULL && header_block_find(block, "Cc") == NULL)
		str_printf(&block->added, "%s\r\n", param.undisclosed_recipients_header);
}

/* "message-id=<...>", also the one that was just added. */
static void log_message_id(struct intake *in, const struct header_block *block)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, clean = STR_EMPTY;
	const struct block_field *f = header_block_find(block, "Message-Id");
	struct header_field added;

	if (f != NULL)
		header_unfold(&text, view_first(f->field.body, 1000));
	else if (header_find(str_view(&block->added), "Message-Id", &added))
		header_unfold(&text, added.body);
	str_append_printable(&clean, str_view(&text));
	log_info("%s: message-id=%s", queue_writer_id(in->writer),
		 clean.len > 0 ? str_cstr(&clean) : "<>");
}

static int complete_header(struct stage *stage, struct header_block *block)
{
	struct intake *in = stage->in;

	if (intake_rewrites_header(in) || param.always_add_missing_headers)
		add_missing(in, block);
	log_message_id(in, block);
	return 0;
}

const struct content_stage stage_complete = { .name = "complete", .header = complete_header };

/* ---- Received ---- */

/* What a stranger said, within a comment or a word of ours. */
static void append_neutral(struct str *out, struct view text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		bool plain = c > ' ' && c < 127 && strchr("()<>\\\"", c) == NULL;

		str_append_byte(out, plain ? c : '?');
	}
}

static void append_from(struct intake *in, struct str *out)
{
	if (in->client_address.len == 0)
		return;
	str_append(out, VIEW("from "));
	append_neutral(out, in->helo.len > 0 ? str_view(&in->helo) : str_view(&in->client_name));
	str_append(out, VIEW(" ("));
	append_neutral(out, in->client_name.len > 0 ? str_view(&in->client_name) : VIEW("unknown"));
	/* RFC 5321 4.1.3: IPv6 addresses are tagged. */
	str_append(out,
		   ip_family(str_view(&in->client_address)) == 6 ? VIEW(" [IPv6:") : VIEW(" ["));
	append_neutral(out, str_view(&in->client_address));
	str_append(out, VIEW("])\r\n\t"));
}

/* RFC 5321 4.4. */
static void append_received(struct intake *in, struct str *out)
{
	str_append(out, VIEW("Received: "));
	append_from(in, out);
	str_printf(out, "by %s (%s", param.myhostname, param.mail_name);
	if (in->local_submission)
		str_printf(out, ", from userid %u", (unsigned)in->uid);
	str_append(out, VIEW(")"));
	if (in->protocol.len > 0) {
		str_append(out, VIEW(" with "));
		append_neutral(out, str_view(&in->protocol));
	}
	str_printf(out, " id %s", queue_writer_id(in->writer));
	if (in->tls.len > 0) {
		str_append(out, VIEW("\r\n\t(using "));
		str_append_printable(out, str_view(&in->tls));
		str_append(out, VIEW(")"));
	}
	if (in->login.len > 0 && (in->flags & MAIL_FLAG_SHOW_LOGIN)) {
		str_append(out, VIEW("\r\n\t(Authenticated sender: "));
		append_neutral(out, str_view(&in->login));
		str_append(out, VIEW(")"));
	}
	/* With more than one it would tell each about the others. */
	if (in->given == 1) {
		str_append(out, VIEW("\r\n\tfor <"));
		address_quote(out, str_view(&in->only_recipient));
		str_append_byte(out, '>');
	}
	str_append(out, in->given == 1 ? VIEW("; ") : VIEW(";\r\n\t"));
	date_append_rfc5322(out, in->arrival / 1000000);
	str_append(out, VIEW("\r\n"));
}

static int received_header(struct stage *stage, struct header_block *block)
{
	append_received(stage->in, &block->front);
	return 0;
}

const struct content_stage stage_received = { .name = "received", .header = received_header };
