/* posta check: what was found. All files of it report here; the worst is printed first. */
#include <stdio.h>

#include "base/mem.h"
#include "tools/check.h"

static struct {
	int errors, warnings;
	bool verbose;
	struct str error_lines, warning_lines, remark_lines;
} findings;

void findings_begin(bool verbose)
{
	findings.verbose = verbose;
}

static bool add_finding(struct str *to, const char *kind, const char *format, va_list args)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_append_cstr(&text, ": ");
	str_vprintf(&text, format, args);
	str_append_byte(&text, '\n');
	/* master says again what was found in its files before. */
	if (view_find(str_view(&findings.error_lines), str_view(&text)) != VIEW_NOT_FOUND ||
	    view_find(str_view(to), str_view(&text)) != VIEW_NOT_FOUND)
		return false;
	str_append_cstr(to, kind);
	str_append(to, str_view(&text));
	return true;
}

void check_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	findings.errors += add_finding(&findings.error_lines, "error", format, args);
	va_end(args);
}

void check_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	findings.warnings += add_finding(&findings.warning_lines, "warning", format, args);
	va_end(args);
}

void check_remark(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (findings.verbose)
		add_finding(&findings.remark_lines, "remark", format, args);
	va_end(args);
}

int findings_print(size_t asked)
{
	fputs(str_cstr(&findings.error_lines), stdout);
	fputs(str_cstr(&findings.warning_lines), stdout);
	fputs(str_cstr(&findings.remark_lines), stdout);
	printf("%d errors, %d warnings; asked %zu times to relay as a stranger\n", findings.errors,
	       findings.warnings, asked);
	str_free(&findings.error_lines);
	str_free(&findings.warning_lines);
	str_free(&findings.remark_lines);
	return findings.errors;
}
