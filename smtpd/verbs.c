/* The commands: in which states each is allowed, and who handles it. */
#include "server.h"
#include "session.h"

#define NEED_HELO "503 5.5.1 Error: send HELO/EHLO first"
#define NEED_MAIL "503 5.5.1 Error: need MAIL command"
#define NEED_RCPT "503 5.5.1 Error: need RCPT command"
#define NESTED	  "503 5.5.1 Error: nested MAIL command"
#define IN_MAIL	  "503 5.5.1 Error: MAIL transaction in progress"

/* In the order in which the log counts them. */
const struct verb verbs[] = {
	{ "HELO", STATE_ANY, VERB_JUNK | VERB_LAST | VERB_BEFORE_TLS | VERB_SMTP, verb_helo, NULL },
	{ "EHLO", STATE_ANY, VERB_JUNK | VERB_LAST | VERB_BEFORE_TLS | VERB_SMTP, verb_ehlo, NULL },
	{ "LHLO", STATE_ANY, VERB_JUNK | VERB_LAST | VERB_BEFORE_TLS | VERB_LMTP, verb_ehlo, NULL },
	{ "STARTTLS", STATE_ANY, VERB_BEFORE_TLS | VERB_PIPELINED | VERB_FILTERED, verb_starttls,
	  NULL },
	{ "AUTH", STATE_NEW | STATE_READY, VERB_LAST | VERB_LONG | VERB_FILTERED, verb_auth,
	  IN_MAIL },
	{ "MAIL", STATE_NEW | STATE_READY, VERB_FILTERED, verb_mail, NESTED },
	{ "RCPT", STATE_MAIL | STATE_RCPT, 0, verb_rcpt, NEED_MAIL },
	{ "DATA", STATE_MAIL | STATE_RCPT, VERB_LAST, verb_data, NEED_RCPT },
	{ "BDAT", STATE_ANY, VERB_CONTENT, verb_bdat, NULL },
	{ "RSET", STATE_ANY, VERB_JUNK, verb_rset, NULL },
	{ "NOOP", STATE_ANY, VERB_JUNK | VERB_BEFORE_TLS, verb_noop, NULL },
	{ "VRFY", STATE_ANY, VERB_JUNK | VERB_LAST | VERB_FILTERED, verb_vrfy, NULL },
	{ "HELP", STATE_ANY, VERB_JUNK | VERB_BEFORE_TLS, verb_help, NULL },
	{ "QUIT", STATE_ANY, VERB_BEFORE_TLS | VERB_DENIED, verb_quit, NULL },
	{ "EXPN", STATE_ANY, VERB_JUNK, verb_not_implemented, NULL },
	{ "ETRN", STATE_ANY, VERB_JUNK | VERB_LAST | VERB_FILTERED, verb_etrn, NULL },
	{ "XFORWARD", STATE_ANY, 0, verb_xforward, NULL },
	{ "XCLIENT", STATE_ANY, VERB_LAST | VERB_BEFORE_TLS, verb_xclient, NULL },
	{ "TURN", STATE_ANY, VERB_JUNK, verb_not_implemented, NULL },
	{ NULL, 0, 0, NULL, NULL },
};
_Static_assert(sizeof(verbs) / sizeof(verbs[0]) <= VERB_UNKNOWN, "a counter for each verb");

size_t verb_index(const struct verb *verb)
{
	return (size_t)(verb - verbs);
}

/* Bit n: row n is in smtpd_forbidden_commands, so that it is as unknown as any other there. */
static unsigned forbidden;

int verbs_open(struct error *err)
{
	forbidden = 0;
	for (const struct verb *v = verbs; v->name != NULL; v++) {
		int r = matchlist_match(server.forbidden_commands, view_of(v->name), NULL);

		if (r < 0)
			return error_set(err, r, "smtpd_forbidden_commands: a table cannot answer");
		if (r > 0)
			forbidden |= 1U << verb_index(v);
	}
	return 0;
}

const struct verb *verb_find(struct view name)
{
	for (const struct verb *v = verbs; v->name != NULL; v++) {
		if (view_is_nocase(name, v->name) &&
		    !(v->flags & (server.is_lmtp ? VERB_SMTP : VERB_LMTP)))
			return forbidden & 1U << verb_index(v) ? NULL : v;
	}
	return NULL;
}
