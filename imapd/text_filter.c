/* Filters of texts: made, packed and asked. Where the text comes from: search_text.c. */
#include "text_filter.h"

#include <string.h>

/* To be counted up when other text than before is looked through, so that what is kept is made anew. */
#define FILTER_VERSION	  1
#define FILTER_HEAD	  2  /* bytes: version, and the number of bits as a power of two */
#define FILTER_POWER_MIN  6  /* 64 bits */
#define FILTER_POWER_MAX  16 /* TEXT_FILTER_BITS */
#define FILTER_NEEDLE_MAX 64 /* bytes of a needle that are looked at */
#define FILTER_FULL_PARTS 5  /* of which two may be full: it is not packed closer than that */
#define FILTER_FULL_LIMIT 2

/* 16 bits. Where fewer are wanted these are the low ones. */
static uint32_t trigram_hash(const char *at)
{
	uint32_t trigram = (uint32_t)(unsigned char)at[0] << 16 |
			   (uint32_t)(unsigned char)at[1] << 8 | (unsigned char)at[2];

	return trigram * 0x9e3779b1u >> 16;
}

void text_filter_add(struct text_filter *filter, struct view folded)
{
	for (size_t i = 0; i + 3 <= folded.len; i++) {
		uint32_t hash = trigram_hash(folded.data + i);

		filter->words[hash / 64] |= (uint64_t)1 << hash % 64;
	}
}

/* Bits that are set when the upper half of `count` words is put on the lower one. */
static size_t folded_bits(const uint64_t *words, size_t count)
{
	size_t bits = 0;

	for (size_t i = 0; i < count / 2; i++)
		bits += (size_t)__builtin_popcountll(words[i] | words[i + count / 2]);
	return bits;
}

void text_filter_encode(struct text_filter *filter, struct str *record)
{
	size_t count = TEXT_FILTER_BITS / 64;
	unsigned power = FILTER_POWER_MAX;

	while (power > FILTER_POWER_MIN && folded_bits(filter->words, count) * FILTER_FULL_PARTS <=
						   count / 2 * 64 * FILTER_FULL_LIMIT) {
		count /= 2;
		power--;
		for (size_t i = 0; i < count; i++)
			filter->words[i] |= filter->words[i + count];
	}
	str_append_byte(record, FILTER_VERSION);
	str_append_byte(record, (char)power);
	str_append(record, view_make((const char *)filter->words, count * sizeof(uint64_t)));
}

bool text_filter_is_valid(struct view record)
{
	unsigned power;

	if (record.len < FILTER_HEAD || record.data[0] != FILTER_VERSION)
		return false;
	power = (unsigned char)record.data[1];
	return power >= FILTER_POWER_MIN && power <= FILTER_POWER_MAX &&
	       record.len == FILTER_HEAD + ((size_t)1 << power) / 8;
}

bool text_filter_ask(struct view record, struct view needle)
{
	const char *words = record.data + FILTER_HEAD;
	uint32_t mask = ((uint32_t)1 << record.data[1]) - 1;

	needle = view_first(needle, FILTER_NEEDLE_MAX);
	for (size_t i = 0; i + 3 <= needle.len; i++) {
		uint32_t hash = trigram_hash(needle.data + i) & mask;
		uint64_t word;

		memcpy(&word, words + hash / 64 * sizeof(word), sizeof(word));
		if (!(word >> hash % 64 & 1))
			return false;
	}
	return true;
}
