/* SRS with the parameters of this site and the MACs of keys. Whose mail is rewritten, others decide. */
#include "mailauth/return_path.h"

#include <errno.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/srs.h"
#include "services/clients.h"

#define DAY_SECONDS 86400
#define DAY_MSEC    ((int64_t)DAY_SECONDS * 1000)

/* What other servers take at most: RFC 5321 4.5.3.1.3, without the brackets. */
#define PATH_MAX_OCTETS 254

static int64_t today(void)
{
	return clock_wall() / DAY_SECONDS;
}

int return_path_make(struct view sender, struct str *out)
{
	_cleanup_(srs_free) struct srs srs = SRS_NONE;
	_cleanup_(str_free) struct str macs = STR_EMPTY;
	int r;

	if (param.srs_domain[0] == '\0' ||
	    srs_make(sender, param.srs_separator[0], today(), &srs) < 0)
		return 0;
	r = keys_mac(MAC_SRS, str_view(&srs.hashed), &macs);
	if (r < 0)
		return r;
	if (macs.len < SRS_MAC_SIZE)
		return -EBADMSG;
	str_clear(out);
	srs_write(&srs, view_first(str_view(&macs), SRS_MAC_SIZE), (size_t)param.srs_hash_length,
		  view_of(param.srs_domain), out);
	return out->len <= PATH_MAX_OCTETS ? 1 : 0;
}

bool return_path_is_ours(struct view address)
{
	return srs_is_at(address, view_of(param.srs_domain));
}

int return_path_read(struct view address, struct str *out)
{
	_cleanup_(srs_free) struct srs srs = SRS_NONE;
	_cleanup_(str_free) struct str macs = STR_EMPTY;
	size_t least = (size_t)MIN(param.srs_hash_minimum, param.srs_hash_length);
	int r = srs_read(address, today(), param.srs_lifetime / DAY_MSEC, &srs);

	if (r < 0)
		return r == -ETIME ? r : -EACCES;
	r = keys_mac(MAC_SRS, str_view(&srs.hashed), &macs);
	for (struct view all = str_view(&macs); r == 0 && all.len >= SRS_MAC_SIZE;
	     all = view_from(all, SRS_MAC_SIZE)) {
		if (!srs_hash_is(&srs, view_first(all, SRS_MAC_SIZE), least))
			continue;
		str_set(out, str_view(&srs.original));
		return 0;
	}
	return r < 0 ? r : -EACCES;
}
