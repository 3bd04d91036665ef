#include "vigil.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define START UINT64_C(1000000)

/* A driver that notifies some time after it was asked to; a vigil sees what comes in time. */
struct driver {
	struct vigil vigil;
	uint64_t now, kept, watching; // kept vigils, and us in them
};

/* One command, a while after the queue was emptied. True where a vigil was kept. */
static bool command(struct driver *driver, uint64_t pause) {
	if (!vigil_begin(&driver->vigil, driver->now)) {
		vigil_sleep(&driver->vigil, driver->now);
		driver->now += pause;
		vigil_notified(&driver->vigil, driver->now);
		return false;
	}
	driver->kept++;
	for (uint64_t usec = 0; usec < pause; usec++) {
		if (!vigil_goes_on(&driver->vigil, driver->now + usec)) {
			driver->watching += usec;
			vigil_sleep(&driver->vigil, driver->now + usec);
			driver->now += pause;
			vigil_notified(&driver->vigil, driver->now);
			return true;
		}
	}
	driver->now += pause;
	driver->watching += pause;
	vigil_paid(&driver->vigil, driver->now);
	return true;
}

static void a_driver_in_a_hurry_is_waited_for(void **state) {
	struct driver driver = {.now = START};
	for (unsigned i = 0; i < VIGIL_TRIES; i++) {
		assert_false(command(&driver, VIGIL_USEC / 2));
	}
	for (unsigned i = 0; i < 100; i++) {
		assert_true(command(&driver, VIGIL_USEC / 2));
	}
}

static void one_that_draws_at_the_rate_of_a_screen_is_not(void **state) {
	struct driver driver = {.now = START};
	for (unsigned frame = 0; frame < 1000; frame++) {
		command(&driver, 16667 - VIGIL_USEC);
		for (unsigned i = 0; i + 1 < VIGIL_TRIES; i++) {
			command(&driver, VIGIL_USEC / 2);
		}
	}
	assert_int_equal(driver.kept, 0);
}

static void after_one_in_vain_it_must_prove_itself_for_longer(void **state) {
	struct driver driver = {.now = START};
	for (unsigned i = 0; i <= VIGIL_TRIES; i++) {
		command(&driver, VIGIL_USEC / 2);
	}
	assert_int_equal(driver.kept, 1);
	assert_true(command(&driver, 16667));
	assert_int_equal(driver.watching, VIGIL_USEC / 2 + VIGIL_USEC);
	for (unsigned tries = 2 * VIGIL_TRIES; tries <= 8 * VIGIL_TRIES; tries *= 2) {
		for (unsigned i = 0; i < tries; i++) {
			assert_false(command(&driver, VIGIL_USEC / 2));
		}
		assert_true(command(&driver, 16667));
	}
}

/* It comes as late as a vigil just does not see, and still as if one had paid. */
static void those_in_vain_take_an_eighth_of_the_time(void **state) {
	struct driver driver = {.now = START};
	while (driver.now < START + 1000000) {
		command(&driver, VIGIL_USEC + 1);
	}
	assert_true(driver.kept > 0);
	assert_in_range(driver.watching, 1, 1000000 / VIGIL_SHARE + VIGIL_SAVED + VIGIL_USEC);
}

/* Beyond what a wake-up would have taken. */
static void so_do_those_that_pay(void **state) {
	struct driver driver = {.now = START};
	while (driver.now < START + 1000000) {
		command(&driver, VIGIL_USEC - 1);
	}
	assert_true(driver.kept > 0);
	assert_in_range(driver.watching - VIGIL_WAKE_UP * driver.kept, 1,
		1000000 / VIGIL_SHARE + VIGIL_SAVED + VIGIL_USEC);
}

static void one_that_is_stopped_counts_for_nothing(void **state) {
	struct driver driver = {.now = START};
	for (unsigned i = 0; i < VIGIL_TRIES; i++) {
		command(&driver, VIGIL_USEC / 2);
	}
	assert_true(vigil_begin(&driver.vigil, driver.now));
	vigil_stop(&driver.vigil);
	assert_false(vigil_goes_on(&driver.vigil, driver.now));
	assert_true(vigil_begin(&driver.vigil, driver.now + 1000));
}

static void a_second_queue_does_not_prolong_one(void **state) {
	struct driver driver = {.now = START};
	for (unsigned i = 0; i < VIGIL_TRIES; i++) {
		command(&driver, VIGIL_USEC / 2);
	}
	assert_true(vigil_begin(&driver.vigil, driver.now));
	assert_true(vigil_begin(&driver.vigil, driver.now + VIGIL_USEC - 1));
	assert_false(vigil_goes_on(&driver.vigil, driver.now + VIGIL_USEC));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_driver_in_a_hurry_is_waited_for),
		cmocka_unit_test(one_that_draws_at_the_rate_of_a_screen_is_not),
		cmocka_unit_test(after_one_in_vain_it_must_prove_itself_for_longer),
		cmocka_unit_test(those_in_vain_take_an_eighth_of_the_time),
		cmocka_unit_test(so_do_those_that_pay),
		cmocka_unit_test(one_that_is_stopped_counts_for_nothing),
		cmocka_unit_test(a_second_queue_does_not_prolong_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
