/*
 * Which timeouts, TLS policy and limits count for a delivery. They are chosen once, before the
 * connection.
 */
#include "settings.h"

#include "conf/conf.h"

struct settings settings;

void settings_choose(bool lmtp)
{
	settings = (struct settings){ .lmtp = lmtp,
#define X(type, name, smtp, lmtp_parameter) .name = lmtp ? param.lmtp_parameter : param.smtp,
				      SETTINGS(X)
#undef X
	};
	if (settings.connect_timeout == 0)
		settings.connect_timeout = (msec_t)30 * 1000;
}
