/*
 * What must be so, or the program does not know what it is doing: it says which, and ends. master
 * starts it again, and what is on disk is as it was. In every build, unlike assert(); for the state
 * of our own code, never for what comes from outside.
 *
 *	invariant(attempt->in_flight == 0);
 */
#ifndef BASE_INVARIANT_H
#define BASE_INVARIANT_H

void invariant_broken(const char *what, const char *function) __attribute__((noreturn, cold));

#define invariant(condition) ((condition) ? (void)0 : invariant_broken(#condition, __func__))

#endif
