/*
 * posta deliver: delivers a message of another MTA to a mailbox here, with dovecot-lda's options. It has no rights of
 * its own: it hands the message to the suite's LMTP service and waits for what becomes of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "mail/address.h"
#include "task/stream.h"
#include "task/task.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta deliver [-d USER] [-f SENDER] [-a ADDRESS] [-m FOLDER] [-p FILE] [-e] [-k]\n"
	"\n"
	"For other MTAs: delivers a message (standard input) to a mailbox here, as posta-deliver "
	"too,\n"
	"with dovecot-lda's options. Sieve scripts run, quotas count. Through the service lmtpd "
	"of\n"
	"master.cf (smtpd_protocol=lmtp on a unix socket), which must be switched on; who runs it\n"
	"needs no rights.\n"
	"\n"
	"  -d USER     whose mailbox: an address, or a name of myorigin; else the user who runs "
	"it\n"
	"  -f SENDER   of the envelope; \"\" or <>: none. Else that of a line \"From \" at the "
	"begin,\n"
	"              which is no part of the message\n"
	"  -a ADDRESS  the recipient as it was: USER with an extension counts as such for scripts "
	"and\n"
	"              folders; another one is only noted (ORCPT)\n"
	"  -m FOLDER   where it is kept, unless a script says otherwise: recipient_delimiter and\n"
	"              lmtp_save_to_detail_mailbox must be set\n"
	"  -p FILE     the message, instead of standard input\n"
	"  -e          accepted: what is refused is always said and told by the status. The "
	"calling\n"
	"              MTA reports to the sender, not this program\n"
	"  -k          accepted: nothing of the environment is used\n"
	"\n"
	"Status, of sysexits(3): 0 delivered; 64 usage (2, if called as posta deliver); 66 no\n"
	"FILE; 67 no such user; 75 try again later; 77 refused (a full mailbox too, or a\n"
	"script's reject); 78 the service, or what -m needs, is not switched on.\n";

#define SERVICE_PATH "public/lmtpd"
#define LINE_MAX     ((size_t)2048)
#define BLOCK	     ((size_t)65536)
#define WAIT_TIME    ((msec_t)30000)
#define ANSWER_TIME  ((msec_t)700000) /* as Postfix's LMTP client waits, and then some */

struct delivery {
	const char *user, *original, *folder, *path;
	struct str sender, recipient;
	bool sender_given;
	int input;
	struct stream *io;
	bool has_dsn, has_8bit, has_utf8;
	struct str reply; /* the last line */
	unsigned code;
	struct str pending; /* content that was read already */
	int status;
};

