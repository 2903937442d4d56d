/* The tree walk (RFC 9989 section 4.10): which record counts, and whose a domain is. */
#include "base/mem.h"
#include "mailauth/dmarc.h"

/* What stands at _dmarc.NAME. */
struct dmarc_node {
	struct str name;
	struct dmarc_record record;
	bool has_record, failed;
};

void dmarc_tree_free(struct dmarc_tree *tree)
{
	for (size_t i = 0; i < tree->count; i++) {
		str_free(&tree->nodes[i]->name);
		dmarc_record_free(&tree->nodes[i]->record);
		free(tree->nodes[i]);
	}
	free(tree->nodes);
	tree->nodes = NULL;
	tree->count = 0;
}

/* More than one record is as none (section 4.10, step 2). */
static void node_read(struct dmarc_node *node, const struct records *records)
{
	const struct str *only = NULL;
	size_t count = 0;

	for (size_t i = 0; i < records->count; i++) {
		if (records->values[i].len > DMARC_RECORD_MAX ||
		    !dmarc_record_is(str_view(&records->values[i])))
			continue;
		only = &records->values[i];
		count++;
	}
	node->failed = records->outcome == RECORDS_FAILED;
	if (count == 1)
		node->has_record = dmarc_record_parse(str_view(only), &node->record);
}

/* Each name is asked for once. */
static const struct dmarc_node *tree_node(struct dmarc_tree *tree, struct view name)
{
	_cleanup_(str_free) struct str question = STR_EMPTY;
	struct dmarc_node *node;
	struct records records;

	for (size_t i = 0; i < tree->count; i++)
		if (view_eq_nocase(str_view(&tree->nodes[i]->name), name))
			return tree->nodes[i];
	str_append_cstr(&question, "_dmarc.");
	str_append(&question, name);
	records_ask(tree->dns, str_view(&question), RECORD_TXT, &records);
	node = mem_new(struct dmarc_node);
	str_append(&node->name, name);
	node_read(node, &records);
	records_free(&records);
	array_grow(tree->nodes, tree->count);
	return tree->nodes[tree->count++] = node;
}

/* ---- labels ---- */

static size_t count_labels(struct view name)
{
	size_t count = name.len > 0;

	for (size_t i = 0; i < name.len; i++)
		count += name.data[i] == '.';
	return count;
}

static struct view last_labels(struct view name, size_t keep)
{
	for (size_t left = count_labels(name); left > keep; left--)
		name = view_from(name, view_find_byte(name, '.') + 1);
	return name;
}

/* ---- walks ---- */

/* The nodes on the way up, at most DMARC_WALK_MAX; how many. */
static size_t tree_climb(struct dmarc_tree *tree, struct view name,
			 const struct dmarc_node *nodes[DMARC_WALK_MAX])
{
	size_t labels = count_labels(name), count = 0;
	struct view at = name;

	while (labels > 0 && count < DMARC_WALK_MAX) {
		const struct dmarc_node *node = tree_node(tree, at);

		nodes[count++] = node;
		if (node->failed || (node->has_record && node->record.psd != 'u'))
			break;
		labels = labels > DMARC_LABELS_MAX ? DMARC_LABELS_MAX : labels - 1;
		at = last_labels(name, labels);
	}
	return count;
}

/* Section 4.10.2 */
static struct view tree_organization(struct view name, const struct dmarc_node *const *nodes,
				     size_t count)
{
	struct view found = name;

	for (size_t i = 0; i < count; i++) {
		if (!nodes[i]->has_record)
			continue;
		found = str_view(&nodes[i]->name);
		if (nodes[i]->record.psd == 'y' && i > 0)
			found = last_labels(name, count_labels(found) + 1);
	}
	return found;
}

static void walk_take(struct dmarc_walk *walk, const struct dmarc_node *node)
{
	if (node->failed)
		walk->failed = true;
	if (!node->has_record || walk->record != NULL)
		return;
	walk->record = &node->record;
	str_set(&walk->owner, str_view(&node->name));
}

/* RFC 7489 section 3.2 */
static void walk_by_suffix(struct dmarc_tree *tree, struct view name, struct dmarc_walk *walk)
{
	struct view registered = suffix_list_registered(tree->suffixes, name);

	str_append(&walk->organization, registered);
	walk_take(walk, tree_node(tree, name));
	walk_take(walk, tree_node(tree, registered));
}

void dmarc_tree_walk(struct dmarc_tree *tree, struct view name, struct dmarc_walk *walk)
{
	const struct dmarc_node *nodes[DMARC_WALK_MAX];
	size_t count;

	*walk = (struct dmarc_walk){ 0 };
	if (tree->suffixes != NULL) {
		walk_by_suffix(tree, name, walk);
		return;
	}
	count = tree_climb(tree, name, nodes);
	str_append(&walk->organization, tree_organization(name, nodes, count));
	/* Its own, that of the organizational domain, that of the public suffix. */
	for (size_t i = 0; i < count; i++)
		if (i == 0 || i == count - 1 ||
		    view_eq_nocase(str_view(&nodes[i]->name), str_view(&walk->organization)))
			walk_take(walk, nodes[i]);
}

void dmarc_walk_free(struct dmarc_walk *walk)
{
	str_free(&walk->organization);
	str_free(&walk->owner);
}
