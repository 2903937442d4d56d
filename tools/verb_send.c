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
	"  -B TYPE       the body is 7BIT or 8BITMIME\n"
	"  -C DIR        folder of main.cf\n"
	"  -bm           sends a message (the default)\n"
	"  -bp           lists the queue (mailq)\n"
	"  -bi, -I       rebuilds the aliases (newaliases); with -oA FILE those of FILE\n"
	"  -bs           takes messages by SMTP on standard input\n"
	"  -bv           sends nothing: says of each recipient where its mail would go\n"
	"  -q, -qI ID, -qR SITE  tries all, one message, or those of a domain again now\n"
	"\n"
	"Accepted without effect: -A, -c, -e p|m|q|w|e (errors are always printed), -G, -h, -L, "
	"-m,\n"
	"-O, -p, -U, -v, -x and -o with a value, but -oi and -oA. A value of -N or -R that is not\n"
	"understood is named and ignored, and the message is sent. Refused: -bd, -bl, -n, -qTIME "
	"and -X\n"
	"(also -XV: VERP).\n"
	"\n"
	"While the mail system is down, or cannot take a message of up to 4 MiB now (4yz), it is "
	"kept\n"
	"in the folder maildrop of the queue and goes on later. What is refused then is returned "
	"to its\n"
	"sender.\n"
	"\n"
	"Status 0: the message is safe in the queue, or kept; 1: it was refused; 2: wrong usage; "
	"75: try\n"
	"again later, there is no room. Called as sendmail, those of sysexits(3): 64 usage, 65 "
	"refused,\n"
	"67 (-bv) unknown user, 75 later.\n";

/* What is to be done, and, where it is not sending, to which part of the queue or which table. */
static const char *mode = "m", *only_id, *only_site, *alias_file;
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
	_cleanup_(sending_free) struct sending parsed = { 0 };

	str_clear(&s->sender);
	if (rest.len == 0 || view_is(rest, "<>"))
		return SEND_DONE;
	send_add_recipients(&parsed, rest);
	if (parsed.recipient_count != 1)
		return usage("-f needs one address, not ", text);
	str_set(&s->sender, str_view(&parsed.recipients[0]));
	return SEND_DONE;
}

/* As Postfix does: such a message is not kept from its recipients. */
static enum send_status sendmail_ignore(const char *what, const char *value)
{
	fprintf(stderr, "sendmail: ignored: %s%s\n", what, value);
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
	uint8_t notify = 0;

	while (view_next_word(&rest, ", ", &word)) {
		uint8_t bit = 0;

		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (view_is_nocase(word, names[i].name))
				bit = names[i].bit;
		if (bit == 0)
			return sendmail_ignore(
				"-N: never, or some of success, failure, delay; not ", text);
		notify |= bit;
	}
	if ((notify & NOTIFY_NEVER) && notify != NOTIFY_NEVER)
		return sendmail_ignore("-N: never stands alone: ", text);
	s->notify = notify;
	return SEND_DONE;
}

static enum send_status set_ret(struct sending *s, const char *text)
{
	if (view_is_nocase(view_of(text), "full"))
		s->ret = RET_FULL;
	else if (view_is_nocase(view_of(text), "hdrs"))
		s->ret = RET_HDRS;
	else
		return sendmail_ignore("-R: full or hdrs, not ", text);
	return SEND_DONE;
}

static enum send_status set_body(struct sending *s, const char *text)
{
	s->seven_bit = view_is_nocase(view_of(text), "7BIT");
	if (!s->seven_bit && !view_is_nocase(view_of(text), "8BITMIME"))
		return usage("-B: 7BIT or 8BITMIME, not ", text);
	return SEND_DONE;
}

/* Before it was the envelope's identifier, -V was VERP: "-V +=". */
static enum send_status set_envid(struct sending *s, const char *text)
{
	if (strlen(text) == 2 && strspn(text, "+-=") == 2)
		return usage("VERP is not supported: -V ", text);
	str_set(&s->envid, view_of(text));
	return SEND_DONE;
}

/* Where errors are told: here always on standard error. No other word, which would be lost. */
static enum send_status check_error_mode(const char *text)
{
	if (strlen(text) != 1 || strchr("epmqw", text[0]) == NULL)
		return usage("-e: one of p, m, q, w, e; not ", text);
	return SEND_DONE;
}

/* Sendmail's old way to set its options: a letter with its value. */
static enum send_status set_old_option(struct sending *s, const char *text)
{
	switch (text[0]) {
	case 'i':
		s->dots_end = false;
		return SEND_DONE;
	case 'A':
		alias_file = text + 1;
		return text[1] != '\0' ? SEND_DONE : usage("-oA needs a file", "");
	case 'e':
		return check_error_mode(text + 1);
	case '7':
	case '8':
	case 'm':
		return SEND_DONE;
	default:
		/* A value in a word of its own would be taken for a recipient. */
		if (text[0] == '\0' || text[1] == '\0')
			return usage("a letter and its value, as in -odb, not -o", text);
		return SEND_DONE;
	}
}

static enum send_status set_flush(const char *text, const char *next)
{
	flush_queue = true;
	if (text == NULL)
		return SEND_DONE;
	const char *value = text[1] != '\0' ? text + 1 : next;

	if (strchr("IR", text[0]) == NULL)
		return usage("not supported (see queue_run_delay): -q", text);
	if (value == NULL)
		return usage("a value is missing: -q", text);
	if (text[1] == '\0')
		optind++;
	if (text[0] == 'I')
		only_id = value;
	else
		only_site = value;
	return SEND_DONE;
}

