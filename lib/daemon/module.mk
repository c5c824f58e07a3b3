sources := $(notdir $(wildcard lib/daemon/*.c))
uses := base ev ipc net conf stats
