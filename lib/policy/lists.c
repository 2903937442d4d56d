/* From the text of main.cf to lists of rules. */
#include <errno.h>

#include "conf/conf.h"
#include "mail/address.h"
#include "policy/internal.h"

static int unknown_word(const struct policy *policy, struct view word, const char *where,
			struct error *err)
{
	const char *nearest = NULL;
	size_t best = word.len / 3 + 2;

	for (const struct element *e = policy_elements; e->name != NULL; e++) {
		size_t d = view_distance(word, view_of(e->name));

		if (d < best) {
			best = d;
			nearest = e->name;
		}
	}
	for (size_t i = 0; i < policy->class_count; i++) {
		size_t d = view_distance(word, view_of(policy->classes[i].name));

		if (d < best) {
			best = d;
			nearest = policy->classes[i].name;
		}
	}
	if (nearest == NULL)
		return error_set(err, -EINVAL, "%s: \"%.*s\" is no restriction", where,
				 VIEW_ARG(word));
	return error_set(err, -EINVAL, "%s: \"%.*s\" is no restriction; did you mean %s?", where,
			 VIEW_ARG(word), nearest);
}

static const struct element *find_element(struct view word)
{
	for (const struct element *e = policy_elements; e->name != NULL; e++) {
		if (view_is_nocase(word, e->name))
			return e;
	}
	return NULL;
}

/* "hash:/etc/access" alone means the check that the list is for. */
static const char *default_check(enum policy_stage stage)
{
	switch (stage) {
	case POLICY_CLIENT:
		return "check_client_access";
	case POLICY_HELO:
		return "check_helo_access";
	case POLICY_SENDER:
		return "check_sender_access";
	case POLICY_RELAY:
	case POLICY_RECIPIENT:
		return "check_recipient_access";
	default:
		return NULL;
	}
}

static int open_table(struct view name, const char *where, struct access_table *table,
		      struct error *err)
{
	table->table = table_open(name, 0, err);
	if (table->table == NULL) {
		error_prefix(err, "%s", where);
		return -EINVAL;
	}
	table->pattern = table_wants_whole_key(table->table);
	return 0;
}

static int take_argument(struct rule *rule, struct view argument, const char *where, bool tables,
			 struct error *err)
{
	const char *name = rule->element->name;

	switch (rule->element->argument) {
	case NO_ARGUMENT:
		return 0;
	case TABLE_ARGUMENT:
		if (view_find_byte(argument, ':') == VIEW_NOT_FOUND)
			return error_set(err, -EINVAL,
					 "%s: %s needs a table, like hash:/etc/access", where,
					 name);
		if (!tables)
			return error_set(err, -EINVAL,
					 "%s: %s inside an access table; put it into a class of "
					 "smtpd_restriction_classes",
					 where, name);
		return open_table(argument, where, &rule->table, err);
	case RBL_ARGUMENT: {
		size_t equals = view_find_byte(argument, '=');
		struct view domain = view_first(argument, equals);

		if (!domain_is_valid(domain, false))
			return error_set(err, -EINVAL, "%s: %s needs the domain of a DNS list",
					 where, name);
		str_append(&rule->rbl.domain, domain);
		if (equals != VIEW_NOT_FOUND)
			str_append(&rule->rbl.filter, view_from(argument, equals + 1));
		return 0;
	}
	case SERVICE_ARGUMENT:
		return policy_service_parse(argument, where, &rule->service, err);
	case TIME_ARGUMENT: {
		uint32_t seconds;

		if (view_parse_u32(argument, 300, &seconds) < 0)
			return error_set(err, -EINVAL, "%s: %s needs seconds, at most 300", where,
					 name);
		rule->seconds = seconds;
		return 0;
	}
	}
	return 0;
}

static int compile_class(struct policy *policy, struct rule_list *class, bool tables,
			 struct error *err);

static struct rule_list *find_class(struct policy *policy, struct view word)
{
	for (size_t i = 0; i < policy->class_count; i++) {
		if (view_is(word, policy->classes[i].name))
			return &policy->classes[i];
	}
	return NULL;
}

/* One restriction, whose first word is `word`; its argument, if it takes one, comes off *rest. */
static int compile_word(struct policy *policy, struct view word, struct view *rest,
			enum policy_stage stage, bool tables, struct rule_list *list,
			struct error *err)
{
	struct rule *rule = &list->rules[list->count];
	struct rule_list *class = find_class(policy, word);
	struct view argument = VIEW_NONE;

