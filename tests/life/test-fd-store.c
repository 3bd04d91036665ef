/* What is put into the service manager's store, and taken from it. */
#include "fd-store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "../tree.h"
#include "clock.h"
#include "config.h"
#include "manager.h"

static char directory[] = "/tmp/test-fd-store-XXXXXX";

struct fixture {
	sd_event *event;
	struct fd_store store;
	struct manager manager;
	struct fd_shelf shelf;
	int fds[FD_SHELF_SLOTS];
};

static int prepare(void **state) {
	return mkdtemp(directory) == NULL ? -1 : 0;
}

static int clean_up(void **state) {
	return tree_remove(directory);
}

static int setup(void **state) {
	struct fixture *f = *state = calloc(1, sizeof(*f));
	if (manager_init(&f->manager, directory) < 0 || sd_event_new(&f->event) < 0 ||
		fd_store_init(&f->store, f->event) < 0) {
		return -1;
	}
	fd_shelf_init(&f->shelf, &f->store, "work");
	memset(f->fds, -1, sizeof(f->fds));
	return 0;
}

static int teardown(void **state) {
	struct fixture *f = *state;
	fd_shelf_finish(&f->shelf);
	fd_store_finish(&f->store);
	sd_event_unref(f->event);
	manager_finish(&f->manager);
	for (unsigned slot = 0; slot < FD_SHELF_SLOTS; slot++) {
		if (f->fds[slot] >= 0) {
			close(f->fds[slot]);
		}
	}
	free(f);
	return 0;
}

static void put(struct fixture *f, unsigned slot, unsigned value) {
	if (f->fds[slot] >= 0) {
		close(f->fds[slot]);
	}
	f->fds[slot] = eventfd(value, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(f->fds[slot] >= 0);
	fd_shelf_put(&f->shelf, slot, f->fds[slot]);
}

/* Until nothing is left to tell. */
static void settle(struct fixture *f) {
	while (f->shelf.untold_len > 0) {
		assert_return_code(sd_event_run(f->event, 1000 * USEC_PER_MSEC), 0);
		assert_true(manager_read(&f->manager));
	}
	assert_true(manager_read(&f->manager));
}

static uint64_t value_of(const struct fixture *f, const char *name) {
	uint64_t value = 0;
	assert_int_equal(read(manager_find(&f->manager, name), &value, 8), 8);
	return value;
}

static void every_slot_has_a_name_of_its_own(void **state) {
	char name[FD_STORE_NAME_MAX], other[FD_STORE_NAME_MAX], longest[CONFIG_NAME_MAX + 1];
	unsigned slot;
	memset(longest, 'x', CONFIG_NAME_MAX);
	longest[CONFIG_NAME_MAX] = '\0';
	for (unsigned i = 0; i < FD_SHELF_SLOTS; i++) {
		fd_store_name(longest, i, name);
		assert_in_range(strlen(name), 1, FD_STORE_NAME_MAX - 2);
		assert_true(fd_store_owns(name));
		assert_true(fd_store_slot(name, longest, &slot));
		assert_int_equal(slot, i);
		fd_store_name("a.listener", i, other);
		assert_false(fd_store_slot(other, "a", &slot));
		assert_false(fd_store_slot(other, "a.listener.x", &slot));
	}
	const char *const others[] = {
		"",
		"guest.",
		"guest.work",
		"guest.work.",
		"guest.work.irq-0-8",
		"guest.work.gpu-listener",
		"mulliond.socket",
		"guest.work.listener2",
		"guest.work.memory-01",
		"work.listener",
	};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_false(fd_store_slot(others[i], "work", &slot));
	}
}

static void what_is_put_is_kept_and_what_is_gone_is_not(void **state) {
	struct fixture *f = *state;
	put(f, LINK_FD_SLICE, 1);
	put(f, LINK_FDS_MAX, 2);
	put(f, LINK_FDS_MAX + 1, 3);
	settle(f);
	assert_int_equal(f->manager.len, 3);
	assert_int_equal(value_of(f, "guest.work.vmm"), 2);
	assert_int_equal(value_of(f, "guest.work.memory-0"), 3);
	fd_shelf_put(&f->shelf, LINK_FDS_MAX, -1);
	settle(f);
	assert_int_equal(f->manager.len, 2);
	assert_int_equal(manager_find(&f->manager, "guest.work.vmm"), -1);
	put(f, LINK_FDS_MAX + 1, 4);
	settle(f);
	assert_int_equal(f->manager.len, 2);
	assert_int_equal(value_of(f, "guest.work.memory-0"), 4);
	fd_shelf_clear(&f->shelf);
	settle(f);
	assert_int_equal(f->manager.len, 0);
}

static void what_changes_often_is_told_once(void **state) {
	struct fixture *f = *state;
	for (unsigned i = 0; i < 1000; i++) {
		put(f, LINK_FDS_MAX, i);
		if (i % 2 == 1) {
			fd_shelf_put(&f->shelf, LINK_FDS_MAX + 1, -1);
		}
	}
	settle(f);
	assert_int_equal(f->manager.words, 1);
	assert_int_equal(value_of(f, "guest.work.vmm"), 999);
}

