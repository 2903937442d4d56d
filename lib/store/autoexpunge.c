/* Folders that are kept short. When that is done is the caller's matter. */
#include "store/autoexpunge.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct autoexpunge_rule {
	char *name;	   /* NULL: by special use */
	bool below;	   /* all folders below it */
	unsigned use;	   /* 0: by name */
	int64_t seconds;   /* 0: for ever */
	uint32_t messages; /* 0: any number */
};

struct autoexpunge {
	struct autoexpunge_rule rules[AUTOEXPUNGE_RULES_MAX];
	size_t count;
};

/* ---- rules ---- */

static bool autoexpunge_age(struct view text, int64_t *seconds)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	uint32_t number;

	for (size_t i = 0; text.len > 1 && i < ARRAY_SIZE(units); i++)
		if (text.data[text.len - 1] == units[i].unit &&
		    view_parse_u32(view_first(text, text.len - 1), UINT32_MAX, &number) == 0 &&
		    number > 0) {
			*seconds = (int64_t)number * units[i].seconds;
			return true;
		}
	return false;
}

static bool autoexpunge_amount(struct view text, struct autoexpunge_rule *rule)
{
	size_t slash = view_find_byte(text, '/');
	struct view count = view_from(text, slash == VIEW_NOT_FOUND ? text.len : slash + 1);

	text = view_first(text, slash);
	if (text.len > 0 && !autoexpunge_age(text, &rule->seconds))
		return false;
	if (slash != VIEW_NOT_FOUND &&
	    (view_parse_u32(count, UINT32_MAX, &rule->messages) < 0 || rule->messages == 0))
		return false;
	return rule->seconds > 0 || rule->messages > 0;
}

static bool autoexpunge_rule_parse(struct view text, struct autoexpunge_rule *rule)
{
	size_t equals = view_find_last_byte(text, '=');
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct view folder = view_first(text, equals);

	*rule = (struct autoexpunge_rule){ 0 };
	if (equals == VIEW_NOT_FOUND || !autoexpunge_amount(view_from(text, equals + 1), rule))
		return false;
	if (view_starts(folder, VIEW("\\"))) {
		rule->use = store_use_find(view_from(folder, 1));
		return rule->use != 0;
	}
	rule->below = view_ends(folder, VIEW(".*"));
	if (rule->below)
		folder.len -= 2;
	if (store_name_normalize(folder, &name, NULL) < 0)
		return false;
	rule->name = str_take(&name);
	return true;
}

struct autoexpunge *autoexpunge_parse(struct view text, struct error *err)
{
	struct autoexpunge *rules = mem_new(struct autoexpunge);
	struct view word;

	while (view_next_word(&text, ", \t\r\n", &word)) {
		if (rules->count < AUTOEXPUNGE_RULES_MAX &&
		    autoexpunge_rule_parse(word, &rules->rules[rules->count++]))
			continue;
		error_set(err, -EINVAL,
			  "\"%.*s\": expected a folder's name (Name, Name.*, \\Use), =, and 30d, "
			  "30d/1000 or /1000",
			  VIEW_ARG(word));
		autoexpunge_free(rules);
		return NULL;
	}
	return rules;
}

void autoexpunge_free(struct autoexpunge *rules)
{
	for (size_t i = 0; rules != NULL && i < rules->count; i++)
		free(rules->rules[i].name);
	free(rules);
}

bool autoexpunge_is_empty(const struct autoexpunge *rules)
{
	return rules->count == 0;
}

/* The first that fits; by name before by use. */
static const struct autoexpunge_rule *autoexpunge_find(const struct autoexpunge *rules,
						       const struct folder_info *folder)
{
	const struct autoexpunge_rule *by_use = NULL;

	for (size_t i = 0; i < rules->count; i++) {
		const struct autoexpunge_rule *rule = &rules->rules[i];
		struct view name = view_of(rule->name);

		if (rule->use != 0) {
			if (by_use == NULL && (rule->use & folder->special_use))
				by_use = rule;
		} else if (!rule->below ? view_eq(folder->name, name)
					: view_starts(folder->name, name) &&
						  folder->name.len > name.len &&
						  folder->name.data[name.len] == '.') {
			return rule;
		}
	}
	return by_use;
}