static enum send_status take_option(struct sending *s, int option, const char *value,
				    const char *next)
{
	switch (option) {
	case 'B':
		return set_body(s, value);
	case 'b':
		mode = value;
		break;
	case 'C':
		tool_set_directory(value);
		break;
	case 'e':
		return check_error_mode(value);
	case 'f':
	case 'r':
		return set_sender(s, value);
	case 'F':
		str_set(&s->full_name, view_of(value));
		break;
	case 'I':
		mode = "i";
		break;
	case 'i':
		s->dots_end = false;
		break;
	case 'o':
		return set_old_option(s, value);
	case 'N':
		return set_notify(s, value);
	case 'q':
		return set_flush(value, next);
	case 'R':
		return set_ret(s, value);
	case 't':
		s->from_header = true;
		break;
	case 'V':
		return set_envid(s, value);
	case 'n':
		return usage("not supported: -n", "");
	case 'X':
		return usage("not supported: -X", value);
	case '?':
		return usage("unknown option or missing value (posta send --help)", "");
	default:
		break;
	}
	return SEND_DONE;
}

/* ---- modes ---- */

static int run_verb(int (*verb)(int, char **), const char *name, const char *option,
		    const char *argument)
{
	char *words[] = { mem_strdup(name), option ? mem_strdup(option) : NULL,
			  argument ? mem_strdup(argument) : NULL, NULL };
	int status;

	optind = 1;
	status = verb(1 + (option != NULL) + (argument != NULL), words);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		free(words[i]);
	if (status == TOOL_USAGE)
		return SEND_USAGE;
	return status;
}

static int send_flush(void)
{
	if (only_id != NULL)
		return run_verb(verb_queue, "postqueue", "-i", only_id);
	if (only_site != NULL)
		return run_verb(verb_queue, "postqueue", "-s", only_site);
	return run_verb(verb_queue, "postqueue", "-f", NULL);
}

static void run_conversation(void *unused)
{
	(void)unused;
	task_quit(send_conversation());
}

static int run_mode(bool has_recipients)
{
	if (strlen(mode) != 1 || strchr("ips", mode[0]) == NULL) {
		if (strcmp(mode, "m") != 0)
			return usage("this mode is not supported: -b", mode);
	} else if (flush_queue) {
		return usage("-q does not go with -b", mode);
	}
	/* Nothing else reads recipients, and who gives some means to send. */
	if (has_recipients)
		return usage("no recipients go with ", flush_queue ? "-q" : "-bi, -bp, -bs and -I");
	if (flush_queue)
		return send_flush();
	if (mode[0] == 'p')
		return run_verb(verb_queue, "mailq", NULL, NULL);
	if (mode[0] == 's')
		return instance_find("send") ? task_run(run_conversation, NULL) : SEND_LATER;
	if (alias_file != NULL)
		return run_verb(verb_alias, "postalias", alias_file, NULL);
	return run_verb(verb_alias, "newaliases", NULL, NULL);
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

static void run_send(void *argument)
{
	task_quit(send_message(argument));
}

static void run_verify(void *argument)
{
	task_quit(send_verify(argument));
}

static int send(struct sending *s, int argc, char **argv)
{
	for (int i = optind; i < argc; i++)
		send_add_recipients(s, view_of(argv[i]));
	if (s->recipient_count == 0 && !s->from_header)
		return usage("no recipients (give some, or -t)", "");
	if (mode[0] == 'v' && s->recipient_count == 0)
		return usage("-bv needs recipients", "");
	if (!instance_find("send"))
		return SEND_LATER;
	return task_run(mode[0] == 'v' ? run_verify : run_send, s);
}

/* What sysexits(3) calls it, in the words of the other verbs; -bp and such speak them already. */
static int as_verb(int status)
{
	if (status == SEND_USAGE)
		return TOOL_USAGE;
	if (status == SEND_BAD_DATA || status == SEND_NO_USER)
		return TOOL_NO;
	return status > SEND_USAGE ? TOOL_LATER : status;
}

static int sendmail(int argc, char **argv)
{
	_cleanup_(sending_free) struct sending s = { .dots_end = true };
	bool has_sender = false;
	int option;

	while ((option = getopt(argc, argv, "A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:q::r:tvx")) !=
	       -1) {
		enum send_status status =
			take_option(&s, option, optarg, optind < argc ? argv[optind] : NULL);

		if (status != SEND_DONE)
			return status;
		has_sender |= option == 'f' || option == 'r';
	}
	if (flush_queue || (strcmp(mode, "m") != 0 && strcmp(mode, "v") != 0))
		return run_mode(optind < argc || s.from_header);
	if (!has_sender)
		default_sender(&s);
	int status = send(&s, argc, argv);

	/* Who types it wants to know; programs that call sendmail do not. */
	if (status == SEND_DONE && s.kept && strcmp(argv[0], "send") == 0)
		fprintf(stderr,
			"posta send: the mail system does not run: the message is kept, and "
			"goes on when it is started\n");
	return status;
}

/* mailq is sendmail -bp by another name, and takes its options beside those of posta queue. */
static bool mailq_is_of_queue(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '-' && argv[i][1] != '-')
			return false;
	return true;
}

int verb_send(int argc, char **argv)
{
	int status;

	if (strcmp(argv[0], "mailq") == 0) {
		if (mailq_is_of_queue(argc, argv))
			return verb_queue(argc, argv);
		mode = "p";
	}
	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	status = sendmail(argc, argv);
	return strcmp(argv[0], "send") == 0 ? as_verb(status) : status;
}
