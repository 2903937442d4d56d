/* Queue IDs. A file of its own: those who only name messages need nothing else of this room. */
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "queue/queue.h"

/* No vowels, so that no words come out. 'z' ends the time and is not used behind it. */
static const char digits[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
#define BASE	      52
#define SECOND_DIGITS 6
#define MICRO_DIGITS  4
#define RANDOM_DIGITS 8 /* 45 bits within a microsecond */
#define ID_MIN	      (SECOND_DIGITS + MICRO_DIGITS + 2)

static char *put_digits(char *at, uint64_t value, int count, unsigned base)
{
	for (int i = count - 1; i >= 0; i--) {
		at[i] = digits[value % base];
		value /= base;
	}
	return at + count;
}

void queue_id_new(char id[static QUEUE_ID_LENGTH_MAX])
{
	uint64_t now = (uint64_t)clock_wall_usec();
	char *at = put_digits(id, now / 1000000, SECOND_DIGITS, BASE);

	at = put_digits(at, now % 1000000, MICRO_DIGITS, BASE);
	*at++ = 'z';
	at = put_digits(at, random_u64(), RANDOM_DIGITS, BASE - 1);
	*at = '\0';
}

bool queue_id_is_valid(struct view id)
{
	if (id.len < ID_MIN || id.len >= QUEUE_ID_LENGTH_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (id.data[i] == '\0' || strchr(digits, id.data[i]) == NULL)
			return false;
	return true;
}

void queue_id_copy(char to[static QUEUE_ID_LENGTH_MAX], struct view id)
{
	id = view_first(id, QUEUE_ID_LENGTH_MAX - 1);
	memcpy(to, id.data, id.len);
	to[id.len] = '\0';
}

static uint64_t take_digits(struct view text)
{
	uint64_t value = 0;

	for (size_t i = 0; i < text.len; i++)
		value = value * BASE + (uint64_t)(strchr(digits, text.data[i]) - digits);
	return value;
}

int64_t queue_id_time(struct view id)
{
	uint64_t seconds = take_digits(view_first(id, SECOND_DIGITS));
	uint64_t micro = take_digits(view_first(view_from(id, SECOND_DIGITS), MICRO_DIGITS));

	return (int64_t)(seconds * 1000000 + micro);
}
