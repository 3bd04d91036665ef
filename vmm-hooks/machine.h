#ifndef VMM_HOOKS_MACHINE_H
#define VMM_HOOKS_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config.h"
#include "input.h"
#include "log.h"
#include "process.h"
#include "qemu-check.h"
#include "qmp-lines.h"
#include "qmp.h"

/*
 * One guest's QEMU: its process, what it says on standard error, and its control
 * connection. Callbacks come from the event loop and may not finish the machine, but for
 * ended().
 */
struct machine_ops {
	/* The guest's processors run. */
	void (*running)(void *data);
	/* Something that is shown changed: paused, PCI address. */
	void (*changed)(void *data);
	/* QEMU no longer obeys, though its process may still be there. */
	void (*lost)(void *data, const char *reason);
	/* The process is gone. orderly: with status 0, as after the guest's power-off. The
	 * reason is one printable line. */
	void (*ended)(void *data, bool orderly, const char *reason);
};

#define MACHINE_PCI_MAX 16
#define MACHINE_LINE_MAX 512

struct machine {
	struct process process;
	struct qmp *qmp; // owned, NULL where there is none
	struct input input;
	bool ready;                        // commands are taken
	bool running;                      // running() was called
	bool paused;                       // QEMU stopped the processors
	bool kvm;                          // they are the host's own
	bool adopted;                      // started by an earlier mulliond
	bool shut_down;                    // QEMU said that it ends in order
	bool power_down;                   // wanted as soon as commands are taken
	char pci_address[MACHINE_PCI_MAX]; // of the GPU, as "00:02.0"; empty while unknown
	int errors;                        // owned: QEMU's standard error, -1 when closed
	sd_event_source *errors_source;    // owned
	struct lines error_lines;
	char last_error[MACHINE_LINE_MAX]; // printable
	struct log_limit errors_limit, events_limit;
	const char *name; // borrowed: the guest's
	const struct machine_ops *ops;
	void *data;
};

/* Where a machine's QEMU meets others. */
struct machine_sockets {
	char *const *functions; // paths of the sockets of LINK_FUNCTIONS; NULL where there is none
	int qmp_listener; // where QEMU takes QMP connections, later ones, too; stays the caller's
	int qmp;          // a connection to it; the machine's from then on, also on failure
};

/*
 * Starts QEMU for a guest. host and guest are borrowed for the machine's life. Returns 0;
 * or -1 with one line of reason (see refuse()), the machine then needs no finish.
 */
int machine_start(struct machine *machine, sd_event *event, const struct config_host *host,
	const struct config_guest *guest, const struct qemu_needs *needs,
	const struct machine_sockets *sockets, const struct machine_ops *ops, void *data,
	char **ret_reason);

/*
 * Takes over a QEMU that an earlier mulliond started, by its pidfd and a new QMP
 * connection, and its standard error, or -1 where that is lost; all become the machine's, also
 * on failure. Returns 0 or -errno; the process may then still be watched: machine_kill().
 */
int machine_adopt(struct machine *machine, sd_event *event, const struct config_host *host,
	const struct config_guest *guest, pid_t pid, int pidfd, int qmp, int errors,
	const struct machine_ops *ops, void *data);

/* Presses the power button, as soon as that can be; tells QEMU to quit. False where QEMU
 * cannot be told. */
bool machine_power_down(struct machine *machine);
bool machine_quit(struct machine *machine);

/* Ends the process now; ended() follows. */
void machine_kill(struct machine *machine);

/* Kills and frees everything; safe on a zeroed or finished machine. */
void machine_finish(struct machine *machine);

#endif
