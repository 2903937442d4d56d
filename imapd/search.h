/*
 * SEARCH (RFC 3501 6.4.4, RFC 4731, RFC 5032). The keys are read into a program in postfix form,
 * without recursion; a message is tried with cheap keys first: the program is evaluated with the
 * values that are known, the rest unknown, and only while that does not decide, dearer keys are looked at.
 */
#ifndef IMAPD_SEARCH_H
#define IMAPD_SEARCH_H

#include "fetch.h"
#include "search_text.h"

#define SEARCH_KEYS_MAX	 4000 /* keys and operators in one SEARCH */
#define SEARCH_DEPTH_MAX 200  /* parentheses, NOT and OR inside each other */
#define SEARCH_NAMES_MAX 50   /* different header fields; with more, whole headers are read */

enum search_kind {
	/* operators */
	SEARCH_AND,
	SEARCH_OR,
	SEARCH_NOT,
	/* from what the mailbox holds in memory */
	SEARCH_ALL,
	SEARCH_FLAGS, /* (flags & mask) == want */
	SEARCH_KEYWORD,
	SEARCH_SET,
	SEARCH_UID,
	SEARCH_MODSEQ,
	/* from the index */
	SEARCH_LARGER,
	SEARCH_SMALLER,
	SEARCH_BEFORE,
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_SAVEDBEFORE, /* RFC 8514 */
	SEARCH_SAVEDON,
	SEARCH_SAVEDSINCE,
	SEARCH_SAVEDATESUPPORTED,
	SEARCH_OLDER,
	SEARCH_YOUNGER,
	SEARCH_EMAILID,
	SEARCH_NONE, /* nothing has it */
	/* from the header */
	SEARCH_SENTBEFORE,
	SEARCH_SENTON,
	SEARCH_SENTSINCE,
	SEARCH_ADDRESS, /* From, To, Cc, Bcc: as ENVELOPE has them */
	SEARCH_HEADER,
	/* from the content */
	SEARCH_BODY,
	SEARCH_TEXT,
};

/* What a key costs: the order in which they are tried. */
enum search_cost { COST_NONE, COST_INDEX, COST_FILTER, COST_HEADER, COST_CONTENT, COST_COUNT };

struct search_key {
	enum search_kind kind;
	unsigned mask, want;
	uint64_t number;	       /* bytes, seconds, or a day since 1970 */
	uint64_t bits;		       /* of a keyword */
	struct imap_set set, resolved; /* as it was written; by search_prepare */
	struct view name;	       /* of a header field or keyword; of a string or in `word` */
	struct str word;
	struct str text; /* folded */
};

/* Return options of RFC 4731. */
enum {
	RETURN_MIN = 1,
	RETURN_MAX = 2,
	RETURN_ALL = 4,
	RETURN_COUNT = 8,
	RETURN_SAVE = 16,    /* RFC 5182 */
	RETURN_PARTIAL = 32, /* RFC 9394 */
	RETURN_UPDATE = 64,  /* RFC 5267: context.h */
};

struct search {
	struct search_key *keys; /* postfix */
	size_t count;
	bool extended;	    /* RETURN was there: the answer is ESEARCH */
	bool has_numbers;   /* there are sequence numbers among the keys */
	bool has_saved;	    /* there is a "$" among them */
	bool tells_mailbox; /* the answer names it (RFC 7377) */
	unsigned returns;
	struct fetch
		*update_fetch; /* what UPDATE wants to hear of new messages (RFC 5465 7), or NULL */
	int64_t first, last;   /* of PARTIAL: from 1 on, or below 0 from the end */
	bool has_modseq; /* the highest mod-sequence of what is found is told (RFC 7162 3.1.5) */

	/* Made by search_prepare. */
	int64_t now;
	bool costs[COST_COUNT]; /* are there keys of that cost? */
	signed char *truth;	/* of each key, for the present message */
	struct view names[SEARCH_NAMES_MAX];
	size_t name_count; /* 0: whole headers */
	struct view *needles;
	size_t *needle_keys; /* whose they are: TEXT first, then BODY */
	size_t text_count, needle_count;
	bool wants_filter; /* of the present message: there is none yet (text_filter.h) */
	struct str header, decoded, folded[2]; /* kept from message to message */
};

/*
 * search_parse.c: from the space after SEARCH to the end of the command. -EINVAL: the character set
 * is none that we know (NO [BADCHARSET]). search_free in every case.
 */
int search_parse(struct imap_parser *parser, struct search *search);
/* Parts of it, for SORT and THREAD: "(MIN ...)", and the keys after the space; strings are in `charset`. */
int search_parse_returns(struct imap_parser *parser, struct search *search);
int search_parse_keys(struct imap_parser *parser, struct view charset, struct search *search);
void search_free(struct search *search);
enum search_cost search_cost(enum search_kind kind);

/*
 * search_match.c. What it has read depends on the command no more: it may be kept, and prepared anew for another
 * mailbox, or when this one has changed.
 */
void search_prepare(struct search *search, const struct imap_session *s);
/* Sequence numbers, "$" and "*" mean from now on the messages that they mean now (RFC 5267 4.3). After search_prepare. */
void search_freeze(struct search *search, const struct imap_session *s);
/* Switches tasks where it takes long. What cannot be read does not match. */
bool search_matches(struct imap_session *s, struct search *search, uint32_t seq);
/* search_content.c: the values of the keys of COST_CONTENT; false where nothing can be read. */
void search_match_content(struct imap_session *s, struct search *search, uint32_t seq);
/*
 * search_result.c: all that match, as sequence numbers, to be freed. Switches tasks where it takes long.
 * search_parse came before it.
 */
uint32_t *search_run(struct imap_session *s, struct search *search, size_t *count);
/*
 * "* ESEARCH ..." of what was found, in its order; the numbers become UIDs where the command wants them.
 * Saves what is to be saved.
 */
int search_send_extended(struct imap_session *s, const struct search *search, uint32_t *seqs,
			 size_t count);
/* What says which search an answer is of, and in which mailbox where that is asked for (RFC 7377). */
void search_append_correlator(const struct imap_session *s, const struct search *search,
			      struct view tag, struct str *line);
uint64_t search_highest_modseq(struct imap_session *s, const uint32_t *seqs, size_t count);
/* In place, where the command is one with UIDs. */
void search_numbers_to_uids(struct imap_session *s, uint32_t *seqs, size_t count);
/* The program's value from search->truth: 1, 0, or -1: not known yet. */
int search_evaluate(const struct search *search);

#endif
