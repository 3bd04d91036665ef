#include "irq.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fd.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

_Static_assert(IRQ_VECTORS_MAX <= LINK_IRQ_VECTOR_MAX, "every vector can be kept");
_Static_assert(COUNT(((struct irq *)0)->counts) == LINK_IRQ_INDEX_MAX, "every index can be kept");

static struct link_key key_of(uint32_t index, uint32_t vector) {
	return (struct link_key){LINK_KIND_IRQ, index, vector, 0};
}

static const struct link_key unmask_key = {LINK_KIND_UNMASK, VFIO_PCI_INTX_IRQ_INDEX, 0, 0};

static int fd_of(const struct irq *irq, uint32_t index, uint32_t vector) {
	return keep_get(irq->keep, key_of(index, vector));
}

static void count_enabled(struct irq *irq) {
	const uint64_t *bound = irq->state->bound;
	irq->state->intx_enabled = bound[VFIO_PCI_INTX_IRQ_INDEX] != 0;
	irq->state->msix_enabled = (uint32_t)__builtin_popcountll(bound[VFIO_PCI_MSIX_IRQ_INDEX]);
}

static void unbind(struct irq *irq, uint32_t index, uint32_t vector) {
	keep_clear(irq->keep, key_of(index, vector));
	irq->state->bound[index] &= ~(UINT64_C(1) << vector);
}

static void bind(struct irq *irq, uint32_t index, uint32_t vector, int fd) {
	keep_put(irq->keep, key_of(index, vector), fd);
	irq->state->bound[index] |= UINT64_C(1) << vector;
}

static void drop_unmask(struct irq *irq) {
	irq->unmask_source = sd_event_source_disable_unref(irq->unmask_source);
	keep_clear(irq->keep, unmask_key);
	irq->state->unmask_bound = 0;
}

static int handle_unmask(sd_event_source *source, int fd, uint32_t revents, void *data);

static int watch_unmask(struct irq *irq, int fd, sd_event_source **ret) {
	return irq->event == NULL
		? -EINVAL
		: sd_event_add_io(irq->event, ret, fd, EPOLLIN, handle_unmask, irq);
}

/* State and kept descriptors agree, but for those of a message that was not committed. */
static void restore(struct irq *irq) {
	for (uint32_t index = 0; index < COUNT(irq->counts); index++) {
		for (uint32_t vector = 0; vector < IRQ_VECTORS_MAX; vector++) {
			bool bound = (irq->state->bound[index] >> vector & 1) != 0;
			if (!bound || vector >= irq->counts[index] ||
				fd_of(irq, index, vector) < 0) {
				unbind(irq, index, vector);
			}
		}
	}
	int unmask = keep_get(irq->keep, unmask_key);
	if (irq->state->unmask_bound == 0 || unmask < 0 ||
		watch_unmask(irq, unmask, &irq->unmask_source) < 0) {
		drop_unmask(irq);
	}
	count_enabled(irq);
}

void irq_init(struct irq *irq, sd_event *event, struct device_state_irq *state, struct keep *keep,
	bool intx, uint32_t vectors) {
	*irq = (struct irq){.event = event, .state = state, .keep = keep};
	irq->counts[VFIO_PCI_INTX_IRQ_INDEX] = intx ? 1 : 0;
	irq->counts[VFIO_PCI_MSIX_IRQ_INDEX] =
		vectors < IRQ_VECTORS_MAX ? vectors : IRQ_VECTORS_MAX;
	// Never raised; QEMU warns where it is missing.
	irq->counts[VFIO_PCI_ERR_IRQ_INDEX] = 1;
	restore(irq);
}

void irq_reset(struct irq *irq) {
	drop_unmask(irq);
	for (uint32_t index = 0; index < COUNT(irq->counts); index++) {
		for (uint32_t vector = 0; vector < irq->counts[index]; vector++) {
			unbind(irq, index, vector);
		}
	}
	*irq->state = (struct device_state_irq){0};
}

void irq_finish(struct irq *irq) {
	irq->unmask_source = sd_event_source_disable_unref(irq->unmask_source);
}

bool irq_describe(const struct irq *irq, uint32_t index, uint32_t *ret_count, uint32_t *ret_flags) {
	if (index >= COUNT(irq->counts)) {
		return false;
	}
	*ret_count = irq->counts[index];
	*ret_flags = 0;
	if (irq->counts[index] != 0) {
		*ret_flags = VFIO_IRQ_INFO_EVENTFD;
	}
	if (irq->counts[index] != 0 && index == VFIO_PCI_INTX_IRQ_INDEX) {
		*ret_flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	}
	return true;
}

/*
 * A pipe that nobody empties, or a file, must not stand where an eventfd belongs. There is
 * no /proc to ask for the name: an anonymous inode has no type, and the others of that kind
 * that can be waited for are told by what only they can do.
 */
static bool is_eventfd(int fd) {
	struct stat status;
	struct itimerspec timer;
	struct epoll_event event;
	int flags = fcntl(fd, F_GETFL);
	return flags >= 0 && (flags & O_ACCMODE) == O_RDWR && fstat(fd, &status) == 0 &&
		(status.st_mode & S_IFMT) == 0 && timerfd_gettime(fd, &timer) < 0 &&
		epoll_wait(fd, &event, 1, 0) < 0;
}

