/* What every part of a client's way before a session may do: log, answer, pass or fail a test. */
#include <stdarg.h>

#include "base/log.h"
#include "conf/conf.h"
#include "screen.h"

void screen_log(const char *format, ...)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&line, format, args);
	va_end(args);
	log_info_as("postscreen", "%s", str_cstr(&line));
}

/* Two digits are enough to see what it was. */
void screen_append_time(const struct screen *s, struct str *out)
{
	double seconds = (double)(clock_now() - s->begun) / 1000;

	str_printf(out, "%.*f", seconds < 1 ? 2 : seconds < 10 ? 1 : 0, seconds);
}

void screen_hung_up(const struct screen *s, const char *where)
{
	_cleanup_(str_free) struct str time = STR_EMPTY;

	screen_append_time(s, &time);
	screen_log("HANGUP after %s from %s in %s", str_cstr(&time), s->who, where);
}

enum screen_step screen_end(struct screen *s, const char *reply)
{
	stream_printf(s->io, "%s\r\n", reply);
	(void)stream_flush(s->io);
	return SCREEN_OVER;
}

enum screen_step screen_fail(struct screen *s, const char *action, const char *reply)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (view_is_nocase(view_of(action), "ignore"))
		return SCREEN_GOES_ON;
	if (view_is_nocase(view_of(action), "drop")) {
		str_printf(&text, "521 %s", reply);
		return screen_end(s, str_cstr(&text));
	}
	if (s->refusal.len == 0)
		str_printf(&s->refusal, "550 %s", reply);
	return SCREEN_GOES_ON;
}

void screen_pass(struct screen *s, enum screen_test test, int64_t until)
{
	s->until[test] = until;
	s->todo &= ~SCREEN_BIT(test);
	s->has_new = true;
}
