/* posta alias, postalias, newaliases: makes, asks and edits alias tables. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "tools/index.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta alias [OPTION...] [[TYPE:]FILE...]\n"
	"       newaliases\n"
	"\n"
	"Makes the index of each alias file (aliases(5): \"name: value, value...\") anew; without "
	"a FILE\n"
	"those of alias_database. A bad line is named and left out.\n"
	"\n"
	"  -q NAME  shows the value of NAME; -q -: names from standard input. Status 1: not found\n"
	"  -s       lists all entries\n"
	"  -d NAME  deletes NAME from the index; -d -: names from standard input\n"
	"  -i       adds \"name: value\" lines from standard input to the index; with -r, replaces "
	"them\n"
	"  -w       no warnings about names that stand twice\n"
	"  --json   shows entries as JSON, one in a line\n"
	"  -c DIR   folder of main.cf\n"
	"  -f -n -N -o -p -u -v are accepted and mean nothing here.\n";

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'H' },
	{ 0 },
};

/* newaliases: everything in alias_database. */
static int build_all(const struct index_job *job)
{
	int status = TOOL_DONE;

	if (!tool_load(NULL, 0))
		return TOOL_NO;

	const char *value = param.alias_database;
	_cleanup_free_ char *list = mem_strdup(value);
	struct view rest = view_of(list), element;

	while (conf_next_element(&rest, &element)) {
		_cleanup_free_ char *specification = mem_strndup(element.data, element.len);

		if (index_build(job, specification) != TOOL_DONE)
			status = TOOL_NO;
	}
	return status;
}

int verb_alias(int argc, char **argv)
{
	struct index_job job = { .verb = "alias", .source = SOURCE_ALIASES };
	const char *query = NULL, *delete = NULL;
	bool list = false, add = false;
	int option, status = TOOL_DONE;

	while ((option = getopt_long(argc, argv, "+c:d:fijnNopq:rsuvw", options, NULL)) >= 0) {
		switch (option) {
		case 'H':
			fputs(help, stdout);
			return TOOL_DONE;
		case 'c':
			tool_set_directory(optarg);
			break;
		case 'd':
			delete = optarg;
			break;
		case 'q':
			query = optarg;
			break;
		case 'i':
			add = true;
			break;
		case 'j':
			job.json = true;
			break;
		case 'r':
			job.replace = true;
			break;
		case 's':
			list = true;
			break;
		case 'w':
			job.quiet_duplicates = true;
			break;
		case '?':
			return tool_usage("alias", "wrong option");
		default:
			break; /* accepted for postalias's sake */
		}
	}
	if ((query != NULL) + (delete != NULL) + list + add > 1)
		return tool_usage("alias", "only one of -q, -d, -s and -i");
	if (optind == argc && (query || delete || list || add))
		return tool_usage("alias", "which table?");
	if (optind == argc)
		return build_all(&job);
	if (query != NULL)
		return index_query(&job, argv + optind, query);
	if (delete != NULL)
		return index_delete(&job, argv + optind, delete);
	if (list)
		return index_list(&job, argv + optind);
	for (; optind < argc && status == TOOL_DONE; optind++)
		status = add ? index_add(&job, argv[optind]) : index_build(&job, argv[optind]);
	return status;
}
