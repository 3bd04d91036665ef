#ifndef GUEST_BRIDGE_DEVICE_SANDBOX_H
#define GUEST_BRIDGE_DEVICE_SANDBOX_H

/*
 * Puts this process into the device's sandbox (sandbox.h); mulliond has made its namespaces
 * already. Where a layer cannot be applied it says so in one line and exits. To be called
 * before the first untrusted byte.
 */
void device_sandbox(void);

#endif
