/* Answers of a ManageSieve session, and the response codes of RFC 5804 (1.3) for what went wrong. */
#include <errno.h>

#include "base/log.h"
#include "session.h"

int managesieve_ok(struct managesieve *m, const char *code, struct view text)
{
	int r = managesieve_answer(m->parser.io, "OK", code, text);

	return r < 0 ? r : MANAGESIEVE_GO_ON;
}

int managesieve_no(struct managesieve *m, const char *code, struct view text)
{
	int r = managesieve_answer(m->parser.io, "NO", code, text);

	return r < 0 ? r : MANAGESIEVE_GO_ON;
}

int managesieve_syntax(struct managesieve *m, int r)
{
	if (r == -EFBIG)
		return managesieve_no(m, NULL, view_of(m->parser.problem));
	if (r == -EMSGSIZE) {
		(void)managesieve_answer(m->parser.io, "BYE", NULL, view_of(m->parser.problem));
		return MANAGESIEVE_LEAVE;
	}
	if (r != -EBADMSG)
		return r;
	r = managesieve_no(m, NULL, view_of(m->parser.problem));
	return r < 0 ? r : MANAGESIEVE_BAD;
}

int managesieve_failed(struct managesieve *m, const char *what, int r, const struct error *err)
{
	switch (r) {
	case -ENOENT:
		return managesieve_no(m, "NONEXISTENT", VIEW("There is no script of that name."));
	case -EEXIST:
		return managesieve_no(m, "ALREADYEXISTS", VIEW("There is a script of that name."));
	case -EPERM:
		return managesieve_no(m, "ACTIVE", VIEW("The active script stays."));
	case -EINVAL:
		return managesieve_no(m, NULL, VIEW("That cannot be a script's name."));
	case -EFBIG:
		return managesieve_no(m, "QUOTA/MAXSIZE", VIEW("The script is too large."));
	case -EDQUOT:
	case -ENOSPC:
		return managesieve_no(m, "QUOTA", VIEW("There is no room for it."));
	default:
		log_error("user=<%s>: %s: %s", m->client->user->name, what, err->text);
		return managesieve_no(m, "TRYLATER", VIEW("That cannot be done now."));
	}
}
