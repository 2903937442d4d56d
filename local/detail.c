/*
 * Folders that people name: in scripts, and in the detail of user+detail where lmtp_save_to_detail_mailbox asks for it.
 * Junk has gone its own way before.
 */
#include "deliver.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "store/deliver.h"
#include "store/store.h"

int sieve_folder_name(struct view text, struct str *name)
{
	_cleanup_(str_free) struct str dotted = STR_EMPTY;
	struct view rest = text;
	int r;

	/* The separator of other servers, which no name has here. */
	if (view_find_byte(text, '/') != VIEW_NOT_FOUND) {
		str_append(&dotted, text);
		for (size_t i = 0; i < dotted.len; i++)
			if (dotted.data[i] == '/')
				dotted.data[i] = '.';
		rest = str_view(&dotted);
	}
	r = store_name_from_utf8(rest, name);
	return r < 0 ? r : store_name_check(str_view(name), NULL);
}

struct detail_search {
	struct view wanted;
	struct str *folder;
};

/* Addresses lose their capitals on the way: any case will do, and the same one is best. */
static bool detail_take_folder(void *argument, struct view folder)
{
	struct detail_search *search = argument;

	if (!view_eq_nocase(folder, search->wanted))
		return false;
	str_set(search->folder, folder);
	return view_eq(folder, search->wanted);
}

void detail_default_folder(const char *maildir, struct view recipient, struct str *folder)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, normal = STR_EMPTY;
	struct view local, domain, user, extension;
	struct detail_search search;

	if (!param.lmtp_save_to_detail_mailbox)
		return;
	address_split(recipient, &local, &domain);
	if (!address_split_extension(local, param.recipient_delimiter, &user, &extension) ||
	    sieve_folder_name(extension, &name) < 0 ||
	    store_name_normalize(str_view(&name), &normal, NULL) < 0)
		return;
	search = (struct detail_search){ str_view(&normal), folder };
	maildir_each_folder(maildir, detail_take_folder, &search);
	if (folder->len == 0 && param.lda_mailbox_autocreate &&
	    store_name_may_be_made(str_view(&normal), NULL) == 0)
		str_append(folder, str_view(&normal));
}
