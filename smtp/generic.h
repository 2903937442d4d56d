/* smtp_generic_maps: other addresses for mail that leaves. */
#ifndef SMTP_GENERIC_H
#define SMTP_GENERIC_H

#include "base/error.h"
#include "base/str.h"
#include "queue/delivery.h"

/* Opens the tables, before the chroot. */
int generic_prepare(struct error *err);
bool generic_is_in_force(void);
/* The sender as other systems see it: with a return path of ours (1) where it is sent on. As below. */
int generic_sender(const struct delivery *d, struct str *out);
/* The address in *out, mapped (1) or as it is (0); a negative errno: a table cannot answer now. */
int generic_address(struct view address, struct str *out);
/* The same for all addresses of a whole header field: *out is set only if one was mapped. */
int generic_field(struct view whole, struct str *out);

#endif
