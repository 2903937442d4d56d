/* posta verify dkim, arc, dmarc, all: a message, as cleanup looks at it. */
#include <stdio.h>

#include "base/mem.h"
#include "mailauth/check.h"
#include "tools/tool.h"
#include "tools/verify.h"

/* DMARC is about what SPF and DKIM prove: all of it is done, that part is shown. */
static int verify_mail(struct verify *v, unsigned methods)
{
	_cleanup_(str_free) struct str line = STR_EMPTY, steps = STR_EMPTY;
	struct mail_question question = {
		.ip = view_of(v->options.ip),
		.helo = view_of(v->options.helo),
		.sender = verify_sender(v),
		.receiver = view_of(v->options.authserv_id),
		.dns = &v->dns,
	};
	_cleanup_(mail_check_freep) struct mail_check *check =
		mail_check_new(&question, verify_message_header(str_view(&v->message)));
	struct authres results;

	mail_check_feed(check, verify_message_body(str_view(&v->message)));
	mail_check_finish(check);
	authres_begin(&results, view_of(v->options.authserv_id));
	mail_check_report(check, methods, &results);
	authres_end(&results);
	authres_append_line(&results, &line);
	printf("%s\n", str_cstr(&line));
	mail_check_steps(check, methods, &steps);
	verify_print_steps(str_view(&steps));
	authres_free(&results);
	return TOOL_DONE;
}

int verify_dkim(struct verify *v)
{
	return verify_mail(v, MAIL_CHECK_DKIM);
}

int verify_arc(struct verify *v)
{
	return verify_mail(v, MAIL_CHECK_ARC);
}

int verify_dmarc(struct verify *v)
{
	return verify_mail(v, MAIL_CHECK_DMARC);
}

int verify_all(struct verify *v)
{
	return verify_mail(v, MAIL_CHECK_ALL);
}
