/* DNS through the C library's stub resolver: one server, one question, no cache. */
#include "tools/name_server.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

/* <arpa/nameser.h> brings <sys/param.h>, which has words of ours. */
#undef MIN
#undef MAX
#include "base/mem.h"
#include "mail/address.h"

#define SERVER_SECONDS 2 /* of the first try; the second has twice as many */
#define SERVER_TRIES   2
#define SERVER_ALIASES 8  /* CNAMEs that are followed by further questions */
#define ANSWER_ALIASES 16 /* and within one answer */
#define ANSWER_SIZE    65536
#define QUESTION_SIZE  512

struct name_server {
	struct __res_state state;
	unsigned char *answer;
};

/* ---- which ---- */

static void server_use(struct name_server *server, const struct sockaddr *address)
{
	struct __res_state *state = &server->state;

	state->nscount = 1;
	if (address->sa_family == AF_INET) {
		memcpy(&state->nsaddr_list[0], address, sizeof(struct sockaddr_in));
		return;
	}
	/* As resolv.conf with an IPv6 address does it. */
	memset(&state->nsaddr_list[0], 0, sizeof(state->nsaddr_list[0]));
	free(state->_u._ext.nsaddrs[0]);
	state->_u._ext.nsaddrs[0] = mem_new(struct sockaddr_in6);
	memcpy(state->_u._ext.nsaddrs[0], address, sizeof(struct sockaddr_in6));
}

static int name_server_find(struct name_server *server, struct view address, struct error *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV };
	_cleanup_(str_free) struct str host = STR_EMPTY, port = STR_EMPTY;
	struct addrinfo *found = NULL;
	size_t colon = view_find_last_byte(address, ':');

	if (address.len > 0 && address.data[0] == '[') {
		size_t end = view_find_byte(address, ']');

		if (end == VIEW_NOT_FOUND || (end + 1 < address.len && colon != end + 1))
			return error_set(err, -EINVAL, "%.*s: not a name server's address",
					 VIEW_ARG(address));
		str_append(&host, view_make(address.data + 1, end - 1));
		str_append(&port, view_from(address, end + 2));
	} else if (colon != VIEW_NOT_FOUND && ip_family(address) != 6) {
		str_append(&host, view_first(address, colon));
		str_append(&port, view_from(address, colon + 1));
	} else {
		str_append(&host, address);
	}
	if (getaddrinfo(str_cstr(&host), port.len > 0 ? str_cstr(&port) : "53", &hints, &found) !=
	    0)
		return error_set(err, -EINVAL, "%.*s: not a name server's address",
				 VIEW_ARG(address));
	server_use(server, found->ai_addr);
	freeaddrinfo(found);
	return 0;
}

struct name_server *name_server_new(const char *address, struct error *err)
{
	struct name_server *server = mem_new(struct name_server);

	server->answer = mem_new_bytes(ANSWER_SIZE);
	if (res_ninit(&server->state) != 0) {
		error_set(err, -EIO, "the system's resolver cannot be used");
		free(server->answer);
		free(server);
		return NULL;
	}
	server->state.retrans = SERVER_SECONDS;
	server->state.retry = SERVER_TRIES;
	if (address != NULL && name_server_find(server, view_of(address), err) < 0) {
		name_server_free(server);
		return NULL;
	}
	return server;
}

void name_server_free(struct name_server *server)
{
	if (server == NULL)
		return;
	res_nclose(&server->state);
	free(server->answer);
	free(server);
}

/* ---- one answer ---- */

static void answer_take_text(const ns_rr *record, struct records *records)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	const unsigned char *data = ns_rr_rdata(*record);
	size_t length = ns_rr_rdlen(*record);

	for (size_t at = 0; at < length;) {
		size_t piece = data[at++];

		if (piece > length - at)
			return;
		str_append(&text, view_make(data + at, piece));
		at += piece;
	}
	records_add(records, str_view(&text));
}

static void answer_take_address(const ns_rr *record, int family, size_t length,
				struct records *records)
{
	char text[INET6_ADDRSTRLEN];

	if (ns_rr_rdlen(*record) == length &&
	    inet_ntop(family, ns_rr_rdata(*record), text, sizeof(text)) != NULL)
		records_add(records, view_of(text));
}

static bool answer_name(ns_msg *message, const ns_rr *record, size_t from, char name[NS_MAXDNAME])
{
	return ns_rr_rdlen(*record) > from &&
	       ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message),
				  ns_rr_rdata(*record) + from, name, NS_MAXDNAME) >= 0;
}

/* Priority, weight, port, target. */
static void answer_take_service(ns_msg *message, const ns_rr *record, struct records *records)
{
	const unsigned char *data = ns_rr_rdata(*record);
	_cleanup_(str_free) struct str text = STR_EMPTY;
	char name[NS_MAXDNAME];

	if (ns_rr_rdlen(*record) < 7 || !answer_name(message, record, 6, name))
		return;
	str_printf(&text, "%u %u %u %s", ns_get16(data), ns_get16(data + 2), ns_get16(data + 4),
		   name);
	records_add(records, str_view(&text));
}

/* Usage, selector, matching type, and what is compared. */
static void answer_take_tlsa(const ns_rr *record, struct records *records)
{
	const unsigned char *data = ns_rr_rdata(*record);
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (ns_rr_rdlen(*record) < 4)
		return;
	str_printf(&text, "%u %u %u ", data[0], data[1], data[2]);
	for (size_t i = 3; i < ns_rr_rdlen(*record); i++)
		str_printf(&text, "%02x", data[i]);
	records_add(records, str_view(&text));
}

