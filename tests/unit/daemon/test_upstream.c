/*
 * Headers of the PROXY protocol: whom they name, where they end, what is none; and over a connection,
 * in pieces, with what follows left there.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"
#include "daemon/upstream.h"
#include "task/task.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4	  "\xcb\x00\x71\x05\xc0\x00\x02\x19\x0f\xa0\x00\x19"
#define V6                                                                                         \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x05\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x19"     \
	"\x0f\xa0\x00\x19"
#define MAPPED                                                                                     \
	"\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\0\x71\x05\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x19"     \
	"\x0f\xa0\x00\x19"
#define REAL "198.51.100.1:9 198.51.100.2:25"

static struct peer real_peer(void)
{
	return (struct peer){
		.text = "198.51.100.1", .port = 9, .server_text = "198.51.100.2", .server_port = 25
	};
}

static const char *peer_show(const struct peer *peer, struct str *text)
{
	str_clear(text);
	str_printf(text, "%s:%u %s:%u", peer->text, peer->port, peer->server_text,
		   peer->server_port);
	return str_cstr(text);
}

/* Everything after the header is "*": it is not the header's. */
static const struct good {
	struct view bytes;
	const char *who;
} good[] = {
	{ VIEW("PROXY TCP4 203.0.113.5 192.0.2.25 4000 25\r\n*"),
	  "203.0.113.5:4000 192.0.2.25:25" },
	{ VIEW("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n*"),
	  "255.255.255.255:65535 255.255.255.255:65535" },
	{ VIEW("PROXY TCP6 2001:db8::5 2001:db8::25 4000 0\r\n*"),
	  "2001:db8::5:4000 2001:db8::25:0" },
	{ VIEW("PROXY TCP6 ::ffff:203.0.113.5 ::ffff:192.0.2.25 4000 25\r\n*"),
	  "203.0.113.5:4000 192.0.2.25:25" },
	{ VIEW("PROXY UNKNOWN\r\n*"), REAL },
	{ VIEW("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n*"), REAL },
	{ VIEW(SIGNATURE "\x21\x11\x00\x0c" V4 "*"), "203.0.113.5:4000 192.0.2.25:25" },
	{ VIEW(SIGNATURE "\x21\x21\x00\x24" V6 "*"), "2001:db8::5:4000 2001:db8::19:25" },
	{ VIEW(SIGNATURE "\x21\x21\x00\x24" MAPPED "*"), "203.0.113.5:4000 192.0.2.25:25" },
	/* Extensions are passed over, also what is none. */
	{ VIEW(SIGNATURE "\x21\x11\x00\x12" V4 "\x04\x00\x03xyz*"),
	  "203.0.113.5:4000 192.0.2.25:25" },
	{ VIEW(SIGNATURE "\x21\x11\x00\x0f" V4 "\x04\xff\xff*"), "203.0.113.5:4000 192.0.2.25:25" },
	/* LOCAL: the proxy itself, whatever addresses it gives. */
	{ VIEW(SIGNATURE "\x20\x11\x00\x0c" V4 "*"), REAL },
	{ VIEW(SIGNATURE "\x20\x00\x00\x00*"), REAL },
	{ VIEW(SIGNATURE "\x21\x00\x00\x02zz*"), REAL },
};

static void whom_a_header_names(void **state)
{
	_cleanup_(str_free) struct str shown = STR_EMPTY;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const char *problem = "";
		struct peer peer = real_peer();

		for (size_t len = 0; len + 1 < good[i].bytes.len; len++)
			assert_int_equal(
				upstream_parse(view_first(good[i].bytes, len), &peer, &problem), 0);
		assert_string_equal(peer_show(&peer, &shown), REAL);
		assert_int_equal(upstream_parse(good[i].bytes, &peer, &problem),
				 (int)good[i].bytes.len - 1);
		assert_string_equal(peer_show(&peer, &shown), good[i].who);
	}
}

