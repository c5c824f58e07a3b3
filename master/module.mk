sources := $(notdir $(wildcard master/*.c))
uses := daemon conf ipc net stats
program := sbin/posthaste
