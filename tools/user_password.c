/* posta user: asks for a password, and makes the hash of it. Knows nothing of users. */
#include "tools/user_password.h"

#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "tools/tool.h"
#include "user/user.h"

bool password_option_take(int option, const char *value, struct password_request *q)
{
	if (option == OPTION_PASSWORD)
		q->clear = value;
	else if (option == OPTION_HASH)
		q->hash = value;
	else if (option == OPTION_SCHEME)
		q->scheme = value;
	else
		return false;
	return true;
}

static bool password_read_line(struct str *line)
{
	int c;

	str_clear(line);
	while ((c = getchar()) != EOF && c != '\n') {
		if (line->len > PASSWORD_MAX)
			return false;
		str_append_byte(line, (char)c);
	}
	if (line->len > 0 && line->data[line->len - 1] == '\r')
		str_truncate(line, line->len - 1);
	return line->len > 0;
}

static bool password_ask(const char *prompt, struct str *line)
{
	struct termios before, silent;
	bool ok;

	fputs(prompt, stderr);
	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return false;
	silent = before;
	silent.c_lflag &= (tcflag_t)~ECHO;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) < 0)
		return false;
	ok = password_read_line(line);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	fputc('\n', stderr);
	return ok;
}

static int ask_password(struct str *password)
{
	_cleanup_(str_wipe) struct str again = STR_EMPTY;

	if (!isatty(STDIN_FILENO))
		return password_read_line(password)
			       ? TOOL_DONE
			       : tool_fail("user", "no password on standard input");
	if (!password_ask("New password: ", password))
		return tool_fail("user", "no password given");
	if (!password_ask("Once more: ", &again) || !view_eq(str_view(password), str_view(&again)))
		return tool_fail("user", "the two are not the same");
	return TOOL_DONE;
}

int user_make_hash(const struct password_request *q, struct str *hash)
{
	_cleanup_(str_wipe) struct str password = STR_EMPTY;
	struct error err = ERROR_NONE;
	int status = TOOL_DONE;

	if (q->hash != NULL) {
		str_set(hash, view_of(q->hash));
		if (password_check_scheme(q->hash, &err) < 0)
			return tool_fail("user", "%s", err.text);
		return TOOL_DONE;
	}
	if (q->clear != NULL)
		str_set(&password, view_of(q->clear));
	else
		status = ask_password(&password);
	if (status != TOOL_DONE)
		return status;
	if (password_hash(str_view(&password), q->scheme, hash, &err) < 0)
		return tool_fail("user", "%s", err.text);
	return TOOL_DONE;
}
