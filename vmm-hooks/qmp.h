#ifndef VMM_HOOKS_QMP_H
#define VMM_HOOKS_QMP_H

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>
#include <systemd/sd-json.h>

/*
 * A client of QEMU's control protocol (docs/interop/qmp-spec.rst) on a connected socket.
 * Never blocks. Everything that QEMU says is untrusted: lines, nesting, and what waits
 * in either direction are bounded, and whoever breaks the protocol is disconnected.
 */

#define QMP_LINE_MAX (256 * 1024)   // bytes of one message from QEMU
#define QMP_DEPTH_MAX 32            // nested objects and arrays of one message
#define QMP_OUTPUT_MAX (256 * 1024) // bytes that wait for QEMU to read
#define QMP_COMMANDS_MAX 64         // commands that wait for their reply
#define QMP_HANDSHAKE_US (30 * UINT64_C(1000000))

struct qmp;

/* Callbacks run from the event loop; only closed() may call qmp_destroy(). */
struct qmp_ops {
	/* The handshake is done: commands may be sent. */
	void (*ready)(void *data);
	/* untrusted_data may be NULL; its shape is not checked. */
	void (*event)(void *data, const char *name, sd_json_variant *untrusted_data);
	/* QEMU is gone or was disconnected; the reason is one line. Comes once, and every
	 * command still waiting has been answered with an error before. */
	void (*closed)(void *data, const char *reason);
};

/* The reply to a command: untrusted_result where error is NULL, else the reason. */
typedef void (*qmp_reply_func)(void *data, const char *error, sd_json_variant *untrusted_result);

/*
 * Speaks QMP on fd, which the client owns from then on, also on failure. Returns 0 or
 * -errno. ops is borrowed.
 */
int qmp_create(struct qmp **ret, sd_event *event, int fd, const struct qmp_ops *ops, void *data);

/* Accepts NULL. Commands that wait get no reply any more. */
void qmp_destroy(struct qmp *qmp);

/*
 * Sends a command. arguments may be NULL and stay the caller's. reply may be NULL; it
 * gets an error "timed out" after timeout us, unless that is 0. Returns 0, -ENOTCONN
 * before the handshake or after the end, -ENOBUFS where QEMU does not read or too many
 * commands wait, or -ENOMEM.
 */
int qmp_command(struct qmp *qmp, const char *command, sd_json_variant *arguments, uint64_t timeout,
	qmp_reply_func reply, void *data);

#endif
