/*
 * Doubly linked lists through a link inside the member: no allocation, removal in one step.
 *
 *	struct list waiting;  list_init(&waiting);
 *	list_push_back(&waiting, &job->link);
 *	list_for_each(&waiting, struct job, link, job) ...	(do not remove inside)
 *	while ((job = LIST_FIRST(&waiting, struct job, link))) list_remove(&job->link);
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct list {
	struct list *next, *previous; /* the head is a member of its own ring */
};

static inline void list_init(struct list *head)
{
	head->next = head->previous = head;
}
static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}
static inline void list_insert_after(struct list *at, struct list *link)
{
	link->next = at->next;
	link->previous = at;
	at->next->previous = link;
	at->next = link;
}
static inline void list_push_front(struct list *head, struct list *link)
{
	list_insert_after(head, link);
}
static inline void list_push_back(struct list *head, struct list *link)
{
	list_insert_after(head->previous, link);
}
/* The link points to itself afterwards, so removing it once more does no harm. */
static inline void list_remove(struct list *link)
{
	link->previous->next = link->next;
	link->next->previous = link->previous;
	list_init(link);
}

#define LIST_FIRST(head, type, member)                                                             \
	(list_is_empty(head) ? NULL : container_of((head)->next, type, member))

#define list_for_each(head, type, member, item)                                                    \
	for (type *item = container_of((head)->next, type, member); &item->member != (head);       \
	     item = container_of(item->member.next, type, member))

#endif