/* ---- doing it ---- */

struct autoexpunge_walk {
	struct store *store;
	const struct autoexpunge *rules;
	int64_t now;
	size_t removed;
	bool more;
};

/* How many of the first messages are to go. It ends at the first that may stay. */
static int autoexpunge_count(struct mailbox *box, const struct autoexpunge_rule *rule, int64_t now,
			     size_t most, size_t *count)
{
	uint32_t all = mailbox_count(box);

	for (*count = 0; *count < all && *count < most; ++*count) {
		uint32_t left = all - (uint32_t)*count;
		struct message_info info = { 0 };
		int r;

		if (rule->messages > 0 && left > rule->messages)
			continue;
		if (rule->seconds == 0)
			break;
		r = mailbox_info(box, (uint32_t)*count + 1, &info);
		if (r < 0 && r != -ENOENT)
			return r;
		/* A clock that was wrong for a while makes nothing old. */
		if (r == 0 && (info.saved_date <= 0 || info.saved_date > now - rule->seconds))
			break;
	}
	return 0;
}

/* What was looked at and no more: others may have removed some of them meanwhile, or made the folder anew. */
static int autoexpunge_remove(struct autoexpunge_walk *walk, struct view name, uint32_t uidvalidity,
			      uint32_t last_uid, size_t *count)
{
	_cleanup_free_ uint32_t *seqs = mem_new_array(uint32_t, *count);
	_cleanup_(mailbox_closep) struct mailbox *box = NULL;
	size_t most = *count;
	int r = mailbox_open(walk->store, name, MAILBOX_READ_WRITE, &box);

	*count = 0;
	if (r < 0 || mailbox_uidvalidity(box) != uidvalidity)
		return r;
	for (uint32_t seq = 1; seq <= mailbox_count(box) && *count < most; seq++)
		if (mailbox_uid(box, seq) <= last_uid)
			seqs[(*count)++] = seq;
	return *count > 0 ? mailbox_remove(box, seqs, *count) : 0;
}

static int autoexpunge_folder(void *argument, const struct folder_info *folder)
{
	struct autoexpunge_walk *walk = argument;
	const struct autoexpunge_rule *rule = autoexpunge_find(walk->rules, folder);
	size_t count = 0, most = AUTOEXPUNGE_BATCH - walk->removed;
	uint32_t uidvalidity = 0, last_uid = 0;
	struct mailbox *box = NULL;
	int r;

	if (rule == NULL || !folder->exists)
		return 0;
	/* To look claims nobody's \Recent. */
	r = mailbox_open(walk->store, folder->name, MAILBOX_READ_ONLY, &box);
	if (r == 0)
		r = autoexpunge_count(box, rule, walk->now, most, &count);
	if (r == 0 && count > 0) {
		uidvalidity = mailbox_uidvalidity(box);
		last_uid = mailbox_uid(box, (uint32_t)count);
	}
	mailbox_close(box);
	if (r == 0 && count > 0)
		r = autoexpunge_remove(walk, folder->name, uidvalidity, last_uid, &count);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	walk->removed += count;
	walk->more = count == most;
	return walk->more ? 1 : 0;
}

int autoexpunge_run(struct store *store, const struct autoexpunge *rules, size_t *removed)
{
	struct autoexpunge_walk walk = { .store = store, .rules = rules, .now = clock_wall() };
	int r = rules->count > 0 ? store_list(store, autoexpunge_folder, &walk) : 0;

	*removed = walk.removed;
	return r < 0 ? r : walk.more;
}

void autoexpunge_quietly(struct store *store, const struct autoexpunge *rules, const char *user)
{
	size_t removed;
	int r = autoexpunge_run(store, rules, &removed);

	if (removed > 0)
		log_info("user=<%s>: mailbox_autoexpunge: %zu messages removed%s", user, removed,
			 r > 0 ? ", more are due" : "");
	if (r < 0)
		log_warning("user=<%s>: mailbox_autoexpunge: %s", user, strerror(-r));
}
