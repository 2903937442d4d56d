/*
 * The table of commands, each with the capabilities that it brings. A new command is a line here and a
 * function in a file of its group.
 */
#include "conf/conf.h"
#include "session.h"

enum { NO_UID = 0, UID = 1, QUIET = 0, EXPUNGES = 1, READS = 0, CHANGES = 1 };

static const struct imap_command commands[] = {
	{ "CAPABILITY", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_capability,
	  "IMAP4rev1 IMAP4rev2 LITERAL+" },
	{ "NOOP", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_noop, NULL },
	{ "LOGOUT", STATE_ANY, NO_UID, QUIET, READS, imap_command_logout, NULL },
	{ "ID", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_id, "ID" },
	{ "ENABLE", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_enable,
	  "ENABLE CONDSTORE QRESYNC UTF8=ACCEPT UIDONLY" },
	{ "COMPRESS", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_compress,
	  "COMPRESS=DEFLATE" },
	{ "LOGIN", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_refused, NULL },
	{ "AUTHENTICATE", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_refused, "SASL-IR" },
	{ "STARTTLS", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_refused, NULL },
	{ "SELECT", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_select, "OBJECTID" },
	{ "EXAMINE", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_examine, NULL },
	{ "CREATE", STATE_ANY, NO_UID, EXPUNGES, CHANGES, imap_command_create,
	  "CREATE-SPECIAL-USE" },
	{ "DELETE", STATE_ANY, NO_UID, EXPUNGES, CHANGES, imap_command_delete, NULL },
	{ "RENAME", STATE_ANY, NO_UID, EXPUNGES, CHANGES, imap_command_rename, NULL },
	{ "SUBSCRIBE", STATE_ANY, NO_UID, EXPUNGES, CHANGES, imap_command_subscribe, NULL },
	{ "UNSUBSCRIBE", STATE_ANY, NO_UID, EXPUNGES, CHANGES, imap_command_unsubscribe, NULL },
	{ "LIST", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_list,
	  "CHILDREN SPECIAL-USE LIST-EXTENDED LIST-STATUS" },
	{ "XLIST", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_list, NULL },
	{ "LSUB", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_lsub, NULL },
	{ "NAMESPACE", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_namespace, "NAMESPACE" },
	{ "STATUS", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_status, "STATUS=SIZE" },
	{ "GETMETADATA", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_getmetadata, "METADATA" },
	{ "SETMETADATA", STATE_ANY, NO_UID, EXPUNGES, CHANGES, imap_command_setmetadata, NULL },
	{ "GETQUOTA", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_getquota,
	  "QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE" },
	{ "GETQUOTAROOT", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_getquotaroot, NULL },
	{ "SETQUOTA", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_setquota, NULL },
	{ "APPEND", STATE_ANY, NO_UID, EXPUNGES, CHANGES, imap_command_append,
	  "MULTIAPPEND CATENATE" },
	{ "REPLACE", STATE_SELECTED, UID, EXPUNGES, CHANGES, imap_command_replace, "REPLACE" },
	{ "IDLE", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_idle, "IDLE" },
	{ "NOTIFY", STATE_ANY, NO_UID, EXPUNGES, READS, imap_command_notify, "NOTIFY" },
	{ "CHECK", STATE_SELECTED, NO_UID, EXPUNGES, READS, imap_command_check, NULL },
	{ "CLOSE", STATE_SELECTED, NO_UID, EXPUNGES, CHANGES, imap_command_close, NULL },
	{ "UNSELECT", STATE_SELECTED, NO_UID, EXPUNGES, READS, imap_command_unselect, "UNSELECT" },
	{ "EXPUNGE", STATE_SELECTED, UID, EXPUNGES, CHANGES, imap_command_expunge, "UIDPLUS" },
	{ "SEARCH", STATE_SELECTED, UID, QUIET, READS, imap_command_search,
	  "ESEARCH SEARCHRES WITHIN PARTIAL INPROGRESS" },
	{ "ESEARCH", STATE_ANY, UID, EXPUNGES, READS, imap_command_esearch, "MULTISEARCH" },
	{ "CANCELUPDATE", STATE_SELECTED, NO_UID, EXPUNGES, READS, imap_command_cancelupdate,
	  "CONTEXT=SEARCH CONTEXT=SORT" },
	{ "SORT", STATE_SELECTED, UID, QUIET, READS, imap_command_sort, "SORT SORT=DISPLAY ESORT" },
	{ "THREAD", STATE_SELECTED, UID, QUIET, READS, imap_command_thread,
	  "THREAD=REFERENCES THREAD=ORDEREDSUBJECT" },
	{ "FETCH", STATE_SELECTED, UID, QUIET, CHANGES, imap_command_fetch,
	  "BINARY PREVIEW SAVEDATE" },
	{ "STORE", STATE_SELECTED, UID, QUIET, CHANGES, imap_command_store, NULL },
	{ "COPY", STATE_SELECTED, UID, EXPUNGES, CHANGES, imap_command_copy, NULL },
	{ "MOVE", STATE_SELECTED, UID, EXPUNGES, CHANGES, imap_command_move, "MOVE" },
};

const struct imap_command *imap_command_find(struct view name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (view_is_nocase(name, commands[i].name))
			return &commands[i];
	return NULL;
}

void imap_append_capabilities(struct str *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].capabilities != NULL)
			str_printf(out, "%s%s", i > 0 ? " " : "", commands[i].capabilities);
	/* RFC 7889 */
	if (param.message_size_limit > 0)
		str_printf(out, " APPENDLIMIT=%lld", (long long)param.message_size_limit);
}
