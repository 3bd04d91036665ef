#include "device-link.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct link_message key(uint32_t code, int32_t value) {
	return (struct link_message){
		.type = LINK_INPUT,
		.input = {.count = 1, .events = {{LINK_INPUT_KEY, code, value}}},
	};
}

static int round_trip(const struct link_message *message, struct link_message *ret) {
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(link_send(pair[0], message, NULL, 0), 0);
	int fds[16];
	size_t n;
	int result = link_receive(pair[1], ret, fds, &n);
	close(pair[0]);
	close(pair[1]);
	return result;
}

static void input_arrives_as_sent(void **state) {
	struct link_message sent = key(30, 1), received;
	assert_int_equal(round_trip(&sent, &received), 1);
	assert_int_equal(received.type, LINK_INPUT);
	assert_int_equal(received.input.count, 1);
	assert_memory_equal(received.input.events, sent.input.events, sizeof(sent.input.events[0]));
}

static void input_out_of_range_is_refused(void **state) {
	struct link_message received, bad[] = {key(0x300, 1), key(30, 2), key(30, -1)};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(round_trip(&bad[i], &received), -EPROTO);
	}
	struct link_message absolute = {
		.type = LINK_INPUT,
		.input = {.count = 1, .events = {{LINK_INPUT_ABS_X, 0, 32768}}},
	};
	assert_int_equal(round_trip(&absolute, &received), -EPROTO);
}

static void count_must_match_length(void **state) {
	uint32_t packet[2 + 1 + 3] = {LINK_INPUT, 0, 1, LINK_INPUT_KEY, 30, 1};
	struct link_message message;
	assert_true(link_decode(packet, sizeof(packet), 0, &message));
	for (uint32_t count = 0; count < 40; count++) {
		packet[2] = count;
		assert_int_equal(link_decode(packet, sizeof(packet), 0, &message), count == 1);
	}
	packet[2] = 1;
	for (size_t size = 0; size < sizeof(packet); size++) {
		assert_false(link_decode(packet, size, 0, &message));
	}
	assert_false(link_decode(packet, sizeof(packet), 1, &message));
	packet[1] = 1;
	assert_false(link_decode(packet, sizeof(packet), 0, &message));
}

static void setup_needs_its_descriptors_and_a_terminated_name(void **state) {
	struct {
		uint32_t header[2];
		struct link_setup setup;
	} __attribute__((packed)) packet = {
		.header = {LINK_SETUP, 0},
		.setup = {.version = LINK_VERSION,
			.personality = LINK_PERSONALITY_BOCHS,
			.name = "work"},
	};
	struct link_message message;
	assert_true(link_decode(&packet, sizeof(packet), 3, &message));
	assert_false(link_decode(&packet, sizeof(packet), 2, &message));
	memset(packet.setup.name, 'a', sizeof(packet.setup.name));
	assert_false(link_decode(&packet, sizeof(packet), 3, &message));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(input_arrives_as_sent),
		cmocka_unit_test(input_out_of_range_is_refused),
		cmocka_unit_test(count_must_match_length),
		cmocka_unit_test(setup_needs_its_descriptors_and_a_terminated_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
