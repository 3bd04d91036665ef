#include "device-link.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fd.h"

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

static void what_is_said_of_the_sandbox_arrives_or_is_refused(void **state) {
	struct link_message received,
		sent = {.type = LINK_SANDBOX,
			.sandbox = {.layers = 0xffff, .failed = 31, .error = 4095}};
	assert_int_equal(round_trip(&sent, &received), 1);
	assert_memory_equal(&received.sandbox, &sent.sandbox, sizeof(sent.sandbox));
	sent.sandbox.failed++;
	assert_int_equal(round_trip(&sent, &received), -EPROTO);
	sent.sandbox.failed--;
	sent.sandbox.error++;
	assert_int_equal(round_trip(&sent, &received), -EPROTO);
	sent.sandbox.error = 0;
	sent.sandbox.reserved = 1;
	assert_int_equal(round_trip(&sent, &received), -EPROTO);
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
	for (int32_t value = LINK_INPUT_REL_LIMIT; value <= LINK_INPUT_REL_LIMIT + 1; value++) {
		struct link_message relative = {
			.type = LINK_INPUT,
			.input = {.count = 2,
				.events = {{LINK_INPUT_REL_X, 0, value},
					{LINK_INPUT_REL_Y, 0, -value}}},
		};
		assert_int_equal(
			round_trip(&relative, &received) == -EPROTO, value > LINK_INPUT_REL_LIMIT);
	}
}

static void fingers_do_not_cross_the_link(void **state) {
	for (uint32_t type = LINK_INPUT_TOUCH; type <= LINK_INPUT_TOUCH_Y; type++) {
		struct link_message received,
			finger = {
				.type = LINK_INPUT,
				.input = {.count = 1, .events = {{type, 0, 1}}},
			};
		assert_int_equal(round_trip(&finger, &received), -EPROTO);
	}
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
			.heads = 1,
			.functions = 1,
			.hidden_refresh = 1000,
			.name = "work"},
	};
	struct link_message message;
	const size_t one = LINK_FDS_OF(1);
	assert_true(link_decode(&packet, sizeof(packet), one, &message));
	assert_false(link_decode(&packet, sizeof(packet), one - 1, &message));
	packet.header[0] = LINK_ADOPT;
	assert_true(link_decode(&packet, sizeof(packet), one, &message));
	packet.setup.functions = LINK_FUNCTIONS;
	assert_false(link_decode(&packet, sizeof(packet), one, &message));
	assert_true(link_decode(&packet, sizeof(packet), LINK_FDS_MAX, &message));
	const uint32_t wrong[] = {0, 2, LINK_FUNCTIONS + 1, UINT32_MAX};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		packet.setup.functions = wrong[i];
		assert_false(link_decode(
			&packet, sizeof(packet), LINK_FDS_OF((size_t)wrong[i]), &message));
	}
	packet.setup.functions = 1;
	memset(packet.setup.name, 'a', sizeof(packet.setup.name));
	assert_false(link_decode(&packet, sizeof(packet), one, &message));
}

static bool decodes(uint32_t type, const void *body, size_t size, size_t fds) {
	struct link_message message;
	char packet[64] = {0};
	memcpy(packet, &type, sizeof(type));
	memcpy(packet + 8, body, size);
	return link_decode(packet, 8 + size, fds, &message);
}

