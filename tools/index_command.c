/*
 * The command line of map and alias: one table or many are made, asked, listed or changed. What is
 * done to a table is in index.c.
 */
#include <getopt.h>
#include <stdio.h>

#include "tools/index.h"
#include "tools/tool.h"

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'H' },
	{ 0 },
};

struct wish {
	const char *query, *delete;
	bool list, add;
};

/* TOOL_DONE: read on; else the command's status. *help: it was asked for. */
static int options_read(struct index_job *job, struct wish *wish, bool *help, int argc, char **argv)
{
	bool map = job->source == SOURCE_MAP;
	int option;

	while ((option = getopt_long(argc, argv,
				     map ? "+c:d:FfijnNopq:rsuvw" : "+c:d:fijnNopq:rsuvw", options,
				     NULL)) >= 0) {
		switch (option) {
		case 'H':
			*help = true;
			return TOOL_DONE;
		case 'c':
			tool_set_directory(optarg);
			break;
		case 'd':
			wish->delete = optarg;
			break;
		case 'q':
			wish->query = optarg;
			break;
		case 'F':
			job->files = true;
			break;
		case 'f':
			job->flags |= map ? TABLE_CASE_SENSITIVE : 0;
			break;
		case 'i':
			wish->add = true;
			break;
		case 'j':
			job->json = true;
			break;
		case 'r':
			job->replace = true;
			break;
		case 's':
			wish->list = true;
			break;
		case 'w':
			job->quiet_duplicates = true;
			break;
		case '?':
			return tool_usage(job->verb, "wrong option");
		default:
			break; /* accepted for postmap's and postalias's sake */
		}
	}
	return TOOL_DONE;
}

int index_command(struct index_job *job, const char *help, index_default *by_default, int argc,
		  char **argv)
{
	struct wish wish = { .query = NULL };
	bool asked_for_help = false;
	int status = options_read(job, &wish, &asked_for_help, argc, argv);
	int wishes = (wish.query != NULL) + (wish.delete != NULL) + wish.list + wish.add;

	if (status != TOOL_DONE)
		return status;
	if (asked_for_help) {
		fputs(help, stdout);
		return TOOL_DONE;
	}
	if (wishes > 1)
		return tool_usage(job->verb, "only one of -q, -d, -s and -i");
	if (optind == argc && wishes == 0 && by_default != NULL)
		return by_default(job);
	if (optind == argc)
		return tool_usage(job->verb, "which table?");
	if (wish.query != NULL)
		return index_query(job, argv + optind, wish.query);
	if (wish.delete != NULL)
		return index_delete(job, argv + optind, wish.delete);
	if (wish.list)
		return index_list(job, argv + optind);
	for (; optind < argc && status == TOOL_DONE; optind++)
		status = wish.add ? index_add(job, argv[optind]) : index_build(job, argv[optind]);
	return status;
}