static const struct view bad[] = {
	VIEW("EHLO client.test\r\n"),
	VIEW("\x16\x03\x01"),
	VIEW("PROXX"),
	VIEW("proxy TCP4 203.0.113.5 192.0.2.25 4000 25\r\n"),
	VIEW("PROXY TCP4 203.0.113.5 192.0.2.25 4000 25\n"),
	VIEW("PROXY TCP5 203.0.113.5 192.0.2.25 4000 25\r\n"),
	VIEW("PROXY \r\n"),
	VIEW("PROXY TCP4\r\n"),
	VIEW("PROXY TCP4 203.0.113.5 192.0.2.25 4000\r\n"),
	VIEW("PROXY TCP4 203.0.113.5 192.0.2.25 4000 25 26\r\n"),
	VIEW("PROXY TCP4  203.0.113.5 192.0.2.25 4000 25\r\n"),
	VIEW("PROXY TCP4 203.0.113.5 192.0.2.25 04000 25\r\n"),
	VIEW("PROXY TCP4 203.0.113.5 192.0.2.25 4000 65536\r\n"),
	VIEW("PROXY TCP4 203.0.113.5 192.0.2.25 4000 -1\r\n"),
	VIEW("PROXY TCP4 203.0.113.5 192.0.2.25  25\r\n"),
	VIEW("PROXY TCP4 203.0.113.555 192.0.2.25 4000 25\r\n"),
	VIEW("PROXY TCP4 203.0.113.5\0 192.0.2.25 4000 25\r\n"),
	/* Of another family than they say. */
	VIEW("PROXY TCP4 2001:db8::5 2001:db8::25 4000 25\r\n"),
	VIEW("PROXY TCP6 203.0.113.5 192.0.2.25 4000 25\r\n"),
	VIEW("PROXY UNKNOWN "
	     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	     "aaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
	VIEW(SIGNATURE "\x11\x11\x00\x0c" V4),
	VIEW(SIGNATURE "\x22\x11\x00\x0c" V4),
	VIEW(SIGNATURE "\x21\x12\x00\x0c" V4),
	VIEW(SIGNATURE "\x21\x31\x00\x0c" V4),
	VIEW(SIGNATURE "\x21\x11\x00\x0b" V4),
	VIEW(SIGNATURE "\x21\x21\x00\x0c" V4),
	VIEW(SIGNATURE "\x21\x11\xff\xff" V4),
};

static void what_is_no_header(void **state)
{
	_cleanup_(str_free) struct str shown = STR_EMPTY;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *problem = NULL;
		struct peer peer = real_peer();

		assert_int_equal(upstream_parse(bad[i], &peer, &problem), -EPROTO);
		assert_non_null(problem);
		assert_string_equal(peer_show(&peer, &shown), REAL);
	}
}

/* ---- over a connection ---- */

static struct exchange {
	struct view pieces[3]; /* of the proxy; then it is silent */
	const char *networks;
	bool hangs_up;
	int proxy, result;
	struct peer peer;
	struct str rest; /* what the server still had to read */
} * now;

static void proxy_speaks(void *argument)
{
	(void)argument;
	for (size_t i = 0; i < ARRAY_SIZE(now->pieces); i++) {
		struct view piece = now->pieces[i];

		assert_int_equal(send(now->proxy, piece.data, piece.len, 0), (int)piece.len);
		task_yield();
		task_yield();
	}
	if (now->hangs_up)
		shutdown(now->proxy, SHUT_WR);
}

static void server_receives(void *argument)
{
	struct stream *io = argument;
	char rest[64];
	ssize_t n;

	now->result = upstream_receive(io, &now->peer);
	assert_int_equal(stream_buffered(io).len, 0);
	n = recv(stream_fd(io), rest, sizeof(rest), MSG_DONTWAIT);
	str_set(&now->rest, view_make(rest, n > 0 ? (size_t)n : 0));
}