static int deliver_fail(struct delivery *d, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int deliver_fail(struct delivery *d, int status, const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	fprintf(stderr, "posta deliver: %s\n", str_cstr(&text));
	d->status = status;
	return -1;
}

/* ---- LMTP ---- */

static void deliver_note_extension(struct delivery *d, struct view line)
{
	line = view_from(line, 4);
	d->has_dsn |= view_is_nocase(line, "DSN");
	d->has_8bit |= view_is_nocase(line, "8BITMIME");
	d->has_utf8 |= view_is_nocase(line, "SMTPUTF8");
}

/* All lines of a reply. 0, or -1: the service is not there any more. */
static int deliver_reply(struct delivery *d)
{
	struct view line;
	uint32_t code;

	do {
		int r = stream_read_line(d->io, &line, LINE_MAX);

		if (r < 0 || line.len < 3 || view_parse_u32(view_first(line, 3), 599, &code) < 0)
			return deliver_fail(d, EX_TEMPFAIL, "the service lmtpd went away: %s",
					    r < 0 ? strerror(-r) : "no reply");
		deliver_note_extension(d, line);
		d->code = code;
		str_clear(&d->reply);
		str_append_printable(&d->reply, line);
	} while (line.len > 3 && line.data[3] == '-');
	return 0;
}

static int deliver_say(struct delivery *d, struct view text)
{
	int r = stream_write(d->io, text);

	if (r == 0)
		r = stream_flush(d->io);
	return r < 0 ? deliver_fail(d, EX_TEMPFAIL, "the service lmtpd went away: %s", strerror(-r))
		     : 0;
}

/* By code and enhanced status. */
static int deliver_refused(struct delivery *d)
{
	bool no_user = view_find(str_view(&d->reply), VIEW(" 5.1.1 ")) != VIEW_NOT_FOUND;

	return deliver_fail(d,
			    d->code / 100 == 4 ? EX_TEMPFAIL
			    : no_user	       ? EX_NOUSER
					       : EX_NOPERM,
			    "%s: %s", str_cstr(&d->recipient), str_cstr(&d->reply));
}

static int deliver_command(struct delivery *d, struct str *line, unsigned wanted)
{
	str_append_cstr(line, "\r\n");
	if (deliver_say(d, str_view(line)) < 0 || deliver_reply(d) < 0)
		return -1;
	return d->code / 100 == wanted ? 0 : deliver_refused(d);
}

static int deliver_envelope(struct delivery *d)
{
	_cleanup_(str_free) struct str lhlo = STR_EMPTY, mail = STR_EMPTY, rcpt = STR_EMPTY,
				       data = STR_EMPTY;
	bool is_ascii =
		view_is_ascii(str_view(&d->sender)) && view_is_ascii(str_view(&d->recipient));

	str_printf(&lhlo, "LHLO %s", param.myhostname);
	if (deliver_reply(d) < 0)
		return -1;
	if (d->code / 100 != 2)
		return deliver_refused(d);
	if (deliver_command(d, &lhlo, 2) < 0)
		return -1;
	str_printf(&mail, "MAIL FROM:<%s>%s%s", str_cstr(&d->sender),
		   d->has_8bit ? " BODY=8BITMIME" : "",
		   !is_ascii && d->has_utf8 ? " SMTPUTF8" : "");
	str_printf(&rcpt, "RCPT TO:<%s>", str_cstr(&d->recipient));
	if (d->original != NULL && d->has_dsn) {
		str_append_cstr(&rcpt, " ORCPT=rfc822;");
		xtext_encode(&rcpt, view_of(d->original));
	}
	str_append_cstr(&data, "DATA");
	if (deliver_command(d, &mail, 2) < 0 || deliver_command(d, &rcpt, 2) < 0)
		return -1;
	return deliver_command(d, &data, 3);
}

/* With CR LF at the end of each line, and a dot doubled at its begin. `last`: the byte before. */
static void deliver_stuff(struct str *out, struct view bytes, char *last)
{
	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.data[i];

		if (c == '\n' && *last != '\r')
			str_append_byte(out, '\r');
		if (c == '.' && *last == '\n')
			str_append_byte(out, '.');
		str_append_byte(out, c);
		*last = c;
	}
}

static int deliver_content(struct delivery *d)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;
	_cleanup_free_ char *block = mem_new_bytes(BLOCK);
	char last = '\n';
	ssize_t n = 1;

	deliver_stuff(&out, str_view(&d->pending), &last);
	while (n > 0) {
		if (stream_write(d->io, str_view(&out)) < 0)
			return deliver_fail(d, EX_TEMPFAIL, "the service lmtpd went away");
		str_clear(&out);
		n = read(d->input, block, BLOCK);
		if (n < 0)
			return deliver_fail(d, EX_TEMPFAIL, "read the message: %s",
					    strerror(errno));
		deliver_stuff(&out, view_make(block, (size_t)n), &last);
	}
	str_append_cstr(&out, last == '\n' ? ".\r\n" : "\r\n.\r\n");
	return deliver_say(d, str_view(&out));
}