	*rule = (struct rule){ .list = class };
	if (class != NULL) {
		list->count++;
		return compile_class(policy, class, tables, err);
	}
	rule->element = find_element(word);
	if (rule->element == NULL && view_find_byte(word, ':') != VIEW_NOT_FOUND &&
	    default_check(stage) != NULL) {
		rule->element = find_element(view_of(default_check(stage)));
		argument = word;
	} else if (rule->element == NULL) {
		return unknown_word(policy, word, list->name, err);
	} else if (rule->element->argument != NO_ARGUMENT) {
		conf_next_element(rest, &argument);
	}
	if (rule->element->check == NULL)
		return error_set(err, -EINVAL, "%s: %s is not in force yet", list->name,
				 rule->element->name);
	list->count++;
	return take_argument(rule, argument, list->name, tables, err);
}

int policy_compile(struct policy *policy, struct view text, enum policy_stage stage, bool tables,
		   struct rule_list *list, struct error *err)
{
	struct view word;

	while (conf_next_element(&text, &word)) {
		if (list->count == POLICY_RULES_MAX)
			return error_set(err, -EINVAL, "%s: more than %d restrictions", list->name,
					 POLICY_RULES_MAX);
		array_grow(list->rules, list->count);

		int r = compile_word(policy, word, &text, stage, tables, list, err);

		if (r < 0)
			return r;
	}
	list->compiled = true;
	return 0;
}

static int compile_class(struct policy *policy, struct rule_list *class, bool tables,
			 struct error *err)
{
	if (class->compiled)
		return 0;
	if (class->open)
		return error_set(err, -EINVAL, "smtpd_restriction_classes: %s contains itself",
				 class->name);

	const char *text = conf_get(class->name);

	if (text == NULL)
		return error_set(err, -EINVAL,
				 "smtpd_restriction_classes: the class %s is not defined",
				 class->name);
	class->open = true;

	int r = policy_compile(policy, view_of(text), POLICY_STAGES, tables, class, err);

	class->open = false;
	return r;
}

int policy_compile_classes(struct policy *policy, struct error *err)
{
	struct view rest = view_of(param.smtpd_restriction_classes), word;

	while (conf_next_element(&rest, &word)) {
		if (find_class(policy, word) != NULL)
			continue;
		if (find_element(word) != NULL)
			return error_set(err, -EINVAL,
					 "smtpd_restriction_classes: %.*s is a restriction already",
					 VIEW_ARG(word));
		if (policy->class_count == POLICY_RULES_MAX)
			return error_set(err, -EINVAL, "smtpd_restriction_classes: too many");
		policy->classes = mem_resize(policy->classes, policy->class_count + 1,
					     sizeof(*policy->classes));
		policy->classes[policy->class_count++] =
			(struct rule_list){ .name = mem_strndup(word.data, word.len) };
	}
	for (size_t i = 0; i < policy->class_count; i++) {
		int r = compile_class(policy, &policy->classes[i], true, err);

		if (r < 0)
			return r;
	}
	return 0;
}

void policy_list_free(struct rule_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		table_close(list->rules[i].table.table);
		policy_service_free(list->rules[i].service);
		str_free(&list->rules[i].rbl.domain);
		str_free(&list->rules[i].rbl.filter);
	}
	free(list->rules);
	free(list->name);
	*list = (struct rule_list){ 0 };
}

bool policy_list_guards(const struct rule_list *list)
{
	static rule_function *const guards[] = { policy_reject, policy_defer,
						 policy_do_defer_if_permit,
						 policy_reject_unauth_destination,
						 policy_defer_unauth_destination };

	for (size_t i = 0; i < list->count; i++) {
		const struct element *element = list->rules[i].element;

		if (element == NULL)
			continue;
		/* What stands after an unconditional permit is never reached. */
		if (element->check == policy_permit)
			return false;
		/* With warn_if_reject in front it is only a line in the log. */
		if (element->check == policy_warn_if_reject) {
			i++;
			continue;
		}
		for (size_t n = 0; n < ARRAY_SIZE(guards); n++) {
			if (element->check == guards[n])
				return true;
		}
	}
	return false;
}
