/*
 * Asking an OAuth server by HTTPS. Names are looked up by the resolver; libcurl connects and speaks
 * in a worker thread, to the host that the configuration names and to no other.
 */
#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "oauth.h"
#include "services/clients.h"
#include "task/task.h"

#define CA_FILE_MAX   ((size_t)8 << 20)
#define ADDRESSES_MAX 8

static struct str authorities; /* PEM */

/* ---- libcurl's memory: it sends tokens, and a password ---- */

static void fetch_wipe(void *memory)
{
	if (memory != NULL)
		mem_wipe(memory, malloc_usable_size(memory));
	free(memory);
}

static void *fetch_grow(void *memory, size_t size)
{
	void *larger = malloc(size);

	if (larger == NULL || memory == NULL)
		return larger;
	memcpy(larger, memory, MIN(size, malloc_usable_size(memory)));
	fetch_wipe(memory);
	return larger;
}

int fetch_prepare(const char *ca_file, struct error *err)
{
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, fetch_wipe, fetch_grow, strdup,
				 calloc) != CURLE_OK)
		return error_set(err, -ENOMEM, "libcurl cannot be used");
	return io_read_file(ca_file, CA_FILE_MAX, &authorities, err);
}

/* ---- the URL ---- */

struct place {
	char *scheme, *host, *port;
};

static void place_free(struct place *place)
{
	curl_free(place->scheme);
	curl_free(place->host);
	curl_free(place->port);
}

static bool place_is_local(const struct place *place)
{
	return strcmp(place->host, "localhost") == 0 || strcmp(place->host, "127.0.0.1") == 0 ||
	       strcmp(place->host, "[::1]") == 0;
}

static int place_read(const char *url, struct place *place, struct error *err)
{
	CURLU *parsed = curl_url();
	bool good =
		parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(parsed, CURLUPART_SCHEME, &place->scheme, 0) == CURLUE_OK &&
		curl_url_get(parsed, CURLUPART_HOST, &place->host, 0) == CURLUE_OK &&
		curl_url_get(parsed, CURLUPART_PORT, &place->port, CURLU_DEFAULT_PORT) == CURLUE_OK;

	curl_url_cleanup(parsed);
	if (!good)
		return error_set(err, -EINVAL, "\"%s\" is no URL", url);
	if (strcmp(place->scheme, "https") == 0 ||
	    (strcmp(place->scheme, "http") == 0 && place_is_local(place)))
		return 0;
	return error_set(err, -EINVAL, "\"%s\": expected https (http only to this host)", url);
}

int fetch_check_url(const char *url, struct error *err)
{
	_cleanup_(place_free) struct place place = { NULL, NULL, NULL };

	return place_read(url, &place, err);
}

/* "host:port:address,address" for libcurl; empty where the host is an address already. */
static int place_resolve(const struct place *place, struct str *line, struct error *err)
{
	static const uint32_t types[] = { DNS_A, DNS_AAAA };
	size_t count = 0;

	if (place->host[0] == '[' || place->host[strspn(place->host, "0123456789.")] == '\0')
		return 0;
	str_printf(line, "%s:%s:", place->host, place->port);
	if (place_is_local(place)) {
		str_append_cstr(line, "127.0.0.1");
		return 0;
	}
	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		struct dns_answer answer = { 0 };

		if (dns_query(view_of(place->host), types[t], &answer) == 0)
			for (size_t i = 0; i < answer.count && count < ADDRESSES_MAX; i++, count++)
				str_printf(line, types[t] == DNS_A ? "%s%s" : "%s[%s]",
					   count > 0 ? "," : "", answer.records[i].name);
		dns_answer_free(&answer);
	}
	return count > 0 ? 0 : error_set(err, -EHOSTUNREACH, "%s has no address", place->host);
}

/* ---- in a worker thread ---- */

struct fetching {
	const char *url, *body, *credentials, *resolved;
	long timeout;
	struct str *answer;
	long status;
	char problem[CURL_ERROR_SIZE];
};

static size_t fetch_take(char *bytes, size_t size, size_t count, void *argument)
{
	struct str *answer = argument;

	if (size * count > FETCH_MAX - answer->len)
		return 0;
	str_append(answer, view_make(bytes, size * count));
	return size * count;
}

static void fetch_set(CURL *curl, const struct fetching *f)
{
	struct curl_blob blob = { authorities.data, authorities.len, CURL_BLOB_NOCOPY };

	curl_easy_setopt(curl, CURLOPT_URL, f->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, f->timeout);
	curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
	curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, fetch_take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, f->answer);
	if (f->credentials != NULL) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(curl, CURLOPT_USERPWD, f->credentials);
	}
	if (f->body != NULL)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, f->body);
}

static int fetch_in_worker(void *argument)
{
	struct fetching *f = argument;
	CURL *curl = curl_easy_init();
	struct curl_slist *resolve = NULL, *fields = NULL;
	CURLcode r;

	if (curl == NULL)
		return -ENOMEM;
	fetch_set(curl, f);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, f->problem);
	if (f->resolved[0] != '\0')
		resolve = curl_slist_append(NULL, f->resolved);
	curl_easy_setopt(curl, CURLOPT_RESOLVE, resolve);
	fields = curl_slist_append(NULL, "Accept: application/json");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
	r = curl_easy_perform(curl);
	if (r != CURLE_OK && f->problem[0] == '\0')
		snprintf(f->problem, sizeof(f->problem), "%s", curl_easy_strerror(r));
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &f->status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(resolve);
	curl_slist_free_all(fields);
	return r == CURLE_OK ? 0 : -EIO;
}

int fetch(const char *url, const char *body, const char *credentials, struct str *answer,
	  struct error *err)
{
	_cleanup_(place_free) struct place place = { NULL, NULL, NULL };
	_cleanup_(str_free) struct str resolved = STR_EMPTY;
	struct fetching f = { .url = url,
			      .body = body,
			      .credentials = credentials,
			      .timeout = (long)param.oauth_timeout,
			      .answer = answer };
	int r = place_read(url, &place, err);

	if (r == 0)
		r = place_resolve(&place, &resolved, err);
	if (r < 0)
		return r;
	f.resolved = str_cstr(&resolved);
	r = task_blocking(fetch_in_worker, &f);
	if (r < 0)
		return error_set(err, r, "%s: %s", url, f.problem);
	if (f.status != 200)
		return error_set(err, -EIO, "%s: status %ld", url, f.status);
	return 0;
}
