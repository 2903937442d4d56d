/*
 * A master.cf that was written for Postfix. It is known by a line for a program that only Postfix
 * has, where there is none for a program that only we have. Then:
 *
 *	what another program does here, or qmgr itself, is left out	pickup, tlsmgr, error ...
 *	what has another name gets it					virtual -> local ...
 *	what Postfix does not have is added from our default		resolver, auth ...
 *	a socket is where our programs look for it			private/cleanup ...
 *
 * A file that was written for us stays as it is; what it lacks is named.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/programs.h"
#include "defaults.h"
#include "master.h"

enum fate { FATE_ELSEWHERE, FATE_LATER, FATE_RENAMED };

static const struct {
	const char *program;
	enum fate fate;
	const char *ours, *argument; /* of what is renamed */
} programs[] = {
	{ "pickup", FATE_ELSEWHERE, NULL, NULL },
	{ "trivial-rewrite", FATE_ELSEWHERE, NULL, NULL },
	{ "proxymap", FATE_ELSEWHERE, NULL, NULL },
	{ "tlsmgr", FATE_ELSEWHERE, NULL, NULL },
	{ "tlsproxy", FATE_ELSEWHERE, NULL, NULL },
	{ "dnsblog", FATE_ELSEWHERE, NULL, NULL },
	{ "scache", FATE_ELSEWHERE, NULL, NULL },
	{ "error", FATE_ELSEWHERE, NULL, NULL },
	{ "discard", FATE_ELSEWHERE, NULL, NULL },
	{ "nbdb_reindexd", FATE_ELSEWHERE, NULL, NULL },
	{ "flush", FATE_LATER, NULL, NULL },
	{ "qmqpd", FATE_LATER, NULL, NULL },
	{ "oqmgr", FATE_RENAMED, "qmgr", NULL },
	{ "virtual", FATE_RENAMED, "local", NULL },
	{ "lmtp", FATE_RENAMED, "smtp", "lmtp" },
	{ "postscreen", FATE_RENAMED, "smtpd", NULL },
};

static size_t find_program(const char *name)
{
	size_t i = 0;

	/* What is here under its own name is nobody else's. */
	if (program_find(name) != NULL)
		return ARRAY_SIZE(programs);
	while (i < ARRAY_SIZE(programs) && strcmp(programs[i].program, name) != 0)
		i++;
	return i;
}

static struct service *find_service(const struct services *services, enum service_type type,
				    const char *name)
{
	for (size_t i = 0; i < services->count; i++)
		if (services->items[i].type == type && strcmp(services->items[i].name, name) == 0)
			return &services->items[i];
	return NULL;
}

static bool has_program(const struct services *services, const char *program)
{
	for (size_t i = 0; i < services->count; i++)
		if (strcmp(services->items[i].program, program) == 0)
			return true;
	return false;
}

static void set_text(char **text, const char *value)
{
	free(*text);
	*text = mem_strdup(value);
}

static bool has_argument(const struct service *line, const char *argument)
{
	for (char **at = line->arguments; *at != NULL; at++)
		if (strcmp(*at, argument) == 0)
			return true;
	return false;
}

static void postfix_add_argument(struct service *line, const char *argument)
{
	size_t count = 0;

	while (line->arguments[count] != NULL)
		count++;
	line->arguments = mem_resize(line->arguments, count + 2, sizeof(char *));
	line->arguments[count] = mem_strdup(argument);
	line->arguments[count + 1] = NULL;
}

/* ---- lines that are there ---- */

static void line_set(struct service *line, const char *name, const char *value)
{
	line->overrides =
		mem_resize(line->overrides, line->override_count + 1, sizeof(*line->overrides));
	line->overrides[line->override_count++] = (struct conf_override){
		.name = mem_strdup(name),
		.value = mem_strdup(value),
	};
}

/*
 * Clients that postscreen lets pass go to the smtpd that it names: here that one looks at them itself.
 * So it has the settings of both lines: its own, and of the other what is postscreen's.
 */
