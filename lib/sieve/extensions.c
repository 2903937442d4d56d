/* The table of extensions that `require` knows. */
#include "base/mem.h"
#include "sieve/operation.h"

const struct sieve_extension_name sieve_extension_names[] = {
	{ "body", EXTENSION_BODY },
	{ "comparator-i;ascii-casemap", EXTENSION_NONE },
	{ "comparator-i;ascii-numeric", EXTENSION_NUMERIC },
	{ "comparator-i;octet", EXTENSION_NONE },
	{ "copy", EXTENSION_COPY },
	{ "date", EXTENSION_DATE },
	{ "duplicate", EXTENSION_DUPLICATE },
	{ "editheader", EXTENSION_EDITHEADER },
	{ "encoded-character", EXTENSION_ENCODED_CHARACTER },
	{ "enotify", EXTENSION_ENOTIFY },
	{ "envelope", EXTENSION_ENVELOPE },
	{ "environment", EXTENSION_ENVIRONMENT },
	{ "ereject", EXTENSION_EREJECT },
	{ "extracttext", EXTENSION_EXTRACTTEXT },
	{ "fileinto", EXTENSION_FILEINTO },
	{ "foreverypart", EXTENSION_FOREVERYPART },
	{ "ihave", EXTENSION_IHAVE },
	{ "imap4flags", EXTENSION_IMAP4FLAGS },
	{ "include", EXTENSION_INCLUDE },
	{ "index", EXTENSION_INDEX },
	{ "mailbox", EXTENSION_MAILBOX },
	{ "mailboxid", EXTENSION_MAILBOXID },
	{ "mime", EXTENSION_MIME },
	{ "regex", EXTENSION_REGEX },
	{ "reject", EXTENSION_REJECT },
	{ "relational", EXTENSION_RELATIONAL },
	{ "spamtest", EXTENSION_SPAMTEST },
	{ "spamtestplus", EXTENSION_SPAMTESTPLUS },
	{ "special-use", EXTENSION_SPECIAL_USE },
	{ "subaddress", EXTENSION_SUBADDRESS },
	{ "vacation", EXTENSION_VACATION },
	{ "vacation-seconds", EXTENSION_VACATION_SECONDS },
	{ "variables", EXTENSION_VARIABLES },
	{ "virustest", EXTENSION_VIRUSTEST },
};
const size_t sieve_extension_count = ARRAY_SIZE(sieve_extension_names);

const struct sieve_extension_name *sieve_extension_find(struct view name)
{
	for (size_t i = 0; i < sieve_extension_count; i++)
		if (view_is(name, sieve_extension_names[i].name))
			return &sieve_extension_names[i];
	return NULL;
}
