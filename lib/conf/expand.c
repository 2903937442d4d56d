/* $name in a parameter's value. Circles are found, and the length of the result is bounded. */
#include "conf/expand.h"

#include <errno.h>

#include "base/mem.h"

/*
 * Nothing recurses on input: what is being expanded lies on a stack of frames, the innermost on
 * top. A frame that compares has two sides, expanded one after the other into strings of its own.
 */
struct frame {
	struct view rest; /* still to be expanded */
	struct str *out;
	bool compares;
	int side;
	struct view sides[2], operator, yes, no;
	struct str values[2];
};

struct expansion {
	struct frame frames[EXPAND_DEPTH_MAX];
	size_t depth, steps;
	expand_lookup *lookup;
	void *argument;
	struct error *err;
};

/* One reference, taken apart. */
struct reference {
	bool compares, conditional;
	struct view name;		   /* of a value, or... */
	struct view left, operator, right; /* ...a comparison */
	struct view yes, no;
	bool has_yes, has_no;
};

static bool is_name_byte(char c)
{
	return ascii_is_alnum(c) || c == '_';
}

/* Services' names begin parameters' names, and may have these. */
static bool is_bracketed_name_byte(char c)
{
	return is_name_byte(c) || c == '-' || c == '.';
}

static struct view skip_space(struct view v)
{
	while (v.len > 0 && ascii_is_space(v.data[0]))
		v = view_from(v, 1);
	return v;
}

/* Offset of the bracket that closes the one at the start, or VIEW_NOT_FOUND. */
static size_t closing(struct view v)
{
	char open = v.data[0], close = open == '{' ? '}' : ')';
	size_t depth = 0;

	for (size_t i = 0; i < v.len; i++) {
		if (v.data[i] == open)
			depth++;
		else if (v.data[i] == close && --depth == 0)
			return i;
	}
	return VIEW_NOT_FOUND;
}

/* Takes "{text}" off the front. False if it is not there, or without its end. */
static bool take_braces(struct view *rest, struct view *text)
{
	struct view v = skip_space(*rest);
	size_t end;

	if (v.len == 0 || v.data[0] != '{' || (end = closing(v)) == VIEW_NOT_FOUND)
		return false;
	*text = view_first(view_from(v, 1), end - 1);
	*rest = view_from(v, end + 1);
	return true;
}

/* "?{a}:{b}", "?a", ":{b}", ":b" after a name or a comparison. */
static int parse_branches(struct view rest, struct reference *ref, struct error *err)
{
	rest = skip_space(rest);
	if (rest.len == 0)
		return 0;
	ref->conditional = true;
	if (rest.data[0] == '?') {
		ref->has_yes = true;
		rest = view_from(rest, 1);
		if (skip_space(rest).len == 0 || skip_space(rest).data[0] != '{') {
			ref->yes = rest;
			return 0;
		}
		if (!take_braces(&rest, &ref->yes))
			return error_set(err, -EINVAL, "\"{\" without \"}\" after \"?\"");
		rest = skip_space(rest);
		if (rest.len == 0)
			return 0;
	}
	if (rest.data[0] != ':')
		return error_set(err, -EINVAL, "expected \"?\" or \":\" at \"%.*s\"",
				 VIEW_ARG(view_first(rest, 40)));
	ref->has_no = true;
	rest = view_from(rest, 1);
	if (skip_space(rest).len == 0 || skip_space(rest).data[0] != '{') {
		ref->no = rest;
		return 0;
	}
	if (!take_braces(&rest, &ref->no))
		return error_set(err, -EINVAL, "\"{\" without \"}\" after \":\"");
	if (skip_space(rest).len > 0)
		return error_set(err, -EINVAL, "unexpected text \"%.*s\"",
				 VIEW_ARG(view_first(skip_space(rest), 40)));
	return 0;
}

static const char *const operators[] = { "==",	    "!=",      "<=",	  ">=",
					 "<",	    ">",       "==level", "!=level",
					 "<=level", ">=level", "<level",  ">level" };

static int parse_comparison(struct view body, struct reference *ref, struct error *err)
{
	size_t len = 0;
	bool known = false;

	ref->compares = true;
	if (!take_braces(&body, &ref->left))
		return error_set(err, -EINVAL, "\"{\" without \"}\" in a comparison");
	body = skip_space(body);
	while (len < body.len && body.data[len] != '{' && !ascii_is_space(body.data[len]))
		len++;
	ref->operator= view_first(body, len);
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
		known = known || view_is(ref->operator, operators[i]);
	if (!known)
		return error_set(err, -EINVAL, "expected == != < <= > or >= instead of \"%.*s\"",
				 VIEW_ARG(view_first(ref->operator, 40)));
	body = view_from(body, len);
	if (!take_braces(&body, &ref->right))
		return error_set(err, -EINVAL, "expected {text} after %.*s",
				 VIEW_ARG(ref->operator));
	return parse_branches(body, ref, err);
}

