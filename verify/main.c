/*
 * The program verify: questions of smtpd, results that qmgr brings, and the cache between them. When an
 * address is to be probed record.c says.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cache/cache.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "task/task.h"
#include "verify.h"

#define SWEEP_AT_MOST 100 /* records that are over */

static struct cache_file *cache;

/* ---- the cache ---- */

static bool record_find(struct view address, int64_t now, struct verify_record *record)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;

	*record = (struct verify_record){ 0 };
	return cache_file_get(cache, address, now, &value, NULL) &&
	       verify_record_decode(str_view(&value), record) == 0;
}

static void record_keep(struct view address, const struct verify_record *record, int64_t now)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;

	verify_record_encode(record, &value);
	cache_file_put(cache, address, str_view(&value), now, verify_record_expires(record));
}

/* ---- results ---- */

static void take_result(struct view address, uint8_t state, struct view text)
{
	_cleanup_(verify_record_free) struct verify_record record = { 0 };
	int64_t now = clock_wall();

	record_find(address, now, &record);
	verify_record_update(&record, state, text, now);
	record_keep(address, &record, now);
	probe_end(address);
}

/* Nothing is known, so that the next question begins another. */
static void take_failure(struct view address)
{
	_cleanup_(verify_record_free) struct verify_record record = { 0 };
	int64_t now = clock_wall();

	if (record_find(address, now, &record) && record.state == VERIFY_UNKNOWN)
		cache_file_remove(cache, address);
	probe_end(address);
}

/* ---- questions ---- */

static int verify_answer(struct ipc *ipc, const struct verify_record *record)
{
	return ipc_send(ipc, verify_answer, .state = record->state,
			.text = record->updated == 0 && record->state == VERIFY_UNKNOWN
					? VIEW("Address verification in progress")
					: str_view(&record->text));
}

static void begin_probe(struct view address, struct verify_record *record, int64_t now)
{
	if (!probe_begin(address)) {
		log_warning("too many probes are under way "
			    "(address_verify_pending_request_limit): none for <%.*s>",
			    VIEW_ARG(address));
		return;
	}
	record->probed = now;
	record_keep(address, record, now);
}

/* What is known by now, after the wait for a probe. */
static void answer_find(struct view address, msec_t patience, struct verify_record *record)
{
	int64_t now = clock_wall();
	bool found = record_find(address, now, record);

	if (verify_record_wants_probe(record, now))
		begin_probe(address, record, now);
	if (found && record->state != VERIFY_UNKNOWN)
		return;
	if (patience > 0)
		probe_wait(address, clock_after(patience));
	verify_record_free(record);
	record_find(address, clock_wall(), record);
}

static int verify_question(struct ipc *ipc, const struct msg_verify_ask *m)
{
	_cleanup_(verify_record_free) struct verify_record record = { 0 };
	_cleanup_(str_free) struct str address = STR_EMPTY;

	if (m->address.len == 0 || view_has_control(m->address))
		return -EBADMSG;
	/* What came ends with the next wait. */
	str_append(&address, m->address);
	answer_find(str_view(&address), m->patience, &record);
	if (!param.address_verify_negative_cache && record.state > VERIFY_DELIVERABLE)
		cache_file_remove(cache, str_view(&address));
	return verify_answer(ipc, &record);
}

static int verify_hear(struct ipc *ipc, const struct msg_probe_result *m)
{
	if (m->outcome == OUTCOME_PENDING || m->outcome > OUTCOME_EXPANDED || m->address.len == 0)
		return -EBADMSG;
	take_result(m->address, verify_state_of(m->outcome), m->text);
	return ipc_send(ipc, done);
}

static void verify_serve(struct ipc *ipc)
{
	struct message m;
	int r = 0;

	/* Who may say which of them stands in programs.def. */
	while (r >= 0 && ipc_next_request(ipc, &m) == 0) {
		r = m.type == MSG_verify_ask ? verify_question(ipc, &m.verify_ask)
					     : verify_hear(ipc, &m.probe_result);
		if (r == 0)
			r = ipc_flush(ipc);
	}
}

/* ---- the program ---- */

static void sweep_run(void *unused)
{
	(void)unused;
	while (cache != NULL) {
		cache_file_pause(cache);
		cache_file_sweep(cache, clock_wall(), SWEEP_AT_MOST);
		probes_sweep();
	}
}

static int verify_prepare(struct error *err)
{
	probes_init(take_result, take_failure);
	return cache_file_open_map("address_verify_map", param.address_verify_map,
				   (uint64_t)param.address_verify_cache_entry_limit, &cache, err);
}

static void verify_start(void)
{
	task_spawn("sweep", sweep_run, NULL);
}

/*
 * The next one waits for the cache. Those who wait for a probe here are told that it is under way, which
 * is so: its result goes to the next one.
 */
static void verify_retire(void)
{
	cache_file_close(TAKE(cache));
}

static const struct daemon_program program = {
	.name = "verify",
	.prepare = verify_prepare,
	.start = verify_start,
	.serve_ipc = verify_serve,
	.retire = verify_retire,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
