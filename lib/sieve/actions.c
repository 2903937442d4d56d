/*
 * The actions: what is to be done is noted, each thing once; nothing is done here.
 */
#include "base/mem.h"
#include "mail/address.h"
#include "sieve/run.h"

#define VACATION_DAYS_DEFAULT 7
#define VACATION_DAYS_MAX     90
#define VACATION_TEXT_MAX     ((size_t)65536)

/* A new action, or NULL when there are too many. */
static struct sieve_action *action_add(struct sieve_run *run, enum sieve_action_kind kind)
{
	struct sieve_result *result = run->result;
	struct sieve_action *action;
	size_t most = run->message->actions_max > 0 ? run->message->actions_max : SIEVE_ACTIONS_MAX;

	if (result->count >= most) {
		sieve_fail(run, "more than %zu actions", most);
		return NULL;
	}
	array_grow(result->actions, result->count);
	action = &result->actions[result->count++];
	*action = (struct sieve_action){ .kind = kind,
					 .line = run->node != NULL ? run->node->line : 0 };
	return action;
}

static struct sieve_action *action_find(struct sieve_run *run, enum sieve_action_kind kind,
					struct view text)
{
	for (size_t i = 0; i < run->result->count; i++) {
		struct sieve_action *action = &run->result->actions[i];

		if (action->kind == kind && view_eq(str_view(&action->text), text))
			return action;
	}
	return NULL;
}

static void tag_string(struct sieve_run *run, const struct sieve_node *node, const char *name,
		       struct str *out)
{
	const struct sieve_argument *value = NULL;

	if (sieve_tag(node, name, &value) != NULL)
		sieve_string(run, value, out);
}

/* ---- flags (RFC 5232) ---- */

static bool flags_have(const struct str *flags, struct view wanted)
{
	struct view rest = str_view(flags), flag;

	while (view_next_word(&rest, " ", &flag))
		if (view_eq_nocase(flag, wanted))
			return true;
	return false;
}

static void flags_add(struct str *flags, struct view flag)
{
	if (flags_have(flags, flag))
		return;
	if (flags->len > 0)
		str_append_byte(flags, ' ');
	str_append(flags, flag);
}

static void flags_remove(struct str *flags, struct view gone)
{
	_cleanup_(str_free) struct str left = STR_EMPTY;
	struct view rest = str_view(flags), flag;

	while (view_next_word(&rest, " ", &flag))
		if (!view_eq_nocase(flag, gone))
			flags_add(&left, flag);
	str_set(flags, str_view(&left));
}

/* Of a list of strings, each of which may hold several. */
static void flags_of_list(struct sieve_run *run, const struct sieve_argument *list,
			  struct str *flags, bool remove)
{
	size_t count = 0;

	for (size_t i = 0; i < list->strings.count && sieve_step(run); i++) {
		_cleanup_(str_free) struct str text = STR_EMPTY;
		struct view rest, flag;

		sieve_expand(run, str_view(&list->strings.items[i]), &text);
		rest = str_view(&text);
		while (view_next_word(&rest, " ", &flag)) {
			if (view_has_control(flag) || ++count > SIEVE_FLAGS_MAX) {
				sieve_fail(run, "a flag that cannot be, or too many");
				return;
			}
			if (remove)
				flags_remove(flags, flag);
			else
				flags_add(flags, flag);
		}
	}
}

enum sieve_flow sieve_act_flags(struct sieve_run *run, const struct sieve_node *node)
{
	const struct sieve_argument *variable = node->positional[0];
	_cleanup_(str_free) struct str flags = STR_EMPTY, name = STR_EMPTY;
	bool set = view_is(str_view(&node->name), "setflag");
	bool remove = view_is(str_view(&node->name), "removeflag");

	if (variable != NULL && !sieve_has(run, EXTENSION_VARIABLES)) {
		sieve_fail(run, "a variable needs require \"variables\"");
		return FLOW_FAILED;
	}
	if (variable != NULL)
		sieve_string(run, variable, &name);
	if (!set)
		str_append(&flags, variable != NULL ? sieve_variable_get(run, str_view(&name))
						    : str_view(&run->flags));
	flags_of_list(run, node->positional[1], &flags, remove);
	if (variable != NULL)
		sieve_variable_set(run, str_view(&name), str_view(&flags));
	else
		str_set(&run->flags, str_view(&flags));
	return run->failed ? FLOW_FAILED : FLOW_ON;
}