/* The inside of ${...} or $(...). */
static int expression_parse_body(struct view body, struct reference *ref, struct error *err)
{
	size_t len = 0;

	body = skip_space(body);
	if (body.len > 0 && body.data[0] == '{')
		return parse_comparison(body, ref, err);
	while (len < body.len && body.data[len] != '?' && body.data[len] != ':')
		len++;
	ref->name = view_trim(view_first(body, len));
	if (ref->name.len == 0)
		return error_set(err, -EINVAL, "empty name in ${}");
	for (size_t i = 0; i < ref->name.len; i++)
		if (!is_bracketed_name_byte(ref->name.data[i]))
			return error_set(err, -EINVAL, "no name: \"%.*s\"",
					 VIEW_ARG(view_first(ref->name, 60)));
	return parse_branches(view_from(body, len), ref, err);
}

/* A reference begins at *rest ("$..."): takes it off. 1 a reference, 0 "$$". */
static int take_reference(struct view *rest, struct reference *ref, struct error *err)
{
	struct view v = view_from(*rest, 1);
	size_t len = 0;

	*ref = (struct reference){ 0 };
	if (v.len > 0 && v.data[0] == '$') {
		*rest = view_from(v, 1);
		return 0;
	}
	if (v.len > 0 && (v.data[0] == '{' || v.data[0] == '(')) {
		size_t end = closing(v);

		if (end == VIEW_NOT_FOUND)
			return error_set(err, -EINVAL, "\"$%c\" without its end: \"$%.*s\"",
					 v.data[0], VIEW_ARG(view_first(v, 40)));
		*rest = view_from(v, end + 1);
		int r = expression_parse_body(view_first(view_from(v, 1), end - 1), ref, err);

		return r < 0 ? r : 1;
	}
	while (len < v.len && is_name_byte(v.data[len]))
		len++;
	if (len == 0)
		return error_set(err, -EINVAL,
				 "\"$\" without a name after it (a dollar sign is written $$)");
	ref->name = view_first(v, len);
	*rest = view_from(v, len);
	return 1;
}

/* ---- comparing ---- */

static bool is_number(struct view v, int64_t *number)
{
	bool negative = v.len > 0 && v.data[0] == '-';
	uint64_t value;

	if (view_parse_u64(view_from(v, negative), INT64_MAX, &value) < 0)
		return false;
	*number = negative ? -(int64_t)value : (int64_t)value;
	return true;
}

