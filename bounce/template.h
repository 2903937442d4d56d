/*
 * What people have written for their users in place of our words (bounce_template_file, bounce(5)): head and
 * introduction of a report. What of it makes no sense is logged, and our own words stand.
 */
#ifndef BOUNCE_TEMPLATE_H
#define BOUNCE_TEMPLATE_H

#include "base/error.h"
#include "base/str.h"

struct bounce_template {
	struct str from, subject, postmaster_subject; /* ASCII, no line ends */
	struct str body;			      /* UTF-8, lines end with CR LF */
};

/* Reads the file; before the chroot. 0, or a negative errno: it cannot be watched. */
int templates_prepare(struct error *err);
/* The same from memory: the file's text, and what it is called. */
void templates_read(struct view text, const char *path);
void templates_forget(void);

/* For REPORT_...; NULL: our own words. */
const struct bounce_template *template_of(uint8_t kind);

#endif