static int deliver_connect(struct delivery *d)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/" SERVICE_PATH,
			     param.queue_directory);

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return deliver_fail(d, EX_CONFIG, "queue_directory: the path is too long");
	fd = stream_connect((const struct sockaddr *)&address, sizeof(address), NULL, 0,
			    clock_after(WAIT_TIME));
	if (fd == -ENOENT)
		return deliver_fail(
			d, EX_CONFIG,
			"there is no service lmtpd: see master.cf, smtpd_protocol=lmtp");
	if (fd < 0)
		return deliver_fail(d, EX_TEMPFAIL, "connect to the service lmtpd: %s",
				    strerror(-fd));
	d->io = stream_new(fd);
	stream_set_timeout(d->io, ANSWER_TIME);
	return 0;
}

static void deliver_task(void *argument)
{
	struct delivery *d = argument;

	d->status = EX_OK;
	if (deliver_connect(d) == 0 && deliver_envelope(d) == 0 && deliver_content(d) == 0 &&
	    deliver_reply(d) == 0 && d->code / 100 != 2)
		(void)deliver_refused(d);
	if (d->io != NULL && d->status == EX_OK)
		(void)stream_write(d->io, VIEW("QUIT\r\n"));
	if (d->io != NULL)
		stream_close(d->io);
	task_quit(d->status);
}

/* ---- who and what ---- */

/* An address as it stands in an envelope: without <>, with a domain. */
static void deliver_address(const char *text, bool may_be_empty, struct str *out)
{
	struct view address = view_trim(view_of(text));

	if (view_starts(address, VIEW("<")) && view_ends(address, VIEW(">")))
		address = view_first(view_from(address, 1), address.len - 2);
	str_set(out, address);
	if ((address.len > 0 || !may_be_empty) &&
	    view_find_last_byte(address, '@') == VIEW_NOT_FOUND)
		str_printf(out, "@%s", param.myorigin);
}

/* user+folder@domain, in quotes where it needs them. */
static int deliver_into_folder(struct delivery *d)
{
	_cleanup_(str_free) struct str local = STR_EMPTY, address = STR_EMPTY;
	struct view part, domain, user, extension;

	if (d->folder == NULL || strcasecmp(d->folder, "INBOX") == 0)
		return 0;
	if (param.recipient_delimiter[0] == '\0' || !param.lmtp_save_to_detail_mailbox)
		return deliver_fail(d, EX_CONFIG,
				    "-m needs recipient_delimiter and "
				    "lmtp_save_to_detail_mailbox = yes");
	address_split(str_view(&d->recipient), &part, &domain);
	user = part;
	(void)address_split_extension(part, param.recipient_delimiter, &user, &extension);
	str_printf(&local, "%.*s%c%s", VIEW_ARG(user), param.recipient_delimiter[0], d->folder);
	if (view_has_control(str_view(&local)))
		return deliver_fail(d, EX_USAGE, "-m: no folder can have this name");
	str_append_byte(&address, '"');
	for (size_t i = 0; i < local.len; i++) {
		if (local.data[i] == '"' || local.data[i] == '\\')
			str_append_byte(&address, '\\');
		str_append_byte(&address, local.data[i]);
	}
	str_printf(&address, "\"@%.*s", VIEW_ARG(domain));
	str_set(&d->recipient, str_view(&address));
	return 0;
}

/* Of -a: the same user, with an extension. */
static void deliver_with_extension(struct delivery *d)
{
	_cleanup_(str_free) struct str original = STR_EMPTY;
	struct view local, domain, own, own_domain, user, extension;

	if (d->original == NULL || d->folder != NULL)
		return;
	deliver_address(d->original, false, &original);
	address_split(str_view(&original), &local, &domain);
	address_split(str_view(&d->recipient), &own, &own_domain);
	if (address_split_extension(local, param.recipient_delimiter, &user, &extension) &&
	    view_eq_nocase(user, own) && view_eq_nocase(domain, own_domain)) {
		str_set(&d->recipient, str_view(&original));
		d->original = NULL;
	}
}

