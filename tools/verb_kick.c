/* posta kick: ends the sessions of a user, or those from an address. */
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "tools/instance.h"
#include "tools/sessions.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta [-c CONFDIR] kick USER|ADDRESS...\n"
	"\n"
	"Ends the IMAP, POP3 and ManageSieve sessions of a user, or all from an address "
	"(192.0.2.1), and says "
	"how\n"
	"many. Who knows a password can log in again: posta user set USER --extra nologin first.\n"
	"Status 1 if there was none.\n";

int verb_kick(int argc, char **argv)
{
	_cleanup_(str_free) struct str names = STR_EMPTY;
	int count;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	if (argc < 2)
		return tool_usage("kick", "whose sessions?");
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-')
			return tool_usage("kick", "%s is not understood", argv[i]);
		str_printf(&names, "%s\n", argv[i]);
	}
	if (!instance_find("kick"))
		return TOOL_NO;
	count = sessions_kick(str_view(&names));
	if (count < 0)
		return tool_fail("kick", "not running");
	printf("%d ended\n", count);
	return count > 0 ? TOOL_DONE : TOOL_NO;
}
