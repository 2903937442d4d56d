/*
 * main.cf and master.cf: Postfix's syntax, read once at start, all errors at once.
 *
 * Every parameter stands in params.def with name, type, default and one line of help; after
 * conf_load() its value is a member of `param`:
 *
 *	param.smtpd_timeout	(msec_t)	param.message_size_limit	(int64_t)
 *	param.smtpd_banner	(const char *)	param.disable_vrfy_command	(bool)
 *
 * Values are read-only after start. Names that params.def does not have may be used as $name in
 * other values (people define their own); conf_unused() finds those that nothing uses, with the
 * nearest known name. Parameters of Postfix that are known but not yet in force are marked
 * LATER in params.def, and named by `posta check` and at start.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

struct params {
#define PARAM(type, member, name, value, help, words, min, max, unit) member name;
#define PARAM_KNOWN(type, name, value, words, readers)
#define PARAM_GROUP(heading, readers)
#include "conf/every_param.h"
};
extern struct params param;

/* One -o name=value of a service's line in master.cf. */
struct conf_override {
	const char *name, *value;
};

/*
 * Reads CONFDIR/main.cf with the overrides on top and fills `param`. 0, or -EINVAL with every
 * error as one line ("main.cf, line 12: smtpd_timeout: ...") appended to *report.
 */
int conf_load(const char *directory, const struct conf_override *overrides, size_t count,
	      struct str *report);
/* The same from memory, for tests; `directory` is then only a name. */
int conf_load_text(struct view text, const char *directory, const struct conf_override *overrides,
		   size_t count, struct str *report);
/*
 * From now on the configuration is read for this program (NULL: for all, as tools do). A mistake
 * in what only other programs read is no error for it, but a line of conf_mistakes_of_others(); and
 * a setting that would filter, restrict or encrypt what this program does and is not in force here
 * is an error: mail must not pass a filter by.
 */
void conf_read_for(const char *program);
const char *conf_mistakes_of_others(void);
/* Forgets everything; `param` is not to be used until the next conf_load. */
void conf_unload(void);
/* The directory given to conf_load: $config_directory. */
const char *conf_directory(void);
/*
 * The site was written for Postfix (its master.cf has programs that only Postfix has): defaults are
 * those of its compatibility_level, and the queue, programs and owner that it names are Postfix's;
 * `param` has ours. $queue_directory in values is Postfix's all the same: others' sockets are there.
 */
bool conf_is_of_postfix(void);
/* Folders as in Postfix's queue are below. */
bool conf_is_queue_of_postfix(const char *path);
/* smtpd_sasl_type says that another software's server knows the passwords: ours do not count. */
bool conf_sasl_is_elsewhere(void);
/* Where sockets of other software with relative names are: lmtp:unix:private/dovecot-lmtp. */
const char *conf_foreign_directory(void);
/* Expanded value by name, also of people's own names; NULL if nobody set it and it has no default. */
const char *conf_get(const char *name);
/* After a transport's name: "_destination_rate_delay" and so on; NULL after the last. */
const char *conf_transport_suffix(size_t n);
/*
 * A parameter that exists per transport: conf_get_for("slow", "destination_concurrency_limit")
 * is slow_destination_concurrency_limit or default_destination_concurrency_limit.
 */
const char *conf_get_for(const char *transport, const char *suffix);
int64_t conf_get_int_for(const char *transport, const char *suffix, int64_t otherwise);
msec_t conf_get_time_for(const char *transport, const char *suffix, msec_t otherwise);
/* A word stands in receive_override_options. */
bool conf_overrides(const char *option);
/* Expands $name, ${name}, ${name?{a}:{b}}, ${{x} == {y} ? {a} : {b}} in any text. */
int conf_expand(struct view text, struct str *out, struct error *err);
/* A value, or several with line feeds between them, names this server or table. */
bool conf_value_names(struct view text, struct view name);

/*
 * Lists as Postfix writes them: separated by comma or white space, { } keeps a piece together
 * (braces taken off). Takes the next element off *rest.
 */
bool conf_next_element(struct view *rest, struct view *element);
/* "5m" and so on in milliseconds; `unit` ('s', 'm', 'h', 'd', 'w') where none is given. */
int conf_parse_time(struct view text, char unit, msec_t *value);

