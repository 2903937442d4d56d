/*
 * Man pages from the tables.
 *
 *	generate_man conf PARAMS.DEF              posta.conf(5): every parameter
 *	generate_man page FILE.in PARAMS.DEF VERBS.DEF
 *	generate_man program NAME PARAMS.DEF      posta-NAME(8), of a program without a page of its own
 *	generate_man verb NAME HELP VERBS.DEF     posta-NAME(1), from what posta NAME --help prints
 *
 * writes the page to standard output. In a page's source "@PARAMETERS word@" stands for the
 * parameters of the groups in params.def whose heading has that word ("smtpd", "lib/route"),
 * "@VERBS@" for the verbs of the administrator's tool, and "@PRIVILEGES name@" for what programs.def
 * says of a program: its user, its root directory, and whose messages it takes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/programs.h"

enum { SOURCE_MAX = 4 << 20 };

static struct str page_read_source(const char *path)
{
	struct str text = STR_EMPTY;
	struct error err = ERROR_NONE;

	if (io_read_file(path, SOURCE_MAX, &text, &err) < 0) {
		fprintf(stderr, "generate_man: %s\n", err.text);
		exit(1);
	}
	return text;
}

/* Text as roff shows it as it is. */
static void page_put_text(struct view text)
{
	if (text.len > 0 && (text.data[0] == '.' || text.data[0] == '\''))
		fputs("\\&", stdout);
	for (size_t i = 0; i < text.len; i++) {
		switch (text.data[i]) {
		case '\\':
			fputs("\\e", stdout);
			break;
		case '-':
			fputs("\\-", stdout);
			break;
		case '^':
			fputs("\\(ha", stdout);
			break;
		case '~':
			fputs("\\(ti", stdout);
			break;
		case '`':
			fputs("\\(ga", stdout);
			break;
		case '\'':
			fputs("\\(aq", stdout);
			break;
		default:
			putchar(text.data[i]);
		}
	}
}

static void put_kind(const struct param_info *info)
{
	switch (info->type) {
	case PARAM_TYPE_BOOL:
		printf("yes or no; ");
		break;
	case PARAM_TYPE_INT:
		if (info->max == INT64_MAX)
			printf("number from %lld; ", (long long)info->min);
		else
			printf("number from %lld to %lld; ", (long long)info->min,
			       (long long)info->max);
		break;
	case PARAM_TYPE_ENUM:
	case PARAM_TYPE_LIST:
		if (info->words[0] != '\0') {
			printf(info->type == PARAM_TYPE_LIST ? "list of " : "");
			page_put_text(view_of(info->words + (info->words[0] == '|')));
			printf("; ");
		}
		break;
	case PARAM_TYPE_TABLES:
		printf("tables; ");
		break;
	case PARAM_TYPE_TIME:
		printf("time, unit %c; ", info->unit);
		break;
	default:
		break;
	}
}

static void put_parameter(const struct param_info *info)
{
	printf(".TP\n.B ");
	page_put_text(view_of(info->name));
	putchar('\n');
	page_put_text(view_of(info->help));
	printf(".\n(");
	put_kind(info);
	if (info->value[0] != '\0') {
		printf("default: ");
		page_put_text(view_of(info->value));
	} else {
		printf("default: empty");
	}
	printf(")\n");
}

/* ---- the groups of params.def ---- */

/* PARAM_GROUP("heading", ... */
static bool is_heading(struct view line, struct view *heading)
{
	if (!view_starts(line, VIEW("PARAM_GROUP(\"")))
		return false;
	line = view_from(line, strlen("PARAM_GROUP(\""));
	*heading = view_first(line, view_find_byte(line, '"'));
	return true;
}

