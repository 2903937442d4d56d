/*
 * What names expand to. The agent is replaced by this file's table of :include: and .forward texts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "local.h"
#include "mail/address.h"

static const char *const aliases[][2] = {
	{ "root", "alice" },
	{ "postmaster", "root" },
	{ "alice", NULL },
	{ "both", "alice, bob@elsewhere.test" },
	{ "carol", "carol, copy@elsewhere.test" },
	{ "dave", "\\dave, copy@elsewhere.test" },
	{ "prog", "|/bin/x y" },
	{ "file", "/var/mail/f, /srv/m/" },
	{ "list", ":include:/lists/a" },
	{ "owner-list", "admin@elsewhere.test" },
	{ "nested", "list, alice" },
	{ "missing", ":include:/lists/none" },
	{ "later", ":include:/lists/later" },
	{ "evil", ":include:/lists/evil" },
	{ "mixed", ":include:/lists/mixed" },
	{ "owner-mixed", "admin@elsewhere.test" },
	{ "blanks", "a@d2.test b@d2.test, c@d2.test" },
	{ "broken", "alice, <bob" },
	{ "nests", ":include:/lists/nests" },
	{ "loop1", "loop2" },
	{ "loop2", "loop1, alice" },
	{ "twice", "alice, root, postmaster, ALICE@local.test" },
	{ "plus+x", "plus-x@elsewhere.test" },
	{ "plus", "plus@elsewhere.test" },
	{ "empty", "# nothing" },
};

static const char *forward_text; /* of every user; NULL: none */

int agent_source(const struct job *job, uint8_t source, const char *owner, const char *via,
		 struct str *text, struct outcome *outcome)
{
	(void)job;
	(void)owner;
	if (source == SOURCE_FORWARD) {
		if (forward_text == NULL)
			return 0;
		str_append_cstr(text, forward_text);
		return 1;
	}
	if (strcmp(via, "/lists/a") == 0)
		str_append_cstr(text, "one@elsewhere.test\n# comment\ntwo\none@elsewhere.test\n");
	else if (strcmp(via, "/lists/evil") == 0)
		str_append_cstr(text, "|/bin/evil\n");
	else if (strcmp(via, "/lists/mixed") == 0)
		str_append_cstr(text,
				"one@elsewhere.test\n|/bin/evil\ntwo@elsewhere.test # a remark\n");
	else if (strcmp(via, "/lists/nests") == 0)
		str_append_cstr(text, "one@elsewhere.test\n:include:/lists/a\n");
	else if (strcmp(via, "/lists/later") == 0)
		return outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE, "later"), -EAGAIN;
	else
		return 0;
	return 1;
}

/* Not called here; plan.c has them. */
void mailbox_deliver_to(struct job *job, struct view user, struct outcome *outcome)
{
	(void)job;
	if (view_is(user, "loop1")) {
		outcome_set(outcome, OUTCOME_FAILED, "5.1.1", VIEW_NONE, "unknown user");
		outcome->cause = CAUSE_NO_USER;
	} else
		outcome_set(outcome, OUTCOME_DELIVERED, "2.0.0", VIEW_NONE, "mailbox %.*s",
			    VIEW_ARG(user));
}

void agent_program(const struct job *job, const struct action *action, struct outcome *outcome)
{
	(void)job;
	if (strcmp(action->text, "fail") == 0)
		outcome_set(outcome, OUTCOME_FAILED, "5.3.0", VIEW_NONE, "failed");
	else if (strcmp(action->text, "later") == 0)
		outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE, "later");
	else
		outcome_set(outcome, OUTCOME_DELIVERED, "2.0.0", VIEW_NONE, "ran %s", action->text);
}

static int forwarded;

void forward_submit(const struct plan *plan, struct job *job, struct outcome *outcome)
{
	(void)plan;
	(void)job;
	forwarded++;
	outcome_set(outcome, OUTCOME_EXPANDED, "2.0.0", VIEW_NONE, "forwarded");
}

static int told_owner;

void forward_tell_owner(struct job *job, const char *reason, struct outcome *outcome)
{
	(void)job;
	assert_non_null(strstr(reason, "not allowed"));
	told_owner++;
	outcome_set(outcome, OUTCOME_EXPANDED, "2.0.0", VIEW_NONE, "told");
}

