/* Inside of lib/conf: what was read, before and beside `param`. */
#ifndef CONF_STATE_H
#define CONF_STATE_H

#include "base/map.h"
#include "conf/conf.h"

enum {
	CONF_FILE_MAX = 4 << 20,    /* bytes of main.cf or master.cf */
	CONF_SETTINGS_MAX = 100000, /* lines of main.cf */
};

struct conf_state {
	char *directory;
	struct conf_setting *settings; /* in the order of the file, overrides after them */
	size_t setting_count;
	struct map *by_name;  /* name -> the setting in force */
	struct map *computed; /* name -> default that the system gives, malloc'd */
	struct map *values;   /* name -> expanded value, malloc'd */
	struct str mistakes_of_others;
	bool of_postfix; /* written for Postfix */
	char *own_queue; /* where queue_directory is Postfix's */
};
extern struct conf_state conf_state;

/* The setting, else the default, unexpanded; NULL if there is neither. */
const char *conf_lookup_raw(void *unused, struct view name);
/* Of a site of Postfix: defaults as Postfix has them, before `param` is filled ... */
void conf_compute_postfix(void);
/* ... and after that our own folders, programs and user in the place of Postfix's. */
void conf_adjust_postfix(void);
/* slow_destination_rate_delay is default_destination_rate_delay of the transport slow; or NULL. */
const struct param_info *conf_transport_parameter(struct view name);
/* "$default_destination_rate_delay" for slow_destination_rate_delay; NULL: no such parameter. */
const char *conf_transport_default(struct view name);
/* Errors for the program that the configuration is read for: it would pass by a filter. */
void conf_check_guards(const char *program, struct str *report);
/* Appends "main.cf, line 3: " or "-o name=value: ". */
void conf_describe(const struct conf_setting *setting, struct str *out);
/* Puts the defaults that depend on the system into conf_state.computed. */
void conf_compute_defaults(void);
/* A default that the system gives; `value` is copied. */
void conf_set_computed(const char *name, const char *value);

#endif