/* The parameter of a line "PARAM_STR(name, ...", unless it is only known. */
static const struct param_info *parameter_of(struct view line)
{
	size_t open = view_find_byte(line, '(');
	struct view name;
	const struct param_info *info;

	if (!view_starts(line, VIEW("PARAM_")) || open == VIEW_NOT_FOUND)
		return NULL;
	name = view_from(line, open + 1);
	info = param_find(view_first(name, view_find_byte(name, ',')));
	return info != NULL && !param_is_later(info) ? info : NULL;
}

static bool is_word_byte(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '/';
}

static bool has_word(struct view text, struct view word)
{
	for (size_t i = 0; i + word.len <= text.len; i++) {
		if (!view_starts(view_from(text, i), word))
			continue;
		if ((i == 0 || !is_word_byte(text.data[i - 1])) &&
		    (i + word.len == text.len || !is_word_byte(text.data[i + word.len])))
			return true;
	}
	return false;
}

/* The groups with that word in their heading; all, with headings, for VIEW_NONE. */
static void put_groups(const struct str *params, struct view word)
{
	struct view rest = str_view(params), line, heading = VIEW_NONE;
	bool wanted = false, told = false;

	while (view_next(&rest, '\n', &line)) {
		const struct param_info *info = parameter_of(line);

		if (is_heading(line, &heading)) {
			wanted = word.data == NULL || has_word(heading, word);
			told = false;
		} else if (info != NULL && wanted) {
			if (word.data == NULL && !told) {
				printf(".SS ");
				page_put_text(heading);
				putchar('\n');
			}
			told = true;
			put_parameter(info);
		}
	}
}