static void exchange_start(void *io)
{
	task_spawn("proxy", proxy_speaks, NULL);
	server_receives(io);
}

static void run_exchange(struct exchange *x)
{
	const struct upstream_options options = { .protocol = "haproxy",
						  .networks = x->networks,
						  .setting = "x_networks",
						  .timeout = x->hangs_up ? 60000 : 50 };
	struct error err = ERROR_NONE;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(upstream_open(&options, &err), 0);
	assert_true(upstream_is_expected());
	struct stream *io = stream_new(pair[0]);

	now = x;
	x->proxy = pair[1];
	x->peer = real_peer();
	assert_int_equal(task_run(exchange_start, io), 0);
	stream_free(io);
	close(pair[1]);
	upstream_close();
	assert_false(upstream_is_expected());
}

static void the_header_ends_where_it_ends(void **state)
{
	struct exchange one = { .pieces = { VIEW("PROXY TCP4 203.0.113.5 "),
					    VIEW("192.0.2.25 4000 25\r"), VIEW("\n\x16\x03\x01") },
				.networks = "198.51.100.0/24",
				.hangs_up = true };
	struct exchange two = { .pieces = { VIEW("\r\n\r\n"), VIEW("\0\r\nQUIT\n\x21\x11\x00"),
					    VIEW("\x0c" V4 "\x16\x03\x01") },
				.networks = "static:all",
				.hangs_up = true };

	(void)state;
	run_exchange(&one);
	assert_int_equal(one.result, 0);
	assert_string_equal(one.peer.text, "203.0.113.5");
	assert_string_equal(str_cstr(&one.rest), "\x16\x03\x01");
	run_exchange(&two);
	assert_int_equal(two.result, 0);
	assert_string_equal(two.peer.text, "203.0.113.5");
	assert_string_equal(str_cstr(&two.rest), "\x16\x03\x01");
	str_free(&one.rest);
	str_free(&two.rest);
}

static void who_is_closed(void **state)
{
	struct exchange strange = { .pieces = { VIEW("PROXY UNKNOWN\r\n") },
				    .networks = "192.0.2.0/24",
				    .hangs_up = true };
	struct exchange silent = { .pieces = { VIEW("PROXY TCP4 ") }, .networks = "static:all" };
	struct exchange gone = { .pieces = { VIEW("PROXY TCP4 ") },
				 .networks = "static:all",
				 .hangs_up = true };
	struct exchange other = { .pieces = { VIEW("EHLO client.test\r\n") },
				  .networks = "static:all",
				  .hangs_up = true };

	(void)state;
	run_exchange(&strange);
	assert_int_equal(strange.result, -EACCES);
	run_exchange(&silent);
	assert_int_equal(silent.result, -ETIMEDOUT);
	run_exchange(&gone);
	assert_int_equal(gone.result, -ENODATA);
	run_exchange(&other);
	assert_int_equal(other.result, -EPROTO);
	str_free(&strange.rest);
	str_free(&silent.rest);
	str_free(&gone.rest);
	str_free(&other.rest);
}

static void settings(void **state)
{
	struct error err = ERROR_NONE;

	(void)state;
	assert_int_equal(upstream_open(&(struct upstream_options){ .protocol = "" }, &err), 0);
	assert_false(upstream_is_expected());
	assert_int_equal(upstream_open(&(struct upstream_options){ .protocol = "socks" }, &err),
			 -EINVAL);
	assert_int_equal(upstream_open(&(struct upstream_options){ .protocol = "haproxy",
								   .networks = "hash:/nonexistent",
								   .setting = "x_networks" },
				       &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "x_networks"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whom_a_header_names),
		cmocka_unit_test(what_is_no_header),
		cmocka_unit_test(the_header_ends_where_it_ends),
		cmocka_unit_test(who_is_closed),
		cmocka_unit_test(settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
