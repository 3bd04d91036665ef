#include "qemu-sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device-link.h"
#include "words.h"

/* What an installed program needs to be executed, and its data. /lib and its like are
 * links into /usr on a merged system. */
static const char *const system_paths[] = {
	"/usr",
	"/bin",
	"/lib",
	"/lib32",
	"/lib64",
	"/etc/ld.so.cache",
	"/etc/alternatives",
	"/etc/localtime",
};

static const char *const nodes[] = {"/dev/null", "/dev/zero", "/dev/urandom"};

static void add_if_set(
	struct sandbox *sandbox, enum sandbox_access access, bool optional, const char *path) {
	if (path != NULL && path[0] != '\0') {
		sandbox_add(sandbox, access, optional, path);
	}
}

/* The folder of a path. */
static void add_folder(struct sandbox *sandbox, enum sandbox_access access, const char *path) {
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;
	if (slash == NULL || slash == path) {
		return;
	}
	char *folder = strndup(path, (size_t)(slash - path));
	if (folder == NULL) {
		sandbox->error = -ENOMEM;
		return;
	}
	sandbox_add(sandbox, access, false, folder);
	free(folder);
}

/* Colon-separated, as the configuration has made them: absolute. */
static void add_list(struct sandbox *sandbox, enum sandbox_access access, const char *list) {
	while (list != NULL && *list != '\0') {
		size_t length = strcspn(list, ":");
		char *path = strndup(list, length);
		if (path == NULL) {
			sandbox->error = -ENOMEM;
			return;
		}
		add_if_set(sandbox, access, false, path);
		free(path);
		list += length + (list[length] == ':');
	}
}

/* A QEMU that is not below /usr, with the data that lies beside it. */
static void add_program(struct sandbox *sandbox, const char *program) {
	char *data;
	const char *slash = strrchr(program, '/');
	if (strncmp(program, "/usr/", 5) == 0 || slash == NULL) {
		return;
	}
	sandbox_add(sandbox, SANDBOX_READ, false, program);
	if (asprintf(&data, "%.*s/../share/qemu", (int)(slash - program), program) < 0) {
		sandbox->error = -ENOMEM;
		return;
	}
	char *real = realpath(data, NULL);
	add_if_set(sandbox, SANDBOX_READ, true, real);
	free(real);
	free(data);
}

/* A network card of the user's own arguments needs the network as ours does. */
static bool has_network(const struct config_guest *guest) {
	static const char *const options[] = {"-netdev", "-nic", "-net"};
	char **words = NULL;
	bool found = guest->network == CONFIG_NETWORK_USER;
	if (found || guest->extra == NULL || words_split(guest->extra, &words) < 0) {
		return found;
	}
	for (size_t i = 0; words[i] != NULL; i++) {
		for (size_t j = 0; j < sizeof(options) / sizeof(options[0]); j++) {
			// QEMU takes two dashes as one.
			const char *word = words[i] + (strncmp(words[i], "--", 2) == 0);
			found = found || strcmp(word, options[j]) == 0;
		}
	}
	words_free(words);
	return found;
}

void qemu_sandbox_init(struct sandbox *sandbox, const struct config_guest *guest,
	const struct qemu_needs *needs, char *const *sockets) {
	*sandbox = (struct sandbox){
		.kind = SANDBOX_KIND_VMM,
		.host_network = has_network(guest),
	};
	for (size_t i = 0; i < sizeof(system_paths) / sizeof(system_paths[0]); i++) {
		sandbox_add(sandbox, SANDBOX_READ, true, system_paths[i]);
	}
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		sandbox_add(sandbox, SANDBOX_NODE, false, nodes[i]);
	}
	if (needs->kvm) {
		sandbox_add(sandbox, SANDBOX_NODE, false, "/dev/kvm");
	}
	if (sandbox->host_network) {
		sandbox_add(sandbox, SANDBOX_READ, true, "/etc/resolv.conf");
	}
	add_program(sandbox, needs->program);
	add_if_set(sandbox, SANDBOX_READ, false, needs->firmware_code);
	add_folder(sandbox, SANDBOX_WRITE, needs->firmware_vars);
	add_if_set(sandbox, SANDBOX_READ, false, needs->option_rom);
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		add_if_set(sandbox, SANDBOX_READ, false, sockets[i]);
	}
	add_if_set(sandbox, SANDBOX_WRITE, false, guest->disk);
	add_if_set(sandbox, SANDBOX_READ, false, guest->cdrom);
	add_if_set(sandbox, SANDBOX_READ, false, guest->kernel);
	add_if_set(sandbox, SANDBOX_READ, false, guest->initrd);
	add_list(sandbox, SANDBOX_READ, guest->read_only_paths);
	add_list(sandbox, SANDBOX_WRITE, guest->paths);
}
