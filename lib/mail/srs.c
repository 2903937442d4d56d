/*
 * Addresses of SRS, made and read. Nothing here knows a secret, a clock or a parameter.
 */
#include "mail/srs.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "mail/address.h"

#define TAG_SIZE 4 /* "SRS0" */

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void srs_free(struct srs *srs)
{
	str_free(&srs->hashed);
	str_free(&srs->before);
	str_free(&srs->after);
	str_free(&srs->hash);
	str_free(&srs->original);
}

/* '0' or '1', or 0: the local part is of another kind. */
static char srs_kind(struct view local)
{
	if (local.len <= TAG_SIZE + 1 || !view_starts_nocase(local, VIEW("SRS")) ||
	    strchr("=+-", local.data[TAG_SIZE]) == NULL)
		return '\0';
	return local.data[3] == '0' || local.data[3] == '1' ? local.data[3] : '\0';
}

bool srs_is_at(struct view address, struct view domain)
{
	struct view local, host;

	address_split(address, &local, &host);
	return domain.len > 0 && view_eq_nocase(host, domain) && srs_kind(local) != '\0';
}

/* ---- made ---- */

/* "SRS1=HHHH=first.host=rest", of which the hash is somebody else's. False: not in that form. */
static bool srs_split_again(struct view local, struct view *host, struct view *rest)
{
	struct view text = view_from(local, TAG_SIZE + 1), hash;

	if (!view_next(&text, '=', &hash) || hash.len == 0 || !view_next(&text, '=', host) ||
	    !domain_is_valid(*host, true) || text.len == 0 || strchr("=+-", text.data[0]) == NULL)
		return false;
	*rest = text;
	return true;
}

/* A sender that is of SRS already, by another host: it stays as it is, however long the way. */
static bool srs_make_again(struct view local, struct view domain, char separator, struct srs *out)
{
	char kind = srs_kind(local);
	struct view host = domain, rest = view_from(local, TAG_SIZE);

	if (kind == '\0' || (kind == '1' && !srs_split_again(local, &host, &rest)))
		return false;
	str_append_lower(&out->hashed, host);
	str_append_lower(&out->hashed, rest);
	str_printf(&out->before, "SRS1%c", separator);
	str_printf(&out->after, "=%.*s=%.*s", VIEW_ARG(host), VIEW_ARG(rest));
	return true;
}

int srs_make(struct view sender, char separator, int64_t day, struct srs *out)
{
	struct view local, domain;
	char when[3] = { base32[(day >> 5) & 31], base32[day & 31], '\0' };

	address_split(sender, &local, &domain);
	/* A '=' in it would move the border between host and user when it is read. */
	if (local.len == 0 || !domain_is_valid(domain, true))
		return -EINVAL;
	if (srs_make_again(local, domain, separator, out))
		return 0;
	str_append_lower(&out->hashed, view_of(when));
	str_append_lower(&out->hashed, domain);
	str_append_lower(&out->hashed, local);
	str_printf(&out->before, "SRS0%c", separator);
	str_printf(&out->after, "=%s=%.*s=%.*s", when, VIEW_ARG(domain), VIEW_ARG(local));
	return 0;
}

/* "/" in a sender is refused by some: '-' and '_' as in base64url. */
static void srs_hash(struct view mac, struct str *out)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	base64_encode(&text, mac);
	for (size_t i = 0; i < text.len && text.data[i] != '='; i++)
		str_append_byte(out, text.data[i] == '+'   ? '-'
				     : text.data[i] == '/' ? '_'
							   : text.data[i]);
}

void srs_write(const struct srs *srs, struct view mac, size_t length, struct view domain,
	       struct str *out)
{
	_cleanup_(str_free) struct str hash = STR_EMPTY;

	srs_hash(mac, &hash);
	str_append(out, str_view(&srs->before));
	str_append(out, view_first(str_view(&hash), length));
	str_append(out, str_view(&srs->after));
	str_append_byte(out, '@');
	str_append(out, domain);
}

/* ---- read ---- */

static int base32_value(char c)
{
	for (int i = 0; i < 32; i++)
		if (ascii_lower(base32[i]) == ascii_lower(c))
			return i;
	return -1;
}

static int srs_check_day(struct view when, int64_t day, int64_t days)
{
	int high = when.len == 2 ? base32_value(when.data[0]) : -1;
	int low = when.len == 2 ? base32_value(when.data[1]) : -1;

	if (high < 0 || low < 0)
		return -EINVAL;
	return ((day - (high * 32 + low)) % SRS_DAYS + SRS_DAYS) % SRS_DAYS > days ? -ETIME : 0;
}

static int srs_take_original(struct view local, struct view host, struct srs *out)
{
	str_append(&out->original, local);
	str_append_byte(&out->original, '@');
	str_append(&out->original, host);
	return local.len > 0 && domain_is_valid(host, true) && out->original.len <= ADDRESS_MAX
		       ? 0
		       : -EINVAL;
}

/* "HHHH=TT=host=user" */
static int srs_read_first(struct view text, int64_t day, int64_t days, struct srs *out)
{
	struct view hash, when, host;
	int r;

	if (!view_next(&text, '=', &hash) || !view_next(&text, '=', &when) ||
	    !view_next(&text, '=', &host))
		return -EINVAL;
	str_append(&out->hash, hash);
	str_append_lower(&out->hashed, when);
	str_append_lower(&out->hashed, host);
	str_append_lower(&out->hashed, text);
	r = srs_take_original(text, host, out);
	return r < 0 ? r : srs_check_day(when, day, days);
}

/* "HHHH=first.host=rest"; when that was is for the first host to say. */
static int srs_read_again(struct view text, struct srs *out)
{
	_cleanup_(str_free) struct str local = STR_EMPTY;
	struct view hash, host;

	if (!view_next(&text, '=', &hash) || !view_next(&text, '=', &host) || text.len == 0)
		return -EINVAL;
	str_append(&out->hash, hash);
	str_append_lower(&out->hashed, host);
	str_append_lower(&out->hashed, text);
	str_append_cstr(&local, "SRS0");
	str_append(&local, text);
	return srs_kind(str_view(&local)) == '0' ? srs_take_original(str_view(&local), host, out)
						 : -EINVAL;
}

int srs_read(struct view address, int64_t day, int64_t days, struct srs *out)
{
	struct view local, domain, rest;
	char kind;

	address_split(address, &local, &domain);
	kind = srs_kind(local);
	if (kind == '\0')
		return -EINVAL;
	rest = view_from(local, TAG_SIZE + 1);
	return kind == '0' ? srs_read_first(rest, day, days, out) : srs_read_again(rest, out);
}

/* Addresses come back in small letters, and with the characters of other programs. */
static char srs_fold(char c)
{
	return c == '+' ? '-' : c == '/' ? '_' : ascii_lower(c);
}

bool srs_hash_is(const struct srs *srs, struct view mac, size_t least)
{
	_cleanup_(str_free) struct str hash = STR_EMPTY;
	unsigned char differs = 0;

	srs_hash(mac, &hash);
	if (srs->hash.len < least || srs->hash.len == 0 || srs->hash.len > hash.len)
		return false;
	for (size_t i = 0; i < srs->hash.len; i++)
		differs |= (unsigned char)(srs_fold(srs->hash.data[i]) ^ srs_fold(hash.data[i]));
	return differs == 0;
}
