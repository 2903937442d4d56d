/*
 * sendmail -bs: SMTP on standard input and output, for programs that speak nothing else. It takes
 * what any local user may send; who may relay to where is no question here. A table of commands,
 * and no more of SMTP than such programs use (RFC 5321, 1870, 2034, 2920, 6152, 6531).
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "tools/verb_send.h"

#define COMMAND_MAX    2048
#define RECIPIENTS_MAX 50000

struct conversation {
	struct sending mail;
	bool greeted, has_sender, has_utf8, over;
	int64_t bad; /* commands that were not understood, one after the other */
};

static void conversation_say(const char *reply)
{
	printf("%s\r\n", reply);
}

static void mail_forget(struct conversation *c)
{
	sending_free(&c->mail);
	c->mail = (struct sending){ .in_conversation = true };
	c->has_sender = c->has_utf8 = false;
}

/* ---- the commands ---- */

static void do_hello(struct conversation *c, struct view argument)
{
	if (view_trim(argument).len == 0) {
		conversation_say("501 5.5.4 Syntax: EHLO hostname");
		return;
	}
	mail_forget(c);
	c->greeted = true;
	printf("250-%s\r\n", param.myhostname);
	if (param.message_size_limit > 0)
		printf("250-SIZE %lld\r\n", (long long)param.message_size_limit);
	printf("250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n");
}

static void do_helo(struct conversation *c, struct view argument)
{
	if (view_trim(argument).len == 0) {
		conversation_say("501 5.5.4 Syntax: HELO hostname");
		return;
	}
	mail_forget(c);
	c->greeted = true;
	printf("250 %s\r\n", param.myhostname);
}

/* NULL: understood; else the reply. */
static const char *send_conversation_take_parameter(struct conversation *c, struct view word)
{
	uint64_t size;

	if (view_is_nocase(word, "BODY=7BIT")) {
		c->mail.seven_bit = true;
	} else if (view_starts_nocase(word, VIEW("SIZE="))) {
		if (view_parse_u64(view_from(word, strlen("SIZE=")), INT64_MAX, &size) < 0)
			return "501 5.5.4 Bad message size syntax";
		if (param.message_size_limit > 0 && size > (uint64_t)param.message_size_limit)
			return "552 5.3.4 Message size exceeds fixed limit";
	} else if (view_is_nocase(word, "SMTPUTF8")) {
		c->has_utf8 = true;
	} else if (!view_is_nocase(word, "BODY=8BITMIME")) {
		return "555 5.5.4 Unsupported option";
	}
	return NULL;
}

/* "FROM:<a@b> PARAMETERS": the path in *address, the rest in *argument. NULL, or the reply. */
static const char *send_conversation_take_path(struct view *argument, struct view word,
					       struct str *address)
{
	const char *problem;

	*argument = view_trim(*argument);
	if (!view_starts_nocase(*argument, word))
		return "501 5.5.4 Syntax: MAIL FROM:<address> or RCPT TO:<address>";
	*argument = view_trim(view_from(*argument, word.len));
	if (address_parse_path(argument, false, true, address, &problem) < 0)
		return "501 5.1.3 Bad address syntax";
	return NULL;
}

static void do_mail(struct conversation *c, struct view argument)
{
	_cleanup_(str_free) struct str sender = STR_EMPTY;
	const char *reply =
		c->has_sender ? "503 5.5.1 Nested MAIL command"
			      : send_conversation_take_path(&argument, VIEW("FROM:"), &sender);
	struct view word;

	while (reply == NULL && view_next_word(&argument, " \t", &word))
		reply = send_conversation_take_parameter(c, word);
	if (reply == NULL && !c->has_utf8 && !view_is_ascii(str_view(&sender)))
		reply = "553 5.6.7 SMTPUTF8 is needed for this address";
	if (reply == NULL) {
		str_set(&c->mail.sender, str_view(&sender));
		c->has_sender = true;
	}
	conversation_say(reply ? reply : "250 2.1.0 Ok");
}

