#include "master/master.h"

struct master master = {
    .generation = 1,
    .reload = {.generation = 1, .keys_fd = -1},
    .spool_fd = -1,
    .control_fd = -1,
    .stats_fd = -1,
    .lock_fd = -1,
    .own_lock_fd = -1,
    .log_fd = -1,
    .keys_fd = -1,
    .filter_fd = {-1, -1},
    .ready_fd = -1,
};