/*
 * A full eventfd would block the writer. O_NONBLOCK is a flag of the open file, which the
 * VMM shares, so it is looked at again before each write.
 */
static void signal_fd(int fd) {
	if (fd < 0) {
		return;
	}
	int flags = fcntl(fd, F_GETFL);
	if ((flags & O_NONBLOCK) == 0 && fd_set_nonblock(fd, true) < 0) {
		return;
	}
	const uint64_t one = 1;
	ssize_t written = write(fd, &one, sizeof(one));
	(void)written; // full: the VMM has interrupts enough to look at
}

void irq_raise(struct irq *irq, uint32_t vector) {
	if (vector < irq->counts[VFIO_PCI_MSIX_IRQ_INDEX]) {
		signal_fd(fd_of(irq, VFIO_PCI_MSIX_IRQ_INDEX, vector));
	}
}

/* INTx is level-triggered: it masks itself when told, and is told again when unmasked. */
static void intx_update(struct irq *irq) {
	int fd = fd_of(irq, VFIO_PCI_INTX_IRQ_INDEX, 0);
	if (irq->state->level != 0 && fd >= 0 && irq->state->intx_masked == 0) {
		irq->state->intx_masked = 1;
		signal_fd(fd);
	}
}

static void intx_unmask(struct irq *irq) {
	irq->state->intx_masked = 0;
	intx_update(irq);
}

void irq_set_level(struct irq *irq, bool level) {
	irq->state->level = level;
	intx_update(irq);
}

static int handle_unmask(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct irq *irq = data;
	uint64_t count;
	if (read(fd, &count, sizeof(count)) == sizeof(count)) {
		intx_unmask(irq);
	}
	return 0;
}

static int set_unmask_fd(struct irq *irq, int *fds, size_t n) {
	if (n == 0) {
		drop_unmask(irq);
		return 0;
	}
	sd_event_source *source;
	if (!is_eventfd(fds[0]) || fd_set_nonblock(fds[0], true) < 0 ||
		watch_unmask(irq, fds[0], &source) < 0) {
		return -EINVAL;
	}
	drop_unmask(irq);
	irq->unmask_source = source;
	keep_put(irq->keep, unmask_key, fds[0]);
	irq->state->unmask_bound = 1;
	fds[0] = -1;
	return 0;
}

static int set_trigger_fds(
	struct irq *irq, const struct vfio_user_interrupts *request, int *fds, size_t n) {
	for (size_t i = 0; i < n; i++) {
		if (!is_eventfd(fds[i]) || fd_set_nonblock(fds[i], true) < 0) {
			return -EINVAL;
		}
	}
	for (uint32_t i = 0; i < request->count; i++) {
		unbind(irq, request->index, request->start + i);
		if (n > 0) {
			bind(irq, request->index, request->start + i, fds[i]);
			fds[i] = -1;
		}
	}
	if (request->index == VFIO_PCI_INTX_IRQ_INDEX) {
		intx_unmask(irq);
	}
	count_enabled(irq);
	return 0;
}

static void disable_index(struct irq *irq, uint32_t index) {
	for (uint32_t i = 0; i < irq->counts[index]; i++) {
		unbind(irq, index, i);
	}
	if (index == VFIO_PCI_INTX_IRQ_INDEX) {
		drop_unmask(irq);
		irq->state->intx_masked = 0;
	}
	count_enabled(irq);
}

/* Raises what the VMM chose, for its own tests of the path. */
static void trigger(struct irq *irq, const struct vfio_user_interrupts *request) {
	for (uint32_t i = 0; i < request->count; i++) {
		if (request->bools == NULL || request->bools[i] != 0) {
			signal_fd(fd_of(irq, request->index, request->start + i));
		}
	}
}

static int set_mask(
	struct irq *irq, const struct vfio_user_interrupts *request, int *fds, size_t n) {
	bool unmask = request->action == VFIO_IRQ_SET_ACTION_UNMASK;
	if (request->index != VFIO_PCI_INTX_IRQ_INDEX) {
		return -EINVAL; // the VMM masks MSI-X itself
	}
	if (request->data == VFIO_IRQ_SET_DATA_EVENTFD) {
		return unmask && request->count == 1 ? set_unmask_fd(irq, fds, n) : -EINVAL;
	}
	if (request->count == 0 || (request->bools != NULL && request->bools[0] == 0)) {
		return 0;
	}
	if (unmask) {
		intx_unmask(irq);
	} else {
		irq->state->intx_masked = 1;
	}
	return 0;
}

int irq_set(struct irq *irq, const struct vfio_user_interrupts *request, int *fds, size_t n) {
	if (request->index >= COUNT(irq->counts) ||
		request->start + request->count > irq->counts[request->index]) {
		return -EINVAL;
	}
	if (request->action != VFIO_IRQ_SET_ACTION_TRIGGER) {
		return set_mask(irq, request, fds, n);
	}
	if (request->data == VFIO_IRQ_SET_DATA_EVENTFD) {
		return set_trigger_fds(irq, request, fds, n);
	}
	if (request->count == 0 && request->data == VFIO_IRQ_SET_DATA_NONE) {
		disable_index(irq, request->index);
		return 0;
	}
	trigger(irq, request);
	return 0;
}
