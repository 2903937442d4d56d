/*
 * Threads out of messages that were read already (RFC 5256 section 3). Nodes are numbers in an array; what is
 * written of them comes in the end, without recursion.
 */
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "sort.h"
#include "task/task.h"

#define NONE (-1)
/* Looks at nodes between two looks at whether others want to go on: what is walked here strangers have written. */
#define FOREST_BREATH 65536

struct node {
	const struct thread_message *message; /* NULL: one that is only spoken of */
	int parent, child, next,
		prev; /* the first of those below it; its neighbours below its parent */
	int64_t date;
	size_t order; /* of its message, for equal dates */
};

struct forest {
	struct node *nodes;
	size_t count;
	int *roots;
	size_t root_count;
	size_t steps;
};

static void forest_step(struct forest *f)
{
	if (++f->steps % FOREST_BREATH == 0)
		task_yield();
}

static int node_add(struct forest *f, const struct thread_message *message, size_t order)
{
	array_grow(f->nodes, f->count);
	f->nodes[f->count] = (struct node){ message, NONE, NONE, NONE, NONE, 0, order };
	if (message != NULL)
		f->nodes[f->count].date = message->date;
	return (int)f->count++;
}

static void node_link(struct forest *f, int parent, int child)
{
	f->nodes[child].parent = parent;
	f->nodes[child].prev = NONE;
	f->nodes[child].next = f->nodes[parent].child;
	if (f->nodes[child].next != NONE)
		f->nodes[f->nodes[child].next].prev = child;
	f->nodes[parent].child = child;
}

static void node_unlink(struct forest *f, int child)
{
	struct node *node = &f->nodes[child];

	if (node->prev != NONE)
		f->nodes[node->prev].next = node->next;
	else
		f->nodes[node->parent].child = node->next;
	if (node->next != NONE)
		f->nodes[node->next].prev = node->prev;
	node->parent = node->next = node->prev = NONE;
}

/* Below `node` already, or too deep to be told. */
static bool is_above_or_deep(struct forest *f, int node, int parent)
{
	int depth = 0;

	for (int at = parent; at != NONE; at = f->nodes[at].parent) {
		forest_step(f);
		if (at == node || ++depth > THREAD_DEPTH_MAX)
			return true;
	}
	return false;
}

/* ---- who answers whom ---- */

/* The node of that id, made where it is only spoken of. Stored as number + 1: a map has no NULL. */
static int node_of_id(struct forest *f, struct map *ids, const char *id)
{
	uintptr_t known = (uintptr_t)map_get(ids, view_of(id));
	int node;

	if (known != 0)
		return (int)known - 1;
	node = node_add(f, NULL, SIZE_MAX);
	map_put(ids, view_of(id), (void *)(uintptr_t)(node + 1));
	return node;
}

/* The second message of an id, and one without, is known by none. */
static int node_of_message(struct forest *f, struct map *ids, const struct thread_message *m,
			   size_t order)
{
	int node;

	if (m->id == NULL)
		return node_add(f, m, order);
	node = node_of_id(f, ids, m->id);
	if (f->nodes[node].message != NULL)
		return node_add(f, m, order);
	f->nodes[node].message = m;
	f->nodes[node].date = m->date;
	f->nodes[node].order = order;
	return node;
}

static void link_references(struct forest *f, struct map *ids, const struct thread_message *m,
			    size_t order)
{
	int node = node_of_message(f, ids, m, order), above = NONE;

	for (size_t i = 0; i < m->reference_count; i++) {
		int reference = node_of_id(f, ids, m->references[i]);

		if (above != NONE && f->nodes[reference].parent == NONE &&
		    !is_above_or_deep(f, reference, above))
			node_link(f, above, reference);
		above = reference;
	}
	if (above == NONE || is_above_or_deep(f, node, above))
		return;
	if (f->nodes[node].parent != NONE)
		node_unlink(f, node);
	node_link(f, above, node);
}

/* ---- taking out what is only spoken of ---- */

static size_t count_children(struct forest *f, int node)
{
	size_t count = 0;

	for (int at = f->nodes[node].child; at != NONE; at = f->nodes[at].next) {
		forest_step(f);
		count++;
	}
	return count;
}

/* Its children take its place. A root that is none keeps several together. */
static void prune_node(struct forest *f, int node)
{
	int parent = f->nodes[node].parent;

	if (parent == NONE && count_children(f, node) > 1)
		return;
	if (parent != NONE)
		node_unlink(f, node);
	while (f->nodes[node].child != NONE) {
		int child = f->nodes[node].child;

		forest_step(f);
		node_unlink(f, child);
		if (parent != NONE)
			node_link(f, parent, child);
	}
	f->nodes[node].next = node; /* gone */
}

