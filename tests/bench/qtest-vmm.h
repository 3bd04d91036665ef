#ifndef TESTS_QTEST_VMM_H
#define TESTS_QTEST_VMM_H

#include "guest-virtio.h"
#include "process.h"

/*
 * A QEMU with its own virtio-gpu in the place of the VMM that vmm.h describes, for what
 * guest-virtio.h calls of it: link this file, and it is that. The guest's memory must begin at
 * VIRTIO_GUEST_RAM; QEMU starts when it is mapped.
 */

struct process *qtest_vmm_process(void);
void qtest_vmm_stop(struct vmm *vmm);

#endif
