/*
 * Where mail goes that is kept and of which nobody has said more: junk, by what the filters of this site
 * have said in its header, to the user's mailbox for that; all else to INBOX.
 */
#include "deliver.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/junk.h"
#include "store/deliver.h"
#include "store/store.h"

static struct junk_checks *junk_checks;

int junk_prepare(struct error *err)
{
	if (param.junk_mailbox[0] == '\0')
		return 0;
	junk_checks = junk_checks_parse(view_of(param.junk_header_checks), err);
	if (junk_checks == NULL) {
		error_prefix(err, "junk_header_checks");
		return -1;
	}
	return store_name_may_be_made(view_of(param.junk_mailbox), err);
}

static bool is_junk(const struct io_source *content)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;
	struct header_field field;
	size_t limit = MIN((size_t)content->size, (size_t)param.message_header_limit);

	if (limit == 0 || io_source_read(content, str_reserve(&header, limit), limit, 0) < 0)
		return false;
	str_grow(&header, limit);
	if (!junk_checks_find(junk_checks, str_view(&header), &field))
		return false;
	log_info("junk by %.*s", VIEW_ARG(field.name));
	return true;
}

struct junk_search {
	const char *maildir;
	struct str *folder;
};

/* Of several the first in the order of their names, so that it is the same one each time. */
static bool junk_take_folder(void *argument, struct view folder)
{
	struct junk_search *search = argument;

	if (view_is(folder, param.junk_mailbox)) {
		str_set(search->folder, folder);
		return true;
	}
	if ((maildir_special_use(search->maildir, folder) & USE_JUNK) &&
	    (search->folder->len == 0 || view_compare(folder, str_view(search->folder)) < 0))
		str_set(search->folder, folder);
	return false;
}

void junk_default_folder(const char *maildir, const struct io_source *content, struct str *folder)
{
	struct junk_search search = { .maildir = maildir, .folder = folder };

	if (junk_checks == NULL || !is_junk(content))
		return;
	maildir_each_folder(maildir, junk_take_folder, &search);
	if (folder->len == 0)
		str_append_cstr(folder, param.junk_mailbox);
}