static void screen_become_smtpd(const struct services *lines, struct service *screen)
{
	const struct service *behind = find_service(lines, SERVICE_PASS, "smtpd");

	struct conf_override *own = screen->overrides;
	size_t count = screen->override_count;

	screen->overrides = NULL;
	screen->override_count = 0;
	/* That one postscreen is enough says nothing of smtpd. */
	screen->processes = behind != NULL ? behind->processes : -1;
	for (size_t i = 0; behind != NULL && i < behind->override_count; i++)
		line_set(screen, behind->overrides[i].name, behind->overrides[i].value);
	for (size_t i = 0; i < count; i++) {
		if (view_starts(view_of(own[i].name), VIEW("postscreen_")))
			line_set(screen, own[i].name, own[i].value);
		free((char *)own[i].name);
		free((char *)own[i].value);
	}
	free(own);
	line_set(screen, "postscreen_enable", "yes");
}

static void rename_program(struct services *lines, struct service *line, size_t which)
{
	if (strcmp(line->program, "postscreen") == 0)
		screen_become_smtpd(lines, line);
	set_text(&line->program, programs[which].ours);
	if (programs[which].argument != NULL)
		postfix_add_argument(line, programs[which].argument);
}

/* Whether a line has work here. The names of those whose work others do go to *elsewhere. */
static bool is_left_out(const struct service *line, struct str *elsewhere, struct str *notes)
{
	size_t which = find_program(line->program);
	bool is_known = which < ARRAY_SIZE(programs);

	if ((is_known && programs[which].fate == FATE_ELSEWHERE) ||
	    (strcmp(line->program, "bounce") == 0 && strcmp(line->name, "bounce") != 0) ||
	    (line->type == SERVICE_PASS && strcmp(line->program, "smtpd") == 0)) {
		str_printf(elsewhere, "%s%s", elsewhere->len > 0 ? ", " : "", line->name);
		return true;
	}
	if (line->type != SERVICE_INET && line->type != SERVICE_UNIX)
		str_printf(notes, "master.cf, line %d: services of type %s are not used: %s\n",
			   line->line, service_type_name(line->type), line->name);
	else if (is_known && programs[which].fate == FATE_LATER)
		str_printf(notes,
			   "master.cf, line %d: program %s is not there yet: no service %s\n",
			   line->line, line->program, line->name);
	else
		return false;
	return true;
}

/* ---- all together ---- */

static void adapt_line(struct services *lines, struct service *line,
		       const struct services *defaults)
{
	const struct service *ours = find_service(defaults, line->type, line->name);
	size_t which = find_program(line->program);

	if (which < ARRAY_SIZE(programs) && programs[which].fate == FATE_RENAMED)
		rename_program(lines, line, which);
	/* Of what Postfix has for everybody, only showq is for everybody here. */
	line->private_socket = line->type == SERVICE_UNIX && strcmp(line->program, "showq") != 0;
	if (line->type != SERVICE_UNIX || ours == NULL)
		return;
	for (char **argument = ours->arguments; *argument != NULL; argument++)
		if (view_starts(view_of(*argument), VIEW("also=")) &&
		    !has_argument(line, *argument))
			postfix_add_argument(line, *argument);
}

static void take_overrides(struct service *to, const struct service *from)
{
	if (from == NULL)
		return;
	to->overrides = mem_resize(to->overrides, to->override_count + from->override_count + 1,
				   sizeof(*to->overrides));
	for (size_t i = 0; i < from->override_count; i++)
		to->overrides[to->override_count++] =
			(struct conf_override){ .name = mem_strdup(from->overrides[i].name),
						.value = mem_strdup(from->overrides[i].value) };
}

/*
 * Local users' mail: what Postfix's pickup hands to a cleanup service is taken by our submit, which
 * is both. So it gets the settings of both, pickup's own last.
 */
