/*
 * Several users of another IMAP server, each in a process of its own, which is the local user, sees that user's
 * mail only and knows one password before the server's first byte comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "store/deliver.h"
#include "task/task.h"
#include "tools/imap_import.h"
#include "tools/place.h"
#include "tools/tool.h"

#define ACCOUNTS_FILE_MAX ((size_t)64 << 20)
#define PASSWORD_FILE_MAX ((size_t)4096)

/* ---- files ---- */

/* What grew by realloc would leave a copy in memory that the process of each user has. */
static char *secret_reserve(struct str *text, size_t more)
{
	struct str larger = STR_EMPTY;

	if (text->len + more >= text->size) {
		str_reserve(&larger, text->len * 2 + more);
		str_append(&larger, str_view(text));
		str_wipe(text);
		*text = larger;
	}
	return text->data + text->len;
}

/* Read with the rights of whoever owns it, whole. */
static int secret_file_read(const char *path, size_t limit, struct str *text, struct error *err)
{
	_cleanup_fd_ int fd = place_open(path, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;
	ssize_t n = 1;
	int r = place_leave();

	if (r == 0 && fd < 0)
		r = fd;
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IROTH | S_IWOTH)))
		fprintf(stderr, "posta migrate: %s: everybody can read the passwords in it\n",
			path);
	while (r == 0 && n > 0) {
		n = read(fd, secret_reserve(text, 4096), 4096);
		if (n < 0)
			r = -errno;
		else
			str_grow(text, (size_t)n);
		if (text->len > limit)
			r = -EFBIG;
	}
	return r < 0 ? error_code(err, r, "read %s", path) : 0;
}

static char *account_word(struct view *rest, const char *separators)
{
	struct view word;

	if (strcmp(separators, "\t") == 0)
		return view_next(rest, '\t', &word) ? mem_strndup(word.data, word.len) : NULL;
	return view_next_word(rest, separators, &word) ? mem_strndup(word.data, word.len) : NULL;
}

static bool account_read(struct view line, bool with_password, struct imap_account *account)
{
	const char *separators = view_find_byte(line, '\t') != VIEW_NOT_FOUND ? "\t" : " ";

	*account = (struct imap_account){ .login = account_word(&line, separators) };
	if (with_password)
		account->password = account_word(&line, separators);
	account->local = account_word(&line, separators);
	if (account->local == NULL && account->login != NULL)
		account->local = mem_strdup(account->login);
	return account->login != NULL && account->login[0] != '\0' && account->local[0] != '\0' &&
	       (!with_password || account->password != NULL) && view_trim(line).len == 0;
}

static void account_free(struct imap_account *account)
{
	if (account->password != NULL)
		mem_wipe(account->password, strlen(account->password));
	free(account->password);
	free(account->login);
	free(account->local);
}

void imap_accounts_free(struct imap_account *accounts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		account_free(&accounts[i]);
	free(accounts);
}

int imap_accounts_read(const char *path, bool with_passwords, struct imap_account **accounts,
		       size_t *count, struct error *err)
{
	_cleanup_(str_wipe) struct str text = STR_EMPTY;
	struct view rest, line;
	int number = 0, r = secret_file_read(path, ACCOUNTS_FILE_MAX, &text, err);

	*accounts = NULL;
	*count = 0;
	rest = str_view(&text);
	while (r == 0 && view_next(&rest, '\n', &line)) {
		number++;
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		if (view_trim(line).len == 0 || line.data[0] == '#')
			continue;
		if (view_find_byte(line, '\0') != VIEW_NOT_FOUND)
			return error_set(err, -EINVAL, "%s, line %d: a NUL", path, number);
		array_grow(*accounts, *count);
		if (!account_read(line, with_passwords, &(*accounts)[(*count)++]))
			return error_set(err, -EINVAL, "%s, line %d: expected %s", path, number,
					 with_passwords ? "LOGIN PASSWORD [LOCAL USER]"
							: "LOGIN [LOCAL USER]");
	}
	return r;
}

int imap_password_read(const char *path, struct str *password, struct error *err)
{
	int r = secret_file_read(path, PASSWORD_FILE_MAX, password, err);

	if (r == 0)
		str_truncate(password, strcspn(str_cstr(password), "\r\n"));
	return r;
}

/* ---- one of them ---- */

struct account_task {
	const struct imap_import_options *options;
	const struct imap_account *account;
	const char *name, *maildir;
	int status;
};

static void account_run_task(void *argument)
{
	struct account_task *job = argument;

	job->status = imap_import_user(job->options, job->account->login,
				       job->account->password ? job->account->password : "",
				       job->name, job->maildir);
	task_quit(job->status);
}

