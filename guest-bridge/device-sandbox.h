#ifndef GUEST_BRIDGE_DEVICE_SANDBOX_H
#define GUEST_BRIDGE_DEVICE_SANDBOX_H

#include "device-link.h"

/*
 * Puts this process into the device's sandbox (sandbox.h); mulliond has made its namespaces
 * already. Where a layer cannot be applied it says so in one line, and to mulliond over the
 * link, and exits. *ret is what mulliond is to be told otherwise. To be called before the
 * first untrusted byte.
 */
void device_sandbox(int link, struct link_sandbox *ret);

#endif
