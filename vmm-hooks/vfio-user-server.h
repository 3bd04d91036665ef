#ifndef VMM_HOOKS_VFIO_USER_SERVER_H
#define VMM_HOOKS_VFIO_USER_SERVER_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "device-store.h"
#include "irq.h"
#include "keep.h"
#include "log.h"
#include "pci.h"

/*
 * The device's side of vfio-user: one PCI function for one VMM at a time. A second client is
 * refused while the first is there. When a client has left, its memory and interrupts are let
 * go, the function is as at power-on, and the next may come.
 *
 * When this process replaces one that died, the server goes on with that one's client, which
 * notices nothing.
 */

struct vfio_user_server;
struct dma;

struct vfio_user_server_ops {
	/* Put everything but PCI and interrupts to its state at power-on: a client has left, or
	 * asked for a reset. */
	void (*reset)(void *data);
	/* A client has finished its hello, or has left. */
	void (*connected)(void *data, bool connected);
};

/* What a server works with; all of it is borrowed. */
struct vfio_user_server_setup {
	sd_event *event;
	const char *name;     // of the function, for messages
	enum log_level level; // of those that a VMM comes and goes
	int listen_fd;
	int replies[2]; // the pipe of replies, see vfio-user-connection.h
	struct pci_function *pci;
	struct irq *irq;
	struct device_store *store;
	struct keep *keep;
	const struct vfio_user_server_ops *ops;
	void *data; // of ops
};

/* Returns 0 or -errno. */
int vfio_user_server_create(
	struct vfio_user_server **ret, const struct vfio_user_server_setup *setup);

/* Accepts NULL. */
void vfio_user_server_destroy(struct vfio_user_server *server);

/* mulliond can be told again: what waits for that goes on. */
void vfio_user_server_tell(struct vfio_user_server *server);

/* A message is being handled that is not committed yet: nothing else may commit the state. */
bool vfio_user_server_busy(const struct vfio_user_server *server);

/* The guest's memory, as mapped just now. */
const struct dma *vfio_user_server_dma(const struct vfio_user_server *server);

#endif
