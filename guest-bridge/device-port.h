#ifndef GUEST_BRIDGE_DEVICE_PORT_H
#define GUEST_BRIDGE_DEVICE_PORT_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "device-link.h"
#include "device-store.h"
#include "irq.h"
#include "keep.h"
#include "pci.h"
#include "vfio-user-server.h"

/*
 * Where the VMM connects to one of the device's PCI functions: a listener and a vfio-user
 * server, the function's own state, and what the VMM has handed over for it.
 */
struct device_port {
	enum link_function function;
	const int *fds;                  // borrowed: enum link_port_fd
	struct keep keep;                // what was stored at mulliond
	struct device_store store;       // between device_port_open() and finish
	struct vfio_user_server *server; // owned; NULL before device_port_serve()
};

/* fds outlive the port. link, waiting and data are those of keep_init() and keep_watch(). */
void device_port_init(struct device_port *port, enum link_function function, const int *fds,
	int link, void (*waiting)(void *data), void *data);

/* Continues from the state, or begins one; *ret_new says which. Returns 0 or -errno. */
int device_port_open(struct device_port *port, bool *ret_new);

/* Serves a function, which is borrowed as ops are. Returns 0 or -errno. */
int device_port_serve(struct device_port *port, sd_event *event, struct pci_function *pci,
	struct irq *irq, const struct vfio_user_server_ops *ops, void *data);

/* As vfio_user_server_busy(). */
bool device_port_busy(const struct device_port *port);

/* Ends its server: nobody calls the function any more. */
void device_port_stop(struct device_port *port);

/* After device_port_stop(), and when the function is gone. */
void device_port_finish(struct device_port *port);

#endif
