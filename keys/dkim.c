/* Keys that sign mail: those that dkim_key_table names. A signature is of a digest, and of nothing else. */
#include <errno.h>

#include "base/io.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "keys.h"
#include "mailauth/dkim.h"
#include "mailauth/signing_table.h"
#include "table/table.h"

#define KEY_FILE_MAX 65536

static struct map *mail_keys; /* name in the table to struct private_key */

static int load_mail_key(const struct key_row *row, struct error *err)
{
	_cleanup_(str_wipe) struct str pem = STR_EMPTY;
	struct private_key *key;
	int r = keys_check_file(row->path, err);

	if (r == 0)
		r = io_read_file(row->path, KEY_FILE_MAX, &pem, err);
	if (r < 0)
		return r;
	key = private_key_read(str_view(&pem), err);
	if (key == NULL) {
		error_prefix(err, "%s", row->path);
		return -EINVAL;
	}
	map_put(mail_keys, view_of(row->name), key);
	return table_watch_files((const char *const[]){ row->path }, 1, err);
}

int mail_keys_load(struct error *err)
{
	struct key_table table;
	int r = key_table_read(param.dkim_key_table, &table, err);

	mail_keys = map_new();
	if (r == 0 && param.dkim_key_table[0] != '\0')
		r = table_watch_files(
			(const char *const[]){ signing_table_path(param.dkim_key_table) }, 1, err);
	for (size_t i = 0; r == 0 && i < table.count; i++)
		r = load_mail_key(&table.rows[i], err);
	key_table_free(&table);
	if (r < 0)
		error_prefix(err, "dkim_key_table");
	return r;
}

int mail_keys_answer_about(struct ipc *ipc, const struct msg_dkim_key *m)
{
	const struct private_key *key = map_get(mail_keys, m->key);

	if (key == NULL) {
		log_error("a key %.*s for mail is asked for, and dkim_key_table has none",
			  VIEW_ARG(m->key));
		return ipc_send(ipc, key_refused, .why = KEY_UNKNOWN);
	}
	return ipc_send(ipc, dkim_key_is, .algorithm = (uint32_t)private_key_algorithm(key));
}

int mail_keys_answer_sign(struct ipc *ipc, const struct msg_dkim_sign *m)
{
	_cleanup_(str_free) struct str signature = STR_EMPTY;
	struct private_key *key = map_get(mail_keys, m->key);

	if (key == NULL)
		return ipc_send(ipc, key_refused, .why = KEY_UNKNOWN);
	if ((uint32_t)private_key_algorithm(key) != m->algorithm)
		return ipc_send(ipc, key_refused, .why = KEY_SCHEME);
	if (m->digest.len != CANON_DIGEST_SIZE) {
		log_error("refused to sign mail: this is no digest");
		return ipc_send(ipc, key_refused, .why = KEY_INPUT);
	}
	if (private_key_sign(key, m->digest, &signature) < 0) {
		log_error("OpenSSL could not sign a mail");
		return ipc_send(ipc, key_refused, .why = KEY_FAILED);
	}
	return ipc_send(ipc, key_signature, .bytes = str_view(&signature));
}
