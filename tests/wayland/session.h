#ifndef TESTS_SESSION_H
#define TESTS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-varlink.h>

#include "process.h"

/*
 * The real compositor, headless, in a folder of its own. Either the test plays mulliond
 * (names the guests, and gets each one's Wayland socket, as mulliond would by
 * io.mullion.Host.Present), or the real mulliond serves the guests of a configuration.
 */

#define SESSION_GUESTS_MAX 32
#define SESSION_HELD_MAX 8

struct session_options {
	/* NULL: mullion. */
	const char *program;
	/* Of the test's own mulliond: guests that run, NULL at the end; or NULL. */
	const char *const *guests;
	/* For the real mulliond: guests/NAME.ini, NULL at the end; or NULL. */
	const char *const *names;
	const char *const *files; // their text, in the order of names
	const char *mullion_ini;  // NULL: an output of 1280x1024
	unsigned outputs;         // HEADLESS-1, ...; 0: 1
};

struct session {
	struct process process; // mullion
	char folder[80];        // runtime and configuration directory
	char display[16];       // its Wayland socket, in folder
	unsigned outputs;
	sd_event *event; // owned; of the test's mulliond, or NULL
	sd_varlink_server *server;
	sd_varlink *watch;   // the compositor's List, owned
	sd_varlink *desktop; // io.mullion.Desktop, owned
	struct session_guest {
		const char *name;
		int socket;         // owned until session_take_display(), -1 for none
		unsigned presented; // times
	} guests[SESSION_GUESTS_MAX];
	size_t guests_len;
	/* While hold is set, what Present brings is neither taken nor answered. */
	bool hold;
	struct session_present {
		struct session_guest *guest;
		sd_varlink *link; // owned
		int fd;           // owned
	} held[SESSION_HELD_MAX];
	size_t held_len;
	const char *program; // that process is
};

/* Starts it and waits until it serves. Returns 0 or -errno; session_finish() cleans up in
 * either case. */
int session_start(struct session *session, const struct session_options *options);

/* Ends the compositor, and what it has started; returns its wait status. */
int session_finish(struct session *session);

/* Kills the compositor without a word, and starts it again. Returns as session_start(). */
int session_restart(struct session *session);

/* Serves the compositor's questions for a while; no need with the real mulliond. */
void session_run(struct session *session, int msec);

/* The Wayland socket that the compositor has made for a guest; the caller's. -1 where there
 * is none in time. */
int session_take_display(struct session *session, const char *guest, int timeout_msec);

/* Holds no more: takes and answers what was held, the last one first. */
void session_let_go(struct session *session);

/* Connects an ordinary client; the caller's. Returns the descriptor or -errno. */
int session_connect(struct session *session);

/* Calls a method of io.mullion.Desktop with up to one string (NULL: without). The reply is
 * the caller's, may be NULL. Returns 0 or -errno; -EREMOTEIO where it is refused. */
int session_call(struct session *session, const char *method, const char *key, const char *value,
	sd_json_variant **ret);

/* One number of a guest's window, as io.mullion.Desktop.Windows tells it; -1 where there is
 * no such window. guest is NAME or, for further heads, NAME:HEAD from 2 on. */
int64_t session_window(struct session *session, const char *guest, const char *key);

/* Calls a method of io.mullion.Desktop with parameters in JSON. */
int session_call_json(struct session *session, const char *method, const char *parameters);

/* Calls a method of the real mulliond's io.mullion.Host. */
int session_call_host(struct session *session, const char *method, const char *key,
	const char *value, sd_json_variant **ret);

#endif
