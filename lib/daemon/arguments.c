/* The command line that master gives a program. Nobody else starts one. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "base/mem.h"
#include "daemon/internal.h"

/* "key=rest": the two halves. */
static bool argument_split(const char *text, struct view *key, const char **rest)
{
	size_t at = view_find_byte(view_of(text), '=');

	if (at == VIEW_NOT_FOUND)
		return false;
	*key = view_first(view_of(text), at);
	*rest = text + at + 1;
	return true;
}

static bool read_fd(struct view text, int *fd)
{
	uint32_t number;

	if (view_parse_u32(text, INT_MAX, &number) < 0)
		return false;
	*fd = (int)number;
	return true;
}

static bool read_listener(struct birth *birth, const char *text)
{
	struct listener *listener = &birth->listeners[birth->listener_count];
	struct view number;

	if (birth->listener_count == LISTEN_MAX ||
	    !argument_split(text, &number, &listener->name) || !read_fd(number, &listener->fd))
		return false;
	birth->listener_count++;
	return true;
}

static bool read_override(struct birth *birth, char *text)
{
	struct conf_override *override = &birth->overrides[birth->override_count];
	char *equals = strchr(text, '=');

	if (equals == NULL || birth->override_count == OVERRIDES_MAX)
		return false;
	*equals = '\0';
	override->name = text;
	override->value = equals + 1;
	birth->override_count++;
	return true;
}

static bool read_flag(struct birth *birth, const char *text)
{
	struct view key;
	const char *value;

	if (!argument_split(text, &key, &value))
		return false;
	if (view_is(key, "life"))
		return read_fd(view_of(value), &birth->life_fd);
	if (view_is(key, "later"))
		return birth->later_count < LATER_MAX &&
		       read_fd(view_of(value), &birth->later_fds[birth->later_count++]);
	if (view_is(key, "lines"))
		return read_fd(view_of(value), &birth->inherited[INHERITED_LINES]);
	if (view_is(key, "state"))
		return read_fd(view_of(value), &birth->inherited[INHERITED_STATE]);
	if (view_is(key, "status"))
		return read_fd(view_of(value), &birth->status_fd);
	if (view_is(key, "metrics"))
		return read_fd(view_of(value), &birth->metrics_fd);
	if (view_is(key, "log"))
		return read_fd(view_of(value), &birth->log_fd);
	if (view_is(key, "sink")) {
		birth->sink = strcmp(value, "syslog") == 0    ? LOG_SINK_SYSLOG
			      : strcmp(value, "program") == 0 ? LOG_SINK_PROGRAM
							      : LOG_SINK_FILE;
		return true;
	}
	return false;
}

static bool read_option(struct birth *birth, char option, char *value)
{
	switch (option) {
	case 'c':
		birth->config_directory = value;
		return true;
	case 'n':
		birth->service = value;
		return true;
	case 'o':
		return read_override(birth, value);
	case 'L':
		return read_listener(birth, value);
	case 'F':
		return read_flag(birth, value);
	default:
		return false;
	}
}

static void keep_from_children(const struct birth *birth)
{
	fcntl(birth->life_fd, F_SETFD, FD_CLOEXEC);
	for (size_t i = 0; i < birth->later_count; i++)
		fcntl(birth->later_fds[i], F_SETFD, FD_CLOEXEC);
	for (size_t i = 0; i < INHERITED_COUNT; i++)
		if (birth->inherited[i] >= 0)
			fcntl(birth->inherited[i], F_SETFD, FD_CLOEXEC);
	fcntl(birth->status_fd, F_SETFD, FD_CLOEXEC);
	fcntl(birth->log_fd, F_SETFD, FD_CLOEXEC);
	for (size_t i = 0; i < birth->listener_count; i++)
		fcntl(birth->listeners[i].fd, F_SETFD, FD_CLOEXEC);
}

int arguments_read(int argc, char **argv, struct birth *birth, struct error *err)
{
	int i = 1;

	*birth = (struct birth){ .life_fd = -1,
				 .status_fd = -1,
				 .log_fd = -1,
				 .metrics_fd = -1,
				 .sink = LOG_SINK_FILE,
				 .inherited = { -1, -1 } };
	for (; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i += 2)
		if (argv[i][1] == '\0' || argv[i][2] != '\0' || i + 1 >= argc ||
		    !read_option(birth, argv[i][1], argv[i + 1]))
			return error_set(err, -EINVAL, "argument %s is not understood", argv[i]);
	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	birth->arguments = (const char *const *)(argv + i);
	if (birth->config_directory == NULL || birth->service == NULL || birth->life_fd < 0 ||
	    birth->status_fd < 0 || birth->log_fd < 0)
		return error_set(err, -EINVAL, "this program is started by master only");
	keep_from_children(birth);
	return 0;
}
