/* What is known of an open store without looking into its index. */
#include "store/handle.h"

const char *store_path(const struct store *store)
{
	return store->path[0] != '\0' ? store->path : "/";
}
