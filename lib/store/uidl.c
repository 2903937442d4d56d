/* POP3 UIDLs by a format. Where the values come from is the caller's matter. */
#include "store/uidl.h"

#include <errno.h>
#include <stdio.h>

#include "base/mem.h"

#define WIDTH_MAX 40

struct uidl_piece {
	bool zero, hex;
	int width;
	char letter;
};

/* What follows a '%'. Returns where it ends. */
static const char *uidl_piece_read(const char *at, struct uidl_piece *piece)
{
	*piece = (struct uidl_piece){ 0 };
	for (; *at == '0' && piece->width == 0; at++)
		piece->zero = true;
	for (; ascii_is_digit(*at) && piece->width < WIDTH_MAX; at++)
		piece->width = piece->width * 10 + (*at - '0');
	for (; *at == 'X' || *at == 'x'; at++)
		piece->hex = true;
	piece->letter = *at;
	return *at == '\0' ? at : at + 1;
}

static void uidl_number(struct str *out, const struct uidl_piece *piece, unsigned long number)
{
	int width = MIN(piece->width, WIDTH_MAX);

	if (piece->zero)
		str_printf(out, piece->hex ? "%0*lx" : "%0*lu", width, number);
	else
		str_printf(out, piece->hex ? "%*lx" : "%*lu", width, number);
}

int uidl_format(struct str *out, const char *format, uidl_field *field, void *argument)
{
	size_t start = out->len;
	int r = 0;

	while (*format != '\0' && r >= 0) {
		struct uidl_piece piece;
		unsigned long number = 0;

		if (*format != '%') {
			str_append_byte(out, *format++);
			continue;
		}
		format = uidl_piece_read(format + 1, &piece);
		if (piece.letter == '\0')
			break;
		r = field(argument, piece.letter, &number, out);
		if (r == -EINVAL) {
			str_append_byte(out, piece.letter);
			r = 0;
		} else if (r == 0) {
			uidl_number(out, &piece, number);
		}
	}
	for (size_t i = start; i < out->len; i++)
		if (out->data[i] <= ' ' || out->data[i] > '~')
			out->data[i] = '_';
	return MIN(r, 0);
}

int uidl_format_check(const char *format, const char *letters)
{
	bool differs = false;

	while (*format != '\0') {
		struct uidl_piece piece;

		if (*format++ != '%')
			continue;
		format = uidl_piece_read(format, &piece);
		if (piece.letter == '\0' || strchr(letters, piece.letter) == NULL)
			return -EINVAL;
		differs = differs || piece.letter != 'v';
	}
	return differs ? 0 : -EINVAL;
}
