#include "qtest-vmm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"

/*
 * What guest-virtio.c needs of vmm.h, from a real QEMU: its qtest socket reads and writes
 * ports and memory as a guest's processor would, and the guest's memory is shared. There are
 * no interrupts.
 */

#define SLOT 4 // of the device on the PCI bus
#define LOW_RAM_MIB 1024

static struct process qemu;

/* One line there, one line back: "OK" and perhaps a number. */
static int ask(struct vmm *vmm, uint64_t *ret, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int ask(struct vmm *vmm, uint64_t *ret, const char *format, ...) {
	char line[128];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (send(vmm->fd, line, (size_t)length, MSG_NOSIGNAL) != length) {
		return -ECONNRESET;
	}
	size_t used = 0;
	do {
		ssize_t n = recv(vmm->fd, line + used, sizeof(line) - 1 - used, 0);
		if (n <= 0) {
			return -ECONNRESET;
		}
		used += (size_t)n;
	} while (line[used - 1] != '\n' && used < sizeof(line) - 1);
	line[used] = '\0';
	if (strncmp(line, "OK", 2) != 0) {
		return -EPROTO;
	}
	if (ret != NULL) {
		*ret = strtoull(line + 2, NULL, 0);
	}
	return 0;
}

static char width_letter(uint32_t count) {
	return count == 1 ? 'b' : count == 2 ? 'w' : count == 4 ? 'l' : 'q';
}

static uint64_t region_address(uint32_t region) {
	return region == VFU_REGION_BAR0    ? VIRTIO_GUEST_BAR0
		: region == VFU_REGION_BAR2 ? VIRTIO_GUEST_BAR2
					    : VIRTIO_GUEST_BAR4;
}

static int select_config(struct vmm *vmm, uint64_t offset) {
	return ask(vmm, NULL, "outl 0xcf8 0x%x\n",
		0x80000000u | SLOT << 11 | ((unsigned)offset & 0xfc));
}

int vmm_read(struct vmm *vmm, uint32_t region, uint64_t offset, void *data, uint32_t count) {
	uint64_t value = 0;
	int error;
	if (region == VFU_REGION_CONFIG) {
		error = select_config(vmm, offset);
		error = error < 0 ? error
				  : ask(vmm, &value, "in%c 0x%x\n", width_letter(count),
					    0xcfc + ((unsigned)offset & 3));
	} else {
		error = ask(vmm, &value, "read%c 0x%llx\n", width_letter(count),
			(unsigned long long)(region_address(region) + offset));
	}
	memcpy(data, &value, count);
	return error;
}

int vmm_write(struct vmm *vmm, uint32_t region, uint64_t offset, const void *data, uint32_t count) {
	uint64_t value = 0;
	memcpy(&value, data, count);
	if (region == VFU_REGION_CONFIG) {
		int error = select_config(vmm, offset);
		return error < 0
			? error
			: ask(vmm, NULL, "out%c 0x%x 0x%llx\n", width_letter(count),
				  0xcfc + ((unsigned)offset & 3), (unsigned long long)value);
	}
	return ask(vmm, NULL, "write%c 0x%llx 0x%llx\n", width_letter(count),
		(unsigned long long)(region_address(region) + offset), (unsigned long long)value);
}

int vmm_write16(struct vmm *vmm, uint32_t region, uint64_t offset, uint16_t value) {
	return vmm_write(vmm, region, offset, &value, sizeof(value));
}

int vmm_send(struct vmm *vmm, enum vfu_command command, uint32_t flags, const void *body,
	size_t size, const int *fds, size_t n) {
	const struct vfu_region_access *access = body;
	return vmm_write(vmm, access->region, access->offset, access + 1, access->count);
}

int vmm_set_irqs(struct vmm *vmm, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
	const int *fds, size_t n) {
	return 0;
}

/* The guest's memory is known: QEMU can start. It lies above what a PC has below. */
int vmm_dma_map(
	struct vmm *vmm, uint64_t address, uint64_t size, uint32_t flags, int fd, uint64_t offset) {
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return -errno;
	}
	char memory[16], high[96];
	snprintf(memory, sizeof(memory), "%lluM", (unsigned long long)(size >> 20) + LOW_RAM_MIB);
	snprintf(high, sizeof(high),
		"memory-backend-file,id=high,mem-path=/proc/self/fd/3,share=on,size=%lluM",
		(unsigned long long)(size >> 20));
	char *argv[] = {"qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
		"-machine", "q35", "-accel", "qtest", "-m", memory, "-object",
		"memory-backend-ram,id=low,size=1024M", "-object", high, "-numa",
		"node,nodeid=0,memdev=low", "-numa", "node,nodeid=1,memdev=high", "-chardev",
		"socket,id=qtest,fd=4", "-qtest", "chardev:qtest", "-qtest-log", "none", "-device",
		"virtio-gpu-pci,addr=4", NULL};
	const int fds[] = {fd, pair[1]};
	int error = process_start(&qemu, argv, fds, 2, NULL);
	close(pair[1]);
	vmm->fd = pair[0];
	return error;
}

struct process *qtest_vmm_process(void) {
	return &qemu;
}

void qtest_vmm_stop(struct vmm *vmm) {
	vmm->fd = fd_close(vmm->fd);
	process_stop(&qemu);
}