/* ---- master.cf ---- */

enum service_type {
	SERVICE_INET,
	SERVICE_UNIX,
	SERVICE_PASS,
	SERVICE_FIFO,
	SERVICE_DATAGRAM, /* unix-dgram */
};

struct service {
	char *name; /* "smtp", "127.0.0.1:10025", "cleanup" */
	enum service_type type;
	bool private_socket, privileged, chroot;
	int wakeup;	  /* seconds, 0: never; Posta's programs need none */
	int processes;	  /* -1: the default; 0: no limit */
	char *program;	  /* "smtpd" */
	char **arguments; /* NULL-terminated, without -o */
	struct conf_override *overrides;
	size_t override_count;
	int line;
};
struct services {
	struct service *items;
	size_t count;
	struct str warnings; /* lines */
};
/* As conf_load: every error as a line in *report. */
int services_load(const char *directory, struct services *services, struct str *report);
/* The same from memory; `path` is what the report calls it. */
int services_parse(struct view text, const char *path, struct services *services,
		   struct str *report);
/* Programs that only Postfix has, and none that only we have. */
bool services_are_of_postfix(const struct services *services);
void services_free(struct services *services);
const char *service_type_name(enum service_type type);

/* ---- the table of all parameters, for posta conf, the man page and checks ---- */

enum param_type {
	PARAM_TYPE_STR,
	PARAM_TYPE_RAW,
	PARAM_TYPE_BOOL,
	PARAM_TYPE_INT,
	PARAM_TYPE_TIME,
	PARAM_TYPE_ENUM,     /* one of words, kept in small letters */
	PARAM_TYPE_LIST,     /* elements, each one of words unless that is empty */
	PARAM_TYPE_TABLES,   /* look-up tables */
	PARAM_TYPE_NAMED,    /* text, by conf_get alone */
	PARAM_TYPE_LATER,    /* known, not in force */
	PARAM_TYPE_NEEDLESS, /* the same, and of no consequence here */
	PARAM_TYPE_GUARD, /* the same, and what it asks for filters, restricts or encrypts mail */
};
struct param_info {
	const char *name, *value, *help;
	enum param_type type;
	const char *words;   /* "|none|may": an empty one first: may be empty. GUARD: do no harm */
	const char *readers; /* of a GUARD */
	int64_t min, max;
	char unit;
};
extern const struct param_info param_table[];
extern const size_t param_table_count;
const struct param_info *param_find(struct view name);
/* Whether `word` is one of the words ("a|b|c"), without regard to case. */
bool param_has_word(const char *words, struct view word);
/* Known by name, but nothing acts upon it. */
bool param_is_later(const struct param_info *info);
/* Whether this program reads it: by the group that it stands in. */
bool param_is_read_by(const struct param_info *info, const char *program);
/* The known name nearest to a misspelt one, or NULL if none is near. */
const char *param_nearest(struct view name);

/* ---- what main.cf says, for posta conf and checks ---- */

struct conf_setting {
	char *name, *value; /* unexpanded */
	int line;	    /* 0: an override */
};
/* In the order of the file, then the overrides; of one name the last is in force. */
const struct conf_setting *conf_settings(size_t *count);
/* The setting in force, or NULL. */
const struct conf_setting *conf_setting(const char *name);
/* Unexpanded default, also where the system gives it; NULL for a name that is not known. */
const char *conf_default(const char *name);
/*
 * Names set in main.cf that nothing reads, or that a later line sets again, and $names that nobody
 * sets, as lines: "main.cf, line 4: unused parameter ...".
 */
void conf_unused(struct str *report);
/*
 * What main.cf and -o set that is known but not yet in force, as lines, also for one transport:
 * what would filter, restrict or encrypt goes to *errors, what matters otherwise to *warnings, and
 * what is of no consequence to *trifles. Each may be NULL.
 */
void conf_not_in_force(struct str *errors, struct str *warnings, struct str *trifles);
/*
 * The same for the -o of services, with their lines in master.cf; and what main.cf sets for a service that is
 * not there.
 */
void services_not_in_force(const struct services *services, struct str *errors,
			   struct str *warnings, struct str *trifles);

#endif