static int set_up(void **unused)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, report = STR_EMPTY;
	struct error err = ERROR_NONE;

	(void)unused;
	str_append_cstr(&text, "myorigin = local.test\nmydestination = local.test\n"
			       "recipient_delimiter = +\nalias_maps = inline:{");
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (aliases[i][1] != NULL)
			str_printf(&text, " { %s = %s }", aliases[i][0], aliases[i][1]);
	str_append_cstr(&text, " }\n");
	if (conf_load_text(str_view(&text), "/nowhere", NULL, 0, &report) < 0)
		fail_msg("%s", str_cstr(&report));
	if (expand_prepare(&err) < 0)
		fail_msg("%s", err.text);
	return 0;
}

struct fixture {
	struct delivery d;
	struct delivery_recipient recipient;
	struct job job;
	struct plan plan;
	struct outcome outcome;
	struct str described;
};

static void begin(struct fixture *f, const char *address, const char *sender)
{
	*f = (struct fixture){ .outcome = { .kind = OUTCOME_DEFERRED } };
	str_set(&f->d.queue_id, VIEW("4ABC"));
	str_set(&f->d.sender, view_of(sender));
	str_set(&f->job.sender, view_of(sender));
	f->job.d = &f->d;
	f->job.recipient = &f->recipient;
	f->job.address = view_of(address);
	address_split(f->job.address, &f->job.local, &f->job.domain);
	f->job.user = f->job.local;
	address_split_extension(f->job.local, "+", &f->job.user, &f->job.extension);
}

static const char *describe(struct fixture *f)
{
	static const char *const kinds[] = { "command", "file", "mailbox", "refused", "address" };

	for (size_t i = 0; i < f->plan.count; i++)
		str_printf(&f->described, "%s%s %s%s", i > 0 ? ", " : "",
			   kinds[f->plan.actions[i].kind], f->plan.actions[i].text,
			   f->plan.actions[i].leaf ? " (leaf)" : "");
	return str_cstr(&f->described);
}

static void end(struct fixture *f)
{
	delivery_plan_free(&f->plan);
	outcome_free(&f->outcome);
	str_free(&f->described);
	str_free(&f->d.queue_id);
	str_free(&f->d.sender);
	str_free(&f->job.sender);
}

/* propagate_unmatched_extensions: what the name had beyond the alias goes to where that leads. */
static void extensions(void **unused)
{
	static const struct {
		const char *list, *address, *plan;
	} cases[] = {
		{ "canonical", "root+x@local.test", "address alice@local.test (leaf)" },
		{ "alias", "root+x@local.test", "address alice+x@local.test (leaf)" },
		{ "alias", "root@local.test", "address alice@local.test (leaf)" },
		{ "alias", "both+x@local.test",
		  "address alice+x@local.test (leaf), address bob+x@elsewhere.test" },
		{ "alias", "carol+x@local.test", "mailbox carol, address copy+x@elsewhere.test" },
		{ "alias", "list+x@local.test",
		  "address one@elsewhere.test, address two@local.test (leaf)" },
		{ "alias, include", "list+x@local.test",
		  "address one+x@elsewhere.test, address two+x@local.test (leaf)" },
		/* An alias of its own: nothing is left over. */
		{ "alias", "plus+x@local.test", "address plus-x@elsewhere.test" },
	};
	const char *before = param.propagate_unmatched_extensions;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f;

		param.propagate_unmatched_extensions = cases[i].list;
		begin(&f, cases[i].address, "s@x.test");
		assert_int_equal(expand_alias(&f.job, &f.plan, &f.outcome), 1);
		if (strcmp(describe(&f), cases[i].plan) != 0)
			fail_msg("%s, %s: %s", cases[i].list, cases[i].address,
				 str_cstr(&f.described));
		end(&f);
	}
	param.propagate_unmatched_extensions = before;
}

