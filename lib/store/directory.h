/* When a directory changed last. Of lib/store only. */
#ifndef STORE_DIRECTORY_H
#define STORE_DIRECTORY_H

#include <stdint.h>

/* Time of a directory's last change in ns; 0: there is none. */
int64_t directory_time(const char *path);
/*
 * The same, or 0 if the directory may change again without showing it: the kernel takes times of files
 * from a clock that ticks slowly, and this one changed within the tick of now.
 */
int64_t directory_stable_time(const char *path);

#endif
