/*
 * GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208), and what a session does about its user's quota. What counts and what it
 * may be: store/quota.h.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "session.h"
#include "store/quota.h"
#include "store/render.h"

#define ROOT_USER   "User quota"
#define ROOT_FOLDER "Folder quota " /* and its name: of one that has a limit of its own */

/* Of the user whose process this is. */
static struct quota *user_quota;

void imap_quota_open(const struct session_user *user, struct store *store)
{
	struct error err = ERROR_NONE;

	quota_free(TAKE(user_quota));
	/* The mail is there to be read, whatever the administrator mistyped; deliveries wait then. */
	if (quota_parse(view_of(user->quota), &user_quota, &err) < 0)
		log_error("user=<%s>: %s: no limit is in force in this session", user->name,
			  err.text);
	if (user_quota != NULL)
		quota_take_maildirsize(user_quota, user->maildir);
	store_set_quota(store, user_quota);
}

/* What senders are told ends when the user has made room. */
void imap_quota_look(struct store *store)
{
	if (user_quota != NULL && !store_quota_warn(store) && store_quota_made_room(store))
		session_tell_room();
}

/* ---- answers ---- */

static void append_resource(struct str *out, const char *name, uint64_t used, uint64_t limit)
{
	if (limit > 0)
		str_printf(out, "%s%s %llu %llu", view_ends(str_view(out), VIEW("(")) ? "" : " ",
			   name, (unsigned long long)used, (unsigned long long)limit);
}

/* STORAGE is in units of 1024 bytes: what is begun counts as used, but not as allowed. */
static int send_quota(struct imap_session *s, struct view root, const struct quota_size *used,
		      const struct quota_size *limit)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_append_cstr(&line, "* QUOTA ");
	render_string(&line, root);
	str_append_cstr(&line, " (");
	append_resource(&line, "STORAGE", (used->bytes + 1023) / 1024,
			(limit->bytes + 1023) / 1024);
	append_resource(&line, "MESSAGE", used->messages, limit->messages);
	str_append_cstr(&line, ")\r\n");
	return stream_write(s->io, str_view(&line));
}

static bool is_limited(const struct quota_size *limit)
{
	return limit->bytes > 0 || limit->messages > 0;
}

/* What there is to say about a folder, whether or not it is there. */
struct quota_roots {
	struct quota_size used, whole, in_folder, own;
	bool counts; /* the folder is held to `whole`, or more or less */
	struct str folder_root;
};

static void quota_roots_free(struct quota_roots *roots)
{
	str_free(&roots->folder_root);
}

static int quota_find_roots(struct imap_session *s, struct view folder, struct quota_roots *roots)
{
	struct quota_size there;
	int r = store_quota_usage(s->store, &roots->used);

	if (r == 0)
		r = store_quota_folder(s->store, folder, &roots->in_folder, &there, &roots->own);
	if (r < 0 && r != -ENOENT)
		return r;
	roots->counts = is_limited(&there);
	if (user_quota != NULL)
		quota_limits(user_quota, VIEW_NONE, 0, &roots->whole, &there);
	str_append_cstr(&roots->folder_root, ROOT_FOLDER);
	str_append(&roots->folder_root, folder);
	return 0;
}

/* ---- commands ---- */

/* A folder that does not count has no root of the user's. */
static int send_roots(struct imap_session *s, struct view folder, const struct quota_roots *roots)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	bool counts = roots->counts && is_limited(&roots->whole);
	int r;

	str_append_cstr(&line, "* QUOTAROOT ");
	imap_append_mailbox(s, &line, folder);
	if (counts) {
		str_append_byte(&line, ' ');
		render_string(&line, VIEW(ROOT_USER));
	}
	if (is_limited(&roots->own)) {
		str_append_byte(&line, ' ');
		render_string(&line, str_view(&roots->folder_root));
	}
	str_append_cstr(&line, "\r\n");
	r = stream_write(s->io, str_view(&line));
	if (r >= 0 && counts)
		r = send_quota(s, VIEW(ROOT_USER), &roots->used, &roots->whole);
	if (r >= 0 && is_limited(&roots->own))
		r = send_quota(s, str_view(&roots->folder_root), &roots->in_folder, &roots->own);
	return r;
}

int imap_command_getquotaroot(struct imap_session *s)
{
	_cleanup_(quota_roots_free) struct quota_roots roots = { .folder_root = STR_EMPTY };
	_cleanup_(str_free) struct str name = STR_EMPTY;
	int r = imap_parse_mailbox(s, &name);

	if (r == 0)
		r = imap_end(s->parser);
	if (r < 0)
		return r == -EINVAL ? IMAP_DONE : r;
	r = quota_find_roots(s, str_view(&name), &roots);
	if (r < 0)
		return imap_no_errno(s, r, "Getquotaroot");
	r = send_roots(s, str_view(&name), &roots);
	return r < 0 ? r : imap_ok(s, "Getquotaroot completed.");
}

int imap_command_getquota(struct imap_session *s)
{
	_cleanup_(quota_roots_free) struct quota_roots roots = { .folder_root = STR_EMPTY };
	struct view root, folder = VIEW("INBOX");
	bool of_folder;
	int r = imap_space(s->parser);

	if (r == 0)
		r = imap_astring(s->parser, &root);
	if (r == 0)
		r = imap_end(s->parser);
	if (r < 0)
		return r;
	of_folder = view_starts(root, VIEW(ROOT_FOLDER));
	if (of_folder)
		folder = view_from(root, strlen(ROOT_FOLDER));
	if (!of_folder && !view_is(root, ROOT_USER))
		return imap_no(s, "[NONEXISTENT] No such quota root.");
	r = quota_find_roots(s, folder, &roots);
	if (r < 0 && r != -EINVAL)
		return imap_no_errno(s, r, "Getquota");
	if (r < 0 || !is_limited(of_folder ? &roots.own : &roots.whole))
		return imap_no(s, "[NONEXISTENT] No such quota root.");
	r = of_folder ? send_quota(s, root, &roots.in_folder, &roots.own)
		      : send_quota(s, root, &roots.used, &roots.whole);
	return r < 0 ? r : imap_ok(s, "Getquota completed.");
}

/* Not announced (QUOTASET): limits are the administrator's. */
int imap_command_setquota(struct imap_session *s)
{
	(void)s;
	return imap_no(s, "[NOPERM] Limits are set by the administrator.");
}