static void answer_take_caa(const ns_rr *record, struct records *records)
{
	const unsigned char *data = ns_rr_rdata(*record);
	size_t length = ns_rr_rdlen(*record), tag = length > 1 ? data[1] : length;
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (tag > length || length - tag < 2)
		return;
	str_printf(&text, "%u %.*s \"%.*s\"", data[0], (int)tag, (const char *)data + 2,
		   (int)(length - tag - 2), (const char *)data + 2 + tag);
	records_add(records, str_view(&text));
}

static void answer_take(ns_msg *message, const ns_rr *record, struct records *records)
{
	char name[NS_MAXDNAME];

	switch (ns_rr_type(*record)) {
	case ns_t_a:
		answer_take_address(record, AF_INET, 4, records);
		break;
	case ns_t_aaaa:
		answer_take_address(record, AF_INET6, 16, records);
		break;
	case ns_t_txt:
		answer_take_text(record, records);
		break;
	case ns_t_srv:
		answer_take_service(message, record, records);
		break;
	case ns_t_tlsa:
		answer_take_tlsa(record, records);
		break;
	case ns_t_caa:
		answer_take_caa(record, records);
		break;
	default: /* MX, PTR, CNAME */
		if (answer_name(message, record, ns_rr_type(*record) == ns_t_mx ? 2 : 0, name))
			records_add(records, view_of(name));
	}
}

/* Follows the aliases within the answer: *name is what they end with. False: they do not end. */
static bool answer_follow(ns_msg *message, struct str *name)
{
	for (int hops = 0; hops < ANSWER_ALIASES; hops++) {
		bool moved = false;

		for (int i = 0; i < ns_msg_count(*message, ns_s_an) && !moved; i++) {
			char target[NS_MAXDNAME];
			ns_rr record;

			if (ns_parserr(message, ns_s_an, i, &record) == 0 &&
			    ns_rr_type(record) == ns_t_cname &&
			    view_is_nocase(str_view(name), ns_rr_name(record)) &&
			    answer_name(message, &record, 0, target)) {
				str_set(name, view_of(target));
				moved = true;
			}
		}
		if (!moved)
			return true;
	}
	return false;
}

static void answer_read(ns_msg *message, int type, struct str *name, struct records *records)
{
	int rcode = (int)ns_msg_getflag(*message, ns_f_rcode);

	records->outcome = RECORDS_FAILED;
	if ((rcode != ns_r_noerror && rcode != ns_r_nxdomain) ||
	    (type != RECORD_CNAME && !answer_follow(message, name)))
		return;
	for (int i = 0; i < ns_msg_count(*message, ns_s_an); i++) {
		ns_rr record;

		if (ns_parserr(message, ns_s_an, i, &record) == 0 &&
		    (int)ns_rr_type(record) == type &&
		    view_is_nocase(str_view(name), ns_rr_name(record)))
			answer_take(message, &record, records);
	}
	records->outcome = records->count > 0	   ? RECORDS_FOUND
			   : rcode == ns_r_noerror ? RECORDS_NONE
						   : RECORDS_NO_NAME;
}

/* ---- one question ---- */

static void server_reverse_name(struct view address, struct str *name)
{
	_cleanup_free_ char *text = mem_strndup(address.data, address.len);
	unsigned char bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1) {
		str_printf(name, "%u.%u.%u.%u.in-addr.arpa", bytes[3], bytes[2], bytes[1],
			   bytes[0]);
	} else if (inet_pton(AF_INET6, text, bytes) == 1) {
		for (size_t i = sizeof(bytes); i-- > 0;)
			str_printf(name, "%x.%x.", bytes[i] & 15u, bytes[i] >> 4);
		str_append_cstr(name, "ip6.arpa");
	}
}

/* As the C library writes it, with its escapes: so names of answers can be compared with it. */
static void server_write_name(struct str *name)
{
	unsigned char wire[NS_MAXCDNAME];
	char text[NS_MAXDNAME];
	bool good = ns_name_pton(str_cstr(name), wire, sizeof(wire)) >= 0 &&
		    ns_name_ntop(wire, text, sizeof(text)) >= 0;

	str_set(name, good ? view_of(text) : VIEW_NONE);
}

static void name_server_ask(void *context, struct view question, enum record_type type,
			    struct records *records)
{
	struct name_server *server = context;
	_cleanup_(str_free) struct str name = STR_EMPTY, asked = STR_EMPTY;

	if (type == RECORD_PTR)
		server_reverse_name(question, &name);
	else if (view_is_ascii(question) && !view_has_control(question) &&
		 view_find_byte(question, '\\') == VIEW_NOT_FOUND)
		str_append(&name, question);
	if (view_ends(str_view(&name), VIEW(".")))
		str_truncate(&name, name.len - 1);
	server_write_name(&name);
	records->outcome = RECORDS_NO_NAME;
	for (int i = 0; name.len > 0 && i < SERVER_ALIASES; i++) {
		unsigned char packet[QUESTION_SIZE];
		ns_msg message;
		int length = res_nmkquery(&server->state, ns_o_query, str_cstr(&name), ns_c_in,
					  (int)type, NULL, 0, NULL, packet, sizeof(packet));

		if (length < 0)
			return;
		records->outcome = RECORDS_FAILED;
		str_set(&asked, str_view(&name));
		length = res_nsend(&server->state, packet, length, server->answer, ANSWER_SIZE);
		if (length < 0 || ns_initparse(server->answer, length, &message) != 0)
			return;
		answer_read(&message, (int)type, &name, records);
		/* An alias whose records did not come along. */
		if (records->outcome != RECORDS_NONE ||
		    view_eq_nocase(str_view(&name), str_view(&asked)))
			return;
	}
	if (name.len > 0)
		records->outcome = RECORDS_FAILED;
}

struct dns_source name_server_source(struct name_server *server)
{
	return (struct dns_source){ name_server_ask, server };
}
