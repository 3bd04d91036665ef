#include "irq.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

static sd_event *event;
static struct irq irq;
static struct device_state_irq state;
static struct keep keep;

static int power_on(void **unused) {
	if (sd_event_new(&event) < 0) {
		return -1;
	}
	state = (struct device_state_irq){0};
	keep_init(&keep, LINK_FUNCTION_GPU, -1);
	irq_init(&irq, event, &state, &keep, true, 4);
	return 0;
}

static int power_off(void **unused) {
	irq_finish(&irq);
	keep_finish(&keep);
	event = sd_event_unref(event);
	return 0;
}

static int set(uint32_t index, uint32_t flags, uint32_t start, uint32_t count, int *fds, size_t n,
	const uint8_t *bools) {
	const struct vfio_user_interrupts request = {
		.index = index,
		.start = start,
		.count = count,
		.data = flags & VFIO_IRQ_SET_DATA_TYPE_MASK,
		.action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK,
		.bools = bools,
	};
	return irq_set(&irq, &request, fds, n);
}

/* An eventfd with a second descriptor to look at it. */
static int watched(int *ret_fd) {
	*ret_fd = eventfd(0, EFD_CLOEXEC);
	return fcntl(*ret_fd, F_DUPFD_CLOEXEC, 0);
}

static uint64_t count(int fd) {
	uint64_t value = 0;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return read(fd, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

#define MSIX VFIO_PCI_MSIX_IRQ_INDEX
#define INTX VFIO_PCI_INTX_IRQ_INDEX

static void vectors_write_their_eventfds(void **unused) {
	int fds[2], first = watched(&fds[0]), second = watched(&fds[1]);
	assert_int_equal(set(MSIX, 0x24, 1, 2, fds, 2, NULL), 0);
	assert_int_equal(fds[0], -1); // kept
	assert_int_equal(state.msix_enabled, 2);
	irq_raise(&irq, 0); // has none
	irq_raise(&irq, 1);
	irq_raise(&irq, 2);
	irq_raise(&irq, 2);
	irq_raise(&irq, 4);
	irq_raise(&irq, UINT32_MAX);
	assert_int_equal(count(first), 1);
	assert_int_equal(count(second), 2);
	close(first);
	close(second);
}

static void teardown_lets_go_of_them(void **unused) {
	int fd, watch = watched(&fd);
	assert_int_equal(set(MSIX, 0x24, 0, 1, &fd, 1, NULL), 0);
	assert_int_equal(set(MSIX, 0x21, 0, 0, NULL, 0, NULL), 0);
	assert_int_equal(state.msix_enabled, 0);
	irq_raise(&irq, 0);
	assert_int_equal(count(watch), 0);
	close(watch);
}

static void no_descriptor_takes_the_old_one_away(void **unused) {
	int fd, watch = watched(&fd);
	assert_int_equal(set(MSIX, 0x24, 0, 1, &fd, 1, NULL), 0);
	assert_int_equal(set(MSIX, 0x24, 0, 1, NULL, 0, NULL), 0);
	assert_int_equal(state.msix_enabled, 0);
	irq_raise(&irq, 0);
	assert_int_equal(count(watch), 0);
	close(watch);
}

static void what_is_out_of_range_is_refused(void **unused) {
	int fds[5];
	for (size_t i = 0; i < 5; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC);
	}
	assert_int_equal(set(MSIX, 0x24, 0, 5, fds, 5, NULL), -EINVAL);
	assert_int_equal(set(MSIX, 0x24, 4, 1, fds, 1, NULL), -EINVAL);
	assert_int_equal(set(1, 0x24, 0, 1, fds, 1, NULL), -EINVAL); // MSI: there is none
	assert_int_equal(set(5, 0x24, 0, 1, fds, 1, NULL), -EINVAL);
	assert_int_equal(set(UINT32_MAX, 0x24, 0, 1, fds, 1, NULL), -EINVAL);
	assert_int_equal(set(MSIX, 0x09, 0, 1, NULL, 0, NULL), -EINVAL); // the VMM masks it
	for (size_t i = 0; i < 5; i++) {
		assert_true(fds[i] >= 0);
		close(fds[i]);
	}
}

static void only_eventfds_are_taken(void **unused) {
	int pair[2];
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int good = eventfd(0, EFD_CLOEXEC);
	const int bad[] = {pair[1], timer, null};
	for (size_t i = 0; i < 3; i++) {
		int fds[2] = {good, bad[i]};
		assert_int_equal(set(MSIX, 0x24, 0, 2, fds, 2, NULL), -EINVAL);
		assert_int_equal(fds[0], good); // all or nothing
		assert_int_equal(set(INTX, 0x14, 0, 1, &fds[1], 1, NULL), -EINVAL);
	}
	assert_int_equal(state.msix_enabled, 0);
	const int all[] = {pair[0], pair[1], timer, null, good};
	for (size_t i = 0; i < 5; i++) {
		close(all[i]);
	}
}

static void a_full_eventfd_does_not_block(void **unused) {
	int fd, watch = watched(&fd);
	const uint64_t full = UINT64_MAX - 1;
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(set(MSIX, 0x24, 0, 1, &fd, 1, NULL), 0);
	alarm(5); // a write that blocks ends the test
	irq_raise(&irq, 0);
	fcntl(watch, F_SETFL, 0); // the peer makes it block again
	irq_raise(&irq, 0);
	alarm(0);
	close(watch);
}

static void intx_masks_itself_until_unmasked(void **unused) {
	int fd, watch = watched(&fd);
	assert_int_equal(set(INTX, 0x24, 0, 1, &fd, 1, NULL), 0);
	assert_int_equal(state.intx_enabled, 1);
	irq_set_level(&irq, true);
	irq_set_level(&irq, true);
	assert_int_equal(count(watch), 1);
	assert_int_equal(state.intx_masked, 1);
	assert_int_equal(set(INTX, 0x11, 0, 1, NULL, 0, NULL), 0); // still held
	assert_int_equal(count(watch), 1);
	irq_set_level(&irq, false);
	assert_int_equal(set(INTX, 0x11, 0, 1, NULL, 0, NULL), 0);
	assert_int_equal(count(watch), 0);
	assert_int_equal(state.intx_masked, 0);
	const uint8_t yes = 1, no = 0;
	assert_int_equal(set(INTX, 0x0a, 0, 1, NULL, 0, &no), 0);
	assert_int_equal(state.intx_masked, 0);
	assert_int_equal(set(INTX, 0x0a, 0, 1, NULL, 0, &yes), 0);
	irq_set_level(&irq, true);
	assert_int_equal(count(watch), 0);
	close(watch);
}

static void an_eventfd_unmasks_intx(void **unused) {
	int fd, watch = watched(&fd), unmask_fd, unmask = watched(&unmask_fd);
	assert_int_equal(set(INTX, 0x24, 0, 1, &fd, 1, NULL), 0);
	assert_int_equal(set(INTX, 0x14, 0, 1, &unmask_fd, 1, NULL), 0);
	irq_set_level(&irq, true);
	assert_int_equal(count(watch), 1);
	const uint64_t one = 1;
	assert_int_equal(write(unmask, &one, sizeof(one)), sizeof(one));
	assert_true(sd_event_run(event, 1000000) > 0);
	assert_int_equal(count(watch), 1);
	close(watch);
	close(unmask);
}

static void the_vmm_can_trigger_one_itself(void **unused) {
	int fds[2], first = watched(&fds[0]), second = watched(&fds[1]);
	assert_int_equal(set(MSIX, 0x24, 0, 2, fds, 2, NULL), 0);
	const uint8_t bools[] = {0, 1};
	assert_int_equal(set(MSIX, 0x22, 0, 2, NULL, 0, bools), 0);
	assert_int_equal(count(first), 0);
	assert_int_equal(count(second), 1);
	assert_int_equal(set(MSIX, 0x21, 0, 2, NULL, 0, NULL), 0);
	assert_int_equal(count(first), 1);
	assert_int_equal(count(second), 1);
	close(first);
	close(second);
}

/* What a process finds that replaces one which died. */
static void a_later_process_goes_on(void **unused) {
	int fds[2], first = watched(&fds[0]), second = watched(&fds[1]);
	int intx_fd, intx = watched(&intx_fd), unmask_fd, unmask = watched(&unmask_fd);
	assert_int_equal(set(MSIX, 0x24, 1, 2, fds, 2, NULL), 0);
	assert_int_equal(set(INTX, 0x24, 0, 1, &intx_fd, 1, NULL), 0);
	assert_int_equal(set(INTX, 0x14, 0, 1, &unmask_fd, 1, NULL), 0);
	irq_set_level(&irq, true);
	assert_int_equal(count(intx), 1);
	irq_finish(&irq);
	// Of a message that was never committed.
	keep_put(&keep, (struct link_key){LINK_KIND_IRQ, MSIX, 3, 0}, dup(first));
	irq_init(&irq, event, &state, &keep, true, 4);
	assert_int_equal(state.msix_enabled, 2);
	assert_int_equal(state.intx_enabled, 1);
	for (uint32_t vector = 0; vector < 4; vector++) {
		irq_raise(&irq, vector);
	}
	assert_int_equal(count(first), 1);
	assert_int_equal(count(second), 1);
	const uint64_t one = 1;
	assert_int_equal(write(unmask, &one, sizeof(one)), sizeof(one));
	assert_true(sd_event_run(event, 1000000) > 0);
	assert_int_equal(count(intx), 1);
	const int all[] = {first, second, intx, unmask};
	for (size_t i = 0; i < 4; i++) {
		close(all[i]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, power_on, power_off)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(vectors_write_their_eventfds),
		TEST(teardown_lets_go_of_them),
		TEST(no_descriptor_takes_the_old_one_away),
		TEST(what_is_out_of_range_is_refused),
		TEST(only_eventfds_are_taken),
		TEST(a_full_eventfd_does_not_block),
		TEST(intx_masks_itself_until_unmasked),
		TEST(an_eventfd_unmasks_intx),
		TEST(the_vmm_can_trigger_one_itself),
		TEST(a_later_process_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
