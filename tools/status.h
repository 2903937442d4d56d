/* The parts of posta status. */
#ifndef TOOLS_STATUS_H
#define TOOLS_STATUS_H

#include "ipc/ipc.h"

/* status_metrics.c: for instance_ask: asks master for the counters and prints them. */
int status_metrics(struct ipc *ipc);

#endif
