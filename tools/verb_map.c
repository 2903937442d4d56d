/* posta map, postmap: makes, asks and edits look-up tables. */
#include "tools/index.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta map [OPTION...] [TYPE:]FILE...\n"
	"\n"
	"Without -q, -s, -d or -i: makes the index of each text file (FILE.db, FILE.lmdb) anew. A "
	"bad\n"
	"line is named and left out. The text has a key, white space and a value in "
	"each\n"
	"line. Types with an index: hash, btree, lmdb, cdb; without a type: "
	"default_database_type.\n"
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

int verb_map(int argc, char **argv)
{
	struct index_job job = { .verb = "map", .source = SOURCE_MAP };

	return index_command(&job, help, NULL, argc, argv);
}