static int sign(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* 3.10 against 3.9: part by part; a missing part is 0. */
static int compare_levels(struct view a, struct view b, int *order, struct error *err)
{
	*order = 0;
	for (int i = 0; i < 3; i++) {
		struct view part[2] = { VIEW("0"), VIEW("0") };
		uint64_t number[2];

		view_next(&a, '.', &part[0]);
		view_next(&b, '.', &part[1]);
		for (int side = 0; side < 2; side++)
			if (view_parse_u64(part[side], INT32_MAX, &number[side]) < 0)
				return error_set(err, -EINVAL,
						 "expected a level like 3.6, not \"%.*s\"",
						 VIEW_ARG(view_first(part[side], 40)));
		if (*order == 0)
			*order = sign((int64_t)number[0], (int64_t)number[1]);
	}
	return 0;
}

static int expression_compare(const struct frame *frame, bool *answer, struct error *err)
{
	struct view a = str_view(&frame->values[0]), b = str_view(&frame->values[1]);
	struct view op = frame->operator;
	int64_t na, nb;
	int order;

	if (view_ends(op, VIEW("level"))) {
		int r = compare_levels(a, b, &order, err);

		if (r < 0)
			return r;
		op.len -= strlen("level");
	} else if (is_number(a, &na) && is_number(b, &nb)) {
		order = sign(na, nb);
	} else {
		order = view_compare(a, b);
	}
	if (view_is(op, "=="))
		*answer = order == 0;
	else if (view_is(op, "!="))
		*answer = order != 0;
	else if (op.data[0] == '<')
		*answer = op.len == 2 ? order <= 0 : order < 0;
	else
		*answer = op.len == 2 ? order >= 0 : order > 0;
	return 0;
}

/* ---- the stack ---- */

static int expression_push(struct expansion *x, struct view text, struct str *out)
{
	if (x->depth == EXPAND_DEPTH_MAX)
		return error_set(x->err, -EINVAL,
				 "values within values, %d deep: does one refer to itself?",
				 EXPAND_DEPTH_MAX);
	if (++x->steps > EXPAND_STEPS_MAX || out->len > EXPAND_OUTPUT_MAX)
		return error_set(x->err, -EINVAL, "the expanded value grows too large");
	x->frames[x->depth++] = (struct frame){ .rest = text, .out = out };
	return 0;
}

static int push_comparison(struct expansion *x, const struct reference *ref, struct str *out)
{
	int r = expression_push(x, VIEW_NONE, out);

	if (r < 0)
		return r;

	struct frame *frame = &x->frames[x->depth - 1];

	frame->compares = true;
	frame->sides[0] = ref->left;
	frame->sides[1] = ref->right;
	frame->operator= ref->operator;
	/* Without branches a comparison is a truth value, which may itself be tested. */
	frame->yes = ref->has_yes || ref->has_no ? ref->yes : VIEW("true");
	frame->no = ref->no;
	return expression_push(x, frame->sides[0], &frame->values[0]);
}

static int enter(struct expansion *x, const struct reference *ref, struct str *out)
{
	if (ref->compares)
		return push_comparison(x, ref, out);

	const char *value = x->lookup(x->argument, ref->name);
	bool has_value = value != NULL && value[0] != '\0';

	if (ref->conditional)
		return expression_push(x, has_value ? ref->yes : ref->no, out);
	return has_value ? expression_push(x, view_of(value), out) : 0;
}

/* The frame on top has nothing left. */
static int expression_leave(struct expansion *x)
{
	struct frame *frame = &x->frames[--x->depth];
	bool answer = false;

	if (!frame->compares)
		return 0;
	x->depth++;
	if (frame->side == 0) {
		frame->side = 1;
		return expression_push(x, frame->sides[1], &frame->values[1]);
	}

	int r = expression_compare(frame, &answer, x->err);
	struct view chosen = answer ? frame->yes : frame->no;

	str_free(&frame->values[0]);
	str_free(&frame->values[1]);
	x->depth--;
	return r < 0 ? r : expression_push(x, chosen, frame->out);
}

static int expression_step(struct expansion *x)
{
	struct frame *frame = &x->frames[x->depth - 1];
	struct reference ref;
	size_t dollar = view_find_byte(frame->rest, '$');

	str_append(frame->out, view_first(frame->rest, dollar));
	if (frame->out->len > EXPAND_OUTPUT_MAX)
		return error_set(x->err, -EINVAL, "the expanded value grows too large");
	frame->rest = view_from(frame->rest, dollar);
	if (frame->rest.len == 0)
		return expression_leave(x);

	int r = take_reference(&frame->rest, &ref, x->err);

	if (r == 0)
		str_append_byte(frame->out, '$');
	return r <= 0 ? r : enter(x, &ref, frame->out);
}

int value_expand(struct view text, expand_lookup *lookup, void *argument, struct str *out,
		 struct error *err)
{
	if (view_find_byte(text, '$') == VIEW_NOT_FOUND) {
		str_append(out, text);
		return 0;
	}

	_cleanup_free_ struct expansion *x = mem_new(struct expansion);
	struct str result = STR_EMPTY;
	int r;

	x->lookup = lookup;
	x->argument = argument;
	x->err = err;
	r = expression_push(x, text, &result);
	while (r == 0 && x->depth > 0)
		r = expression_step(x);
	for (size_t i = 0; i < x->depth; i++) {
		str_free(&x->frames[i].values[0]);
		str_free(&x->frames[i].values[1]);
	}
	if (r == 0)
		str_append(out, str_view(&result));
	str_free(&result);
	return r;
}

void expand_names(struct view text, void (*found)(void *argument, struct view name), void *argument)
{
	for (size_t dollar; (dollar = view_find_byte(text, '$')) != VIEW_NOT_FOUND;) {
		struct view v = view_from(text, dollar + 1);
		size_t start = 0, len = 0;

		if (v.len > 0 && v.data[0] == '$') {
			text = view_from(v, 1);
			continue;
		}
		while (start < v.len && (v.data[start] == '{' || v.data[start] == '(' ||
					 ascii_is_space(v.data[start])))
			start++;
		text = view_from(v, start);
		while (len < text.len && (start > 0 ? is_bracketed_name_byte(text.data[len])
						    : is_name_byte(text.data[len])))
			len++;
		if (len > 0)
			found(argument, view_first(text, len));
	}
}