static void a_manager_that_does_not_read_holds_up_nothing(void **state) {
	struct fixture *f = *state;
	for (unsigned slot = 0; slot < FD_SHELF_SLOTS; slot++) {
		put(f, slot, slot + 1);
	}
	// More than the socket takes, for as long as it is not read.
	uint64_t end = clock_usec() + 300 * USEC_PER_MSEC;
	while (clock_usec() < end) {
		assert_return_code(sd_event_run(f->event, 10 * USEC_PER_MSEC), 0);
	}
	assert_int_not_equal(f->shelf.untold_len, 0);
	settle(f);
	assert_int_equal(f->manager.len, FD_SHELF_SLOTS);
	assert_int_equal(value_of(f, "guest.work.errors"), FD_SHELF_SLOTS);
}

static void a_manager_that_is_gone_is_given_up(void **state) {
	struct fixture *f = *state;
	close(f->manager.socket);
	f->manager.socket = -1;
	put(f, 0, 1);
	assert_return_code(sd_event_run(f->event, 1000 * USEC_PER_MSEC), 0);
	assert_int_equal(f->store.socket, -1);
	put(f, 1, 1);
	fd_shelf_clear(&f->shelf);
}

static void one_guest_does_not_keep_another_from_being_kept(void **state) {
	struct fixture *f = *state;
	struct fd_shelf other;
	int fd = eventfd(5, EFD_CLOEXEC);
	fd_shelf_init(&other, &f->store, "other");
	for (unsigned slot = 0; slot < FD_SHELF_SLOTS; slot++) {
		put(f, slot, 1);
	}
	fd_shelf_put(&other, LINK_FD_OF(LINK_FUNCTION_GPU, LINK_PORT_STATE), fd);
	for (unsigned i = 0; manager_find(&f->manager, "guest.other.state") < 0; i++) {
		// It comes next however much the first one has to tell, and tells again.
		assert_in_range(i, 0, 20);
		put(f, i, 2);
		sd_event_run(f->event, 1000 * USEC_PER_MSEC);
		assert_true(manager_read(&f->manager));
	}
	fd_shelf_put(&other, LINK_FD_OF(LINK_FUNCTION_GPU, LINK_PORT_STATE), -1);
	close(fd);
	fd_shelf_finish(&other);
}

static void what_was_given_back_is_taken_or_dropped(void **state) {
	struct fixture *f = *state;
	int fds[FD_SHELF_SLOTS];
	put(f, LINK_FD_LINKS, 1);
	put(f, LINK_FDS_MAX + 33, 2);
	settle(f);
	// Another process, with a guest that this one does not know.
	struct fd_store next;
	struct fd_shelf shelf;
	assert_int_equal(fd_store_init(&next, f->event), 0);
	for (size_t i = 0; i < f->manager.len; i++) {
		fd_store_give(&next, f->manager.kept[i].name, dup(f->manager.kept[i].fd));
	}
	fd_store_give(&next, "guest.gone.slice", eventfd(0, 0));
	fd_store_give(&next, "guest.nonsense", eventfd(0, 0));
	assert_true(fd_store_has(&next, "work"));
	assert_false(fd_store_has(&next, "wor"));
	fd_shelf_init(&shelf, &next, "work");
	assert_int_equal(fd_shelf_take(&shelf, fds), 2);
	assert_false(fd_store_has(&next, "work"));
	assert_true(fds[LINK_FD_LINKS] >= 0);
	assert_true(fds[LINK_FDS_MAX + 33] >= 0);
	assert_int_equal(fds[0], -1);
	// What was taken is still kept; the rest is not.
	f->manager.words = 0;
	fd_store_drop_rest(&next);
	fd_shelf_clear(&shelf);
	fd_shelf_finish(&shelf);
	fd_store_finish(&next);
	assert_true(manager_read(&f->manager));
	assert_int_equal(f->manager.words, 4);
	assert_int_equal(f->manager.len, 0);
	close(fds[LINK_FD_LINKS]);
	close(fds[LINK_FDS_MAX + 33]);
}

static void without_a_manager_nothing_is_kept(void **state) {
	struct fd_store store;
	struct fd_shelf shelf;
	sd_event *event;
	assert_return_code(sd_event_new(&event), 0);
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	// One that does not keep descriptors is none.
	assert_int_equal(fd_store_init(&store, event), 0);
	assert_int_equal(store.socket, -1);
	fd_shelf_init(&shelf, &store, "work");
	fd_shelf_put(&shelf, 0, 0);
	fd_shelf_clear(&shelf);
	fd_shelf_finish(&shelf);
	fd_store_finish(&store);
	unsetenv("NOTIFY_SOCKET");
	sd_event_unref(event);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_slot_has_a_name_of_its_own),
		cmocka_unit_test(without_a_manager_nothing_is_kept),
		cmocka_unit_test_setup_teardown(
			what_is_put_is_kept_and_what_is_gone_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(what_changes_often_is_told_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_manager_that_does_not_read_holds_up_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_manager_that_is_gone_is_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_guest_does_not_keep_another_from_being_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_was_given_back_is_taken_or_dropped, setup, teardown),
	};
	return cmocka_run_group_tests(tests, prepare, clean_up);
}