/* What keep and fileinto store with: :flags, or the internal variable. */
static void action_set_flags(struct sieve_run *run, const struct sieve_node *node,
			     struct sieve_action *action)
{
	const struct sieve_argument *list = NULL;

	str_clear(&action->flags);
	if (node != NULL && sieve_tag(node, "flags", &list) != NULL)
		flags_of_list(run, list, &action->flags, false);
	else
		str_set(&action->flags, str_view(&run->flags));
}

/* ---- of scripts ---- */

void sieve_remember(struct sieve_run *run, struct view key, uint64_t seconds)
{
	struct sieve_action *action = action_find(run, SIEVE_REMEMBER, key);

	if (action == NULL)
		action = action_add(run, SIEVE_REMEMBER);
	if (action == NULL)
		return;
	str_set(&action->text, key);
	action->seconds = seconds;
}

enum sieve_flow sieve_act_error(struct sieve_run *run, const struct sieve_node *node)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	sieve_string(run, node->positional[0], &text);
	sieve_fail(run, "%s", str_cstr(&text));
	return FLOW_FAILED;
}

/* ---- where it goes ---- */

static enum sieve_flow add_keep(struct sieve_run *run, const struct sieve_node *node)
{
	struct sieve_action *action = action_find(run, SIEVE_KEEP, VIEW_NONE);

	if (action == NULL)
		action = action_add(run, SIEVE_KEEP);
	if (action == NULL)
		return FLOW_FAILED;
	action_set_flags(run, node, action);
	return run->failed ? FLOW_FAILED : FLOW_ON;
}

void sieve_keep(struct sieve_run *run)
{
	run->node = NULL;
	(void)add_keep(run, NULL);
}

enum sieve_flow sieve_act_keep(struct sieve_run *run, const struct sieve_node *node)
{
	run->kept = false;
	return add_keep(run, node);
}

enum sieve_flow sieve_act_discard(struct sieve_run *run, const struct sieve_node *node)
{
	(void)node;
	run->kept = false;
	return FLOW_ON;
}

/* The folder that the node names otherwise (RFC 9042, RFC 8579), where there is one. */
static void fileinto_find(struct sieve_run *run, const struct sieve_node *node, struct str *folder)
{
	_cleanup_(str_free) struct str id = STR_EMPTY, use = STR_EMPTY, name = STR_EMPTY;

	tag_string(run, node, "mailboxid", &id);
	tag_string(run, node, "specialuse", &use);
	if ((id.len > 0 && sieve_mailbox_by_id(run, str_view(&id), &name)) ||
	    (use.len > 0 && sieve_mailbox_by_use(run, str_view(&use), &name)))
		str_set(folder, str_view(&name));
}

enum sieve_flow sieve_act_fileinto(struct sieve_run *run, const struct sieve_node *node)
{
	_cleanup_(str_free) struct str folder = STR_EMPTY;
	struct sieve_action *action;

	sieve_string(run, node->positional[0], &folder);
	fileinto_find(run, node, &folder);
	if (folder.len == 0 || view_has_control(str_view(&folder)) ||
	    !view_is_utf8(str_view(&folder)) || folder.len > 1000) {
		sieve_fail(run, "fileinto: that is no name of a mailbox");
		return FLOW_FAILED;
	}
	if (sieve_tag(node, "copy", NULL) == NULL)
		run->kept = false;
	if (view_is_nocase(str_view(&folder), "INBOX"))
		return add_keep(run, node);
	action = action_find(run, SIEVE_FILEINTO, str_view(&folder));
	if (action == NULL) {
		action = action_add(run, SIEVE_FILEINTO);
		if (action == NULL)
			return FLOW_FAILED;
		str_append(&action->text, str_view(&folder));
	}
	action->create |= sieve_tag(node, "create", NULL) != NULL;
	action_set_flags(run, node, action);
	return run->failed ? FLOW_FAILED : FLOW_ON;
}

bool sieve_address_is_usable(struct view text, struct str *address)
{
	const char *problem = NULL;
	struct view local, domain;

	if (address_parse_path(&text, false, true, address, &problem) < 0 || text.len > 0)
		return false;
	address_split(str_view(address), &local, &domain);
	return local.len > 0 && domain.len > 0 && address->len <= ADDRESS_MAX;
}

/* One more address that something is sent to. */
static struct sieve_action *action_add_recipient(struct sieve_run *run, enum sieve_action_kind kind,
						 struct view address)
{
	size_t most =
		run->message->redirects_max > 0 ? run->message->redirects_max : SIEVE_REDIRECTS_MAX;
	struct sieve_action *action;

