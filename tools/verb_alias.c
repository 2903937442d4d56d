/* posta alias, postalias, newaliases: makes, asks and edits alias tables. */
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

	return index_command(&job, help, build_all, argc, argv);
}