/* "From sender date", as mbox files and some MTAs have it, is no part of a message. */
static int deliver_read_begin(struct delivery *d)
{
	struct view rest, line, word;

	while (view_find_byte(str_view(&d->pending), '\n') == VIEW_NOT_FOUND &&
	       d->pending.len < LINE_MAX) {
		ssize_t n = read(d->input, str_reserve(&d->pending, LINE_MAX), LINE_MAX);

		if (n < 0)
			return deliver_fail(d, EX_TEMPFAIL, "read the message: %s",
					    strerror(errno));
		if (n == 0)
			break;
		str_grow(&d->pending, (size_t)n);
	}
	rest = str_view(&d->pending);
	if (!view_starts(rest, VIEW("From ")) || !view_next(&rest, '\n', &line))
		return 0;
	line = view_from(line, strlen("From "));
	if (!d->sender_given && view_next_word(&line, " ", &word) && !view_has_control(word) &&
	    !view_is_nocase(word, "MAILER-DAEMON"))
		str_set(&d->sender, word);
	str_consume(&d->pending, d->pending.len - rest.len);
	return 0;
}

/* Nothing in it ends a path, or begins a parameter after it: the sender is whatever strangers wrote. */
static bool deliver_is_path(struct view address)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, parsed = STR_EMPTY;
	const char *problem;
	struct view rest;

	str_printf(&path, "<%.*s>", VIEW_ARG(address));
	rest = str_view(&path);
	return !view_has_control(address) &&
	       address_parse_path(&rest, false, true, &parsed, &problem) == 0 && rest.len == 0;
}

static int deliver_prepare(struct delivery *d)
{
	const struct passwd *me = d->user == NULL ? getpwuid(getuid()) : NULL;

	if (d->user == NULL && me == NULL)
		return deliver_fail(d, EX_USAGE, "-d USER is needed");
	deliver_address(d->user != NULL ? d->user : me->pw_name, false, &d->recipient);
	deliver_with_extension(d);
	if (deliver_into_folder(d) < 0)
		return -1;
	if (d->path != NULL)
		d->input = open(d->path, O_RDONLY | O_CLOEXEC);
	if (d->input < 0)
		return deliver_fail(d, EX_NOINPUT, "open %s: %s", d->path, strerror(errno));
	if (deliver_read_begin(d) < 0)
		return -1;
	if (!deliver_is_path(str_view(&d->recipient)) || !deliver_is_path(str_view(&d->sender)) ||
	    (d->original != NULL && view_has_control(view_of(d->original))))
		return deliver_fail(d, EX_USAGE, "an address has characters that none has");
	return 0;
}

/* ---- options ---- */

static int deliver_options(struct delivery *d, int argc, char **argv, const char **sender)
{
	int option;

	while ((option = getopt(argc, argv, "d:f:a:m:p:ek")) >= 0) {
		switch (option) {
		case 'd':
			d->user = optarg;
			break;
		case 'f':
			*sender = optarg;
			break;
		case 'a':
			d->original = optarg;
			break;
		case 'm':
			d->folder = optarg;
			break;
		case 'p':
			d->path = optarg;
			break;
		case 'e':
		case 'k':
			break;
		default:
			return deliver_fail(d, EX_USAGE, "unknown option (posta deliver --help)");
		}
	}
	return optind < argc ? deliver_fail(d, EX_USAGE, "%s is not understood", argv[optind]) : 0;
}

int verb_deliver(int argc, char **argv)
{
	struct delivery d = { .input = STDIN_FILENO };
	const char *sender = NULL;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	/* As a verb among others it says so as they do. */
	if (deliver_options(&d, argc, argv, &sender) < 0)
		return strcmp(argv[0], "deliver") == 0 ? TOOL_USAGE : d.status;
	if (!tool_load(NULL, 0))
		return EX_CONFIG;
	d.sender_given = sender != NULL;
	if (sender != NULL)
		deliver_address(sender, true, &d.sender);
	if (deliver_prepare(&d) == 0)
		d.status = task_run(deliver_task, &d);
	str_free(&d.sender);
	str_free(&d.recipient);
	str_free(&d.reply);
	str_free(&d.pending);
	return d.status;
}
