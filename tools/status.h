/*
 * posta status: what its files share.
 *
 *	verb_status.c		the options
 *	status_brief.c		the ten lines
 *	status_programs.c	the processes: as a table, as JSON, and what is ill among them
 *	status_metrics.c	the counters
 *	status_certificates.c	until when the certificates of the services are good
 */
#ifndef TOOLS_STATUS_H
#define TOOLS_STATUS_H

#include "base/metrics.h"
#include "base/str.h"
#include "ipc/ipc.h"

/* Each line of it is something that is wrong. */
void status_complain(struct str *ill, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* "3h05m" */
void status_append_time(struct str *text, int64_t seconds);

/* For instance_ask_status: tables of the processes. */
int status_programs_as_table(struct ipc *ipc);
int status_programs_as_json(struct ipc *ipc);
struct status_programs {
	size_t processes;
	int64_t since;
	uint32_t pid; /* of master */
};
/* 0, or a negative errno. */
int status_programs_gather(struct ipc *ipc, struct status_programs *programs, struct str *ill);

/* For instance_ask: asks master for the counters and prints them. */
int status_metrics(struct ipc *ipc);
/* The sum over all services; connections_open of each service goes to *open ("smtp 3, imaps 1"). */
int status_metrics_sum(struct ipc *ipc, int64_t sums[static METRIC_COUNT], struct str *open);

/* "mail.example.org until 2027-02-01 (63 days)" for each file, one a line. */
void status_certificates(struct str *lines, struct str *ill);

/* The ten lines. As a task; a tool status. */
int status_brief(void);

#endif
