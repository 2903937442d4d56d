/*
 * The counters of the programs: a page of shared memory for each process, which the process writes
 * and master reads. What is in a page is a stranger's word: a number and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "master.h"

int metrics_page_new(struct metrics_page **page)
{
	int fd = memfd_create("metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *at;

	/* Sealed: a program that made its page shorter would end master at the next look. */
	if (fd < 0 || ftruncate(fd, sizeof(**page)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		goto failed;
	at = mmap(NULL, sizeof(**page), PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		goto failed;
	*page = at;
	return fd;
failed:;
	int code = -errno;

	if (fd >= 0)
		close(fd);
	return code;
}

void metrics_page_free(struct metrics_page *page)
{
	if (page != NULL)
		munmap(page, sizeof(*page));
}

void metrics_keep(struct running_service *service, const struct metrics_page *page)
{
	for (enum metric m = 0; page != NULL && m < METRIC_COUNT; m++)
		if (metric_kind(m) == METRIC_COUNTER)
			service->ended.values[m] += metrics_page_get(page, m);
}

int64_t metrics_of_service(const struct running_service *service, enum metric which)
{
	int64_t sum = service->ended.values[which];

	list_for_each (&service->processes, struct process, link, p)
		if (p->metrics != NULL)
			sum += metrics_page_get(p->metrics, which);
	return sum;
}
