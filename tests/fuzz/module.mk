# control_fuzz is queued with the world of the queue replays around it
fuzz-also-control_fuzz := lib/ev/ev_fake $(filter-out %/queue_script,$(basename $(wildcard tests/replay/queue_*.c)))
fuzz-without-control_fuzz := lib/ev/ev_libevent lib/ev/worker lib/daemon/daemon lib/daemon/sandbox lib/daemon/sandbox_calls
fuzz-link-control_fuzz := -Wl,--wrap=ipc_chan_new