static void keys_are_checked(void **state) {
	static const struct {
		struct link_key key;
		bool valid;
	} cases[] = {
		{{LINK_KIND_CONNECTION, 0, 0, 0}, true},
		{{LINK_KIND_CONNECTION, 0, 1, 0}, false},
		{{LINK_KIND_CONNECTION, 1, 0, 0}, false},
		{{LINK_KIND_CONNECTION, 0, 0, LINK_FUNCTIONS - 1}, true},
		{{LINK_KIND_CONNECTION, 0, 0, LINK_FUNCTIONS}, false},
		{{LINK_KIND_MEMORY, 0, LINK_MEMORY_MAX - 1, 0}, true},
		{{LINK_KIND_MEMORY, 0, LINK_MEMORY_MAX, 0}, false},
		{{LINK_KIND_MEMORY, 1, 0, 0}, false},
		{{LINK_KIND_IRQ, LINK_IRQ_INDEX_MAX - 1, LINK_IRQ_VECTOR_MAX - 1, 0}, true},
		{{LINK_KIND_IRQ, LINK_IRQ_INDEX_MAX, 0, 0}, false},
		{{LINK_KIND_IRQ, 0, LINK_IRQ_VECTOR_MAX, 0}, false},
		{{LINK_KIND_UNMASK, 0, 0, 0}, true},
		{{LINK_KIND_UNMASK, 0, 1, 0}, false},
		{{0, 0, 0, 0}, false},
		{{LINK_KIND_UNMASK + 1, 0, 0, 0}, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct link_key *key = &cases[i].key;
		assert_int_equal(decodes(LINK_STORE, key, sizeof(*key), 1), cases[i].valid);
		assert_int_equal(decodes(LINK_STORED, key, sizeof(*key), 1), cases[i].valid);
		assert_int_equal(decodes(LINK_DROP, key, sizeof(*key), 0), cases[i].valid);
		assert_false(decodes(LINK_STORE, key, sizeof(*key), 0));
		assert_false(decodes(LINK_STORE, key, sizeof(*key), 2));
		assert_false(decodes(LINK_DROP, key, sizeof(*key), 1));
		assert_false(decodes(LINK_DROP, key, sizeof(*key) - 1, 0));
	}
}

static void every_slot_has_one_valid_key(void **state) {
	for (unsigned slot = 0; slot < LINK_SLOTS; slot++) {
		struct link_key key = link_slot_key(slot);
		assert_true(decodes(LINK_DROP, &key, sizeof(key), 0));
		assert_int_equal(link_key_slot(&key), slot);
	}
}

static void beats_and_go_carry_nothing_else(void **state) {
	const uint64_t beat[2] = {7, 0};
	assert_true(decodes(LINK_PING, beat, 8, 0));
	assert_true(decodes(LINK_PONG, beat, 8, 0));
	assert_false(decodes(LINK_PONG, beat, 9, 0));
	assert_false(decodes(LINK_PONG, beat, 8, 1));
	assert_false(decodes(LINK_PING, beat, 7, 0));
	assert_true(decodes(LINK_GO, beat, 0, 0));
	assert_false(decodes(LINK_GO, beat, 8, 0));
	assert_false(decodes(LINK_GO, beat, 0, 1));
	assert_false(decodes(LINK_ADOPT + 1, beat, 0, 0));
}

/* What a device tells a mulliond that has come later, as that one receives it. */
static void an_adoption_arrives_whole_and_in_order(void **state) {
	int pair[2], fds[FD_MAX], given[LINK_FDS_MAX];
	size_t n;
	struct link_message received,
		adopt = {
			.type = LINK_ADOPT,
			.setup = {.version = LINK_VERSION,
				.personality = LINK_PERSONALITY_BOCHS,
				.heads = 1,
				.functions = LINK_FUNCTIONS,
				.hidden_refresh = 1000,
				.slice_base = 5,
				.name = "work"},
		};
	const struct link_message store = {.type = LINK_STORE, .key = {LINK_KIND_MEMORY, 0, 3, 0}};
	const struct link_message go = {.type = LINK_GO};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	for (size_t i = 0; i < LINK_FDS_MAX; i++) {
		given[i] = STDIN_FILENO;
	}
	assert_int_equal(link_send(pair[0], &adopt, given, LINK_FDS_MAX), 0);
	assert_int_equal(link_send(pair[0], &store, given, 1), 0);
	assert_int_equal(link_send(pair[0], &go, NULL, 0), 0);
	close(pair[0]); // the buffer outlives its sender
	assert_int_equal(link_receive(pair[1], &received, fds, &n), 1);
	assert_int_equal(received.type, LINK_ADOPT);
	assert_int_equal(received.setup.slice_base, 5);
	assert_int_equal(n, LINK_FDS_MAX);
	fd_close_many(fds, n);
	assert_int_equal(link_receive(pair[1], &received, fds, &n), 1);
	assert_int_equal(received.type, LINK_STORE);
	assert_memory_equal(&received.key, &store.key, sizeof(store.key));
	assert_int_equal(n, 1);
	fd_close_many(fds, n);
	assert_int_equal(link_receive(pair[1], &received, fds, &n), 1);
	assert_int_equal(received.type, LINK_GO);
	assert_int_equal(link_receive(pair[1], &received, fds, &n), 0);
	close(pair[1]);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(input_arrives_as_sent),
		cmocka_unit_test(what_is_said_of_the_sandbox_arrives_or_is_refused),
		cmocka_unit_test(input_out_of_range_is_refused),
		cmocka_unit_test(fingers_do_not_cross_the_link),
		cmocka_unit_test(count_must_match_length),
		cmocka_unit_test(setup_needs_its_descriptors_and_a_terminated_name),
		cmocka_unit_test(keys_are_checked),
		cmocka_unit_test(every_slot_has_one_valid_key),
		cmocka_unit_test(beats_and_go_carry_nothing_else),
		cmocka_unit_test(an_adoption_arrives_whole_and_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
