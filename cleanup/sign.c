/*
 * DKIM signatures of our own users' mail, and ARC seals of what they send on. They are made when nothing changes the message any more, of
 * what stands in the queue file; the keys are in the program that has them.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/linefold.h"
#include "mailauth/arc.h"
#include "mailauth/authres.h"
#include "mailauth/signing_table.h"
#include "proofs.h"
#include "services/clients.h"
#include "table/table.h"

#define SIGNATURES_ROOM ((size_t)16 * 1024)
#define SIGN_PIECE	((size_t)65536)

static struct {
	struct key_table keys;
	struct signing_table who;
	const struct key_row *sealer; /* NULL: nothing is sealed */
	struct matchlist *networks;
} signers;

/* Each row names a key that there is, and so does arc_sealing_key. */
static int check_names(struct error *err)
{
	for (size_t i = 0; i < signers.who.count; i++)
		if (key_table_find(&signers.keys, view_of(signers.who.rows[i].key)) == NULL)
			return error_set(err, -EINVAL,
					 "dkim_signing_table: dkim_key_table has no key %s",
					 signers.who.rows[i].key);
	if (param.arc_sealing_key[0] == '\0')
		return 0;
	signers.sealer = key_table_find(&signers.keys, view_of(param.arc_sealing_key));
	return signers.sealer != NULL && strcmp(signers.sealer->domain, "%") != 0
		       ? 0
		       : error_set(err, -EINVAL,
				   "arc_sealing_key: dkim_key_table has no key %s of one domain",
				   param.arc_sealing_key);
}

int cleanup_signing_open(struct error *err)
{
	unsigned char digest[CANON_DIGEST_SIZE];
	const char *files[2] = { signing_table_path(param.dkim_key_table),
				 signing_table_path(param.dkim_signing_table) };
	int r;

	if (param.dkim_signing_table[0] == '\0' && param.arc_sealing_key[0] == '\0')
		return 0;
	if (param.dkim_key_table[0] == '\0')
		return error_set(err, -EINVAL,
				 "dkim_signing_table or arc_sealing_key is set, and dkim_key_table "
				 "not");
	r = key_table_read(param.dkim_key_table, &signers.keys, err);
	if (r == 0)
		r = signing_table_read(param.dkim_signing_table, &signers.who, err);
	if (r == 0)
		r = check_names(err);
	if (r < 0)
		return r;
	signers.networks = matchlist_open(param.dkim_signing_networks, MATCH_ADDRESSES, false, err);
	if (signers.networks == NULL)
		return -EINVAL;
	canon_digest(VIEW_NONE, digest); /* OpenSSL reads what it wants to read */
	return table_watch_files(files, files[1][0] != '\0' ? 2 : 1, err);
}

/* ---- whose mail ---- */

/*
 * Our own users', from here, with a login or from networks that are ours: never strangers', also not
 * when it is handed on. Of what a filter brings back it does not matter where the filter is.
 */
static bool is_to_be_signed(const struct intake *in)
{
	if (signers.who.count == 0)
		return false;
	if (intake_is_brought_back(in))
		return !(in->flags & MAIL_FLAG_REMOTE);
	if (intake_is_ours(in))
		return true;
	return in->client_address.len > 0 && !(in->flags & MAIL_FLAG_INTERNAL) &&
	       matchlist_match(signers.networks, str_view(&in->client_address), NULL) > 0;
}

struct one_author {
	struct str address;
	size_t count;
};

static int take_author(void *argument, const struct header_address *a)
{
	struct one_author *author = argument;

	if (a->group_start || a->group_end)
		return 0;
	author->count++;
	str_clear(&author->address);
	str_append(&author->address, a->local);
	str_append_byte(&author->address, '@');
	str_append_lower(&author->address, a->domain);
	return 0;
}

/* The one author whose key signs. False: there is none, or more than one. */
static bool find_author(const struct field_set *fields, struct str *address)
{
	const struct field_name *from = field_set_find(fields, VIEW("From"));
	struct one_author author = { STR_EMPTY, 0 };
	bool found;

	if (from == NULL || from->count != 1)
		return false;
	address_list_parse(fields->items[from->at[0]].body, take_author, &author);
	found = author.count == 1;
	if (found)
		str_append(address, str_view(&author.address));
	str_free(&author.address);
	return found;
}

/* ---- the message as it is in the queue ---- */

struct sign_reader {
	struct str *header;
	size_t end, scanned; /* of the header; VIEW_NOT_FOUND: not yet */
	struct canon_bodies *bodies;
};

