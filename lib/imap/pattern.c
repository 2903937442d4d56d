#include "imap/parser.h"

/*
 * '*' matches anything, '%' anything but the separator. Linear in the product of both lengths: one
 * place to go back to for '*', one for the last '%' after it.
 */
bool imap_pattern_matches(struct view pattern, struct view name)
{
	size_t p = 0, n = 0, star = SIZE_MAX, star_n = 0, percent = SIZE_MAX, percent_n = 0;

	while (n < name.len || p < pattern.len) {
		if (p < pattern.len && pattern.data[p] == '*') {
			star = p++;
			star_n = n;
			percent = SIZE_MAX;
			continue;
		}
		if (p < pattern.len && pattern.data[p] == '%') {
			percent = p++;
			percent_n = n;
			continue;
		}
		if (p < pattern.len && n < name.len && pattern.data[p] == name.data[n]) {
			p++;
			n++;
			continue;
		}
		if (percent != SIZE_MAX && percent_n < name.len && name.data[percent_n] != '.') {
			n = ++percent_n;
			p = percent + 1;
			continue;
		}
		if (star != SIZE_MAX && star_n < name.len) {
			n = ++star_n;
			p = star + 1;
			percent = SIZE_MAX;
			continue;
		}
		return false;
	}
	return true;
}
