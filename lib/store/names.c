/* Names of folders and of files in a Maildir. Only syntax: nothing is looked for. */
#include "store/names.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"

/* ---- names of folders ---- */

/* The value of a modified base64 digit (RFC 3501 5.1.3), -1: none. */
static int name_base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == ',' ? 63 : -1;
}

/*
 * The UTF-16 after '&': whole units, zero bits left over, surrogates in pairs, nothing that has a
 * shorter form. So two names that look the same are the same.
 */
static bool utf7_run_is_valid(struct view run)
{
	uint32_t bits = 0;
	unsigned bit_count = 0;
	bool high = false;

	for (size_t i = 0; i < run.len; i++) {
		int digit = name_base64_digit(run.data[i]);

		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		bit_count += 6;
		if (bit_count < 16)
			continue;
		bit_count -= 16;

		uint32_t unit = bits >> bit_count & 0xffff;

		bits &= (1U << bit_count) - 1;
		if (high != (unit >= 0xdc00 && unit < 0xe000))
			return false;
		high = unit >= 0xd800 && unit < 0xdc00;
		if (unit < 0x80)
			return false;
	}
	return run.len > 0 && !high && bits == 0 && bit_count < 6;
}

static bool utf7_is_valid(struct view name)
{
	bool after_run = false;

	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] != '&') {
			after_run = false;
			continue;
		}

		size_t end = view_find_byte(view_from(name, i), '-');

		if (end == VIEW_NOT_FOUND)
			return false;
		/* "&-" is '&'; two runs in a row would be one. */
		if (end > 1 &&
		    (after_run || !utf7_run_is_valid(view_make(name.data + i + 1, end - 1))))
			return false;
		after_run = end > 1;
		i += end;
	}
	return true;
}

int store_name_check(struct view name, struct error *err)
{
	struct view rest = name, part;
	size_t depth = 0;

	if (name.len == 0)
		return error_set(err, -EINVAL, "A folder must have a name");
	if (name.len > STORE_NAME_MAX)
		return error_set(err, -EINVAL, "Name is longer than %d bytes", STORE_NAME_MAX);
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.data[i];

		if (c < 32 || c >= 127)
			return error_set(
				err, -EINVAL,
				"Name has a control or 8-bit character (modified UTF-7 is needed)");
		if (c == '/')
			return error_set(err, -EINVAL, "Name must not have the character '%c'", c);
	}
	while (view_next(&rest, '.', &part)) {
		if (part.len == 0)
			return error_set(err, -EINVAL, "Name has an empty part");
		if (++depth > STORE_DEPTH_MAX)
			return error_set(err, -EINVAL, "Name has more than %d parts",
					 STORE_DEPTH_MAX);
	}
	if (!utf7_is_valid(name))
		return error_set(err, -EINVAL, "Name is not valid modified UTF-7");
	return 0;
}

int store_name_may_be_made(struct view name, struct error *err)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] == '*' || name.data[i] == '%')
			return error_set(err, -EINVAL, "Name must not have the character '%c'",
					 name.data[i]);
	return 0;
}

int store_name_normalize(struct view name, struct str *out, struct error *err)
{
	int r = store_name_check(name, err);

	if (r < 0)
		return r;
	if (view_starts_nocase(name, VIEW("INBOX")) && (name.len == 5 || name.data[5] == '.')) {
		str_append(out, VIEW("INBOX"));
		name = view_from(name, 5);
	}
	str_append(out, name);
	return 0;
}

