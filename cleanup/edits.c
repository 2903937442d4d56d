/* What a milter wants changed: kept until it counts, then done. What filter sends is looked at again. */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "checks.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "milters.h"

#define EDITS_MAX 10000
/*
 * Fields that all changes of a message may look at: each looks at all. 10,000 changes of 2,000 fields, or as
 * many as nobody needs of a header that has more.
 */
#define FIELDS_WORK_MAX ((size_t)20000000)

static struct tables *checks;

int edits_open(struct error *err)
{
	checks = tables_open(param.milter_header_checks, TABLE_LONG_KEYS, err);
	if (checks != NULL)
		return 0;
	error_prefix(err, "milter_header_checks");
	return -EINVAL;
}

/* ---- as they come ---- */

static bool edit_has_name(const struct msg_milter_edit *m)
{
	for (size_t i = 0; i < m->name.len; i++)
		if (m->name.data[i] <= ' ' || m->name.data[i] >= 127 || m->name.data[i] == ':')
			return false;
	return m->name.len > 0;
}

/* Lines end in CR LF, and each but the first begins with a blank: it can end neither field nor header. */
static bool edit_has_value(struct view value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];

		if (c == '\0' || (c == '\n' && (i == 0 || value.data[i - 1] != '\r')))
			return false;
		if (c == '\r' && (i + 2 >= value.len || value.data[i + 1] != '\n' ||
				  (value.data[i + 2] != ' ' && value.data[i + 2] != '\t')))
			return false;
	}
	return true;
}

static bool edit_has_address(const struct msg_milter_edit *m)
{
	return m->value.len <= IPC_ADDRESS_MAX && !view_has_control(m->value) &&
	       (m->value.len > 0 || m->edit == MILTER_EDIT_SENDER);
}

static bool edit_is_good(const struct msg_milter_edit *m)
{
	switch (m->edit) {
	case MILTER_EDIT_ADD_HEADER:
	case MILTER_EDIT_INSERT_HEADER:
	case MILTER_EDIT_CHANGE_HEADER:
		return edit_has_name(m) && edit_has_value(m->value);
	case MILTER_EDIT_SENDER:
	case MILTER_EDIT_ADD_RECIPIENT:
	case MILTER_EDIT_DELETE_RECIPIENT:
		return edit_has_address(m);
	case MILTER_EDIT_BODY:
		return true;
	default:
		return false;
	}
}

/* The new body is a message of its own in the queue's eyes, which is never finished. */
static int edits_add_body(struct edits *edits, struct view piece)
{
	static const struct queue_envelope nobody;

	if (edits->body == NULL)
		edits->body = queue_writer_new(cleanup.queue, &nobody);
	if (param.message_size_limit > 0 &&
	    queue_writer_size(edits->body) + piece.len > (uint64_t)param.message_size_limit)
		return -EBADMSG;
	return queue_writer_content(edits->body, piece);
}

int edits_add(struct edits *edits, const struct msg_milter_edit *m)
{
	struct edit *edit;

	if (!edit_is_good(m))
		return -EBADMSG;
	if (m->edit == MILTER_EDIT_BODY)
		return edits_add_body(edits, m->value);
	edits->bytes += m->name.len + m->value.len;
	if (edits->count == EDITS_MAX || edits->bytes > 2 * (size_t)param.message_header_limit)
		return -EBADMSG;
	array_grow(edits->items, edits->count);
	edit = &edits->items[edits->count++];
	*edit = (struct edit){ .kind = m->edit, .index = m->index };
	str_append(&edit->name, m->name);
	str_append(&edit->value, m->value);
	str_append(&edit->arguments, m->arguments);
	return 0;
}

void edits_free(struct edits *edits)
{
	for (size_t i = 0; i < edits->count; i++) {
		str_free(&edits->items[i].name);
		str_free(&edits->items[i].value);
		str_free(&edits->items[i].arguments);
	}
	free(edits->items);
	queue_writer_free(edits->body);
	*edits = (struct edits){ 0 };
}

/* ---- when they count ---- */

