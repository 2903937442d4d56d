/* posta send: sendmail's options. */
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "ipc/ipc.h"
#include "mail/address.h"
#include "task/task.h"
#include "tools/instance.h"
#include "tools/tool.h"
#include "tools/verb_send.h"

static const char help[] =
	"usage: posta [-c CONFDIR] send [OPTIONS] [RECIPIENT...]\n"
	"\n"
	"Reads a message from standard input and puts it into the queue.\n"
	"  -t            recipients from To, Cc and Bcc too (Bcc is removed)\n"
	"  -f ADDRESS    sender of the envelope; <> for none\n"
	"  -F NAME       full name, where the message has no From\n"
	"  -i, -oi       a line with a dot alone does not end the message\n"
	"  -N LIST       delivery reports: never, or success, failure, delay\n"
	"  -R full|hdrs  what of the message is returned in a report; -V ID: its identifier\n"
	"  -bp           lists the queue (mailq); -bi rebuilds aliases; -q flushes the queue\n"
	"\n"
	"Status 0: the message is safe in the queue; 1: it was refused; 2: wrong usage; 75: try "
	"again\n"
	"later, the mail system does not run or has no room. Called as sendmail, those of "
	"sysexits(3):\n"
	"64 usage, 65 refused, 75 later.\n";

static const char *mode = "m";
static bool flush_queue;

/* ---- options ---- */

static enum send_status usage(const char *what, const char *value)
{
	fprintf(stderr, "sendmail: %s%s\n", what, value);
	return SEND_USAGE;
}

static enum send_status set_sender(struct sending *s, const char *text)
{
	struct view rest = view_trim(view_of(text));
	struct sending parsed = { 0 };

	str_clear(&s->sender);
	if (rest.len == 0 || view_is(rest, "<>"))
		return SEND_DONE;
	send_add_recipients(&parsed, rest);
	if (parsed.recipient_count != 1)
		return usage("-f needs one address, not ", text);
	str_set(&s->sender, str_view(&parsed.recipients[0]));
	str_free(&parsed.recipients[0]);
	free(parsed.recipients);
	return SEND_DONE;
}

static enum send_status set_notify(struct sending *s, const char *text)
{
	static const struct {
		const char *name;
		uint8_t bit;
	} names[] = { { "never", NOTIFY_NEVER },
		      { "success", NOTIFY_SUCCESS },
		      { "failure", NOTIFY_FAILURE },
		      { "delay", NOTIFY_DELAY } };
	struct view rest = view_of(text), word;

	while (view_next_word(&rest, ", ", &word)) {
		uint8_t bit = 0;

		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (view_is_nocase(word, names[i].name))
				bit = names[i].bit;
		if (bit == 0)
			return usage("-N: never, or some of success, failure, delay; not ", text);
		s->notify |= bit;
	}
	if ((s->notify & NOTIFY_NEVER) && s->notify != NOTIFY_NEVER)
		return usage("-N: never stands alone: ", text);
	return SEND_DONE;
}

static enum send_status set_ret(struct sending *s, const char *text)
{
	if (view_is_nocase(view_of(text), "full"))
		s->ret = RET_FULL;
	else if (view_is_nocase(view_of(text), "hdrs"))
		s->ret = RET_HDRS;
	else
		return usage("-R: full or hdrs, not ", text);
	return SEND_DONE;
}

static enum send_status take_option(struct sending *s, int option, const char *value)
{
	switch (option) {
	case 'b':
		mode = value;
		break;
	case 'C':
		tool_set_directory(value);
		break;
	case 'f':
	case 'r':
		return set_sender(s, value);
	case 'F':
		str_set(&s->full_name, view_of(value));
		break;
	case 'i':
		s->dots_end = false;
		break;
	case 'o':
		/* -oi is the one that matters; Sendmail's others mean nothing here. */
		if (value[0] == 'i')
			s->dots_end = false;
		break;
	case 'N':
		return set_notify(s, value);
	case 'q':
		flush_queue = true;
		break;
	case 'R':
		return set_ret(s, value);
	case 't':
		s->from_header = true;
		break;
	case 'V':
		str_set(&s->envid, view_of(value));
		break;
	case '?':
		return usage("unknown option or missing value (posta send --help)", "");
	default:
		break;
	}
	return SEND_DONE;
}

/* ---- modes ---- */

static int run_verb(int (*verb)(int, char **), const char *name, const char *argument)
{
	char *words[] = { mem_strdup(name), argument ? mem_strdup(argument) : NULL, NULL };
	int status;

	optind = 1;
	status = verb(argument ? 2 : 1, words);
	free(words[0]);
	free(words[1]);
	return status;
}

/* Without -f: who calls. */
static void default_sender(struct sending *s)
{
	const struct passwd *user = getpwuid(getuid());
	const char *name = getenv("NAME");

	if (user == NULL)
		str_printf(&s->sender, "uid%u", (unsigned)getuid());
	else
		str_append_cstr(&s->sender, user->pw_name);
	if (s->full_name.len > 0)
		return;
	if (name != NULL && name[0] != '\0')
		str_append_cstr(&s->full_name, name);
	else if (user != NULL && user->pw_gecos != NULL)
		str_append(&s->full_name, view_make(user->pw_gecos, strcspn(user->pw_gecos, ",")));
}

static void sending_free(struct sending *s)
{
	for (size_t i = 0; i < s->recipient_count; i++)
		str_free(&s->recipients[i]);
	free(s->recipients);
	str_free(&s->sender);
	str_free(&s->full_name);
	str_free(&s->envid);
}

static void run(void *argument)
{
	task_quit(submission_send_message(argument));
}

static int send(struct sending *s, int argc, char **argv)
{
	for (int i = optind; i < argc; i++)
		send_add_recipients(s, view_of(argv[i]));
	if (s->recipient_count == 0 && !s->from_header)
		return usage("no recipients (give some, or -t)", "");
	if (!instance_find("send"))
		return SEND_LATER;
	return task_run(run, s);
}

/* What sysexits(3) calls it, in the words of the other verbs; -bp and such speak them already. */
static int as_verb(int status)
{
	if (status == SEND_USAGE)
		return TOOL_USAGE;
	if (status == SEND_BAD_DATA)
		return TOOL_NO;
	return status > SEND_USAGE ? TOOL_LATER : status;
}

static int sendmail(int argc, char **argv)
{
	_cleanup_(sending_free) struct sending s = { .dots_end = true };
	bool has_sender = false;
	int option;

	while ((option = getopt(argc, argv, "A:B:C:F:GIL:N:O:R:UV:X:b:cef:h:imno:p:q::r:tvx")) !=
	       -1) {
		enum send_status status = take_option(&s, option, optarg);

		if (status != SEND_DONE)
			return status;
		has_sender |= option == 'f' || option == 'r';
	}
	if (strcmp(mode, "p") == 0)
		return run_verb(verb_queue, "mailq", NULL);
	if (strcmp(mode, "i") == 0)
		return run_verb(verb_alias, "newaliases", NULL);
	if (flush_queue)
		return run_verb(verb_queue, "postqueue", "-f");
	if (strcmp(mode, "s") == 0)
		return usage("-bs (SMTP on standard input) is not supported: connect to port 25",
			     "");
	if (strcmp(mode, "m") != 0)
		return usage("this mode is not supported: -b", mode);
	if (!has_sender)
		default_sender(&s);
	return send(&s, argc, argv);
}

int verb_send(int argc, char **argv)
{
	int status;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	status = sendmail(argc, argv);
	return strcmp(argv[0], "send") == 0 ? as_verb(status) : status;
}
