/*
 * What all command line tools share: configuration, messages, exit status. No verb is known here.
 */
#include "tools/tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *directory;

const char *tool_directory(void)
{
	const char *given = getenv("MAIL_CONFIG");

	if (directory != NULL)
		return directory;
	return given && given[0] ? given : "/etc/posta";
}

void tool_set_directory(const char *path)
{
	directory = path;
	/* For programs that this one starts. */
	setenv("MAIL_CONFIG", path, 1);
}

bool tool_load(const struct conf_override *overrides, size_t count)
{
	struct str report = STR_EMPTY;
	int r = conf_load(tool_directory(), overrides, count, &report);

	if (report.len > 0)
		fputs(str_cstr(&report), stderr);
	str_free(&report);
	return r == 0;
}

bool tool_help(int argc, char **argv, const char *text)
{
	/* posta queue --help, and posta queue list --help. */
	if (argc < 2 || (strcmp(argv[1], "--help") != 0 &&
			 (argc < 3 || argv[1][0] == '-' || strcmp(argv[2], "--help") != 0)))
		return false;
	fputs(text, stdout);
	return true;
}

int tool_usage(const char *verb, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "posta %s: ", verb);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (posta %s --help)\n", verb);
	return TOOL_USAGE;
}

int tool_fail(const char *verb, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "posta %s: ", verb);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return TOOL_NO;
}