/* As milter_header_checks see it, and what they make of it: false: it is left out. */
static int edit_check(struct intake *in, struct judged *j, struct edit *edit, bool *keep)
{
	_cleanup_(check_result_free) struct check_result result = { 0 };
	_cleanup_(str_free) struct str line = STR_EMPTY;
	int r;

	*keep = true;
	if (edit->value.len == 0 || tables_are_empty(checks))
		return 0;
	str_printf(&line, "%s:", str_cstr(&edit->name));
	for (size_t i = 0; i < edit->value.len; i++)
		if (edit->value.data[i] != '\r')
			str_append_byte(&line, edit->value.data[i]);
	r = check_line(in, checks, "milter-header", str_view(&line), &result);
	*keep = r == 0 && result.fate != CHECK_DROP;
	if (r == 0 && (result.fate == CHECK_REPLACE || result.fate == CHECK_PREPEND)) {
		struct view text = str_view(&result.text);
		size_t colon = view_find_byte(text, ':');
		struct view name = view_first(text, colon), value = view_from(text, colon + 1);

		if (result.fate == CHECK_REPLACE) {
			str_set(&edit->name, view_trim(name));
			str_set(&edit->value, value);
		} else {
			judged_insert(j, j->count, view_trim(name), value);
		}
	}
	return r;
}

static int edit_header(struct intake *in, struct judged *j, struct edit *edit)
{
	bool keep;
	int r = edit_check(in, j, edit, &keep);
	struct view name = str_view(&edit->name), value = str_view(&edit->value);

	if (r < 0 || !keep)
		return r;
	j->work += j->count;
	if (j->work > FIELDS_WORK_MAX)
		return intake_fail(in, 451, "4.3.0",
				   "Error: a filter has too many changes for so long a header");
	if (edit->kind == MILTER_EDIT_CHANGE_HEADER)
		judged_change(j, edit->index, name, value);
	else
		judged_insert(j, edit->kind == MILTER_EDIT_ADD_HEADER ? j->count : edit->index,
			      name, value);
	return 0;
}

/* RET= of a new sender; what else there may be is not ours to know. */
static void edit_take_arguments(struct intake *in, struct view arguments)
{
	struct view argument;

	while (view_next(&arguments, '\0', &argument)) {
		if (view_is_nocase(argument, "RET=FULL"))
			in->ret = RET_FULL;
		else if (view_is_nocase(argument, "RET=HDRS"))
			in->ret = RET_HDRS;
		else if (argument.len > 0)
			log_warning("%s: parameter of a milter's address is passed over: %.*s",
				    queue_writer_id(in->writer),
				    VIEW_ARG(view_first(argument, 60)));
	}
}

static int edit_sender(struct intake *in, const struct edit *edit)
{
	_cleanup_(str_free) struct str shown = STR_EMPTY;

	edit_take_arguments(in, str_view(&edit->arguments));
	if (envelope_sender(in, str_view(&edit->value)) < 0)
		return -EACCES;
	in->again = true;
	address_show(&shown, str_view(&in->sender));
	log_info("%s: from=<%s> by a milter", queue_writer_id(in->writer), str_cstr(&shown));
	return 0;
}

static int edit_add_recipient(struct intake *in, const struct edit *edit)
{
	_cleanup_(str_free) struct str address = STR_EMPTY;
	int r = route_canonical_form(cleanup.routes, str_view(&edit->value), &address);

	if (r < 0)
		return intake_fail_temporarily(in, "map a recipient", r);
	return envelope_late_copy(in, str_view(&address));
}

static int edit_delete_recipient(struct intake *in, const struct edit *edit)
{
	_cleanup_(str_free) struct str address = STR_EMPTY, key = STR_EMPTY;
	int r = route_canonical_form(cleanup.routes, str_view(&edit->value), &address);

	if (r < 0)
		return intake_fail_temporarily(in, "map a recipient", r);
	if (in->late != NULL)
		map_remove(in->late, str_view(&address));
	if (in->removed == NULL)
		in->removed = map_new();
	str_append_lower(&key, str_view(&address));
	map_put(in->removed, str_view(&key), in);
	return 0;
}

static int edit_apply(struct intake *in, struct judged *j, struct edit *edit)
{
	switch (edit->kind) {
	case MILTER_EDIT_SENDER:
		return edit_sender(in, edit);
	case MILTER_EDIT_ADD_RECIPIENT:
		return edit_add_recipient(in, edit);
	case MILTER_EDIT_DELETE_RECIPIENT:
		return edit_delete_recipient(in, edit);
	default:
		return edit_header(in, j, edit);
	}
}

int edits_apply(struct intake *in, struct judged *j, struct edits *edits)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < edits->count; i++)
		r = edit_apply(in, j, &edits->items[i]);
	if (r == 0 && edits->body != NULL) {
		queue_writer_free(j->body);
		j->body = TAKE(edits->body);
		j->is_changed = true;
	}
	return r;
}
