/*
 * Reports are read in a process of its own: it is the user report_owner where root began it, can open nothing
 * and can send nothing, and whatever a report made of it could only write lines to us. What those say is
 * checked as if the stranger had written them.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "store/unpack.h"
#include "tools/report.h"
#include "user/user.h"

#define PARSE_CPU_TIME 60 /* seconds */
#define PARSE_LINE_MAX 16384

/*
 * Lines, their words parted by tabs: D begins a DMARC report, R a row of it, A is a result of the row,
 * E ends it; F is an abuse report; "!" says what is wrong with a report, "?" why none can be read at all.
 */
struct parse_texts {
	struct str *texts[12];
	size_t count;
};

#define TEXTS(...)                                                                                 \
	((struct parse_texts){ { __VA_ARGS__ },                                                    \
			       sizeof((struct str *[]){ __VA_ARGS__ }) / sizeof(struct str *) })

/* Casts: the child only reads them, the parent has its own. */
static struct parse_texts texts_of_report(struct aggregate_report *r)
{
	return TEXTS(&r->organization, &r->email, &r->id, &r->domain, &r->p, &r->sp, &r->np,
		     &r->adkim, &r->aspf);
}

static struct parse_texts texts_of_row(struct aggregate_row *r)
{
	return TEXTS(&r->source, &r->disposition, &r->dkim, &r->spf, &r->reason, &r->comment,
		     &r->header_from, &r->envelope_from, &r->envelope_to);
}

static struct parse_texts texts_of_feedback(struct feedback_report *r)
{
	return TEXTS(&r->type, &r->reporter, &r->source, &r->mail_from, &r->recipient, &r->domain,
		     &r->author, &r->message_id, &r->login);
}

/* ---- the child ---- */

static void line_write(FILE *out, char kind, struct parse_texts fields)
{
	fputc(kind, out);
	for (size_t i = 0; i < fields.count; i++)
		fprintf(out, "\t%s", str_cstr(fields.texts[i]));
}

static int parse_write_aggregate(void *argument, const struct aggregate_report *report)
{
	FILE *out = argument;

	line_write(out, 'D', texts_of_report((struct aggregate_report *)(uintptr_t)report));
	fprintf(out, "\t%lld\t%lld\n", (long long)report->begin, (long long)report->end);
	for (size_t i = 0; i < report->count; i++) {
		struct view rest = str_view(&report->rows[i].results), line;

		line_write(out, 'R', texts_of_row(&report->rows[i]));
		fprintf(out, "\t%llu\n", (unsigned long long)report->rows[i].count);
		while (view_next(&rest, '\n', &line))
			if (line.len > 0)
				fprintf(out, "A\t%.*s\n", VIEW_ARG(line));
	}
	fputs("E\n", out);
	return 0;
}

static int parse_write_feedback(void *argument, const struct feedback_report *report)
{
	line_write(argument, 'F', texts_of_feedback((struct feedback_report *)(uintptr_t)report));
	fputc('\n', argument);
	return 0;
}

/* The database is open here, and more: all but where the answer goes. */
static void parse_close_others(int answer)
{
	(void)close(STDIN_FILENO);
	(void)close(STDOUT_FILENO);
	if (answer > STDERR_FILENO + 1)
		(void)close_range(STDERR_FILENO + 1, (unsigned)answer - 1, 0);
	(void)close_range((unsigned)answer + 1, ~0U, 0);
}

