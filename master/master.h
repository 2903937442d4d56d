/*
 * master: reads main.cf and master.cf, binds sockets, starts the other programs and starts them
 * again, and stops them. It parses no mail and speaks no mail protocol.
 *
 *	plan.c		what the configuration asks for: services, their programs and sockets
 *	postfix.c	a master.cf that was written for Postfix
 *	addresses.c	which addresses and ports a service listens on
 *	sockets.c	the listening sockets that master holds
 *	service.c	services: how many processes there are and should be; back-off
 *	turnaway.c	what has no program: who comes is told so
 *	process.c	one process: what it says on its status pipe, and its end
 *	children.c	fork, exec and wait
 *	control.c	public/master, for root alone: posta status, reload, stop
 *	publish.c	tells the program "status" what runs, which tells anybody
 *	state.c		what all of them ask: the plan in force, whether master stops
 *	reload.c	from one plan to the next without losing a connection
 *	metrics.c	the counters of the programs
 *	folders.c	the queue directory, the pid file
 *	logfile.c	where the log goes
 *	notify.c	what systemd wants to hear
 *	main.c		start and stop
 *
 * A plan holds copies of everything, so that the old one stays whole when a new configuration is
 * refused.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/metrics.h"
#include "base/str.h"
#include "conf/conf.h"
#include "ipc/ipc.h"

/* ---- plan.c ---- */

#define PLAN_SOCKETS_MAX 60 /* of one service; fewer than lib/daemon takes */

struct plan_socket {
	char *name;			 /* "private/cleanup", "127.0.0.1:25", "[::1]:25" */
	struct sockaddr_storage address; /* ss_family AF_UNIX: the path follows from the name */
	bool optional;			 /* of a protocol or address that this machine may lack */
	bool owner_only;		 /* nobody else may connect (AF_UNIX) */
	bool shares_port;		 /* with a service of ours on another address */
};

struct plan_service {
	char *key; /* "smtp inet" */
	struct service *line;
	char *path; /* of the program; NULL: there is none */
	size_t processes;
	struct plan_socket sockets[PLAN_SOCKETS_MAX];
	size_t socket_count;
};

struct plan {
	char *config_directory, *queue_directory;
	struct services lines;
	struct plan_service *services;
	size_t count;
};

/*
 * Reads the configuration into `param` and a plan. -EINVAL with every error as a line in *report;
 * *notes gets what is left out and why.
 */
int plan_load(const char *config_directory, struct plan *plan, struct str *report,
	      struct str *notes);
void plan_free(struct plan *plan);

/* ---- postfix.c ---- */

/* Leaves out, renames and adds what makes a master.cf of Postfix work; *notes says so. */
void postfix_adapt(struct services *lines, struct str *notes);

/* ---- addresses.c ---- */

/* Fills in the sockets of a service of type inet. Errors are lines in *report. */
void addresses_find(struct plan_service *service, struct str *report);

/* ---- sockets.c ---- */

struct held_socket {
	struct list link;
	char *name;
	int fd;
	bool is_unix;
	bool wanted; /* by the plan in force */
};

/* A new listening socket, or a negative errno. */
int socket_listen(const struct plan_socket *s);

/* Binds what the plan wants and master does not hold yet. On failure nothing has changed. */
int sockets_open(const struct plan *plan, msec_t patience, struct error *err);
/* Closes what the plan in force does not want, and removes their files. */
void sockets_close_unwanted(void);
void sockets_close_all(void);
struct held_socket *socket_find(const char *name);

/* ---- service.c ---- */

struct running_service {
	struct list link;
	struct plan_service *plan; /* NULL: no longer in the plan, its processes are finishing */
	char *key;
	unsigned generation; /* counts reloads; processes of older ones are to be replaced */
	struct list processes;
	msec_t pause; /* before the next start, after failures */
	bool pausing; /* a task waits for it */
	unsigned pause_number;
	uint32_t restarts;
	char *failure; /* why its program did not start; NULL: it did, or has not been tried */
	size_t turning_away;	   /* tasks that do */
	struct metrics_page ended; /* counters of its processes that have ended */
};

/* Puts a plan in force: starts what it has, and retires what it has not, or not any more so. */
void services_apply(struct plan *plan);
struct list *services_list(void);
/* Starts what is missing. */
void service_fill(struct running_service *service);
/* Tells processes of older generations to retire once the new ones are all ready. */
void service_replace_old(struct running_service *service);
/* One of them is ready: others may wait for it, or be replaced by it. */
void services_heard_ready(struct running_service *service);
/* A process ended that was not asked to, or could not start: the next one waits. */
void service_slow_down(struct running_service *service, bool was_ready);
/* A process retired soon after it began: the next one waits a moment for what else may change. */
void service_gather(struct running_service *service);
/* Something became ready, or ended. */
void services_changed(void);
/* Counts those calls; waits for the next after that one. */
unsigned services_change_count(void);
void services_wait_change(unsigned after);
/* Orderly stop of everything; returns when all processes have ended. */
void services_stop(void);
/* The programs of this service give others work: clients' talk, or the queue's deliveries. */
/* It is the program that writes the log. */
bool service_writes_log(const struct plan_service *service);
/* Its place is taken by one that opens the log anew. */
void services_replace_log(void);
bool service_gives_work(const struct plan_service *service);
/*
 * Waits until all are ready. -EINVAL with the reason that a program gave; but with `missing`, what
 * the suite can do without is left out, with its reason as a line there: all but what it needs at
 * heart, and the last of what clients connect to.
 */
