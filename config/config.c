#include "config.h"

void config_finish(struct config *config) {
}
