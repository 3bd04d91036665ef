#ifndef GUEST_BRIDGE_DEVICE_H
#define GUEST_BRIDGE_DEVICE_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "bridge.h"
#include "device-link.h"
#include "device-port.h"
#include "gpu-function.h"
#include "input-route.h"
#include "link-listener.h"
#include "log.h"
#include "missed.h"
#include "slice.h"

/* One guest's GPU: what its VMM sees over vfio-user, and what its desktop shows over Wayland. */
struct device {
	sd_event *event;              // owned
	int link;                     // owned, -1 while there is no mulliond
	sd_event_source *link_source; // owned
	struct link_listener links;   // where another mulliond connects
	bool adopting;                // it does not know all yet
	struct link_sandbox sandbox;  // to be told
	struct missed missed;         // while it does not
	sd_event_source *alone;       // owned: ends a device that nobody needs
	uint64_t alone_usec;          // how long it waits for a mulliond when its VMM is gone
	bool vmm_told, vmm_connected; // what mulliond knows, and what is

	struct link_setup setup;
	int fds[LINK_FDS_MAX]; // owned, -1 when closed; the slice's is in slice
	struct device_port ports[LINK_FUNCTIONS];
	int udmabuf; // owned: /dev/udmabuf, or -1 where it cannot be opened
	struct slice slice;
	struct gpu_function function;
	struct device_input *inputs[LINK_FUNCTIONS]; // owned; NULL for the GPU's place
	struct bridge *bridge;                       // owned
	bool running;                                // set up
	struct input_route route;                    // of the bridge's input

	struct log_limit input_lost;
};

/* device-parts.c */

/* Makes all parts of what mulliond has sent: the device begins, or goes on. 0 or -errno. */
int device_set_up(struct device *device);

/* mulliond can be told again. Only after the set-up. */
void device_resume(struct device *device);

/* device-inputs.c: the functions of the guest's input, as many as setup says. */

struct device_input;

/* Serves them, and routes input to them. 0 or -errno. */
int device_inputs_set_up(struct device *device);

/* As device_resume(). */
void device_inputs_resume(struct device *device);

/* Once nothing is served any more. */
void device_inputs_finish(struct device *device);

/* device-mulliond.c */

/* Listens to mulliond on device->link. 0 or -errno. */
int device_mulliond_init(struct device *device);

/* Tells mulliond about the VMM; where it does not read just now, once it does. */
void device_mulliond_tell_vmm(struct device *device);

/* Tells mulliond how this process is shut in, device->sandbox. 0 or -errno. */
int device_mulliond_tell_sandbox(struct device *device);

/* Input of the user's; lost, or told later, where there is no mulliond. */
void device_mulliond_send_input(struct device *device, const struct link_input *input);

/* Another mulliond has connected. data is a struct device; fd becomes its. */
void device_mulliond_adopt(void *data, int fd);

#endif
