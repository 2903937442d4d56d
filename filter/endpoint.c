/* Which servers may be asked: those that the configuration names. */
#include "endpoint.h"

#include "services/configured.h"

bool endpoint_is_configured(struct view endpoint)
{
	/* Where tables, which are not read here, name milters, anything may stand in them. */
	return configured_sets("smtpd_milter_maps") || configured_names(endpoint);
}
