/*
 * Folders that are kept short (Dovecot's autoexpunge): "Trash=30d, Junk=14d/5000, \Trash=30d, Lists.*=/1000".
 * In front of "=" a folder's name, all below one ("Lists.*"), or a special use; after it how long messages stay
 * since they came into the folder, how many of them, or both.
 *
 *	rules = autoexpunge_parse(text, &err);
 *	r = autoexpunge_run(store, rules, &removed);
 */
#ifndef STORE_AUTOEXPUNGE_H
#define STORE_AUTOEXPUNGE_H

#include "store/store.h"

#define AUTOEXPUNGE_RULES_MAX 100
#define AUTOEXPUNGE_BATCH     1000 /* messages that one run removes */

struct autoexpunge;
/* NULL with the reason: it cannot be understood. Of "" rules that match nothing. */
struct autoexpunge *autoexpunge_parse(struct view text, struct error *err);
void autoexpunge_free(struct autoexpunge *rules);
bool autoexpunge_is_empty(const struct autoexpunge *rules);
/*
 * Removes what is too old, or too much: the oldest first, AUTOEXPUNGE_BATCH of them at most. 1: there is more;
 * 0: that was all; negative: the store failed. A message of which nobody knows when it was saved is not old.
 */
int autoexpunge_run(struct store *store, const struct autoexpunge *rules, size_t *removed);
/* The same where nobody waits for what came of it: it is logged. */
void autoexpunge_quietly(struct store *store, const struct autoexpunge *rules, const char *user);

#endif