static int page_compare_names(const void *a, const void *b)
{
	const struct param_info *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* What Postfix has and Posta knows only by name. */
static void put_later(void)
{
	const struct param_info **later =
		mem_new_array(const struct param_info *, param_table_count);
	size_t count = 0;

	for (size_t i = 0; i < param_table_count; i++)
		if (param_is_later(&param_table[i]) &&
		    param_find(view_of(param_table[i].name)) == &param_table[i])
			later[count++] = &param_table[i];
	qsort(later, count, sizeof(*later), page_compare_names);
	printf(".SH NOT YET IN FORCE\n"
	       "These parameters of Postfix may be set and do nothing yet;\n.B posta check\n"
	       "names those that are.\n.PP\n");
	for (size_t i = 0; i < count; i++) {
		page_put_text(view_of(later[i]->name));
		printf("%s\n", i + 1 < count ? "," : ".");
	}
	free(later);
}

static void put_conf(const struct str *params)
{
	printf(".TH POSTA.CONF 5 \"\" \"Posta %s\" \"Posta\"\n"
	       ".SH NAME\nposta.conf \\- main.cf, the parameters of the Posta mail suite\n"
	       ".SH DESCRIPTION\n"
	       "The file main.cf in the configuration folder has lines of the form\n"
	       ".I name = value\n"
	       "in the syntax of Postfix. A line that begins with white space continues the one\n"
	       "before; lines whose first character is # are comments, even amid a value.\n"
	       "A name that stands twice has its last value.\n"
	       ".PP\n"
	       "In values\n"
	       ".BR $name ,\n.B ${name}\nand\n.B $(name)\n"
	       "stand for the value of another parameter,\n.B ${name?{a}:{b}}\n"
	       "for a if that is not empty and b if it is,\n"
	       ".B ${{x} == {y} ? {a} : {b}}\n"
	       "for a or b by comparison (== != < <= > >=, as numbers if both are), and $$ for a\n"
	       "dollar sign. Names of your own may be defined and used.\n"
	       ".PP\n"
	       "Times are numbers with a unit: s, m, h, d or w. Lists are separated by commas or\n"
	       "white space. Look-up tables are written type:name, see\n.BR posta\\-tables (5).\n"
	       ".PP\n"
	       "All mistakes are named at once, with their lines, and stop the start.\n"
	       ".B posta conf\nshows and changes parameters, and explains one.\n"
	       ".SH PARAMETERS\n",
	       POSTA_VERSION);
	put_groups(params, VIEW_NONE);
	put_later();
	printf(".SH FILES\n.TP\n.I confdir/main.cf\nThe parameters of the instance.\n"
	       ".SH SEE ALSO\n.BR posta (1),\n.BR posta\\-master.cf (5),\n"
	       ".BR posta\\-tables (5),\n.BR posta\\-users (5)\n");
}

/* ---- verbs ---- */

/* VERB(name, "help") */
static bool is_verb(struct view line, struct view *name, struct view *summary)
{
	size_t comma = view_find_byte(line, ','), quote = view_find_byte(line, '"');

	if (!view_starts(line, VIEW("VERB(")) || quote == VIEW_NOT_FOUND)
		return false;
	*name = view_from(view_first(line, comma), strlen("VERB("));
	line = view_from(line, quote + 1);
	*summary = view_first(line, view_find_last_byte(line, '"'));
	return true;
}

static void put_verbs(const char *path)
{
	struct str text = page_read_source(path);
	struct view rest = str_view(&text), line, name, summary;

	while (view_next(&rest, '\n', &line)) {
		if (!is_verb(line, &name, &summary))
			continue;
		printf(".TP\n.B ");
		page_put_text(name);
		printf("\n");
		page_put_text(summary);
		printf(". See\n.BR posta\\-%.*s (1).\n", VIEW_ARG(name));
	}
	str_free(&text);
}

/* The next lines up to an empty one. */
static bool next_paragraph(struct view *rest, struct view *paragraph)
{
	size_t end;

	while (view_starts(*rest, VIEW("\n")))
		*rest = view_from(*rest, 1);
	end = view_find(*rest, VIEW("\n\n"));
	*paragraph = view_first(*rest, end);
	*rest = view_from(*rest, paragraph->len);
	return paragraph->len > 0;
}

/* Prose is filled; what is aligned by blanks stays as it is. */
static void put_paragraph(struct view paragraph)
{
	struct view line;
	bool aligned = view_find(paragraph, VIEW("  ")) != VIEW_NOT_FOUND;

	printf(aligned ? ".PP\n.nf\n" : ".PP\n");
	while (view_next(&paragraph, '\n', &line)) {
		page_put_text(line);
		putchar('\n');
	}
	if (aligned)
		printf(".fi\n");
}

static void put_usage(struct view usage)
{
	struct view line;

	printf(".SH SYNOPSIS\n.nf\n");
	while (view_next(&usage, '\n', &line)) {
		if (view_starts(line, VIEW("usage: ")))
			line = view_from(line, strlen("usage: "));
		page_put_text(view_trim(line));
		putchar('\n');
	}
	printf(".fi\n");
}

/* The same for all verbs; what it means for one, its description says. */
static void put_verb_ends(void)
{
	printf(".SH EXIT STATUS\n0: done; 1: the answer is no (not found, refused, a check "
	       "failed); "
	       "2: wrong usage; 75: try again later.\nCalled by the name of a command of "
	       "Postfix\\(aqs or Sendmail\\(aqs, the statuses of that command.\n"
	       ".SH FILES\n.TP\n.I confdir/main.cf, confdir/master.cf\nThe configuration, in the "
	       "folder that \\-c, the environment\\(aqs MAIL_CONFIG, or /etc/posta names.\n"
	       ".TP\n.I queue_directory/sockets\nWhere the programs are reached.\n");
}

/* False: verbs.def does not have it. */
static bool put_verb(const char *wanted, const char *help, const char *verbs)
{
	struct str text = page_read_source(verbs), told = page_read_source(help);
	struct view rest = str_view(&text), line, name, summary, paragraph;
	bool found = false;

	while (!found && view_next(&rest, '\n', &line))
		found = is_verb(line, &name, &summary) && view_is(name, wanted);
	rest = str_view(&told);
	if (found && next_paragraph(&rest, &paragraph)) {
		printf(".TH \"POSTA-");
		for (const char *c = wanted; *c != '\0'; c++)
			putchar(ascii_upper(*c));
		printf("\" 1 \"\" \"Posta %s\" \"Posta\"\n.SH NAME\nposta\\-%s \\- ", POSTA_VERSION,
		       wanted);
		page_put_text(summary);
		putchar('\n');
		put_usage(paragraph);
		printf(".SH DESCRIPTION\n");
		while (next_paragraph(&rest, &paragraph))
			put_paragraph(paragraph);
		put_verb_ends();
		printf(".SH SEE ALSO\n.BR posta (1),\n.BR posta.conf (5)\n");
	}
	str_free(&text);
	str_free(&told);
	return found;
}

/* ---- programs ---- */

static void put_peers(const struct program *program)
{
	for (const struct program_peer *peer = program->peers; peer->client != NULL; peer++) {
		printf("On its %s sockets it takes from\n",
		       peer->socket == SOCKET_PUBLIC ? "public" : "private");
		if (strcmp(peer->client, PEER_ANYBODY) == 0)
			printf("anybody on this system:\n");
		else if (strcmp(peer->client, PEER_ROOT) == 0)
			printf(".BR posta\\-master (8):\n");
		else
			printf(".BR posta\\-%s (8):\n", peer->client);
		for (size_t i = 0; peer->messages[i] != MSG_none; i++)
			printf("%s%s", i > 0 ? ", " : "", message_name(peer->messages[i]));
		printf(".\n");
	}
	if (program->peers->client == NULL)
		printf("No other program may connect to it.\n");
}

static void put_privileges(const char *name)
{
	const struct program *program = program_find(name);
	static const char *const roots[] = {
		[DAEMON_ROOT_EMPTY] = "with a root directory that holds nothing but sockets",
		[DAEMON_ROOT_QUEUE] = "with the queue as root directory",
		[DAEMON_ROOT_NONE] = "in the system's root directory",
	};

	if (program == NULL) {
		fprintf(stderr, "generate_man: programs.def has no %s\n", name);
		exit(1);
	}
	if (program->user == DAEMON_PRIVILEGED)
		printf("It runs as root,\n");
	else
		printf("It runs as the user\n.B %s\n(by default %s),\n",
		       program_user_parameter(program->user), program_user_default(program->user));
	printf("%s.\n", roots[program->root]);
	put_peers(program);
}

/* Of every program that master runs. */
static void put_program_ends(void)
{
	printf(".SH EXIT STATUS\n0: it ended in good order; 1: it could not go on, and the log "
	       "says "
	       "why; 78: its configuration is wrong. Then\n.BR posta\\-master (8)\nstarts it "
	       "again, after a pause that grows.\n"
	       ".SH FILES\n.TP\n.I confdir/main.cf, confdir/master.cf\nIts parameters, read once "
	       "when it starts.\n"
	       ".TP\n.I queue_directory/sockets/private, queue_directory/sockets/public\nIts "
	       "sockets, and those of the programs that it talks to.\n");
}

static void put_program(const char *name, const struct str *params)
{
	const struct program *program = program_find(name);

	printf(".TH \"POSTA-");
	for (const char *c = name; *c != '\0'; c++)
		putchar(ascii_upper(*c));
	printf("\" 8 \"\" \"Posta %s\" \"Posta\"\n.SH NAME\nposta\\-%s \\- ", POSTA_VERSION, name);
	page_put_text(view_of(program != NULL ? program->doc : ""));
	printf("\n.SH DESCRIPTION\n.BR posta\\-master (8)\n"
	       "starts this program; it is not started by hand.\n.SH PRIVILEGES\n");
	put_privileges(name);
	printf("Like all programs of the suite it is confined by seccomp, cannot gain privileges, "
	       "and leaves no core file.\n.SH PARAMETERS\n"
	       "Those of main.cf that concern it most; all are in\n.BR posta.conf (5).\n");
	put_groups(params, view_of(name));
	put_program_ends();
	printf(".SH SEE ALSO\n.BR posta (1),\n.BR posta.conf (5),\n.BR posta\\-master.cf (5)\n");
}

/* ---- the whole table, for other files than manual pages ---- */

/* The rows of doc/architecture.md. */
static void put_programs(void)
{
	static const char *const roots[] = { [DAEMON_ROOT_EMPTY] = "the sockets' folder",
					     [DAEMON_ROOT_QUEUE] = "the queue",
					     [DAEMON_ROOT_NONE] = "/" };
	const struct program *program;

	for (size_t i = 0; (program = program_at(i)) != NULL; i++) {
		printf("| `%s` | %s | ", program->name, program->doc);
		if (program->user == DAEMON_PRIVILEGED)
			printf("root | %s |\n", roots[program->root]);
		else
			printf("`%s` | %s |\n", program_user_default(program->user),
			       roots[program->root]);
	}
}

static void put_sysusers(void)
{
	printf("# The users that the suite's programs run as, for sysusers.d(5); posta init and "
	       "posta start\n# make them where there is no systemd.\n");
	for (enum daemon_user user = 0; user < DAEMON_USERS; user++)
		printf("u %s - \"Posta: %s\" /nonexistent /usr/sbin/nologin\n",
		       program_user_default(user), program_user_parameter(user));
	printf("u vmail - \"Posta: mail of mailbox users\" /nonexistent /usr/sbin/nologin\n");
}

/* ---- pages ---- */

static void put_page(const char *path, const struct str *params, const char *verbs)
{
	struct str text = page_read_source(path);
	struct view rest = str_view(&text), line;
	bool is_program = strstr(path, ".8.in") != NULL && strstr(path, "master") == NULL;

	while (view_next(&rest, '\n', &line)) {
		if (view_starts(line, VIEW("@PARAMETERS ")) && view_ends(line, VIEW("@"))) {
			line.len--;
			put_groups(params, view_from(line, strlen("@PARAMETERS ")));
		} else if (view_starts(line, VIEW("@PRIVILEGES ")) && view_ends(line, VIEW("@"))) {
			char name[64];

			snprintf(name, sizeof(name), "%.*s",
				 (int)(line.len - strlen("@PRIVILEGES @")),
				 line.data + strlen("@PRIVILEGES "));
			put_privileges(name);
		} else if (view_is(line, "@VERBS@")) {
			put_verbs(verbs);
		} else if (view_starts(line, VIEW(".TH "))) {
			printf("%.*s \"\" \"Posta %s\" \"Posta\"\n", VIEW_ARG(line), POSTA_VERSION);
		} else if (rest.len > 0 || line.len > 0) {
			if (is_program && view_is(line, ".SH SEE ALSO"))
				put_program_ends();
			printf("%.*s\n", VIEW_ARG(line));
		}
	}
	str_free(&text);
}

int main(int argc, char **argv)
{
	struct str params = STR_EMPTY;

	if (argc == 3 && strcmp(argv[1], "conf") == 0) {
		params = page_read_source(argv[2]);
		put_conf(&params);
	} else if (argc == 5 && strcmp(argv[1], "page") == 0) {
		params = page_read_source(argv[3]);
		put_page(argv[2], &params, argv[4]);
	} else if (argc == 4 && strcmp(argv[1], "program") == 0) {
		params = page_read_source(argv[3]);
		put_program(argv[2], &params);
	} else if (argc == 2 && strcmp(argv[1], "sysusers") == 0) {
		put_sysusers();
	} else if (argc == 2 && strcmp(argv[1], "programs") == 0) {
		put_programs();
	} else if (argc == 5 && strcmp(argv[1], "verb") == 0 &&
		   put_verb(argv[2], argv[3], argv[4])) {
		/* done */
	} else {
		fprintf(stderr, "generate_man: wrong arguments\n");
		return 2;
	}
	str_free(&params);
	return ferror(stdout) || fflush(stdout) != 0 ? 1 : 0;
}