/* The user, in the own Maildir as root directory, without a way out. */
static int account_become(const struct user *user, struct error *err)
{
	struct place place = { user->uid, user->gid };
	const char *paths[] = { daemon_running_as_root() ? "/" : user->mail, NULL };
	int r = place_enter(&place);

	if (r < 0)
		return error_code(err, r, "act as %s", user->name);
	r = maildir_create(user->mail, VIEW_NONE, err);
	if (place_leave() < 0)
		return error_errno(err, "act as root again");
	if (r == 0)
		r = daemon_become(user->uid, user->gid, user->name, user->mail, err);
	/* Who waits for it has ended: so does it. */
	if (r == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (r == 0)
		r = daemon_limit_files(paths, true, err);
	if (r >= 0)
		r = daemon_confine(CALLS_FILES_READ | CALLS_FILES_WRITE | CALLS_NETWORK, err);
	return MIN(r, 0);
}

static int account_run(const struct imap_import_options *options,
		       const struct imap_account *account)
{
	struct account_task job = { .options = options, .account = account };
	struct error err = ERROR_NONE;
	struct user user;
	int r = user_find(view_of(account->local), &user, &err);

	if (r == 0) {
		error_set(&err, -ENOENT, "there is no such user here");
		r = -ENOENT;
	}
	users_close();
	if (r > 0)
		r = account_become(&user, &err);
	if (r < 0) {
		fprintf(stderr, "posta: %s: %s\n", account->local, err.text);
		return TOOL_NO;
	}
	job.name = user.name;
	job.maildir = daemon_running_as_root() ? "/" : user.mail;
	return task_run(account_run_task, &job);
}

/* Of the others nothing stays in this process. */
static void accounts_forget_others(struct imap_account *accounts, size_t count, size_t mine)
{
	for (size_t i = 0; i < count; i++)
		if (i != mine && accounts[i].password != NULL)
			mem_wipe(accounts[i].password, strlen(accounts[i].password));
}

/* ---- all of them ---- */

static int accounts_prepare(struct imap_import_options *options, struct addrinfo **addresses,
			    struct error *err)
{
	struct remote_options *remote = &options->remote;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	int r = getaddrinfo(remote->host, remote->port, &hints, addresses);

	if (r != 0)
		return error_set(err, -EHOSTUNREACH, "%s: %s", remote->host, gai_strerror(r));
	remote->addresses = *addresses;
	return users_open(err);
}

struct account_jobs {
	pid_t *pids; /* 0: this one has ended, or has not begun */
	size_t running, failed, later;
};

static void jobs_wait(struct account_jobs *jobs, const struct imap_account *accounts, size_t count)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);

	for (size_t i = 0; i < count; i++) {
		if (pid <= 0 || jobs->pids[i] != pid)
			continue;
		jobs->pids[i] = 0;
		jobs->running--;
		if (WIFSIGNALED(status))
			fprintf(stderr, "posta: %s: ended by signal %d\n", accounts[i].local,
				WTERMSIG(status));
		jobs->later += WIFEXITED(status) && WEXITSTATUS(status) == TOOL_LATER;
		jobs->failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	}
}

static void jobs_start(struct account_jobs *jobs, const struct imap_import_options *options,
		       struct imap_account *accounts, size_t count, size_t at)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		accounts_forget_others(accounts, count, at);
		_exit((account_run(options, &accounts[at]) & 0xff) | (fflush(stdout) ? 1 : 0));
	}
	if (pid < 0) {
		fprintf(stderr, "posta: %s: start a process: %s\n", accounts[at].local,
			strerror(errno));
		jobs->failed++;
		return;
	}
	jobs->pids[at] = pid;
	jobs->running++;
}

int imap_import_accounts(struct imap_import_options *options, struct imap_account *accounts,
			 size_t count, const char *verb)
{
	_cleanup_free_ pid_t *pids = mem_new_array(pid_t, count + 1);
	struct account_jobs jobs = { .pids = pids };
	struct addrinfo *addresses = NULL;
	struct error err = ERROR_NONE;
	int r;

	/* Lines of several processes must not be mixed up. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	(void)daemon_running_as_root();
	r = accounts_prepare(options, &addresses, &err);
	if (r < 0)
		return tool_fail(verb, "%s", err.text);
	for (size_t i = 0; i < count; i++) {
		while (jobs.running >= options->jobs)
			jobs_wait(&jobs, accounts, count);
		jobs_start(&jobs, options, accounts, count, i);
	}
	while (jobs.running > 0)
		jobs_wait(&jobs, accounts, count);
	freeaddrinfo(addresses);
	if (count > 1)
		printf("%zu of %zu users done\n", count - jobs.failed, count);
	if (jobs.failed == 0)
		return TOOL_DONE;
	return jobs.later == jobs.failed ? TOOL_LATER : TOOL_NO;
}

bool imap_host_parse(const char *text, enum remote_tls tls, char **host, char **port)
{
	const char *close = text[0] == '[' ? strchr(text, ']') : NULL;
	const char *colon = strrchr(close != NULL ? close : text, ':');
	const char *end = close != NULL ? close : colon != NULL ? colon : text + strlen(text);

	/* An IPv6 address without brackets has no port. */
	if (close == NULL && colon != NULL && strchr(text, ':') != colon)
		end = text + strlen(text), colon = NULL;
	if (close != NULL)
		text++;
	if (end == text || (colon != NULL && colon[1] == '\0') ||
	    (close != NULL && close[1] != '\0' && close[1] != ':'))
		return false;
	*host = mem_strndup(text, (size_t)(end - text));
	*port = mem_strdup(colon != NULL ? colon + 1 : tls == REMOTE_TLS ? "993" : "143");
	return true;
}
