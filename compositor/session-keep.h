#ifndef COMPOSITOR_SESSION_KEEP_H
#define COMPOSITOR_SESSION_KEEP_H

#include <stdbool.h>
#include <sys/types.h>

struct guest;
struct guest_head;
struct server;
struct session_keep;
struct session_window;
struct window;

/*
 * Keeps the session's state in its file while it runs, and gives the guests' windows of a
 * session whose compositor died back as they stood. The state goes at an orderly leave only.
 */

/* Reads what an earlier compositor left. Returns NULL after logging why. */
struct session_keep *session_keep_create(struct server *server);

/* Accepts NULL. Writes what is still to be written. */
void session_keep_destroy(struct session_keep *keep);

/* Something about the windows may have changed: it is written a moment later. */
void session_keep_changed(struct session_keep *keep);

/* The session ends in order: nothing is left to come back to. Accepts NULL. */
void session_keep_forget(struct session_keep *keep);

/*
 * The mulliond that is this session's to end, 0 for none; written at once. get returns
 * the one of the earlier compositor while that process lives.
 */
void session_keep_set_host(struct session_keep *keep, pid_t pid);
pid_t session_keep_get_host(struct session_keep *keep);

/* Gives a new guest the places of its windows. */
void session_keep_recall(struct session_keep *keep, struct guest *guest);

/* A head's window that is to come back exactly as it stood; NULL where there is none. */
const struct session_window *session_keep_expected(
	const struct session_keep *keep, const struct guest_head *head);

/* Its window is there: gives it its place in the stack, its full screen and its focus. */
void session_keep_restore(struct session_keep *keep, struct window *window);

/* mulliond has told of all guests. */
void session_keep_reported(struct session_keep *keep);

/* While windows of the earlier session are expected no other one takes the focus. */
bool session_keep_busy(const struct session_keep *keep);

#endif
