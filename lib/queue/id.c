/* Queue IDs. A file of its own: those who only name messages need nothing else of this room. */
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "queue/queue.h"

/* No vowels, so that no words come out. 'z' ends the time and is not used after it. */
static const char digits[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
#define BASE 52

/* The value of each digit, one more than it is; 0: no digit. */
static const uint8_t values[256] = {
	['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,	['6'] = 7,
	['7'] = 8,  ['8'] = 9,	['9'] = 10, ['B'] = 11, ['C'] = 12, ['D'] = 13, ['F'] = 14,
	['G'] = 15, ['H'] = 16, ['J'] = 17, ['K'] = 18, ['L'] = 19, ['M'] = 20, ['N'] = 21,
	['P'] = 22, ['Q'] = 23, ['R'] = 24, ['S'] = 25, ['T'] = 26, ['V'] = 27, ['W'] = 28,
	['X'] = 29, ['Y'] = 30, ['Z'] = 31, ['b'] = 32, ['c'] = 33, ['d'] = 34, ['f'] = 35,
	['g'] = 36, ['h'] = 37, ['j'] = 38, ['k'] = 39, ['l'] = 40, ['m'] = 41, ['n'] = 42,
	['p'] = 43, ['q'] = 44, ['r'] = 45, ['s'] = 46, ['t'] = 47, ['v'] = 48, ['w'] = 49,
	['x'] = 50, ['y'] = 51, ['z'] = 52,
};
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
		if (values[(uint8_t)id.data[i]] == 0)
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
		value = value * BASE + values[(uint8_t)text.data[i]] - 1;
	return value;
}

int64_t queue_id_time(struct view id)
{
	uint64_t seconds = take_digits(view_first(id, SECOND_DIGITS));
	uint64_t micro = take_digits(view_first(view_from(id, SECOND_DIGITS), MICRO_DIGITS));

	return (int64_t)(seconds * 1000000 + micro);
}