/* From here on nothing can be opened, and there is no way back. */
static int parse_drop(struct error *err)
{
	const struct rlimit time = { PARSE_CPU_TIME, PARSE_CPU_TIME }, none = { 0, 0 };
	uid_t uid;
	gid_t gid;
	int r;

	if (setrlimit(RLIMIT_CPU, &time) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return error_errno(err, "set limits");
	if (geteuid() == 0) {
		r = user_id_of(param.report_owner, &uid, &gid);
		if (r < 0)
			return error_set(err, r, "report_owner: there is no user %s",
					 param.report_owner);
		r = daemon_become(uid, gid, param.report_owner, NULL, err);
		if (r < 0)
			return r;
	}
	return daemon_confine(0, err);
}

static int unpacked_take(void *argument, const char *bytes, size_t len)
{
	struct str *mail = argument;

	if (mail->len + len > REPORT_MAIL_MAX)
		return -EFBIG;
	str_append(mail, view_make(bytes, len));
	return 0;
}

/* A Maildir may keep its mails packed (mailbox_compress): what was read is unpacked here, where nothing can be hurt. */
static int parse_mail(struct view mail, const struct report_reader *reader, struct error *err)
{
	_cleanup_(str_free) struct str unpacked = STR_EMPTY;
	int r;

	if (!unpack_is_packed_bytes(mail))
		return report_mail_read(mail, reader, err);
	r = unpack_bytes(mail, unpacked_take, &unpacked);
	if (r == -EFBIG)
		return error_set(err, r, "more than %zu bytes are packed in it", REPORT_MAIL_MAX);
	if (r < 0)
		return error_set(err, r, "what it is packed in is damaged");
	return report_mail_read(str_view(&unpacked), reader, err);
}

static int parse_child(struct view mail, struct view host, int answer)
{
	FILE *out = io_stream(answer, "w");
	struct error err = ERROR_NONE;
	struct report_reader reader = { parse_write_aggregate, parse_write_feedback, out, host };
	int r;

	if (out == NULL)
		return 1;
	r = parse_drop(&err);
	if (r < 0)
		fprintf(out, "?\t%s\n", err.text);
	else if (parse_mail(mail, &reader, &err) < 0)
		fprintf(out, "!\t%s\n", err.text);
	/* It stays open: when it ends for the parent, this process has ended. */
	return fflush(out) == 0 && !ferror(out) ? 0 : 1;
}

/* ---- the parent ---- */

struct parse_answer {
	const struct report_reader *reader;
	struct aggregate_report report;
	bool in_report;
	int count;
	struct error *err;
};

static int answer_bad(struct parse_answer *answer)
{
	return error_set(answer->err, -EBADMSG, "the process that reads reports answers nonsense");
}

/* The words of a line, as many as there are texts; false: there are fewer. */
static bool line_read(struct view *rest, struct parse_texts fields)
{
	struct view word;

	for (size_t i = 0; i < fields.count; i++) {
		if (!view_next(rest, '\t', &word) || word.len > AGGREGATE_TEXT_MAX ||
		    view_has_control(word))
			return false;
		str_set(fields.texts[i], word);
	}
	return true;
}

static bool line_read_number(struct view *rest, uint64_t *number)
{
	struct view word;

	return view_next(rest, '\t', &word) && view_parse_u64(word, INT64_MAX, number) == 0;
}

static int answer_begin(struct parse_answer *answer, struct view rest)
{
	uint64_t begin, end;

	if (answer->in_report || !line_read(&rest, texts_of_report(&answer->report)) ||
	    !line_read_number(&rest, &begin) || !line_read_number(&rest, &end) || rest.len > 0)
		return answer_bad(answer);
	answer->report.begin = (int64_t)begin;
	answer->report.end = (int64_t)end;
	answer->in_report = true;
	return 0;
}

static int answer_row(struct parse_answer *answer, struct view rest)
{
	struct aggregate_report *report = &answer->report;
	struct aggregate_row *row;

	if (!answer->in_report || report->count >= AGGREGATE_ROWS_MAX)
		return answer_bad(answer);
	array_grow(report->rows, report->count);
	row = &report->rows[report->count++];
	*row = (struct aggregate_row){ .count = 0 };
	if (!line_read(&rest, texts_of_row(row)) || !line_read_number(&rest, &row->count) ||
	    rest.len > 0)
		return answer_bad(answer);
	return 0;
}

static int answer_result(struct parse_answer *answer, struct view rest)
{
	struct aggregate_report *report = &answer->report;
	struct str *results;
	struct view word, words = rest;
	size_t count = 0;

	while (view_next(&words, '\t', &word)) {
		if (view_has_control(word))
			return answer_bad(answer);
		count++;
	}
	if (report->count == 0 || count != 4)
		return answer_bad(answer);
	results = &report->rows[report->count - 1].results;
	if (results->len + rest.len + 1 > AGGREGATE_RESULTS_MAX)
		return answer_bad(answer);
	str_append(results, rest);
	str_append_byte(results, '\n');
	return 0;
}

static int answer_end(struct parse_answer *answer)
{
	int r;

	if (!answer->in_report)
		return answer_bad(answer);
	r = answer->reader->aggregate(answer->reader->argument, &answer->report);
	aggregate_report_free(&answer->report);
	answer->in_report = false;
	answer->count++;
	return MIN(r, 0);
}

static int answer_feedback(struct parse_answer *answer, struct view rest)
{
	struct feedback_report report = { .type = STR_EMPTY };
	int r;

	r = line_read(&rest, texts_of_feedback(&report)) && rest.len == 0
		    ? answer->reader->feedback(answer->reader->argument, &report)
		    : answer_bad(answer);
	feedback_free(&report);
	answer->count++;
	return MIN(r, 0);
}

static int answer_line(struct parse_answer *answer, struct view line)
{
	struct view kind, rest = line;
	_cleanup_(str_free) struct str why = STR_EMPTY;

	if (!view_next(&rest, '\t', &kind) || kind.len != 1)
		return answer_bad(answer);
	switch (kind.data[0]) {
	case 'D':
		return answer_begin(answer, rest);
	case 'R':
		return answer_row(answer, rest);
	case 'A':
		return answer_result(answer, rest);
	case 'E':
		return answer_end(answer);
	case 'F':
		return answer_feedback(answer, rest);
	case '!':
	case '?':
		str_append_printable(&why, view_first(rest, AGGREGATE_TEXT_MAX));
		return error_set(answer->err, kind.data[0] == '!' ? -EBADMSG : -EIO, "%s",
				 str_cstr(&why));
	default:
		return answer_bad(answer);
	}
}

/* The whole lines of what has come; what is left of it moves to the begin. */
static int answer_lines(struct parse_answer *answer, char *bytes, size_t *len)
{
	struct view rest = view_make(bytes, *len);
	size_t end;
	int r = 0;

	while (r == 0 && (end = view_find_byte(rest, '\n')) != VIEW_NOT_FOUND) {
		r = answer_line(answer, view_first(rest, end));
		rest = view_from(rest, end + 1);
	}
	memmove(bytes, rest.data, rest.len);
	*len = rest.len;
	return r < 0 || rest.len < PARSE_LINE_MAX ? r : answer_bad(answer);
}

static int answer_read(struct parse_answer *answer, int in, msec_t deadline)
{
	_cleanup_free_ char *bytes = mem_new_bytes(PARSE_LINE_MAX);
	size_t len = 0;
	int r = 0;

	while (r == 0) {
		struct pollfd ready = { .fd = in, .events = POLLIN };
		msec_t left = deadline - clock_now();
		ssize_t n;

		if (left <= 0)
			return error_set(answer->err, -EBADMSG, "it takes too long to be read");
		if (poll(&ready, 1, (int)MIN(left, (msec_t)INT_MAX)) <= 0)
			continue;
		n = read(in, bytes + len, PARSE_LINE_MAX - len);
		if (n < 0 && errno != EINTR)
			return error_errno(answer->err, "read of reports");
		if (n == 0)
			return len > 0 ? answer_bad(answer) : 0;
		len += n > 0 ? (size_t)n : 0;
		r = answer_lines(answer, bytes, &len);
	}
	return r;
}

int report_parse(struct view mail, const struct report_reader *reader, msec_t time,
		 struct error *err)
{
	struct parse_answer answer = { .reader = reader, .err = err };
	int ends[2], status = 0, r;
	pid_t pid;

	fflush(NULL);
	if (pipe(ends) < 0)
		return error_errno(err, "pipe");
	pid = fork();
	if (pid == 0) {
		parse_close_others(ends[1]);
		_exit(parse_child(mail, reader->host, ends[1]));
	}
	r = pid < 0 ? error_errno(err, "make a process that reads reports") : 0;
	close(ends[1]);
	if (r == 0)
		r = answer_read(&answer, ends[0], clock_after(time));
	close(ends[0]);
	aggregate_report_free(&answer.report);
	if (pid < 0)
		return r;
	/* One that has ended by itself does not feel it; another would be waited for without end. */
	(void)kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || (r == 0 && status != 0))
		return error_set(err, -EBADMSG, "the process that reads reports has died");
	return r < 0 ? r : answer.count;
}
