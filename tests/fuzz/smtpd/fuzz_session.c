/*
 * A whole session with smtpd, its surroundings faked: whatever the client sends, each answer is a
 * well-formed reply, cleanup is told only what is clean, and every submission comes to an end.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "../../unit/smtpd/fakes.h"
#include "base/mem.h"
#include "task/task.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fakes_open("smtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = no\n"
		   "smtpd_forbid_unauth_pipelining = no\nmessage_size_limit = 5000\n");
	return 0;
}

/* Answers wait in the socket meanwhile: it has room for those to this many pieces. */
#define PIECES_MAX 100

/* Sends everything in pieces; the answers are read when the session has seen it all. */
static void send_all(struct stream *io, void *argument)
{
	struct view input = *(struct view *)argument;
	size_t step = input.len > 0 ? (size_t)(unsigned char)input.data[0] + 1 : 1;
	struct str replies = STR_EMPTY;

	if (step < input.len / PIECES_MAX + 1)
		step = input.len / PIECES_MAX + 1;
	for (input = view_from(input, 1); input.len > 0; input = view_from(input, step)) {
		stream_write(io, view_first(input, step));
		if (stream_flush(io) < 0)
			break;
		task_yield();
	}
	shutdown(stream_fd(io), SHUT_WR);
	while (fakes_read_reply(io, &replies) >= 0)
		str_clear(&replies);
	str_free(&replies);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view input = view_make(data, size);

	fakes_forget();
	fakes_converse(send_all, &input);

	struct view content = str_view(&fakes.last.content);

	for (size_t i = 0; i < content.len; i++) {
		if (content.data[i] == '\n' && (i == 0 || content.data[i - 1] != '\r'))
			abort();
	}
	if (view_has_control(str_view(&fakes.last.sender)) ||
	    view_has_control(str_view(&fakes.last.recipients)))
		abort();
	/* No way but alice's password makes us take mail for others. */
	if (fakes.last.for_stranger && fakes.last.login.len == 0)
		abort();
	if (fakes.committed > fakes.begun || content.len > 5000)
		abort();
	return 0;
}
