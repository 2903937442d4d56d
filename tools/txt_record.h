/* TXT records as people put them into zone files. */
#ifndef TOOLS_TXT_RECORD_H
#define TOOLS_TXT_RECORD_H

#include "base/view.h"

/* Prints "owner. IN TXT ( "..." "..." )": a character string has 255 bytes at most. */
void txt_record_print(const char *owner, struct view text);

#endif
