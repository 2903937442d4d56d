/* Modules: found beside the program, by the name of the type that they are for. */
#include "module.h"

#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"

#define PROGRAM_PATH_MAX 1024

static struct map *modules;

static int module_path(struct view type, struct str *path, struct error *err)
{
	char program[PROGRAM_PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program));
	struct view folder;

	if (n <= 0 || n == (ssize_t)sizeof(program))
		return error_errno(err, "find the folder of this program");
	folder = view_make(program, (size_t)n);
	folder = view_first(folder, view_find_last_byte(folder, '/'));
	str_printf(path, "%.*s/proxymap-%.*s.so", VIEW_ARG(folder), VIEW_ARG(type));
	return 0;
}

const struct driver *module_load(struct view type, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct driver *driver;
	void *module;

	if (modules == NULL)
		modules = map_new();
	driver = map_get(modules, type);
	if (driver != NULL || module_path(type, &path, err) < 0)
		return driver;
	if (access(str_cstr(&path), F_OK) < 0) {
		error_set(err, -ENOENT, "this type needs %s, which is not installed",
			  str_cstr(&path));
		return NULL;
	}
	module = dlopen(str_cstr(&path), RTLD_NOW | RTLD_LOCAL);
	driver = module != NULL ? dlsym(module, DRIVER_SYMBOL) : NULL;
	if (driver == NULL) {
		error_set(err, -ELIBBAD, "load %s: %s", str_cstr(&path), dlerror());
		return NULL;
	}
	map_put(modules, type, driver);
	return driver;
}
