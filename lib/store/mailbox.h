/* An open mailbox: the snapshot. Of lib/store only. */
#ifndef STORE_MAILBOX_H
#define STORE_MAILBOX_H

#include "store/index.h"
#include "store/write.h"

struct mailbox {
	struct store *store;
	struct list link;    /* in the store's */
	uint32_t id;	     /* 0: to be looked up by name */
	unsigned generation; /* of the index that the number is of */
	bool behind;	     /* the disk had no room to note what has changed in the folder */
	bool found_again;    /* in another index: the snapshot has not been compared with it yet */
	enum mailbox_mode mode;
	char name[STORE_NAME_MAX + 1];
	uint32_t uidvalidity, uidnext;
	uint64_t modseq, modseq_floor; /* of the snapshot */

	/* Of message seq at index seq - 1. */
	uint32_t *uids;
	uint8_t *flags;	    /* FLAG_..., with FLAG_RECENT and GONE */
	uint64_t *keywords; /* NULL while no message has one */
	uint64_t *modseqs;
	size_t count, size;
	uint32_t recent, gone;
	uint32_t
		claimed; /* UIDs below are \Recent for nobody else: to be told to the index; 0: none */
	char *words[KEYWORDS_MAX];
	bool words_changed; /* since the last refresh */
	struct map *uidls;  /* of another server, by base names; NULL: not read yet */
};

/* In flags: expunged, but still in the snapshot. */
#define GONE 64

/*
 * Finds the folder, in another index if there is one, and syncs it. A full disk or index is no failure:
 * what the index has can be read, and `behind` says that it is not all.
 */
int mailbox_sync(struct mailbox *mailbox);
/* store_write (store/follow.h), once more where the index had to be followed. */
int mailbox_write(struct mailbox *mailbox, int how, store_work *work, void *argument);
/* store_read, with mailbox->id being of that index. */
int mailbox_read(struct mailbox *mailbox, struct tx *tx);
int mailbox_read_words(struct tx *tx, struct mailbox *mailbox);
void mailbox_set_keywords(struct mailbox *mailbox, uint32_t seq, uint64_t keywords);
void mailbox_append_message(struct mailbox *mailbox, uint32_t uid, const struct state_record *state,
			    bool recent);

#endif