int services_wait_ready(msec_t deadline, struct str *missing, struct error *err);
/* Some process of it is there, be it of an earlier plan. */
bool service_is_served(const struct running_service *service);
/* Remembers why its program did not start, and turns away who asks for it until one does. */
void service_failed(struct running_service *service, struct view reason);

/* ---- turnaway.c ---- */

/* While a service has no program, its sockets close each connection at once. */
void service_turn_away(struct running_service *service);

/* ---- process.c ---- */

enum process_state { PROCESS_STARTING, PROCESS_READY, PROCESS_RETIRING, PROCESS_STOPPING };

struct process {
	struct list link;
	struct running_service *service;
	char *program;
	pid_t pid;
	unsigned generation;
	enum process_state state;
	int status_fd;
	int64_t started; /* wall clock */
	msec_t ready_at;
	msec_t asked;	 /* since when it owes the answer that it is alive; 0: it does not */
	struct str line; /* of the status pipe, not yet complete */
	struct str confinement;
	struct metrics_page *metrics; /* what it counts; NULL: none could be made */
	bool reaped;		      /* waited for; its reader task frees it */
};

#define PROCESS_ANSWER_TIME 1000 /* that a program has to say that it is alive */

/* Asks all that serve whether they still do. */
void processes_ask(void);
/* Until all have answered; those that have not by then are silent. */
void processes_wait_answers(msec_t deadline);
/* For how long this one has owed an answer. */
msec_t process_silence(const struct process *p);
/* Takes the page. */
void process_new(struct running_service *service, pid_t pid, int status_fd,
		 struct metrics_page *metrics);
void process_signal(struct process *p, int signal_number);
/* It has been waited for. */
void process_ended(struct process *p, int status);
struct process *process_find(pid_t pid);

/* ---- children.c ---- */

int children_prepare(struct error *err);
/* Starts a process of the service. 0 or a negative errno, logged. */
int child_start(struct running_service *service);
/* For SIGCHLD. Process 1 also inherits other people's children. */
void children_reap(void *unused);

/* ---- publish.c ---- */

/* Packs a service_state for each process, then done. */
void publish_pack(struct str *out);
/* Starts a task that tells "status", where master.cf has it, each time that something changes. */
void publish_start(void);

/* ---- metrics.c ---- */

/* A page for a process: mapped for reading at *page, and the descriptor to be handed to it. */
int metrics_page_new(struct metrics_page **page);
void metrics_page_free(struct metrics_page *page);
/* A process of the service has ended: its counters stay, its gauges go. */
void metrics_keep(struct running_service *service, const struct metrics_page *page);
/* Of all processes that it has and had. */
int64_t metrics_of_service(const struct running_service *service, enum metric which);

/* ---- control.c ---- */

/* Listens on public/master, and serves it in tasks of its own. */
int control_start(struct error *err);

/* ---- reload.c ---- */

/* 0, or -EINVAL with the reasons: the old configuration stays in force. */
int reload(struct str *report);

/* ---- folders.c ---- */

int folders_make(struct error *err);
/* Takes the lock that only one master for a queue can have. -EBUSY: there is one. */
int pid_file_take(struct error *err);
/* The master before us was killed: its programs may still be ending. */
bool pid_file_was_left(void);
/* When it begins to stop: who is started now waits for its end. */
void pid_file_empty(void);

/* ---- logfile.c ---- */

/* Opens or opens anew what the configuration says. */
int logfile_open(struct error *err);
int logfile_fd(void);
bool logfile_is_syslog(void);
/* What postlogd reads lines from, and the counts that outlive it. */
int logfile_lines_fd(void);
int logfile_state_fd(void);
/* A socket of its own for a program, connected to what postlogd reads; or a negative errno. */
int logfile_connect(void);
/* Removes the socket's file. */
void logfile_close(void);
/* False: it goes to syslog, and nobody listens there (yet). */
bool logfile_is_heard(void);
/* Starts a task that connects to a syslog daemon that starts later, or anew. */
void logfile_watch(void);

/* ---- notify.c ---- */

/* "READY=1" and so on to systemd, if it started us. */
void notify(const char *state);
void notify_reloading(void);

/* ---- state.c ---- */

/* What it points to changes with a reload. */
struct plan *plan_in_force(void);
bool master_is_root(void);
bool master_is_stopping(void);
/* Begins the orderly stop; services_changed() lets those know who wait for programs. */
void master_stop(void);
void master_wait_stop(void);

#endif
