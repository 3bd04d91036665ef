#ifndef GPU_PARTITION_RESOURCES_BLOBS_H
#define GPU_PARTITION_RESOURCES_BLOBS_H

#include "resources.h"

/*
 * Resources that are blobs in guest memory (virtio 1.3, 5.7.6.10): bytes without a format, whose
 * backing is given with them, and which have no storage of ours. What is shown of one is told
 * with the scanout. Answers are as in resources.h.
 *
 * A blob that is shown is mapped (blob.h): screen and guest use the same pages. Where that
 * cannot be it is copied: it gets storage in the heap and is a picture like a 2D resource's, but
 * that a flush also transfers.
 */

/* Mapped at once, of all resources: the kernel keeps books of every page. */
#define RESOURCES_MAPPED_MAX 256                       // blobs
#define RESOURCES_MAPPED_BYTES_MAX (UINT64_C(1) << 30) // bytes

/* Blobs can be shown from now on. udmabuf is borrowed, or -1; memory is copied. */
void resources_start(struct resources *resources, int udmabuf, const struct guest_memory *memory);

/* As resources_reserve() and resources_attach(), of a resource that is made by the second one.
 * The backing must hold all of its size. */
uint32_t resources_reserve_blob(struct resources *resources, uint32_t id, uint32_t entries,
	struct virtio_gpu_mem_entry **ret_untrusted);
uint32_t resources_create_blob(struct resources *resources, uint32_t id, uint64_t size);

/*
 * Maps a blob to be shown with that layout, or else copies it. A layout that it does not hold,
 * one without a backing, and a resource that is no blob are INVALID_PARAMETER; so are rows too
 * far apart to be copied.
 */
uint32_t resources_show_blob(
	struct resources *resources, uint32_t id, const struct gpu_layout *layout);

bool resources_is_blob(const struct resources *resources, uint32_t id);
bool resources_is_mapped(const struct resources *resources, uint32_t id);

/* As resources_scanout(), of a blob that is mapped. */
uint32_t resources_scanout_blob(struct resources *resources, uint32_t id,
	const struct gpu_layout *layout, const struct gpu_rect *rect, struct scanout *ret);

/* Brings a rectangle of a blob that is copied up to date, and notes what has changed. Does
 * nothing to any other resource. */
void resources_refresh(struct resources *resources, uint32_t id, const struct gpu_rect *rect);

#endif
