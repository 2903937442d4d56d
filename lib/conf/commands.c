/* The attributes of pipe(8) and spawn(8) in master.cf. Nothing is looked up, nothing is run. */
#include "conf/commands.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "conf/expand.h"

bool service_has_command(const char *program)
{
	return strcmp(program, "pipe") == 0 || strcmp(program, "spawn") == 0;
}

void service_command_free(struct service_command *command)
{
	free(command->user);
	free(command->group);
	free(command->directory);
	free(command->chroot);
	free(command->null_sender);
	str_free(&command->eol);
	*command = (struct service_command){ 0 };
}

static int command_take_flags(struct service_command *command, struct view value, struct error *err)
{
	static const char letters[] = "BDFORX.>huq"; /* the bits in their order */

	for (size_t i = 0; i < value.len; i++) {
		const char *at = value.data[i] != '\0' ? strchr(letters, value.data[i]) : NULL;

		if (at == NULL)
			return error_set(err, -EINVAL, "flags=: there is no flag \"%c\"",
					 value.data[i]);
		command->flags |= 1U << (at - letters);
	}
	return 0;
}

static int command_take_user(struct service_command *command, struct view value, struct error *err)
{
	size_t colon = view_find_byte(value, ':');
	struct view user = view_first(value, colon);

	if (user.len == 0 || (colon != VIEW_NOT_FOUND && colon + 1 == value.len))
		return error_set(err, -EINVAL, "user=: expected a user, or user:group");
	command->user = mem_strndup(user.data, user.len);
	if (colon != VIEW_NOT_FOUND)
		command->group = mem_strndup(value.data + colon + 1, value.len - colon - 1);
	return 0;
}

static int octal_digit(struct view text, size_t at)
{
	return at < text.len && text.data[at] >= '0' && text.data[at] <= '7' ? text.data[at] - '0'
									     : -1;
}

/* \n, \r and so on as in C, \012 by number. */
static int command_take_eol(struct service_command *command, struct view value, struct error *err)
{
	static const char names[] = "abfnrtv\\", bytes[] = "\a\b\f\n\r\t\v\\";

	str_clear(&command->eol);
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] != '\\' || i + 1 == value.len) {
			str_append_byte(&command->eol, value.data[i]);
			continue;
		}
		i++;
		const char *at = value.data[i] != '\0' ? strchr(names, value.data[i]) : NULL;
		int number = 0, digits = 0;

		for (; digits < 3 && octal_digit(value, i + (size_t)digits) >= 0; digits++)
			number = number * 8 + octal_digit(value, i + (size_t)digits);
		if (digits > 0)
			i += (size_t)digits - 1;
		str_append_byte(&command->eol, digits > 0   ? (char)number
					       : at != NULL ? bytes[at - names]
							    : value.data[i]);
	}
	if (command->eol.len > COMMAND_EOL_MAX)
		return error_set(err, -EINVAL, "eol=: longer than %d bytes", COMMAND_EOL_MAX);
	return 0;
}

static int command_take_size(struct service_command *command, struct view value, struct error *err)
{
	if (view_parse_u64(value, INT64_MAX, &command->size) == 0)
		return 0;
	return error_set(err, -EINVAL, "size=: expected a number of bytes, not \"%.*s\"",
			 VIEW_ARG(value));
}

static int command_take_path(char **path, const char *name, struct view value, struct error *err)
{
	if (value.len == 0 || value.data[0] != '/')
		return error_set(err, -EINVAL, "%s=: expected an absolute path", name);
	free(*path);
	*path = mem_strndup(value.data, value.len);
	return 0;
}

