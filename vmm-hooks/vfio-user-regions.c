#include "vfio-user-regions.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

#include "checked.h"

static uint64_t region_size(const struct pci_function *pci, uint32_t index) {
	if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
		return PCI_CONFIG_SIZE;
	}
	const struct pci_bar *bar = pci_bar(pci, index);
	return bar != NULL ? bar->size : 0;
}

bool region_describe(const struct pci_function *pci, uint32_t index,
	struct vfio_user_region_info *ret, int *ret_fd) {
	if (index >= VFIO_PCI_NUM_REGIONS) {
		return false;
	}
	*ret = (struct vfio_user_region_info){
		.argsz = sizeof(*ret),
		.index = index,
		.size = region_size(pci, index),
	};
	*ret_fd = -1;
	if (ret->size != 0) {
		ret->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	}
	const struct pci_bar *bar = pci_bar(pci, index);
	if (bar != NULL && bar->fd >= 0) {
		ret->flags |= VFIO_REGION_INFO_FLAG_MMAP;
		*ret_fd = bar->fd;
	}
	return true;
}

static int config_access(
	struct pci_function *pci, const struct vfio_user_access *access, void *ret) {
	if (ret != NULL) {
		pci->state->traps[TRAP_CONFIG_READ]++;
		pci_config_read(pci, (uint32_t)access->offset, ret, access->count);
	} else {
		pci->state->traps[TRAP_CONFIG_WRITE]++;
		pci_config_write(pci, (uint32_t)access->offset, access->data, access->count);
	}
	return 0;
}

int region_access(struct pci_function *pci, const struct vfio_user_access *access, void *ret) {
	if (!checked_range(access->offset, access->count, region_size(pci, access->region))) {
		return -EINVAL;
	}
	if (access->region == VFIO_PCI_CONFIG_REGION_INDEX) {
		return config_access(pci, access, ret);
	}
	const struct pci_bar *bar = pci_bar(pci, access->region);
	if (ret != NULL) {
		memset(ret, 0, access->count);
	}
	if (bar->ops == NULL) {
		return 0;
	}
	return ret != NULL
		? bar->ops->read(bar->data, access->offset, ret, access->count)
		: bar->ops->write(bar->data, access->offset, access->data, access->count);
}
