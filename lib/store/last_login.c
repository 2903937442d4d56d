/* When a user was last there: the time of a small file, which costs a login next to nothing. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/store.h"

#define LAST_LOGIN_FILE "posta-last-login"

void store_note_login(const char *maildir)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	_cleanup_fd_ int fd = -1;

	str_printf(&path, "%s/" LAST_LOGIN_FILE, maildir);
	fd = open(str_cstr(&path), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	/* A full disk keeps nobody from reading. */
	if (fd >= 0)
		(void)futimens(fd, NULL);
}

int64_t store_last_login(const char *maildir)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct stat st;

	str_printf(&path, "%s/" LAST_LOGIN_FILE, maildir);
	return lstat(str_cstr(&path), &st) == 0 && S_ISREG(st.st_mode) ? st.st_mtim.tv_sec : 0;
}
