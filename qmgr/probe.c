/*
 * Telling verify what became of its probes. What is lost here is no loss: verify begins another probe
 * when it is asked again.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "qmgr.h"
#include "services/clients.h"

#define TOLD_AT_ONCE_MAX 1000

static size_t telling;

struct told {
	struct str address, text;
	uint8_t outcome;
};

bool attempt_is_probe(const struct attempt *a)
{
	return (queue_file_envelope(a->file)->flags & MAIL_FLAG_PROBE) != 0;
}

static void probe_tell_run(void *argument)
{
	struct told *t = argument;
	int r = verify_tell_result(str_view(&t->address), t->outcome, str_view(&t->text));

	if (r < 0)
		log_warning("verify does not hear of the probe of <%s>: %s", str_cstr(&t->address),
			    strerror(-r));
	str_free(&t->address);
	str_free(&t->text);
	free(t);
	telling--;
	daemon_work_end();
}

void probe_tell(struct attempt *a, struct view address, uint8_t outcome, struct view text)
{
	struct told *t;

	if (telling >= TOLD_AT_ONCE_MAX) {
		log_warning("%s: verify does not keep up: it does not hear of this probe",
			    a->message->id);
		return;
	}
	t = mem_new(struct told);
	str_set(&t->address, address);
	str_set(&t->text, view_first(text, IPC_TEXT_MAX));
	t->outcome = outcome;
	telling++;
	daemon_work_begin();
	task_spawn("probe", probe_tell_run, t);
}