static void sign_take(struct sign_reader *reader, struct view bytes)
{
	size_t lf;

	if (reader->end != VIEW_NOT_FOUND) {
		canon_bodies_feed(reader->bodies, bytes);
		return;
	}
	str_append(reader->header, bytes);
	reader->end = header_find_end(str_view(reader->header), reader->scanned);
	lf = view_find_last_byte(str_view(reader->header), '\n');
	reader->scanned = lf == VIEW_NOT_FOUND ? 0 : lf + 1;
	if (reader->end != VIEW_NOT_FOUND)
		canon_bodies_feed(reader->bodies, view_from(str_view(reader->header), reader->end));
}

/* As the SMTP client will send it: long lines are broken. */
static int sign_read(struct intake *in, struct str *header, struct canon_bodies *bodies)
{
	_cleanup_free_ char *piece = mem_resize(NULL, SIGN_PIECE, 1);
	struct sign_reader reader = { .header = header, .end = VIEW_NOT_FOUND, .bodies = bodies };
	struct linefold fold = { .limit = (size_t)param.smtp_line_length_limit };
	uint64_t at = 0;
	ssize_t n;

	while ((n = queue_writer_read(in->writer, at, piece, SIGN_PIECE)) > 0) {
		struct view bytes = view_make(piece, (size_t)n);

		at += (uint64_t)n;
		while (bytes.len > 0) {
			size_t fits = linefold_fits(&fold, bytes);

			sign_take(&reader, view_first(bytes, fits));
			bytes = view_from(bytes, fits);
			if (bytes.len > 0)
				sign_take(&reader, LINEFOLD_BREAK);
		}
	}
	if (n < 0)
		return (int)n;
	if (reader.end != VIEW_NOT_FOUND)
		str_truncate(header, reader.end);
	canon_bodies_end(bodies);
	return 0;
}

/* ---- signatures ---- */

static int ask_for_signature(void *context, struct view digest, struct str *bytes)
{
	struct signing *signing = context;

	return keys_sign_mail(signing->key, (uint32_t)signing->algorithm, digest, bytes);
}

/* Everything about that key but for whom it signs. 0 or a negative errno. */
static int find_key(struct intake *in, const struct key_row *key, struct signing *signing)
{
	uint32_t algorithm = 0;
	int r = keys_mail_algorithm(view_of(key->name), &algorithm);

	*signing = (struct signing){
		.domain = view_of(key->domain),
		.selector = view_of(key->selector),
		.key = view_of(key->name),
		.algorithm = algorithm == ALGORITHM_ED25519_SHA256 ? ALGORITHM_ED25519_SHA256
								   : ALGORITHM_RSA_SHA256,
		.header_canon = CANON_RELAXED,
		.body_canon = CANON_RELAXED,
		.time = in->arrival / 1000000,
		.make = ask_for_signature,
		.context = signing,
	};
	return r;
}

static int sign_by(struct intake *in, struct field_set *fields, struct view digest,
		   const struct signing_row *row, struct view author)
{
	const struct key_row *key = key_table_find(&signers.keys, view_of(row->key));
	_cleanup_(str_free) struct str field = STR_EMPTY;
	struct view local, domain;
	struct signing signing;
	int r = find_key(in, key, &signing);

	address_split(author, &local, &domain);
	if (strcmp(key->domain, "%") == 0)
		signing.domain = domain;
	signing.identity = view_of(row->identity);
	if (r == 0)
		r = dkim_sign(&signing, fields, digest, &field);
	if (r == 0)
		r = queue_writer_fill(in->writer, str_view(&field));
	if (r == 0)
		log_info("%s: signed: d=%.*s s=%s a=%s", queue_writer_id(in->writer),
			 VIEW_ARG(signing.domain), key->selector,
			 signature_algorithm_name(signing.algorithm));
	return r;
}

static int sign_all(struct intake *in, struct field_set *fields, struct view digest)
{
	_cleanup_(str_free) struct str author = STR_EMPTY;
	const struct signing_row *rows[SIGNING_KEYS_MAX];
	size_t count = 0;
	int r = 0;

	if (find_author(fields, &author))
		count = signing_table_find(&signers.who, str_view(&author), rows);
	else
		log_info("%s: not signed: not just one author in From",
			 queue_writer_id(in->writer));
	/* From the last on, so that the first one stands on top. */
	for (size_t i = count; r == 0 && i-- > 0;)
		r = sign_by(in, fields, digest, rows[i], str_view(&author));
	return r;
}

/* ---- seals ---- */

/*
 * What a stranger has sent and a user of ours has sent on (aliases, .forward): those who get it hear
 * by ARC what we found when it came.
 */
