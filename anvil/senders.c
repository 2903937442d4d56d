/*
 * The table of accounts that send, in a mapped file. It judges by numbers alone; it holds digests of
 * recipients and no addresses of them.
 */
#include "senders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "services/clients.h"

#define SENDERS_MAGIC UINT64_C(0x706f73746173656e) /* with the layout below */
#define NAME_SIZE     328			   /* an account's name and a NUL */
#define FILTER_SIZE   512			   /* bytes of one Bloom filter */
#define FILTER_HASHES 4
#define FILTER_FULL   ((uint32_t)FILTER_SIZE * 8 / 8) /* recipients: 2 % of others look known */

enum { HOUR, DAY, SPANS };
static const int64_t span_seconds[SPANS] = { 3600, 86400 };

struct sender {
	char name[NAME_SIZE]; /* in lower case; empty: the slot is free */
	int64_t used;	      /* seconds of the wall clock */
	int64_t stopped;      /* since when; 0: it is not */
	int64_t since[SPANS];
	uint32_t count[SPANS][SENDERS_KINDS];
	uint32_t limit;	    /* that it went over */
	uint8_t kind, span; /* of that limit */
	uint8_t unused[2];
	uint32_t filled; /* recipients in the newer filter */
	uint8_t known[2][FILTER_SIZE];
};

struct senders_file {
	uint64_t magic, size;
	struct sender senders[SENDERS_MAX];
};

static struct senders_file *table;
static char senders_reason[128];

/* ---- the file ---- */

static int senders_map(int fd, struct error *err)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return error_errno(err, "the table of senders");
	/* Whoever may write to the folder does not choose what we write to. */
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
		return error_set(err, -EPERM, "the table of senders is not a file of ours alone");
	/* Its blocks are there before they are written to in memory. */
	r = posix_fallocate(fd, 0, sizeof(*table));
	if (r != 0)
		return error_set(err, -r, "the table of senders: %s", strerror(r));
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (table == MAP_FAILED) {
		table = NULL;
		return error_errno(err, "map the table of senders");
	}
	return 0;
}

static int senders_open_file(const char *path, struct error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600), r;

	if (fd < 0)
		return error_errno(err, "open %s", path);
	r = senders_map(fd, err);
	close(fd);
	return r;
}

/* What stands in a file is looked at before it is believed. */
static void sender_check(struct sender *s)
{
	bool sound = memchr(s->name, '\0', NAME_SIZE) != NULL &&
		     !view_has_control(view_of(s->name)) && s->stopped >= 0 &&
		     s->kind < SENDERS_KINDS && s->span < SPANS;

	for (size_t span = 0; span < SPANS; span++)
		sound = sound && s->since[span] >= 0;
	if (!sound)
		*s = (struct sender){ .used = 0 };
}

int senders_open(const char *path, struct error *err)
{
	int r = path != NULL ? senders_open_file(path, err) : 0;

	if (table == NULL) {
		table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (table == MAP_FAILED)
			mem_exhausted();
	}
	if (table->magic != SENDERS_MAGIC || table->size != sizeof(*table)) {
		memset(table, 0, sizeof(*table));
		table->size = sizeof(*table);
		table->magic = SENDERS_MAGIC;
	}
	for (size_t i = 0; i < SENDERS_MAX; i++)
		sender_check(&table->senders[i]);
	return r;
}

void senders_close(void)
{
	if (table != NULL)
		munmap(table, sizeof(*table));
	table = NULL;
}

/* ---- finding an account ---- */

static bool sender_name(struct view account, char name[NAME_SIZE])
{
	if (account.len == 0 || account.len >= NAME_SIZE ||
	    view_find_byte(account, '\0') != VIEW_NOT_FOUND)
		return false;
	for (size_t i = 0; i < account.len; i++)
		name[i] = ascii_lower(account.data[i]);
	name[account.len] = '\0';
	return true;
}

