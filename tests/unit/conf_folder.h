/* A folder with a main.cf and a master.cf, for tests of what the configuration says. One for each program. */
#ifndef TEST_CONF_FOLDER_H
#define TEST_CONF_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"

static char conf_folder[] = "/tmp/posta-test-conf-XXXXXX";

/* Set-up and tear-down of the group. */
static int conf_folder_make(void **state)
{
	(void)state;
	return mkdtemp(conf_folder) == NULL ? -1 : 0;
}

static int conf_folder_remove(void **state)
{
	char command[100];

	(void)state;
	conf_unload();
	snprintf(command, sizeof(command), "rm -r %s", conf_folder);
	return system(command);
}

static void conf_folder_write(const char *name, const char *text)
{
	char path[100];
	struct error err = ERROR_NONE;

	snprintf(path, sizeof(path), "%s/%s", conf_folder, name);
	if (io_replace_file(path, view_of(text), 0644, &err) < 0)
		fail_msg("%s", err.text);
}

static void conf_folder_load(const char *main_cf, const char *master_cf)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;

	conf_folder_write("main.cf", main_cf);
	conf_folder_write("master.cf", master_cf);
	if (conf_load(conf_folder, NULL, 0, &report) < 0)
		fail_msg("%s", str_cstr(&report));
}

#endif
