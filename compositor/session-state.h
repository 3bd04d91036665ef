#ifndef COMPOSITOR_SESSION_STATE_H
#define COMPOSITOR_SESSION_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"

/*
 * What of a session outlives its compositor: how every guest's window stands, and the
 * mulliond that the session started. One file, written whole: a JSON object of version 2.
 * Only the session writes it, but it is read as if anybody had: what is not exactly as it
 * would have been written is damaged.
 */

#define SESSION_STATE_FILE "session.state" // in program_runtime_dir()
#define SESSION_WINDOWS_MAX 256 // of guests that have several heads each; more are forgotten
#define SESSION_HEADS_MAX 16
#define SESSION_STATE_SIZE_MAX (128 * 1024) // bytes of the file
#define SESSION_OUTPUT_MAX 63               // bytes of an output's name
#define SESSION_PLACE_MAX (1 << 20)         // pixels from the layout's origin, either way
#define SESSION_WINDOW_MAX 16384            // pixels of a picture, either direction

/* A window of a guest. Coordinates are the layout's; sizes without border and title. */
struct session_window {
	char guest[CONFIG_NAME_MAX + 1];
	unsigned head;                       // of the guest, below SESSION_HEADS_MAX
	char output[SESSION_OUTPUT_MAX + 1]; // where it stands; empty for none
	int x, y, width, height;             // as a window, also while it is full screen
	bool open;                           // false: only where the user had put it
	bool moved, sized;                   // by the user
	bool fullscreen, focused;            // of an open one; at most one has the focus
};

struct session_state {
	bool locked;         // nothing may be shown or typed before the user has unlocked
	pid_t host;          // the mulliond that the session started, 0 for none
	uint64_t host_start; // its start, as in field 22 of /proc/PID/stat
	size_t windows_len;  // the open ones come first, the front one first of all
	struct session_window windows[SESSION_WINDOWS_MAX];
};

/* Returns 0, -EBADMSG where text is damaged, or -ENOMEM; *ret is whole, or as it was. */
int session_state_parse(const char *text, struct session_state *ret);

/* Sets *ret_text, for the caller to free. Returns 0 or -errno. */
int session_state_format(const struct session_state *state, char **ret_text);

/*
 * Reads the file at path. Returns 0, -ENOENT, -EBADMSG where it is damaged, not a file, or
 * not this user's, -EFBIG, or another -errno; *ret is whole, or as it was.
 */
int session_state_load(const char *path, struct session_state *ret);

/*
 * Puts text in place of the file at path: whoever reads it finds the old one or the new
 * one. It need not outlive the machine, so nothing waits for a disk. Returns 0 or -errno.
 */
int session_state_save(const char *path, const char *text);

/* When a process started, for host_start; 0 where there is no such process. */
uint64_t session_process_start(pid_t pid);

#endif
