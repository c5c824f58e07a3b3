sources := daemon.c paths.c processes.c sandbox.c sandbox_calls.c
uses := base ev ipc net conf stats
