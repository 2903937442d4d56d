/* The table of commands and tests. */
#include "sieve/operation.h"

#include "base/mem.h"
#include "sieve/run.h"

static const struct sieve_tag_spec flag_tags[] = {
	{ "flags", VALUE_STRINGS, EXTENSION_IMAP4FLAGS },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec fileinto_tags[] = {
	{ "copy", VALUE_NONE, EXTENSION_COPY },
	{ "create", VALUE_NONE, EXTENSION_MAILBOX },
	{ "mailboxid", VALUE_STRING, EXTENSION_MAILBOXID },
	{ "specialuse", VALUE_STRING, EXTENSION_SPECIAL_USE },
	{ "flags", VALUE_STRINGS, EXTENSION_IMAP4FLAGS },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec redirect_tags[] = {
	{ "copy", VALUE_NONE, EXTENSION_COPY },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec size_tags[] = {
	{ "over", VALUE_NONE, EXTENSION_NONE },
	{ "under", VALUE_NONE, EXTENSION_NONE },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec body_tags[] = {
	{ "raw", VALUE_NONE, EXTENSION_NONE },
	{ "text", VALUE_NONE, EXTENSION_NONE },
	{ "content", VALUE_STRINGS, EXTENSION_NONE },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
#define SET_TAGS                                                                                   \
	{ "lower", VALUE_NONE, EXTENSION_NONE }, { "upper", VALUE_NONE, EXTENSION_NONE },          \
		{ "lowerfirst", VALUE_NONE, EXTENSION_NONE },                                      \
		{ "upperfirst", VALUE_NONE, EXTENSION_NONE },                                      \
		{ "quotewildcard", VALUE_NONE, EXTENSION_NONE },                                   \
		{ "encodeurl", VALUE_NONE, EXTENSION_ENOTIFY },                                    \
	{                                                                                          \
		"length", VALUE_NONE, EXTENSION_NONE                                               \
	}
static const struct sieve_tag_spec extract_tags[] = {
	SET_TAGS,
	{ "first", VALUE_NUMBER, EXTENSION_NONE },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec set_tags[] = {
	SET_TAGS,
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
/* A part's header fields instead of the message's. */
#define MIME_TAGS                                                                                  \
	{ "mime", VALUE_NONE, EXTENSION_MIME },                                                    \
	{                                                                                          \
		"anychild", VALUE_NONE, EXTENSION_MIME                                             \
	}
static const struct sieve_tag_spec mime_tags[] = {
	MIME_TAGS,
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec header_tags[] = {
	MIME_TAGS,
	{ "type", VALUE_NONE, EXTENSION_MIME },
	{ "subtype", VALUE_NONE, EXTENSION_MIME },
	{ "contenttype", VALUE_NONE, EXTENSION_MIME },
	{ "param", VALUE_STRINGS, EXTENSION_MIME },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec loop_tags[] = {
	{ "name", VALUE_STRING, EXTENSION_NONE },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec zone_tags[] = {
	{ "zone", VALUE_STRING, EXTENSION_NONE },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec date_tags[] = {
	{ "zone", VALUE_STRING, EXTENSION_NONE },
	{ "originalzone", VALUE_NONE, EXTENSION_NONE },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec vacation_tags[] = {
	{ "days", VALUE_NUMBER, EXTENSION_NONE },
	{ "seconds", VALUE_NUMBER, EXTENSION_VACATION_SECONDS },
	{ "subject", VALUE_STRING, EXTENSION_NONE },
	{ "from", VALUE_STRING, EXTENSION_NONE },
	{ "addresses", VALUE_STRINGS, EXTENSION_NONE },
	{ "handle", VALUE_STRING, EXTENSION_NONE },
	{ "mime", VALUE_NONE, EXTENSION_NONE },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};

static const struct sieve_tag_spec notify_tags[] = {
	{ "from", VALUE_STRING, EXTENSION_NONE },
	{ "importance", VALUE_STRING, EXTENSION_NONE },
	{ "options", VALUE_STRINGS, EXTENSION_NONE },
	{ "message", VALUE_STRING, EXTENSION_NONE },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec duplicate_tags[] = {
	{ "handle", VALUE_STRING, EXTENSION_NONE },   { "header", VALUE_STRING, EXTENSION_NONE },
	{ "uniqueid", VALUE_STRING, EXTENSION_NONE }, { "seconds", VALUE_NUMBER, EXTENSION_NONE },
	{ "last", VALUE_NONE, EXTENSION_NONE },	      { NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec spam_tags[] = {
	{ "percent", VALUE_NONE, EXTENSION_SPAMTESTPLUS },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec include_tags[] = {
	{ "personal", VALUE_NONE, EXTENSION_NONE }, { "global", VALUE_NONE, EXTENSION_NONE },
	{ "once", VALUE_NONE, EXTENSION_NONE },	    { "optional", VALUE_NONE, EXTENSION_NONE },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec addheader_tags[] = {
	{ "last", VALUE_NONE, EXTENSION_NONE },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};
static const struct sieve_tag_spec deleteheader_tags[] = {
	{ "index", VALUE_NUMBER, EXTENSION_NONE },
	{ "last", VALUE_NONE, EXTENSION_NONE },
	{ NULL, VALUE_NONE, EXTENSION_NONE },
};

#define ONE                                                                                        \
	{                                                                                          \
		VALUE_STRING                                                                       \
	}
#define LIST                                                                                       \
	{                                                                                          \
		VALUE_STRINGS                                                                      \
	}
#define LISTS                                                                                      \
	{                                                                                          \
		VALUE_STRINGS, VALUE_STRINGS                                                       \
	}
#define FLAGS                                                                                      \
	{                                                                                          \
		VALUE_STRING, VALUE_STRINGS                                                        \
	}

const struct sieve_operation sieve_operations[] = {
	{ .name = "require", .takes = IS_FIRST, .positional = LIST },
	{ .name = "if", .takes = TAKES_TEST | TAKES_BLOCK },
	{ .name = "elsif", .takes = TAKES_TEST | TAKES_BLOCK | AFTER_IF },
	{ .name = "else", .takes = TAKES_BLOCK | AFTER_IF },
	{ .name = "stop" },
	{ .name = "keep", .tags = flag_tags, .act = sieve_act_keep },
	{ .name = "discard", .act = sieve_act_discard },
	{ .name = "fileinto",
	  .extension = EXTENSION_FILEINTO,
	  .positional = ONE,
	  .tags = fileinto_tags,
	  .act = sieve_act_fileinto },
	{ .name = "redirect", .positional = ONE, .tags = redirect_tags, .act = sieve_act_redirect },
	{ .name = "reject",
	  .extension = EXTENSION_REJECT,
	  .positional = ONE,
	  .act = sieve_act_reject },
	{ .name = "ereject",
	  .extension = EXTENSION_EREJECT,
	  .positional = ONE,
	  .act = sieve_act_reject },
	{ .name = "set",
	  .extension = EXTENSION_VARIABLES,
	  .positional = { VALUE_STRING, VALUE_STRING },
	  .tags = set_tags,
	  .act = sieve_act_set },
	{ .name = "setflag",
	  .extension = EXTENSION_IMAP4FLAGS,
	  .takes = OPTIONAL_FIRST,
	  .positional = FLAGS,
	  .act = sieve_act_flags },
	{ .name = "addflag",
	  .extension = EXTENSION_IMAP4FLAGS,
	  .takes = OPTIONAL_FIRST,
	  .positional = FLAGS,
	  .act = sieve_act_flags },
	{ .name = "removeflag",
	  .extension = EXTENSION_IMAP4FLAGS,
	  .takes = OPTIONAL_FIRST,
	  .positional = FLAGS,
	  .act = sieve_act_flags },
	{ .name = "vacation",
	  .extension = EXTENSION_VACATION,
	  .positional = ONE,
	  .tags = vacation_tags,
	  .act = sieve_act_vacation },
	{ .name = "notify",
	  .extension = EXTENSION_ENOTIFY,
	  .positional = ONE,
	  .tags = notify_tags,
	  .act = sieve_act_notify },
	{ .name = "error",
	  .extension = EXTENSION_IHAVE,
	  .positional = ONE,
	  .act = sieve_act_error },
	{ .name = "include",
	  .extension = EXTENSION_INCLUDE,
	  .positional = ONE,
	  .tags = include_tags,
	  .act = sieve_act_include },
	{ .name = "return", .extension = EXTENSION_INCLUDE, .act = sieve_act_return },
	{ .name = "global",
	  .extension = EXTENSION_INCLUDE,
	  .positional = LIST,
	  .act = sieve_act_global },
	{ .name = "addheader",
	  .extension = EXTENSION_EDITHEADER,
	  .positional = { VALUE_STRING, VALUE_STRING },
	  .tags = addheader_tags,
	  .act = sieve_act_addheader },
	{ .name = "deleteheader",
	  .extension = EXTENSION_EDITHEADER,
	  .takes = TAKES_MATCH | OPTIONAL_LAST,
	  .positional = { VALUE_STRING, VALUE_STRINGS },
	  .tags = deleteheader_tags,
	  .act = sieve_act_deleteheader },

	{ .name = "foreverypart",
	  .extension = EXTENSION_FOREVERYPART,
	  .takes = TAKES_BLOCK | IS_LOOP,
	  .tags = loop_tags,
	  .act = sieve_act_foreverypart },
	{ .name = "break",
	  .extension = EXTENSION_FOREVERYPART,
	  .takes = IN_LOOP,
	  .tags = loop_tags,
	  .act = sieve_act_break },
	{ .name = "extracttext",
	  .extension = EXTENSION_EXTRACTTEXT,
	  .takes = IN_LOOP,
	  .positional = ONE,
	  .tags = extract_tags,
	  .act = sieve_act_extracttext },

	{ .name = "true", .takes = IS_TEST },
	{ .name = "false", .takes = IS_TEST },
	{ .name = "not", .takes = IS_TEST | TAKES_TEST },
	{ .name = "allof", .takes = IS_TEST | TAKES_TESTS },
	{ .name = "anyof", .takes = IS_TEST | TAKES_TESTS },
	{ .name = "header",
	  .takes = IS_TEST | TAKES_MATCH | TAKES_INDEX,
	  .positional = LISTS,
	  .tags = header_tags,
	  .test = sieve_test_header },
	{ .name = "address",
	  .takes = IS_TEST | TAKES_MATCH | TAKES_PART | TAKES_INDEX,
	  .positional = LISTS,
	  .tags = mime_tags,
	  .test = sieve_test_address },
	{ .name = "envelope",
	  .extension = EXTENSION_ENVELOPE,
	  .takes = IS_TEST | TAKES_MATCH | TAKES_PART,
	  .positional = LISTS,
	  .test = sieve_test_envelope },
	{ .name = "exists",
	  .takes = IS_TEST,
	  .positional = LIST,
	  .tags = mime_tags,
	  .test = sieve_test_exists },
	{ .name = "size",
	  .takes = IS_TEST,
	  .positional = { VALUE_NUMBER },
	  .tags = size_tags,
	  .test = sieve_test_size },
	{ .name = "body",
	  .extension = EXTENSION_BODY,
	  .takes = IS_TEST | TAKES_MATCH,
	  .positional = LIST,
	  .tags = body_tags,
	  .test = sieve_test_body },
	{ .name = "string",
	  .extension = EXTENSION_VARIABLES,
	  .takes = IS_TEST | TAKES_MATCH,
	  .positional = LISTS,
	  .test = sieve_test_string },
	{ .name = "hasflag",
	  .extension = EXTENSION_IMAP4FLAGS,
	  .takes = IS_TEST | TAKES_MATCH | OPTIONAL_FIRST,
	  .positional = LISTS,
	  .test = sieve_test_hasflag },
	{ .name = "environment",
	  .extension = EXTENSION_ENVIRONMENT,
	  .takes = IS_TEST | TAKES_MATCH,
	  .positional = { VALUE_STRING, VALUE_STRINGS },
	  .test = sieve_test_environment },
	{ .name = "mailboxexists",
	  .extension = EXTENSION_MAILBOX,
	  .takes = IS_TEST,
	  .positional = LIST,
	  .test = sieve_test_mailboxexists },
	{ .name = "mailboxidexists",
	  .extension = EXTENSION_MAILBOXID,
	  .takes = IS_TEST,
	  .positional = LIST,
	  .test = sieve_test_mailboxidexists },
	{ .name = "specialuse_exists",
	  .extension = EXTENSION_SPECIAL_USE,
	  .takes = IS_TEST | OPTIONAL_FIRST,
	  .positional = { VALUE_STRING, VALUE_STRINGS },
	  .test = sieve_test_specialuse_exists },
	{ .name = "duplicate",
	  .extension = EXTENSION_DUPLICATE,
	  .takes = IS_TEST,
	  .tags = duplicate_tags,
	  .test = sieve_test_duplicate },
	{ .name = "ihave",
	  .extension = EXTENSION_IHAVE,
	  .takes = IS_TEST,
	  .positional = LIST,
	  .test = sieve_test_ihave },
	{ .name = "spamtest",
	  .extension = EXTENSION_SPAMTEST,
	  .takes = IS_TEST | TAKES_MATCH,
	  .positional = { VALUE_STRINGS },
	  .tags = spam_tags,
	  .test = sieve_test_spamtest },
	{ .name = "virustest",
	  .extension = EXTENSION_VIRUSTEST,
	  .takes = IS_TEST | TAKES_MATCH,
	  .positional = { VALUE_STRINGS },
	  .test = sieve_test_virustest },
	{ .name = "valid_notify_method",
	  .extension = EXTENSION_ENOTIFY,
	  .takes = IS_TEST,
	  .positional = LIST,
	  .test = sieve_test_valid_notify_method },
	{ .name = "notify_method_capability",
	  .extension = EXTENSION_ENOTIFY,
	  .takes = IS_TEST | TAKES_MATCH,
	  .positional = { VALUE_STRING, VALUE_STRING, VALUE_STRINGS },
	  .test = sieve_test_notify_method_capability },
	{ .name = "date",
	  .extension = EXTENSION_DATE,
	  .takes = IS_TEST | TAKES_MATCH | TAKES_INDEX,
	  .positional = { VALUE_STRING, VALUE_STRING, VALUE_STRINGS },
	  .tags = date_tags,
	  .test = sieve_test_date },
	{ .name = "currentdate",
	  .extension = EXTENSION_DATE,
	  .takes = IS_TEST | TAKES_MATCH,
	  .positional = { VALUE_STRING, VALUE_STRINGS },
	  .tags = zone_tags,
	  .test = sieve_test_currentdate },
};
const size_t sieve_operation_count = ARRAY_SIZE(sieve_operations);
