/* posta verify dkim. */
#include <stdio.h>

#include "base/mem.h"
#include "mailauth/report.h"
#include "tools/tool.h"
#include "tools/verify.h"

int verify_dkim(struct verify *v)
{
	_cleanup_(field_set_freep) struct field_set *fields =
		field_set_new(verify_header(str_view(&v->message)));
	_cleanup_(str_free) struct str line = STR_EMPTY, steps = STR_EMPTY;
	struct canon_bodies bodies = { 0 };
	struct dkim_check *check = dkim_check_new(fields, VIEW_NONE, &bodies);
	struct authres results;

	canon_bodies_feed(&bodies, verify_body(str_view(&v->message)));
	canon_bodies_end(&bodies);
	dkim_check_finish(check, &v->dns, clock_wall());
	authres_begin(&results, view_of(v->options.authserv_id));
	report_dkim(check, &results);
	authres_end(&results);
	authres_append_line(&results, &line);
	printf("%s\n", str_cstr(&line));
	report_dkim_steps(check, &steps);
	verify_print_steps(str_view(&steps));
	authres_free(&results);
	dkim_check_free(check);
	canon_bodies_free(&bodies);
	return TOOL_DONE;
}
