/* LANG of RFC 6856 3: our texts are English, before and after the login. */
#ifndef POP3D_LANGUAGE_H
#define POP3D_LANGUAGE_H

#include "base/str.h"

/* The whole answer to LANG and its argument, without the last line end. False: it is a refusal. */
bool language_answer(struct view argument, struct str *text);

#endif
