#ifndef GPU_PARTITION_BLOB_H
#define GPU_PARTITION_BLOB_H

#include "backing.h"
#include "guest-memory.h"
#include "scanout.h"

/*
 * Pages of guest memory, wherever they lie, as one dma-buf (the kernel's udmabuf): whoever
 * gets it reads what the guest writes, and nothing is copied. It holds the pages even where
 * the VMM lets go of them, and cannot shrink.
 */

struct blob {
	struct scanout_blob memory; // the descriptor is owned
};

/*
 * udmabuf is a descriptor of /dev/udmabuf, or -1; serial is for struct scanout_blob. Returns 0;
 * -EOPNOTSUPP without udmabuf; -EINVAL where an entry does not begin and end on a page or is
 * not in memory, or there are more or longer ones than the kernel takes (its list_limit and
 * size_limit_mb); -ENOMEM or another errno of the kernel's.
 */
int blob_create(struct blob **ret, int udmabuf, uint64_t serial, const struct backing *backing,
	const struct guest_memory *memory);

/* Accepts NULL. */
void blob_destroy(struct blob *blob);

#endif
