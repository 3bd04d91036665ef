#ifndef VMM_HOOKS_VFIO_USER_SERVER_H
#define VMM_HOOKS_VFIO_USER_SERVER_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "device-state.h"
#include "irq.h"
#include "pci.h"

/*
 * The device's side of vfio-user: one PCI function for one VMM at a time. A second client is
 * refused while the first is there. When a client has left, its memory and interrupts are let
 * go, the function is as at power-on, and the next may come.
 */

struct vfio_user_server;
struct dma;

struct vfio_user_server_ops {
	/* Put everything but PCI and interrupts to its state at power-on: a client has come, has
	 * left, or asked for a reset. */
	void (*reset)(void *data);
	/* A client has finished its hello, or has left. */
	void (*connected)(void *data, bool connected);
};

/*
 * Serves pci on the listening socket, which the server owns from then on, also on failure.
 * The rest is borrowed. Returns 0 or -errno.
 */
int vfio_user_server_create(struct vfio_user_server **ret, sd_event *event, int listen_fd,
	struct pci_function *pci, struct irq *irq, struct device_state *state,
	const struct vfio_user_server_ops *ops, void *data);

/* Accepts NULL. */
void vfio_user_server_destroy(struct vfio_user_server *server);

/* The guest's memory, as mapped just now. */
const struct dma *vfio_user_server_dma(const struct vfio_user_server *server);

#endif
