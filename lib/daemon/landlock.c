#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
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

static uint64_t known_rights(void)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version < 1)
		return 0;
	return RIGHTS_VERSION_1 | (version >= 2 ? RIGHT_REFER : 0) |
	       (version >= 3 ? RIGHT_TRUNCATE : 0);
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

int daemon_limit_files(const char *const *paths, bool writable, struct error *err)
{
	uint64_t all = known_rights();
	struct landlock_ruleset_attr attributes = { .handled_access_fs = all };

	if (all == 0)
		return 0;

	_cleanup_fd_ int ruleset =
		(int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);

	if (ruleset < 0)
		return error_errno(err, "make a Landlock ruleset");
	for (size_t i = 0; paths[i] != NULL; i++) {
		int r = allow_below(ruleset, paths[i], writable ? all : RIGHTS_READ, err);

		if (r < 0)
			return r;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, "set no-new-privileges");
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return error_errno(err, "put Landlock on");
	return 1;
}