/* The first of the slots where it may be. */
static struct sender *senders_slots(const char *name)
{
	unsigned char digest[SENDER_DIGEST_SIZE];
	uint32_t number;

	sender_digest(view_of(name), digest);
	memcpy(&number, digest, sizeof(number));
	return &table->senders[number % (SENDERS_MAX / SENDERS_WAYS) * SENDERS_WAYS];
}

/* NULL: it is not there. */
static struct sender *sender_find(struct view account)
{
	char name[NAME_SIZE];
	struct sender *slots;

	if (!sender_name(account, name))
		return NULL;
	slots = senders_slots(name);
	for (size_t i = 0; i < SENDERS_WAYS; i++)
		if (strcmp(slots[i].name, name) == 0)
			return &slots[i];
	return NULL;
}

/* NULL where the name is none, and where only stopped ones could make room. */
static struct sender *sender_get(struct view account, int64_t now)
{
	struct sender *found = sender_find(account), *slots;
	char name[NAME_SIZE];

	if (found != NULL || !sender_name(account, name))
		return found;
	slots = senders_slots(name);
	for (size_t i = 0; i < SENDERS_WAYS; i++) {
		struct sender *s = &slots[i];

		if (s->stopped == 0 && (found == NULL || s->used < found->used))
			found = s;
	}
	if (found == NULL)
		return NULL;
	*found = (struct sender){ .used = now };
	memcpy(found->name, name, NAME_SIZE);
	return found;
}

/* ---- whom it has written to ---- */

static bool filter_has(const uint8_t *filter, const uint16_t bits[FILTER_HASHES])
{
	for (size_t i = 0; i < FILTER_HASHES; i++)
		if (!(filter[bits[i] / 8] & (1 << bits[i] % 8)))
			return false;
	return true;
}

/* True if it was not known; now it is. */
static bool sender_learn(struct sender *s, const char *digest)
{
	uint16_t bits[FILTER_HASHES];
	bool fresh;

	for (size_t i = 0; i < FILTER_HASHES; i++) {
		memcpy(&bits[i], digest + 2 * i, sizeof(bits[i]));
		bits[i] %= FILTER_SIZE * 8;
	}
	if (filter_has(s->known[0], bits))
		return false;
	fresh = !filter_has(s->known[1], bits);
	if (s->filled >= FILTER_FULL) {
		memcpy(s->known[1], s->known[0], FILTER_SIZE);
		memset(s->known[0], 0, FILTER_SIZE);
		s->filled = 0;
	}
	for (size_t i = 0; i < FILTER_HASHES; i++)
		s->known[0][bits[i] / 8] |= (uint8_t)(1 << bits[i] % 8);
	s->filled++;
	return fresh;
}

/* ---- counting ---- */

static int64_t sender_limit(size_t span, size_t kind)
{
	const int64_t limits[SPANS][SENDERS_KINDS] = {
		{ param.smtpd_login_message_hour_limit, param.smtpd_login_recipient_hour_limit,
		  param.smtpd_login_new_recipient_hour_limit, param.smtpd_login_bounce_hour_limit },
		{ param.smtpd_login_message_day_limit, param.smtpd_login_recipient_day_limit,
		  param.smtpd_login_new_recipient_day_limit, param.smtpd_login_bounce_day_limit },
	};

	return limits[span][kind];
}

static void sender_describe(const struct sender *s, struct senders_answer *answer)
{
	static const char *const names[SENDERS_KINDS] = {
		[SENDERS_MESSAGES] = "messages",
		[SENDERS_RECIPIENTS] = "recipients",
		[SENDERS_NEW] = "recipients that it had not written to before",
		[SENDERS_BOUNCES] = "recipients whose mail came back",
	};

	snprintf(senders_reason, sizeof(senders_reason), "more than %u %s in %s", s->limit,
		 names[s->kind], s->span == HOUR ? "an hour" : "a day");
	answer->reason = senders_reason;
}

