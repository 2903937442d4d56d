/* Loading the module of a driver, which lies beside the program. */
#ifndef PROXYMAP_MODULE_H
#define PROXYMAP_MODULE_H

#include "driver.h"

/* NULL with the reason. Before the program is confined. */
const struct driver *module_load(struct view type, struct error *err);

#endif
