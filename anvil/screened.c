/* A client's record: five times, in network order. Nothing here waits for anything but the disk. */
#include "screened.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "cache/cache.h"
#include "conf/conf.h"
#include "task/task.h"

#define SCREENED_TIMES	   5
#define SCREENED_SIZE	   (SCREENED_TIMES * 8)
#define SCREENED_SWEEP_MAX 1000
#define SCREENED_LONGEST   ((int64_t)400 * 86400) /* seconds ahead that anything counts */

#define SCREENED_SWEEP_PAUSE ((msec_t)2000)

static struct cache_file *screened;
static bool sweeps; /* soon: what was changed is made durable, what is over goes */

int screened_open(struct error *err)
{
	return cache_file_open_map("postscreen_cache_map", param.postscreen_cache_map,
				   (uint64_t)param.postscreen_cache_entry_limit, &screened, err);
}

void screened_close(void)
{
	cache_file_close(TAKE(screened));
}

/* After a change, and not without one: who has no such clients sleeps. */
static void screened_sweep(void *unused)
{
	(void)unused;
	(void)task_pause(SCREENED_SWEEP_PAUSE);
	sweeps = false;
	cache_file_sweep(screened, clock_wall(), SCREENED_SWEEP_MAX);
}

static void time_append(struct str *out, int64_t seconds)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		str_append_byte(out, (char)((uint64_t)seconds >> shift));
}

static int64_t time_take(struct view *rest)
{
	uint64_t seconds = 0;

	for (size_t i = 0; i < 8; i++)
		seconds = seconds << 8 | (unsigned char)rest->data[i];
	*rest = view_from(*rest, 8);
	return (int64_t)seconds;
}

int screened_answer(struct ipc *ipc, const struct msg_screen_ask *m)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	int64_t times[SCREENED_TIMES] = { 0 };
	bool known = cache_file_get(screened, m->client, clock_wall(), &value, NULL) &&
		     value.len == SCREENED_SIZE;
	struct view rest = str_view(&value);

	for (size_t i = 0; known && i < SCREENED_TIMES; i++)
		times[i] = time_take(&rest);
	return ipc_send(ipc, screen_known, .known = known, .pregreet = times[0], .dnsbl = times[1],
			.pipelining = times[2], .non_smtp = times[3], .bare_newline = times[4]);
}

int screened_keep(struct ipc *ipc, const struct msg_screen_passed *m)
{
	const int64_t times[SCREENED_TIMES] = { m->pregreet, m->dnsbl, m->pipelining, m->non_smtp,
						m->bare_newline };
	_cleanup_(str_free) struct str value = STR_EMPTY;
	int64_t now = clock_wall();

	if (m->client.len == 0 || view_has_control(m->client) || m->expires < 0 ||
	    m->expires > now + SCREENED_LONGEST)
		return -EBADMSG;
	for (size_t i = 0; i < SCREENED_TIMES; i++) {
		if (times[i] < 0 || times[i] > m->expires)
			return -EBADMSG;
		time_append(&value, times[i]);
	}
	(void)cache_file_put(screened, m->client, str_view(&value), now, m->expires);
	if (!sweeps)
		task_spawn("sweep", screened_sweep, NULL);
	sweeps = true;
	return ipc_send(ipc, done);
}
