/* Connections kept for the next message to the same destination. */
#ifndef SMTP_CACHE_H
#define SMTP_CACHE_H

#include "session.h"

/* One that is still open, or NULL. */
struct session *cache_take(struct view key);
/* Keeps the session under its key if the parameters allow; else says QUIT. */
void cache_keep(struct session *session);
/* Says QUIT in all. */
void cache_clear(void);

#endif
