/* How libunbound is set up: which servers, which trust anchors. */
#ifndef RESOLVER_SETTINGS_H
#define RESOLVER_SETTINGS_H

#include <stdbool.h>
#include <unbound.h>

#include "base/error.h"

/* A context that reads no file any more. NULL with a reason. */
struct ub_ctx *settings_context(bool validate, struct error *err);

#endif