static bool node_is_gone(struct forest *f, int node)
{
	return f->nodes[node].next == node;
}

/* Those below others first: a root's children are counted when all of them are messages. */
static void forest_prune(struct forest *f)
{
	for (int inner = 1; inner >= 0; inner--)
		for (size_t i = 0; i < f->count; i++) {
			forest_step(f);
			if (f->nodes[i].message == NULL && !node_is_gone(f, (int)i) &&
			    (f->nodes[i].parent != NONE) == (inner == 1))
				prune_node(f, (int)i);
		}
}

static void root_add(struct forest *f, int node)
{
	array_grow(f->roots, f->root_count);
	f->roots[f->root_count++] = node;
}

static void forest_collect_roots(struct forest *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->nodes[i].parent == NONE && !node_is_gone(f, (int)i))
			root_add(f, (int)i);
}

/* ---- order ---- */

static int compare_nodes(const void *first, const void *second, void *argument)
{
	struct forest *f = argument;

	forest_step(f);

	const struct node *a = &f->nodes[*(const int *)first], *b = &f->nodes[*(const int *)second];

	if (a->date != b->date)
		return a->date < b->date ? -1 : 1;
	return (a->order > b->order) - (a->order < b->order);
}

static void sort_children(struct forest *f, int node)
{
	size_t count = count_children(f, node), i = 0;
	int *children = mem_new_array(int, count + 1);

	for (int at = f->nodes[node].child; at != NONE; at = f->nodes[at].next)
		children[i++] = at;
	if (count > 0)
		qsort_r(children, count, sizeof(*children), compare_nodes, f);
	for (i = 0; i < count; i++) {
		f->nodes[children[i]].next = i + 1 < count ? children[i + 1] : NONE;
		f->nodes[children[i]].prev = i > 0 ? children[i - 1] : NONE;
	}
	if (count > 0)
		f->nodes[node].child = children[0];
	/* What is no message is as old as the first below it. */
	if (count > 0 && f->nodes[node].message == NULL) {
		f->nodes[node].date = f->nodes[children[0]].date;
		f->nodes[node].order = f->nodes[children[0]].order;
	}
	free(children);
}

static void forest_sort(struct forest *f)
{
	for (size_t i = 0; i < f->count; i++) {
		forest_step(f);
		if (f->nodes[i].child != NONE)
			sort_children(f, (int)i);
	}
	if (f->root_count > 0)
		qsort_r(f->roots, f->root_count, sizeof(*f->roots), compare_nodes, f);
}

/* ---- the same subject ---- */

/* Of a root: its own message, or the first below it. */
static const struct thread_message *root_message(struct forest *f, int root)
{
	const struct node *node = &f->nodes[root];

	return node->message != NULL || node->child == NONE ? node->message
							    : f->nodes[node->child].message;
}

static bool is_reply(struct forest *f, int root)
{
	return f->nodes[root].message != NULL && f->nodes[root].message->is_reply;
}

static struct view root_subject(struct forest *f, int root)
{
	const struct thread_message *m = root_message(f, root);

	return m != NULL ? view_of(m->subject) : VIEW_NONE;
}

/* RFC 5256 3, step 5 B: which root stands for each subject. */
static void note_subject(struct forest *f, struct map *subjects, int root)
{
	struct view subject = root_subject(f, root);
	uintptr_t known;
	int other;

	forest_step(f);
	if (subject.len == 0)
		return;
	known = (uintptr_t)map_get(subjects, subject);
	other = (int)known - 1;
	if (known == 0 || (f->nodes[root].message == NULL && f->nodes[other].message != NULL) ||
	    (is_reply(f, other) && !is_reply(f, root)))
		map_put(subjects, subject, (void *)(uintptr_t)(root + 1));
}

/* Step 5 C: `root` goes under the one that stands for its subject. Returns the root that there is now. */
static int merge_roots(struct forest *f, int root, int other)
{
	bool dummy = f->nodes[root].message == NULL;
	int made;

	if (dummy && f->nodes[other].message == NULL) {
		while (f->nodes[root].child != NONE) {
			int child = f->nodes[root].child;

			forest_step(f);
			node_unlink(f, child);
			node_link(f, other, child);
		}
		return other;
	}
	if (f->nodes[other].message == NULL || (is_reply(f, root) && !is_reply(f, other))) {
		node_link(f, other, root);
		return other;
	}
	made = node_add(f, NULL, SIZE_MAX);
	node_link(f, made, other);
	node_link(f, made, root);
	return made;
}