	if (run->redirects++ >= most) {
		sieve_fail(run,
			   kind == SIEVE_REDIRECT
				   ? "more than %zu redirects"
				   : "more than %zu addresses that something is sent to",
			   most);
		return NULL;
	}
	action = action_add(run, kind);
	if (action != NULL)
		str_append(&action->text, address);
	return action;
}

struct sieve_action *sieve_add_notification(struct sieve_run *run, struct view address)
{
	return action_add_recipient(run, SIEVE_NOTIFY, address);
}

enum sieve_flow sieve_act_redirect(struct sieve_run *run, const struct sieve_node *node)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, address = STR_EMPTY;

	sieve_string(run, node->positional[0], &text);
	if (!sieve_address_is_usable(view_trim(str_view(&text)), &address)) {
		sieve_fail(run, "redirect: \"%.60s\" is no address", str_cstr(&text));
		return FLOW_FAILED;
	}
	if (sieve_tag(node, "copy", NULL) == NULL)
		run->kept = false;
	/* To oneself: it would come back, and be taken for a loop. */
	if (view_eq_nocase(str_view(&address), run->message->recipient))
		return add_keep(run, NULL);
	if (action_find(run, SIEVE_REDIRECT, str_view(&address)) != NULL)
		return FLOW_ON;
	return action_add_recipient(run, SIEVE_REDIRECT, str_view(&address)) != NULL ? FLOW_ON
										     : FLOW_FAILED;
}

static bool delivers_already(const struct sieve_run *run)
{
	for (size_t i = run->first; i < run->result->count; i++)
		if (run->result->actions[i].kind != SIEVE_REMEMBER &&
		    run->result->actions[i].kind != SIEVE_NOTIFY)
			return true;
	return false;
}

/* Not together with what delivers it (RFC 5429, 2.1). */
enum sieve_flow sieve_act_reject(struct sieve_run *run, const struct sieve_node *node)
{
	struct sieve_action *action;

	if (delivers_already(run)) {
		sieve_fail(run, "%s cannot stand beside other actions", str_cstr(&node->name));
		return FLOW_FAILED;
	}
	run->kept = false;
	action = action_add(run, SIEVE_REJECT);
	if (action == NULL)
		return FLOW_FAILED;
	sieve_string(run, node->positional[0], &action->text);
	return run->failed ? FLOW_FAILED : FLOW_ON;
}

/* ---- vacation (RFC 5230, 6131) ---- */

static uint64_t vacation_seconds(const struct sieve_node *node)
{
	const struct sieve_argument *value = NULL;
	uint64_t day = 86400;

	if (sieve_tag(node, "seconds", &value) != NULL)
		return MIN(value->number, VACATION_DAYS_MAX * day);
	if (sieve_tag(node, "days", &value) != NULL)
		return MAX(MIN(value->number, (uint64_t)VACATION_DAYS_MAX), (uint64_t)1) * day;
	return VACATION_DAYS_DEFAULT * day;
}

enum sieve_flow sieve_act_vacation(struct sieve_run *run, const struct sieve_node *node)
{
	const struct sieve_argument *addresses = NULL;
	struct sieve_action *action;

	for (size_t i = 0; i < run->result->count; i++)
		if (run->result->actions[i].kind == SIEVE_VACATION) {
			sieve_fail(run, "vacation a second time");
			return FLOW_FAILED;
		}
	action = action_add(run, SIEVE_VACATION);
	if (action == NULL)
		return FLOW_FAILED;
	sieve_string(run, node->positional[0], &action->text);
	tag_string(run, node, "subject", &action->subject);
	tag_string(run, node, "from", &action->from);
	tag_string(run, node, "handle", &action->handle);
	action->seconds = vacation_seconds(node);
	action->mime = sieve_tag(node, "mime", NULL) != NULL;
	if (sieve_tag(node, "addresses", &addresses) != NULL)
		for (size_t i = 0; i < addresses->strings.count && sieve_step(run); i++) {
			sieve_expand(run, str_view(&addresses->strings.items[i]),
				     &action->addresses);
			str_append_byte(&action->addresses, '\n');
		}
	if (action->text.len > VACATION_TEXT_MAX || view_has_control(str_view(&action->subject)) ||
	    view_has_control(str_view(&action->from))) {
		sieve_fail(run, "vacation: a text that is too long, or a line end in a field");
		return FLOW_FAILED;
	}
	return run->failed ? FLOW_FAILED : FLOW_ON;
}
