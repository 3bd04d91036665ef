#ifndef VMM_HOOKS_VFIO_USER_REGIONS_H
#define VMM_HOOKS_VFIO_USER_REGIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "pci.h"
#include "vfio-user.h"

/* A PCI function's BARs and configuration space as vfio-user's regions. */

/*
 * Fills in what GET_REGION_INFO answers, and the descriptor that goes with it (borrowed, -1
 * for none). Returns false where there is no region of this index; one that is merely
 * empty has size 0.
 */
bool region_describe(const struct pci_function *pci, uint32_t index,
	struct vfio_user_region_info *ret, int *ret_fd);

/*
 * Does one trapped access, a read into ret where that is not NULL. Every byte is checked
 * against the region. Returns 0, or -EINVAL with nothing done.
 */
int region_access(struct pci_function *pci, const struct vfio_user_access *access, void *ret);

#endif