static void alias_results(void **unused)
{
	static const struct {
		const char *address;
		int r;
		const char *plan;
	} cases[] = {
		{ "alice@local.test", 0, "" },
		{ "unknown@local.test", 0, "" },
		{ "root@local.test", 1, "address alice@local.test (leaf)" },
		{ "postmaster@local.test", 1, "address alice@local.test (leaf)" },
		{ "both@local.test", 1,
		  "address alice@local.test (leaf), address bob@elsewhere.test" },
		{ "carol@local.test", 1, "mailbox carol, address copy@elsewhere.test" },
		{ "dave@local.test", 1, "mailbox dave, address copy@elsewhere.test" },
		{ "prog@local.test", 1, "command /bin/x y" },
		{ "file@local.test", 1, "file /var/mail/f, file /srv/m/" },
		{ "list@local.test", 1,
		  "address one@elsewhere.test, address two@local.test (leaf)" },
		{ "nested@local.test", 1,
		  "address list@local.test, address alice@local.test (leaf)" },
		{ "missing@local.test", -ENOENT, "" },
		{ "later@local.test", -EAGAIN, "" },
		{ "evil@local.test", 1,
		  "refused mail to \"/bin/evil\" is not allowed by allow_mail_to_commands (it "
		  "stands "
		  "in /lists/evil)" },
		{ "mixed@local.test", 1,
		  "address one@elsewhere.test, refused mail to \"/bin/evil\" is not allowed by "
		  "allow_mail_to_commands (it stands in /lists/mixed), address "
		  "two@elsewhere.test" },
		{ "blanks@local.test", 1,
		  "address a@d2.test, address b@d2.test, address c@d2.test" },
		{ "broken@local.test", -EINVAL, "" },
		{ "nests@local.test", -EINVAL, "" },
		{ "loop1@local.test", 1, "mailbox loop1, address alice@local.test (leaf)" },
		{ "twice@local.test", 1, "address alice@local.test (leaf)" },
		{ "plus+x@local.test", 1, "address plus-x@elsewhere.test" },
		{ "plus+y@local.test", 1, "address plus@elsewhere.test" },
		{ "empty@local.test", 1, "" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f;

		begin(&f, cases[i].address, "sender@elsewhere.test");

		int r = expand_alias(&f.job, &f.plan, &f.outcome);

		if (r != cases[i].r)
			fail_msg("%s: %d instead of %d (%s)", cases[i].address, r, cases[i].r,
				 str_cstr(&f.outcome.text));
		if (r == 1 && strcmp(describe(&f), cases[i].plan) != 0)
			fail_msg("%s: %s", cases[i].address, str_cstr(&f.described));
		end(&f);
	}
}

static void owners(void **unused)
{
	struct fixture f;

	(void)unused;
	begin(&f, "list@local.test", "sender@elsewhere.test");
	assert_int_equal(expand_alias(&f.job, &f.plan, &f.outcome), 1);
	assert_string_equal(str_cstr(&f.job.sender), "owner-list@local.test");
	end(&f);
	/* A report about a report must not begin. */
	begin(&f, "list@local.test", "");
	assert_int_equal(expand_alias(&f.job, &f.plan, &f.outcome), 1);
	assert_int_equal(f.job.sender.len, 0);
	end(&f);
	begin(&f, "both@local.test", "sender@elsewhere.test");
	assert_int_equal(expand_alias(&f.job, &f.plan, &f.outcome), 1);
	assert_string_equal(str_cstr(&f.job.sender), "sender@elsewhere.test");
	end(&f);
}

static void forwards(void **unused)
{
	static const struct {
		const char *text;
		int r;
		const char *plan;
	} cases[] = {
		{ NULL, 0, "" },
		{ "", 0, "" },
		{ "# nothing\n", 0, "" },
		{ "other@elsewhere.test\n", 1, "address other@elsewhere.test" },
		{ "\\alice\n\"|/usr/bin/vacation alice\"", 1,
		  "mailbox alice, command /usr/bin/vacation alice" },
		{ "alice@local.test, bob", 1, "mailbox alice, address bob@local.test" },
		{ "Alice", 1, "mailbox alice" },
		{ "\\bob", 1, "address bob@local.test" },
		{ "~/x", 1, "address ~/x@local.test" },
		{ ":include:/etc/x", -EINVAL, "" },
		{ "\"open", -EINVAL, "" },
		{ "two words", 1, "address two@local.test, address words@local.test" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f;
		begin(&f, "alice@local.test", "sender@elsewhere.test");
		forward_text = cases[i].text;

		int r = expand_forward(&f.job, VIEW("alice"), &f.plan, &f.outcome);

		if (r != cases[i].r || (r == 1 && strcmp(describe(&f), cases[i].plan) != 0))
			fail_msg("%s: %d %s", cases[i].text, r, str_cstr(&f.described));
		end(&f);
	}
}

static void too_many(void **unused)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct fixture f;

	(void)unused;
	begin(&f, "alice@local.test", "sender@elsewhere.test");
	for (size_t i = 0; i <= PLAN_ACTIONS_MAX; i++)
		str_printf(&text, "u%zu@elsewhere.test\n", i);
	forward_text = str_cstr(&text);
	assert_int_equal(expand_forward(&f.job, VIEW("alice"), &f.plan, &f.outcome), -E2BIG);
	assert_int_equal(f.outcome.kind, OUTCOME_FAILED);
	assert_string_equal(f.outcome.status, "5.2.4");
	end(&f);
}

/* Commands, files, mailboxes, then the rest; put off at once, failures told at the end. */
static void execution(void **unused)
{
	static const struct {
		const char *commands[3];
		bool address;
		uint8_t outcome;
		int forwarded;
	} cases[] = {
		{ { "a" }, false, OUTCOME_DELIVERED, 0 },
		{ { "a" }, true, OUTCOME_EXPANDED, 1 },
		{ { "fail" }, true, OUTCOME_FAILED, 1 },
		{ { "later" }, true, OUTCOME_DEFERRED, 0 },
		{ { "fail", "later" }, true, OUTCOME_DEFERRED, 0 },
		{ { NULL }, false, OUTCOME_FAILED, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f;

		begin(&f, "alice@local.test", "sender@elsewhere.test");
		forwarded = 0;
		if (cases[i].address)
			plan_add(&f.plan, ACTION_ADDRESS, VIEW("x@y.test"), NULL, NULL, false);
		for (size_t c = 0; c < 3 && cases[i].commands[c] != NULL; c++)
			plan_add(&f.plan, ACTION_COMMAND, view_of(cases[i].commands[c]), "alice",
				 NULL, false);
		plan_execute(&f.plan, &f.job, &f.outcome);
		assert_int_equal(f.outcome.kind, cases[i].outcome);
		assert_int_equal(forwarded, cases[i].forwarded);
		end(&f);
	}
}

/* A member that is not allowed keeps nothing from the others; the list's owner hears of it. */
static void refused_members(void **unused)
{
	struct fixture f;

	(void)unused;
	told_owner = forwarded = 0;
	begin(&f, "mixed@local.test", "sender@elsewhere.test");
	assert_int_equal(expand_alias(&f.job, &f.plan, &f.outcome), 1);
	plan_execute(&f.plan, &f.job, &f.outcome);
	assert_int_equal(f.outcome.kind, OUTCOME_EXPANDED);
	assert_int_equal(told_owner, 1);
	assert_int_equal(forwarded, 1);
	end(&f);
	/* Where nobody answers for the list the sender hears of it. */
	begin(&f, "evil@local.test", "sender@elsewhere.test");
	assert_int_equal(expand_alias(&f.job, &f.plan, &f.outcome), 1);
	plan_add(&f.plan, ACTION_ADDRESS, VIEW("x@y.test"), NULL, NULL, false);
	plan_execute(&f.plan, &f.job, &f.outcome);
	assert_int_equal(f.outcome.kind, OUTCOME_FAILED);
	assert_string_equal(f.outcome.status, "5.7.1");
	assert_int_equal(told_owner, 1);
	assert_int_equal(forwarded, 2);
	end(&f);
}

/* "unknown user" would send people to look in the wrong place. */
static void circle_of_aliases(void **unused)
{
	struct fixture f;

	(void)unused;
	begin(&f, "loop1@local.test", "sender@elsewhere.test");
	assert_int_equal(expand_alias(&f.job, &f.plan, &f.outcome), 1);
	plan_execute(&f.plan, &f.job, &f.outcome);
	assert_int_equal(f.outcome.kind, OUTCOME_FAILED);
	assert_string_equal(f.outcome.status, "5.4.6");
	assert_non_null(strstr(str_cstr(&f.outcome.text), "loop2 and loop1"));
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alias_results),   cmocka_unit_test(extensions),
		cmocka_unit_test(owners),	   cmocka_unit_test(forwards),
		cmocka_unit_test(too_many),	   cmocka_unit_test(execution),
		cmocka_unit_test(refused_members), cmocka_unit_test(circle_of_aliases),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
