/*
 * Fields by which the filters of this site say that a message is junk ("X-Spam-Flag: YES"), as
 * junk_header_checks names them: who takes a message removes those that came with it from outside, who
 * delivers it believes those that are there.
 */
#ifndef MAIL_JUNK_H
#define MAIL_JUNK_H

#include "base/error.h"
#include "mail/header.h"

#define JUNK_CHECKS_MAX 64

/* Our own field, with the verdict on who a message is from; its value begins with one of these words. */
#define VERDICT_FIELD "X-Posta-Verdict"
#define VERDICT_JUNK  "junk"

struct junk_checks;
/*
 * "Name: text, Name: text": the field's value, without white space in front, begins with the text (case
 * does not matter), and no letter or digit follows. NULL with a reason.
 */
struct junk_checks *junk_checks_parse(struct view list, struct error *err);
void junk_checks_free(struct junk_checks *checks);
/* A field of that name is one of them, whatever it says. */
bool junk_checks_name(const struct junk_checks *checks, struct view name);
/* It says that the message is junk. */
bool junk_checks_match(const struct junk_checks *checks, const struct header_field *field);
/* The first field of a header that says so; false: there is none. */
bool junk_checks_find(const struct junk_checks *checks, struct view header,
		      struct header_field *field);

#endif