static bool is_to_be_sealed(const struct intake *in)
{
	return signers.sealer != NULL && (in->flags & MAIL_FLAG_INTERNAL) &&
	       (in->flags & MAIL_FLAG_REMOTE) && in->client_address.len == 0;
}

/* The results that we wrote then; forged ones were removed. VIEW_NONE: there are none. */
static struct view our_results(const struct field_set *fields)
{
	for (size_t i = 0; i < fields->count; i++) {
		_cleanup_(str_free) struct str id = STR_EMPTY;

		if (view_is_nocase(fields->items[i].name, "Authentication-Results") &&
		    authres_read_id(fields->items[i].body, &id) &&
		    view_is_nocase(str_view(&id), param.authserv_id))
			return authres_payload(fields->items[i].body);
	}
	return VIEW_NONE;
}

/*
 * What we found of the chain when the message came. Only where we have seen that it is broken do we
 * say so: a seal with cv=fail ends it for everybody after us.
 */
static enum proof chain_found(const struct field_set *fields, struct view payload)
{
	struct view arc = authres_find(payload, "arc");

	if (field_set_find(fields, VIEW("ARC-Seal")) == NULL)
		return PROOF_NONE;
	return view_is(arc, "pass")   ? PROOF_PASS
	       : view_is(arc, "fail") ? PROOF_FAIL
				      : PROOF_TEMPERROR;
}

/* The message goes on as it is: what is lost is our word, not the message. */
static int seal_not(const struct intake *in, const char *why)
{
	log_info("%s: not sealed: %s", queue_writer_id(in->writer), why);
	return 0;
}

static int seal_message(struct intake *in, struct field_set *fields, struct view digest)
{
	_cleanup_(str_free) struct str results = STR_EMPTY, set = STR_EMPTY;
	struct view payload = our_results(fields);
	enum proof chain = chain_found(fields, payload);
	struct signing signing;
	int r;

	/* Nobody is to be believed because of us who was not believed by us. */
	if (payload.len == 0 || view_is(authres_find(payload, "dmarc"), "fail"))
		return 0;
	if (chain == PROOF_TEMPERROR)
		return seal_not(in, "it could not be found out whether the chain is whole");
	str_printf(&results, "%s; ", param.authserv_id);
	str_append(&results, payload);
	r = find_key(in, signers.sealer, &signing);
	if (r == 0)
		r = arc_seal(&signing, fields, digest, str_view(&results), chain, &set);
	if (r == -EALREADY)
		return seal_not(in, "the chain has ended");
	if (r == -E2BIG)
		return seal_not(in, "there are too many header fields");
	if (r == 0)
		r = queue_writer_fill(in->writer, str_view(&set));
	if (r == -ENOSPC)
		return seal_not(in, "the set would be too long");
	if (r == 0)
		log_info("%s: sealed: d=%s s=%s cv=%s", queue_writer_id(in->writer),
			 signers.sealer->domain, signers.sealer->selector, proof_word(chain));
	return r;
}

/* ---- all of it ---- */

/* What was to be signed does not leave without a signature: its client tries again. */
static int signing_failed(struct intake *in, int r)
{
	if (r == -E2BIG) /* it is no better the next time */
		return intake_fail(in, 554, "5.6.0", "Error: too many header fields to be signed");
	log_error("%s: cannot be signed now: %s", queue_writer_id(in->writer), strerror(-r));
	return intake_fail(in, 451, "4.7.5", "Error: the message cannot be signed now");
}

int cleanup_signing_reserve(struct intake *in)
{
	return is_to_be_signed(in) || is_to_be_sealed(in)
		       ? queue_writer_reserve(in->writer, SIGNATURES_ROOM)
		       : 0;
}

int cleanup_sign(struct intake *in)
{
	_cleanup_(str_free) struct str header = STR_EMPTY;
	_cleanup_(field_set_freep) struct field_set *fields = NULL;
	bool signs = is_to_be_signed(in);
	struct canon_bodies bodies = { 0 };
	struct canon_body *body;
	int r;

	if (!signs && !is_to_be_sealed(in))
		return 0;
	body = canon_bodies_need(&bodies, CANON_RELAXED, UINT64_MAX);
	r = sign_read(in, &header, &bodies);
	if (r == 0) {
		fields = field_set_new(str_view(&header));
		r = signs ? sign_all(in, fields, canon_body_digest(body))
			  : seal_message(in, fields, canon_body_digest(body));
	}
	canon_bodies_free(&bodies);
	return r < 0 ? signing_failed(in, r) : 0;
}
