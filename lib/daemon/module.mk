sources := daemon.c landlock.c paths.c processes.c sandbox.c sandbox_calls.c
uses := base ev ipc net conf stats