static void sender_add(struct sender *s, const uint32_t more[SENDERS_KINDS], int64_t now)
{
	s->used = now;
	for (size_t span = 0; span < SPANS; span++) {
		/* Also where the clock was set back. */
		if (now - s->since[span] >= span_seconds[span] || now < s->since[span]) {
			s->since[span] = now;
			memset(s->count[span], 0, sizeof(s->count[span]));
		}
		for (size_t kind = 0; kind < SENDERS_KINDS; kind++)
			s->count[span][kind] += MIN(more[kind], UINT32_MAX - s->count[span][kind]);
	}
}

static void sender_judge(struct sender *s, int64_t now, struct senders_answer *answer)
{
	answer->state = s->stopped != 0 ? SENDERS_STOPPED : SENDERS_FREE;
	for (size_t i = 0; i < (size_t)SPANS * SENDERS_KINDS && s->stopped == 0; i++) {
		size_t span = i / SENDERS_KINDS, kind = i % SENDERS_KINDS;
		int64_t limit = sender_limit(span, kind);

		if (limit == 0 || s->count[span][kind] <= (uint64_t)limit)
			continue;
		s->kind = (uint8_t)kind;
		s->span = (uint8_t)span;
		s->limit = (uint32_t)limit;
		s->stopped = now;
		answer->state = SENDERS_STOPS;
		sender_describe(s, answer);
		log_warning("sending stopped: account %s, %s", s->name, answer->reason);
	}
	if (answer->state == SENDERS_STOPPED)
		sender_describe(s, answer);
}

void senders_count(struct view account, uint32_t messages, struct view recipients, int64_t now,
		   struct senders_answer *answer)
{
	struct sender *s = sender_get(account, now);
	size_t count = recipients.len / SENDER_DIGEST_SIZE;
	uint32_t more[SENDERS_KINDS] = {
		[SENDERS_MESSAGES] = messages, [SENDERS_RECIPIENTS] = (uint32_t)count
	};

	*answer = (struct senders_answer){ .state = SENDERS_FREE };
	if (s == NULL)
		return;
	for (size_t i = 0; i < count; i++)
		more[SENDERS_NEW] += sender_learn(s, recipients.data + i * SENDER_DIGEST_SIZE);
	sender_add(s, more, now);
	sender_judge(s, now, answer);
}

void senders_bounce(struct view account, uint32_t recipients, int64_t now,
		    struct senders_answer *answer)
{
	struct sender *s = sender_get(account, now);
	uint32_t more[SENDERS_KINDS] = { [SENDERS_BOUNCES] = recipients };

	*answer = (struct senders_answer){ .state = SENDERS_FREE };
	if (s == NULL)
		return;
	sender_add(s, more, now);
	sender_judge(s, now, answer);
}

/* ---- those that are stopped ---- */

void senders_look(struct view account, struct senders_answer *answer)
{
	const struct sender *s = sender_find(account);

	*answer = (struct senders_answer){ .state = SENDERS_FREE };
	if (s == NULL || s->stopped == 0)
		return;
	answer->state = SENDERS_STOPPED;
	sender_describe(s, answer);
}

bool senders_release(struct view account)
{
	struct sender *s = sender_find(account);

	if (s == NULL || s->stopped == 0)
		return false;
	s->stopped = 0;
	memset(s->since, 0, sizeof(s->since));
	memset(s->count, 0, sizeof(s->count));
	log_info("sending allowed again: account %s", s->name);
	return true;
}

struct view senders_next_stopped(size_t *place, struct senders_answer *answer, int64_t *since)
{
	for (; *place < SENDERS_MAX; ++*place) {
		const struct sender *s = &table->senders[*place];

		if (s->stopped == 0)
			continue;
		++*place;
		*since = s->stopped;
		answer->state = SENDERS_STOPPED;
		sender_describe(s, answer);
		return view_of(s->name);
	}
	return VIEW_NONE;
}
