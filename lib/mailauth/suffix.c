/* The list of public suffixes, as libpsl has it. */
#include "mailauth/suffix.h"

#include <libpsl.h>

#include "base/mem.h"

struct suffix_list {
	psl_ctx_t *psl;
};

struct suffix_list *suffix_list_new(void)
{
	psl_ctx_t *psl = psl_latest(NULL);
	struct suffix_list *list;

	if (psl == NULL)
		return NULL;
	list = mem_new(struct suffix_list);
	list->psl = psl;
	return list;
}

void suffix_list_free(struct suffix_list *list)
{
	if (list == NULL)
		return;
	psl_free(list->psl);
	free(list);
}

struct view suffix_list_registered(const struct suffix_list *list, struct view domain)
{
	_cleanup_free_ char *text = mem_strndup(domain.data, domain.len);
	const char *found = psl_registrable_domain(list->psl, text);

	return found != NULL ? view_from(domain, (size_t)(found - text)) : domain;
}