/* One attribute before argv=. */
static int command_take(struct service_command *command, bool is_pipe, struct view name,
			struct view value, struct error *err)
{
	if (view_is_nocase(name, "user") && command->user == NULL)
		return command_take_user(command, value, err);
	if (!is_pipe)
		return error_set(err, -EINVAL, "spawn has no attribute \"%.*s=\"", VIEW_ARG(name));
	if (view_is_nocase(name, "flags"))
		return command_take_flags(command, value, err);
	if (view_is_nocase(name, "eol"))
		return command_take_eol(command, value, err);
	if (view_is_nocase(name, "size"))
		return command_take_size(command, value, err);
	if (view_is_nocase(name, "directory"))
		return command_take_path(&command->directory, "directory", value, err);
	if (view_is_nocase(name, "chroot"))
		return command_take_path(&command->chroot, "chroot", value, err);
	if (!view_is_nocase(name, "null_sender"))
		return error_set(err, -EINVAL, "pipe has no attribute \"%.*s=\"", VIEW_ARG(name));
	free(command->null_sender);
	command->null_sender = mem_strndup(value.len > 0 ? value.data : "", value.len);
	return 0;
}

/* ---- argv= ---- */

bool pipe_macro_is_known(struct view name)
{
	static const char *const names[] = {
		"client_address",
		"client_helo",
		"client_hostname",
		"client_port",
		"client_protocol",
		"domain",
		"envid",
		"extension",
		"mailbox",
		"nexthop",
		"original_recipient",
		"queue_id",
		"recipient",
		"sasl_method",
		"sasl_sender",
		"sasl_username",
		"sender",
		"size",
		"user",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (view_is(name, names[i]))
			return true;
	return false;
}

static void note_unknown(void *argument, struct view name)
{
	struct str *unknown = argument;

	if (unknown->len == 0 && !pipe_macro_is_known(name))
		str_append(unknown, name);
}

static const char *macro_is_empty(void *unused, struct view name)
{
	(void)unused;
	(void)name;
	return "";
}

const char *service_command_argument(const struct service_command *command, size_t n)
{
	return n == 0 ? command->argv[0] + strlen("argv=") : command->argv[n];
}

/* So that a mistake is found at the start, not with the first mail. */
static int check_macros(const struct service_command *command, struct error *err)
{
	_cleanup_(str_free) struct str unknown = STR_EMPTY, text = STR_EMPTY;

	for (size_t i = 0; service_command_argument(command, i) != NULL; i++) {
		struct view word = view_of(service_command_argument(command, i));

		expand_names(word, note_unknown, &unknown);
		if (unknown.len > 0)
			return error_set(err, -EINVAL, "argv=: pipe has no macro ${%s}",
					 str_cstr(&unknown));
		if (value_expand(word, macro_is_empty, NULL, &text, err) < 0)
			return -EINVAL;
	}
	return 0;
}

static int command_take_argv(struct service_command *command, bool is_pipe, const char *const *argv,
			     struct error *err)
{
	command->argv = argv;
	if (argv == NULL || service_command_argument(command, 0)[0] == '\0')
		return error_set(err, -EINVAL, "argv= is missing, or names no command");
	return is_pipe ? check_macros(command, err) : 0;
}

int service_command_parse(const char *program, const char *const *arguments,
			  struct service_command *command, struct error *err)
{
	bool is_pipe = strcmp(program, "pipe") == 0;
	const char *const *argv = NULL;
	int r = 0;

	*command = (struct service_command){ .null_sender = mem_strdup("MAILER-DAEMON") };
	str_append_byte(&command->eol, '\n');
	for (size_t i = 0; r == 0 && argv == NULL && arguments[i] != NULL; i++) {
		struct view text = view_of(arguments[i]);
		size_t equals = view_find_byte(text, '=');
		struct view name = view_first(text, equals);

		if (view_starts(text, VIEW("-")) && equals == VIEW_NOT_FOUND)
			continue; /* -v and the like */
		if (equals == VIEW_NOT_FOUND)
			r = error_set(err, -EINVAL, "expected attribute=value, not \"%s\"",
				      arguments[i]);
		else if (view_is_nocase(name, "argv"))
			argv = &arguments[i];
		else
			r = command_take(command, is_pipe, name, view_from(text, equals + 1), err);
	}
	if (r == 0 && command->user == NULL)
		r = error_set(err, -EINVAL, "user= is missing");
	return r < 0 ? r : command_take_argv(command, is_pipe, argv, err);
}
