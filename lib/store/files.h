/*
 * The small files in the Maildir that outlive the index. Of lib/store only.
 *
 *	posta-uidvalidity	"V<uidvalidity> N<no UID from here on was given out>\n"
 *	posta-keywords		"<number> <keyword>\n": number 0 is the letter a in file names (the form
 *				of Dovecot's dovecot-keywords, which is read where ours is missing)
 *	subscriptions		"<folder>\n"; Dovecot's version 2 of it is understood
 */
#ifndef STORE_FILES_H
#define STORE_FILES_H

#include "store/index.h"

/* Into DB_KEYWORDS of a folder that has none yet. */
int keywords_restore(struct tx *tx, const struct folder *folder);
/* From DB_KEYWORDS. */
int keywords_write(struct tx *tx, const struct folder *folder);

int subscriptions_restore(struct tx *tx);
int subscriptions_write(struct tx *tx);

#endif
