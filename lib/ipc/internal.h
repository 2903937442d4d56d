/* What the files of this library share; nobody else includes it. */
#ifndef IPC_INTERNAL_H
#define IPC_INTERNAL_H

#include <sys/socket.h>

#include "base/str.h"
#include "ipc/ipc.h"
#include "ipc/pack.h"

/* Of output waiting to be sent, and of one read: room for a run of small messages. */
#define IPC_BUFFER_SIZE 16384

struct ipc {
	int fd;
	msec_t timeout;
	bool finish_first;
	bool blocks;	 /* ipc_block */
	bool was_kept;	 /* has been in a pool: its peer may be gone */
	bool waits_idle; /* in ipc_next_request */
	struct str out;
	bool out_is_secret; /* to be wiped when it has been sent */
	bool corked;	    /* a descriptor waits with its message for the next flush ... */
	int out_fd;	    /* ... here; not ours to close. Or -1 */
	char *in; /* received bytes from in + in_start, in_len of them; NULL when there are none */
	size_t in_start, in_len, in_size;
	int came;   /* a descriptor that belongs to the first message not yet complete, or -1 */
	int broken; /* what ended this connection, or 0 */
	struct ucred peer;
	bool is_limited; /* to may_send */
	struct message_set may_send;
	char socket_name[64];
};

/* 0 or a negative errno, which ends the connection. */
int ipc_fail(struct ipc *ipc, int code);
void ipc_free_input(struct ipc *ipc);
/* The same if nothing is in it. */
void ipc_release_input(struct ipc *ipc);

#endif
