/*
 * What is known of an address, and how long that counts: Postfix's rules. Pure; the cache that holds it
 * is main.c's.
 */
#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "verify.h"

/* "state:probed:updated:text" */
void verify_record_encode(const struct verify_record *record, struct str *out)
{
	str_printf(out, "%u:%lld:%lld:", record->state, (long long)record->probed,
		   (long long)record->updated);
	str_append(out, view_first(str_view(&record->text), REASON_MAX));
}

static int record_number(struct view *rest, uint32_t most, int64_t *number)
{
	struct view word;
	uint32_t n;

	/* Seconds: 32 bits without a sign last until 2106. */
	if (view_find_byte(*rest, ':') == VIEW_NOT_FOUND || !view_next(rest, ':', &word) ||
	    view_parse_u32(word, most, &n) < 0)
		return -EBADMSG;
	*number = n;
	return 0;
}

int verify_record_decode(struct view value, struct verify_record *record)
{
	int64_t state;

	*record = (struct verify_record){ 0 };
	if (record_number(&value, VERIFY_UNDELIVERABLE, &state) < 0 ||
	    record_number(&value, UINT32_MAX, &record->probed) < 0 ||
	    record_number(&value, UINT32_MAX, &record->updated) < 0)
		return -EBADMSG;
	record->state = (uint8_t)state;
	str_append_printable(&record->text, view_first(value, REASON_MAX));
	return 0;
}

void verify_record_free(struct verify_record *record)
{
	str_free(&record->text);
}

int64_t verify_record_expires(const struct verify_record *record)
{
	switch (record->state) {
	case VERIFY_DELIVERABLE:
		return record->updated + param.address_verify_positive_expire_time / 1000;
	case VERIFY_UNKNOWN:
		return record->probed + PROBE_LIFETIME;
	default:
		/* Long enough for those who come back after they were told to. */
		return record->updated + (param.address_verify_negative_cache
						  ? param.address_verify_negative_expire_time / 1000
						  : PROBE_LIFETIME);
	}
}

bool verify_record_wants_probe(const struct verify_record *record, int64_t now)
{
	int64_t refresh = record->state == VERIFY_DELIVERABLE
				  ? param.address_verify_positive_refresh_time / 1000
				  : param.address_verify_negative_refresh_time / 1000;

	if (record->probed > now - PROBE_LIFETIME && record->probed <= now)
		return false;
	return record->state == VERIFY_UNKNOWN || record->updated + refresh < now;
}

bool verify_record_update(struct verify_record *record, uint8_t state, struct view text,
			  int64_t now)
{
	record->probed = 0;
	if (record->state == VERIFY_DELIVERABLE && state != VERIFY_DELIVERABLE)
		return false;
	record->state = state;
	record->updated = now;
	str_clear(&record->text);
	str_append_printable(&record->text, view_first(text, REASON_MAX));
	return true;
}

uint8_t verify_state_of(uint8_t outcome)
{
	switch (outcome) {
	case OUTCOME_DELIVERED:
	case OUTCOME_RELAYED:
	case OUTCOME_EXPANDED:
		return VERIFY_DELIVERABLE;
	case OUTCOME_FAILED:
		return VERIFY_UNDELIVERABLE;
	default:
		return VERIFY_DEFERRED;
	}
}
