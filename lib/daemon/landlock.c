/*
 * Landlock: which files and which ports a program may still reach. An older kernel has less of it,
 * and the log says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/internal.h"

/* The kernel's interface without a library. Rights by version of the interface. */
#define RIGHTS_READ                                                                                \
	((uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |                    \
		    LANDLOCK_ACCESS_FS_READ_DIR))
#define RIGHTS_VERSION_1 ((UINT64_C(1) << 13) - 1)
#define RIGHT_REFER	 (UINT64_C(1) << 13) /* version 2: rename and link between folders */
#define RIGHT_TRUNCATE	 (UINT64_C(1) << 14) /* version 3 */
#define RIGHT_IOCTL	 (UINT64_C(1) << 15) /* version 5: ioctl on devices */
#define NET_BIND_TCP	 (UINT64_C(1) << 0)  /* version 4 */
#define NET_CONNECT_TCP	 (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT	 (UINT64_C(1) << 0) /* version 6: UNIX sockets that are no files */
#define SCOPE_SIGNAL	 (UINT64_C(1) << 1) /* signals to whom this program has not made */

/* What no program that delivers or serves mail has to do in a folder. */
#define RIGHTS_NO_MAIL                                                                             \
	((uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |                    \
		    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                 \
		    LANDLOCK_ACCESS_FS_MAKE_SOCK))

/* As the kernel has it since version 6; an older one takes less of it. */
struct ruleset {
	uint64_t files, network, scopes;
};

static long landlock_version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static uint64_t known_rights(long version)
{
	if (version < 1)
		return 0;
	return RIGHTS_VERSION_1 | (version >= 2 ? RIGHT_REFER : 0) |
	       (version >= 3 ? RIGHT_TRUNCATE : 0) | (version >= 5 ? RIGHT_IOCTL : 0);
}

static int allow_below(int ruleset, const char *path, uint64_t rights, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };

	if (fd < 0)
		return error_errno(err, "open %s", path);
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return error_errno(err, "allow %s with Landlock", path);
	return 0;
}

static int make_ruleset(const struct ruleset *want, long version, struct error *err)
{
	size_t size = version >= 6   ? sizeof(*want)
		      : version >= 4 ? offsetof(struct ruleset, scopes)
				     : offsetof(struct ruleset, network);
	int fd = (int)syscall(SYS_landlock_create_ruleset, want, size, 0);

	return fd < 0 ? error_errno(err, "make a Landlock ruleset") : fd;
}

static int put_on_ruleset(int ruleset, struct error *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, "set no-new-privileges");
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return error_errno(err, "put Landlock on");
	return 0;
}

int daemon_limit_files(const char *const *paths, bool writable, struct error *err)
{
	long version = landlock_version();
	struct ruleset want = { .files = known_rights(version) };
	int r = 0;

	if (version < 1)
		return 0;

	_cleanup_fd_ int ruleset = make_ruleset(&want, version, err);

	if (ruleset < 0)
		return ruleset;
	for (size_t i = 0; paths[i] != NULL && r == 0; i++)
		r = allow_below(ruleset, paths[i], writable ? want.files : RIGHTS_READ, err);
	if (r == 0)
		r = put_on_ruleset(ruleset, err);
	return r < 0 ? r : 1;
}

int daemon_limit_reach(bool network, unsigned *limits, struct error *err)
{
	long version = landlock_version();
	struct ruleset want = {
		.network = version >= 4 && !network ? NET_BIND_TCP | NET_CONNECT_TCP : 0,
		/* Any ruleset forbids the first unless it says otherwise. */
		.files = RIGHT_REFER | RIGHTS_NO_MAIL,
		.scopes = version >= 6 ? SCOPE_ABSTRACT | SCOPE_SIGNAL : 0,
	};

	int r;

	*limits = 0;
	/* Version 1 cannot say otherwise: nothing could be moved between folders. */
	if (version < 2)
		return 0;
	*limits = LIMITS_PROGRAMS | (want.network ? LIMITS_NETWORK : 0) |
		  (want.scopes ? LIMITS_SCOPES : 0);

	_cleanup_fd_ int ruleset = make_ruleset(&want, version, err);

	if (ruleset < 0)
		return ruleset;
	r = allow_below(ruleset, "/", RIGHT_REFER, err);
	return r < 0 ? r : put_on_ruleset(ruleset, err);
}
