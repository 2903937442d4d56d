/*
 * A reason for people, beside the negative errno that a failing function returns. Set once, where
 * the failure is understood, as a whole sentence that says what was being done to what; shown or
 * logged once by the caller that gives up. A NULL error is allowed everywhere: nobody asked.
 *
 *	return error_set(err, -EINVAL, "%s, line %d: expected a number", path, line);
 *	return error_errno(err, "open %s", path);	errno's text is added, -errno returned
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#define ERROR_TEXT_MAX 1024

struct error {
	char text[ERROR_TEXT_MAX];
};

#define ERROR_NONE ((struct error){ "" })

/* Returns `code`. */
int error_set(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int error_errno(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with an errno at hand, positive or negative. */
int error_code(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Puts "context: " in front of a reason that is already there. */
void error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
