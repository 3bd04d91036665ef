#ifndef TESTS_LIFE_MANAGER_H
#define TESTS_LIFE_MANAGER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Stands in for systemd's side of the file-descriptor store: a socket to which descriptors
 * are sent, each kept by its name, and an open file only once.
 */
#define MANAGER_FDS_MAX 1024

struct manager {
	int socket;
	char path[108];
	size_t len;
	unsigned words; // messages that it got
	struct {
		char name[256];
		int fd;
	} kept[MANAGER_FDS_MAX];
};

/* Makes the socket in a directory and tells the environment; -1 where that fails. */
int manager_init(struct manager *manager, const char *directory);

/* Closes all, and tells the environment that there is none. */
void manager_finish(struct manager *manager);

/* Reads what was sent. False for a message that systemd would not understand. */
bool manager_read(struct manager *manager);

/* How many names begin like this. */
size_t manager_count(const struct manager *manager, const char *prefix);

/* The descriptor of a name, or -1. */
int manager_find(const struct manager *manager, const char *name);

#endif
