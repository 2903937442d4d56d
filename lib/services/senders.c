/*
 * Recipients as anvil counts them for a login, and telling people when one is stopped. Whether it is
 * stopped is anvil's word.
 */
#include <string.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "services/clients.h"

/* FNV-1a, of the address in lower case. The same for ever: anvil keeps them. */
void sender_digest(struct view address, unsigned char digest[static SENDER_DIGEST_SIZE])
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < address.len; i++) {
		hash ^= (unsigned char)ascii_lower(address.data[i]);
		hash *= UINT64_C(0x100000001b3);
	}
	/* Its low bits alone depend on the last bytes too little. */
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	memcpy(digest, &hash, SENDER_DIGEST_SIZE);
}

/* ---- telling people ---- */

int sender_notice(struct view account, struct view reason)
{
	_cleanup_(str_free) struct str subject = STR_EMPTY, text = STR_EMPTY, why = STR_EMPTY;
	_cleanup_(str_free) struct str name = STR_EMPTY;

	str_append_printable(&name, account);
	str_append_printable(&why, reason);
	str_printf(&subject, "Sending is stopped for %s", str_cstr(&name));
	str_printf(
		&text,
		"This is the mail system at host %s.\r\n\r\n"
		"The account %s has sent %s.\r\n"
		"Most often that means that somebody else knows its password. Its mail is kept\r\n"
		"on hold from now on, and it cannot log in to send; it still receives mail.\r\n\r\n"
		"If it is yours: change the password, and tell your postmaster.\r\n\r\n"
		"Postmaster: \"posta queue list --sender\" shows what is on hold, \"posta "
		"trace\"\r\n"
		"where it came from. \"posta user unlock\" allows the account to send again,\r\n"
		"\"posta queue release\" sends what was held, \"posta queue delete\" does not.\r\n"
		"If that much mail is in order: smtpd_login_limit_exceptions, or\r\n"
		"smtpd_login_message_hour_limit and its kin.\r\n",
		param.myhostname, str_cstr(&name), str_cstr(&why));
	return notice_send("postmaster", account, str_cstr(&subject), str_view(&text));
}
