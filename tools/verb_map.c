/* posta map, postmap: makes, asks and edits look-up tables. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/index.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta map [OPTION...] [TYPE:]FILE...\n"
	"\n"
	"Without -q, -s, -d or -i: makes the index of each text file (FILE.db, FILE.lmdb) anew. A "
	"bad\n"
	"line is named and left out. The text has a key, white space and a value in "
	"each\n"
	"line. Types with an index: hash, btree, lmdb; without a type: default_database_type.\n"
	"\n"
	"  -q KEY   shows the value of KEY from the first table that has it; -q -: keys from\n"
	"           standard input. Status 1: none has it\n"
	"  -s       lists all entries\n"
	"  -d KEY   deletes KEY from the index; -d -: keys from standard input\n"
	"  -i       adds entries from standard input to the index; a key that is there is named "
	"and\n"
	"           left as it is, with -r it is replaced\n"
	"  -F       values are names of files: the index has what is in them, in base64 (SNI); "
	"with\n"
	"           -q and -s it is decoded\n"
	"  -w       no warnings about keys that stand twice\n"
	"  -f       does not fold the key of -q to lower case\n"
	"  --json   shows entries as JSON, one in a line\n"
	"  -c DIR   folder of main.cf\n"
	"  -n -N -o -p -u -v are accepted and mean nothing here.\n";

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'H' },
	{ 0 },
};

int verb_map(int argc, char **argv)
{
	struct index_job job = { .verb = "map", .source = SOURCE_MAP };
	const char *query = NULL, *delete = NULL;
	bool list = false, add = false;
	int option, status = TOOL_DONE;

	while ((option = getopt_long(argc, argv, "+c:d:FfijnNopq:rsuvw", options, NULL)) >= 0) {
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
		case 'F':
			job.files = true;
			break;
		case 'f':
			job.flags |= TABLE_CASE_SENSITIVE;
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
			return tool_usage("map", "wrong option");
		default:
			break; /* accepted for postmap's sake */
		}
	}
	if (optind == argc)
		return tool_usage("map", "which table?");
	if ((query != NULL) + (delete != NULL) + list + add > 1)
		return tool_usage("map", "only one of -q, -d, -s and -i");
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