static void forest_join_subjects(struct forest *f)
{
	struct map *subjects = map_new();
	int *roots = f->roots;
	size_t count = f->root_count;

	f->roots = NULL;
	f->root_count = 0;
	for (size_t i = 0; i < count; i++)
		note_subject(f, subjects, roots[i]);
	for (size_t i = 0; i < count; i++) {
		struct view subject = root_subject(f, roots[i]);
		int other =
			subject.len > 0 ? (int)(uintptr_t)map_get(subjects, subject) - 1 : roots[i];

		/* It may be below a root that was made by now. */
		if (other != roots[i] && f->nodes[roots[i]].parent == NONE)
			map_put(subjects, subject,
				(void *)(uintptr_t)(merge_roots(f, roots[i], other) + 1));
	}
	/* What was made is a root too; what was emptied is none. */
	for (size_t i = 0; i < f->count; i++)
		if (f->nodes[i].parent == NONE && !node_is_gone(f, (int)i) &&
		    (f->nodes[i].message != NULL || f->nodes[i].child != NONE))
			root_add(f, (int)i);
	map_free(subjects);
	free(roots);
}

/* ---- writing ---- */

/* Groups that are open: which sibling is to be written next, or NONE. */
struct writing {
	struct str *out;
	int *next;
	size_t depth;
};

/* The group has ended: on to a sibling of it, or out of what is around. NONE: all is written. */
static int writing_next(struct writing *w, struct forest *f)
{
	str_append_byte(w->out, ')');
	while (w->depth > 0) {
		int node = w->next[w->depth - 1];

		if (node != NONE) {
			w->next[w->depth - 1] = f->nodes[node].next;
			str_append_byte(w->out, '(');
			return node;
		}
		w->depth--;
		str_append_byte(w->out, ')');
	}
	return NONE;
}

static void write_thread(struct writing *w, struct forest *f, int node)
{
	bool first = true;

	str_append_byte(w->out, '(');
	while (node != NONE) {
		const struct node *n = &f->nodes[node];
		size_t children = count_children(f, node);

		forest_step(f);

		if (n->message != NULL) {
			str_printf(w->out, "%s%u", first ? "" : " ", n->message->number);
			first = false;
		}
		if (children == 0) {
			node = writing_next(w, f);
			first = true;
		} else if (children == 1) {
			node = n->child;
		} else {
			str_append_cstr(w->out, first ? "(" : " (");
			array_grow(w->next, w->depth);
			w->next[w->depth++] = f->nodes[n->child].next;
			node = n->child;
			first = true;
		}
	}
}

static void forest_write(struct str *out, struct forest *f)
{
	struct writing w = { .out = out };

	for (size_t i = 0; i < f->root_count; i++)
		write_thread(&w, f, f->roots[i]);
	free(w.next);
}

static void forest_free(struct forest *f)
{
	free(f->nodes);
	free(f->roots);
}

/* ---- algorithms ---- */

void thread_by_references(struct str *out, const struct thread_message *messages, size_t count)
{
	struct forest f = { 0 };
	struct map *ids = map_new();

	for (size_t i = 0; i < count; i++)
		link_references(&f, ids, &messages[i], i);
	forest_prune(&f);
	forest_collect_roots(&f);
	forest_sort(&f);
	forest_join_subjects(&f);
	forest_sort(&f);
	forest_write(out, &f);
	map_free(ids);
	forest_free(&f);
}

void thread_by_subject(struct str *out, const struct thread_message *messages, size_t count)
{
	struct forest f = { 0 };
	struct map *subjects = map_new();

	for (size_t i = 0; i < count; i++)
		root_add(&f, node_add(&f, &messages[i], i));
	if (count > 0)
		qsort_r(f.roots, count, sizeof(*f.roots), compare_nodes, &f);
	f.root_count = 0;
	/* Oldest first: the first of a subject is the root, and the others are below it. */
	for (size_t i = 0; i < count; i++) {
		struct view subject = view_of(f.nodes[f.roots[i]].message->subject);
		uintptr_t known = (uintptr_t)map_get(subjects, subject);

		if (known != 0) {
			node_link(&f, (int)known - 1, f.roots[i]);
			continue;
		}
		map_put(subjects, subject, (void *)(uintptr_t)(f.roots[i] + 1));
		f.roots[f.root_count++] = f.roots[i];
	}
	forest_sort(&f);
	forest_write(out, &f);
	map_free(subjects);
	forest_free(&f);
}
