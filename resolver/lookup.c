/*
 * A question to libunbound and its answer, as a task. What is done with an answer is decided by
 * who asked.
 */
#include "lookup.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "settings.h"
#include "task/task.h"

#define LOOKUPS_MAX    1000 /* questions under way; more wait in line */
#define CLASS_IN       1
#define TYPE_DNSKEY    48
#define PROBE_TIMEOUT  ((msec_t)5 * 1000)
#define PROBE_INTERVAL ((msec_t)30 * 1000) /* between two that came to nothing */
/* So long a failed proof counts: whoever could forge one answer must not decide for good. */
#define RETRY_PROBE ((msec_t)120 * 1000)

/* The program's state. */
static struct {
	struct ub_ctx *validating, *plain; /* plain: NULL if answers must be validated */
	struct ub_ctx *context;		   /* the one in use */
	bool proven;			   /* validation works: settled for good */
	msec_t next_probe;
	struct task_lock probing;
	size_t under_way;
	struct waitlist room;
} resolver;

/* One question under way, on the stack of the task that asks. */
struct waiting {
	struct waitlist woken;
	struct ub_result *result;
	int error;
	bool done;
};

int lookup_prepare(struct error *err)
{
	struct view mode = view_of(param.dnssec_validation);
	bool is_auto = view_is(mode, "auto");

	WAITLIST_INIT(&resolver.room);
	WAITLIST_INIT(&resolver.probing.waiting);
	if (!is_auto && !view_is(mode, "yes") && !view_is(mode, "no"))
		return error_set(err, -EINVAL, "dnssec_validation: expected yes, no or auto");
	if (!view_is(mode, "no")) {
		resolver.validating = settings_context(true, err);
		if (resolver.validating == NULL)
			return -EINVAL;
	}
	if (!view_is(mode, "yes")) {
		resolver.plain = settings_context(false, err);
		if (resolver.plain == NULL)
			return -EINVAL;
	}
	resolver.context = resolver.validating != NULL ? resolver.validating : resolver.plain;
	resolver.proven = !is_auto;
	return 0;
}

/* Hands answers to those who wait for them, as long as the program lives. */
static void pump(void *argument)
{
	struct ub_ctx *context = argument;
	int fd = ub_fd(context);

	for (;;) {
		int r = task_wait_reply(fd, MSEC_FOREVER);

		if (r == 0)
			r = ub_process(context) == 0 ? 0 : -EIO;
		if (r < 0)
			log_fatal("libunbound gives no more answers (%d)", r);
	}
}

void lookup_start(void)
{
	if (resolver.validating != NULL)
		task_spawn("pump", pump, resolver.validating);
	if (resolver.plain != NULL)
		task_spawn("pump", pump, resolver.plain);
}

static void lookup_take_result(void *argument, int error, struct ub_result *result)
{
	struct waiting *w = argument;

	w->result = result;
	w->error = error;
	w->done = true;
	wake_all(&w->woken);
}

/* 0 with the result, or a negative errno with a reason. */
static int unbound_ask(struct ub_ctx *context, const char *question, uint32_t type, msec_t timeout,
		       struct lookup *lookup)
{
	struct waiting w = { .done = false };
	msec_t deadline = clock_after(timeout);
	int id = 0, r;

	WAITLIST_INIT(&w.woken);
	r = ub_resolve_async(context, question, (int)type, CLASS_IN, &w, lookup_take_result, &id);
	if (r != 0) {
		str_printf(&lookup->reason, "%s", ub_strerror(r));
		return -EIO;
	}
	while (!w.done) {
		if (wait_on(&w.woken, deadline) == -ETIMEDOUT && !w.done) {
			ub_cancel(context, id); /* take_result will not be called */
			str_printf(&lookup->reason, "no answer in %d s", (int)(timeout / 1000));
			return -ETIMEDOUT;
		}
	}
	if (w.error != 0 || w.result == NULL) {
		ub_resolve_free(w.result);
		str_printf(&lookup->reason, "%s", ub_strerror(w.error));
		return -EIO;
	}
	lookup->result = w.result;
	return 0;
}

/* No signatures this time: they may be missing, or somebody may want us to think so. */
static void probe_failed(void)
{
	if (resolver.context != resolver.plain)
		log_warning("the name servers asked hand on no DNSSEC signatures: answers are not "
			    "validated (dnssec_validation = auto), which is tried again later");
	resolver.context = resolver.plain;
	resolver.next_probe = clock_after(RETRY_PROBE);
}

static void probe_succeeded(void)
{
	if (resolver.context != resolver.validating)
		log_info("the name servers asked hand on DNSSEC signatures again: answers are "
			 "validated");
	resolver.context = resolver.validating;
	resolver.proven = true;
}

/*
 * With dnssec_validation = auto: do the servers that we ask hand on signatures? Many a router's
 * forwarder does not, and then no name at all would resolve. Asks for the root zone's keys until
 * there is an answer either way.
 */
static void probe(void)
{
	struct lookup lookup = { 0 };

	if (resolver.proven || clock_now() < resolver.next_probe)
		return;
	task_lock(&resolver.probing);
	if (!resolver.proven && clock_now() >= resolver.next_probe) {
		if (unbound_ask(resolver.validating, ".", TYPE_DNSKEY, PROBE_TIMEOUT, &lookup) < 0)
			resolver.next_probe = clock_after(PROBE_INTERVAL);
		else if (lookup.result->secure)
			probe_succeeded();
		else if (lookup.result->bogus)
			probe_failed();
		else
			resolver.next_probe = clock_after(PROBE_INTERVAL);
	}
	task_unlock(&resolver.probing);
	lookup_free(&lookup);
}

void lookup_ask(const char *question, uint32_t type, struct lookup *lookup)
{
	msec_t deadline = clock_after(param.dns_timeout);

	*lookup = (struct lookup){ 0 };
	while (resolver.under_way >= LOOKUPS_MAX) {
		if (wait_on(&resolver.room, deadline) < 0) {
			str_append_cstr(&lookup->reason, "too many questions under way");
			return;
		}
	}
	resolver.under_way++;
	probe();
	unbound_ask(resolver.context, question, type, param.dns_timeout, lookup);
	resolver.under_way--;
	wake_one(&resolver.room);
}

void lookup_free(struct lookup *lookup)
{
	ub_resolve_free(lookup->result); /* NULL is allowed */
	str_free(&lookup->reason);
}
