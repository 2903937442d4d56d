/*
 * The lexical part of Sieve (RFC 5228, 8.1): a pull lexer over a script in memory, with the line
 * and column of each piece. Of lib/sieve only.
 */
#ifndef SIEVE_LEXER_H
#define SIEVE_LEXER_H

#include "base/error.h"
#include "base/str.h"

enum sieve_token {
	TOKEN_END,
	TOKEN_IDENTIFIER, /* text */
	TOKEN_TAG,	  /* text, without the colon */
	TOKEN_NUMBER,	  /* number */
	TOKEN_STRING,	  /* value */
	TOKEN_SIGN,	  /* sign: one of ( ) [ ] { } , ; */
	TOKEN_WRONG,	  /* problem */
};

struct sieve_lexer {
	struct view rest;
	unsigned line, column; /* of what comes next, from 1 */
	/* The token: */
	enum sieve_token token;
	unsigned token_line, token_column;
	struct view text;
	uint64_t number;
	struct str value;
	char sign;
	const char *problem;
};

void sieve_lexer_begin(struct sieve_lexer *lexer, struct view script);
void sieve_lexer_end(struct sieve_lexer *lexer);
/* Takes the next token. After the end, and after something wrong, the same again. */
void sieve_lexer_next(struct sieve_lexer *lexer);

#endif