static void do_rcpt(struct conversation *c, struct view argument)
{
	_cleanup_(str_free) struct str address = STR_EMPTY;
	struct sending *mail = &c->mail;
	const char *reply = !c->has_sender
				    ? "503 5.5.1 Need MAIL command"
				    : send_conversation_take_path(&argument, VIEW("TO:"), &address);

	if (reply == NULL && view_trim(argument).len > 0)
		reply = "555 5.5.4 Unsupported option";
	else if (reply == NULL && address.len == 0)
		reply = "501 5.1.3 Bad recipient address syntax";
	else if (reply == NULL && !c->has_utf8 && !view_is_ascii(str_view(&address)))
		reply = "553 5.6.7 SMTPUTF8 is needed for this address";
	else if (reply == NULL && mail->recipient_count >= RECIPIENTS_MAX)
		reply = "452 4.5.3 Too many recipients";
	if (reply == NULL) {
		array_grow(mail->recipients, mail->recipient_count);
		mail->recipients[mail->recipient_count] = STR_EMPTY;
		str_append(&mail->recipients[mail->recipient_count++], str_view(&address));
	}
	conversation_say(reply ? reply : "250 2.1.5 Ok");
}

static void do_data(struct conversation *c, struct view argument)
{
	(void)argument;
	if (c->mail.recipient_count == 0) {
		conversation_say(c->has_sender ? "554 5.5.1 No valid recipients"
					       : "503 5.5.1 Need MAIL command");
		return;
	}
	conversation_say("354 End data with <CR><LF>.<CR><LF>");
	fflush(stdout);
	(void)send_message(&c->mail);
	conversation_say(str_cstr(&c->mail.reply));
	mail_forget(c);
}

static void do_reset(struct conversation *c, struct view argument)
{
	(void)argument;
	mail_forget(c);
	conversation_say("250 2.0.0 Ok");
}

static void do_nothing(struct conversation *c, struct view argument)
{
	(void)c;
	(void)argument;
	conversation_say("250 2.0.0 Ok");
}

static void do_verify(struct conversation *c, struct view argument)
{
	(void)c;
	(void)argument;
	conversation_say("252 2.5.2 Cannot VRFY; send it, and see");
}

static void do_quit(struct conversation *c, struct view argument)
{
	(void)argument;
	c->over = true;
	conversation_say("221 2.0.0 Bye");
}

static const struct {
	const char *name;
	void (*handle)(struct conversation *c, struct view argument);
} commands[] = {
	{ "EHLO", do_hello },	{ "HELO", do_helo },   { "MAIL", do_mail },
	{ "RCPT", do_rcpt },	{ "DATA", do_data },   { "RSET", do_reset },
	{ "NOOP", do_nothing }, { "VRFY", do_verify }, { "QUIT", do_quit },
};

/* ---- the conversation ---- */

static void conversation_handle(struct conversation *c, struct view line)
{
	size_t blank = view_find_byte(line, ' ');
	struct view name = view_first(line, blank);

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!view_is_nocase(name, commands[i].name))
			continue;
		c->bad = 0;
		commands[i].handle(c, view_from(line, name.len));
		return;
	}
	c->bad++;
	conversation_say("500 5.5.2 Error: command not recognized");
}

/* False: the input has ended. A line that is too long is passed over and leaves *line empty. */
static bool read_command(char line[static COMMAND_MAX], size_t *len)
{
	int byte;

	*len = 0;
	while ((byte = getc(stdin)) != EOF && byte != '\n') {
		if (*len < COMMAND_MAX)
			line[*len] = (char)byte;
		++*len;
	}
	if (*len > COMMAND_MAX)
		*len = 0;
	return byte != EOF;
}

enum send_status send_conversation(void)
{
	struct conversation c = { .mail.in_conversation = true };
	char line[COMMAND_MAX];
	size_t len;

	printf("220 %s ESMTP Posta\r\n", param.myhostname);
	fflush(stdout);
	while (!c.over && !ferror(stdout) && read_command(line, &len)) {
		conversation_handle(&c, view_trim(view_make(line, len)));
		/* After a command that pipelined ones follow there is no hurry. */
		fflush(stdout);
		if (c.bad > param.smtpd_hard_error_limit) {
			conversation_say("421 4.7.0 Error: too many errors");
			break;
		}
	}
	mail_forget(&c);
	return c.over ? SEND_DONE : SEND_IO_ERROR;
}