static void settle_submission(const struct services *lines, struct services *defaults)
{
	struct service *submit = find_service(defaults, SERVICE_UNIX, "submit");
	const struct service *pickup = NULL;
	const char *name = "cleanup";

	for (size_t i = 0; i < lines->count; i++)
		if (strcmp(lines->items[i].program, "pickup") == 0)
			pickup = &lines->items[i];
	for (size_t i = 0; pickup != NULL && i < pickup->override_count; i++)
		if (strcmp(pickup->overrides[i].name, "cleanup_service_name") == 0)
			name = pickup->overrides[i].value;
	if (submit == NULL)
		return;
	take_overrides(submit, find_service(lines, SERVICE_UNIX, name));
	take_overrides(submit, pickup);
}

static void postfix_leave_out(struct services *lines, struct str *notes)
{
	_cleanup_(str_free) struct str elsewhere = STR_EMPTY;
	struct services gone = { .items = mem_new_array(struct service, lines->count + 1) };
	size_t kept = 0;

	for (size_t i = 0; i < lines->count; i++) {
		struct services *to =
			is_left_out(&lines->items[i], &elsewhere, notes) ? &gone : lines;

		to->items[to == lines ? kept++ : gone.count++] = lines->items[i];
	}
	lines->count = kept;
	services_free(&gone);
	if (elsewhere.len > 0)
		str_printf(notes, "master.cf: left out, as others do their work: %s\n",
			   str_cstr(&elsewhere));
}

static void move_service(struct services *lines, struct service *from)
{
	lines->items = mem_resize(lines->items, lines->count + 1, sizeof(*lines->items));
	lines->items[lines->count] = *from;
	lines->items[lines->count++].line = 0;
	*from = (struct service){ .name = mem_strdup(""), .program = mem_strdup("") };
}

/* qmgr's agents: which there are is the site's choice. */
static bool is_transport(const struct program *program)
{
	for (const struct program_peer *peer = program->peers; peer->client != NULL; peer++)
		if (peer->messages[0] == MSG_deliver)
			return true;
	return false;
}

/* Of servers that ask servers: each program is looked at a few times at most. */
#define NEED_DEPTH 4

/* It is there, anybody may ask for it, or one that is needed does. */
static bool is_needed(const struct services *lines, const char *name, unsigned depth)
{
	const struct program *program = program_find(name);

	if (has_program(lines, name))
		return true;
	if (program == NULL || depth == 0 || is_transport(program))
		return false;
	for (const struct program_peer *peer = program->peers; peer->client != NULL; peer++)
		if (strcmp(peer->client, PEER_ANYBODY) == 0 ||
		    is_needed(lines, peer->client, depth - 1))
			return true;
	return false;
}

/* Adds what is missing, or only names it: a master.cf of ours may be meant to lack something. */
static void find_missing(struct services *lines, struct services *defaults, bool add,
			 struct str *notes)
{
	_cleanup_(str_free) struct str names = STR_EMPTY;

	for (size_t i = 0; i < defaults->count; i++) {
		struct service *ours = &defaults->items[i];

		if (ours->type != SERVICE_UNIX || is_transport(program_find(ours->program)) ||
		    !is_needed(lines, ours->program, NEED_DEPTH) ||
		    find_service(lines, SERVICE_UNIX, ours->name) != NULL)
			continue;
		str_printf(&names, "%s%s", names.len > 0 ? ", " : "", ours->name);
		if (add)
			move_service(lines, ours);
	}
	if (names.len > 0)
		str_printf(notes, "master.cf %s share/posta/master.cf: %s\n",
			   add ? "was written for Postfix: services added as in"
			       : "lacks services that are in",
			   str_cstr(&names));
}

void postfix_adapt(struct services *lines, struct str *notes)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct services defaults;
	bool of_postfix = services_are_of_postfix(lines);

	if (services_parse(view_of(default_master_cf), "default", &defaults, &report) < 0)
		abort(); /* a mistake in what we were built from */
	if (of_postfix) {
		settle_submission(lines, &defaults);
		for (size_t i = 0; i < lines->count; i++)
			adapt_line(lines, &lines->items[i], &defaults);
	}
	postfix_leave_out(lines, notes);
	if (lines->count > 0)
		find_missing(lines, &defaults, of_postfix, notes);
	services_free(&defaults);
}
