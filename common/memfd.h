#ifndef COMMON_MEMFD_H
#define COMMON_MEMFD_H

#include <stdint.h>

/*
 * Memory that crosses a process boundary. Seals, not access modes, are the boundary:
 * the same user can reopen a read-only memfd for writing.
 */

/*
 * Makes a zeroed memfd of size bytes (a multiple of the page size), allocates all of
 * it now, so that no later write can fail for want of memory, and seals it against
 * shrinking, growing and further seals. Returns the descriptor (close-on-exec) or
 * -errno; -ENOMEM where the memory is not there.
 */
int memfd_create_sealed(const char *name, uint64_t size);

/* Has the memory be there: memfd_allocate(), or something around it. Returns 0 or -errno. */
typedef int (*memfd_allocate_func)(int fd, uint64_t size, int data);
int memfd_allocate(int fd, uint64_t size, int data);

/* As memfd_create_sealed(), but for how the memory is allocated; NULL: as it is touched. */
int memfd_create_sealed_by(const char *name, uint64_t size, memfd_allocate_func allocate, int data);

/*
 * Checks a descriptor from somebody else: a memfd that cannot shrink (F_SEAL_SHRINK)
 * of at least min_size bytes. Returns 0; -EINVAL for another kind of file or a
 * missing seal; -ERANGE where it is too small. ret_size may be NULL.
 */
int memfd_check(int fd, uint64_t min_size, uint64_t *ret_size);

#endif