unsigned store_name_special_use(struct view name)
{
	static const struct {
		const char *name;
		unsigned use;
	} known[] = {
		{ "Archive", USE_ARCHIVE },	{ "Archives", USE_ARCHIVE },
		{ "Drafts", USE_DRAFTS },	{ "Junk", USE_JUNK },
		{ "Spam", USE_JUNK },		{ "Sent", USE_SENT },
		{ "Sent Messages", USE_SENT },	{ "Sent Items", USE_SENT },
		{ "Trash", USE_TRASH },		{ "Deleted Messages", USE_TRASH },
		{ "Deleted Items", USE_TRASH },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (view_is_nocase(name, known[i].name))
			return known[i].use;
	return 0;
}

static const struct {
	const char *name;
	unsigned use;
} uses[] = { { "Archive", USE_ARCHIVE },
	     { "Drafts", USE_DRAFTS },
	     { "Junk", USE_JUNK },
	     { "Sent", USE_SENT },
	     { "Trash", USE_TRASH } };

unsigned store_use_find(struct view name)
{
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (view_is_nocase(name, uses[i].name))
			return uses[i].use;
	return 0;
}

const char *store_use_name(unsigned use)
{
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (uses[i].use == use)
			return uses[i].name;
	return "";
}

unsigned store_use_at(size_t i)
{
	return i < sizeof(uses) / sizeof(uses[0]) ? uses[i].use : 0;
}

bool store_keyword_is_valid(struct view name)
{
	if (name.len == 0 || name.len > KEYWORD_LENGTH_MAX || !view_is_ascii(name) ||
	    view_has_control(name))
		return false;
	/* atom of RFC 3501: not ( ) { SP % * " \ ] */
	for (size_t i = 0; i < name.len; i++)
		if (strchr("(){ %*\"\\]", name.data[i]) != NULL)
			return false;
	return true;
}

void folder_path_append(struct str *out, const char *maildir, struct view folder)
{
	struct view root = view_of(maildir);

	while (root.len > 0 && root.data[root.len - 1] == '/')
		root.len--;
	str_append(out, root);
	if (folder.len > 0 && !view_is(folder, "INBOX")) {
		str_append(out, VIEW("/."));
		str_append(out, folder);
	}
}

/* ---- names of files ---- */

static const struct {
	char letter;
	unsigned flag;
} letters[] = { { 'D', FLAG_DRAFT },	{ 'F', FLAG_FLAGGED }, { 'P', FLAG_PASSED },
		{ 'R', FLAG_ANSWERED }, { 'S', FLAG_SEEN },    { 'T', FLAG_DELETED } };

static void parse_info(struct view info, struct file_name *name)
{
	if (!view_starts(info, VIEW("2,")))
		return;
	name->has_info = true;
	for (size_t i = 2; i < info.len; i++) {
		char c = info.data[i];

		if (c >= 'a' && c <= 'z')
			name->letters |= 1U << (c - 'a');
		for (size_t k = 0; k < sizeof(letters) / sizeof(letters[0]); k++)
			if (letters[k].letter == c)
				name->flags |= letters[k].flag;
	}
}

bool file_name_parse(struct view text, struct file_name *name)
{
	*name = (struct file_name){ .size = SIZE_UNKNOWN,
				    .wire_size = SIZE_UNKNOWN,
				    .packed = SIZE_UNKNOWN };
	if (text.len == 0 || text.len > FILE_NAME_MAX || text.data[0] == '.')
		return false;

	size_t colon = view_find_byte(text, ':');
	struct view rest, piece;

	name->base = view_first(text, colon);
	if (colon != VIEW_NOT_FOUND)
		parse_info(view_from(text, colon + 1), name);

	size_t comma = view_find_last_byte(name->base, ',');

	if (comma != VIEW_NOT_FOUND && view_starts(view_from(name->base, comma), VIEW(",U="))) {
		struct view number = view_from(name->base, comma + 3);

		if (view_parse_u32(number, UINT32_MAX - 1, &name->uid) == 0 && name->uid > 0)
			name->base = view_first(name->base, comma);
		else
			name->uid = 0;
	}
	rest = name->base;
	view_next(&rest, ',', &name->unique);
	while (view_next(&rest, ',', &piece)) {
		if (view_starts(piece, VIEW("S=")))
			(void)view_parse_u64(view_from(piece, 2), INT64_MAX, &name->size);
		else if (view_starts(piece, VIEW("W=")))
			(void)view_parse_u64(view_from(piece, 2), INT64_MAX, &name->wire_size);
		else if (view_starts(piece, VIEW("Z=")))
			(void)view_parse_u64(view_from(piece, 2), INT64_MAX, &name->packed);
	}
	return name->base.len > 0;
}

bool file_name_is_of(const struct file_name *name, uint64_t disk_size)
{
	return (name->packed != SIZE_UNKNOWN ? name->packed : name->size) == disk_size;
}

uint64_t file_name_wire_size(const struct file_name *name, uint64_t disk_size)
{
	/* A name that lies about one size is not believed about the other either. */
	return file_name_is_of(name, disk_size) && name->size != SIZE_UNKNOWN &&
			       name->wire_size != SIZE_UNKNOWN && name->wire_size >= name->size
		       ? name->wire_size
		       : SIZE_UNKNOWN;
}

void file_name_add_sizes(struct str *name, uint64_t size, uint64_t wire_size, uint64_t packed)
{
	str_printf(name, ",S=%llu,W=%llu", (unsigned long long)size, (unsigned long long)wire_size);
	if (packed > 0)
		str_printf(name, ",Z=%llu", (unsigned long long)packed);
}

void file_name_build(struct str *out, struct view base, uint32_t uid, unsigned flags,
		     uint64_t keywords)
{
	str_append(out, base);
	if (uid > 0)
		str_printf(out, ",U=%u", uid);
	str_append_cstr(out, ":2,");
	for (size_t k = 0; k < sizeof(letters) / sizeof(letters[0]); k++)
		if (flags & letters[k].flag)
			str_append_byte(out, letters[k].letter);
	for (unsigned bit = 0; bit < LETTERS; bit++)
		if (keywords & 1ULL << bit)
			str_append_byte(out, (char)('a' + bit));
}

static const char *host_name(void)
{
	static char host[128];

	if (host[0] != '\0')
		return host;
	if (gethostname(host, sizeof(host) - 1) < 0 || host[0] == '\0')
		snprintf(host, sizeof(host), "localhost");
	/* maildir(5); and a comma would begin a field. */
	for (char *at = host; *at != '\0'; at++)
		if (*at == '/' || *at == ':' || *at == ',')
			*at = '_';
	return host;
}

void file_name_unique(struct str *out)
{
	int64_t now = clock_wall_usec();

	str_printf(out, "%lld.M%lldP%dR%016llx.%.64s", (long long)(now / 1000000),
		   (long long)(now % 1000000), (int)getpid(), (unsigned long long)random_u64(),
		   host_name());
}

void file_name_identity(struct str *out, int64_t arrival, struct view identity)
{
	arrival = arrival > 0 ? arrival : 0;
	str_printf(out, "%lld.M%lldQ%.*s.%.64s", (long long)(arrival / 1000000),
		   (long long)(arrival % 1000000), VIEW_ARG(identity), host_name());
}

void file_name_id(struct view unique, uint8_t id[16])
{
	struct sha256_ctx sha256;

	sha256_init(&sha256);
	sha256_update(&sha256, unique.len, (const uint8_t *)unique.data);
	sha256_digest(&sha256, 16, id);
}

/* The decimal number at the front, taken off. */
static uint64_t name_take_number(struct view *text)
{
	uint64_t value = 0;
	size_t i = 0;

	for (; i < text->len && ascii_is_digit(text->data[i]) && i < 18; i++)
		value = value * 10 + (uint64_t)(text->data[i] - '0');
	*text = view_from(*text, i);
	return value;
}

int file_name_compare_arrival(struct view a, struct view b)
{
	struct view a_rest = a, b_rest = b;
	uint64_t a_seconds = name_take_number(&a_rest), b_seconds = name_take_number(&b_rest);

	if (a_seconds != b_seconds)
		return a_seconds < b_seconds ? -1 : 1;
	if (view_starts(a_rest, VIEW(".M")) && view_starts(b_rest, VIEW(".M"))) {
		a_rest = view_from(a_rest, 2);
		b_rest = view_from(b_rest, 2);

		uint64_t a_usec = name_take_number(&a_rest), b_usec = name_take_number(&b_rest);

		if (a_usec != b_usec)
			return a_usec < b_usec ? -1 : 1;
	}
	return view_compare(a, b);
}
